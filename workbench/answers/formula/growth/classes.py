"""From a tree to its growth class: sums, products, quotients, powers, max, min and logs."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from workbench.answers.formula.errors import Undecidable, Unreadable
from workbench.answers.formula.growth.constants import Constants
from workbench.answers.formula.growth.monomials import (
    EXPONENT,
    Growth,
    Monomial,
    Work,
    inverse,
    one,
    power,
    product,
    smallest,
    times,
    total,
    variable,
)
from workbench.answers.formula.tree import (
    Call,
    Constant,
    Difference,
    Name,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
    Tree,
)

STEPS: Final = 150_000
_LOGS: Final = ("log", "log2", "log10")
_HALF: Final = Fraction(1, 2)


def growth(tree: Tree, names: Sequence[str]) -> Growth:
    """The class of a formula in the variables `names`, constants dropped.

    Raises:
        Unreadable: where a part is zero or negative, or a matrix.
        Undecidable: where the method ends: exponential growth, differences of parts that grow alike,
            logs of logs and of quotients.
    """
    return _Classes(tuple(names)).of(tree)


class _Classes:
    """The walk over one tree."""

    # what looking at a part counts; logs are looked at in more than one way, and logs stand within logs
    glance: Final = 50

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.work = Work(STEPS)
        self.known = Constants()
        unit = one(len(names))
        self.constant = Growth(names, unit, unit)

    def of(self, tree: Tree) -> Growth:
        """The class of a part."""
        self.work.spend(self.glance)
        value = self.known.value(tree)
        if value is not None:
            if value <= 0:
                kind = "negative" if value else "zero"
                raise Unreadable.over(tree.span, f"a growth class is positive, and this is {kind}")
            return self.constant
        match tree:
            case Name(name):
                return self._variable(name)
            case Number() | Constant():
                return self.constant
            case Sum() | Difference() | Negative():
                return self._sum(tree)
            case Product(left, right):
                return product(self.of(left), self.of(right), self.work)
            case Quotient(left, right):
                return product(self.of(left), inverse(self.of(right)), self.work)
            case Power(base, exponent):
                return self._power(tree, base, exponent)
            case Call(function, arguments):
                return self._call(tree, function, arguments)
            case _:
                raise Unreadable.over(tree.span, "only numbers have a growth class, no matrices")

    def _variable(self, name: str, *, log: bool = False) -> Growth:
        terms = variable(self.names.index(name), len(self.names), log=log)
        return Growth(self.names, terms, self.constant.bottom)

    def _sum(self, tree: Tree) -> Growth:
        """What is added, less what is subtracted, which must be of lower order."""
        added, subtracted = self._signed_parts(tree)
        more, less = self._terms(added), self._terms(subtracted)
        if not more:
            raise Unreadable.over(tree.span, "a growth class is positive: leave the minus out")
        whole = total(more, self.work)
        for part in less:
            if not self._far_below(part, whole):
                raise Undecidable.over(
                    tree.span, "where both sides of a minus may grow alike, write the one that counts"
                )
        return whole

    def _terms(self, parts: list[Tree]) -> list[Growth]:
        """The classes of some terms; their signs have been seen to, and noughts drop out."""
        values = [self.known.value(part) for part in parts]
        return [
            self.of(part) if value is None else self.constant
            for part, value in zip(parts, values, strict=True)
            if value != 0
        ]

    def _signed_parts(self, tree: Tree) -> tuple[list[Tree], list[Tree]]:
        """What a chain of + and − adds and what it subtracts."""
        added: list[Tree] = []
        subtracted: list[Tree] = []
        waiting: list[tuple[Tree, bool]] = [(tree, True)]
        while waiting:
            part, positive = waiting.pop()
            match part:
                case Sum(left, right):
                    waiting += [(right, positive), (left, positive)]
                case Difference(left, right):
                    waiting += [(right, not positive), (left, positive)]
                case Negative(body):
                    waiting.append((body, not positive))
                case _:
                    value = self.known.value(part)
                    (added if positive == (value is None or value >= 0) else subtracted).append(part)
        return added, subtracted

    def _far_below(self, part: Growth, whole: Growth) -> bool:
        """Whether each term of `part` divides a term of `whole` and leaves something that grows: 1 and D below N·D."""
        left = times(part.top, whole.bottom, self.work)
        right = times(whole.top, part.bottom, self.work)
        return all(any(_divides(term, other) for other in right) for term in left)

    def _power(self, tree: Tree, base: Tree, exponent: Tree) -> Growth:
        value = self.known.value(exponent)
        if value is None and self.known.is_constant(tree):
            return self.of(base)
        if value is None and self.known.is_constant(exponent):
            raise Undecidable.over(exponent.span, "only fractions are compared as exponents")
        if value is None:
            raise Undecidable.over(tree.span, "exponential growth, with a variable in the exponent, is not compared")
        if abs(value) > EXPONENT or value.denominator > EXPONENT:
            raise Undecidable.over(exponent.span, "this exponent is too large or too fine to compare")
        return power(self.of(base), value)

    def _call(self, tree: Tree, function: str, arguments: tuple[Tree, ...]) -> Growth:
        first = arguments[0]
        if function in _LOGS:
            return self.log(first)
        if function == "sqrt":
            return power(self.of(first), _HALF)
        if function == "abs":
            return self.of(first)
        if function == "max":
            return total([self.of(part) for part in arguments], self.work)
        if function == "min":
            return smallest([self.of(part) for part in arguments], self.work)
        if function == "ceil":
            return total([self.of(first), self.constant], self.work)
        if function == "floor":
            return self._floor(tree, first)
        if self.known.is_constant(tree):
            return self.constant
        if function == "exp":
            raise Undecidable.over(tree.span, "exponential growth is not compared")
        raise Undecidable.over(tree.span, f"the growth of {function} is not compared")

    def _floor(self, tree: Tree, body: Tree) -> Growth:
        found = self.of(body)
        if all(x >= 0 for term in found.top for x in term) and found.bottom == self.constant.bottom:
            return found
        raise Undecidable.over(tree.span, "this may round down to 0: write the quotient without ⌊⌋")

    # -- logs

    def log(self, body: Tree) -> Growth:
        """The class of a logarithm, pushed down to log x of variables. Nothing under a log may shrink."""
        value = self.known.value(body)
        if value is not None and value <= 1:
            kind = "0" if value == 1 else "negative" if value > 0 else "not defined"
            raise Unreadable.over(body.span, f"the log of this number is {kind}")
        if self.known.is_constant(body):
            return self.constant
        found = self._log_of_monomials(body)
        return found if found is not None else self._log_of_parts(body)

    def _log_of_monomials(self, body: Tree) -> Growth | None:
        """Of a sum of monomials with positive powers alone, it is the largest log x of what occurs."""
        try:
            inner = self.of(body)
        except Undecidable:
            return None  # max, min and variable exponents still have logs
        if inner.bottom != self.constant.bottom:
            return None
        count = len(self.names)
        logs: list[Growth] = [self.constant]
        for term in inner.top:
            powers, lower = term[:count], term[count:]
            if any(x < 0 for x in powers) or any(y and not x for x, y in zip(powers, lower, strict=True)):
                return None  # 1/N under a log, or log log N
            logs += [self._variable(name, log=True) for name, x in zip(self.names, powers, strict=True) if x]
        return total(logs, self.work)

    def _log_of_parts(self, body: Tree) -> Growth:
        match body:
            case Product(left, right) | Sum(left, right):
                return total([self.log(part) for part in (left, right) if not self.known.is_constant(part)], self.work)
            case Quotient(left, right) if self.known.is_constant(right):
                return self.log(left)
            case Power(base, exponent) if (self.known.value(exponent) or 1) > 0:
                factor = self.of(exponent)
                return product(factor, self.log(base), self.work)
            case Call("max", arguments):
                return total([self.log(part) for part in arguments if not self.known.is_constant(part)], self.work)
            case Call("min", arguments):
                return smallest([self.log(part) for part in arguments], self.work)
            case Call("sqrt" | "abs" | "ceil" | "floor", (inner,)):
                return self.log(inner)
            case Call("exp", (inner,)):
                return self.of(inner)
            case Call("log" | "log2" | "log10", _):
                raise Undecidable.over(body.span, "the log of a log is not compared")
            case Quotient() | Power():
                raise Undecidable.over(body.span, "the log of a quotient is not compared")
            case _:
                raise Undecidable.over(body.span, "the log of this is not compared")


def _divides(term: Monomial, other: Monomial) -> bool:
    return term != other and all(a <= b for a, b in zip(term, other, strict=True))
