"""Whether two numbers are the same, for a stated tolerance. NaN equals nothing; infinities agree by sign."""

from __future__ import annotations

import math
from collections.abc import Sequence

from workbench.spec.exercise import Comparison


def close(got: float, want: float, comparison: Comparison, factor: float = 1.0) -> bool:
    """Whether `got` counts as `want`; `factor` widens the tolerance.

    `relabs` is numpy's inequality |got − want| ≤ atol + rtol·|want|; `sigfig` and `decdig` allow half a unit of
    the last of so many significant or decimal digits; `exact` allows nothing.
    """
    if math.isnan(got) or math.isnan(want):
        return False
    if math.isinf(got) or math.isinf(want):
        return got == want
    return abs(got - want) <= factor * allowed(want, comparison)


def allowed(want: float, comparison: Comparison) -> float:
    """The largest difference from `want` that still counts as equal."""
    if comparison.kind == "exact":
        return 0.0
    if comparison.kind == "relabs":
        return comparison.atol + comparison.rtol * abs(want)
    digits = comparison.digits
    if comparison.kind == "sigfig" and want:
        digits -= 1 + math.floor(math.log10(abs(want)))
    # A touch above one half, so that a value rounded by hand the other way at a tie still counts.
    return 0.51 * 10.0**-digits


def in_words(comparison: Comparison) -> str:
    """The tolerance, as a sentence says it."""
    if comparison.kind == "exact":
        return "exactly"
    if comparison.kind == "sigfig":
        return f"to {comparison.digits} significant digits"
    if comparison.kind == "decdig":
        return f"to {comparison.digits} decimal digits"
    parts = []
    if comparison.rtol:
        parts.append(f"{comparison.rtol:g} of its size")
    if comparison.atol:
        parts.append(f"{comparison.atol:g}")
    return "within " + " plus ".join(parts)


def differing(got: Sequence[float], want: Sequence[float], comparison: Comparison, factor: float = 1.0) -> list[int]:
    """The places at which two equally long sequences differ."""
    return [i for i, (a, b) in enumerate(zip(got, want, strict=True)) if not close(a, b, comparison, factor)]


def index_of(place: int, shape: Sequence[int]) -> list[int]:
    """The index, counted from 0, of a place in row-major order."""
    index = []
    for size in reversed(shape):
        place, rest = divmod(place, size)
        index.append(rest)
    return index[::-1]


def ordinal(index: Sequence[int]) -> str:
    """An index as a person counts: from 1; `entry 3`, `row 2, column 1`."""
    counted = [i + 1 for i in index]
    if not counted:
        return "the number"
    if len(counted) == 1:
        return f"entry {counted[0]}"
    if len(counted) == 2:
        return f"row {counted[0]}, column {counted[1]}"
    return f"entry ({', '.join(map(str, counted))})"


def number(value: float, digits: int = 6) -> str:
    """A number in a sentence."""
    if math.isfinite(value) and value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.{digits}g}"


def apart(got: float, want: float) -> tuple[str, str]:
    """Two numbers in one sentence: short, and not shorter than it takes to tell them from each other."""
    for digits in (6, 9, 12):
        shown = number(got, digits), number(want, digits)
        if shown[0] != shown[1]:
            return shown
    return number(got, 17), number(want, 17)
