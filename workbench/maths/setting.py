"""Sets a tree: every node becomes a box of characters."""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass

from workbench.maths.box import Box, beside, blank, stack, text_box
from workbench.maths.drawing import accented, braced, fraction, grid, radical, roofed
from workbench.maths.fences import delimiter, short
from workbench.maths.linear import NotLinear, linear
from workbench.maths.nodes import (
    Accent,
    Brace,
    Fenced,
    Fraction,
    Kind,
    Limits,
    Node,
    Root,
    Row,
    Scripted,
    Space,
    Symbol,
    Table,
    core,
    last_piece,
)
from workbench.maths.scripts import Script, attached, marked, primed, script, small
from workbench.maths.spacing import edges, gap, words_touch
from workbench.maths.symbols import ROUND


@dataclass(frozen=True, slots=True)
class Style:
    """How to set a tree.

    Attributes:
        ascii_only: Nothing beyond ASCII.
        flat: Scripts behind `_` and `^`, roots with brackets: one line wherever that can be.
        script: Inside a script, where signs stand tight.
        capitals: Capitals in superscripts may be small characters.
    """

    ascii_only: bool = False
    flat: bool = False
    script: bool = False
    capitals: bool = True


def set_row(row: Row, style: Style) -> Box:
    """The pieces of a row side by side, with the blanks that belong between them."""
    boxes: list[Box] = []
    before: Kind | None = None
    asked = 0  # the blank that the author asked for since the last piece
    pieces = [node for node in row.items if not isinstance(node, Space)]
    found = iter(edges(pieces))
    for node in row.items:
        if isinstance(node, Space):
            asked = max(asked, node.width) if asked < 2 else asked + node.width
            continue
        left, right = next(found)
        box = _lone_dot(node, left, style) or set_node(node, style)
        if before is not None and any(drawn.width for drawn in boxes):
            width = max(asked, _between(boxes[-1], before, box, left, style))
            if width:
                boxes.append(blank(width))
        boxes.append(box)
        before, asked = right, 0
    return beside(boxes)


def set_node(node: Node, style: Style) -> Box:
    """One piece of a formula."""
    match node:
        case Symbol(text, plain):
            return text_box(plain if style.ascii_only else text)
        case Space(width):
            return blank(width)
        case Row():
            return set_row(node, style)
        case Scripted():
            return _set_scripted(node, style)
        case Limits():
            return _set_limits(node, style)
        case Fenced():
            return beside(_set_fenced(node, style))
        case Table():
            return _set_table(node, style)
        case _:
            return _set_built(node, style)


def _set_built(node: Fraction | Root | Accent | Brace, style: Style) -> Box:
    match node:
        case Fraction(over, under):
            return fraction(set_row(over, style), set_row(under, style), ascii_only=style.ascii_only)
        case Root():
            return _set_root(node, style)
        case Accent(mark, body):
            return accented(mark, set_row(body, style), ascii_only=style.ascii_only)
        case Brace(body, over):
            return braced(set_row(body, style), over=over, ascii_only=style.ascii_only)


# -- rows


def _between(last: Box, before: Kind, box: Box, left: Kind, style: Style) -> int:
    """Blanks between two pieces of a row."""
    width = gap(before, left, script=style.script)
    if width or not last.width or not box.width:
        return width
    ends, begins = last.baseline, box.baseline
    operators = {Kind.BINARY, Kind.RELATION}
    if before in operators or left in operators:
        # A sign that is written as a word, such as ASCII's `x` for a cross, never stands tight.
        word = (before in operators and ends[-1].isalpha()) or (left in operators and begins[0].isalpha())
        return int(word)
    return int(words_touch(ends, begins, left))


def _lone_dot(node: Node, kind: Kind, style: Style) -> Box | None:
    """In ASCII a product dot is a star, but where it stands for any argument it stays a dot."""
    if style.ascii_only and kind is Kind.ORDINARY and isinstance(node, Symbol) and node.text == "·":
        return text_box(".")
    return None


# -- scripts and limits


def _set_scripted(node: Scripted, style: Style) -> Box:
    nucleus = core(node.nucleus)
    before: list[Box] = []
    if _needs_brackets(node, style):
        nucleus = Fenced(ROUND[0], Row((nucleus,)), ROUND[1])
    if isinstance(nucleus, Fenced):
        # The scripts stand at the closing bracket, which may be lower than what is inside.
        *before, box = _set_fenced(nucleus, style)
    else:
        box = set_node(nucleus, style)
    if node.primes:
        box = primed(box, node.primes, ascii_only=style.ascii_only)
    below = _set_script(node.below, style, over=False)
    above = _set_script(node.above, style, over=True)
    on_one_line = all(part.height == 1 for part in (box, below and below.box, above and above.box) if part)
    dressed = marked if style.flat and on_one_line else attached
    return beside([*before, dressed(box, below, above)])


def _needs_brackets(node: Scripted, style: Style) -> bool:
    """Whether the script would seem to belong to the end of the nucleus alone."""
    last = last_piece(node.nucleus)
    if isinstance(last, Scripted):
        return bool((node.above and last.above) or (node.below and last.below))
    return isinstance(last, Fraction) or (isinstance(last, Root) and not style.ascii_only)


def _set_script(row: Row | None, style: Style, *, over: bool) -> Script | None:
    if row is None:
        return None
    row, box = _set_tight(row, style)
    drawn = script(row, box, over=over, capitals=style.capitals)
    return dataclasses.replace(drawn, small=None) if style.ascii_only else drawn


def _set_tight(row: Row, style: Style) -> tuple[Row, Box]:
    """A row as a script, on one line if it has a linear form."""
    with contextlib.suppress(NotLinear):
        row = linear(row)
    return row, set_row(row, dataclasses.replace(style, script=True))


def _set_limits(node: Limits, style: Style) -> Box:
    box = set_node(node.nucleus, style)
    over = [_set_tight(node.above, style)[1]] if node.above else []
    under = [_set_tight(node.below, style)[1]] if node.below else []
    return stack([*over, box, *under], box.base + sum(part.height for part in over))


# -- roots and brackets


def _set_root(node: Root, style: Style) -> Box:
    index = "".join(item.text for item in node.index.items if isinstance(item, Symbol)) if node.index else ""
    sign = small(index, over=True) or ""
    inner = core(node.body)
    bracketed = inner if isinstance(inner, Fenced) and inner.opening == ROUND[0] else None
    if style.ascii_only or (style.flat and not _is_bare(inner)):
        name = (f"root_{index}" if index else "sqrt") if style.ascii_only else radical(sign)
        fenced = bracketed or Fenced(ROUND[0], node.body, ROUND[1])
        return beside([text_box(name), *_set_fenced(fenced, style)])
    body = set_row(node.body, style)
    if _is_bare(inner):
        return beside([text_box(radical(sign)), body])
    return roofed(body, sign)


def _is_bare(node: Node) -> bool:
    """Whether it is plain without a roof what the root is taken of: a letter, perhaps indexed, or a number."""
    if isinstance(node, Scripted):
        return node.above is None and _is_bare(core(node.nucleus))
    if isinstance(node, Row):
        return all(isinstance(item, Symbol) and item.text in "0123456789." for item in node.items)
    if isinstance(node, Accent):
        return _is_bare(core(node.body))
    return isinstance(node, Symbol) and len(node.text) == 1


def _set_fenced(node: Fenced, style: Style) -> list[Box]:
    body = set_row(node.body, style)
    if body.height > 1 and _is_tall(node.body):
        height, base = body.height, body.base
        opening = delimiter(node.opening, height, base, ascii_only=style.ascii_only)
        closing = delimiter(node.closing, height, base, ascii_only=style.ascii_only)
    else:
        opening, closing = short(node.opening, node.closing, ascii_only=style.ascii_only)
    return [opening, body, closing]


def _is_tall(node: Node) -> bool:
    """Whether brackets grow around it. Scripts and roofs stick out, but do not count."""
    match node:
        case Fraction() | Limits() | Brace():
            return True
        case Table(rows):
            return len(rows) > 1 or any(map(_is_tall, rows[0]))
        case Row(items):
            return any(map(_is_tall, items))
        case Scripted(inner) | Fenced(_, inner) | Root(inner) | Accent(_, inner):
            return _is_tall(inner)
        case _:
            return False


# -- tables


def _set_table(node: Table, style: Style) -> Box:
    cells = [[set_row(cell, style) for cell in row] for row in node.rows]
    # A brace before two lines has its tip between them.
    table = grid(cells, node.columns, node.gaps, airy=bool(node.margin) and len(cells) == 2)
    return beside([blank(node.margin), table]) if node.margin else table
