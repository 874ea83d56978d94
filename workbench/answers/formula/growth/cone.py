"""Farkas' lemma, decided exactly: is a vector a non-negative combination of others, or what parts it from them?

The simplex method on whole numbers: phase one, entering and leaving by Bland's rule, which cannot cycle
(Bland 1977), with Edmonds' integer pivoting, in which every division is exact (Edmonds 1967, Bareiss
1968). No fractions, no rounding; the numbers stay as short as the determinants they are.
"""

from __future__ import annotations

from collections.abc import Sequence

from workbench.answers.formula.growth.monomials import Work


def separator(columns: Sequence[Sequence[int]], target: Sequence[int], work: Work) -> list[int] | None:
    """A vector `y` with `y·column <= 0` for every column and `y·target > 0`; None where there is none.

    There is none exactly where `target`, whose entries may not be negative, is a combination of the
    columns with weights that are not negative.

    Raises:
        Undecidable: when `work` is used up.
    """
    height, width = len(target), len(columns)
    # one row an entry of the vectors; behind the columns an artificial unit vector each, then the target
    rows = [
        [column[i] for column in columns] + [int(i == j) for j in range(height)] + [target[i]] for i in range(height)
    ]
    goal = [sum(row[j] for row in rows) for j in range(width)] + [0] * height + [sum(target)]
    basis = list(range(width, width + height))
    scale = 1  # every number stands for itself divided by this
    while goal[-1]:
        entering = next((j for j in range(width) if goal[j] > 0), None)
        if entering is None:
            return [goal[width + i] + scale for i in range(height)]
        work.spend((height + 1) * len(goal) * (1 + scale.bit_length() // 96))  # long numbers take longer
        leaving = _leaving(rows, basis, entering)
        pivot = rows[leaving]
        goal = _pivoted(goal, pivot, entering, scale)
        rows = [row if row is pivot else _pivoted(row, pivot, entering, scale) for row in rows]
        basis[leaving] = entering
        scale = pivot[entering]
    return None


def _leaving(rows: list[list[int]], basis: list[int], entering: int) -> int:
    """The row with the smallest ratio of target to entry; of equal ones that of the smallest basic column."""
    best = -1
    for i, row in enumerate(rows):
        if row[entering] <= 0:
            continue
        if best >= 0:
            difference = row[-1] * rows[best][entering] - rows[best][-1] * row[entering]
            if difference > 0 or (difference == 0 and basis[i] > basis[best]):
                continue
        best = i
    return best


def _pivoted(row: list[int], pivot: list[int], entering: int, scale: int) -> list[int]:
    own, other = pivot[entering], row[entering]
    return [(own * x - other * p) // scale for x, p in zip(row, pivot, strict=True)]
