"""A growth class in its simplest form: `N²·D + N²·M`, what others dominate removed."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import reduce
from math import lcm

from workbench.answers.formula.errors import Undecidable
from workbench.answers.formula.growth.conditions import Conditions, whole
from workbench.answers.formula.growth.monomials import Growth, Monomial, Terms, Work, one, reduced
from workbench.answers.formula.growth.ways import Cone, Vector, outgrows
from workbench.answers.formula.shown import show
from workbench.answers.formula.tree import Call, Name, Number, Power, Product, Quotient, Sum, Tree

STEPS = 400_000
FINEST = 10**9  # the largest common denominator of exponents


def leading(growth: Growth, under: Conditions | None = None) -> str:
    """The class without terms that others dominate, and without factors that top and bottom share."""
    return show(leading_tree(growth, under))


def leading_tree(growth: Growth, under: Conditions | None = None) -> Tree:
    """The same as a tree, to be typeset. Where simplifying would take long, the class as it is."""
    try:
        found = _simplified(growth, under or Conditions(growth.names))
    except Undecidable:
        found = growth
    if found.bottom == one(len(growth.names)):
        return _sum_tree(found.top, growth.names)
    if len(found.top) == 1:
        smallest = _minimum_tree(found)
        if smallest:
            return smallest
    return Quotient(_sum_tree(found.top, growth.names), _sum_tree(found.bottom, growth.names))


def whole_terms(terms: Sequence[Monomial]) -> list[Vector]:
    """Exponents as whole numbers, all in the same unit."""
    unit = lcm(*(x.denominator for term in terms for x in term))
    if unit > FINEST:
        raise Undecidable("the exponents are too fine to compare")
    return [tuple(int(x * unit) for x in term) for term in terms]


def cone_of(terms: Sequence[Vector], under: Conditions) -> Cone:
    """The ways in which the variables of some terms may grow."""
    count = len(under.names)
    logs = tuple(i for i in range(count) if any(term[count + i] for term in terms))
    return Cone(count, logs, tuple(whole([row.vector for row in under.rows])))


def _simplified(growth: Growth, under: Conditions) -> Growth:
    work = Work(STEPS)
    top, bottom = (_undominated(terms, under, work) for terms in (growth.top, growth.bottom))
    if len(bottom) > 1:
        quotient = _divided(top, bottom, under, work)
        if quotient is not None:
            top, bottom = quotient, one(len(growth.names))
    return reduced(Growth(growth.names, top, bottom))


def _undominated(terms: Terms, under: Conditions, work: Work) -> Terms:
    """One after the other, terms go that the remaining ones dominate."""
    ordered = sorted(terms, key=lambda term: (sum(term), term))
    vectors = dict(zip(ordered, whole_terms(ordered), strict=True))
    cone = cone_of(list(vectors.values()), under)
    kept = list(ordered)
    for term in ordered:
        others = [vectors[other] for other in kept if other != term]
        if others and outgrows(vectors[term], others, cone, work) is None:
            kept.remove(term)
    return frozenset(kept)


def _divided(top: Terms, bottom: Terms, under: Conditions, work: Work) -> Terms | None:
    """The sum that `bottom` times itself is `top`, if there is one: (N² + M²) / (N + M) is N + M."""
    pairs = {tuple(x - y for x, y in zip(a, b, strict=True)) for a in top for b in bottom}
    within = {q for q in pairs if _below([_times(q, b) for b in bottom], top, under, work)}
    reached = [_times(q, b) for q in within for b in bottom]
    if not within or not _below(list(top), reached, under, work):
        return None
    return _undominated(frozenset(within), under, work)


def _times(left: Monomial, right: Monomial) -> Monomial:
    return tuple(x + y for x, y in zip(left, right, strict=True))


def _below(terms: Sequence[Monomial], bound: Terms | Sequence[Monomial], under: Conditions, work: Work) -> bool:
    """Whether no term outgrows the bound."""
    vectors = whole_terms([*terms, *bound])
    cone = cone_of(vectors, under)
    own, others = vectors[: len(terms)], vectors[len(terms) :]
    return all(outgrows(term, others, cone, work) is None for term in own)


# -- trees


def term_tree(term: Monomial, names: Sequence[str]) -> Tree:
    """One monomial; negative exponents go below a fraction bar."""
    count = len(names)
    factors: list[tuple[Tree, Fraction]] = []
    for i, name in enumerate(names):
        factors.append((Name(name), term[i]))
    for i, name in enumerate(names):
        factors.append((Call("log", (Name(name),)), term[count + i]))
    above = [_raised(base, exponent) for base, exponent in factors if exponent > 0]
    below = [_raised(base, -exponent) for base, exponent in factors if exponent < 0]
    top = reduce(Product, above) if above else Number(Fraction(1))
    return Quotient(top, reduce(Product, below)) if below else top


def _sum_tree(terms: Terms, names: Sequence[str]) -> Tree:
    return reduce(Sum, [term_tree(term, names) for term in sorted(terms, reverse=True)])


def _minimum_tree(growth: Growth) -> Tree | None:
    """T / max(a, b) is min(t/a, t/b): N·M/(N + M) is min(N, M). None where that leaves quotients."""
    (top,) = growth.top
    parts = [tuple(x - y for x, y in zip(top, below, strict=True)) for below in growth.bottom]
    shared = tuple(min(column) for column in zip(*parts, strict=True))
    rests = sorted((tuple(x - y for x, y in zip(part, shared, strict=True)) for part in parts), reverse=True)
    if any(x < 0 for x in shared):
        return None
    smallest = Call("min", tuple(term_tree(rest, growth.names) for rest in rests))
    return Product(term_tree(shared, growth.names), smallest) if any(shared) else smallest


def _raised(base: Tree, exponent: Fraction) -> Tree:
    if exponent == 1:
        return base
    if exponent == Fraction(1, 2):
        return Call("sqrt", (base,))
    if exponent.denominator == 1:
        return Power(base, Number(exponent))
    return Power(base, Quotient(Number(Fraction(exponent.numerator)), Number(Fraction(exponent.denominator))))
