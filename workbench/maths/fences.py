"""Delimiters as tall as what they enclose."""

from __future__ import annotations

from workbench.maths.box import Box, text_box
from workbench.maths.nodes import Symbol

# Top, extension, middle (at the baseline) and bottom of a tall delimiter.
_TALL = {
    "(": "⎛⎜⎜⎝",
    ")": "⎞⎟⎟⎠",
    "[": "⎡⎢⎢⎣",
    "]": "⎤⎥⎥⎦",
    "{": "⎧⎪⎨⎩",
    "}": "⎫⎪⎬⎭",
    "|": "││││",
    "‖": "║║║║",
    "⟨": "╱│⟨╲",
    "⟩": "╲│⟩╱",
    "⌊": "⎢⎢⎢⎣",
    "⌋": "⎥⎥⎥⎦",
    "⌈": "⎡⎢⎢⎢",
    "⌉": "⎤⎥⎥⎥",
}
_TALL_ASCII = {
    "(": ("/", "|", "|", "\\"),
    ")": ("\\", "|", "|", "/"),
    "[": ("[", "[", "[", "["),
    "]": ("]", "]", "]", "]"),
    "{": ("/", "|", "{", "\\"),
    "}": ("\\", "|", "}", "/"),
    "|": ("|", "|", "|", "|"),
    "‖": ("||", "||", "||", "||"),
    "⟨": ("/", "|", "<", "\\"),
    "⟩": ("\\", "|", ">", "/"),
    "⌊": ("| ", "| ", "| ", "|_"),
    "⌋": (" |", " |", " |", "_|"),
    "⌈": ("|~", "| ", "| ", "| "),
    "⌉": ("~|", " |", " |", " |"),
}
# These have a middle, and so take three rows.
_WAISTED = "{}⟨⟩"
_NAMED = {"⌊⌋": "floor(", "⌈⌉": "ceil("}


def delimiter(symbol: Symbol, height: int, base: int, *, ascii_only: bool = False) -> Box:
    """A delimiter for a content of `height` rows whose baseline is row `base`."""
    if not symbol.text:
        return Box(("",) * height, base)
    if height == 1:
        return text_box(symbol.plain if ascii_only else symbol.text)
    if height == 2 and symbol.text in _WAISTED:
        height, base = 3, 1
    top, extension, middle, bottom = _TALL_ASCII[symbol.text] if ascii_only else tuple(_TALL[symbol.text])
    waist = min(max(base, 1), height - 2)
    rows = [top, *(middle if row == waist else extension for row in range(1, height - 1)), bottom]
    return Box(tuple(rows), base)


def short(opening: Symbol, closing: Symbol, *, ascii_only: bool = False) -> tuple[Box, Box]:
    """A pair of delimiters on one line. ASCII has no signs for rounding, and names the function."""
    if ascii_only and (name := _NAMED.get(opening.text + closing.text)):
        return text_box(name), text_box(")")
    return (
        delimiter(opening, 1, 0, ascii_only=ascii_only),
        delimiter(closing, 1, 0, ascii_only=ascii_only),
    )
