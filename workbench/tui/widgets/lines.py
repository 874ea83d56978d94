"""A widget made of lines of text, of which it shows a window: the base of everything we draw."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, cast

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from workbench.glyphs import sign, to_ascii

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp
    from workbench.tui.ink import Ink

WHEEL_LINES = 3


class Lines(Widget):
    """Lines of text. A subclass says how many there are and what each of them is."""

    DEFAULT_CSS = "Lines { width: 1fr; height: 1; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002  (Textual's word)
        super().__init__(id=id, classes=classes)
        self.top = 0

    @property
    def ink(self) -> Ink:
        """The styles of the theme in use."""
        return cast("WorkbenchApp", self.app).ink

    # -- for subclasses

    def count(self) -> int:
        """How many lines there are."""
        return self.size.height

    def line(self, index: int, width: int) -> Text:
        """One line, not wider than `width`."""
        raise NotImplementedError

    def line_style(self, index: int) -> Style:
        """What the whole line is drawn on, to its end."""
        del index
        return self.ink.text

    # -- drawing

    def render_line(self, y: int) -> Strip:
        """One row of the widget."""
        width, index = self.size.width, self.top + y
        base = self.rich_style
        if not 0 <= index < self.count() or width <= 0:
            return Strip.blank(width, base)
        style = base + self.line_style(index)
        text = self.line(index, width)
        if self.ink.ascii_only and not text.plain.isascii():
            text = ascii_text(text)
        segments = [
            Segment(segment.text, style + segment.style if segment.style else style)
            for segment in text.render(self.app.console)
            if segment.text != "\n"
        ]
        return Strip(segments).adjust_cell_length(width, style)

    def refresh_line(self, index: int) -> None:
        """Draw one line again."""
        y = index - self.top
        if 0 <= y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))

    # -- scrolling

    def scroll_lines(self, by: int) -> bool:
        """Move the window; False if it was at its end already."""
        top = max(0, min(self.top + by, self.count() - self.size.height))
        if top == self.top:
            return False
        self.top = top
        self.refresh()
        return True

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """The wheel."""
        if self.scroll_lines(WHEEL_LINES):
            event.stop()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """The wheel."""
        if self.scroll_lines(-WHEEL_LINES):
            event.stop()


def ascii_text(text: Text) -> Text:
    """Styled text in ASCII; where characters grow, the styles of what follows move along."""
    out = Text(style=text.style, end="")
    for start, end, style in _runs(text):
        # One sign for one: a line that was cut to its width stays as wide.
        out.append(to_ascii(text.plain[start:end].replace("…", sign("more", ascii_only=True))), style)
    return out


def _runs(text: Text) -> list[tuple[int, int, Style | None]]:
    edges = sorted({0, len(text.plain), *(edge for span in text.spans for edge in (span.start, span.end))})
    runs: list[tuple[int, int, Style | None]] = []
    for start, end in pairwise(edges):
        style = Style()
        for span in text.spans:
            if span.start <= start and span.end >= end:
                style += Style.parse(span.style) if isinstance(span.style, str) else span.style
        runs.append((start, end, style))
    return runs


def cut(text: Text, width: int) -> Text:
    """A line not wider than `width`, with a sign where it was cut."""
    if text.cell_len > width:
        text = text.copy()
        text.truncate(width, overflow="ellipsis")
    return text
