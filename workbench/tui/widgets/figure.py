"""A figure, drawn to the room there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual import events

from workbench.tui.widgets.lines import Lines, cut

if TYPE_CHECKING:
    from engines.figures import Figure


class FigureView(Lines):
    """One figure at a time; it is drawn once for each size."""

    DEFAULT_CSS = "FigureView { height: 1fr; }"

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  (Textual's word)
        super().__init__(id=id)
        self.figure: Figure | None = None
        self.placeholder = ""
        self.lines: list[Text] = []
        self._drawn: tuple[int, int] = (-1, -1)

    def show(self, figure: Figure | None, placeholder: str = "") -> None:
        """Show another figure, or say why there is none."""
        self.figure, self.placeholder = figure, placeholder
        self._drawn = (-1, -1)
        self.refresh()

    def count(self) -> int:
        """The lines of the drawing."""
        size = (self.size.width, self.size.height)
        if self._drawn != size and all(size):
            self._drawn = size
            self.lines = list(self._draw(*size).split("\n", allow_blank=True))
        return len(self.lines)

    def _draw(self, width: int, height: int) -> Text:
        if self.figure is None:
            return Text(f" {self.placeholder}", style=self.ink.muted)
        # plotext and the drawing code: 20 ms, when the first figure is shown.
        from workbench.figures.draw import draw

        return draw(self.figure, width - 1, height, self.ink.look)

    def line(self, index: int, width: int) -> Text:
        """One line of the drawing."""
        return cut(self.lines[index], width)

    def on_resize(self, event: events.Resize) -> None:
        """Draw anew."""
        del event
        self.refresh()
