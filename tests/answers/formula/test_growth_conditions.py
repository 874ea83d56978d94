"""Side conditions as authors write them."""

from __future__ import annotations

from fractions import Fraction

import pytest

from workbench.answers.formula import Unreadable
from workbench.answers.formula.growth import conditions

NAMES = ("N", "D", "M", "h")


def rows(text: str) -> list[tuple[tuple[int, ...], bool]]:
    return [(tuple(int(x * 2) for x in row.vector), row.strict) for row in conditions([text], NAMES).rows]


MORE = (2, -2, 0, 0)
LESS = (-2, 2, 0, 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *((text, [(MORE, False), (LESS, False)]) for text in ("N ~ D", "N≈D", "N ∼ D", "N ≍ D", "N = D", r"N \sim D")),
        *((text, [(MORE, True)]) for text in ("N >> D", "N ≫ D", r"N \gg D", "D << N", "D≪N")),
        *(
            (text, [(MORE, False)])
            for text in ("N >= D", "N ≥ D", "N > D", r"N \geq D", "D <= N", r"D \le N", "2D ≤ N/3")
        ),
        ("N >> D^2", [((2, -4, 0, 0), True)]),
        ("N ≫ D²", [((2, -4, 0, 0), True)]),
        ("N >= √D", [((2, -1, 0, 0), False)]),
        ("N D >= M", [((2, 2, -2, 0), False)]),
        ("N/D >= M", [((2, -2, -2, 0), False)]),
        ("N >= D, M", [(MORE, False), ((2, 0, -2, 0), False)]),
        ("N >= D and M", [(MORE, False), ((2, 0, -2, 0), False)]),
        ("N >= max(D, M)", [(MORE, False), ((2, 0, -2, 0), False)]),
        ("N >= D + M", [(MORE, False), ((2, 0, -2, 0), False)]),
        ("min(D, M) >= N", [((-2, 0, 2, 0), False), (LESS, False)]),
        ("D <= M <= N", [((0, -2, 2, 0), False), ((2, 0, -2, 0), False)]),
        *(
            (f"h{word}", [((0, 0, 0, -2), False)])
            for word in (" const", " constant", " is constant", " fixed", " = const", " is const.", " bounded")
        ),
        ("h, M const", [((0, 0, 0, -2), False), ((0, 0, -2, 0), False)]),
        ("h ~ 1", [((0, 0, 0, 2), False), ((0, 0, 0, -2), False)]),
        ("h = 8", [((0, 0, 0, 2), False), ((0, 0, 0, -2), False)]),
    ],
)
def test_read(text: str, expected: list[tuple[tuple[int, ...], bool]]) -> None:
    assert sorted(rows(text)) == sorted(expected)


def test_one_text_is_no_list_of_letters() -> None:
    assert conditions("N ~ D", NAMES) == conditions(["N ~ D"], NAMES)


def test_a_row_knows_its_condition() -> None:
    (row,) = conditions(["N >> D^2"], NAMES).rows
    assert (row.text, row.vector) == ("N >> D^2", tuple(map(Fraction, (1, -2, 0, 0))))


@pytest.mark.parametrize(
    ("text", "marked", "message"),
    [
        ("N >> Q", "Q", "'Q' is not used here; the names are N, D, M, h"),
        ("q const", "q", "'q' is not used here; the names are N, D, M, h"),
        ("N ~", "", "nothing is written here yet"),
        ("N D", "N D", "write how two sizes compare, as in M ~ D, N >> D^2 or k <= N, or 'h const'"),
        ("N + D >= M", "N + D >= M", "the larger side cannot be a sum or a maximum"),
        ("N ~ D + M", "N ~ D + M", "the larger side cannot be a sum or a maximum"),
        ("D >= log N", "D >= log N", "a condition compares products of powers, without logs"),
        ("N >= 2^D", "2^D", "exponential growth, with a variable in the exponent, is not compared"),
        ("N >= 0", "0", "a growth class is positive, and this is zero"),
        ("N >= D M)", ")", "')' closes a bracket that was never opened"),
    ],
)
def test_refused(text: str, marked: str, message: str) -> None:
    with pytest.raises(Unreadable) as caught:
        conditions(["M ~ D", text], NAMES)
    fault = caught.value
    assert fault.message == f"in the condition '{text}': {message}"
    assert text[fault.position : fault.position + fault.length] == marked


@pytest.mark.parametrize(
    "texts",
    [("N >> D", "D >> N"), ("N >> D", "N ~ D"), ("N >> 1", "N const"), ("N >> D", "D >> M", "M >= N"), ("1 >> N",)],
)
def test_contradictions(texts: tuple[str, ...]) -> None:
    with pytest.raises(Unreadable, match="no growth of the variables meets all of these conditions"):
        conditions(texts, NAMES)


@pytest.mark.parametrize("texts", [(), ("N >> D", "D >> M"), ("N >> D", "D const"), ("N ~ D", "D ~ M", "M ~ h")])
def test_no_contradiction(texts: tuple[str, ...]) -> None:
    assert {row.text for row in conditions(texts, NAMES).rows} == {*texts}
