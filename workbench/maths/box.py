"""Rectangles of terminal characters, and how to put them together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len

Align = Literal["l", "c", "r"]


@dataclass(frozen=True, slots=True)
class Box:
    """Lines of equal display width; `base` is the row that stands on the baseline of its neighbours."""

    lines: tuple[str, ...]
    base: int = 0

    @property
    def width(self) -> int:
        """Terminal columns."""
        return columns_of(self.lines[0]) if self.lines else 0

    @property
    def height(self) -> int:
        """Terminal rows."""
        return len(self.lines)

    @property
    def baseline(self) -> str:
        """The line that stands on the baseline."""
        return self.lines[self.base]

    def __str__(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines)


def columns_of(text: str) -> int:
    """Terminal columns of one line of text; combining marks take none."""
    return len(text) if text.isascii() else cell_len(text)


def text_box(text: str) -> Box:
    """One line of text as a box."""
    return Box((text,))


def blank(width: int) -> Box:
    """One line of blanks."""
    return Box((" " * width,))


def pad(box: Box, width: int, align: Align = "c") -> Box:
    """The box widened to `width` columns; `align` says where its content goes."""
    spare = max(0, width - box.width)
    left = {"l": 0, "c": spare // 2, "r": spare}[align]
    return Box(tuple(" " * left + line + " " * (spare - left) for line in box.lines), box.base)


def beside(boxes: Sequence[Box]) -> Box:
    """The boxes from left to right, on one baseline."""
    if not boxes:
        return text_box("")
    above = max(box.base for box in boxes)
    below = max(box.height - box.base for box in boxes)
    if above == 0 and below == 1:
        return Box(("".join(box.lines[0] for box in boxes),))
    columns = []
    for box in boxes:
        empty = (" " * box.width,)
        columns.append(empty * (above - box.base) + box.lines + empty * (below - box.height + box.base))
    return Box(tuple("".join(row) for row in zip(*columns, strict=True)), above)


def stack(boxes: Sequence[Box], base: int, align: Align = "c") -> Box:
    """The boxes from top to bottom; `base` is the row of the whole that stands on the baseline."""
    width = max((box.width for box in boxes), default=0)
    return Box(tuple(line for box in boxes for line in pad(box, width, align).lines) or ("",), base)
