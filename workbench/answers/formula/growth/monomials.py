"""Growth classes as quotients of sums of monomials, constants dropped.

A monomial is `prod x_i^a_i · (log x_i)^b_i`, kept as the tuple of its rational exponents, all `a` before
all `b`. Up to constant factors a sum is the largest of its terms, so that sums multiply like sets and
`(s + t)^p` is `s^p + t^p` for every p > 0. All variables count as at least e: `x >= 1`, `log x >= 1`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final, TypeAlias

from workbench.answers.formula.errors import Undecidable

Monomial: TypeAlias = tuple[Fraction, ...]
Terms: TypeAlias = frozenset[Monomial]

TERMS: Final = 130  # in a sum, once terms that others dominate have gone
EXPONENT: Final = 10**6  # the largest exponent, and the largest denominator of one


class Work:
    """Counts steps, so that a comparison ends soon whatever was typed: in steps, not in seconds."""

    def __init__(self, limit: int) -> None:
        self.left = limit

    def spend(self, steps: int) -> None:
        """Count steps.

        Raises:
            Undecidable: when there were too many.
        """
        self.left -= steps
        if self.left < 0:
            raise Undecidable("these formulas are too large to compare")


@dataclass(frozen=True)
class Growth:
    """The class of `top / bottom`, each the largest of its terms, in the variables `names`."""

    names: tuple[str, ...]
    top: Terms
    bottom: Terms

    @property
    def is_constant(self) -> bool:
        """Whether it does not grow at all."""
        return self.top == self.bottom == one(len(self.names))


def one(count: int) -> Terms:
    """The class of constants, in `count` variables."""
    return frozenset({(Fraction(0),) * (2 * count)})


def variable(index: int, count: int, *, log: bool = False) -> Terms:
    """The class of a variable, or of its logarithm."""
    at = index + count * log
    return frozenset({tuple(Fraction(i == at) for i in range(2 * count))})


def largest(terms: set[Monomial] | Terms, work: Work) -> Terms:
    """The terms less those that another one exceeds in every exponent."""
    kept: list[Monomial] = []
    for term in sorted(terms, key=lambda term: (sum(term), term), reverse=True):
        work.spend(len(kept) + 1)
        if not any(all(a <= b for a, b in zip(term, other, strict=True)) for other in kept):
            kept.append(term)
            if len(kept) > TERMS:
                raise Undecidable("these formulas are too large to compare")
    return frozenset(kept)


def times(left: Terms, right: Terms, work: Work) -> Terms:
    """The product of two sums."""
    work.spend(len(left) * len(right))
    found = {tuple(x + y for x, y in zip(a, b, strict=True)) for a in left for b in right}
    return largest(found, work)


def raised(terms: Terms, power: Fraction) -> Terms:
    """A positive power of a sum."""
    return frozenset(tuple(x * power for x in term) for term in terms)


def reduced(growth: Growth) -> Growth:
    """The same class with what top and bottom have in common taken out.

    Raises:
        Undecidable: where exponents have become too large or too fine.
    """
    columns = zip(*growth.bottom, strict=True)
    shared = tuple(min(column) for column in columns)
    top, bottom = (
        frozenset(tuple(x - y for x, y in zip(term, shared, strict=True)) for term in terms)
        for terms in (growth.top, growth.bottom)
    )
    exponents = (x for term in top | bottom for x in term)
    if any(abs(x) > EXPONENT or x.denominator > EXPONENT for x in exponents):
        raise Undecidable("the exponents are too large to compare")
    return Growth(growth.names, top, bottom)


def product(left: Growth, right: Growth, work: Work) -> Growth:
    """The product of two classes."""
    top = times(left.top, right.top, work)
    return reduced(Growth(left.names, top, times(left.bottom, right.bottom, work)))


def inverse(growth: Growth) -> Growth:
    """One over a class."""
    return reduced(Growth(growth.names, growth.bottom, growth.top))


def power(growth: Growth, exponent: Fraction) -> Growth:
    """A class raised to any exponent."""
    if not exponent:
        unit = one(len(growth.names))
        return Growth(growth.names, unit, unit)
    if exponent < 0:
        growth, exponent = inverse(growth), -exponent
    top, bottom = raised(growth.top, exponent), raised(growth.bottom, exponent)
    return reduced(Growth(growth.names, top, bottom))


def total(parts: list[Growth], work: Work) -> Growth:
    """The sum of some classes, which is also their maximum."""
    whole = parts[0]
    for part in parts[1:]:
        if part.bottom == whole.bottom:
            whole = Growth(whole.names, largest(whole.top | part.top, work), whole.bottom)
            continue
        terms = times(whole.top, part.bottom, work) | times(part.top, whole.bottom, work)
        bottom = times(whole.bottom, part.bottom, work)
        whole = reduced(Growth(whole.names, largest(terms, work), bottom))
    return whole


def smallest(parts: list[Growth], work: Work) -> Growth:
    """The minimum of some classes: min(a, b) = 1 / max(1/a, 1/b)."""
    return inverse(total([inverse(part) for part in parts], work))
