"""The blanks between the pieces of a row, after TeX's classes of atoms."""

from __future__ import annotations

import re
from collections.abc import Sequence

from workbench.maths.nodes import (
    Brace,
    Fenced,
    Fraction,
    Kind,
    Limits,
    Node,
    Root,
    Row,
    Scripted,
    Symbol,
    Table,
    core,
)
from workbench.maths.scripts import SMALL_CHARACTERS
from workbench.maths.symbols import NOTHING, SLASH, SYMBOLS

# What a piece shows to its left and to its right neighbour.
Edges = tuple[Kind, Kind]

_FULL_STOP = SYMBOLS["."]
_SIGNS = "+−±∓"
_NO_LEFT_OPERAND = {
    None,
    Kind.BINARY,
    Kind.SIGN,
    Kind.FUNCTION,
    Kind.BIG,
    Kind.RELATION,
    Kind.OPENING,
    Kind.PUNCTUATION,
}
_NO_RIGHT_OPERAND = {None, Kind.RELATION, Kind.CLOSING, Kind.PUNCTUATION}
_LETTERS = rf"(?:(?![{SMALL_CHARACTERS}])[^\W_])"
_LETTER = re.compile(_LETTERS)
# Two letters, a script behind its mark, or a raised star.
_ENDS_IN_WORD = re.compile(rf"(?:{_LETTERS}{_LETTERS}|[_^].|[_^]\{{.*\}}|\*)$")
_ENDS_IN_POWER = re.compile(rf"\^(?:{_LETTERS}+|.)$|\*$")


def edges(nodes: Sequence[Node]) -> list[Edges]:
    """The edges of each piece of a row, where `+` is known to be a sign or an operator."""
    found: list[Edges] = []
    raw = [_edges(node) for node in nodes]
    if nodes and nodes[-1] == _FULL_STOP:
        raw[-1] = (Kind.PUNCTUATION, Kind.PUNCTUATION)
    for i, (left, right) in enumerate(raw):
        if left is Kind.BINARY:
            before = found[-1][1] if found else None
            after = raw[i + 1][0] if i + 1 < len(raw) else None
            left = right = _binary(nodes[i], before, after)  # noqa: PLW2901
        found.append((left, right))
    return found


def gap(left: Kind, right: Kind, *, script: bool) -> int:
    """Blanks between a right edge and the left edge that follows it."""
    if script:
        return _gap_in_script(left, right)
    if left is Kind.PUNCTUATION:
        return int(right is not Kind.CLOSING)
    if right is Kind.PUNCTUATION:
        return 0
    if Kind.RELATION in {left, right}:
        return int(left is not right and left is not Kind.OPENING and right is not Kind.CLOSING)
    if Kind.BINARY in {left, right}:
        return 1
    if left is Kind.SIGN:
        # A fraction bar would lengthen the minus.
        return int(right is Kind.INNER)
    if left is Kind.OPENING or right is Kind.CLOSING:
        return 0
    if left is Kind.FUNCTION:
        return int(right is not Kind.OPENING)
    return int(left in {Kind.BIG, Kind.INNER} or right in {Kind.BIG, Kind.FUNCTION, Kind.INNER})


def words_touch(left: str, right: str, right_edge: Kind) -> bool:
    """Whether two texts set side by side would read as one word: `alpha x`, `x_i y`, `q^T (k)`."""
    if right_edge is Kind.OPENING:
        return bool(_ENDS_IN_POWER.search(left))
    if not _LETTER.match(right):
        return False
    if _ENDS_IN_WORD.search(left):
        return True
    if left[-1].isdigit():
        return False  # 2pi needs no blank
    return bool(_LETTER.match(left[-1]) and _LETTER.match(right, 1))


def _gap_in_script(left: Kind, right: Kind) -> int:
    if left in {Kind.PUNCTUATION, Kind.BINARY, Kind.SIGN, Kind.RELATION, Kind.OPENING}:
        return 0
    if right in {Kind.PUNCTUATION, Kind.BINARY, Kind.RELATION, Kind.CLOSING}:
        return 0
    if left is Kind.FUNCTION:
        return int(right is not Kind.OPENING)
    return int(Kind.INNER in {left, right} or right is Kind.FUNCTION)


def _binary(node: Node, before: Kind | None, after: Kind | None) -> Kind:
    if before in _NO_LEFT_OPERAND and after not in _NO_RIGHT_OPERAND:
        nucleus = core(node)
        return Kind.SIGN if isinstance(nucleus, Symbol) and nucleus.text in _SIGNS else Kind.ORDINARY
    if before in _NO_LEFT_OPERAND or after in _NO_RIGHT_OPERAND:
        return Kind.ORDINARY
    return Kind.BINARY


def _edges(node: Node) -> Edges:
    match node:
        case Symbol() if node == SLASH:
            return Kind.CLOSING, Kind.OPENING  # tight on both sides
        case Symbol(_, _, kind):
            kind = Kind.ORDINARY if kind is Kind.BAR else kind
            return kind, kind
        case Scripted(nucleus):
            return _edges(nucleus)
        case Limits(nucleus):
            left, right = _edges(nucleus)
            return (Kind.BIG, Kind.BIG) if right is Kind.FUNCTION else (left, right)
        case Fraction() | Table() | Brace():
            return Kind.INNER, Kind.INNER
        case Root(_, index):
            # Nothing but a blank shows where a root without a roof ends, and where an index begins.
            return (Kind.ORDINARY if index is None else Kind.INNER), Kind.INNER
        case Fenced(opening, body, closing):
            if isinstance(core(body), Table):
                return Kind.INNER, Kind.INNER
            left = Kind.INNER if opening == NOTHING or opening.kind is Kind.INNER else Kind.OPENING
            right = Kind.INNER if closing == NOTHING or closing.kind is Kind.INNER else Kind.CLOSING
            return left, right
        case Row(items) if items:
            inner = edges(items)
            left, right = inner[0][0], inner[-1][1]
            return (
                Kind.INNER if left is Kind.INNER else Kind.ORDINARY,
                Kind.INNER if right is Kind.INNER else Kind.ORDINARY,
            )
        case _:
            return Kind.ORDINARY, Kind.ORDINARY
