"""Figures as SVG: self-contained, without scripts, made to be read on white paper."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from engines.figures import Bars, Figure, Graph, Heatmap, Lines, Tree
from workbench.figures import svg_graph, svg_plots, svg_text
from workbench.figures.describe import describe
from workbench.figures.look import MONO
from workbench.figures.sheet import FAINT, INK, MARGIN, PAPER, SIZE, WIDTH, Sheet, shown
from workbench.figures.words import readable


def document(figures: Sequence[Figure]) -> str:
    """One file with all figures, one above the other."""
    drawn = [_figure(figure) for figure in figures]
    width = max((sheet.width for sheet in drawn), default=WIDTH)
    height = sum(sheet.bottom + MARGIN for sheet in drawn)
    size = f'width="{shown(width)}" height="{shown(height)}" viewBox="0 0 {shown(width)} {shown(height)}"'
    font = f'font-family="Helvetica, Arial, sans-serif" font-size="{shown(SIZE)}" fill="{INK}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font}>',
        f'<rect width="100%" height="100%" fill="{PAPER}"/>',
    ]
    top = 0.0
    for figure, sheet in zip(figures, drawn, strict=True):
        words = describe(figure).split("\n", maxsplit=1)[0]
        lines.append(f'<g transform="translate(0 {shown(top)})" role="img">')
        lines.append(f"<title>{escape(readable(figure, MONO).title or figure.kind)}</title>")
        lines.append(f"<desc>{escape(words)}</desc>")
        lines += [*sheet.parts, "</g>"]
        top += sheet.bottom + MARGIN
    return "\n".join([*lines, "</svg>"]) + "\n"


def _figure(figure: Figure) -> Sheet:
    """A figure with its title above and its caption below."""
    figure = readable(figure, MONO)
    sheet = Sheet()
    if figure.title:
        sheet.paragraph(figure.title, font_weight="bold", font_size=15.0)
        sheet.bottom += 6
    if isinstance(figure, Lines):
        svg_plots.lines(sheet, figure)
    elif isinstance(figure, Bars):
        svg_plots.bars(sheet, figure)
    elif isinstance(figure, Heatmap):
        svg_plots.heatmap(sheet, figure)
    elif isinstance(figure, Tree):
        svg_text.tree(sheet, figure)
    elif isinstance(figure, Graph):
        svg_graph.graph(sheet, figure)
    else:
        svg_text.table(sheet, figure)
    if figure.caption:
        sheet.bottom += 4
        sheet.paragraph(figure.caption, fill=FAINT)
    return sheet
