"""Names, trees and classes drawn at random, for the property tests of formulas."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import strategies as st

from workbench.answers.formula.tree import (
    Call,
    Constant,
    Difference,
    Elementwise,
    MatrixProduct,
    Name,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
    Transpose,
    Tree,
)
from workbench.answers.formula.vocabulary import FUNCTIONS

NAMES = ("N", "D", "M", "k", "T", "d_model", "d_k", "sigma", "μ", "W1", "W_2", "v_{t-1}", "X'", "sigma_max")

# What students type, cut into pieces that may be put together wrongly.
FRAGMENTS = (
    *NAMES,
    *"NDMkTqx0123456789+-*/^@()[]{}|‖,.;:!?=<>_'\"$\\ \t\n\x00",
    *"×·−–÷⋅∗²³⁻¹ᵀ√½σμ₁ᵢΘΩω≤∞𝑁é\u0301\u200b\ud800",
    *("**", "||", ".T", "^T", "^2", "1e3", "0.5", "log", "log2", "max(", "min(", "sqrt", "exp", "norm", "inv("),
    *("\\frac{", "\\sqrt{", "\\log", "\\max", "\\cdot", "\\left(", "\\right)", "\\mathbf{", "\\sigma", "\\top"),
    *("\\|", "_F", "_{", "O(", "Θ(", "big-O(", "$$", "\\mathcal{O}(", "\\foo", " and "),
)

numbers = st.builds(
    lambda digits, shift: Number(Fraction(digits, 10**shift)), st.integers(0, 99_999), st.integers(0, 4)
) | st.builds(lambda digits, power: Number(Fraction(digits * 10**power)), st.integers(1, 99), st.integers(0, 28))
leaves: st.SearchStrategy[Tree] = (
    st.sampled_from(NAMES).map(Name) | numbers | st.sampled_from(("e", "pi")).map(Constant)
)


def _larger(smaller: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    pairs = (Sum, Difference, Product, MatrixProduct, Elementwise)
    single = sorted(name for name, (_, most) in FUNCTIONS.items() if most == 1)
    binary: list[st.SearchStrategy[Tree]] = [st.builds(kind, smaller, smaller) for kind in pairs]
    return st.one_of(
        *binary,
        st.builds(Quotient, smaller, smaller.filter(lambda tree: tree != Number(Fraction(0)))),
        st.builds(Negative, smaller),
        st.builds(Transpose, smaller),
        st.builds(Power, smaller, smaller.filter(_small)),
        st.builds(lambda name, body: Call(name, (body,)), st.sampled_from(single), smaller),
        st.builds(
            lambda name, parts: Call(name, tuple(parts)),
            st.sampled_from(("max", "min")),
            st.lists(smaller, min_size=1, max_size=3),
        ),
    )


def _small(tree: Tree) -> bool:
    return not isinstance(tree, Number) or tree.value <= 20


trees = st.recursive(leaves, _larger, max_leaves=12)

# -- growth classes, as text

VARIABLES = ("N", "D", "M")
_powers = st.sampled_from(("", "", "", "^2", "^3", "^0.5", "^(3/2)"))
_factors = st.one_of(
    st.builds("{}{}".format, st.sampled_from(VARIABLES), _powers),
    st.builds("log({}){}".format, st.sampled_from(VARIABLES), st.sampled_from(("", "^2", "^3"))),
    st.builds("{}{}".format, st.sampled_from(VARIABLES), _powers),
)
_monomials = st.lists(_factors, min_size=1, max_size=3).map("*".join)


def _grown(smaller: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("({} + {})".format, smaller, smaller),
        st.builds("({})*({})".format, smaller, smaller),
        st.builds("max({}, {})".format, smaller, smaller),
        st.builds("min({}, {})".format, smaller, smaller),
        st.builds("({})/({})".format, smaller, smaller),
        st.builds("sqrt({})".format, smaller),
    )


classes = st.recursive(_monomials, _grown, max_leaves=4)
side_conditions = st.sampled_from(
    ((), (), (), ("M ~ D",), ("N >> D^2",), ("M <= N",), ("D const",), ("N >= M, D",), ("N >> D", "D >> M"))
)
