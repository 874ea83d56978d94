"""A sheet of white paper that SVG elements are put on, from the top down."""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

from workbench.figures.look import MONO
from workbench.figures.words import width_of, wrap

WIDTH = 720.0
MARGIN = 16.0
LINE = 18.0  # from one line of text to the next
SIZE = 13.0  # of the letters
LETTER = 7.2  # width of a cell of text, a little more than most letters need

INK, FAINT, RULE, PAPER = "#1a1a1a", "#5c5c5c", "#b8b8b8", "#ffffff"

# Dark enough for white paper, apart for the colour-blind.
PALETTE = ("#0063a6", "#c24e00", "#00795a", "#a8418a", "#7a6400", "#5a48b8", "#b3261e", "#444444")


@dataclass
class Sheet:
    """A drawing under way: its elements, and how far down it reaches."""

    width: float = WIDTH
    bottom: float = MARGIN
    parts: list[str] = field(default_factory=list)

    def add(self, name: str, content: str = "", /, **attributes: object) -> None:
        """An element; `_` in the name of an attribute stands for `-`."""
        written = "".join(
            f" {key.rstrip('_').replace('_', '-')}={quoteattr(shown(value))}" for key, value in attributes.items()
        )
        self.parts.append(f"<{name}{written}>{content}</{name}>" if content else f"<{name}{written}/>")

    def text(self, x: float, y: float, text: str, anchor: str = "start", /, **attributes: object) -> None:
        """A line of text whose letters stand on `y`."""
        if text:
            self.add("text", escape(text), x=x, y=y, text_anchor=anchor, **attributes)

    def line(self, x1: float, y1: float, x2: float, y2: float, /, **attributes: object) -> None:
        """A straight line."""
        self.add("line", x1=x1, y1=y1, x2=x2, y2=y2, **{"stroke": RULE, **attributes})

    def cell(self, x: float, y: float, width: float, height: float, fill: str, told: str) -> None:
        """A cell of a heat map, with what is told when it is pointed at."""
        title = f"<title>{escape(told)}</title>"
        self.add("rect", title, x=x, y=y, width=width, height=height, fill=fill)

    def paragraph(self, text: str, **attributes: object) -> None:
        """Text in lines below all that is there."""
        for line in wrap(text, int((self.width - 2 * MARGIN) / LETTER), 12, MONO):
            self.bottom += LINE
            self.text(MARGIN, self.bottom, line, **attributes)

    def mark(self, index: int, x: float, y: float, colour: str) -> None:
        """The mark of a series, of a form of its own."""
        r = 3.6
        forms = (
            f"M{x - r:.1f} {y:.1f}a{r} {r} 0 1 0 {2 * r} 0a{r} {r} 0 1 0 {-2 * r} 0Z",
            f"M{x - r:.1f} {y + r:.1f}h{2 * r}L{x:.1f} {y - r:.1f}Z",
            f"M{x - r:.1f} {y - r:.1f}h{2 * r}v{2 * r}h{-2 * r}Z",
            f"M{x:.1f} {y - 4.7:.1f}l4.7 4.7-4.7 4.7-4.7-4.7Z",
        )
        hollow = index // len(forms) % 2
        self.add("path", d=forms[index % len(forms)], fill=PAPER if hollow else colour, stroke=colour)


def shown(value: object) -> str:
    """An attribute's value, numbers to two decimals."""
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return str(value)


def text_width(text: str) -> float:
    """About how wide a text is drawn."""
    return LETTER * width_of(text)
