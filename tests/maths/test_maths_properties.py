"""Any text is drawn as a whole rectangle, or refused; every well-formed formula is drawn."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from workbench.maths import Box, Unsupported, inline, layout
from workbench.maths.commands import COMMANDS
from workbench.maths.symbols import MARKS, SYMBOLS

FRAGMENTS = (
    *COMMANDS,
    *SYMBOLS,
    *("{", "}", "_", "^", "'", "&", "\\\\", " ", "x", "1", "$", "[", "]", "|", "\\|"),
    *("\\right", "\\middle", "\\begin{bmatrix}", "\\end{bmatrix}", "\\begin{cases}", "\\end{cases}", "\\foo"),
    *("\\frac{a}{b}", "\\text{if }", "x_i", "\\sqrt{x}", "{a+b}", "\\left(", "\\right)", "\\left.", "\\right|"),
)


def check_box(box: Box, *, ascii_only: bool) -> None:
    assert box.lines
    assert {cell_len(line) for line in box.lines} == {box.width}
    assert 0 <= box.base < box.height
    check_text("".join(box.lines), ascii_only=ascii_only)


def check_text(text: str, *, ascii_only: bool) -> None:
    assert text.isascii() or not ascii_only
    assert all(cell_len(char) == 1 or unicodedata.combining(char) for char in text)
    assert not any(unicodedata.category(char).startswith("C") for char in text)


def draw_or_refuse(source: str) -> None:
    refused = []
    for ascii_only in (False, True):
        try:
            check_box(layout(source, ascii_only=ascii_only), ascii_only=ascii_only)
            line = inline(source, ascii_only=ascii_only)
            check_text(line or "", ascii_only=ascii_only)
        except Unsupported as fault:
            refused.append(fault.position)
    assert len(refused) in {0, 2}, "both forms or none"
    assert all(0 <= position <= len(source) for position in refused)


@given(st.text())
@settings(max_examples=200, deadline=None)
def test_any_text(source: str) -> None:
    draw_or_refuse(source)


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=12).map(" ".join))
@settings(max_examples=500, deadline=None)
def test_any_heap_of_commands(source: str) -> None:
    draw_or_refuse(source)


def _formulas() -> st.SearchStrategy[str]:
    """Formulas that LaTeX accepts."""
    leaves = st.sampled_from(
        ["x", "2", "-1", "a+b", r"\alpha", r"\cdot", r"\infty", "(x)", "|x|", r"\text{if }", r"\sin x", "x, y", "a/b"]
    )

    def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        def filled(template: str) -> st.SearchStrategy[str]:
            return st.tuples(inner, inner).map(lambda pair: template.replace("A", pair[0]).replace("B", pair[1]))

        templates = (
            *("A B", "A + B", "A = B", "{A}_{B}", "{A}^{B}", "{A}_{B}^{A}", "{A}'", "(A)^{B}", "||A||_{B}"),
            *(r"\frac{A}{B}", r"\sqrt{A}", r"\sqrt[3]{A}", r"\sum_{A}^{B} A", r"\max_{A} B", r"\int_{A}^{B}"),
            *(r"\left[ A \right)", r"\left. A \right|_{B}", r"\binom{A}{B}", r"\underset{A}{B}", r"\log A"),
            r"\begin{bmatrix} A & B \\ B \end{bmatrix}",
            r"\begin{cases} A & B \\ B & A \end{cases}",
            r"\begin{aligned} A &= B \\ &+ A \end{aligned}",
            r"\underbrace{A}_{B}",
            *(rf"\{mark}{{A}}" for mark in MARKS),
        )
        return st.sampled_from(templates).flatmap(filled)

    return st.recursive(leaves, grow, max_leaves=6)


@given(_formulas())
@settings(max_examples=400, deadline=None)
def test_every_formula_is_drawn(source: str) -> None:
    for ascii_only in (False, True):
        check_box(layout(source, ascii_only=ascii_only), ascii_only=ascii_only)
        line = inline(source, ascii_only=ascii_only) or ""
        check_text(line, ascii_only=ascii_only)
        assert "  " not in line.strip(), "no formula here asks for more than one blank"


NESTED = {
    "groups": "{" * 38 + "x" + "}" * 38,
    "superscripts": "x^{" * 38 + "x" + "}" * 38,
    "numerators": r"\frac{a" * 30 + "}{b}" * 30,
    "denominators": r"\frac{a}{" * 38 + "x" + "}" * 38,
    "roots": r"\sqrt{a+" * 38 + "x" + "}" * 38,
    "fences": r"\left(" * 38 + "x" + r"\right)" * 38,
    "sums": r"\sum_{" * 38 + "x" + "}" * 38,
    "matrices": r"\begin{matrix}a&b\\" * 20 + r"\end{matrix}" * 20,
    "braces": r"\underbrace{" * 38 + "x" + "}" * 38,
    "powers of brackets": "(x^{" * 15 + "x" + "})^2" * 15,
    "bars": "|x" * 1000,
    "double bars": "||" * 1000,
    "brackets": "(" * 1000 + ")" * 1000,
    "fractions": r"\frac12" * 280,
    "cells": r"\begin{matrix}" + "&" * 500 + r"\end{matrix}",
    "rows": r"\begin{matrix}" + r"\\" * 590 + r"\end{matrix}",
    "letters": "x" * 2000,
    "primes": "x" + "'" * 1900,
}


@pytest.mark.parametrize("name", NESTED)
def test_hostile_formulas_take_no_time(name: str) -> None:
    began = time.process_time()
    draw_or_refuse(NESTED[name])
    # All take under 0.1 s; what would be exponential would take years.
    assert time.process_time() - began < 3
