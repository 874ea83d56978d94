"""What a formula is once it has been read: a small tree that knows nothing of terminals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto


class Kind(Enum):
    """What a piece of a formula is to its neighbours. The blanks between pieces follow from it."""

    ORDINARY = auto()
    FUNCTION = auto()  # exp, max: a word that takes what follows
    BIG = auto()  # a sum or product sign, or a function word with limits under it
    BINARY = auto()  # + between two operands
    SIGN = auto()  # the same + before a single one
    RELATION = auto()
    OPENING = auto()
    CLOSING = auto()
    BAR = auto()  # opens or closes: only its neighbours tell
    PUNCTUATION = auto()
    INNER = auto()  # fractions, matrices: touch nothing but brackets


@dataclass(frozen=True, slots=True)
class Symbol:
    """A sign, letter or word that is drawn as it stands: `text` in Unicode, `plain` in ASCII."""

    text: str
    plain: str
    kind: Kind = Kind.ORDINARY
    limits: bool = False  # scripts go over and under it


@dataclass(frozen=True, slots=True)
class Space:
    """A blank that the author asked for."""

    width: int


@dataclass(frozen=True, slots=True)
class Row:
    """Pieces from left to right. A `loose` row dissolves in the row around it."""

    items: tuple[Node, ...] = ()
    loose: bool = False


@dataclass(frozen=True, slots=True)
class Scripted:
    """A nucleus with a subscript, a superscript and primes, of which at least one is there."""

    nucleus: Node
    below: Row | None = None
    above: Row | None = None
    primes: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """A nucleus with something set under it, over it, or both."""

    nucleus: Node
    below: Row | None = None
    above: Row | None = None


@dataclass(frozen=True, slots=True)
class Fraction:
    """One row over another with a bar between."""

    over: Row
    under: Row


@dataclass(frozen=True, slots=True)
class Root:
    """A root; without an index, the square root."""

    body: Row
    index: Row | None = None


@dataclass(frozen=True, slots=True)
class Accent:
    """A mark over a row: one of `symbols.MARKS`."""

    mark: str
    body: Row


@dataclass(frozen=True, slots=True)
class Brace:
    """A horizontal brace over or under a row."""

    body: Row
    over: bool


@dataclass(frozen=True, slots=True)
class Fenced:
    """A row between two delimiters, which grow with it."""

    opening: Symbol
    body: Row
    closing: Symbol


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells.

    `columns` aligns the columns (l, c, r) and `gaps` are the blanks between them; both start over when
    there are more columns. `margin` blanks stand on the left.
    """

    rows: tuple[tuple[Row, ...], ...]
    columns: str = "c"
    gaps: tuple[int, ...] = (2,)
    margin: int = 0


Node = Symbol | Space | Row | Scripted | Limits | Fraction | Root | Accent | Brace | Fenced | Table


def walk(node: Node | None) -> Iterator[Node]:
    """The node and everything in it."""
    if node is None:
        return
    yield node
    for child in _children(node):
        yield from walk(child)


def depth(node: Node) -> int:
    """The length of the longest way down from a node. Not recursive, as it guards what is."""
    level: list[Node] = [node]
    count = 0
    while level:
        count += 1
        level = [child for parent in level for child in _children(parent) if child is not None]
    return count


def core(node: Node) -> Node:
    """The node without the groups that hold nothing else."""
    while isinstance(node, Row) and len(node.items) == 1:
        node = node.items[0]
    return node


def last_piece(node: Node) -> Node:
    """The piece at the right end of the node, where a script after it would stand."""
    while isinstance(node, Row) and node.items:
        node = node.items[-1]
    return node


def _children(node: Node) -> tuple[Node | None, ...]:
    match node:
        case Row(items):
            return items
        case Scripted(nucleus, below, above) | Limits(nucleus, below, above):
            return (nucleus, below, above)
        case Fraction(over, under):
            return (over, under)
        case Root(body, index):
            return (body, index)
        case Accent(_, body) | Brace(body) | Fenced(_, body, _):
            return (body,)
        case Table(rows):
            return tuple(cell for row in rows for cell in row)
        case _:
            return ()
