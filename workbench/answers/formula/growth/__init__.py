"""Growth classes of several variables, compared exactly: O(N²(D + M)) is O(N²·max(D, M)).

    under = conditions(["M ~ D"], names)
    compare(growth(yours, names), growth(wanted, names), under).relation  # "too large"

Convention: every variable is at least e, so that products are no smaller than their factors and logs
count as at least 1; constants drop; a variable may stay constant while another one grows, unless a
condition says otherwise.
"""

from __future__ import annotations

from workbench.answers.formula.errors import Undecidable
from workbench.answers.formula.growth.classes import growth
from workbench.answers.formula.growth.comparing import Comparison, Witness, compare
from workbench.answers.formula.growth.conditions import Conditions, conditions
from workbench.answers.formula.growth.leading import leading, leading_tree
from workbench.answers.formula.growth.monomials import Growth
from workbench.answers.formula.growth.rays import Ray
from workbench.answers.formula.growth.values import evaluate

__all__ = [
    "Comparison",
    "Conditions",
    "Growth",
    "Ray",
    "Undecidable",
    "Witness",
    "compare",
    "conditions",
    "evaluate",
    "growth",
    "leading",
    "leading_tree",
]
