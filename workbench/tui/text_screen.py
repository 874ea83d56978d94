"""A screen to read: help, worked solutions, errata."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widget import Widget

from workbench import paths
from workbench.tui.screens import Keys, WorkbenchScreen
from workbench.tui.widgets.pager import Maker, Pager


class TextScreen(WorkbenchScreen):
    """One text under a title."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,f1,enter", "back", "back", show=False)]
    BAR: ClassVar[Keys] = (("up down", "scroll"), ("esc", "back"))

    def __init__(self, title: str, make: Maker) -> None:
        super().__init__()
        self.heading = title
        self.pager = Pager()
        self.pager.make = make

    def content(self) -> Iterator[Widget]:
        """The text."""
        yield self.pager

    def on_mount(self) -> None:
        """Show it."""
        self.title_bar.show(self.heading)
        self.key_bar.show(self.BAR)
        self.set_focus(self.pager)

    def action_back(self) -> None:
        """Back to where one was."""
        self.dismiss()


def wrapped(text: str, width: int) -> Text:
    """Long lines broken at blanks; lines of a table stay as they are."""
    import textwrap

    lines: list[str] = []
    for line in text.split("\n"):
        lines += textwrap.wrap(line, width) if len(line) > width and "  " not in line.strip() else [line]
    return Text("\n".join(lines))


def help_screen(screen: WorkbenchScreen) -> TextScreen:
    """What one can press on a screen, and where things are kept."""
    ink = screen.workbench.ink

    def make(width: int) -> Text:
        out = Text()
        for group, keys in screen.KEYS:
            out.append(f"{group}\n", ink.primary)
            for key, action in keys:
                out.append(f"  {key:<14}", ink.accent)
                out.append(f"{action}\n")
            out.append("\n")
        out.append("kept in\n", ink.primary)
        for name, path in (("progress", paths.data()), ("results", paths.cache()), ("themes", paths.config())):
            out.append(f"  {name:<14}", ink.accent)
            out.append(f"{path}\n"[: width - 16] + ("\n" if len(path) >= width - 16 else ""))
        return out

    return TextScreen("keys", make)
