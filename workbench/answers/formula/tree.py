"""A formula as a tree of small frozen records: what every reader makes and every check walks over.

Two trees are equal when they are the same formula as written; where their parts stood in the text
(`span`) and whether a product had a sign (`juxtaposed`) do not count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal, TypeAlias

Span: TypeAlias = tuple[int, int]
Relation: TypeAlias = Literal["O", "Θ", "Ω", "o", "ω"]


@dataclass(frozen=True)
class Node:
    """What all parts have in common: from where to where they stand in the text."""

    span: Span = field(default=(0, 0), compare=False, repr=False, kw_only=True)


@dataclass(frozen=True)
class Number(Node):
    """A number as typed; never negative, and always a finite decimal."""

    value: Fraction


@dataclass(frozen=True)
class Constant(Node):
    """`e` or `pi`, where the part declares no such name."""

    name: str


@dataclass(frozen=True)
class Name(Node):
    """A name in the spelling in which the part declares it."""

    name: str


@dataclass(frozen=True)
class Negative(Node):
    """-body."""

    body: Tree


@dataclass(frozen=True)
class Sum(Node):
    """left + right."""

    left: Tree
    right: Tree


@dataclass(frozen=True)
class Difference(Node):
    """left - right."""

    left: Tree
    right: Tree


@dataclass(frozen=True)
class Product(Node):
    """left · right, with a sign or by standing side by side."""

    left: Tree
    right: Tree
    juxtaposed: bool = field(default=False, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True)
class MatrixProduct(Node):
    """left @ right."""

    left: Tree
    right: Tree


@dataclass(frozen=True)
class Elementwise(Node):
    """left ∘ right, entry by entry."""

    left: Tree
    right: Tree


@dataclass(frozen=True)
class Quotient(Node):
    """left / right."""

    left: Tree
    right: Tree


@dataclass(frozen=True)
class Power(Node):
    """base ^ exponent; an inverse is a power of -1."""

    base: Tree
    exponent: Tree


@dataclass(frozen=True)
class Transpose(Node):
    """bodyᵀ."""

    body: Tree


@dataclass(frozen=True)
class Call(Node):
    """A function of the vocabulary, by its first name there, with its arguments."""

    function: str
    arguments: tuple[Tree, ...]


Binary: TypeAlias = Sum | Difference | Product | MatrixProduct | Elementwise | Quotient
Tree: TypeAlias = Number | Constant | Name | Negative | Binary | Power | Transpose | Call


@dataclass(frozen=True)
class Formula:
    """What was read: the tree, the text it was read from, and the letter of an O(…) around it."""

    tree: Tree
    text: str
    relation: Relation | None = None


def children(tree: Tree) -> tuple[Tree, ...]:
    """The parts directly below."""
    match tree:
        case Negative(body) | Transpose(body):
            return (body,)
        case Power(base, exponent):
            return (base, exponent)
        case Call(_, arguments):
            return arguments
        case Number() | Constant() | Name():
            return ()
        case _:
            return (tree.left, tree.right)


def walk(tree: Tree) -> Iterator[Tree]:
    """The tree and everything below it, top first."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(children(node)))


def names_in(tree: Tree) -> set[str]:
    """The names that occur."""
    return {node.name for node in walk(tree) if isinstance(node, Name)}
