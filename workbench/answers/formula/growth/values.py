"""The value of a formula at given sizes, to draw a claim through measured points.

Computed as sign and logarithm, so that no intermediate result is too large or too small for a float.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

from workbench.answers.formula.errors import Undecidable
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
    children,
)

_EXACT: Final = 52 * math.log(2)  # the log from which on every float is a whole number

_CLOSE: Final = 1e-12


class Signed(NamedTuple):
    """sign · e^log; zero has the sign 0 and the log minus infinity."""

    sign: int
    log: float

    @classmethod
    def of(cls, value: float) -> Signed:
        """A float in this form."""
        return cls(int(math.copysign(1, value)), math.log(abs(value))) if value else ZERO

    def value(self) -> float:
        """This as a float, raising OverflowError where it is none."""
        return self.sign * math.exp(self.log)


ZERO: Final = Signed(0, -math.inf)


def evaluate(tree: Tree, values: Mapping[str, float]) -> float:
    """The value where each name has the given value. Logs are natural.

    Raises:
        Undecidable: where there is no value, it is no float, or a function is not for numbers.
        KeyError: where a name has no value.
    """
    found = signed_log({name: Signed.of(value) for name, value in values.items()}, tree)
    try:
        return found.value()
    except OverflowError:
        raise Undecidable("this value is too large to draw") from None


def signed_log(values: Mapping[str, Signed], tree: Tree) -> Signed:
    """Sign and log of the value, where names have values in the same form."""
    parts = [signed_log(values, part) for part in children(tree)]
    try:
        found = values[tree.name] if isinstance(tree, Name) else _value(tree, parts)
    except (OverflowError, ValueError, ZeroDivisionError):
        found = None
    if found is None or math.isnan(found.log) or found.log == math.inf:
        raise Undecidable.over(tree.span, "this has no value here that could be drawn")
    return found


def _value(tree: Tree, parts: list[Signed]) -> Signed | None:
    match tree:
        case Number(value):
            return Signed(1, math.log(value.numerator) - math.log(value.denominator)) if value else ZERO
        case Constant(name):
            return Signed.of(math.e if name == "e" else math.pi)
        case Negative():
            return Signed(-parts[0].sign, parts[0].log)
        case Sum():
            return _sum(*parts)
        case Difference():
            return _sum(parts[0], Signed(-parts[1].sign, parts[1].log))
        case Product():
            return Signed(parts[0].sign * parts[1].sign, parts[0].log + parts[1].log) if _all(parts) else ZERO
        case Quotient():
            return Signed(parts[0].sign * parts[1].sign, parts[0].log - parts[1].log) if parts[1].sign else None
        case Power():
            return _power(*parts)
        case Call(function, _):
            return _call(function, parts)
        case _:
            return None


def _all(parts: list[Signed]) -> bool:
    return all(part.sign for part in parts)


def _sum(left: Signed, right: Signed) -> Signed:
    if left.log < right.log:
        left, right = right, left
    if not right.sign:
        return left
    ratio = math.exp(right.log - left.log)
    if left.sign == right.sign:
        return Signed(left.sign, left.log + math.log1p(ratio))
    return Signed(left.sign, left.log + math.log1p(-ratio)) if ratio < 1 else ZERO


def _rounded(value: float) -> float:
    """What comes out of its log is a whole number but for its last digits."""
    return round(value) if abs(value - round(value)) < _CLOSE * max(1, abs(value)) else value


def _power(base: Signed, exponent: Signed) -> Signed | None:
    if not exponent.sign:
        return Signed(1, 0.0)
    power = _rounded(exponent.value())
    if not base.sign:
        return ZERO if power > 0 else None
    if base.sign < 0 and power != round(power):
        return None
    return Signed(-1 if base.sign < 0 and round(power) % 2 else 1, base.log * power)


def _call(function: str, parts: list[Signed]) -> Signed | None:
    first = parts[0]
    match function:
        case "max" | "min":
            ordered = sorted(parts, key=lambda part: (part.sign, part.sign * part.log if part.sign else 0))
            return ordered[-1 if function == "max" else 0]
        case "abs" | "norm":
            return Signed(abs(first.sign), first.log)
        case "sqrt":
            return Signed(first.sign, first.log / 2) if first.sign >= 0 else None
        case "log" | "log2" | "log10":
            bases = {"log": 1.0, "log2": math.log(2), "log10": math.log(10)}
            return Signed.of(first.log / bases[function]) if first.sign > 0 else None
        case "exp":
            return Signed(1, first.value())
        case "floor" | "ceil" if first.log < _EXACT:
            value = _rounded(first.value())
            return Signed.of(math.floor(value) if function == "floor" else math.ceil(value))
        case "floor" | "ceil":
            return first
        case "sin" | "cos" | "tan" | "sinh" | "cosh" | "tanh" | "erf":
            return Signed.of(getattr(math, function)(first.value()))
        case _:
            return None
