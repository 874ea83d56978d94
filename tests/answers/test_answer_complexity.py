"""Growth classes as answers: what is right under which assumption, what else is told, and the curve of the claim."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.figures import Lines, line
from tests.answers.answer_samples import NO_BENCH, examine, key_of, unreadable, verdict_on
from workbench.answers.complexity import AS_FAST, Complexity, claimed_ratio
from workbench.answers.verdict import Key, Unreadable
from workbench.spec.exercise import ComplexityPart, GrowthClass

NAMES = ("N", "D", "M")
SIZES = [64.0, 128.0, 256.0, 512.0, 1024.0]


def key(answer: str = "N^2*D + N^2*M", **more: Any) -> Key:
    values = {"counted": measured(lambda n: n * n * 32 + 3 * n)}
    return key_of(ComplexityPart(id="x", ask="?", variables=NAMES, answer=answer, **more), values)


def measured(count: Any) -> dict[str, Any]:
    points = [{"N": n, "D": 16.0, "M": 16.0} for n in SIZES]
    return {"along": "N", "figure": "growth", "points": points, "counts": [count(n) for n in SIZES]}


@pytest.mark.parametrize(
    "text", ["N^2*(D+M)", "N²D + N²M", "O(N^2 max(D, M))", "Θ(N^2 D + N^2 M + N^2)", "7 N N M + D N^2"]
)
def test_right_in_any_form(text: str) -> None:
    verdict = verdict_on(text, key())
    assert (verdict.status, verdict.note, verdict.message) == ("correct", "correct", AS_FAST)


@pytest.mark.parametrize(
    ("text", "note", "witness"),
    [
        ("N^2*D", "too-small", ["too_small"]),
        ("N^2*D*M", "too-large", ["too_large"]),
        ("N^3", "neither", ["too_large", "too_small"]),
        ("N*D*M", "neither", ["too_large", "too_small"]),
        ("1", "too-small", ["too_small"]),
    ],
)
def test_wrong_in_a_direction_that_is_shown(text: str, note: str, witness: list[str]) -> None:
    verdict = verdict_on(text, key())
    assert (verdict.status, verdict.score, verdict.note) == ("wrong", 0, note)
    assert [name for name in ("too_large", "too_small") if name in verdict.witness] == witness
    for name in witness:
        assert verdict.witness[name]["ray"]
        assert verdict.witness[name]["term"] != verdict.witness[name]["against"]
    assert "outgrows" in verdict.message
    assert verdict.message.endswith(".")


def test_conditions_decide() -> None:
    assert verdict_on("N*D^3", key("N*D^2*M")).note == "neither"
    assert verdict_on("N*D^3", key("N*D^2*M", conditions=("M ~ D",))).status == "correct"
    assert verdict_on("N*D", key("N*D + D^3")).note == "too-small"
    assert verdict_on("N*D", key("N*D + D^3", conditions=("N >> D^2",))).status == "correct"


def test_another_class_may_be_right_under_an_assumption() -> None:
    also = (GrowthClass(say="Right if selected in linear time.", answer="N^2"), GrowthClass(say="B.", value="third"))
    part = ComplexityPart(id="x", ask="?", variables=("N", "D"), expect="first", also=also)
    its = key_of(part, {"first": "N^2*log(N)", "third": "N*D"})
    assert verdict_on("N^2 log N^2", its).note == "correct"
    other = verdict_on("N^2", its)
    assert (other.status, other.note, other.score) == ("correct", "correct-under-assumption", 1)
    assert other.message == "Right if selected in linear time."
    assert verdict_on("D*N", its).message == "B."
    assert verdict_on("N", its).note == "too-small"
    assert Complexity().uses(part) == ["first", "third"]


def test_letters_may_come_from_the_variant() -> None:
    part = ComplexityPart(id="x", ask="?", variables="letters", answer="T*S")
    its = key_of(part, {}, {"letters": ("T", "S")})
    assert verdict_on("S*T", its).status == "correct"
    assert "N" in unreadable("N*T", its).message


def test_what_was_understood_is_shown_with_its_class() -> None:
    kind = Complexity()
    assert kind.show(kind.read("N²", key()), key()) == "N²"
    assert kind.show(kind.read("3*N^2 + N", key()), key()) == "3·N² + N, that is Θ(N²)"


@pytest.mark.parametrize(
    "text", ["0", "-N", "N - N^2 - N^2", "log(1)", "N*0", "", "N*", "(N", "x", "9^9^9^9", "N + O(D)"]
)
def test_what_is_no_growth_class_is_refused_before_it_is_checked(text: str) -> None:
    try:
        Complexity().read(text, key())
    except Unreadable as fault:
        examine(fault, text)
    else:
        assert verdict_on(text, key()).status == "undecided"


@pytest.mark.parametrize("text", ["2^N", "exp(N)", "N^D", "N - N", "log(log(N))"])
def test_what_cannot_be_compared_is_never_wrong(text: str) -> None:
    verdict = verdict_on(text, key())
    assert (verdict.status, verdict.score) == ("undecided", 0)
    assert verdict.message.startswith("This cannot be compared: ")


# -- the claim beside the measurement


def figure_of(text: str, count: Any = lambda n: n * n * 32 + 3 * n) -> Lines | None:
    base = Lines("growth", "Operations", (line("x", [1], [1]),), "length N", "operations", caption="c")
    part = ComplexityPart(id="x", ask="?", variables=NAMES, answer="N^2", measured="counted")
    figure = verdict_on(text, key_of(part, {"counted": measured(count)}, figures=(base,))).figure
    assert figure is None or isinstance(figure, Lines)
    return figure


def test_the_claim_is_drawn_through_what_was_measured() -> None:
    figure = figure_of("N^3")
    assert figure is not None
    counted, claimed = figure.series
    assert (figure.title, figure.x_label, figure.y_label) == ("Operations", "length N", "operations")
    assert (figure.x_scale, figure.y_scale) == ("log", "log")
    assert counted.label == "measured, slope 2.00"
    assert claimed.label == "your claim, slope 3.00"
    assert counted.y.flat() == [n * n * 32 + 3 * n for n in SIZES]
    assert claimed.y.flat()[-1] == pytest.approx(counted.y.flat()[-1])
    assert claimed.y.flat()[0] == pytest.approx(counted.y.flat()[-1] * (SIZES[0] / SIZES[-1]) ** 3)
    assert "not on this axis" not in figure.caption


def test_a_figure_that_does_not_show_why_the_claim_is_wrong_says_so() -> None:
    figure = figure_of("N^2*D")
    assert figure is not None
    assert figure.caption.startswith("What refutes the claim is not on this axis: let D grow, N constant.")


@pytest.mark.parametrize("text", ["D", "1", "log(N)", "N^0.5", "1/N", "max(N, D)", "N^100", "D + log(N)"])
def test_claims_of_any_slope_are_drawn(text: str) -> None:
    figure = figure_of(text)
    assert figure is not None
    x, y = figure.series[1].x.flat(), figure.series[1].y.flat()
    assert all(value > 0 for value in (*x, *y))  # both axes are logarithmic


@pytest.mark.parametrize(
    "text",
    [
        "N^1000",
        "N^-1000",
        "10^290*N^-105*10^200*N^-105",
        "10^-290*N^140*10^-290*N^140",
        "exp(N)",
        "1/(N-64)",
        "sqrt(N-2000)",
    ],
)
def test_a_claim_that_no_axis_holds_is_left_out_and_judged_all_the_same(text: str) -> None:
    figure = figure_of(text)
    assert figure is None or all(math.isfinite(value) and value > 0 for value in figure.series[1].y.flat())


def test_no_measurement_no_figure() -> None:
    assert verdict_on("N^2", key()).figure is None


def test_how_far_a_claim_is_from_being_proportional() -> None:
    kind, its = Complexity(), key()
    counts = measured(lambda n: 5 * n * n)
    assert claimed_ratio(kind.read("N^2", its), counts) == pytest.approx(1)
    assert claimed_ratio(kind.read("N^3", its), counts) == pytest.approx(4)
    assert claimed_ratio(kind.read("N", its), counts) == pytest.approx(4)
    assert claimed_ratio(kind.read("N^1000", its), counts) is None


pieces = st.sampled_from(
    ["N", "D", "M", "^", "*", "+", "-", "/", "(", ")", "2", "0", "log", "max", ",", "O", " ", "²", "10^200", "1000"]
)


@settings(max_examples=250, deadline=None)
@given(st.lists(pieces, max_size=14).map("".join) | st.text(max_size=20))
def test_any_text_is_judged_or_refused(text: str) -> None:
    part = ComplexityPart(id="x", ask="?", variables=NAMES, answer="N^2", measured="counted")
    its = key_of(part, {"counted": measured(lambda n: n * n)})
    kind = Complexity()
    try:
        answer = kind.read(text, its)
    except Unreadable as fault:
        examine(fault, text)
        return
    assert kind.show(answer, its).isprintable()
    verdict = kind.check(answer, its, NO_BENCH)
    assert verdict.status in ("correct", "wrong", "undecided")
    assert verdict.message.isprintable()
