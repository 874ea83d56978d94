"""Growth seen by another method: both sides computed far out along rays, in logs of many digits.

Shares nothing with the code that decides: no monomials, no programme, no rounding that matters.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterable, Mapping, Sequence
from decimal import Context, Decimal, localcontext
from fractions import Fraction

from workbench.answers.formula import read
from workbench.answers.formula.growth import Comparison, Ray
from workbench.answers.formula.tree import Call, Name, Number, Power, Product, Quotient, Sum, Tree

SAME = 0.15  # how far the ratio of two classes that are alike may still move between near and far, in logs
APART = 0.25
# (near, far) as log t: powers of t, and powers of t beside exponentials of them
PLACES = ((Decimal(10) ** 8, Decimal(10) ** 20), (Decimal(150), Decimal(600)))


def log_value(tree: Tree, logs: Mapping[str, Decimal]) -> Decimal:
    """The log of a formula whose variables have these logs. Everything is positive."""
    part = functools.partial(log_value, logs=logs)
    match tree:
        case Number(value):
            return Decimal(value.numerator).ln() - Decimal(value.denominator).ln()
        case Name(name):
            return logs[name]
        case Sum(left, right):
            return _sum([part(left), part(right)])
        case Product(left, right):
            return part(left) + part(right)
        case Quotient(left, right):
            return part(left) - part(right)
        case Power(base, exponent):
            return part(base) * part(exponent).exp()
        case Call("log" | "log2", (body,)):
            return part(body).ln()
        case Call("sqrt", (body,)):
            return part(body) / 2
        case Call("max" | "min" as extreme, bodies):
            return (max if extreme == "max" else min)(part(body) for body in bodies)
        case _:
            raise AssertionError(tree)


def _sum(logs: Sequence[Decimal]) -> Decimal:
    largest = max(logs)
    return largest + sum(((log - largest).exp() for log in logs), Decimal(0)).ln()


def rise(yours: Tree, wanted: Tree, ray: Ray) -> float:
    """By how much the log of yours / wanted grows from the near to the far place on a ray."""
    near, far = (place / ray.rate for place in PLACES[bool(ray.fast)])
    with localcontext(Context(prec=300 if ray.fast else 45, Emax=10**15, Emin=-(10**15))):
        ratios = [log_value(yours, logs) - log_value(wanted, logs) for logs in (_logs(ray, near), _logs(ray, far))]
        return float(ratios[1] - ratios[0])


def agrees(found: Comparison, yours: Tree, wanted: Tree, names: Sequence[str], sample: Iterable[Ray]) -> None:
    """Assert that no ray of a sample belies a verdict, and that its witnesses are witnesses."""
    for ray in sample:
        moved = rise(yours, wanted, ray)
        assert found.above or moved < SAME, (found, ray)
        assert found.below or moved > -SAME, (found, ray)
    for witness, larger, smaller in ((found.above, yours, wanted), (found.below, wanted, yours)):
        if witness:
            assert witness.ray is not None, witness
            ray = _over(witness.ray, names)
            assert rise(larger, smaller, ray) > APART, witness
            term, against = (read(text, names).tree for text in (witness.term, witness.against))
            assert rise(term, against, ray) > APART, witness


def _over(ray: Ray, names: Sequence[str]) -> Ray:
    """The ray with the variables that play no part, as constants."""
    rest = [name for name in names if name not in ray.names]
    lifts = (*ray.lifts, *(Fraction(0) for _ in rest)) if ray.lifts else ()
    exponents = (*ray.exponents, *(0 for _ in rest))
    return dataclasses.replace(ray, names=(*ray.names, *rest), exponents=exponents, lifts=lifts)


def _logs(ray: Ray, log_t: Decimal) -> dict[str, Decimal]:
    lifts = ray.lifts or (Fraction(0),) * len(ray.names)
    out = {}
    for name, exponent, lift in zip(ray.names, ray.exponents, lifts, strict=True):
        if name in ray.fast:
            out[name] = exponent * (ray.rate * log_t + _decimal(ray.rate_lift) * log_t.ln()).exp()
        else:
            out[name] = exponent * log_t + _decimal(lift) * log_t.ln() if exponent or lift else Decimal(1)
    return out


def _decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


@functools.cache
def rays(names: tuple[str, ...], conditions: tuple[str, ...], *, fast: bool = False) -> tuple[Ray, ...]:
    """Every ray with small exponents that the conditions allow; or the ones with some variables exponential."""
    found: list[Ray] = []
    for exponents in itertools.product(range(3), repeat=len(names)):
        growing = [name for name, exponent in zip(names, exponents, strict=True) if exponent]
        sizes = range(1, len(growing)) if fast else range(bool(growing))
        chosen = itertools.chain.from_iterable(itertools.combinations(growing, size) for size in sizes)
        found += [Ray(names, exponents, frozenset(steep)) for steep in chosen]
    return tuple(ray for ray in found if _allowed(ray, conditions))


def _allowed(ray: Ray, conditions: Sequence[str]) -> bool:
    """The few conditions that the tests use, spelt out."""
    sizes = {
        name: (exponent if name in ray.fast else 0, 0 if name in ray.fast else exponent)
        for name, exponent in zip(ray.names, ray.exponents, strict=True)
    }
    for condition in conditions:
        left, sign, right = condition.split(" ", 2) if "const" not in condition else (condition.split()[0], "const", "")
        if sign == "const":
            if sizes[left] > (0, 0):
                return False
            continue
        for side in right.split(", "):
            name, _, power = side.partition("^")
            other = tuple(x * int(power or 1) for x in sizes[name])
            fits = {"~": sizes[left] == other, "<=": sizes[left] <= other}.get(sign, sizes[left] >= other)
            if not fits:
                return False
    return True
