"""Options to choose from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from workbench.statement import option_lines
from workbench.tui.widgets.block import Block


class Options(Block, can_focus=True):
    """One or several of a part's options; what is chosen reads as an answer that could have been typed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "down", show=False),
        Binding("up,k", "move(-1)", "up", show=False),
        Binding("space,x", "pick", "choose", show=False),
        Binding("enter", "submit", "check", show=False),
    ]

    @dataclass
    class Changed(Message):
        """Something else is chosen."""

        text: str

    @dataclass
    class Submitted(Message):
        """The choice is to be checked."""

        text: str

    def __init__(self, part: Any, variant: int, chosen: str) -> None:
        super().__init__(self._set_options, id="answer")
        self.part = part
        self.variant = variant
        self.ids = [block.plain.split()[1] for block in option_lines(part, variant, 80)]
        self.chosen = {word.strip() for word in chosen.split(",")} & set(self.ids)
        self.at = 0
        self.first_lines: list[int] = []

    @property
    def many(self) -> bool:
        """Whether several may be chosen."""
        return bool(self.part.select == "many")

    @property
    def value(self) -> str:
        """The choice as an answer."""
        picked = [option for option in self.ids if option in self.chosen]
        return ", ".join(picked) or ("none" if self.many and self.touched else "")

    touched = False

    def _set_options(self, width: int) -> Text:
        blocks = option_lines(
            self.part,
            self.variant,
            width - 2,
            ascii_only=self.ink.ascii_only,
            chosen=lambda option: option in self.chosen,
            ink=self.ink.statement,
        )
        self.first_lines = []
        lines: list[Text] = []
        for block in blocks:
            self.first_lines.append(len(lines))
            lines += [Text.assemble("  ", line) for line in block.split("\n", allow_blank=True)]
        return Text("\n").join(lines)

    def line_style(self, index: int) -> Style:
        """The option that the cursor is on stands out while the widget has the focus."""
        ends = [*self.first_lines[1:], len(self.lines)]
        here = self.first_lines and self.first_lines[self.at] <= index < ends[self.at]
        return self.ink.cursor if here and self.has_focus else self.ink.text

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        self.at = max(0, min(self.at + by, len(self.ids) - 1))
        self.refresh()

    def action_pick(self) -> None:
        """Choose, or do not choose, the option under the cursor."""
        option = self.ids[self.at]
        if self.many:
            self.chosen ^= {option}
        else:
            self.chosen = {option}
        self.touched = True
        self.show(self._set_options)
        self.post_message(self.Changed(self.value))

    def action_submit(self) -> None:
        """Have the choice checked; where one is asked for, the one under the cursor."""
        if not self.many and self.ids[self.at] not in self.chosen:
            self.action_pick()
        self.post_message(self.Submitted(self.value or "none"))

    def on_click(self, event: events.Click) -> None:
        """A click moves the cursor there and chooses."""
        index = self.top + event.y
        self.at = max((i for i, first in enumerate(self.first_lines) if first <= index), default=0)
        self.focus()
        self.action_pick()

    def on_focus(self) -> None:
        """Show the cursor."""
        self.refresh()

    def on_blur(self) -> None:
        """Hide the cursor."""
        self.refresh()
