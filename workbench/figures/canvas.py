"""Strokes rasterised by plotext: the one place that knows it."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from workbench.figures.curves import Point

# Dots of a braille cell.
ACROSS, DOWN = 2, 4

Run = tuple[str, int | None]

_ESCAPE = re.compile(r"\x1b\[([0-9;]*)m")

# plotext draws on one figure that the whole process shares.
_LOCK = threading.Lock()


@dataclass(frozen=True)
class Stroke:
    """Points on the grid of dots, joined or not, drawn with one pen: a number from 0 to 255.

    `marker` is one character, or "braille" for the dots themselves.
    """

    points: Sequence[Point]
    pen: int
    marker: str
    joined: bool = True


def rasterise(strokes: Sequence[Stroke], columns: int, rows: int) -> list[list[Run]]:
    """A canvas of `rows` lines of `columns` cells, as runs of text with the pen that drew them.

    Later strokes lie on earlier ones. The points are dots: `ACROSS * columns` by `DOWN * rows` of them.
    """
    # 15 ms, and only plots need it.
    import plotext

    with _LOCK:
        plotext.clear_figure()
        plotext.limit_size(False, False)  # not to the terminal: this may be drawn for a file
        plotext.plot_size(columns, rows)
        plotext.theme("clear")  # no colours but the pens
        plotext.frame(False)
        plotext.xticks([])
        plotext.yticks([])
        plotext.xlim(0, ACROSS * columns - 1)
        plotext.ylim(0, DOWN * rows - 1)
        for stroke in strokes:
            paint = plotext.plot if stroke.joined else plotext.scatter
            paint(*_columns(stroke.points), marker=stroke.marker, color=stroke.pen)
        drawn: str = plotext.build()
        plotext.clear_data()  # thousands of points are not kept until the next plot
    return [_runs(line) for line in drawn.split("\n")[:rows]]


def _columns(points: Sequence[Point]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _runs(line: str) -> list[Run]:
    """A line with plotext's colour codes as text and pens."""
    runs: list[Run] = []
    pen: int | None = None
    for index, part in enumerate(_ESCAPE.split(line)):
        if index % 2:
            pen = int(part.rpartition(";")[2]) if part.startswith("38;5;") else None
        elif part:
            runs.append((part, pen))
    return runs
