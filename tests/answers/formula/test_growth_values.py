"""A claim as a curve."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.answers.formula.formula_samples import VARIABLES, classes
from tests.answers.formula.growth_oracle import log_value
from workbench.answers.formula import Undecidable, read
from workbench.answers.formula.growth import evaluate

NAMES = ("N", "D", "M")


def value(text: str, **sizes: float) -> float:
    return evaluate(read(text, NAMES).tree, sizes)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("N²(D+M)", 100 * 8),
        ("N-D", 7),
        ("D-N", -7),
        ("N-N", 0),
        ("0*N", 0),
        ("0/N", 0),
        ("-N", -10),
        ("N-2D-4", 0),
        ("(-D)^3", -27),
        ("(-D)^2", 9),
        ("0^2", 0),
        ("N^0", 1),
        ("N^-1", 0.1),
        ("N^0.5", math.sqrt(10)),
        ("√N", math.sqrt(10)),
        ("N log N", 10 * math.log(10)),
        ("log2(8)", 3),
        ("log10(N)", 1),
        ("log(1/2)", -math.log(2)),
        ("log 1", 0),
        ("max(N, D, M)", 10),
        ("min(N, D, M)", 3),
        ("max(-N, -D)", -3),
        ("max(-N, 0)", 0),
        ("|D-N|", 7),
        ("ceil(N/D)", 4),
        ("⌈9/D⌉", 3),
        ("⌊N/D⌋", 3),
        ("⌊-N/D⌋", -4),
        ("exp(D)", math.exp(3)),
        ("e^D", math.exp(3)),
        ("2^N", 1024),
        ("π", math.pi),
        ("sin(0)", 0),
        ("tanh(1)", math.tanh(1)),
    ],
)
def test_values(text: str, expected: float) -> None:
    assert value(text, N=10, D=3, M=5) == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_results_between_may_be_any_size() -> None:
    assert value("N^900/N^899", N=1e9) == pytest.approx(1e9)
    assert value("log(2^N)/N", N=1e6) == pytest.approx(math.log(2))
    assert value("exp(N)/exp(N-1)", N=1e5) == pytest.approx(math.e, rel=1e-9)
    assert value("(N^-400 N^-400)(N^400 N^399)", N=1e3) == pytest.approx(1e-3)
    assert value("ceil(N^900)/N^900", N=1e9) == pytest.approx(1)


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("N^900", {"N": 1e9}),
        ("exp(exp(N))", {"N": 1e4}),
        ("1/(N-N)", {"N": 2}),
        ("N/(1-1)", {"N": 2}),
        ("0^-1", {}),
        ("log(N-N)", {"N": 2}),
        ("log(-N)", {"N": 2}),
        ("√(-N)", {"N": 2}),
        ("(-N)^0.5", {"N": 2}),
        ("N @ N", {"N": 2}),
        ("tr(N)", {"N": 2}),
        ("N", {"N": math.inf}),
        ("N", {"N": math.nan}),
    ],
)
def test_no_value(text: str, sizes: dict[str, float]) -> None:
    with pytest.raises(Undecidable):
        value(text, **sizes)


def test_the_part_without_value_is_marked() -> None:
    with pytest.raises(Undecidable) as caught:
        value("N + log(D-N)", N=3, D=2)
    assert (caught.value.position, caught.value.length) == (4, 8)


def test_a_missing_name_is_the_callers_mistake() -> None:
    with pytest.raises(KeyError):
        value("N", D=1)


@settings(max_examples=100, deadline=None)
@given(classes, st.tuples(*[st.floats(1.5, 1e6)] * 3))
def test_like_the_slow_way(text: str, sizes: tuple[float, ...]) -> None:
    from decimal import Decimal

    tree = read(text, VARIABLES).tree
    logs = {name: Decimal(size).ln() for name, size in zip(VARIABLES, sizes, strict=True)}
    expected = float(log_value(tree, logs))
    if abs(expected) < 700:
        found = evaluate(tree, dict(zip(VARIABLES, sizes, strict=True)))
        assert found == pytest.approx(math.exp(expected), rel=1e-9)
