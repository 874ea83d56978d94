"""Reads what has rows and columns: matrices, cases, aligned equations."""

from __future__ import annotations

import re
from dataclasses import dataclass

from workbench.maths.errors import Unsupported
from workbench.maths.nodes import Fenced, Node, Row, Symbol, Table
from workbench.maths.reader import Reader
from workbench.maths.symbols import NOTHING, ROUND, SYMBOLS
from workbench.maths.tokens import Token

# A table of empty cells is short to write and long to draw.
MOST_CELLS = 600

_ROW_GAP = re.compile(r"\s*\[\s*-?[\d.]+\s*(?:pt|em|ex|mm|cm)\s*\]|\*")
_PLACEMENT = re.compile(r"\s*\[[tbc]\]")


@dataclass(frozen=True, slots=True)
class _Shape:
    """How an environment sets its cells, and what it stands between."""

    columns: str = "c"
    gaps: tuple[int, ...] = (2,)
    margin: int = 0
    opening: Symbol = NOTHING
    closing: Symbol = NOTHING


def _between(opening: str, closing: str) -> _Shape:
    return _Shape(opening=SYMBOLS[opening], closing=SYMBOLS[closing])


_ALIGNED = _Shape("rl", (1, 4))
_CASES = _Shape("l", (3,), margin=1, opening=SYMBOLS["\\{"])
_SHAPES = {
    "matrix": _Shape(),
    "smallmatrix": _Shape(),
    "pmatrix": _between("(", ")"),
    "bmatrix": _between("[", "]"),
    "Bmatrix": _between("\\{", "\\}"),
    "vmatrix": _between("\\lvert", "\\rvert"),
    "Vmatrix": _between("\\lVert", "\\rVert"),
    "cases": _CASES,
    "dcases": _CASES,
    **dict.fromkeys(("aligned", "align", "align*", "split"), _ALIGNED),
    **dict.fromkeys(("gathered", "gather", "gather*", "equation", "equation*"), _Shape()),
}


def environment(reader: Reader, token: Token) -> Node:
    r"""What stands between `\begin` and `\end`."""
    name = reader.word(token)
    if name == "array":
        reader.cursor.skip(_PLACEMENT)
        shape = _Shape(_array_columns(reader, token))
    elif name in _SHAPES:
        shape = _SHAPES[name]
        reader.cursor.skip(_PLACEMENT)
    else:
        raise Unsupported(f"unknown environment {name}", token.position)
    rows = _rows(reader, token, "\\end")
    end = reader.cursor.take()
    if reader.word(end) != name:
        raise Unsupported(f"\\begin{{{name}}} ends as something else", end.position)
    if shape is _ALIGNED:
        rows = [_aligned(row) for row in rows]
    table = Table(tuple(rows), shape.columns, shape.gaps, shape.margin)
    if shape.opening is NOTHING and shape.closing is NOTHING:
        return table
    return Fenced(shape.opening, Row((table,)), shape.closing)


def substack(reader: Reader, token: Token) -> Node:
    r"""The lines of `\substack{a \\ b}`."""
    rows = _rows(reader, reader.expect("{", token), "}")
    reader.cursor.take()
    return Table(tuple(rows))


def binomial(reader: Reader, token: Token) -> Node:
    """One row over another, in round brackets."""
    rows = ((reader.argument(token),), (reader.argument(token),))
    return Fenced(ROUND[0], Row((Table(rows),)), ROUND[1])


def _array_columns(reader: Reader, token: Token) -> str:
    columns = re.sub(r"\s", "", reader.word(token))
    if not re.fullmatch("[lcr]+", columns):
        raise Unsupported("array columns are written with l, c and r", token.position)
    return columns


def _rows(reader: Reader, opening: Token, end: str) -> list[tuple[Row, ...]]:
    rows: list[tuple[Row, ...]] = []
    cells: list[Row] = []
    widest = 0
    while True:
        cells.append(reader.row("&", "\\\\", end))
        token = reader.cursor.peek()
        widest = max(widest, len(cells))
        if (len(rows) + 1) * widest > MOST_CELLS:
            raise Unsupported(f"the table has more than {MOST_CELLS} cells", token.position)
        if token.text == end:
            break
        if not token.text:
            raise Unsupported(f"{opening.text} is never closed", opening.position)
        reader.cursor.take()
        if token.text == "\\\\":
            rows.append(tuple(cells))
            cells = []
            reader.cursor.skip(_ROW_GAP)
    # A line break before the end makes no row.
    if len(cells) > 1 or cells[0].items or not rows:
        rows.append(tuple(cells))
    return rows


def _aligned(row: tuple[Row, ...]) -> tuple[Row, ...]:
    """Each second cell continues the one before it, so that a sign at its start has a left operand."""
    return tuple(Row((NOTHING, *cell.items)) if i % 2 and cell.items else cell for i, cell in enumerate(row))
