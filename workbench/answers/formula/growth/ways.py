r"""Whether one term can outgrow all the terms of a sum, over every way in which the variables may grow.

With `u_i = log x_i` and `l_i = log log x_i` a monomial is, up to a constant, e to the linear form
`a·u + b·l`. A term exceeds each term of a sum by any factor exactly when `min_s (m - s)·(u, l)` has no
bound. For pure powers this is a question of linear programming over the cone of allowed `u`.

With logs, `l_i` hangs on `u_i`. Let the variables go to infinity along a sequence on which all ratios of
the `u_i` and of the `l_i` converge. Then `u_i` exceeds every multiple of `l_i`, and for two variables
either `l_i` and `l_j` agree in leading order (any powers of each other, and more), or the one with the
larger `l` has a `u` beyond every multiple of the other's. Conversely each point `(u, l)` that obeys
these rules is met, up to lower order, by a sequence. "Beyond every multiple" is `u_i >= T·u_j` for a
number T that is larger than all the determinants that can decide the programme (`_beyond`), so that
every T above it decides alike. Each pair splits the cone in three; pairs are split only where the point
found breaks the rule.

Under strict conditions (N >> D^2) the closed cone is searched, which gives the same verdict: a sum that
is unbounded on the edge is unbounded beside it too, as long as the open cone is not empty.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from workbench.answers.formula.growth.cone import separator
from workbench.answers.formula.growth.monomials import Work

Vector: TypeAlias = tuple[int, ...]


@dataclass(frozen=True)
class Cone:
    """The ways to grow: `count` variables, those under a log, and rows with `row·u >= 0`."""

    count: int
    logs: tuple[int, ...]
    rows: tuple[Vector, ...]


@dataclass(frozen=True)
class Point:
    """One way to grow: u and l of each variable, in whole numbers."""

    powers: Vector
    logs: Vector
    beyond: int  # from this ratio on, a power counts as larger than every multiple


def outgrows(term: Vector, others: Sequence[Vector], cone: Cone, work: Work) -> Point | None:
    """A way to grow on which `term` exceeds all of `others` by any factor; None where there is none.

    Terms are whole-number exponents, `count` of the variables and then `count` of their logs.
    """
    gaps = [tuple(x - y for x, y in zip(term, other, strict=True)) for other in others]
    if any(all(x <= 0 for x in gap) for gap in gaps):
        return None
    return _search(_Programme(gaps, cone, work), ())


class _Programme:
    """One programme: gaps to be positive, rules that hold anyway, and the splits of the pairs."""

    def __init__(self, gaps: Sequence[Vector], cone: Cone, work: Work) -> None:
        self.cone, self.work = cone, work
        count = cone.count
        self.kept = [*range(count), *(count + i for i in cone.logs)]
        self.beyond = _beyond(gaps, cone)
        # the last entry asks a gap to be 1 at least; a rule only not to be negative
        self.columns = [[*(gap[i] for i in self.kept), 1] for gap in gaps]
        self.columns += [[*(row[i] if i < count else 0 for i in self.kept), 0] for row in cone.rows]
        for i in range(count):
            self.columns.append(self.rule({i: 1, count + i: -self.beyond} if i in cone.logs else {i: 1}))
        self.columns += [self.rule({count + i: 1}) for i in cone.logs]

    def rule(self, entries: dict[int, int]) -> list[int]:
        """The column that asks a combination of u and l not to be negative."""
        return [*(entries.get(i, 0) for i in self.kept), 0]

    def solve(self, rules: Sequence[list[int]]) -> Point | None:
        """A point within all rules at which every gap is positive."""
        target = [0] * len(self.kept) + [1]
        found = separator([*self.columns, *rules], target, self.work)
        if found is None:
            return None
        values = {i: -x for i, x in zip(self.kept, found[:-1], strict=True)}
        count = self.cone.count
        powers = tuple(values[i] for i in range(count))
        return Point(powers, tuple(values.get(count + i, 0) for i in range(count)), self.beyond)

    def splits(self, i: int, j: int) -> list[list[list[int]]]:
        """The three ways in which a pair may grow: alike up to powers, or one far beyond the other."""
        n, big = self.cone.count, self.beyond
        above = [self.rule({n + i: 1, n + j: -1}), self.rule({i: 1, j: -big})]
        below = [self.rule({n + j: 1, n + i: -1}), self.rule({j: 1, i: -big})]
        return [[above[0], below[0]], above, below]


def _search(programme: _Programme, rules: tuple[list[int], ...]) -> Point | None:
    point = programme.solve(rules)
    if point is None:
        return None
    broken = next((pair for pair in itertools.combinations(programme.cone.logs, 2) if not _obeys(point, *pair)), None)
    if broken is None:
        return point
    branches = (_search(programme, (*rules, *split)) for split in programme.splits(*broken))
    return next((found for found in branches if found is not None), None)


def _obeys(point: Point, i: int, j: int) -> bool:
    if point.logs[i] == point.logs[j]:
        return True
    if point.logs[i] < point.logs[j]:
        i, j = j, i
    return point.powers[i] >= point.beyond * point.powers[j]


def _beyond(gaps: Sequence[Vector], cone: Cone) -> int:
    """A number T above which the programme, T being in it, has the same answer for every T.

    Its answer hangs on the signs of determinants of its rows, which are polynomials in T. The sum of the
    absolute coefficients of a determinant is at most the product of those of its rows, and no root of a
    polynomial with whole coefficients exceeds 1 plus the largest of them (Cauchy's bound).
    """
    height = cone.count + len(cone.logs) + 1
    sizes = [sum(map(abs, gap)) + 1 for gap in gaps] + [sum(map(abs, row)) for row in cone.rows]
    largest = sorted([*sizes, *[2] * height], reverse=True)[:height]
    return 2 + math.prod(largest)
