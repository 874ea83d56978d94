"""A piece of text as high as it has to be, among others in a column."""

from __future__ import annotations

from rich.text import Text
from textual.geometry import Size

from workbench.tui.widgets.lines import Lines, cut
from workbench.tui.widgets.pager import Maker


class Block(Lines):
    """Text set to the width of its place, its height following. Takes no room while it is empty."""

    DEFAULT_CSS = "Block { height: auto; width: 1fr; }"

    def __init__(self, make: Maker | None = None, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.make = make or (lambda _: Text())
        self.lines: list[Text] = []
        self._width = -1

    def show(self, make: Maker) -> None:
        """Show another text. The column is laid out again only if the height changes."""
        before = len(self.lines)
        self.make, self._width = make, -1
        self._set(self.size.width or self.container_size.width)
        self.refresh(layout=len(self.lines) != before)

    def _set(self, width: int) -> None:
        if width != self._width and width > 0:
            self._width = width
            text = self.make(width)
            self.lines = list(text.split("\n", allow_blank=True)) if text.plain else []

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many lines as the text has at that width."""
        del container, viewport
        self._set(width)
        return len(self.lines)

    def count(self) -> int:
        """As many lines as the text has."""
        self._set(self.size.width)
        return len(self.lines)

    def line(self, index: int, width: int) -> Text:
        """One line of the text."""
        return cut(self.lines[index], width)
