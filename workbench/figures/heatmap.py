"""A matrix as shades: with its numbers where they fit, else two rows a line, else pooled."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TypeVar

from rich.text import Text

from engines.figures import Heatmap
from workbench.figures.look import Look
from workbench.figures.page import count
from workbench.figures.shades import (
    LEVELS,
    Rows,
    Scaling,
    ink,
    level,
    matrix_of,
    pooled,
    ramp_of,
    round_step,
    scaling,
    texts_of,
    web,
)
from workbench.figures.words import fit, pad, shorten, shorten_all, width_of, wrap
from workbench.glyphs import SHADES

Item = TypeVar("Item")

LEAST = 5  # column labels, two rows, scale, note


@dataclass(frozen=True)
class Grid:
    """What is drawn: a shade for each cell, `nan` where there is none, and a label for each row and column.

    `cell` is the width of a cell, `gutter` that of the row labels with the space after them, and `texts`
    holds the numbers that are shown, or nothing.
    """

    shades: Rows
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    gutter: int
    cell: int = 1
    texts: tuple[tuple[str, ...], ...] = ()


def wanted(figure: Heatmap, width: int) -> int:  # noqa: ARG001 - the other kinds look at it
    """The height below which a caption has to make room."""
    return min(len(matrix_of(figure)) + 2, 8)


def rows(figure: Heatmap, width: int, height: int, look: Look) -> list[Text]:
    """The map in at most `height` lines of at most `width` cells."""
    values = matrix_of(figure)
    if not values:
        return [Text("no entries to draw", look.faint)]
    scale = scaling(values, figure.scale)
    lost = sum(not math.isfinite(value) for row in values for value in row)
    notes = [f"{count(lost, 'entry', 'entries')} not finite, without a shade"] if lost else []
    room = height - 2 - len(notes)  # column labels, scale
    grid = _grid(figure, values, scale, width, look)
    numbered = _numbered(grid, values, width, look) if len(values) <= room else None
    if numbered:
        grid = numbered
        body = [_numbers(grid, row, look) for row in range(len(values))]
    else:
        grid, note = _fitted(grid, width, room, look)
        if note:
            notes.insert(0, note)
        body = _halves(grid, look) if len(grid.shades) > room - bool(note) else _blocks(grid, look)
    lines = [_column_labels(grid, look), *body, _scale_line(scale, width, look)]
    return lines + [Text(line, look.faint) for line in wrap("; ".join(notes), width, len(notes), look)]


def _grid(figure: Heatmap, values: Rows, scale: Scaling, width: int, look: Look) -> Grid:
    """The whole matrix, with indices for the labels that are missing."""
    down, across = len(values), len(values[0])
    row_labels = (*figure.rows, *map(str, range(len(figure.rows), down)))[:down]
    columns = (*figure.columns, *map(str, range(len(figure.columns), across)))[:across]
    shades = [
        [scale.shade(index, value) if math.isfinite(value) else math.nan for value in row]
        for index, row in enumerate(values)
    ]
    gutter = min(max(map(width_of, row_labels)), max(3, width // 4)) + 1
    return Grid(shades, tuple(shorten_all(row_labels, gutter - 1, look)), columns, gutter)


# -- with numbers


def _numbered(grid: Grid, values: Rows, width: int, look: Look) -> Grid | None:
    """The grid with a number in each cell, to as many decimals as fit; none if they do not."""
    room = (width - grid.gutter) // len(grid.columns)
    widest = min(10, max(map(width_of, grid.columns)))
    after = _after_number(look)
    for texts in texts_of(values):
        longest = max(len(text) for row in texts for text in row)
        if max(4, longest + after + (after > 1)) <= room:
            cell = min(room, max(4, longest + after + 1, widest + after + 1))
            return replace(grid, cell=cell, texts=tuple(map(tuple, texts)))
    return None


def _after_number(look: Look) -> int:
    """How many cells follow the number: a space, or the shade where no colour can carry it."""
    return 1 if _colours(look) else 2


def _numbers(grid: Grid, row: int, look: Look) -> Text:
    """A row of numbers on their shades, or each after its shade."""
    line = Text().append(fit(grid.rows[row], grid.gutter - 1, look) + " ", look.plain)
    colours = ramp_of(look.ramp)
    for text, shade in zip(grid.texts[row], grid.shades[row], strict=True):
        if not _colours(look):
            # Not before the number: there some of the ASCII shades look like a sign.
            block = " " if math.isnan(shade) else _block(shade, look)
            told = f"{text} {block}" if look.ascii_only else f"{text}{block * 2}"
            line.append(pad(told, grid.cell, "r"), look.plain)
        elif math.isnan(shade):
            line.append(pad(text, grid.cell - 1, "r") + " ", look.faint)
        else:
            ground = colours[level(shade, LEVELS)]
            line.append(pad(text, grid.cell - 1, "r") + " ", f"{ink(ground)} on {web(ground)}")
    return line


# -- without numbers


def _fitted(grid: Grid, width: int, room: int, look: Look) -> tuple[Grid, str]:
    """The grid in as many cells as there is room for, and what was done for that."""
    columns = max(1, width - grid.gutter)
    a_line = 2 if _colours(look) else 1  # how many rows fit on a line
    note = ""
    if len(grid.columns) > columns or len(grid.shades) > a_line * room:
        lines = max(1, room - 1)  # one goes to the note
        down = -(-len(grid.shades) // (a_line * lines))
        across = -(-len(grid.columns) // columns)
        shades = pooled(grid.shades, down, across)
        grid = replace(grid, shades=shades, rows=grid.rows[::down], columns=grid.columns[::across])
        note = f"each cell is the largest of {down}{look.glyphs('×')}{across}"
    # A cell of two columns is about as wide as it is high.
    return replace(grid, cell=2 if 2 * len(grid.columns) <= columns else 1), note


def _blocks(grid: Grid, look: Look) -> list[Text]:
    """One row a line."""
    colours = ramp_of(look.ramp)
    lines = []
    for label, shades in zip(grid.rows, grid.shades, strict=True):
        line = Text().append(fit(label, grid.gutter - 1, look) + " ", look.plain)
        if _colours(look):
            for shade, length in _runs([_level(shade) for shade in shades]):
                style = f"on {web(colours[shade])}" if shade >= 0 else ""
                line.append(" " * (length * grid.cell), style)
        else:
            line.append("".join(_block(shade, look) * grid.cell for shade in shades), look.plain)
        lines.append(line)
    return lines


def _halves(grid: Grid, look: Look) -> list[Text]:
    """Two rows a line: the upper halves of the cells in one colour, the lower ones in another."""
    colours = [web(colour) for colour in ramp_of(look.ramp)]
    nothing = [math.nan] * len(grid.columns)
    lines = []
    for top in range(0, len(grid.shades), 2):
        line = Text().append(fit(grid.rows[top], grid.gutter - 1, look) + " ", look.plain)
        lower = grid.shades[top + 1] if top + 1 < len(grid.shades) else nothing
        pairs = [(_level(a), _level(b)) for a, b in zip(grid.shades[top], lower, strict=True)]
        for (upper, under), length in _runs(pairs):
            if upper == under:
                glyph, style = " ", f"on {colours[upper]}" if upper >= 0 else ""
            elif upper < 0:
                glyph, style = "▄", colours[under]
            else:
                glyph, style = "▀", colours[upper] + (f" on {colours[under]}" if under >= 0 else "")
            line.append(glyph * (length * grid.cell), style)
        lines.append(line)
    return lines


def _runs(items: list[Item]) -> list[tuple[Item, int]]:
    """Equal neighbours counted: a frame costs bytes for each change of colour."""
    runs: list[tuple[Item, int]] = []
    for item in items:
        if runs and runs[-1][0] == item:
            runs[-1] = (item, runs[-1][1] + 1)
        else:
            runs.append((item, 1))
    return runs


def _colours(look: Look) -> bool:
    """Whether shades are colours; else they are characters."""
    return look.colour == "full" and not look.ascii_only


def _level(shade: float) -> int:
    return -1 if math.isnan(shade) else level(shade, LEVELS)


def _block(shade: float, look: Look) -> str:
    """A shade as a character."""
    if math.isnan(shade):
        return "?"
    shades = SHADES[look.ascii_only]
    return shades[level(shade, len(shades))]


# -- labels and scale


def _column_labels(grid: Grid, look: Look) -> Text:
    """The label of every column, or of as many as stand apart, at even distances."""
    line = Text().append(" " * grid.gutter)
    if grid.texts:
        after = _after_number(look)
        for short in shorten_all(grid.columns, grid.cell - after - (after > 1), look):
            line.append(pad(short, grid.cell - after, "r") + " " * after, look.plain)
        return line
    longest = min(12, max(map(width_of, grid.columns)))
    step = round_step((longest + 1) / grid.cell)
    room = grid.cell * len(grid.columns)
    for index in range(0, len(grid.columns), step):
        left = room - grid.cell * index
        line.append(fit(grid.columns[index], min(left, step * grid.cell - 1), look), look.plain)
        line.append(" " if left >= step * grid.cell else "")
    line.rstrip()
    return line


def _scale_line(scale: Scaling, width: int, look: Look) -> Text:
    """What the darkest and the brightest shade stand for, and how the others lie between them."""
    if scale.dark == scale.bright:
        return Text(shorten(f"every entry is {scale.dark}", width, look), look.faint)
    for start, step in (("shades: ", 1), ("", 1), ("", 2)):
        line = Text().append(f"{start}{scale.dark} ", look.faint)
        if _colours(look):
            for colour in ramp_of(look.ramp)[::step]:
                line.append(" ", f"on {web(colour)}")
        else:
            line.append(f"[{SHADES[look.ascii_only]}]", look.plain)
        line.append(f" {scale.bright}, {scale.words}", look.faint)
        if line.cell_len <= width:
            return line
    return Text(shorten(f"{scale.dark} to {scale.bright}, {scale.words}", width, look), look.faint)
