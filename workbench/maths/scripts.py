"""Sets subscripts and superscripts: as small characters where Unicode has them, else raised and lowered."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.maths.box import Box, beside, pad, text_box
from workbench.maths.nodes import Node, Row, Scripted, Symbol, core, walk

_SUPERSCRIPTS = dict(
    zip(
        "0123456789+−=()abcdefghijklmnoprstuvwxyzABDEGHIJKLMNOPRTUVW⊤",
        "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻᴬᴮᴰᴱᴳᴴᴵᴶᴷᴸᴹᴺᴼᴾᴿᵀᵁⱽᵂᵀ",
        strict=True,
    )
)
# Raised by nature, but among other characters they would seem to stand on the line.
_RAISED_SIGNS = {"*": "*", "⋆": "*", "†": "†", "‡": "‡", "∘": "°"}
_SUBSCRIPTS = dict(zip("0123456789+−=()aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", strict=True))
SMALL_CHARACTERS = "".join(sorted({*_SUPERSCRIPTS.values(), *_SUBSCRIPTS.values()}))


@dataclass(frozen=True, slots=True)
class Script:
    """A subscript or superscript that has been set.

    Attributes:
        box: What it looks like at full size.
        small: The same in small characters, if there are such.
        single: Whether it is one symbol, word or number, which needs no braces behind `_` or `^`.
    """

    box: Box
    small: str | None
    single: bool


def script(row: Row, box: Box, *, over: bool, capitals: bool) -> Script:
    """The script that `row` is and `box` shows."""
    text = small(box.baseline, over=over, capitals=capitals) if box.height == 1 else None
    return Script(box, text, _is_single(row))


def small(text: str, *, over: bool, capitals: bool = True) -> str | None:
    """The text in small characters; None where Unicode lacks one of them.

    Without `capitals` there are none for capital letters, but for the T of a transpose.
    """
    if over and text in _RAISED_SIGNS:
        return _RAISED_SIGNS[text]
    table = _SUPERSCRIPTS if over else _SUBSCRIPTS
    if not capitals and any(char.isascii() and char.isupper() and char != "T" for char in text):
        return None
    drawn = [table.get(char) for char in text]
    return None if None in drawn else "".join(filter(None, drawn))


def capitals_can_be_small(tree: Node) -> bool:
    """Whether every capital in a superscript has a small form, so that all may be set alike.

    Otherwise `W^Q` would be raised by a line beside a small `W^K`.
    """
    return all(
        symbol.text in _SUPERSCRIPTS
        for node in walk(tree)
        if isinstance(node, Scripted)
        for symbol in walk(node.above)
        if isinstance(symbol, Symbol) and len(symbol.text) == 1 and "A" <= symbol.text <= "Z"
    )


def attached(nucleus: Box, below: Script | None, above: Script | None) -> Box:
    """The nucleus with its scripts to the right of it, small ones on its own lines."""
    if nucleus.height == 1 and _all_small(below, above):
        return beside([nucleus, *(text_box(part.small or "") for part in (below, above) if part)])
    parts: list[tuple[int, Box]] = []  # the row of the nucleus that each part begins at, and the part
    if above and above.small:
        parts.append((0, text_box(above.small)))
    elif above:
        parts.append((min(0, nucleus.base - 1) - above.box.height + 1, above.box))
    if below and below.small:
        parts.append((nucleus.height - 1, text_box(below.small)))
    elif below:
        parts.append((max(nucleus.height - 1, nucleus.base + 1), below.box))
    return beside([nucleus, _ladder(parts, nucleus.base)]) if parts else nucleus


def marked(nucleus: Box, below: Script | None, above: Script | None) -> Box:
    """The nucleus with its scripts behind `_` and `^`, unless all have small forms."""
    parts = [nucleus]
    if _all_small(below, above):
        parts += [text_box(part.small or "") for part in (below, above) if part]
    else:
        for mark, part in (("_", below), ("^", above)):
            if part:
                text = part.box.baseline
                parts.append(text_box(mark + (text if part.single else "{" + text + "}")))
    return beside(parts)


def primed(nucleus: Box, count: int, *, ascii_only: bool) -> Box:
    """The nucleus with primes at its upper right."""
    primes = text_box(("'" if ascii_only else "′") * count)
    return beside([nucleus, _ladder([(0, primes)], nucleus.base)])


def _all_small(*scripts: Script | None) -> bool:
    return all(part is None or part.small is not None for part in scripts)


def _ladder(parts: list[tuple[int, Box]], base: int) -> Box:
    """Boxes under each other, each from its own row on; `base` is the row on the baseline."""
    first = min(base, *(row for row, _ in parts))
    last = max(base + 1, *(row + box.height for row, box in parts))
    width = max(box.width for _, box in parts)
    lines = [" " * width] * (last - first)
    for row, box in parts:
        lines[row - first : row - first + box.height] = pad(box, width, "l").lines
    return Box(tuple(lines), base - first)


def _is_single(row: Row) -> bool:
    node = core(row)
    if isinstance(node, Row):
        return all(isinstance(item, Symbol) and item.text.isdigit() for item in node.items)
    return isinstance(node, Symbol) and " " not in node.text
