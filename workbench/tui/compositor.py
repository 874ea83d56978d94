"""Sends to the terminal only the cells that change. All private names of Textual that we use stand here.

Textual draws every widget that was touched, whole, and never compares a frame with the last one: over a slow
link that is most of the bytes. `DiffingApp` keeps a copy of what the terminal shows and writes the difference.
It expects exactly the Textual that pyproject.toml pins; where the names below are missing, or the environment
variable WORKBENCH_DIFF is 0, Textual draws as it always does. A test plays whole sessions both ways and compares
every cell.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from rich.cells import get_character_cell_size
from textual.app import App

if TYPE_CHECKING:
    from rich.console import Console
    from rich.style import Style
    from textual.screen import Screen
    from textual.strip import Strip

try:
    from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
    from textual.drivers import linux_driver
    from textual.drivers._writer_thread import WriterThread

    AVAILABLE = hasattr(App, "_display")
except ImportError:  # another Textual than the pinned one
    AVAILABLE = False

T = TypeVar("T")

# What a style is on the terminal: names of attributes, code of the foreground, code of the background.
Pen = tuple[str, str, str]
PLAIN: Pen = ("", "", "")

# A cell: its character ("" for the right half of a wide one) and the pen it is written with.
Cell = tuple[str, Pen]
UNKNOWN: Cell = ("\0", PLAIN)

# Writing this many unchanged cells again is shorter than moving the cursor over them.
SHORT_GAP = 6
SWITCH = "WORKBENCH_DIFF"


class Shadow:
    """What the terminal shows, as far as we know."""

    def __init__(self) -> None:
        self.width = 0
        self.rows: list[list[Cell]] = []
        self._pens: dict[Style | None, Pen] = {None: PLAIN}

    def forget(self) -> None:
        """The terminal may show anything: draw everything next time."""
        self.rows = []

    def resize(self, width: int, height: int) -> None:
        """Have room for a screen of that size; another size than before is an unknown screen."""
        if (width, height) != (self.width, len(self.rows)):
            self.width = width
            self.rows = [[UNKNOWN] * width for _ in range(height)]

    def update(self, strips: Iterable[tuple[int, int, Strip]], console: Console) -> str:
        """What to write so that these strips, each at (x, y), are on the terminal."""
        out: list[str] = []
        pen = PLAIN  # every update ends with it, too
        for x, y, strip in strips:
            if not 0 <= y < len(self.rows):
                continue
            cells = self.cells(strip, console)[: max(0, self.width - x)]
            row = self.rows[y]
            for start, end in changed(row, x, cells):
                out.append(f"\x1b[{y + 1};{x + start + 1}H")
                for char, wanted in cells[start:end]:
                    if wanted != pen:
                        out.append(taking(wanted, pen))
                        pen = wanted
                    out.append(char)
            row[x : x + len(cells)] = cells
        if pen != PLAIN:
            out.append(taking(PLAIN, pen))
        return "".join(out)

    def cells(self, strip: Strip, console: Console) -> list[Cell]:
        """A strip cell by cell."""
        out: list[Cell] = []
        for text, style, control in strip:
            if control:
                continue
            pen = self._pens.get(style)
            if pen is None:
                assert style is not None
                pen = self._pens[style] = pen_of(style, console)
            if text.isascii():
                out += [(char, pen) for char in text]
                continue
            for char in text:
                size = get_character_cell_size(char)
                if size:
                    out.append((char, pen))
                    out += [("", pen)] * (size - 1)
                elif out:  # a combining mark belongs to the cell before it
                    out[-1] = (out[-1][0] + char, pen)
        return out


def changed(row: list[Cell], x: int, cells: list[Cell]) -> Iterator[tuple[int, int]]:
    """The stretches of cells that differ from what stands at x in a row; short gaps are written again."""
    start = end = -1
    for i, cell in enumerate(cells):
        if row[x + i] == cell:
            continue
        if start >= 0 and i - end > SHORT_GAP:
            yield start, end
            start = -1
        if start < 0:
            start = i
            while start and not cells[start][0]:  # never begin within a wide character
                start -= 1
        end = i + 1
        while end < len(cells) and not cells[end][0]:
            end += 1
    if start >= 0:
        yield start, end


# Attributes with the codes that switch them on and off. Bold and dim have one code to switch both off.
ATTRIBUTES = {
    "bold": ("1", "22"),
    "dim": ("2", "22"),
    "italic": ("3", "23"),
    "underline": ("4", "24"),
    "blink": ("5", "25"),
    "reverse": ("7", "27"),
    "conceal": ("8", "28"),
    "strike": ("9", "29"),
}


def pen_of(style: Style, console: Console) -> Pen:
    """A style in the codes of the terminal, its colours as far as the terminal has them."""
    attributes = " ".join(name for name in ATTRIBUTES if getattr(style, name))
    depth = console._color_system  # noqa: SLF001  (rich tells it no other way)
    if depth is None:
        return attributes, "", ""
    colours = [
        ";".join(colour.downgrade(depth).get_ansi_codes(foreground=foreground)) if colour else ""
        for colour, foreground in ((style.color, True), (style.bgcolor, False))
    ]
    return attributes, colours[0], colours[1]


@lru_cache(maxsize=4096)
def taking(pen: Pen, last: Pen) -> str:
    """The shortest way from one pen to another: what stays the same is not said again."""
    if pen == PLAIN:
        return "\x1b[0m"
    wanted, had = set(pen[0].split()), set(last[0].split())
    off = {ATTRIBUTES[name][1] for name in had - wanted}
    on = wanted - had | ({"bold", "dim"} & wanted if "22" in off else set())
    codes = [*sorted(off), *sorted(ATTRIBUTES[name][0] for name in on)]
    codes += [new or default for new, old, default in zip(pen[1:], last[1:], ("39", "49"), strict=True) if new != old]
    return f"\x1b[{';'.join(codes)}m"


if AVAILABLE:

    class _Difference(CompositorUpdate):
        """An update that writes only what differs from the shadow."""

        def __init__(self, update: Any, shadow: Shadow) -> None:
            self.update = update
            self.shadow = shadow

        def render_segments(self, console: Console) -> str:
            """What Textual asks an update for."""
            if isinstance(self.update, LayoutUpdate):
                region = self.update.region
                if (region.x, region.y) == (0, 0):
                    self.shadow.resize(region.width, region.height)
                return self.shadow.update(_layout_strips(self.update), console)
            return self.shadow.update(_chop_strips(self.update), console)

    class _Writer(WriterThread):
        """Takes what is written also when the terminal has gone.

        Textual's own ends then, and at its end the app waits for ever for it to take the rest.
        """

        def run(self) -> None:
            """Write until told to stop."""
            for text in iter(self._queue.get, None):
                with contextlib.suppress(OSError):
                    self._file.write(text)
                    if not self._queue.qsize():
                        self._file.flush()

    linux_driver.WriterThread = _Writer  # type: ignore[attr-defined]


def _layout_strips(update: Any) -> Iterator[tuple[int, int, Strip]]:
    """The strips of an update of a whole region."""
    for y, line in enumerate(update.strips, update.region.y):
        x = update.region.x
        for strip in line:
            yield x, y, strip
            x += strip.cell_length


def _chop_strips(update: Any) -> Iterator[tuple[int, int, Strip]]:
    """The strips of an update of some spans of some lines."""
    for y, x1, x2 in update.spans:
        for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            if strip is None or x > x2 or end <= x1:
                continue
            yield x, y, strip if end <= x2 else strip.crop(0, x2 - x)


class DiffingApp(App[T], Generic[T]):
    """An app that writes differences."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.shadow = Shadow()
        self._diffing = AVAILABLE and os.environ.get(SWITCH) != "0"

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        if self._diffing and isinstance(renderable, LayoutUpdate | ChopsUpdate):
            if not self.shadow.rows:
                self.shadow.resize(*self.size)
            renderable = _Difference(renderable, self.shadow)
        super()._display(screen, renderable)

    def forget_screen(self) -> None:
        """Draw everything again with the next frame: something else may have written to the terminal."""
        self.shadow.forget()
        self.screen.refresh(layout=True)


def ascii_everywhere(app: App[Any]) -> None:
    """Turn what still is beyond ASCII, in Textual's own widgets too, into ASCII, cell by cell."""
    from rich.segment import Segment
    from textual.filter import LineFilter

    class Ascii(LineFilter):
        """Scrollbars, cursors, and what a student typed."""

        def apply(self, segments: list[Segment], background: Any) -> list[Segment]:
            del background
            return [
                segment
                if segment.text.isascii()
                else Segment(_cell_by_cell(segment.text), segment.style, segment.control)
                for segment in segments
            ]

    app._filters.append(Ascii())  # noqa: SLF001


def _cell_by_cell(text: str) -> str:
    from workbench.glyphs import to_ascii

    return "".join(char if char.isascii() else to_ascii(char)[:1].ljust(get_character_cell_size(char)) for char in text)
