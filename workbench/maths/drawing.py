"""Draws what stands over, under and around boxes: bars, roots, marks, braces, grids of cells."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from workbench.maths.box import Align, Box, beside, blank, pad, stack, text_box
from workbench.maths.symbols import MARKS

_NUMBER = re.compile(r"[−+-]?\d*\.?\d+")
_RADICALS = {"": "√", "³": "∛", "⁴": "∜"}


def fraction(over: Box, under: Box, *, ascii_only: bool) -> Box:
    """One box over another. The bar is longer than both, lest it be taken for a minus."""
    bar = text_box(("-" if ascii_only else "─") * (max(over.width, under.width) + 2))
    return stack([over, bar, under], over.height)


def radical(index: str) -> str:
    """The root sign with its index in small characters."""
    return _RADICALS.get(index) or index + "√"


def roofed(body: Box, index: str) -> Box:
    """A root whose roof covers the body."""
    if body.height == 1:
        sign = radical(index)
        return Box((" " * len(sign) + "_" * body.width, sign + body.lines[0]), 1)
    width = max(2, len(index) + 1)
    left = [" " * (width - 1) + "│"] * (body.height - 2) + [index.rjust(width - 1) + "│", "╲│".rjust(width)]
    roof = " " * (width - 1) + "┌" + "─" * (body.width + 1)
    lines = (edge + line + " " for edge, line in zip(left, body.lines, strict=True))
    return Box((roof, *lines), body.base + 1)


def accented(mark: str, body: Box, *, ascii_only: bool) -> Box:
    """A mark over a box: on the letter itself if it is a single one, by name in ASCII, else on its own line."""
    combining, drawn, plain = MARKS[mark]
    if ascii_only and body.height == 1:
        return text_box(f"{mark}({body.lines[0]})")
    if body.height == 1 and body.width == 1:
        return text_box(unicodedata.normalize("NFC", body.lines[0] + combining))
    line = "_" * body.width if mark == "bar" else plain if ascii_only else drawn
    return stack([text_box(line), body], body.base + 1)


def braced(body: Box, *, over: bool, ascii_only: bool) -> Box:
    """A box with a horizontal brace over or under it."""
    spare = max(0, body.width - 3)
    left, right = spare // 2, spare - spare // 2
    if ascii_only:
        line = "/" + "-" * (spare + 1) + "\\" if over else "\\" + "_" * (spare + 1) + "/"
    elif over:
        line = "╭" + "─" * left + "┴" + "─" * right + "╮"
    else:
        line = "╰" + "─" * left + "┬" + "─" * right + "╯"
    brace = text_box(line)
    return stack([brace, body], body.base + 1) if over else stack([body, brace], body.base)


def grid(rows: Sequence[Sequence[Box]], columns: str, gaps: Sequence[int], *, airy: bool = False) -> Box:
    """Cells in rows and columns.

    `columns` (l, c, r) and `gaps` start over when they run out. Centred columns of numbers are set to the
    right, so that their digits stand under each other. Two rows are set apart by a line if one of them is
    taller than a line, or if the grid is `airy`.
    """
    count = max(map(len, rows))
    lines = [blank(0) for _ in rows]
    space = 0
    for i in range(count):
        cells = [row[i] if i < len(row) else blank(0) for row in rows]
        width = max(cell.width for cell in cells)
        if width:
            align = _alignment(columns[i % len(columns)], cells)
            lines = [
                beside([line, blank(space if line.width else 0), pad(cell, width, align)])
                for line, cell in zip(lines, cells, strict=True)
            ]
            space = 0
        # An empty column leaves the wider of the gaps on its two sides.
        space = max(space, gaps[i % len(gaps)])
    return _under_each_other(lines, airy=airy)


def _under_each_other(lines: Sequence[Box], *, airy: bool) -> Box:
    parts: list[Box] = []
    bases: list[int] = []
    for line in lines:
        if parts and (airy or line.height > 1 or parts[-1].height > 1):
            parts.append(blank(0))
        bases.append(sum(part.height for part in parts) + line.base)
        parts.append(line)
    height = sum(part.height for part in parts)
    # An odd number of rows has one in the middle; an even one is centred on the baseline.
    base = bases[len(bases) // 2] if len(bases) % 2 else (height - 1) // 2
    return stack(parts, base, "l")


def _alignment(column: str, boxes: Sequence[Box]) -> Align:
    if column == "c" and all(box.height == 1 and _NUMBER.fullmatch(box.lines[0] or "0") for box in boxes):
        return "r"
    return "l" if column == "l" else "r" if column == "r" else "c"
