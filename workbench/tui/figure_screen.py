"""Figures on the whole screen, one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from workbench.tui.screens import Keys, WorkbenchScreen
from workbench.tui.text_screen import TextScreen, wrapped
from workbench.tui.widgets.figure import FigureView

if TYPE_CHECKING:
    from engines.figures import Figure


class FigureScreen(WorkbenchScreen):
    """One of several figures, and its text equivalent."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,l,space", "turn(1)", "next", show=False),
        Binding("left,h", "turn(-1)", "previous", show=False),
        Binding("d", "describe", "in words", show=False),
        Binding("escape,q,f,f7,enter", "back", "back", show=False),
    ]
    BAR: ClassVar[Keys] = (("left right", "figures"), ("d", "in words"), ("esc", "back"))

    def __init__(self, title: str, figures: tuple[Figure, ...]) -> None:
        super().__init__()
        self.heading = title
        self.figures = figures
        self.at = 0
        self.view = FigureView()

    def content(self) -> Iterator[Widget]:
        """The figure."""
        yield self.view

    def on_mount(self) -> None:
        """Show the first."""
        self.key_bar.show(self.BAR if len(self.figures) > 1 else self.BAR[1:])
        self.show()

    def show(self) -> None:
        """Show the one whose turn it is."""
        figure = self.figures[self.at]
        which = f"{self.at + 1} of {len(self.figures)}" if len(self.figures) > 1 else figure.name
        self.title_bar.show(self.heading, which)
        self.view.show(figure)

    def action_turn(self, by: int) -> None:
        """The next or the previous figure."""
        self.at = (self.at + by) % len(self.figures)
        self.show()

    def action_describe(self) -> None:
        """The figure in words and numbers."""
        self.app.push_screen(words_screen(self.figures[self.at]))

    def action_back(self) -> None:
        """Back to where one was."""
        self.dismiss()


def words_screen(figure: Figure) -> TextScreen:
    """A figure in words and numbers."""
    from workbench.figures.describe import describe

    text = describe(figure)
    return TextScreen(figure.title, lambda width: wrapped(text, width))
