"""Whether two numbers are the same, for each kind of tolerance."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.answers.compare import allowed, apart, close, differing, in_words, index_of, number, ordinal
from workbench.spec.exercise import Comparison

INF, NAN = math.inf, math.nan
EXACT = Comparison(kind="exact")


def relabs(rtol: float, atol: float) -> Comparison:
    return Comparison(rtol=rtol, atol=atol)


def digits(kind: str, count: int) -> Comparison:
    return Comparison(kind=kind, digits=count)  # type: ignore[arg-type]


numbers = st.floats(allow_nan=True, allow_infinity=True)


@settings(max_examples=300, deadline=None)
@given(numbers, numbers, st.floats(0, 0.5), st.floats(0, 10))
def test_relabs_is_numpys_inequality(got: float, want: float, rtol: float, atol: float) -> None:
    if not rtol and not atol:
        return
    atol = atol or 1e-300
    with np.errstate(all="ignore"):
        assert close(got, want, relabs(rtol, atol)) == bool(np.isclose(got, want, rtol=rtol, atol=atol))


@pytest.mark.parametrize("comparison", [EXACT, relabs(0.1, 1), digits("sigfig", 3), digits("decdig", 3)])
def test_what_is_no_number_equals_nothing_and_infinities_agree_by_sign(comparison: Comparison) -> None:
    assert close(INF, INF, comparison)
    assert close(-INF, -INF, comparison)
    for got, want in ((NAN, NAN), (NAN, 0), (0, NAN), (INF, -INF), (-INF, INF), (INF, 1e308), (1e308, INF), (NAN, INF)):
        assert not close(got, want, comparison)


@pytest.mark.parametrize(
    ("kind", "count", "want", "right", "wrong"),
    [
        ("sigfig", 3, 3.14159, [3.14, 3.14159, 3.137, 3.1465], [3.13, 3.15, -3.14, 0]),
        ("sigfig", 3, -0.00123456, [-0.00123, -0.0012346, -0.00123001], [-0.00122, -0.00125, 0.00123]),
        ("sigfig", 3, 123456, [123000, 123456, 123900], [122000, 124000]),
        ("sigfig", 1, 7, [7, 7.4, 6.6], [8, 6, 6.4]),
        ("sigfig", 3, 1000, [1000, 1004, 996], [1006, 994, 1010]),
        ("sigfig", 3, 999.6, [1000, 999.6, 999.2], [998, 1001]),
        ("sigfig", 3, 0, [0, 0.0005], [0.001, -0.001]),
        ("sigfig", 2, 1e-310, [1e-310, 1.04e-310], [1.1e-310, 0]),
        ("sigfig", 15, 1e308, [1e308], [1.01e308]),
        ("sigfig", 3, 5e-324, [5e-324], [1e-323, 0]),
        ("decdig", 2, 3.14159, [3.14, 3.142, 3.137, 3.1459], [3.13, 3.15]),
        ("decdig", 2, 0.005, [0.01, 0, 0.005], [0.02, -0.01]),
        ("decdig", 1, 1e6 + 0.25, [1e6 + 0.2, 1e6 + 0.3], [1e6, 1e6 + 0.4]),
    ],
)
def test_digits(kind: str, count: int, want: float, right: list[float], wrong: list[float]) -> None:
    comparison = digits(kind, count)
    assert [got for got in right if not close(got, want, comparison)] == []
    assert [got for got in wrong if close(got, want, comparison)] == []


@settings(max_examples=300, deadline=None)
@given(st.floats(-1e6, 1e6).filter(lambda x: abs(x) > 1e-9), st.integers(1, 9))
def test_what_is_rounded_to_the_digits_asked_for_is_right(want: float, count: int) -> None:
    assert close(float(f"{want:.{count - 1}e}"), want, digits("sigfig", count))
    assert close(round(want, min(count, 4)), want, digits("decdig", min(count, 4)))
    two_off = want + 2 * 10.0 ** (math.floor(math.log10(abs(want))) - count + 1)
    assert not close(two_off, want, digits("sigfig", count))


def test_exact() -> None:
    assert close(0.5, 0.5, EXACT)
    assert close(-0.0, 0.0, EXACT)
    assert close(3, 3.0, EXACT)
    assert close(True, 1, EXACT)
    assert not close(0.1 + 0.2, 0.3, EXACT)
    assert allowed(5, EXACT) == 0


def test_a_factor_widens() -> None:
    assert not close(1.3, 1.0, relabs(0, 0.1))
    assert close(1.25, 1.0, relabs(0, 0.1), 3)
    assert close(1.02, 1.0, digits("decdig", 2), 5)


def test_places() -> None:
    assert differing([1, 2, NAN, 4], [1, 3, NAN, 4], EXACT) == [1, 2]
    with pytest.raises(ValueError, match="zip"):
        differing([1], [1, 2], EXACT)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 5), max_size=4), st.data())
def test_indices_are_numpys(shape: list[int], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, math.prod(shape) - 1))
    assert index_of(place, shape) == list(map(int, np.unravel_index(place, tuple(shape)))) if shape else True


def test_words() -> None:
    assert ordinal([]) == "the number"
    assert ordinal([2]) == "entry 3"
    assert ordinal([0, 1]) == "row 1, column 2"
    assert ordinal([0, 1, 2]) == "entry (1, 2, 3)"
    assert in_words(EXACT) == "exactly"
    assert in_words(relabs(0.01, 1e-8)) == "within 0.01 of its size plus 1e-08"
    assert in_words(digits("sigfig", 3)) == "to 3 significant digits"
    assert in_words(digits("decdig", 2)) == "to 2 decimal digits"
    assert [number(x) for x in (3.0, -0.0, 0.1, 1e20, INF, NAN, 1 / 3)] == [
        "3",
        "0",
        "0.1",
        "1e+20",
        "inf",
        "nan",
        "0.333333",
    ]


@pytest.mark.parametrize(
    ("got", "want", "shown"),
    [
        (1.0, 2.0, ("1", "2")),
        (1 / 3, 0.5, ("0.333333", "0.5")),
        (1.0000001, 1.0, ("1.0000001", "1")),
        (0.12345678, 0.12345679, ("0.12345678", "0.12345679")),
        (0.1 + 0.2, 0.3, ("0.30000000000000004", "0.29999999999999999")),
        (NAN, 1.0, ("nan", "1")),
    ],
)
def test_two_numbers_in_one_sentence_never_look_alike(got: float, want: float, shown: tuple[str, str]) -> None:
    assert apart(got, want) == shown


@settings(max_examples=200, deadline=None)
@given(st.floats(allow_nan=False), st.integers(-3, 3))
def test_neighbours_are_told_apart(want: float, steps: int) -> None:
    got = want
    for _ in range(abs(steps)):
        got = math.nextafter(got, math.copysign(INF, steps))
    assert (apart(got, want)[0] == apart(got, want)[1]) == (got == want)
