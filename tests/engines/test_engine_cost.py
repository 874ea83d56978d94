"""Kernel attention and what attention costs: features, exact counts, and fits that refuse what is no polynomial."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from engines.attention import softmax_attention
from engines.complexity import Polynomial, cost_at
from engines.counting import count, evaluate, fit_polynomial, leading_terms, show_class, slope
from engines.fields import BadData, read
from engines.figures import Lines, Table
from engines.kernel_attention import (
    kernel_attention,
    polynomial_features,
    quadratic_kernel_attention,
    recomputing_kernel_attention,
)
from engines.parameters.complexity import AttentionCost
from engines.registry import draw, execute
from engines.result import Result
from engines.run import Run


def random(name: str, *shape: int) -> Tensor:
    return Run(dtype=torch.float64, seed=5).randn(name, *shape)


def inputs(n: int, length: int, d: int, m: int) -> tuple[Tensor, Tensor, Tensor]:
    """Of positive entries, so that no sum of kernels is near zero."""
    return random("q", n, d).abs(), random("k", length, d).abs(), random("v", length, m)


# -- the feature map


@pytest.mark.parametrize("degree", [1, 2, 3])
@pytest.mark.parametrize("d", [1, 2, 3, 8, 16])
def test_the_feature_map_multiplies_out_the_kernel(d: int, degree: int) -> None:
    if degree == 3 and d == 16:
        d = 7  # 816 features are enough
    q, k = random("q", 9, d), random("k", 11, d)
    fq, fk = polynomial_features(q, degree), polynomial_features(k, degree)
    want = ((q.unsqueeze(1) * k.unsqueeze(0)).sum(-1) + 1) ** degree
    assert torch.allclose(fq @ fk.T, want, rtol=1e-11, atol=1e-11)
    sizes = {1: d + 1, 2: (d + 1) * (d + 2) // 2, 3: (d + 1) * (d + 2) * (d + 3) // 6}
    assert fq.shape == (9, sizes[degree])


def test_the_quadratic_features_are_the_sheets() -> None:
    x, y = 0.7, -1.3
    found = sorted(polynomial_features(torch.tensor([[x, y]], dtype=torch.float64)).flatten().tolist())
    root = math.sqrt(2)
    assert found == pytest.approx(sorted([1, root * x, root * y, x * x, y * y, root * x * y]))


# -- kernel attention in three forms


@pytest.mark.parametrize("degree", [1, 2, 3])
@pytest.mark.parametrize(("n", "length", "d", "m"), [(5, 7, 3, 2), (1, 1, 1, 1), (130, 70, 2, 4), (64, 129, 2, 1)])
def test_three_forms_of_one_attention(n: int, length: int, d: int, m: int, degree: int) -> None:
    q, k, v = inputs(n, length, d, m)
    weights = torch.tensor([[(float(a @ b) + 1) ** degree for b in k] for a in q], dtype=torch.float64)
    want = weights @ v / weights.sum(1, keepdim=True)
    for form in (kernel_attention, quadratic_kernel_attention, recomputing_kernel_attention):
        assert torch.allclose(form(q, k, v, degree), want, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_gradients_of_the_recomputing_form(degree: int) -> None:
    q, k, v = inputs(70, 66, 2, 3)  # more than a block of each
    weights = random("w", 70, 3)
    found = []
    for form in (quadratic_kernel_attention, recomputing_kernel_attention):
        a, b, c = (tensor.clone().requires_grad_() for tensor in (q, k, v))
        found.append(torch.autograd.grad((form(a, b, c, degree) * weights).sum(), (a, b, c)))
    for want, got in zip(*found, strict=True):
        assert torch.allclose(got, want, rtol=1e-9, atol=1e-10)


def test_gradients_agree_with_differences() -> None:
    small = [tensor.requires_grad_() for tensor in inputs(3, 4, 2, 2)]
    assert torch.autograd.gradcheck(lambda q, k, v: recomputing_kernel_attention(q, k, v, 2), small)


# -- counting


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("n", "d", "m"), [(256, 16, 16), (64, 16, 16), (32, 8, 4), (5, 3, 2), (7, 1, 1)])
def test_softmax_attention_is_counted_to_the_unit(n: int, d: int, m: int, dtype: torch.dtype) -> None:
    cost = cost_at(softmax_attention, (n, d, m), Run(dtype=dtype))
    assert cost.operations == n * n * d + n * n * m + 2 * n * n
    assert cost.kept == n * n + 2 * n * d + 2 * n * m
    size = torch.empty((), dtype=dtype).element_size()
    assert cost.peak_bytes >= size * cost.kept


def test_what_autograd_itself_keeps_is_what_is_counted() -> None:
    """Inputs and weights are saved, each storage once: 77 824 numbers at N = 256. The output is there besides."""
    n, d, m = 256, 16, 16
    saved: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        saved[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    q, k, v = (tensor.requires_grad_() for tensor in inputs(n, n, d, m))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = softmax_attention(q, k, v)
    assert sum(tensor.numel() for tensor in saved.values()) == n * n + 2 * n * d + n * m == 77_824
    assert count(softmax_attention, q, k, v).kept == 77_824 + output.numel()


def test_single_operations() -> None:
    a, b, c = random("a", 4, 5), random("b", 5, 6), random("c", 4, 6)
    assert count(lambda x, y: x @ y, a, b).operations == 4 * 5 * 6
    assert count(lambda x: x.T, a).operations == 0
    assert count(lambda x: x.reshape(2, 10), a).operations == 0
    assert count(lambda x: x.exp(), a).operations == 20
    assert count(lambda x: x.sum(), a).operations == 20
    assert count(lambda x: x.sum(0), a).operations == 20
    assert count(torch.addmm, c, a, b).operations == 4 * 5 * 6
    assert count(lambda x, y: torch.bmm(x[None], y[None])[0], a, b).operations == 4 * 5 * 6
    assert count(lambda x, y: x @ y, a, b[:, 0]).operations == 4 * 5


def test_a_storage_is_kept_once() -> None:
    a = random("a", 4, 5)
    assert count(lambda x: x * x, a).kept == 20 + 20
    assert count(lambda x: x.T * 2, a).kept == 20 + 20  # the factor 2 needs nothing
    assert count(lambda x: x.exp(), a).kept == 20 + 20  # its output is what it keeps


def test_the_peak_holds_what_is_alive_at_once() -> None:
    a = random("a", 100)

    def one_after_another(x: Tensor) -> Tensor:
        with torch.no_grad():
            for _ in range(5):
                x = x + 1
        return x

    assert count(one_after_another, a).peak_bytes == 3 * 100 * 8  # the input, one old and one new
    assert count(lambda x: x + (x + 1) + (x + 2), a).peak_bytes >= 4 * 100 * 8


# -- fitting


coefficients = st.dictionaries(
    st.tuples(st.integers(0, 2), st.integers(0, 3)),
    st.fractions(-5, 5, max_denominator=6).filter(bool),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(coefficients)
def test_a_polynomial_is_found_exactly(polynomial: dict[tuple[int, ...], Fraction]) -> None:
    def scaled(sizes: tuple[int, ...]) -> int:
        value = 60 * sum(c * Fraction(sizes[0]) ** e[0] * sizes[1] ** e[1] for e, c in polynomial.items())
        return int(value)

    assert fit_polynomial(scaled, (2, 3)) == {e: 60 * c for e, c in polynomial.items()}


@pytest.mark.parametrize(
    "measure",
    [
        lambda sizes: 2 ** sizes[0],
        lambda sizes: sizes[0] ** 3,
        lambda sizes: math.ceil(math.log2(sizes[0])),
        lambda sizes: sizes[0] // 2,
        lambda sizes: max(sizes[0], 5),
        lambda sizes: 1 if sizes[0] > 5 else 0,
    ],
)
def test_what_is_no_polynomial_is_refused(measure: Any) -> None:
    with pytest.raises(ValueError, match="no polynomial"):
        fit_polynomial(measure, (2,))


def test_leading_terms_and_classes() -> None:
    polynomial: Polynomial = {
        (2, 1, 0): Fraction(1),
        (2, 0, 1): Fraction(3),
        (2, 0, 0): Fraction(2),
        (1, 1, 1): Fraction(-1),
    }
    assert evaluate(polynomial, (2, 3, 5)) == 4 * 3 + 3 * 4 * 5 + 2 * 4 - 2 * 3 * 5
    assert leading_terms({(2, 1): Fraction(1), (2, 0): Fraction(2), (0, 2): Fraction(1)}) == [(2, 1), (0, 2)]
    assert show_class({(2, 1, 0): Fraction(1), (2, 0, 1): Fraction(3), (1, 0, 0): Fraction(9)}, ("N", "D", "M")) == (
        "N^2*D + N^2*M"
    )
    assert show_class({(0,): Fraction(7)}, ("N",)) == "1"
    with pytest.raises(ValueError, match="negative"):
        leading_terms({(2,): Fraction(-1), (1,): Fraction(5)})


@settings(max_examples=40, deadline=None)
@given(st.floats(-3, 3), st.floats(0.1, 10))
def test_the_slope_of_a_power(exponent: float, factor: float) -> None:
    x = [2.0, 5.0, 9.0, 30.0]
    assert slope(x, [factor * value**exponent for value in x]) == pytest.approx(exponent, abs=1e-9)


# -- the experiment


@pytest.fixture(scope="module")
def published() -> Result:
    return execute(AttentionCost(longest=256), Run())


def test_the_published_classes(published: Result) -> None:
    values = published.values
    assert values["softmax_time"] == "N^2*D + N^2*M"
    assert set(values["softmax_space"].split(" + ")) == {"N^2", "N*D", "N*M"}
    assert values["linear_time"] == "N*D^2*M"
    assert set(values["linear_space"].split(" + ")) == {"N*D", "N*M", "D^2*M"}
    assert set(values["linear_space_kept"].split(" + ")) == {"N*D^2", "N*M", "D^2*M"}
    assert values["letters"] == ["N", "D", "M"]


def test_the_polynomial_is_shown_with_all_its_terms(published: Result) -> None:
    table = published.figure("polynomials")
    assert isinstance(table, Table)
    rows = {row[0]: row[2] for row in table.rows}
    assert rows["softmax time"] == "N^2 D + N^2 M + 2 N^2"
    assert rows["softmax space"] == "N^2 + 2 N D + 2 N M"


@pytest.mark.parametrize("seed", range(1, 25))
def test_every_variant_costs_what_its_formula_says(seed: int) -> None:
    """Classes of all variants, from the shapes of the products alone."""
    params = draw("complexity.attention", seed)
    assert isinstance(params, AttentionCost)
    n, *_, d, m = params.letters
    keys = params.letters[1] if params.keys == "cross" else n
    pairs = f"{n}^2" if keys == n else f"{n}*{keys}"
    features = d if params.degree == 1 else f"{d}^{params.degree}"
    values = execute(params, Run()).values
    assert set(values["softmax_time"].split(" + ")) == {f"{pairs}*{d}", f"{pairs}*{m}"}
    both = {n, keys}
    assert set(values["linear_time"].split(" + ")) == {f"{length}*{features}*{m}" for length in both}
    assert pairs in values["softmax_space"].split(" + ")
    assert f"{features}*{m}" in values["linear_space"].split(" + ")


def test_what_was_measured_grows_with_the_exponents_that_were_counted(published: Result) -> None:
    for question, exponent in (("softmax_time", 2), ("linear_time", 1)):
        measured = published.values[f"measured_{question}"]
        sizes = [point["N"] for point in measured["points"]]
        assert slope(sizes[-2:], measured["counts"][-2:]) == pytest.approx(exponent, abs=0.1)
    figure = published.figure("operations")
    assert isinstance(figure, Lines)
    assert [series.label.partition(",")[0] for series in figure.series] == ["softmax", "linear"]


def test_letters_must_differ() -> None:
    with pytest.raises(BadData, match="must all differ"):
        read(AttentionCost, {"width_letter": "N"})
    assert read(AttentionCost, {"keys_letter": "N"}).letters == ("N", "D", "M")
    with pytest.raises(BadData, match="must all differ"):
        read(AttentionCost, {"keys": "cross", "keys_letter": "N"})
    for seed in range(1, 301):
        params = draw("complexity.attention", seed)
        assert isinstance(params, AttentionCost)
        assert len(set(params.letters)) == len(params.letters)
        assert not {"Q", "K", "V", "C", "O", "e", "i", "j"} & set(params.letters)  # taken in the text, or in formulas
