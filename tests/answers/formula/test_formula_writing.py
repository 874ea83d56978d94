"""A tree written out as Unicode and as LaTeX, and read again."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, example, given, settings

from tests.answers.formula.formula_samples import NAMES, trees
from workbench.answers.formula import Unreadable, latex, read, show
from workbench.answers.formula.limits import LENGTH, check_numbers
from workbench.answers.formula.tree import Call, Name, Negative, Number, Power, Product, Quotient, Sum, Transpose, Tree

SIZES = ("N", "D", "M", "k", "sigma", "W1", "d_model", "e_t", "X", "x_1")


@pytest.mark.parametrize(
    ("typed", "shown", "set_"),
    [
        ("N^2*(D+M)", "N²·(D + M)", r"N^{2}\,(D + M)"),
        ("(N*D)*M", "N·D·M", r"N\,D\,M"),
        ("N*(D*M)", "N·(D·M)", r"N\,(D\,M)"),
        ("(N+D)+M", "N + D + M", "N + D + M"),
        ("N-(D-M)", "N − (D − M)", "N - (D - M)"),
        ("N/(D*M)", "N/(D·M)", r"\frac{N}{D\,M}"),
        ("(N+1)/2*D", "(N + 1)/2·D", r"\frac{N + 1}{2}\,D"),
        ("-(N+D)", "−(N + D)", "-(N + D)"),
        ("(-N)^2", "(−N)²", "(-N)^{2}"),
        ("(N^2)^3", "(N²)³", "(N^{2})^{3}"),
        ("N^(D+1)", "N^(D + 1)", "N^{D + 1}"),
        ("N^k", "N^k", "N^{k}"),
        ("N^-2", "N⁻²", "N^{-2}"),
        ("N^(1/2)", "N^(1/2)", r"N^{\frac{1}{2}}"),
        ("2*3", "2·3", r"2 \cdot 3"),
        ("N*2.5", "N·2.5", r"N \cdot 2.5"),
        ("sqrt(N)", "√N", r"\sqrt{N}"),
        ("sqrt(N+1)^2", "(√(N + 1))²", r"\sqrt{N + 1}^{2}"),
        ("sqrt(N^2)", "√(N²)", r"\sqrt{N^{2}}"),
        ("log(N)^2", "log(N)²", r"\log(N)^{2}"),
        ("log2(N)", "log2(N)", r"\log_{2}(N)"),
        ("max(N,D/M)", "max(N, D/M)", r"\max\left(N, \frac{D}{M}\right)"),
        ("|N|", "|N|", "|N|"),
        ("|abs(N)-1|", "abs(|N| − 1)", r"\operatorname{abs}(|N| - 1)"),
        ("‖X‖_F", "‖X‖_F", r"\|X\|_{F}"),
        ("X^T X^-1", "Xᵀ·X⁻¹", r"X^{\top}\,X^{-1}"),
        ("(X^-1)^T", "X⁻¹ᵀ", r"{X^{-1}}^{\top}"),
        ("(X^T)^2", "Xᵀ²", r"{X^{\top}}^{2}"),
        ("sigma", "σ", r"\sigma"),
        ("W1", "W₁", "W_{1}"),
        ("d_model^2", "d_model²", r"d_{\mathrm{model}}^{2}"),
        ("e_t", "e_t", "e_{t}"),
        ("x_1", "x₁", "x_{1}"),
        ("pi", "π", r"\pi"),
        ("softmax_row(X)", "softmax_row(X)", r"\operatorname{softmax\_row}(X)"),
        ("ceil(N/D)", "⌈N/D⌉", r"\lceil \frac{N}{D} \rceil"),
        ("1e20", "1e20", r"1\mathrm{e}20"),
        ("0.000001", "0.000001", "0.000001"),
        ("12e-20", "12e-20", r"12\mathrm{e}-20"),
        ("100000000000", "100000000000", "100000000000"),
        ("N∘D@M", "N ∘ D @ M", r"N \odot D @ M"),
    ],
)
def test_written_out(typed: str, shown: str, set_: str) -> None:
    tree = read(typed, SIZES).tree
    assert show(tree) == shown
    assert latex(tree) == set_
    assert read(shown, SIZES).tree == tree
    assert read(set_, SIZES).tree == tree


def test_numbers_that_are_no_decimals_are_shown_as_fractions() -> None:
    assert show(Number(Fraction(1, 3))) == "(1/3)"


def too_large(tree: Tree) -> bool:
    """A tree may hold numbers of hundreds of digits, which are never read."""
    try:
        check_numbers(tree)
    except Unreadable:
        return True
    return False


@settings(max_examples=400, deadline=None)
@given(trees)
@example(Transpose(Power(Sum(Name("N"), Name("D")), Number(Fraction(2)))))
@example(Power(Name("N"), Negative(Number(Fraction(0)))))
@example(Power(Name("N"), Negative(Negative(Number(Fraction(1))))))
@example(Quotient(Power(Name("N"), Number(Fraction(1))), Number(Fraction(2))))
@example(Product(Name("X'"), Call("abs", (Call("abs", (Name("X'"),)),))))
@example(Call("abs", (Call("norm", (Call("abs", (Name("N"),)),)),)))
@example(Power(Call("sqrt", (Name("N"),)), Number(Fraction(2))))
@example(Call("sqrt", (Power(Call("sqrt", (Name("N"),)), Number(Fraction(2))),)))
@example(Negative(Negative(Product(Negative(Name("N")), Negative(Name("D"))))))
def test_read_again(tree: Tree) -> None:
    for text in (show(tree), latex(tree)):
        assume(len(text) <= LENGTH and not too_large(tree))
        again = read(text, NAMES).tree
        assert again == tree, text
        assert (show(again), latex(again)) == (show(tree), latex(tree))


@given(trees)
def test_both_ways_of_writing_are_harmless(tree: Tree) -> None:
    assert show(tree).isprintable()
    assert latex(tree).isascii() or "μ" in latex(tree)
    assert latex(tree).count("{") == latex(tree).count("}")
