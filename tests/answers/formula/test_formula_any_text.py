"""Whatever is typed is read or refused, soon, and with a place that exists."""

from __future__ import annotations

import sys
import traceback
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.answers.formula.formula_samples import FRAGMENTS, NAMES, trees
from workbench.answers.formula import Formula, Unreadable, caret, latex, read, show
from workbench.answers.formula.limits import LENGTH, NODES
from workbench.answers.formula.tree import Tree, walk

CALLS = 60_000  # of Python functions; the slowest text within the bounds needs about a third

pieces = st.lists(st.sampled_from(FRAGMENTS), max_size=40).map("".join)


def attempt(text: str, names: tuple[str, ...]) -> Formula | Unreadable:
    try:
        return read(text, names)
    except Unreadable as fault:
        return fault


def examine(text: str, names: tuple[str, ...]) -> None:
    formula = attempt(text, names)
    if isinstance(formula, Unreadable):
        assert 0 <= formula.position <= len(text)
        assert formula.length >= 1
        assert formula.message
        assert formula.message.isprintable()
        assert len(formula.message) < 400
        line, mark = caret(text, formula).split("\n")
        assert line.isprintable()
        assert mark.strip(" ").strip("^") == ""
        return
    assert sum(1 for _ in walk(formula.tree)) <= NODES
    hash(formula)
    for written in (show(formula.tree), latex(formula.tree)):
        if len(written) <= LENGTH:
            assert read(written, names).tree == formula.tree, written


@settings(max_examples=400, deadline=None)
@given(pieces)
def test_any_pieces(text: str) -> None:
    examine(text, NAMES)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_any_characters(text: str) -> None:
    examine(text, ("N", "D"))


@settings(max_examples=400, deadline=None)
@given(trees, st.data())
def test_slips_of_the_pen(tree: Tree, data: st.DataObject) -> None:
    text = data.draw(st.sampled_from((show, latex)))(tree)
    at = data.draw(st.integers(0, len(text)))
    piece = data.draw(st.sampled_from(FRAGMENTS) | st.just(""))
    examine(text[:at] + piece + text[at + data.draw(st.integers(0, 2)) :], NAMES)


@pytest.mark.parametrize(
    "text",
    [
        "N" * 150,
        "a" * 400,
        "sigma_" * 66,
        "d_" * 200,
        "σ" * 400,
        "N'" * 200,
        "sqrt2" * 80,
        "N+" * 149 + "N",
        "-" * 399 + "N",
        "(" * 39 + "N" + ")" * 39,
        "(" * 400,
        "|" * 400,
        "‖" * 400,
        "|N|" * 99,
        "log " * 90 + "N",
        r"\frac{" * 60,
        r"\mathbf{" * 50,
        r"\frac{N}{" * 38 + "N" + "}" * 38,
        "_{" * 200,
        r"N_{\text{" * 40,
        "N_{" + r"\a" * 150,
        "2^(" * 39 + "N" + ")" * 39,
        "√(" * 19 + "N" + ")" * 19,
        "|N + " * 19 + "N" + "|" * 19,
        "max(N, " * 38 + "N" + ")" * 38,
        "log(" * 39 + "N" + ")" * 39,
        "{N}" * 130,
        "x" * 10_000_000,
        " " * 10_000_000,
        "\x00" * 10_000_000,
    ],
    ids=lambda text: f"{text[:12]!r}×{len(text)}",
)
def test_bounded_work(text: str) -> None:
    """Counted in calls, not in seconds, so that a busy machine changes nothing. Writing out is counted too."""
    calls = 0

    def count(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        formula = attempt(text, NAMES)
        if isinstance(formula, Formula):
            show(formula.tree)
            latex(formula.tree)
            hash(formula)
    finally:
        sys.setprofile(None)
    assert calls < CALLS


def test_deep_formulas_fit_a_small_stack() -> None:
    deep = ["(" * 39 + "N" + ")" * 39, "N+" * 149 + "N", "√(" * 19 + "N" + ")" * 19, "N^(" * 39 + "2" + ")" * 39]
    limit = sys.getrecursionlimit()
    depth = len(list(traceback.walk_stack(None)))
    sys.setrecursionlimit(depth + 600)
    try:
        for text in deep:
            formula = read(text, NAMES)
            assert show(formula.tree)
            assert latex(formula.tree)
            assert hash(formula) == hash(read(text, NAMES))
            assert repr(formula)
    finally:
        sys.setrecursionlimit(limit)
