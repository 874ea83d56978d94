"""LaTeX formulas as boxes of terminal characters, in Unicode and in ASCII.

`layout` draws a formula in two dimensions, `inline` writes a short one into a sentence, `matrix` sets
ready numbers, and the functions on boxes put such pieces together. What cannot be drawn faithfully raises
`Unsupported`: no formula is drawn wrong.
"""

from __future__ import annotations

from workbench.maths.box import Box, beside, blank, pad, stack, text_box
from workbench.maths.errors import Unsupported
from workbench.maths.layout import inline, layout, matrix

__all__ = [
    "Box",
    "Unsupported",
    "beside",
    "blank",
    "inline",
    "layout",
    "matrix",
    "pad",
    "stack",
    "text_box",
]
