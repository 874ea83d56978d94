"""Axes: from values to places between 0 and 1, with ticks at round numbers. And numbers as short text."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from engines.figures import Scale

Tick = tuple[float, str]

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float, digits: int = 4) -> str:
    """A number as short text: `digits` significant places, powers of ten only where they are shorter."""
    if not math.isfinite(value):
        return str(value)
    if value == 0:
        return "0"
    size = abs(value)
    if 1e-3 <= size < 1e6:
        if value == int(value):
            return str(int(value))
        text = f"{value:.{max(0, digits - 1 - math.floor(math.log10(size)))}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{int(exponent)}"


def power(exponent: int, *, ascii_only: bool = False) -> str:
    """A power of ten as a label."""
    return f"1e{exponent}" if ascii_only else "10" + str(exponent).translate(_SUPERSCRIPTS)


@dataclass(frozen=True)
class Axis:
    """The values from `low` to `high` (their decimal logarithms on a log axis), with ticks among them."""

    low: float
    high: float
    scale: Scale
    ticks: tuple[Tick, ...] = ()

    def place(self, value: float) -> float:
        """Where a value lies: 0 at the low end, 1 at the high end."""
        return self.along(math.log10(value) if self.scale == "log" else value)

    def along(self, mark: float) -> float:
        """Where a tick lies, which is in units of the axis: a logarithm on a log axis."""
        # Brought near 1 first: the difference of two very large numbers is no number, that of two
        # very small ones is 0.
        shift = -math.frexp(max(abs(self.low), abs(self.high)))[1]
        low, high, mark = (math.ldexp(item, shift) for item in (self.low, self.high, mark))
        return (mark - low) / (high - low)

    def cell(self, value: float, cells: int) -> int:
        """Which of a row of cells a value falls in."""
        return _cell(self.place(value), cells)

    def cells(self, values: Sequence[float], cells: int) -> list[int]:
        """Which of a row of cells each of many values falls in."""
        span, last = self.high - self.low, cells - 1
        if not 1e-300 < span < 1e300:
            return [self.cell(value, cells) for value in values]
        # A third of the time that `cell` takes for each: a plot is drawn anew with every step of a run.
        low, factor = self.low, last / span
        marks = map(math.log10, values) if self.scale == "log" else values
        places = (round((mark - low) * factor) for mark in marks)
        return [0 if place < 0 else min(place, last) for place in places]

    def tick_cell(self, mark: float, cells: int) -> int:
        """Which of a row of cells a tick falls in."""
        return _cell(self.along(mark), cells)


def _cell(place: float, cells: int) -> int:
    return min(cells - 1, max(0, round(place * (cells - 1))))


def axis(
    low: float,
    high: float,
    scale: Scale,
    fits: Callable[[list[str]], bool],
    *,
    slack: float = 0.0,
    whole: bool = False,
    ascii_only: bool = False,
) -> Axis:
    """An axis over at least the values from `low` to `high`, with as many round ticks as fit.

    Args:
        low: the smallest value, which is positive if the scale is logarithmic.
        high: the largest value.
        scale: how values become places.
        fits: whether there is room for these labels.
        slack: how much of its length either end may grow, to stand on a tick.
        whole: whether the values are whole numbers, so that there is nothing between two of them.
        ascii_only: whether powers of ten are written without superscripts.
    """
    if scale == "log":
        low, high = math.log10(low), math.log10(high)
        low, high = _widened(low, high, 0.5, 0.5)
        choices = _log_choices(low, high, ascii_only=ascii_only)
    else:
        low, high = _widened(low, high, 0.5 * max(abs(low), abs(high)), 1.0)
        choices = _linear_choices(low, high)
        if whole:
            choices = (choice for choice in choices if choice[0] >= 1)
    for step, ticks in choices:
        ends = _grown(low, high, step, slack)
        inside = tuple(tick for tick in ticks if ends[0] <= tick[0] <= ends[1])
        if len(inside) >= 2 and fits([label for _, label in inside]):
            return Axis(*ends, scale, inside)
    return Axis(low, high, scale)


def _widened(low: float, high: float, by: float, else_by: float) -> tuple[float, float]:
    """Two ends that differ by more than rounding."""
    if high / 2 - low / 2 > 1e-12 * max(abs(low), abs(high)) / 2:
        return low, high
    by = by or else_by
    limit = 1.7e308
    return max(-limit, low - by), min(limit, high + by)


def _grown(low: float, high: float, step: Decimal, slack: float) -> tuple[float, float]:
    """The ends, moved out to the next multiple of `step` where that is near enough."""
    if not step:
        return low, high
    span = Decimal(high) - Decimal(low)
    below = step * (Decimal(low) / step).to_integral_value("ROUND_FLOOR")
    above = step * (Decimal(high) / step).to_integral_value("ROUND_CEILING")
    allowed = Decimal(slack) * span
    new_low = float(below) if Decimal(low) - below <= allowed else low
    new_high = float(above) if above - Decimal(high) <= allowed else high
    return (new_low if math.isfinite(new_low) else low, new_high if math.isfinite(new_high) else high)


def _linear_choices(low: float, high: float) -> Iterable[tuple[Decimal, list[Tick]]]:
    """Ticks at multiples of 1, 2 or 5 times a power of ten, from close to wide; a tick beyond each end."""
    # Decimal: 0.1 * 3 is to be 0.3, and 1e308 - -1e308 a number.
    start, end = Decimal(low), Decimal(high)
    if end <= start:
        return
    step = (end - start) / 20
    unit = Decimal(1).scaleb(step.adjusted())
    for exponent in range(4):
        for digit in (1, 2, 5):
            step = unit.scaleb(exponent) * digit
            first = int((start / step).to_integral_value("ROUND_FLOOR"))
            last = int((end / step).to_integral_value("ROUND_CEILING"))
            if last - first <= 40:
                ticks = [step * index for index in range(first, last + 1)]
                yield step, _labelled(ticks, step, max(abs(start), abs(end)))


def _labelled(values: list[Decimal], step: Decimal, largest: Decimal) -> list[Tick]:
    """Multiples of a step, all with as many decimals as the step needs, in a form that suits the axis."""
    ticks = []
    for value in values:
        if not value:
            label = "0"
        elif largest >= 10**6 or largest < Decimal("0.001"):
            places = max(0, value.adjusted() - step.adjusted())
            mantissa, exponent = f"{value:.{places}e}".lower().split("e")
            mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
            label = f"{mantissa}e{int(exponent)}"
        else:
            label = f"{value:.{max(0, -step.adjusted())}f}"
        ticks.append((float(value), label))
    return [tick for tick in ticks if math.isfinite(tick[0])]


def _log_choices(low: float, high: float, *, ascii_only: bool) -> Iterable[tuple[Decimal, list[Tick]]]:
    """Ticks at powers of ten, or at fewer of them; on a short axis, between them too."""
    first, last = math.floor(low), math.ceil(high)
    if high - low < 3:
        narrow = ((1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 3, 5, 7)) if high - low < 1 else ()
        for digits in (*narrow, (1, 2, 5), (1, 3)):
            # As text first: 3 * 10.0**-1 is not 0.3.
            marks = [float(f"{digit}e{k}") for k in range(first, last + 1) for digit in digits]
            inside = [mark for mark in marks if mark > 0 and low <= math.log10(mark) <= high]
            if len(inside) >= 2:
                yield Decimal(0), [(math.log10(mark), number(mark)) for mark in inside]
    for step in (1, 2, 3, 5, 10, 20, 50, 100, 200):
        start = step * math.floor(low / step)
        powers = range(start, last + step, step)
        yield Decimal(step), [(float(k), power(k, ascii_only=ascii_only)) for k in powers]
    if high - low < 1:
        for _, ticks in _linear_choices(10**low, 10 ** min(high, 308.0)):
            inside_ticks = [(math.log10(value), label) for value, label in ticks if value > 0]
            yield Decimal(0), [tick for tick in inside_ticks if low <= tick[0] <= high]
