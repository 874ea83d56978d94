"""With what a figure is drawn: its colours, and whether colour and Unicode may be used at all."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from workbench.glyphs import MARKS, sign, to_ascii

Colour = Literal["full", "16", "none"]

# In the order of the ANSI codes 0 to 15, as rich spells them.
ANSI_NAMES = (
    *("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"),
    *("bright_black", "bright_red", "bright_green", "bright_yellow"),
    *("bright_blue", "bright_magenta", "bright_cyan", "bright_white"),
)


@dataclass(frozen=True)
class Look:
    """Colours as rich names or `#rrggbb`; `kept`, `pruned` and `best` are styles, such as `bold green`.

    `ramp` holds the anchors of the heat map's shades, from the smallest value to the largest. Whatever
    the colours are, "16" draws with the nearest ANSI names and "none" with bold, dim and reverse alone.
    """

    palette: tuple[str, ...]
    ramp: tuple[str, ...]
    muted: str
    text: str
    kept: str
    pruned: str
    best: str
    colour: Colour = "full"
    ascii_only: bool = False

    def style(self, style: str) -> str:
        """A style as this look may show it."""
        return _allowed(style, self.colour)

    @property
    def faint(self) -> str:
        """The style of axes, notes and whatever else stands back."""
        return self.style(self.muted) or "dim"

    @property
    def plain(self) -> str:
        """The style of labels and captions."""
        return self.style(self.text)

    def series(self, index: int) -> str:
        """The style of a plot's series, by its place."""
        return self.style(self.palette[index % len(self.palette)]) if self.palette else ""

    def mark(self, index: int) -> str:
        """The mark of a plot's series, one cell wide."""
        return MARKS[index % len(MARKS)][self.ascii_only]

    def state(self, state: str) -> str:
        """The style of a tree's node."""
        styles = {"kept": self.kept, "pruned": self.pruned, "best": self.best}
        return self.style(styles.get(state, self.text))

    def sign(self, name: str) -> str:
        """A sign of the common table, in the form that may be shown."""
        return sign(name, ascii_only=self.ascii_only)

    def glyphs(self, text: str) -> str:
        """Box-drawing characters in the form that may be shown, each one cell wide in both."""
        return to_ascii(text) if self.ascii_only else text


@lru_cache(maxsize=1024)
def _allowed(style: str, colour: Colour) -> str:
    if style == "default":  # the terminal's own colour needs no words
        return ""
    if colour == "full" or not style:
        return style
    # 12 ms at the first use, unless the screen has it already.
    from rich.style import Style

    parsed = Style.parse(style)
    words = [name for name in ("bold", "dim", "reverse") if getattr(parsed, name)]
    if colour == "16":
        if parsed.color:
            words.append(_ansi(parsed.color.name))
        if parsed.bgcolor:
            words.append(f"on {_ansi(parsed.bgcolor.name)}")
    return " ".join(words)


def _ansi(name: str) -> str:
    """The ANSI name nearest to a colour."""
    from rich.color import Color, ColorSystem

    nearest = Color.parse(name).downgrade(ColorSystem.STANDARD)
    return "default" if nearest.number is None else ANSI_NAMES[nearest.number]


# The palette keeps its distances for the colour-blind and on a dark ground as on a light one.
DEFAULT = Look(
    palette=("#3aa0e0", "#e08a00", "#12a578", "#d069a5", "#b39b00", "#8c7ae6", "#e0573f", "#7f8c8d"),
    ramp=(
        *("#440154", "#482878", "#3e4a89", "#31688e", "#26828e"),
        *("#1f9e79", "#35b779", "#6ece58", "#fde725"),
    ),
    muted="#8a8a8a",
    text="default",
    kept="#12a578",
    pruned="#8a8a8a",
    best="bold #e08a00",
)

ANSI = Look(
    palette=("cyan", "yellow", "green", "magenta", "red", "blue", "bright_white", "bright_black"),
    ramp=("black", "blue", "cyan", "bright_white"),
    muted="bright_black",
    text="default",
    kept="green",
    pruned="bright_black",
    best="bold yellow",
    colour="16",
)

MONO = Look(
    palette=("default",),
    ramp=("#000000", "#ffffff"),
    muted="dim",
    text="default",
    kept="bold",
    pruned="dim",
    best="bold reverse",
    colour="none",
)
