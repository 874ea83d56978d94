"""The line at the top, which says where one is, and the line at the bottom, which says what one can press."""

from __future__ import annotations

from textwrap import wrap

from rich.style import Style
from rich.text import Text

from workbench.tui.widgets.block import Block
from workbench.tui.widgets.lines import Lines, cut

# Columns and rows that every screen is designed for at least.
SMALLEST = (60, 15)


class TitleBar(Lines):
    """Where one is on the left, how one stands on the right."""

    DEFAULT_CSS = "TitleBar { height: 1; }"

    def __init__(self) -> None:
        super().__init__()
        self.left = ""
        self.right = ""

    def show(self, left: str, right: str = "") -> None:
        """Change what it says."""
        if (left, right) != (self.left, self.right):
            self.left, self.right = left, right
            self.refresh()

    def line(self, index: int, width: int) -> Text:
        """Left and right, the right one kept."""
        room = max(0, width - len(self.right) - 3)
        left = cut(Text(f" {self.left}"), room)
        gap = " " * max(1, width - left.cell_len - len(self.right) - 1)
        return Text.assemble(left, gap, self.right, " ")

    def line_style(self, index: int) -> Style:
        """The bar's own."""
        return self.ink.bar


class TooSmall(Lines):
    """Lies over a screen that has less room than it was designed for, and says so."""

    DEFAULT_CSS = "TooSmall { layer: above; dock: top; width: 100%; height: 100%; display: none; }"

    def line(self, index: int, width: int) -> Text:
        """What there is and what is needed, in lines short enough for a small window."""
        is_, needed = f"{self.size.width} x {self.size.height}", f"{SMALLEST[0]} x {SMALLEST[1]}"
        said = (f"{is_} is too small:", f"at least {needed}", "are needed;", "nothing is lost")
        return cut(Text(said[index] if index < len(said) else ""), width)


class KeyBar(Lines):
    """Keys with what they do, as many as fit, and a note of the program on the right."""

    DEFAULT_CSS = "KeyBar { height: 1; }"

    def __init__(self) -> None:
        super().__init__()
        self.keys: tuple[tuple[str, str], ...] = ()
        self.note = ""

    def show(self, keys: tuple[tuple[str, str], ...]) -> None:
        """Change the keys."""
        if keys != self.keys:
            self.keys = keys
            self.refresh()

    def tell(self, note: str) -> None:
        """Change the note."""
        if note != self.note:
            self.note = note
            self.refresh()

    def line(self, index: int, width: int) -> Text:
        """The keys that fit, then the note."""
        out = Text(" ")
        room = width - 2
        for key, label in self.keys:
            piece = len(key) + len(label) + 3
            if out.cell_len + piece > room:
                break
            out.append(key, self.ink.bar_key)
            out.append(f" {label}  ")
        if self.note and out.cell_len + len(self.note) < width:
            out.append(" " * (width - out.cell_len - len(self.note) - 1))
            out.append(self.note)
        return out

    def line_style(self, index: int) -> Style:
        """The bar's own."""
        return self.ink.bar


class MessageLine(Block):
    """What the program has to say, kept until something else is to be said: one line, more where it would be cut."""

    DEFAULT_CSS = "MessageLine { height: auto; max-height: 3; }"

    def __init__(self) -> None:
        super().__init__(self._message)
        self.message = ""
        self.kind = ""

    def say(self, message: str, kind: str = "") -> None:
        """Say something; kind is a status such as "error" or "correct"."""
        if (message, kind) != (self.message, self.kind):
            self.message, self.kind = message, kind
            self.show(self._message)

    def _message(self, width: int) -> Text:
        """The message in lines of that width; one empty line where there is none, so that nothing moves later."""
        style = self.ink.status(self.kind) if self.kind else self.ink.muted
        return Text("\n".join(f" {line}" for line in wrap(self.message, width - 2) or [""]), style=style)
