"""The student's own line with a caret under the place that could not be read."""

from __future__ import annotations

import unicodedata

from workbench.answers.formula.errors import Undecidable, Unreadable

_MORE = "…"


def caret(text: str, error: Unreadable | Undecidable, width: int = 72) -> str:
    """Two lines of at most `width` cells: what was typed, and carets under the part that `error` marks.

    Line breaks and tabs are shown as spaces, other invisible characters as �; of a long text only the
    surroundings of the error are shown.
    """
    width = max(width, 8)
    first = min(max(error.position, 0), len(text))
    start, stop = _window(text, first, width)
    shown = [_safe(char) for char in text[start:stop]]
    line = "".join(shown)
    before = sum(map(_cells, shown[: first - start])) + (start > 0)
    marked = sum(map(_cells, shown[first - start : first - start + max(1, error.length)]))
    left, right = (_MORE if start else ""), (_MORE if stop < len(text) else "")
    return f"{left}{line}{right}\n{' ' * before}{'^' * max(1, min(marked, width - before))}"


def _window(text: str, first: int, width: int) -> tuple[int, int]:
    """The part of the text around `first` that fits, with room for the two signs of more."""
    near = text[: width + 1]
    if len(text) <= width and sum(_cells(_safe(char)) for char in near) <= width:
        return 0, len(text)
    start, stop, room = first, first, width - 3
    while room > 0 and (start > 0 or stop < len(text)):
        grown = room
        if stop < len(text):
            room -= _cells(_safe(text[stop]))
            stop += 1
        if start > 0 and room > 0:
            room -= _cells(_safe(text[start - 1]))
            start -= 1
        if grown == room and stop - start > 4 * width:  # nothing but combining marks
            break
    return start, stop


def _safe(char: str) -> str:
    if char.isspace():
        return " "
    return "\N{REPLACEMENT CHARACTER}" if unicodedata.category(char)[0] == "C" else char


def _cells(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
