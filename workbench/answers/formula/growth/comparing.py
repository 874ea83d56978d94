"""Two growth classes compared under side conditions, exactly, with a witness for each way in which they differ."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from workbench.answers.formula.errors import Undecidable
from workbench.answers.formula.growth.conditions import Conditions, Row
from workbench.answers.formula.growth.leading import cone_of, term_tree, whole_terms
from workbench.answers.formula.growth.monomials import Growth, Monomial, Work, times
from workbench.answers.formula.growth.rays import Ray, Size, candidates, from_point
from workbench.answers.formula.growth.ways import Cone, Point, Vector, outgrows
from workbench.answers.formula.shown import show

Verdict: TypeAlias = Literal["equal", "too large", "too small", "neither"]

VARIABLES: Final = 6
STEPS: Final = 4_000_000
RAYS: Final = 1_500  # how many are tried before the one is taken that the programme found


@dataclass(frozen=True)
class Witness:
    """Why one side is not bounded by the other.

    `sentence` says how the variables grow, `ray` the same as data (None where no simple ray shows it);
    along it `term`, of the larger side, outgrows `against`, the leading term of the other.
    """

    sentence: str
    term: str
    against: str
    ray: Ray | None


@dataclass(frozen=True)
class Comparison:
    """`above` shows that yours is too large somewhere, `below` that it is too small somewhere."""

    above: Witness | None = None
    below: Witness | None = None

    @property
    def relation(self) -> Verdict:
        """How yours compares with the class that was wanted."""
        if self.above and self.below:
            return "neither"
        return "too large" if self.above else "too small" if self.below else "equal"


def compare(yours: Growth, wanted: Growth, under: Conditions) -> Comparison:
    """Whether two classes are the same wherever the conditions hold.

    Raises:
        Undecidable: when the formulas are too large to compare.
        ValueError: when they are not over the same names.
    """
    if not yours.names == wanted.names == under.names:
        raise ValueError(f"compared over different names: {yours.names}, {wanted.names}, {under.names}")
    question = _Question.of(yours, wanted, under)
    return Comparison(question.witness(0), question.witness(1))


@dataclass(frozen=True)
class _Question:
    """Both sides over the variables that count, multiplied out and in whole numbers."""

    names: tuple[str, ...]
    sides: tuple[Growth, Growth]
    terms: tuple[Sequence[Vector], Sequence[Vector]]
    cone: Cone
    rows: tuple[Row, ...]
    work: Work

    @classmethod
    def of(cls, yours: Growth, wanted: Growth, under: Conditions) -> _Question:
        used = _used(yours, wanted, under)
        if len(used) > VARIABLES:
            raise Undecidable(f"at most {VARIABLES} variables are compared, and here are {len(used)}")
        work = Work(STEPS)
        mine, other = _restricted(yours, used), _restricted(wanted, used)
        rows = [
            dataclasses.replace(row, vector=tuple(row.vector[i] for i in used))
            for row in under.rows
            if any(row.vector[i] for i in used)
        ]
        left = list(times(mine.top, other.bottom, work))
        right = list(times(other.top, mine.bottom, work))
        vectors = whole_terms([*left, *right])
        cone = cone_of(vectors, Conditions(mine.names, tuple(rows)))
        terms = (vectors[: len(left)], vectors[len(left) :])
        return cls(mine.names, (mine, other), terms, cone, tuple(rows), work)

    def witness(self, side: int) -> Witness | None:
        """How the given side outgrows the other one, if it does."""
        own, others = self.terms[side], self.terms[1 - side]
        points = (outgrows(term, others, self.cone, self.work) for term in own)
        point = next((found for found in points if found is not None), None)
        if point is None:
            return None
        ray = self._ray(own, others, point)
        size = ray.size if ray else _size_at(point)
        term = _leading_term(self.sides[side], size)
        against = _leading_term(self.sides[1 - side], size)
        sentence = ray.sentence if ray else f"there is a way for {', '.join(self.names)} to grow"
        return Witness(sentence, _shown(term, self.names), _shown(against, self.names), ray)

    def _ray(self, own: Sequence[Vector], others: Sequence[Vector], point: Point) -> Ray | None:
        """The simplest ray that shows it, on the edge of a strict condition only where none within does."""
        beyond: list[Ray] = []
        simple = itertools.islice(candidates(self.names, logs=bool(self.cone.logs)), RAYS)
        for ray in itertools.chain(simple, from_point(self.names, point)):
            edge = self._edge(ray)
            if edge is None or (edge and beyond):
                continue
            if max(map(ray.size, own)) > max(map(ray.size, others)):
                if not edge:
                    return ray
                beyond.append(dataclasses.replace(ray, edge=edge))
        return beyond[0] if beyond else None

    def _edge(self, ray: Ray) -> tuple[str, ...] | None:
        """The strict conditions that the ray meets only just; None where it breaks a condition."""
        edge: list[str] = []
        nothing = (0,) * len(self.names)
        growing = [exponent > 0 for exponent in ray.exponents]
        for row, vector in zip(self.rows, self.cone.rows, strict=True):
            size = ray.size((*vector, *nothing))
            if size < (0, 0, 0):
                return None
            concerned = any(x and grows for x, grows in zip(vector, growing, strict=True))
            if row.strict and concerned and not any(size):
                edge.append(row.text)
        return tuple(dict.fromkeys(edge))


def _used(yours: Growth, wanted: Growth, under: Conditions) -> list[int]:
    """The variables that occur, and those that conditions tie to them."""
    count = len(yours.names)
    terms = [term for growth in (yours, wanted) for term in growth.top | growth.bottom]
    used = {i for i in range(count) if any(term[i] or term[count + i] for term in terms)}
    for _ in range(count):
        for row in under.rows:
            tied = {i for i, x in enumerate(row.vector) if x}
            if tied & used:
                used |= tied
    return sorted(used)


def _restricted(growth: Growth, used: Sequence[int]) -> Growth:
    count = len(growth.names)
    kept = [*used, *(count + i for i in used)]
    top, bottom = (frozenset(tuple(term[i] for i in kept) for term in terms) for terms in (growth.top, growth.bottom))
    return Growth(tuple(growth.names[i] for i in used), top, bottom)


def _leading_term(growth: Growth, size: Callable[[Vector], Size]) -> Monomial:
    """What counts of `top / bottom` along a ray; of several terms alike the one of the highest power."""
    ordered = [sorted(terms, reverse=True) for terms in (growth.top, growth.bottom)]
    vectors = whole_terms([*ordered[0], *ordered[1]])
    sizes = dict(zip([*ordered[0], *ordered[1]], map(size, vectors), strict=True))
    top, bottom = (max(terms, key=lambda term: sizes[term]) for terms in ordered)
    return tuple(x - y for x, y in zip(top, bottom, strict=True))


def _size_at(point: Point) -> Callable[[Vector], Size]:
    values = (*point.powers, *point.logs)
    return lambda term: (sum(x * y for x, y in zip(term, values, strict=True)),)


def _shown(term: Monomial, names: Sequence[str]) -> str:
    return show(term_tree(term, names))
