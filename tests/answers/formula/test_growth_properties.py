"""The verdict against numbers: what is called alike stays alike on every ray, and every witness is one."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.answers.formula.formula_samples import VARIABLES, classes, side_conditions
from tests.answers.formula.growth_oracle import agrees, rays
from workbench.answers.formula import Undecidable, read
from workbench.answers.formula.growth import Comparison, Growth, Ray, compare, conditions, growth, leading
from workbench.answers.formula.growth.rays import candidates
from workbench.answers.formula.tree import Tree

ORDER = {"equal": 0, "too small": -1, "too large": 1}


def tree(text: str) -> Tree:
    return read(text, VARIABLES).tree


def grown(text: str) -> Growth:
    try:
        return growth(tree(text), VARIABLES)
    except Undecidable:
        assume(False)
        raise


def compared(yours: str, wanted: str, under: tuple[str, ...] = ()) -> Comparison:
    try:
        return compare(grown(yours), grown(wanted), conditions(under, VARIABLES))
    except Undecidable:
        assume(False)
        raise


def some_rays(under: tuple[str, ...], data: st.DataObject) -> list[Ray]:
    slow, fast = rays(VARIABLES, under), rays(VARIABLES, under, fast=True)
    sample = data.draw(st.lists(st.sampled_from(slow), min_size=4, max_size=4))
    return sample + ([data.draw(st.sampled_from(fast))] if fast else [])


@settings(max_examples=60, deadline=None)
@given(classes, classes, side_conditions, st.data())
def test_against_numbers(yours: str, wanted: str, under: tuple[str, ...], data: st.DataObject) -> None:
    sample = some_rays(under, data)
    agrees(compared(yours, wanted, under), tree(yours), tree(wanted), VARIABLES, sample)


@settings(max_examples=25, deadline=None)
@given(classes, classes, side_conditions, st.data())
def test_against_numbers_where_one_side_holds_the_other(
    yours: str, more: str, under: tuple[str, ...], data: st.DataObject
) -> None:
    """Independent classes are seldom alike; these often are."""
    sample = some_rays(under, data)
    for larger in (f"{yours} + {more}", f"({yours})*({more})/({more})"):
        agrees(compared(larger, yours, under), tree(larger), tree(yours), VARIABLES, sample)


@settings(max_examples=60, deadline=None)
@given(classes, side_conditions)
def test_alike_with_itself_however_written(text: str, under: tuple[str, ...]) -> None:
    for other in (text, f"3*({text}) + {text}", f"√(({text})^2)", f"1/(1/({text}))", f"max({text}, {text}/2)"):
        assert compared(text, other, under).relation == "equal"
    simplest = leading(grown(text), conditions(under, VARIABLES))
    assert compared(text, simplest, under).relation == "equal"


@settings(max_examples=60, deadline=None)
@given(classes, classes, side_conditions)
def test_turned_round(one: str, other: str, under: tuple[str, ...]) -> None:
    there, back = compared(one, other, under), compared(other, one, under)
    turned = {"too large": "too small", "too small": "too large"}
    assert back.relation == turned.get(there.relation, there.relation)


@settings(max_examples=60, deadline=None)
@given(classes, classes, classes, side_conditions)
def test_transitive(one: str, two: str, three: str, under: tuple[str, ...]) -> None:
    steps = [compared(one, two, under).relation, compared(two, three, under).relation]
    if "neither" in steps or {"too small", "too large"} <= set(steps):
        return
    total = ORDER[steps[0]] + ORDER[steps[1]]
    assert compared(one, three, under).relation == {0: "equal"}.get(total, "too large" if total > 0 else "too small")


@settings(max_examples=60, deadline=None)
@given(classes, classes)
def test_a_sum_holds_its_terms(one: str, two: str) -> None:
    assert compared(one, f"{one} + {two}").relation in ("equal", "too small")
    assert compared(f"{one} + {two}", f"max({one}, {two})").relation == "equal"
    assert compared(f"min({one}, {two})*max({two}, {one})", f"({one})*({two})").relation == "equal"


@settings(max_examples=60, deadline=None)
@given(classes, classes)
def test_conditions_only_take_differences_away(one: str, other: str) -> None:
    freely = compared(one, other)
    for under in (("M ~ D",), ("N >> D^2",), ("D const",)):
        bound = compared(one, other, under)
        assert freely.above or not bound.above
        assert freely.below or not bound.below


@pytest.mark.parametrize("count", range(1, 7))
def test_simple_rays_come_first(count: int) -> None:
    names = VARIABLES + tuple("kTh")
    found = list(candidates(names[:count], logs=False))
    assert [ray.exponents for ray in found[:count]] == [tuple(int(i == j) for i in range(count)) for j in range(count)]
    assert len(set(found)) == len(found)
