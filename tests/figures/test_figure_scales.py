"""Ticks at round numbers, and numbers as short text."""

from __future__ import annotations

import math

import pytest

from engines.figures import Scale
from workbench.figures.scales import axis, number


def labels(low: float, high: float, scale: Scale = "linear", most: int = 6) -> list[str]:
    made = axis(low, high, scale, lambda labels: len(labels) <= most, slack=0.1)
    assert made.low <= made.high
    assert all(-1e-9 <= made.along(mark) <= 1 + 1e-9 for mark, _ in made.ticks)
    return [label for _, label in made.ticks]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0.03, 0.98, ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0, 2000, ["0", "500", "1000", "1500", "2000"]),
        (3, 3, ["2", "3", "4"]),
        (0, 0, ["-1.0", "-0.5", "0", "0.5", "1.0"]),
        (-2e-4, 3e-4, ["-2e-4", "-1e-4", "0", "1e-4", "2e-4", "3e-4"]),
    ],
)
def test_linear(low: float, high: float, expected: list[str]) -> None:
    assert labels(low, high) == expected


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (1, 1e3, ["10⁰", "10¹", "10²", "10³"]),
        (1e-8, 1e4, ["10⁻⁹", "10⁻⁶", "10⁻³", "10⁰", "10³"]),
        (64, 8192, ["100", "200", "500", "1000", "2000", "5000"]),
        (0.5, 3, ["0.5", "0.7", "1", "2", "3"]),
        (2.1, 2.4, ["2.1", "2.2", "2.3", "2.4"]),
    ],
)
def test_log(low: float, high: float, expected: list[str]) -> None:
    assert labels(low, high, "log") == expected


def test_powers_without_superscripts() -> None:
    made = axis(1, 1e4, "log", lambda labels: len(labels) <= 5, ascii_only=True)
    assert [label for _, label in made.ticks] == ["1e0", "1e1", "1e2", "1e3", "1e4"]


def test_whole_numbers_have_nothing_between_them() -> None:
    made = axis(1, 4, "linear", lambda _: True, whole=True)
    assert [label for _, label in made.ticks] == ["1", "2", "3", "4"]
    made = axis(0, 1, "linear", lambda _: True, whole=True)
    assert [label for _, label in made.ticks] == ["0", "1"]


@pytest.mark.parametrize(
    ("low", "high", "scale"),
    [
        (-1.7e308, 1.7e308, "linear"),
        (5e-324, 1e-323, "linear"),
        (1, 1 + 1e-15, "linear"),
        (5e-324, 1.7e308, "log"),
        (1.7e308, 1.7e308, "log"),
        (5e-324, 5e-324, "log"),
    ],
)
def test_extremes(low: float, high: float, scale: Scale) -> None:
    made = axis(low, high, scale, lambda labels: len(labels) <= 6, slack=0.1)
    for value in (low, high):
        assert 0 <= made.place(value) <= 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1 + 0.2, "0.3"),
        (1234.567, "1235"),
        (2000, "2000"),
        (0.00001, "1e-5"),
        (-0.00123, "-0.00123"),
        (1e6, "1e6"),
        (6.02214e23, "6.022e23"),
        (-0.0, "0"),
        (math.inf, "inf"),
        (math.nan, "nan"),
    ],
)
def test_number(value: float, text: str) -> None:
    assert number(value) == text
