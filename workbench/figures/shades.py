"""Values as shades: scaled to between 0 and 1, pooled to the room there is, coloured, readable."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from engines.figures import Heatmap
from workbench.figures.scales import number

RGB = tuple[int, int, int]
Rows = list[list[float]]

# More shades cost more bytes a frame (64 by 64 cells: 24 kB with 16, 17 kB with 8) than they show.
LEVELS = 16


@dataclass(frozen=True)
class Scaling:
    """How the values of a matrix become shades from 0 to 1, and in words what dark and bright mean."""

    shade: Callable[[int, float], float]
    dark: str
    bright: str
    words: str


def matrix_of(figure: Heatmap) -> Rows:
    """The matrix as rows of floats; a vector is one row."""
    shape = figure.matrix.shape
    flat = [float(value) for value in figure.matrix.flat()]
    columns = shape[-1] if shape else 1
    return [flat[start : start + columns] for start in range(0, len(flat), columns)] if columns else []


def scaling(rows: Rows, scale: str) -> Scaling:
    """The scaling of a matrix. Not finite values have no shade.

    Zero is dark unless values are negative, or all so far from zero that they would look the same.
    """
    finite = [[value for value in row if math.isfinite(value)] for row in rows]
    everything = [value for row in finite for value in row]
    low, high = min(everything, default=0.0), max(everything, default=0.0)
    from_zero = 0 <= low <= high / 2
    if scale == "row":
        ends = [(0.0 if from_zero else min(row, default=0.0), max(row, default=0.0)) for row in finite]
        dark = "0" if from_zero else "smallest of its row"
        return Scaling(lambda row, value: _part(value, *ends[row]), dark, "largest of its row", "scaled per row")
    low = 0.0 if from_zero else low
    if scale == "sqrt":
        return Scaling(
            lambda _, value: math.sqrt(_part(value, low, high)), number(low, 3), number(high, 3), "square-root scale"
        )
    return Scaling(lambda _, value: _part(value, low, high), number(low, 3), number(high, 3), "linear scale")


def _part(value: float, low: float, high: float) -> float:
    span = high / 2 - low / 2
    if span <= 0:
        return 0.0 if value == 0 else 1.0
    return min(1.0, max(0.0, (value / 2 - low / 2) / span))


def level(shade: float, levels: int) -> int:
    """Which of some levels a shade is."""
    return min(levels - 1, int(shade * levels))


def pooled(rows: Rows, down: int, across: int) -> Rows:
    """A matrix with the largest value of each block of `down` by `across`; those not finite do not count."""
    if down == across == 1:
        return rows
    out = []
    for top in range(0, len(rows), down):
        band = rows[top : top + down]
        if down == 1:
            merged: Sequence[float] = band[0]
        else:
            merged = [_largest(column) for column in zip(*band, strict=True)]
        out.append([_largest(merged[left : left + across]) for left in range(0, len(merged), across)])
    return out


def _largest(values: Sequence[float]) -> float:
    return max((value for value in values if math.isfinite(value)), default=math.nan)


# -- numbers and labels


def texts_of(values: Rows) -> list[list[list[str]]]:
    """The numbers of a matrix with fewer and fewer decimals, each time the same for all."""
    finite = [value for row in values for value in row if math.isfinite(value)]
    size = max(map(abs, finite), default=0.0)
    if size and not 1e-3 <= size < 1e5:
        return [[[number(value, digits) for value in row] for row in values] for digits in (3, 2, 1)]
    needed = next((n for n in range(2) if all(value == round(value, n) for value in finite)), 2)
    if size < 1:
        most = 1 - math.floor(math.log10(size)) if size else 0
        choices = [most, most - 1] if needed else [0]
    else:
        choices = [places for places in (2, 1, 0) if places <= needed and (places or not needed or size >= 100)]
    return [[[_decimal(value, places) for value in row] for row in values] for places in choices]


def _decimal(value: float, places: int) -> str:
    text = f"{value:.{places}f}"
    return text.removeprefix("-") if math.isfinite(value) and not float(text) else text


def round_step(least: float) -> int:
    """The smallest of 1, 2, 5, 10, 20, … that is not below `least`: every how many labels one is shown."""
    step, factors = 1, itertools.cycle((2, 2.5, 2))
    while step < least:
        step = int(step * next(factors))
    return step


# -- colours


@lru_cache(maxsize=64)
def ramp_of(anchors: tuple[str, ...], levels: int = LEVELS) -> tuple[RGB, ...]:
    """Colours in even steps through the anchors of a ramp."""
    # 10 ms at the first use, unless the screen has it already.
    from rich.color import Color

    points = [tuple(Color.parse(anchor).get_truecolor()) for anchor in anchors] or [(0, 0, 0)]
    points = points * 2 if len(points) == 1 else points
    colours = []
    for index in range(levels):
        place = index / max(1, levels - 1) * (len(points) - 1)
        start = min(int(place), len(points) - 2)
        part = place - start
        mixed = (round(a + part * (b - a)) for a, b in zip(points[start], points[start + 1], strict=True))
        colours.append((next(mixed), next(mixed), next(mixed)))
    return tuple(colours)


def web(colour: RGB) -> str:
    """A colour as `#rrggbb`."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def ink(ground: RGB) -> str:
    """Black or white, whichever is read more easily: the contrast is never below 4.5 to 1."""
    light = luminance(ground)
    return "#000000" if (light + 0.05) / 0.05 >= 1.05 / (light + 0.05) else "#ffffff"


def luminance(colour: RGB) -> float:
    """Relative luminance, as WCAG defines it."""
    parts = [value / 255 for value in colour]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
