"""Text to be read: set to the width there is, scrolled with the keys one expects."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType

from workbench.tui.widgets.lines import Lines, cut

Maker = Callable[[int], Text]


class Pager(Lines, can_focus=True):
    """Shows what a maker gives for a width; the maker is asked again when the width changes."""

    DEFAULT_CSS = "Pager { height: 1fr; }"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "lines(1)", "down", show=False),
        Binding("up,k", "lines(-1)", "up", show=False),
        Binding("pagedown,space,ctrl+d", "pages(1)", "page down", show=False),
        Binding("pageup,ctrl+u", "pages(-1)", "page up", show=False),
        Binding("home,g", "lines(-1000000)", "top", show=False),
        Binding("end,G", "lines(1000000)", "end", show=False),
    ]

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  (Textual's word)
        super().__init__(id=id)
        self.make: Maker = lambda _: Text()
        self.lines: list[Text] = []
        self._width = -1

    def show(self, make: Maker, *, keep_place: bool = False) -> None:
        """Show another text."""
        self.make = make
        self._width = -1
        if not keep_place:
            self.top = 0
        self.refresh()

    def count(self) -> int:
        """How many lines the text has at the present width."""
        if self._width != self.size.width and self.size.width:
            self._width = self.size.width
            self.lines = list(self.make(self._width - 2).split("\n", allow_blank=True))
            self.top = max(0, min(self.top, len(self.lines) - self.size.height))
        return len(self.lines)

    def line(self, index: int, width: int) -> Text:
        """One line of the text, with a sign at its right end where there is more below or above."""
        y = index - self.top
        text = cut(self.lines[index], width - 2)
        more = ""
        if y == 0 and self.top:
            more = "^"
        elif y == self.size.height - 1 and index < len(self.lines) - 1:
            more = "v"
        if not more:
            return text
        out = Text(end="")
        out.append_text(text)
        out.append(" " * (width - 1 - text.cell_len))
        out.append(more, self.ink.primary)
        return out

    def action_lines(self, by: int) -> None:
        """Scroll by lines."""
        self.scroll_lines(by)

    def action_pages(self, by: int) -> None:
        """Scroll by pages, with a line of overlap."""
        self.scroll_lines(by * max(1, self.size.height - 1))

    def on_resize(self, event: events.Resize) -> None:
        """Set the text anew."""
        del event
        self.count()
        self.refresh()
