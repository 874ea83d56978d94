"""Side conditions: 'M ~ D', 'N >> D^2', 'k <= N', 'n >= m, d', 'h const'.

Each becomes rows: whole directions of growth `u = (log x_1, log x_2, …)` are allowed where `row·u >= 0`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import lcm
from typing import Final

from workbench.answers.formula.errors import Undecidable, Unreadable
from workbench.answers.formula.growth.classes import growth
from workbench.answers.formula.growth.cone import separator
from workbench.answers.formula.growth.monomials import Growth, Work
from workbench.answers.formula.limits import LENGTH
from workbench.answers.formula.reader import read

_SIGNS: Final = {
    "~": r"~|≈|∼|≍|≃|∝|=|\\sim(?![a-z])|\\approx(?![a-z])|\\asymp(?![a-z])",
    ">>": r">>|≫|\\gg(?![a-z])",
    "<<": r"<<|≪|\\ll(?![a-z])",
    ">": r">=|≥|≳|>|\\geq?(?![a-z])",
    "<": r"<=|≤|≲|<|\\leq?(?![a-z])",
}
_SIGN: Final = re.compile("|".join(f"(?P<s{i}>{_SIGNS[sign]})" for i, sign in enumerate((">>", "<<", ">", "<", "~"))))
_BY_GROUP: Final = dict(zip(("s0", "s1", "s2", "s3", "s4"), (">>", "<<", ">", "<", "~"), strict=True))
_CONSTANT: Final = re.compile(r"\s*(?:\b(?:is|are)\s+|[=~]\s*|\b)(?:const(?:ant)?|fixed|bounded)\.?\s*$", re.IGNORECASE)
_COMMA: Final = re.compile(r",\s*(?:and\s)?|\sand\s")
_STEPS: Final = 100_000


@dataclass(frozen=True)
class Row:
    """One half-space: `vector·u >= 0`, or beyond every constant where `strict`; `text` is the condition it is from."""

    vector: tuple[Fraction, ...]
    strict: bool
    text: str


@dataclass(frozen=True)
class Conditions:
    """The ways in which the variables `names` may grow."""

    names: tuple[str, ...]
    rows: tuple[Row, ...] = ()


def conditions(texts: Iterable[str], names: Sequence[str]) -> Conditions:
    """Read side conditions.

    Raises:
        Unreadable: with a place in the condition at fault, which the message quotes; or because no
            growth meets them all.
    """
    rows: list[Row] = []
    for text in [texts] if isinstance(texts, str) else texts:
        try:
            rows += _rows(text, tuple(names))
        except (Unreadable, Undecidable) as fault:
            quoted = text if len(text) <= 40 else f"{text[:39]}…"
            message = f"in the condition '{quoted}': {fault.message}"
            raise Unreadable(message, fault.position, max(1, fault.length)) from None
    found = Conditions(tuple(names), tuple(rows))
    if not _possible(found):
        raise Unreadable("no growth of the variables meets all of these conditions", 0)
    return found


def _rows(text: str, names: tuple[str, ...]) -> Iterator[Row]:
    if len(text) > LENGTH:
        raise Unreadable(f"a condition has at most {LENGTH} characters, not {len(text)}", LENGTH)
    constant = _CONSTANT.search(text)
    if constant:
        for start, stop in _parts(text, 0, constant.start()):
            side = _side(text, start, stop, names)
            yield from _at_least(_one(names), side, text, strict=False)
        return
    signs = list(_SIGN.finditer(text))
    if not signs:
        raise Unreadable("write how two sizes compare, as in M ~ D, N >> D^2 or k <= N, or 'h const'", 0, len(text))
    ends = [(0, signs[0].start())]
    ends += [(left.end(), right.start()) for left, right in pairwise(signs)]
    ends.append((signs[-1].end(), len(text)))
    sides = [[_side(text, *part, names) for part in _parts(text, *end)] for end in ends]
    for sign, lefts, rights in zip(signs, sides, sides[1:], strict=False):
        comparison = _BY_GROUP[sign.lastgroup or ""]
        for left in lefts:
            for right in rights:
                yield from _compared(left, comparison, right, text)


def _parts(text: str, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """`m, d` and `m and d` are two sides; the comma of max(m, d) parts nothing here."""
    depth, first, at = 0, start, start
    while at < stop:
        depth += {"(": 1, "{": 1, "[": 1, ")": -1, "}": -1, "]": -1}.get(text[at], 0)
        comma = _COMMA.match(text, at, stop)
        if comma and not depth:
            yield first, at
            first = at = comma.end()
        else:
            at += 1
    yield first, stop


def _side(text: str, start: int, stop: int, names: tuple[str, ...]) -> Growth:
    """One side of a comparison; faults point into the whole condition."""
    try:
        return growth(read(text[start:stop], names).tree, names)
    except Unreadable as fault:
        raise Unreadable(fault.message, start + fault.position, fault.length) from None
    except Undecidable as fault:
        raise Unreadable(fault.message, start + fault.position, max(1, fault.length)) from None


def _one(names: tuple[str, ...]) -> Growth:
    terms = frozenset({(Fraction(0),) * (2 * len(names))})
    return Growth(names, terms, terms)


def _compared(left: Growth, sign: str, right: Growth, text: str) -> Iterator[Row]:
    strict = sign in (">>", "<<")
    if sign in (">", ">>", "~"):
        yield from _at_least(left, right, text, strict)
    if sign in ("<", "<<", "~"):
        yield from _at_least(right, left, text, strict)


def _at_least(large: Growth, small: Growth, text: str, strict: bool) -> Iterator[Row]:
    """`large >= small`, for each term of `small` and each divisor of `large`: a minimum may be large, a sum small."""
    if len(large.top) > 1 or len(small.bottom) > 1:
        raise Unreadable("the larger side cannot be a sum or a maximum", 0, len(text))
    (top,), (bottom,) = large.top, small.bottom
    count = len(large.names)
    for divisor in large.bottom:
        for term in small.top:
            vector = tuple(a - b - c + d for a, b, c, d in zip(top, divisor, term, bottom, strict=True))
            if any(vector[count:]):
                raise Unreadable("a condition compares products of powers, without logs", 0, len(text))
            yield Row(vector[:count], strict, text)


def whole(vectors: Sequence[tuple[Fraction, ...]]) -> list[tuple[int, ...]]:
    """Each vector as the shortest whole-number multiple of itself."""
    scales = [lcm(*(x.denominator for x in vector)) for vector in vectors]
    return [tuple(int(x * scale) for x in vector) for vector, scale in zip(vectors, scales, strict=True)]


def _possible(found: Conditions) -> bool:
    """Whether some growth meets all strict conditions at once. The others are met by constants."""
    count = len(found.names)
    columns = [[*map(int, (i == j for j in range(count))), 0] for i in range(count)]
    vectors = whole([row.vector for row in found.rows])
    columns += [[*vector, int(row.strict)] for vector, row in zip(vectors, found.rows, strict=True)]
    if not any(row.strict for row in found.rows):
        return True
    return separator(columns, [0] * count + [1], Work(_STEPS)) is not None
