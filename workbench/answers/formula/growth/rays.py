"""Rays: ways to grow that a student can follow, the simplest first."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, TypeAlias

from workbench.answers.formula.growth.ways import Point, Vector
from workbench.answers.formula.shown import show
from workbench.answers.formula.tree import Call, Name, Number, Power, Product, Quotient, Tree

Size: TypeAlias = tuple[Fraction | int, ...]

_LARGEST: Final = {1: 4, 2: 4, 3: 4, 4: 3, 5: 2, 6: 2}  # exponents tried, by the number of variables
_RATES: Final = (1, 2, 3, 4)
_FINEST: Final = 60  # denominators of exponents that are told from a factor of logs
_NAMED: Final = 3  # constants that are listed by name


@dataclass(frozen=True)
class Ray:
    """One way to grow, by a parameter t that goes to infinity.

    A variable is `t^exponent`, or constant where its exponent is 0; one of those in `fast` is
    `exp(exponent · t^rate)`. For what needs it, the former have a factor `(log t)^lift` besides, and the
    `t^rate` of the latter a factor `(log t)^rate_lift`.
    `edge` holds the strict conditions (N >> D^2) that are met only just: there the larger side is to be
    thought a little larger.
    """

    names: tuple[str, ...]
    exponents: tuple[int, ...]
    fast: frozenset[str] = frozenset()
    rate: int = 1
    lifts: tuple[Fraction, ...] = ()
    rate_lift: Fraction = Fraction(0)
    edge: tuple[str, ...] = ()

    def logs(self, log_t: float) -> dict[str, float]:
        """The natural log of each variable at a given log t; a constant is e."""
        lifts = self.lifts or (Fraction(0),) * len(self.names)
        log_log = math.log(log_t)
        steepness = math.exp(self.rate * log_t + float(self.rate_lift) * log_log) if self.fast else 0.0
        return {
            name: exponent * steepness
            if name in self.fast
            else exponent * log_t + float(lift) * log_log
            if exponent or lift
            else 1.0
            for name, exponent, lift in zip(self.names, self.exponents, lifts, strict=True)
        }

    def size(self, term: Vector) -> Size:
        """How a term grows: what t^rate, log t and log log t are multiplied by in its log, in this order."""
        count = len(self.names)
        steep = flat = 0
        logs: Fraction | int = sum((x * lift for x, lift in zip(term, self.lifts, strict=False)), 0)
        for i, exponent in enumerate(self.exponents):
            if not exponent:
                continue
            if self.fast and self.names[i] in self.fast:
                steep += term[i] * exponent
                flat += term[count + i] * self.rate
                logs += term[count + i] * self.rate_lift
            else:
                flat += term[i] * exponent
                logs += term[count + i]
        return steep, flat, logs

    @property
    def sentence(self) -> str:
        """`let D grow with N = D², M constant`."""
        lifts = self.lifts or (Fraction(0),) * len(self.names)
        moving = list(zip(self.names, self.exponents, lifts, strict=True))
        base, step, _ = min((x for x in moving if self._leads(*x)), key=lambda x: x[1])
        others = [
            f"{_shown(name)} = {show(self._in_terms_of(base, step, name, exponent, lift))}"
            for name, exponent, lift in moving
            if (exponent or lift) and name != base
        ]
        still = [_shown(name) for name, exponent, lift in moving if not exponent and not lift]
        text = f"let {_shown(base)} grow"
        if others:
            text += f" with {_listed(others)}"
        if still:
            text += f", {_listed(still) if len(still) <= _NAMED else 'all else'} constant"
        return text + "".join(f" ({condition} only just)" for condition in self.edge)

    def _leads(self, name: str, exponent: int, lift: Fraction) -> bool:
        """Whether the others can be written in terms of this variable."""
        return exponent > 0 and not lift and name not in self.fast

    def _in_terms_of(self, base: str, step: int, name: str, exponent: int, lift: Fraction) -> Tree:
        """A variable, given that `base` is t^step."""
        if name in self.fast:
            steep = _power_and_log(base, Fraction(self.rate, step), self.rate_lift)
            return Call("exp", (steep if exponent == 1 else Product(Number(Fraction(exponent)), steep),))
        return _power_and_log(base, Fraction(exponent, step), lift)


def _shown(name: str) -> str:
    return show(Name(name))


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _power(base: Tree, exponent: Fraction) -> Tree:
    if exponent == Fraction(1, 2):
        return Call("sqrt", (base,))
    if exponent.denominator > 1:
        return Power(base, Quotient(Number(Fraction(exponent.numerator)), Number(Fraction(exponent.denominator))))
    return base if exponent == 1 else Power(base, Number(exponent))


def _power_and_log(base: str, exponent: Fraction, lift: Fraction) -> Tree:
    power = _power(Name(base), exponent)
    if not lift:
        return power
    log = _power(Call("log", (Name(base),)), abs(lift))
    if lift < 0:
        return Quotient(power, log)
    return Product(power, log) if exponent else log


def candidates(names: Sequence[str], *, logs: bool) -> Iterator[Ray]:
    """Rays in order of simplicity: small exponents, few variables growing; with logs also exponential ones."""
    names = tuple(names)
    for exponents in _grids(len(names), _LARGEST[len(names)]):
        yield Ray(names, exponents)
    if not logs:
        return
    for exponents in _grids(len(names), 2 if len(names) < 5 else 1):
        growing = [name for name, exponent in zip(names, exponents, strict=True) if exponent]
        for size in range(1, len(growing)):
            for fast in itertools.combinations(growing, size):
                for rate in _RATES:
                    yield Ray(names, exponents, frozenset(fast), rate)


def _grids(count: int, largest: int) -> Iterator[tuple[int, ...]]:
    """Exponents from 0 to `largest`: the smaller and the fewer first, then the earlier names."""
    grids = itertools.product(range(largest + 1), repeat=count)
    primitive = (grid for grid in grids if math.gcd(*grid) == 1)
    yield from sorted(primitive, key=lambda grid: (max(grid), sum(map(bool, grid)), [-x for x in grid]))


def from_point(names: Sequence[str], point: Point) -> list[Ray]:
    """Rays through a point of the cone: for what no simple ray shows."""
    names = tuple(names)
    divisor = math.gcd(*point.powers) or 1
    rays = [Ray(names, tuple(power // divisor for power in point.powers))]
    top = max(point.logs)
    if top:
        fast = [value == top for value in point.logs]
        rays += [_bent(names, point, steep) for steep in ([False] * len(names), fast) if _moves(point, steep)]
    return rays


def _moves(point: Point, fast: Sequence[bool]) -> bool:
    """Whether a variable grows beside the fast ones."""
    return any(power and not steep for power, steep in zip(point.powers, fast, strict=True))


def _bent(names: tuple[str, ...], point: Point, fast: Sequence[bool]) -> Ray:
    """The ray with factors of logs: `log x = exponent · log t + lift · log log t`, or one log further."""
    slow = [power for power, steep in zip(point.powers, fast, strict=True) if not steep]
    unit = max(slow)
    log = max((value for value, steep in zip(point.logs, fast, strict=True) if not steep), default=0)

    def split(value: int) -> tuple[Fraction, Fraction]:
        share = Fraction(value, unit)
        if not log:
            return share, Fraction(0)
        share = share.limit_denominator(_FINEST)
        return share, (value - share * unit) / log

    parts = [(Fraction(0), Fraction(0)) if steep else split(x) for x, steep in zip(point.powers, fast, strict=True)]
    rate, rate_lift = split(max(point.logs)) if any(fast) else (Fraction(1), Fraction(0))
    whole = math.lcm(rate.denominator, *(share.denominator for share, _ in parts))
    divisor = math.gcd(*(x for x, steep in zip(point.powers, fast, strict=True) if steep)) or 1
    exponents = [
        x // divisor if steep else int(share * whole)
        for x, steep, (share, _) in zip(point.powers, fast, parts, strict=True)
    ]
    lifts = tuple(lift for _, lift in parts)
    steep_names = frozenset(itertools.compress(names, fast))
    return Ray(names, tuple(exponents), steep_names, int(rate * whole), lifts, rate_lift)
