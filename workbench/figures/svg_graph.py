"""Graphs as SVG."""

from __future__ import annotations

import math

from engines.figures import Graph
from workbench.figures.graph import places_of, scaled
from workbench.figures.page import count
from workbench.figures.sheet import FAINT, INK, LINE, MARGIN, PALETTE, Sheet, text_width

HEIGHT = 420.0
RING = 8.0


def graph(sheet: Sheet, figure: Graph) -> None:
    """Edges as lines, nodes as the marks of their groups; who is singled out has a ring around."""
    places = places_of(figure)
    shown = [index for index, place in enumerate(places) if all(map(math.isfinite, place))]
    _legend(sheet, figure)
    if not shown:
        sheet.paragraph("no nodes to draw", fill=FAINT)
        return
    top = sheet.bottom + LINE
    xs = scaled([places[index][0] for index in shown], sheet.width - 6 * MARGIN)
    ys = scaled([-places[index][1] for index in shown], HEIGHT)
    spots = {index: (x + 2 * MARGIN, y + top) for index, x, y in zip(shown, xs, ys, strict=True)}
    pairs = figure.edges.flat()
    for a, b in zip(pairs[::2], pairs[1::2], strict=True):
        if a in spots and b in spots:
            sheet.line(*spots[a], *spots[b])
    for index, (x, y) in spots.items():
        group = figure.group.flat()[index]
        colour = PALETTE[group % len(PALETTE)]
        if index in figure.singled:
            sheet.add("circle", cx=x, cy=y, r=RING, fill="none", stroke=INK, stroke_width=1.4)
        sheet.mark(group, x, y, colour)
        sheet.text(x + RING + 2, y + 4, figure.labels[index])
    sheet.bottom = top + HEIGHT + RING
    if len(shown) < len(places):
        sheet.paragraph(f"{count(len(places) - len(shown), 'node')} not shown", fill=FAINT)


def _legend(sheet: Sheet, figure: Graph) -> None:
    sheet.bottom += LINE
    x, y = MARGIN, sheet.bottom - 4
    for index, name in enumerate(figure.groups):
        if name:
            sheet.mark(index, x + 6, y, PALETTE[index % len(PALETTE)])
            sheet.text(x + 18, sheet.bottom, name)
            x += 18 + text_width(name) + 18
    if figure.singled and figure.singled_label:
        sheet.add("circle", cx=x + 6, cy=y, r=RING, fill="none", stroke=INK, stroke_width=1.4)
        sheet.text(x + 20, sheet.bottom, figure.singled_label)
