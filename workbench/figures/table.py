"""Rows of text under column heads, aligned by the cells that the text takes."""

from __future__ import annotations

import re
from typing import cast

from rich.text import Text

from engines.figures import Table
from workbench.figures.look import Look
from workbench.figures.page import count
from workbench.figures.words import Align, fit, shorten, width_of

LEAST = 4

GAP = 2
NARROWEST = 4  # a column is not shortened below this

_NUMBER = re.compile(r"[-+−]?(\d|\.\d|inf|nan).*|[-–—]?", re.IGNORECASE)


def wanted(figure: Table, width: int) -> int:  # noqa: ARG001 - the other kinds look at it
    """The height below which a caption has to make room."""
    return min(len(figure.rows) + 2, 10)


def rows(figure: Table, width: int, height: int, look: Look) -> list[Text]:
    """The table in at most `height` lines; rows and columns that are not shown are counted."""
    across = max([len(figure.columns), *map(len, figure.rows)], default=0)
    if not across:
        return [Text("an empty table", look.faint)]
    heads = [*figure.columns, *[""] * (across - len(figure.columns))]
    body = [[*row, *[""] * (across - len(row))] for row in figure.rows]
    widths = column_widths(heads, body, width)
    notes = []
    if len(widths) < across:
        hidden = ", ".join(head or "?" for head in heads[len(widths) :])
        notes.append(f"{look.sign('more')} {count(across - len(widths), 'more column')} not shown: {hidden}")
    room = height - 2 - len(notes)
    if len(body) > room:
        shown = max(0, room - 1)
        notes.insert(0, f"{look.sign('more')} {count(len(body) - shown, 'more row')} not shown")
        body = body[:shown]
    aligns = alignments(figure, across)
    lines = [_line(heads, widths, aligns, f"bold {look.plain}".rstrip(), look)]
    lines.append(Text((" " * GAP).join(look.glyphs("─") * size for size in widths), look.faint))
    lines += [_line(row, widths, aligns, look.plain, look) for row in body]
    return lines + [Text(shorten(note, width, look), look.faint) for note in notes]


def column_widths(heads: list[str], body: list[list[str]], width: int) -> list[int]:
    """The width of each column: its own, if all fit; else the widest give way; the last may be left out."""
    widths = [max(map(width_of, column)) for column in zip(heads, *body, strict=True)]
    widths = [max(1, size) for size in widths]
    while sum(min(size, NARROWEST) + GAP for size in widths) - GAP > width and len(widths) > 1:
        widths.pop()
    spare = width - GAP * (len(widths) - 1)
    while sum(widths) > spare:
        first, *rest = sorted(set(widths), reverse=True)
        widest = [index for index, size in enumerate(widths) if size == first]
        # All of the widest together, down to the next width or until they fit.
        excess = sum(widths) - spare
        drop = min(first - (rest[0] if rest else 1), -(-excess // len(widest)))
        for index in widest:
            cut = min(drop, excess)
            widths[index] -= cut
            excess -= cut
    return widths


def alignments(figure: Table, across: int) -> list[Align]:
    """How each column stands: as asked for; else numbers to the right and words to the left."""
    asked = [cast(Align, letter) if letter in "lrc" else "l" for letter in figure.align[:across]]
    for index in range(len(asked), across):
        column = [row[index] for row in figure.rows if index < len(row)]
        numbers = any(column) and all(_NUMBER.fullmatch(cell) for cell in column)
        asked.append("r" if numbers else "l")
    return asked


def _line(cells: list[str], widths: list[int], aligns: list[Align], style: str, look: Look) -> Text:
    """One row, without the spaces at its end."""
    parts = [fit(cell, size, look, align) for cell, size, align in zip(cells, widths, aligns, strict=False)]
    return Text((" " * GAP).join(parts).rstrip(), style)
