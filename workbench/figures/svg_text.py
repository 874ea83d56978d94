"""Trees and tables as SVG."""

from __future__ import annotations

from engines.figures import Table, Tree
from workbench.figures.sheet import FAINT, LINE, MARGIN, PALETTE, RULE, Sheet, text_width
from workbench.figures.table import alignments
from workbench.figures.tree import STATES, in_order

STEP = 22.0  # from a node to those under it
ROW = 21.0
COLOURS = {"plain": FAINT, "kept": PALETTE[2], "pruned": FAINT, "best": PALETTE[1]}


def tree(sheet: Sheet, figure: Tree) -> None:
    """A tree, one node a line, with a sign for each state."""
    order = in_order(figure)
    if not order:
        sheet.paragraph("no nodes to draw", fill=FAINT)
        return
    ends = [MARGIN + 24 + STEP * place.depth + text_width(figure.nodes[place.index].label) for place in order]
    notes = max(text_width(node.note) for node in figure.nodes)
    column = max(ends) + 24 + notes
    sheet.width = max(sheet.width, column + MARGIN)
    sheet.bottom += ROW / 2
    heights: dict[int, float] = {}
    for place in order:
        index, node = place.index, figure.nodes[place.index]
        sheet.bottom += ROW
        heights[index] = sheet.bottom - 5
        x = MARGIN + 8 + STEP * place.depth
        if place.depth:
            # From the parent's sign down, and across to this one.
            path = f"M{x - STEP:.1f} {heights[node.parent] + 6:.1f}V{heights[index]:.1f}H{x - 8:.1f}"
            sheet.add("path", d=path, fill="none", stroke=RULE)
        _sign(sheet, x, heights[index], node.state)
        bold = {"font_weight": "bold"} if node.state == "best" else {}
        sheet.text(x + 12, sheet.bottom, node.label, fill=_ink(node.state), **bold)
        sheet.text(column, sheet.bottom, node.note, "end", fill=FAINT)
    _legend(sheet, {node.state for node in figure.nodes})


def _ink(state: str) -> str:
    return FAINT if state == "pruned" else "#1a1a1a"


def _sign(sheet: Sheet, x: float, y: float, state: str) -> None:
    """A disc for kept, a ring for pruned, a star for the best, a dot for any other."""
    colour = COLOURS[state]
    if state == "best":
        star = "l2 4.2 4.6.6-3.3 3.2.8 4.6-4.1-2.2-4.1 2.2.8-4.6-3.3-3.2 4.6-.6Z"
        sheet.add("path", d=f"M{x:.1f} {y - 6:.1f}{star}", fill=colour)
    else:
        radius = 2.0 if state == "plain" else 4.5
        fill = "none" if state == "pruned" else colour
        sheet.add("circle", cx=x, cy=y, r=radius, fill=fill, stroke=colour, stroke_width=1.4)


def _legend(sheet: Sheet, states: set[str]) -> None:
    shown = [state for state in STATES if state in states]
    if not shown:
        return
    sheet.bottom += ROW + 6
    x = MARGIN + 8
    for state in shown:
        _sign(sheet, x, sheet.bottom - 5, state)
        sheet.text(x + 12, sheet.bottom, state, fill=FAINT)
        x += 12 + text_width(state) + 24


def table(sheet: Sheet, figure: Table) -> None:
    """A table with a line under its head."""
    across = max([len(figure.columns), *map(len, figure.rows)], default=0)
    if not across:
        sheet.paragraph("an empty table", fill=FAINT)
        return
    rows = [[*row, *[""] * (across - len(row))] for row in (figure.columns, *figure.rows)]
    widths = [max(map(text_width, column)) for column in zip(*rows, strict=True)]
    sheet.width = max(sheet.width, 2 * MARGIN + sum(widths) + 24 * (across - 1))
    aligns = alignments(figure, across)
    end = MARGIN + sum(widths) + 24 * (across - 1)
    for index, row in enumerate(rows):
        sheet.bottom += LINE + 4
        x = MARGIN
        for cell, wide, align in zip(row, widths, aligns, strict=True):
            place, anchor = {"l": (x, "start"), "r": (x + wide, "end"), "c": (x + wide / 2, "middle")}[align]
            bold = {} if index else {"font_weight": "bold"}
            sheet.text(place, sheet.bottom, cell, anchor, **bold)
            x += wide + 24
        if not index:
            sheet.bottom += 6
            sheet.line(MARGIN, sheet.bottom, end, sheet.bottom)
