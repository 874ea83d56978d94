"""Formulas that students type: read without evaluating anything, written out again, compared by growth.

    formula = read("O(N²(D+M))", ["N", "D", "M"])
    show(formula.tree)  # N²·(D + M)

`growth`, a package of its own, compares classes such as O(N²·D) exactly.
"""

from __future__ import annotations

from workbench.answers.formula.caret import caret
from workbench.answers.formula.errors import Undecidable, Unreadable
from workbench.answers.formula.reader import read
from workbench.answers.formula.shown import show
from workbench.answers.formula.tree import Formula, Relation, Tree
from workbench.answers.formula.typeset import latex

__all__ = ["Formula", "Relation", "Tree", "Undecidable", "Unreadable", "caret", "latex", "read", "show"]
