"""What people type, and the tree that it is."""

from __future__ import annotations

from fractions import Fraction

import pytest

from workbench.answers.formula import read, show
from workbench.answers.formula.tree import Name, Number, Power, Product, Sum, names_in, walk

SIZES = ("N", "D", "M", "n", "d", "k", "T", "h")
SCALARS = ("d", "sigma", "mu", "beta", "eta", "gamma", "t", "q", "k", "lam", "sigma_k", "lambda")
MATRICES = ("W1", "W2", "X", "I", "A", "Q", "K", "V")
LONG = ("d_model", "d_k", "n", "v_{t-1}", "dtheta_t")


def understood(text: str, names: tuple[str, ...]) -> str:
    return show(read(text, names).tree)


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("N²(D+M)", "N²·(D + M)"),
        ("N^2*(D + M)", "N²·(D + M)"),
        ("N**2 (D+M)", "N²·(D + M)"),
        ("N^{2}(D+M)", "N²·(D + M)"),
        ("N*N(D+M)", "N·N·(D + M)"),
        ("NDM", "N·D·M"),
        ("2N", "2·N"),
        ("N D", "N·D"),
        ("N²D + N²M.", "N²·D + N²·M"),
        ("N × D", "N·D"),
        ("N⋅D∗M·n", "N·D·M·n"),
        ("N÷D − M", "N/D − M"),
        ("k(k+1)/2", "k·(k + 1)/2"),
        ("(D+1)(D+2)/2", "(D + 1)·(D + 2)/2"),
        ("½k(k-1)", "1/2·k·(k − 1)"),
        ("1/2 k(k-1)", "1/2·k·(k − 1)"),
        ("N*max(N,M,D)", "N·max(N, M, D)"),
        ("N max{M, D}", "N·max(M, D)"),
        ("Max(N, D)", "max(N, D)"),
        ("min(N,D)", "min(N, D)"),
        ("T*k^2*log k", "T·k²·log(k)"),
        ("Tk²logk", "T·k²·log(k)"),
        ("nlogn", "n·log(n)"),
        ("n log n", "n·log(n)"),
        ("log²(k)", "log(k)²"),
        ("log^2 k", "log(k)²"),
        ("log^{2}k", "log(k)²"),
        ("(log k)^2", "log(k)²"),
        ("log k^2", "log(k²)"),
        ("log kM", "log(k·M)"),
        ("log 2k", "log(2·k)"),
        ("log k log n", "log(k)·log(n)"),
        ("log k * n", "log(k)·n"),
        ("log2 n", "log2(n)"),
        ("log₂ n", "log2(n)"),
        ("log_2(n)", "log2(n)"),
        ("lg n", "log2(n)"),
        ("ln(n)", "log(n)"),
        ("k^T", "k^T"),
        ("2^{nd}", "2^(n·d)"),
        ("√d", "√d"),
        ("sqrt d", "√d"),
        ("sqrt2 n", "√2·n"),
        ("√(n d)", "√(n·d)"),
        ("√2 n", "√2·n"),
        ("N^(1/2)", "N^(1/2)"),
        ("N^-1", "N⁻¹"),
        ("N⁻¹", "N⁻¹"),
        ("N^½", "N^(1/2)"),
        ("⌈N/k⌉", "⌈N/k⌉"),
        ("ceil(N/k)", "⌈N/k⌉"),
        ("|N - D|", "|N − D|"),
        ("1e3N", "1000·N"),
        (".5N", "0.5·N"),
        ("-N D", "−N·D"),
        ("N - -D", "N − (−D)"),
        ("N--D", "N − (−D)"),
        ("Ｎ（Ｄ＋Ｍ）", "N·(D + M)"),
        ("𝑁²𝐷", "N²·D"),
        ("N\u00a0D", "N·D"),
        ("N\n+ D", "N + D"),
        (r"\frac{d}{N^2}", "d/N²"),
        (r"\frac12 N", "1/2·N"),
        (r"\frac{1}{2}N", "1/2·N"),
        (r"\sqrt{D}", "√D"),
        (r"\sqrt D", "√D"),
        (r"\sqrt[3]{D}", "D^(1/3)"),
        (r"N\cdot D\times M", "N·D·M"),
        (r"N \, D \quad M", "N·D·M"),
        (r"N^2\max(D, M)", "N²·max(D, M)"),
        (r"\max\{D, M\}", "max(D, M)"),
        (r"\operatorname{max}(D, M)", "max(D, M)"),
        (r"N\left(D+M\right)", "N·(D + M)"),
        (r"\bigl[D+M\bigr]N", "(D + M)·N"),
        (r"n\log n", "n·log(n)"),
        (r"\log_2 n", "log2(n)"),
        (r"\log_{2}(n)", "log2(n)"),
        (r"\log^2 n", "log(n)²"),
        (r"\log{n}", "log(n)"),
        (r"\mathrm{log}\,n", "log(n)"),
        (r"\lceil n/k \rceil", "⌈n/k⌉"),
        ("$N^2 D$", "N²·D"),
        ("$$N^2 D$$", "N²·D"),
        (r"\( N^2 D \)", "N²·D"),
    ],
)
def test_sizes(typed: str, shown: str) -> None:
    assert understood(typed, SIZES) == shown


@pytest.mark.parametrize(
    ("typed", "letter", "shown"),
    [
        ("O(N^2 max(D, M))", "O", "N²·max(D, M)"),
        ("O(n)", "O", "n"),
        ("O( n )", "O", "n"),
        ("O[n]", "O", "n"),
        ("Θ(n log n)", "Θ", "n·log(n)"),
        ("Theta(n log n)", "Θ", "n·log(n)"),
        ("theta(n)", "Θ", "n"),
        ("Ω(n)", "Ω", "n"),
        ("\u2126(n)", "Ω", "n"),
        ("Omega(n)", "Ω", "n"),
        ("o(n)", "o", "n"),
        ("ω(n)", "ω", "n"),
        ("𝒪(n)", "O", "n"),
        (r"\mathcal{O}(N^2)", "O", "N²"),
        (r"$\mathcal O(N^2)$", "O", "N²"),
        (r"\mathcal{O}\!\left(N^2\right)", "O", "N²"),
        (r"\Theta(n)", "Θ", "n"),
        (r"\Omega(n)", "Ω", "n"),
        (r"\omega(n)", "ω", "n"),
        ("big-O(n)", "O", "n"),
        ("Big O(n)", "O", "n"),
        ("big theta(n)", "Θ", "n"),
        ("big-omega(n)", "Ω", "n"),
        ("n", None, "n"),
    ],
)
def test_relation(typed: str, letter: str | None, shown: str) -> None:
    formula = read(typed, SIZES)
    assert formula.relation == letter
    assert show(formula.tree) == shown
    assert formula.text == typed


def test_declared_letters_are_no_relation() -> None:
    assert understood("O(N+1)", ("O", "N")) == "O·(N + 1)"
    assert understood("ω(k+1)", ("omega", "k")) == "ω·(k + 1)"
    assert read("ω(k+1)", ("omega", "k")).relation is None


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("2σ²‖μ‖² + dσ^4", "2·σ²·‖μ‖² + d·σ⁴"),
        ("2 sigma^2 ||mu||^2 + d sigma^4", "2·σ²·‖μ‖² + d·σ⁴"),
        (r"2\sigma^2\|\mu\|^2 + d\sigma^{4}", "2·σ²·‖μ‖² + d·σ⁴"),
        (r"2\sigma^2\lVert\mu\rVert_2^2", "2·σ²·‖μ‖₂²"),
        ("2*sigma**2*norm(mu)**2", "2·σ²·‖μ‖²"),
        ("dsigma^4", "d·σ⁴"),
        ("\u00b5", "μ"),
        ("σ_k² + sigma_k^2", "σ_k² + σ_k²"),
        (r"\sigma_k^2", "σ_k²"),
        ("exp(-|q-k|^2/(2σ^2))", "exp(−|q − k|²/(2·σ²))"),
        (r"e^{-\frac{\|q-k\|^2}{2\sigma^2}}", "e^(−‖q − k‖²/(2·σ²))"),
        ("(1-β^t)", "1 − β^t"),
        ("ηγ(1−β)", "η·γ·(1 − β)"),
        ("lam/(2*eta)", "lam/(2·η)"),
        ("λ/(2η)", "λ/(2·η)"),
        ("2πσ²", "2·π·σ²"),
        ("2 pi sigma^2", "2·π·σ²"),
        ("10000^(-2k/d)", "10000^(−2·k/d)"),
        ("|q||k|", "|q|·|k|"),
        ("‖q‖‖k‖", "‖q‖·‖k‖"),
        ("||q|| ||k||", "‖q‖·‖k‖"),
        ("|q-|k||", "abs(q − |k|)"),
        ("min(1, λ/σ_k²)", "min(1, λ/σ_k²)"),
    ],
)
def test_scalars(typed: str, shown: str) -> None:
    assert understood(typed, SCALARS) == shown


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("W2ᵀ(I − W2 W1)XXᵀ", "W₂ᵀ·(I − W₂·W₁)·X·Xᵀ"),
        ("W_2^T(I - W_2W_1)XX^T", "W₂ᵀ·(I − W₂·W₁)·X·Xᵀ"),
        ("W₂'(I-W₂W₁)XX'", "W₂ᵀ·(I − W₂·W₁)·X·Xᵀ"),
        (r"W_2^\top (I - W_2 W_1) X X^\top", "W₂ᵀ·(I − W₂·W₁)·X·Xᵀ"),
        (r"\mathbf{W}_2^{\top}\mathbf{X}", "W₂ᵀ·X"),
        (r"W_2^{\mathsf{T}}", "W₂ᵀ"),
        ("2*(W2@W1 - I)@X@X.T@W1.T", "2·(W₂ @ W₁ − I) @ X @ Xᵀ @ W₁ᵀ"),
        ("X^TX", "Xᵀ·X"),
        ("(W2W1)^T", "(W₂·W₁)ᵀ"),
        ("A^-1", "A⁻¹"),
        ("A⁻¹ᵀ", "A⁻¹ᵀ"),
        ("A⁻ᵀ", "A⁻¹ᵀ"),
        ("A^{-T}", "A⁻¹ᵀ"),
        ("inv(A)", "A⁻¹"),
        ("transpose(A)", "Aᵀ"),
        ("W1∘X", "W₁ ∘ X"),
        ("W1 .* X", "W₁ ∘ X"),
        (r"W_1 \odot X", "W₁ ∘ X"),
        ("‖X − W2W1X‖_F²", "‖X − W₂·W₁·X‖_F²"),
        (r"\|X - W_2W_1X\|^2_F", "‖X − W₂·W₁·X‖_F²"),
        ("tr(A)", "tr(A)"),
        ("Tr A", "tr(A)"),
        ("softmax_row(QK^T)V", "softmax_row(Q·Kᵀ)·V"),
        (r"\operatorname{softmax\_row}(QK^\top)V", "softmax_row(Q·Kᵀ)·V"),
    ],
)
def test_matrices(typed: str, shown: str) -> None:
    assert understood(typed, MATRICES) == shown


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("n d_model^2", "n·d_model²"),
        ("nd_model", "n·d_model"),
        ("d_{model}", "d_model"),
        (r"d_{\text{model}}", "d_model"),
        (r"d_\text{model} n", "d_model·n"),
        (r"d_{\mathrm{model}}d_k", "d_model·d_k"),
        ("dk", "d_k"),
        ("v_{t-1}", "v_{t-1}"),
        ("v_(t-1)", "v_{t-1}"),
        ("vₜ₋₁", "v_{t-1}"),
        (r"dtheta_t", "dtheta_t"),
    ],
)
def test_names_with_subscripts(typed: str, shown: str) -> None:
    assert understood(typed, LONG) == shown


def test_longest_name_wins() -> None:
    assert names_in(read("d_model", ("d", "d_model", "m")).tree) == {"d_model"}
    assert names_in(read("dk", ("d", "k", "d_k")).tree) == {"d", "k"}
    assert names_in(read("dmod", ("d", "dm", "mod")).tree) == {"d", "mod"}  # not dm, which leaves od over
    assert understood("tr", ("t", "r")) == "t·r"
    assert understood("tr(r)", ("t", "r")) == "tr(r)"
    assert understood("max", ("max",)) == "max"


def test_a_name_keeps_the_spelling_of_its_declaration() -> None:
    for declared in ("sigma", "σ"):
        for typed in ("sigma", "σ", r"\sigma", r"\boldsymbol{\sigma}"):
            assert read(typed, (declared,)).tree == Name(declared)
    for declared in ("W1", "W_1"):
        for typed in ("W1", "W_1", "W₁", "W_{1}", r"\mathbf{W}_1"):
            assert read(typed, (declared,)).tree == Name(declared)


def test_constants_unless_declared() -> None:
    assert understood("e", ()) == "e"
    assert read("e", ("e",)).tree == Name("e")
    assert read("π", ("pi",)).tree == Name("pi")
    assert read("2e3", ()).tree == Number(Fraction(2000))


def test_t_is_a_transpose_unless_declared() -> None:
    assert understood("X^T", ("X",)) == "Xᵀ"
    assert understood("X^T", ("X", "T")) == "X^T"
    assert understood("X^⊤", ("X", "T")) == "Xᵀ"
    assert understood("X.T", ("X", "T")) == "Xᵀ"


def test_names_that_look_alike_are_refused() -> None:
    with pytest.raises(ValueError, match="written alike"):
        read("W1", ("W1", "W_1"))
    with pytest.raises(ValueError, match="cannot be a name"):
        read("x", ("2x",))


def test_parts_know_where_they_stood() -> None:
    text = "  N² (D + \\sigma)"
    tree = read(text, ("N", "D", "sigma")).tree
    stood = {show(part): text[slice(*part.span)] for part in walk(tree)}
    assert stood == {
        "N²·(D + σ)": "N² (D + \\sigma)",
        "N²": "N²",
        "N": "N",
        "2": "²",
        "D + σ": "D + \\sigma",
        "D": "D",
        "σ": "\\sigma",
    }


def test_signs_of_a_product_do_not_count_but_are_known() -> None:
    typed, joined = read("N*D", SIZES).tree, read("N D", SIZES).tree
    assert typed == joined
    assert isinstance(typed, Product)
    assert isinstance(joined, Product)
    assert (typed.juxtaposed, joined.juxtaposed) == (False, True)


def test_precedence() -> None:
    n, d, two = Name("N"), Name("D"), read("2", ()).tree
    assert read("N+D*2", SIZES).tree == Sum(n, Product(d, two))
    assert read("N*D^2", SIZES).tree == Product(n, Power(d, two))
    assert read("(N*D)^2", SIZES).tree == Power(Product(n, d), two)
    assert read("N/D/2", SIZES).tree == read("(N/D)/2", SIZES).tree
    assert read("N-D-2", SIZES).tree == read("(N-D)-2", SIZES).tree
    assert read("-N^2", SIZES).tree == read("-(N^2)", SIZES).tree
