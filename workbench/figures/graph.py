"""A graph: edges as lines of dots, and over them each node's mark and label, where there is room for it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from rich.text import Text

from engines.figures import Graph
from workbench.figures.canvas import ACROSS, DOWN, Stroke, rasterise
from workbench.figures.look import Look
from workbench.figures.page import count
from workbench.figures.words import shorten, width_of, wrap

LEAST = 6

# How far from its place a node may stand, in lines and in cells, where others stand already.
LINES_OFF, CELLS_OFF = 4, 16

Cell = tuple[str, str]  # a character with its style


def wanted(figure: Graph, width: int) -> int:  # noqa: ARG001 - the other kinds look at it
    """The height below which a caption has to make room."""
    return 12


def neighbours_of(figure: Graph) -> list[list[int]]:
    """For each node the nodes that it shares an edge with, in order."""
    joined: list[set[int]] = [set() for _ in figure.labels]
    pairs = figure.edges.flat()
    for a, b in zip(pairs[::2], pairs[1::2], strict=True):
        joined[a].add(b)
        joined[b].add(a)
    return [sorted(others) for others in joined]


def rows(figure: Graph, width: int, height: int, look: Look) -> list[Text]:
    """The graph in at most `height` lines of at most `width` cells."""
    shown = [index for index, place in enumerate(places_of(figure)) if all(map(math.isfinite, place))]
    if not shown:
        return [Text("no nodes to draw", look.faint)]
    legend = wrap_legend(figure, width, look)
    room = max(1, height - len(legend) - 1)  # a line is kept for what could not be shown
    spots = _spots(figure, shown, width, room, look)
    hidden = len(figure.labels) - len(spots)
    notes = wrap(f"{count(hidden, 'node')} not shown", width, 1, look) if hidden else []
    grid = _edges(figure, spots, width, room, look)
    for index, (row, column) in spots.items():
        style = look.series(figure.group.flat()[index])
        if index in figure.singled:
            style = f"bold reverse {style}".rstrip()
        _write(grid[row], column, sign_of(figure, index, look), style)
    return [*legend, *(_line(cells) for cells in grid), *(Text(note, look.faint) for note in notes)]


def places_of(figure: Graph) -> list[tuple[float, float]]:
    """The nodes' places as pairs."""
    flat = [float(value) for value in figure.places.flat()]
    return list(zip(flat[::2], flat[1::2], strict=True))


def sign_of(figure: Graph, index: int, look: Look) -> str:
    """A node as it is written: its group's mark and its label, in brackets if it is singled out."""
    sign = look.mark(figure.group.flat()[index]) + shorten(figure.labels[index], 12, look)
    return f"[{sign}]" if index in figure.singled else sign


def wrap_legend(figure: Graph, width: int, look: Look) -> list[Text]:
    """The groups with their marks, and what the brackets say, on a line."""
    entries = [
        Text(f"{look.mark(index)} {shorten(name, width // 3, look)}", look.series(index))
        for index, name in enumerate(figure.groups)
        if name
    ]
    if figure.singled and figure.singled_label:
        entries.append(Text(f"[ ] {shorten(figure.singled_label, width // 2, look)}", look.plain))
    return [Text("   ").join(entries)] if entries else []


def scaled(values: Sequence[float], size: float) -> list[float]:
    """Values spread from 0 to `size`; all in the middle where they are equal."""
    low, high = min(values), max(values)
    if not math.isfinite(high - low):  # their difference is too large for a float
        values, low, high = [value / 4 for value in values], low / 4, high / 4
    if high == low:
        return [size / 2] * len(values)
    return [(value - low) / (high - low) * size for value in values]


def _spots(figure: Graph, shown: list[int], width: int, height: int, look: Look) -> dict[int, tuple[int, int]]:
    """Line and column of each node's sign: its place, or the nearest free one; nodes without one are left out."""
    places = places_of(figure)
    longest = max(width_of(sign_of(figure, index, look)) for index in shown)
    columns = scaled([places[index][0] for index in shown], max(0, width - longest))
    lines = scaled([-places[index][1] for index in shown], height - 1)
    free = [[True] * width for _ in range(height)]
    spots: dict[int, tuple[int, int]] = {}
    # Who is singled out is drawn in any case.
    order = sorted(zip(shown, lines, columns, strict=True), key=lambda item: item[0] not in figure.singled)
    for index, line, column in order:
        wide = width_of(sign_of(figure, index, look))
        for row, start in _around(round(line), round(column)):
            if 0 <= row < height and 0 <= start <= width - wide and all(free[row][start : start + wide]):
                spots[index] = row, start
                for taken in range(max(0, start - 1), min(width, start + wide + 1)):  # and a cell between two signs
                    free[row][taken] = False
                break
    return dict(sorted(spots.items()))


def _around(row: int, column: int) -> Iterator[tuple[int, int]]:
    """Places near one, nearest first; a line counts as two cells, about what it measures."""
    offsets = ((y, x) for y in range(-LINES_OFF, LINES_OFF + 1) for x in range(-CELLS_OFF, CELLS_OFF + 1))
    for y, x in sorted(offsets, key=lambda off: (4 * off[0] ** 2 + off[1] ** 2, off)):
        yield row + y, column + x


def _edges(figure: Graph, spots: dict[int, tuple[int, int]], width: int, height: int, look: Look) -> list[list[Cell]]:
    """The canvas with the edges between the marks of the nodes that are shown."""
    dots = {
        index: (
            float(ACROSS * (column + (index in figure.singled))),
            float(DOWN * (height - 1 - row) + DOWN // 2),
        )
        for index, (row, column) in spots.items()
    }
    pairs = figure.edges.flat()
    marker = "." if look.ascii_only else "braille"
    strokes = [
        Stroke((dots[a], dots[b]), 0, marker)
        for a, b in zip(pairs[::2], pairs[1::2], strict=True)
        if a in dots and b in dots
    ]
    if not strokes:
        return [[(" ", "")] * width for _ in range(height)]
    canvas = rasterise(strokes, width, height)
    grid = [[(char, look.faint if pen is not None else "") for text, pen in line for char in text] for line in canvas]
    return [(cells + [(" ", "")] * width)[:width] for cells in grid]


def _write(cells: list[Cell], column: int, text: str, style: str) -> None:
    """Put text over what is there; a wide character takes the cell after it as well."""
    for char in text:
        wide = width_of(char)
        if not wide:
            continue
        cells[column : column + wide] = [(char, style), *[("", "")] * (wide - 1)]
        column += wide


def _line(cells: list[Cell]) -> Text:
    line = Text()
    for char, style in cells:
        line.append(char, style)
    line.rstrip()
    return line
