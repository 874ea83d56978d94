"""What a theme file may say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from engines.fields import field

# The names of the terminal's own colours; any other name would be refused where it is drawn.
NAMED = r"(?:default|(?:bright_)?(?:black|red|green|yellow|blue|magenta|cyan|white))"
COLOUR = rf"#[0-9a-fA-F]{{6}}|ansi_{NAMED}"
COLOUR_HELP = "a colour such as #7fb4ff or ansi_cyan"
STYLE = rf"(?:(?:bold|dim|italic|reverse|underline)(?: |$))*(?:#[0-9a-fA-F]{{6}}|{NAMED})?"
STYLE_HELP = "a style such as 'bold #7fb4ff' or 'bright_cyan'"


def _colour(help_text: str) -> Any:
    return field(pattern=COLOUR, pattern_help=COLOUR_HELP, help=help_text)


def _style(help_text: str) -> Any:
    return field(pattern=STYLE, pattern_help=STYLE_HELP, help=help_text)


@dataclass(frozen=True, kw_only=True)
class ScreenColours:
    """Colours of the screen."""

    background: str = _colour("behind everything")
    surface: str = _colour("behind inputs")
    panel: str = _colour("behind the bars at top and bottom")
    text: str = _colour("what is read")
    muted: str = _colour("what stands back")
    primary: str = _colour("headings, keys, what has focus")
    accent: str = _colour("what is marked")
    success: str = _colour("right answers")
    warning: str = _colour("partly right answers, and warnings")
    error: str = _colour("wrong answers")
    cursor: str = _colour("behind the line that the cursor is on")
    cursor_text: str = _colour("that line's text")


@dataclass(frozen=True, kw_only=True)
class PlotColours:
    """Colours of plots."""

    palette: tuple[str, ...] = field(min_length=1, pattern=STYLE, pattern_help=STYLE_HELP, help="series, in order")
    ramp: tuple[str, ...] = field(min_length=2, pattern=STYLE, pattern_help=STYLE_HELP, help="shades, small to large")
    kept: str = _style("kept nodes of a tree")
    pruned: str = _style("dropped nodes of a tree")
    best: str = _style("the best node of a tree")


@dataclass(frozen=True, kw_only=True)
class ThemeFile:
    """One theme file."""

    format_version: Literal[1] = field(help="1")
    name: str = field(
        pattern=r"[a-z0-9-]+", pattern_help="lower-case words joined by '-'", help="as the file is called"
    )
    title: str = field(min_length=1, max_length=40, help="what the list of themes shows")
    dark: bool = field(help="whether the background is dark")
    colours: Literal["full", "ansi", "none"] = field(help="all, the terminal's own 16, or none")
    screen: ScreenColours
    plot: PlotColours
