"""What surrounds every figure: its title above, its caption below, and a single line where that is all."""

from __future__ import annotations

from rich.text import Text

from engines.figures import Bars, Figure, Graph, Heatmap, Lines, Tree
from workbench.figures.look import Look
from workbench.figures.words import shorten, wrap

# Below this a picture tells less than a sentence.
LEAST_WIDTH, LEAST_HEIGHT = 20, 6
CAPTION_LINES = 3


def title_of(figure: Figure, width: int, look: Look) -> list[Text]:
    """The title as one line, or none."""
    return [Text(shorten(figure.title, width, look), f"bold {look.plain}".rstrip())] if figure.title else []


def caption_of(figure: Figure, width: int, look: Look) -> list[Text]:
    """The caption as a few lines, or none."""
    return [Text(line, look.plain) for line in wrap(figure.caption, width, CAPTION_LINES, look)]


def apart(lines: list[Text]) -> list[Text]:
    """Lines with an empty one before them."""
    return [Text(), *lines]


def summary(figure: Figure, width: int, look: Look) -> Text:
    """A figure in one line."""
    title = figure.title or figure.name
    text = f"{title}: {contents(figure)}" if title else contents(figure)
    return Text(shorten(text, width, look), look.plain)


def contents(figure: Figure) -> str:
    """How much of what a figure holds."""
    if isinstance(figure, Lines):
        clouds = sum(series.style == "points" for series in figure.series)
        curves = len(figure.series) - clouds
        parts = [count(curves, "curve")] if curves else []
        return " and ".join([*parts, count(clouds, "set", "sets") + " of points"] if clouds else parts) or "no curves"
    if isinstance(figure, Bars):
        groups = f" in {len(figure.groups)} groups" if len(figure.groups) > 1 else ""
        return count(figure.heights.size, "bar") + groups
    if isinstance(figure, Heatmap):
        return "heat map of " + " by ".join(map(str, figure.matrix.shape))
    if isinstance(figure, Tree):
        return f"tree of {count(len(figure.nodes), 'node')}"
    if isinstance(figure, Graph):
        return f"graph of {count(len(figure.labels), 'node')} and {count(figure.edges.shape[0], 'edge')}"
    return f"table of {count(len(figure.rows), 'row')} and {count(len(figure.columns), 'column')}"


def count(number: int, one: str, many: str = "") -> str:
    """A number with its noun."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def join(lines: list[Text], width: int, height: int) -> Text:
    """Lines as one text; what a wide character pushed over the edge is cut."""
    for line in lines:
        if line.cell_len > width:
            line.truncate(width)
    page = Text("\n", no_wrap=True, overflow="crop", end="").join(lines[:height])
    page.no_wrap, page.overflow, page.end = True, "crop", ""
    return page
