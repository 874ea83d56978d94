"""Farkas' lemma: every answer proves itself."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.answers.formula import Undecidable
from workbench.answers.formula.growth.cone import separator
from workbench.answers.formula.growth.monomials import Work

PLENTY = 10**9


def dot(left: list[int], right: list[int]) -> int:
    return sum(x * y for x, y in zip(left, right, strict=True))


def parts(columns: list[list[int]], target: list[int], found: list[int]) -> bool:
    return all(dot(found, column) <= 0 for column in columns) and dot(found, target) > 0


@pytest.mark.parametrize(
    ("columns", "target", "inside"),
    [
        ([[1, 0], [0, 1]], [1, 1], True),
        ([[1, 0], [1, 1]], [0, 1], False),
        ([[1, 0], [-1, 1]], [0, 1], True),
        ([[2, 1], [1, 2]], [1, 1], True),
        ([[2, 1], [1, 2]], [3, 1], False),
        ([], [0, 0], True),
        ([], [0, 1], False),
        ([[0, 0]], [0, 1], False),
        # Beale's example, on which the largest coefficient rule cycles
        ([[1, 2, 0], [-32, -48, 0], [-4, -2, 0], [36, 12, 4], [1, 0, 0], [0, 1, 0], [0, 0, 1]], [0, 0, 1], True),
    ],
)
def test_known(columns: list[list[int]], target: list[int], inside: bool) -> None:
    found = separator(columns, target, Work(PLENTY))
    assert (found is None) == inside
    assert found is None or parts(columns, target, found)


vectors = st.lists(st.integers(-5, 5), min_size=3, max_size=3)


@settings(max_examples=400, deadline=None)
@given(st.lists(vectors, max_size=7), st.lists(st.integers(0, 5), min_size=3, max_size=3))
def test_every_answer_is_right(columns: list[list[int]], target: list[int]) -> None:
    found = separator(columns, target, Work(PLENTY))
    if found is not None:
        assert parts(columns, target, found)
    else:
        assert is_combination(columns, target)


@settings(max_examples=200, deadline=None)
@given(st.lists(vectors, min_size=1, max_size=12), st.data())
def test_a_combination_is_recognised(columns: list[list[int]], data: st.DataObject) -> None:
    weights = data.draw(st.lists(st.integers(0, 3), min_size=len(columns), max_size=len(columns)))
    target = [dot(weights, [column[i] for column in columns]) for i in range(3)]
    # the method wants a target that is not negative: turn the signs of whole rows
    signs = [-1 if x < 0 else 1 for x in target]
    turned = [[sign * x for sign, x in zip(signs, column, strict=True)] for column in columns]
    assert separator(turned, [abs(x) for x in target], Work(PLENTY)) is None


def is_combination(columns: list[list[int]], target: list[int]) -> bool:
    """By Carathéodory: at most three columns that are independent are enough."""
    if not any(target):
        return True
    for size in (1, 2, 3):
        for chosen in itertools.combinations(columns, size):
            weights = solved([list(column) for column in chosen], target)
            if weights is not None and all(weight >= 0 for weight in weights):
                return True
    return False


def solved(columns: list[list[int]], target: list[int]) -> list[Fraction] | None:
    """The weights with which independent columns make the target, by elimination."""
    rows = [[Fraction(column[i]) for column in columns] + [Fraction(target[i])] for i in range(len(target))]
    for j in range(len(columns)):
        pivot = next((i for i in range(j, len(rows)) if rows[i][j]), None)
        if pivot is None:
            return None
        rows[j], rows[pivot] = rows[pivot], rows[j]
        rows[j] = [x / rows[j][j] for x in rows[j]]
        rows = [
            row if i == j else [x - row[j] * y for x, y in zip(row, rows[j], strict=True)] for i, row in enumerate(rows)
        ]
    if any(row[-1] for row in rows[len(columns) :]):
        return None
    return [row[-1] for row in rows[: len(columns)]]


def test_work_is_bounded() -> None:
    columns = [[(i * j) % 7 - 3 for j in range(12)] for i in range(60)]
    with pytest.raises(Undecidable, match="too large to compare"):
        separator(columns, [0] * 11 + [1], Work(500))
