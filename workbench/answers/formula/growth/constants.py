"""The exact value of parts made of numbers alone: whether a factor is positive, what an exponent is."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from workbench.answers.formula.errors import Unreadable
from workbench.answers.formula.tree import (
    Call,
    Difference,
    Name,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
    Tree,
    children,
)

_POWER: Final = 64  # beyond it a value is not worked out; only its sign would matter
_BITS: Final = 4096


class Constants:
    """The constant parts of one tree, each worked out once."""

    def __init__(self) -> None:
        self._values: dict[int, Fraction | None] = {}
        self._constant: dict[int, bool] = {}

    def is_constant(self, tree: Tree) -> bool:
        """Whether no name occurs."""
        if id(tree) not in self._constant:
            parts = all(self.is_constant(part) for part in children(tree))
            self._constant[id(tree)] = parts and not isinstance(tree, Name)
        return self._constant[id(tree)]

    def value(self, tree: Tree) -> Fraction | None:
        """The value where it is a fraction of moderate size; None where it is not, or a name occurs.

        Raises:
            Unreadable: where something is divided by nought.
        """
        if id(tree) not in self._values:
            parts = [self.value(part) for part in children(tree)]
            known = [part for part in parts if part is not None]
            value = _value(tree, known) if len(known) == len(parts) else None
            self._values[id(tree)] = value if value is not None and _moderate(value) else None
        return self._values[id(tree)]


def _moderate(value: Fraction) -> bool:
    return max(value.numerator.bit_length(), value.denominator.bit_length()) <= _BITS


def _value(tree: Tree, parts: list[Fraction]) -> Fraction | None:
    match tree:
        case Number(value):
            return value
        case Negative():
            return -parts[0]
        case Sum():
            return parts[0] + parts[1]
        case Difference():
            return parts[0] - parts[1]
        case Product():
            return parts[0] * parts[1]
        case Quotient() | Power() if _divides_by_zero(tree, parts):
            raise Unreadable.over(tree.span, "nothing can be divided by 0")
        case Quotient():
            return parts[0] / parts[1]
        case Power() if parts[1].denominator == 1 and abs(parts[1]) <= _POWER:
            return parts[0] ** int(parts[1])
        case Call("max" | "min" | "abs" as function, _):
            return max(parts) if function == "max" else min(parts) if function == "min" else abs(parts[0])
        case _:
            return None


def _divides_by_zero(tree: Tree, parts: list[Fraction]) -> bool:
    if isinstance(tree, Quotient):
        return not parts[1]
    return not parts[0] and parts[1] < 0
