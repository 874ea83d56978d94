"""The least that a Textual program can be: the floor that starting times are measured against."""

from __future__ import annotations

from collections.abc import Iterator

from textual.app import App
from textual.widget import Widget
from textual.widgets import Static


class Hello(App[None]):
    """Says hello."""

    def compose(self) -> Iterator[Widget]:
        """One line."""
        yield Static("hello world")


if __name__ == "__main__":
    Hello().run()
