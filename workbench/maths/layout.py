"""From LaTeX source to a box, to one line of text, or from ready numbers to a matrix."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.maths.box import Box, beside, text_box
from workbench.maths.commands import read
from workbench.maths.drawing import grid
from workbench.maths.fences import delimiter
from workbench.maths.linear import NotLinear, linear
from workbench.maths.scripts import capitals_can_be_small
from workbench.maths.setting import Style, set_row
from workbench.maths.symbols import DELIMITER_KINDS, SYMBOLS, ascii_text


def layout(source: str, *, ascii_only: bool = False) -> Box:
    """A LaTeX formula as lines of terminal characters.

    Args:
        source: The formula, without the dollars around it.
        ascii_only: Draw with ASCII alone.

    Raises:
        Unsupported: if the formula is faulty, too large, or holds what cannot be drawn faithfully. Show
            the source instead.
    """
    tree = read(source)
    capitals = capitals_can_be_small(tree)
    return set_row(tree, Style(ascii_only=ascii_only, flat=ascii_only, capitals=capitals))


def inline(source: str, *, ascii_only: bool = False) -> str | None:
    r"""A LaTeX formula as one line of text, to stand in a sentence.

    A formula that is more than one line high is rewritten where that can be done: `\frac{a}{b}` becomes
    `a/b`, with brackets where they are needed.

    Returns:
        The line, or None if the formula needs two dimensions.

    Raises:
        Unsupported: as `layout` does.
    """
    tree = read(source)
    capitals = capitals_can_be_small(tree)
    box = set_row(tree, Style(ascii_only=ascii_only, flat=ascii_only, capitals=capitals))
    if box.height > 1:
        try:
            tree = linear(tree)
        except NotLinear:
            return None
        box = set_row(tree, Style(ascii_only=ascii_only, flat=True, capitals=capitals))
    return box.lines[0] if box.height == 1 else None


def matrix(rows: Sequence[Sequence[str]], *, ascii_only: bool = False, fence: str = "[]") -> Box:
    """Ready texts as a matrix: columns set to the right, in brackets. One row makes a vector, `[1 1 2]`.

    Args:
        rows: The cells, all rows of one length.
        ascii_only: Draw with ASCII alone.
        fence: The opening and the closing bracket, or nothing for none.

    Raises:
        ValueError: if the rows differ in length, a cell has more than one line or no ASCII form, or the
            fence is not a pair of brackets.
    """
    if len({len(row) for row in rows}) > 1:
        raise ValueError("the rows of a matrix have one length")
    marks = [SYMBOLS.get(mark) or SYMBOLS.get("\\" + mark) for mark in fence]
    if len(marks) not in {0, 2} or not all(mark and mark.kind in DELIMITER_KINDS for mark in marks):
        raise ValueError(f"not a pair of brackets: {fence!r}")
    cells = [[text_box(_cell(text, ascii_only=ascii_only)) for text in row] for row in rows]
    body = grid(cells or [[]], "r", (1,))
    sides = [delimiter(mark, body.height, body.base, ascii_only=ascii_only) for mark in marks if mark]
    return beside([sides[0], body, sides[1]]) if sides else body


def _cell(text: str, *, ascii_only: bool) -> str:
    if not text.isprintable():
        raise ValueError(f"not one line of text: {text!r}")
    plain = ascii_text(text) if ascii_only else text
    if plain is None:
        raise ValueError(f"no ASCII form: {text!r}")
    return plain
