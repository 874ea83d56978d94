"""Numbers and tensors that are typed by hand: what is read, what is right, and what is said to the rest."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.arrays import Array
from engines.figures import Heatmap
from tests.answers.answer_samples import EXACT, NO_BENCH, examine, key_of, unreadable, verdict_on
from workbench.answers.tensor import MAX_ENTRIES, Number, Tensor, read_tensor, squeezed, written
from workbench.answers.verdict import Key, Unreadable
from workbench.spec.exercise import Comparison, Mistake, NumberPart, TensorPart

HAND = Comparison(rtol=1e-2, atol=1e-8)


def key(want: Any, comparison: Comparison = EXACT, *mistakes: Mistake, **values: Any) -> Key:
    part = TensorPart(id="x", ask="?", expect="want", comparison=comparison, mistakes=mistakes)
    return key_of(part, {"want": want, **values})


def number_key(want: Any, comparison: Comparison = EXACT) -> Key:
    return key_of(NumberPart(id="x", ask="?", expect="want", comparison=comparison), {"want": want})


# -- reading


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[1, 4, 3]", [1, 4, 3]),
        ("1 4 3", [1, 4, 3]),
        ("1, 4, 3", [1, 4, 3]),
        ("1,4,3", [1, 4, 3]),
        ("(1; 4; 3)", [1, 4, 3]),
        ("1;4;3", [1, 4, 3]),
        ("1\n4\n3", [1, 4, 3]),
        ("{1, 4, 3}", [1, 4, 3]),
        ("⟨1, 4, 3⟩", [1, 4, 3]),
        ("  [ 1 ,4\t, 3 ] \n", [1, 4, 3]),
        ("1, 4, 3,", [1, 4, 3]),
        ("[1,\n4,\n3]", [1, 4, 3]),
        ("5", 5),
        (" 5 \n", 5),
        ("[5]", [5]),
        ("[[5]]", [[5]]),
        ("1 2\n3 4", [[1, 2], [3, 4]]),
        ("1 2; 3 4", [[1, 2], [3, 4]]),
        ("1, 2\r\n3, 4\r\n", [[1, 2], [3, 4]]),
        ("\n\n1 2\n\n3 4\n\n", [[1, 2], [3, 4]]),
        ("[[1, 2], [3, 4]]", [[1, 2], [3, 4]]),
        ("[1, 2], [3, 4]", [[1, 2], [3, 4]]),
        ("[1, 2]\n[3, 4]", [[1, 2], [3, 4]]),
        ("[1 2; 3 4]", [[1, 2], [3, 4]]),
        ("[1 2\n 3 4]", [[1, 2], [3, 4]]),
        ("[(1, 2), (3, 4)]", [[1, 2], [3, 4]]),
        ("[[[1, 2], [3, 4]], [[5, 6], [7, 8]]]", [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]),
        ("3/4 -1/2", [0.75, -0.5]),
        ("1e-3 1E3 .5 5. +2", [0.001, 1000, 0.5, 5, 2]),
        ("−1 −0.5 −3/4", [-1, -0.5, -0.75]),
        ("sqrt(2) √2 2sqrt(2)", [math.sqrt(2), math.sqrt(2), 2 * math.sqrt(2)]),
        ("pi π e e^2", [math.pi, math.pi, math.e, math.e**2]),
        ("sqrt(2)/2, (1+2)/4, 2^10", [math.sqrt(2) / 2, 0.75, 1024]),
        ("(1 + sqrt(5))/2", (1 + math.sqrt(5)) / 2),
        ("[(1+2)/4, (3-1)*2]", [0.75, 4]),
        ("(1)(2)", [[1], [2]]),
        ("(1, 2) (3, 4)", [[1, 2], [3, 4]]),
        ("½", 0.5),
        ("inf -inf ∞ -∞ −∞ +∞ Infinity", [math.inf, -math.inf, math.inf, -math.inf, -math.inf, math.inf, math.inf]),
        ("9007199254740993", 9007199254740992.0),
        ("1e300", 1e300),
    ],
)
def test_what_people_type(text: str, value: Any) -> None:
    found = read_tensor(text)
    want = Array.of(value)
    assert found.shape == want.shape
    assert found.flat() == pytest.approx(want.flat(), rel=1e-14, abs=0)


@pytest.mark.parametrize("p", range(-20, 21))
def test_a_fraction_is_the_float_nearest_to_it(p: int) -> None:
    for q in range(1, 40):
        assert read_tensor(f"{p}/{q}").tolist() == p / q
    assert read_tensor(f"(1+{p * p})/8").tolist() == (1 + p * p) / 8


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("", 0, "nothing is written"),
        (" \n\t", 0, "nothing is written"),
        ("[]", 0, "no number"),
        ("[[], []]", 1, "no number"),
        (";", 0, "no number"),
        ("1 x 3", 2, "'x' is not a number"),
        ("[1, 4, thre]", 7, "'thre' is not a number"),
        ("1,,3", 2, "a number is missing between two commas"),
        ("[1, 2", 0, "the bracket opened here is not closed; ']'"),
        ("[[1, 2], (3, 4]", 14, "']' closes no bracket"),
        ("1 2]", 3, "']' closes no bracket"),
        ("[1, 2)", 5, "')' closes no bracket"),
        ("1 2\n3", 0, "the rows are not equally long (2, 1 numbers)"),
        ("[[1, 2], [3]]", 0, "the rows are not equally long (2, 1 numbers)"),
        ("[1, [2, 3]]", 0, "not equally long"),
        ("1/0", 2, "divided by 0"),
        ("2 1/(1-1)", 2, "0"),
        ("sqrt(-1)", 0, "no value"),
        ("log(0)", 0, "no value"),
        ("1e999", 0, "too large"),
        ("-1e999", 0, "too large"),
        ("10^400", 0, "hundreds of digits"),
        ("9^9^9^9", 3, "a power of a power needs brackets"),
        ("[[[[[[[[1]]]]]]]]", 7, "nested more than 6 deep"),
        ("1 - 2", 2, "'-' is not a number"),
        ("1\x002", 1, "is not a number"),
        ("__import__('os')", 0, "is not a number"),
        ("1.2.3", 3, "is not a number"),
        ("0x10", 1, "is not a number"),
        ("tensor([1, 2])", 0, "is not a number"),
    ],
)
def test_what_cannot_be_read(text: str, position: int, words: str) -> None:
    fault = unreadable(text, key([1]))
    assert fault.position == position
    assert any(word in fault.message for word in words.split("|"))


def test_bounds() -> None:
    assert read_tensor("1 " * MAX_ENTRIES).size == MAX_ENTRIES
    text = "1 " * (MAX_ENTRIES + 1)
    fault = unreadable(text, key([1]))
    assert fault.position == 2 * MAX_ENTRIES
    for huge in (
        "[" * 100_000,
        "(" * 100_000,
        "1" * 100_000,
        "1/" * 50_000,
        ";" * 100_000,
        "1\n" * 50_000,
        "-" * 99_999,
    ):
        unreadable(huge, key([1]))


def test_a_number_is_one_number() -> None:
    for text in ("5", "[5]", "[[5]]", "(5)", "5,"):
        assert verdict_on(text, number_key(5)).status == "correct"
    fault = unreadable("5 6", number_key(5))
    assert fault.message == "one number is asked for, here are 2"
    assert (fault.position, fault.length) == (0, 3)
    assert Number().show(Array.of([0.5]), number_key(1)) == "[0.5]"


ALPHABET = "0123456789.,;-−+/ \n[](){}⟨⟩eEpi√sqrtlog^*∞½²\tx\0'é"


@settings(max_examples=600, deadline=None)
@given(st.text(ALPHABET, max_size=30) | st.text(max_size=30))
def test_any_text_is_read_or_refused_at_a_place_in_it(text: str) -> None:
    for kind in (Tensor(), Number()):
        try:
            answer = kind.read(text, key([1]))
        except Unreadable as fault:
            examine(fault, text)
        else:
            assert 1 <= answer.size <= len(text)
            again = kind.read(written(answer, 17), key([1]))
            assert again.shape == answer.shape
            assert again.flat() == pytest.approx(answer.flat(), rel=0, nan_ok=True)
            assert verdict_on(text, key([[1.0, 2.0]], HAND)).status in ("correct", "wrong")


# -- right answers


shapes = st.lists(st.integers(1, 4), max_size=4).map(tuple)


@st.composite
def arrays(draw: st.DrawFn, elements: st.SearchStrategy[float]) -> Array:
    shape = draw(shapes)
    size = math.prod(shape)
    numbers = draw(st.lists(elements, min_size=size, max_size=size))
    return Array("float64", shape, Array.of([*numbers, 0.5]).data[:-8])


@settings(max_examples=200, deadline=None)
@given(arrays(st.floats(allow_nan=False)))
def test_the_right_value_written_out_and_read_is_right(want: Array) -> None:
    for comparison in (EXACT, HAND, Comparison(kind="sigfig", digits=3), Comparison(kind="decdig", digits=3)):
        its = key(want, comparison)
        verdict = verdict_on(Tensor().write(want, its), its)
        assert (verdict.status, verdict.score) == ("correct", 1)


@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.float16, torch.bfloat16, torch.float32])
def test_every_dtype_can_be_typed(dtype: torch.dtype) -> None:
    want = torch.tensor([[0.1, 1.0, 3.0], [0.0, 1e3, 7.0]]).to(dtype)
    its = key(want)
    assert verdict_on(Tensor().write(its.value("want"), its), its).status == "correct"


@settings(max_examples=200, deadline=None)
@given(arrays(st.floats(-1e6, 1e6)), st.data())
def test_every_near_miss_is_wrong(want: Array, data: st.DataObject) -> None:
    """One entry moved by a little more than the tolerance, and nothing else."""
    rtol, atol = 1e-2, 1e-6
    its = key(want, Comparison(rtol=rtol, atol=atol))
    numbers = want.flat()
    place = data.draw(st.integers(0, want.size - 1))
    sign = data.draw(st.sampled_from([1, -1]))
    near = list(numbers)
    near[place] += sign * 0.9 * (atol + rtol * abs(numbers[place]))
    far = list(numbers)
    far[place] += sign * 1.1 * (atol + rtol * abs(numbers[place]))
    for moved, status in ((near, "correct"), (far, "wrong")):
        array = Array("float64", want.shape, Array.of(moved).data)
        verdict = verdict_on(written(array, 17), its)
        assert verdict.status == status
    assert verdict.note in ("wrong-entries", "wrong-value", "sign", "order")
    shown = verdict.witness
    flat = 0
    for index, size in zip(shown["index"], want.shape, strict=True):
        flat = flat * size + index
    assert flat == place
    assert (shown["got"], shown["expected"]) == (far[place], numbers[place])
    assert (shown["right"], shown["of"]) == (want.size - 1, want.size)


@pytest.mark.parametrize(
    ("want", "text"),
    [
        ([[1.0, 2.0, 3.0]], "1 2 3"),
        ([[1.0], [2.0], [3.0]], "1 2 3"),
        ([1.0, 2.0, 3.0], "1\n2\n3"),
        ([1.0, 2.0, 3.0], "[[1, 2, 3]]"),
        ([5.0], "5"),
        (5.0, "[[5]]"),
        ([[[1.0, 2.0]], [[3.0, 4.0]]], "1 2; 3 4"),
    ],
)
def test_sizes_of_one_are_not_held_against_anybody(want: Any, text: str) -> None:
    assert verdict_on(text, key(want)).status == "correct"


# -- wrong answers


def test_the_shape_comes_first() -> None:
    its = key([[1, 2, 3], [4, 5, 6]])
    for text, got in (("1 2", "a vector of 2 numbers"), ("5", "one number"), ("1 2; 3 4; 5 6", "a matrix of 3 rows")):
        verdict = verdict_on(text, its)
        assert verdict.note == "shape"
        assert got in verdict.message
        assert "a matrix of 2 rows and 3 columns is asked for" in verdict.message
        assert verdict.witness["expected_shape"] == [2, 3]
    assert "a vector of 1 number;" in verdict_on("[5]", its).message
    assert "2 × 2 × 2" in verdict_on("[[[1,2],[3,4]],[[5,6],[7,8]]]", its).message


def test_the_first_wrong_entry_how_many_are_right_and_a_mask() -> None:
    verdict = verdict_on("1 2 0; 4 0 6", key([[1, 2, 3], [4, 5, 6]]))
    assert verdict.note == "wrong-entries"
    assert verdict.message == "Row 1, column 3 should be 3, not 0. 4 of 6 entries are right."
    assert verdict.witness == {"index": [0, 2], "got": 0, "expected": 3, "right": 4, "of": 6}
    assert isinstance(verdict.figure, Heatmap)
    assert verdict.figure.matrix.tolist() == [[1, 1, 0], [1, 0, 1]]
    assert verdict.tolerance == "exactly"
    vector = verdict_on("1 4 4", key([1, 4, 3]))
    assert vector.message == "Entry 3 should be 3, not 4. 2 of 3 entries are right."
    assert isinstance(vector.figure, Heatmap)
    assert vector.figure.matrix.tolist() == [[1, 1, 0]]


def test_one_number_has_no_mask() -> None:
    verdict = verdict_on("4", number_key(3))
    assert (verdict.note, verdict.message, verdict.figure) == ("wrong-value", "The number should be 3, not 4.", None)


def test_numbers_that_differ_far_behind_the_point_are_told_apart() -> None:
    verdict = verdict_on("0.12345678", number_key(0.12345679))
    assert verdict.message == "The number should be 0.12345679, not 0.12345678."


def test_order_and_sign_have_notes_of_their_own() -> None:
    order = verdict_on("4 1 3", key([1, 4, 3]))
    assert order.note == "order"
    assert "in another order" in order.message
    sign = verdict_on("-1 -4 -3", key([1, 4, 3]))
    assert sign.note == "sign"
    assert "wrong sign" in sign.message
    assert verdict_on("-5", number_key(5)).note == "sign"
    assert verdict_on("1 1 2", key([1, 2, 1])).note == "wrong-entries"  # not all apart: chance, not order


def test_no_nan_is_ever_right() -> None:
    assert verdict_on("nan", number_key(math.nan)).status == "wrong"
    assert verdict_on("1 nan", key([1, 2], HAND)).status == "wrong"
    assert verdict_on("1 2", key([1, math.nan], HAND)).status == "wrong"


def test_infinities_by_sign() -> None:
    assert verdict_on("inf -inf", key([math.inf, -math.inf])).status == "correct"
    assert verdict_on("inf", number_key(-math.inf)).note == "sign"
    assert verdict_on("1e300", number_key(math.inf, HAND)).status == "wrong"


def test_known_mistakes_are_told_by_what_was_typed() -> None:
    slip = Mistake(value="slip", say="The root is missing.", note="no-root")
    its = key([2.0, 3.0], Comparison(atol=1e-3), slip, slip=[4.0, 9.0])
    verdict = verdict_on("4 9", its)
    assert (verdict.note, verdict.message, verdict.score) == ("no-root", "The root is missing.", 0)
    assert verdict.witness == {"index": [0], "got": 4, "expected": 2}
    assert verdict_on("4.02 8.97", its).note == "no-root"  # rounded by hand
    assert verdict_on("4.2 9", its).note == "wrong-entries"
    assert verdict_on("2 3", its).status == "correct"


def test_a_mistake_may_have_another_shape() -> None:
    slip = Mistake(value="slip", say="That is the key.", note="key")
    its = key([1.0, 4.0, 3.0], EXACT, slip, slip=[3.0, 4.0])
    assert verdict_on("3 4", its).note == "key"
    assert verdict_on("3 5", its).note == "shape"


def test_a_mistake_that_is_the_truth_is_no_mistake() -> None:
    slip = Mistake(value="slip", say="No.", note="slip")
    assert verdict_on("1 2", key([1.0, 2.0], EXACT, slip, slip=[1.0, 2.0])).status == "correct"


def test_what_a_check_asks_the_engine_for() -> None:
    slip = Mistake(value="slip", say="No.")
    assert Tensor().uses(key([1], EXACT, slip).part) == ["want", "slip"]
    with pytest.raises(KeyError):
        Tensor().check(Array.of([1]), key_of(key([1]).part), NO_BENCH)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([1.0, 2.5, -3.0], "[1, 2.5, -3]"),
        ([[1 / 3]], "[[0.333333]]"),
        (5.0, "5"),
        ([math.nan, math.inf, -math.inf], "[nan, inf, -inf]"),
        ([1e20, 1e-20], "[1e+20, 1e-20]"),
        ([True, False], "[1, 0]"),
    ],
)
def test_what_was_understood_is_shown(value: Any, text: str) -> None:
    assert Tensor().show(Array.of(value), key(0)) == text


def test_squeezing() -> None:
    rng = random.Random(1)
    for _ in range(50):
        shape = tuple(rng.choice([1, 1, 2, 3]) for _ in range(rng.randint(0, 5)))
        assert squeezed(shape) == tuple(torch.zeros(shape).squeeze().shape)
