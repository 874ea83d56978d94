"""Rewrites a tree so that it can be set on one line: fractions with a slash, limits as scripts."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from workbench.maths.nodes import (
    Accent,
    Fenced,
    Fraction,
    Kind,
    Limits,
    Node,
    Root,
    Row,
    Scripted,
    Space,
    Symbol,
    core,
    last_piece,
)
from workbench.maths.spacing import edges
from workbench.maths.symbols import ROUND, SLASH, SYMBOLS, letter

# Next to these a fraction needs no brackets: they bind less than a product, or delimit.
_SAFE_LEFT = {None, Kind.RELATION, Kind.PUNCTUATION, Kind.OPENING, Kind.BINARY, Kind.SIGN}
_SAFE_RIGHT = {None, Kind.RELATION, Kind.PUNCTUATION, Kind.CLOSING, Kind.BINARY}
# A numerator made of these alone is a product, which a slash divides as a whole.
_PRODUCT = {Kind.ORDINARY, Kind.OPENING, Kind.CLOSING, Kind.INNER}
_DIFFERENTIALS = (SYMBOLS["\\partial"], letter("d"))
_DIVISIONS = (SLASH, SYMBOLS["\\div"])


class NotLinear(Exception):
    """The tree holds something that needs two dimensions: a table, a brace, a sign over a relation."""


def linear(row: Row) -> Row:
    """The row without anything that stands over or under a bar or an operator.

    Raises:
        NotLinear: if there is no such form.
    """
    places = iter(_places([node for node in row.items if not _is_thin(node)]))
    items: list[Node] = []
    for node in row.items:
        place = _Place() if _is_thin(node) else next(places)
        if isinstance(node, Fraction):
            items += _slashed(node, place)
        else:
            items.append(_linear(node))
    return dataclasses.replace(row, items=tuple(items))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a piece of a row stands.

    Attributes:
        alone: It is multiplied with neither neighbour.
        first: No operator stands before it.
        tight: What stands before its opening bracket, if it gets one, belongs close to it.
    """

    alone: bool = False
    first: bool = False
    tight: bool = True


def _is_thin(node: Node) -> bool:
    return isinstance(node, Space) and node.width < 2


def _places(pieces: list[Node]) -> list[_Place]:
    found = edges(pieces)
    places = []
    for i in range(len(pieces)):
        last = pieces[i - 1] if i else Space(2)
        following = pieces[i + 1] if i + 1 < len(pieces) else Space(2)
        before = None if isinstance(last, Space) else found[i - 1][1]
        after = None if isinstance(following, Space) else found[i + 1][0]
        alone = before in _SAFE_LEFT and after in _SAFE_RIGHT and last not in _DIVISIONS and following not in _DIVISIONS
        first = before not in {Kind.BINARY, Kind.SIGN}
        places.append(_Place(alone, first, before in {Kind.FUNCTION, Kind.SIGN, Kind.OPENING}))
    return places


def _slashed(fraction: Fraction, place: _Place) -> list[Node]:
    over, under = linear(fraction.over), linear(fraction.under)
    if not over.items or not under.items:
        raise NotLinear
    unsigned = Row(over.items[1:]) if place.first and edges(over.items)[0][0] is Kind.SIGN else over
    numerator = over.items if _is_product(unsigned) else (_bracketed(over),)
    denominator = under.items if _is_derivative(over, under) or _is_factor(under) else (_bracketed(under),)
    items = (*numerator, SLASH, *denominator)
    if place.alone:
        return list(items)
    opening = ROUND[0] if place.tight else dataclasses.replace(ROUND[0], kind=Kind.INNER)
    return [Fenced(opening, Row(items), dataclasses.replace(ROUND[1], kind=Kind.INNER))]


def _linear(node: Node) -> Node:
    match node:
        case Symbol() | Space():
            return node
        case Row():
            return linear(node)
        case Scripted(nucleus, below, above, primes):
            inner = linear(Row((nucleus,)))
            if isinstance(last_piece(nucleus), Fraction):
                inner = Row((_bracketed(inner),))
            return Scripted(core(inner), _maybe(below), _maybe(above), primes)
        case Limits(nucleus, below, above) if edges([nucleus])[0][0] in {Kind.BIG, Kind.FUNCTION}:
            return _limits(_linear(nucleus), _maybe(below), _maybe(above))
        case Root(body, index):
            return Root(linear(body), _maybe(index))
        case Accent(mark, body):
            return Accent(mark, linear(body))
        case Fenced(opening, body, closing) if opening.text and closing.text:
            return Fenced(opening, linear(body), closing)
        case _:
            raise NotLinear


def _limits(nucleus: Node, below: Row | None, above: Row | None) -> Node:
    if isinstance(nucleus, Scripted):
        # Primes, or the limits of an operator that is itself limited from below.
        if nucleus.below or nucleus.above:
            raise NotLinear
        return dataclasses.replace(nucleus, below=below, above=above)
    if isinstance(nucleus, Symbol):
        nucleus = dataclasses.replace(nucleus, kind=Kind.BIG)
    return Scripted(nucleus, below, above)


def _maybe(row: Row | None) -> Row | None:
    return None if row is None else linear(row)


def _bracketed(row: Row) -> Node:
    return Fenced(ROUND[0], row, ROUND[1])


def _is_product(row: Row) -> bool:
    """Whether the row divided as a whole needs no brackets."""
    items = row.items
    if not items or any(_divides(item) for item in items):
        return False
    found = edges(items)
    for i, (left, right) in enumerate(found):
        applied = left is Kind.FUNCTION and i + 1 < len(found) and found[i + 1][0] is Kind.OPENING
        if not applied and not {left, right} <= _PRODUCT:
            return False
    return True


def _divides(node: Node) -> bool:
    """Whether the node splits a row in two: a blank, a division sign, text of several words."""
    return isinstance(node, Space) or node in _DIVISIONS or (isinstance(node, Symbol) and " " in node.text)


def _is_factor(row: Row) -> bool:
    """Whether the row is a single thing to divide by: a letter, a number, a bracket, a function's value."""
    if not _is_product(row):
        return False
    items = [core(item) for item in row.items]
    if len(items) == 1 or all(map(_is_digit, [*items[:-1], _nucleus(items[-1])])):
        return True
    return len(items) == 2 and isinstance(items[1], Fenced) and _is_applied(_nucleus(items[0]), items[1])


def _is_derivative(over: Row, under: Row) -> bool:
    """Whether this is `df/dx`, which everybody reads as it is meant."""
    first = core(over.items[0])
    if isinstance(first, Scripted) and first.below is None:
        first = core(first.nucleus)
    return len(under.items) == 2 and first == core(under.items[0]) and first in _DIFFERENTIALS


def _is_applied(nucleus: Node, bracket: Fenced) -> bool:
    """Whether what stands before a bracket is a function: a word, or a letter with a plain argument.

    `q(x)` is no product: one would not put `x` in brackets.
    """
    if not isinstance(nucleus, Symbol) or nucleus.text.isdigit():
        return False
    kinds = {kind for pair in edges(bracket.body.items) for kind in pair}
    return len(nucleus.text) > 1 or not kinds & {Kind.BINARY, Kind.SIGN}


def _is_digit(node: Node) -> bool:
    return isinstance(node, Symbol) and node.text in set("0123456789.")


def _nucleus(node: Node) -> Node:
    return node.nucleus if isinstance(node, Scripted) else node
