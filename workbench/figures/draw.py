"""A figure as text for a terminal."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Protocol, cast

from engines.figures import Figure
from workbench.figures.look import DEFAULT, Look

if TYPE_CHECKING:
    from rich.text import Text


class Kind(Protocol):
    """What the module of each kind of figure offers."""

    LEAST: int
    """The height below which the title has to make room."""

    def wanted(self, figure: Figure, width: int) -> int:
        """The height below which the caption has to make room."""

    def rows(self, figure: Figure, width: int, height: int, look: Look) -> list[Text]:
        """The figure in at most `height` lines of at most `width` cells."""


def draw(figure: Figure, width: int, height: int, look: Look = DEFAULT) -> Text:
    """A figure in at most `height` lines of at most `width` cells.

    Whatever cannot be shown (points that are not finite, rows below the edge) is counted in the picture.
    Where there is no room for a picture, one line says what it would have been.
    """
    # 5 to 20 ms together, and a list of exercises draws nothing.
    from workbench.figures import page, words

    figure = words.readable(figure, look)
    if width < page.LEAST_WIDTH or height < page.LEAST_HEIGHT:
        return page.join([page.summary(figure, width, look)], width, height)
    kind = cast(Kind, importlib.import_module(f"workbench.figures.{figure.kind}"))
    title = page.title_of(figure, width, look)
    caption = page.caption_of(figure, width, look)
    if height - len(title) - len(caption) < kind.wanted(figure, width):
        caption = []
    if height - len(title) < kind.LEAST:
        title = []
    body = kind.rows(figure, width, height - len(title) - len(caption), look)
    if caption and len(title) + len(body) + len(caption) < height:
        caption = page.apart(caption)
    return page.join([*title, *body, *caption], width, height)
