"""Similarity functions and their denominators, the polynomial kernel in rows, separable attention."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from engines import kernel_attention as module
from engines.arrays import Array
from engines.attention import softmax_attention
from engines.counting import Watch
from engines.fields import BadData
from engines.kernel_attention import (
    feature_rows,
    feature_rows_gradient,
    kernel_attention,
    polynomial_features,
    product_names,
    quadratic_kernel_attention,
    recomputing_kernel_attention,
)
from engines.parameters.kernel_attention import Quadratic
from engines.parameters.separable_attention import Separable
from engines.parameters.similarities import ALL, Denominator
from engines.registry import draw, execute
from engines.run import Run
from engines.separable_attention import (
    dav_attention,
    fit_identity,
    identity_on_a_circle,
    log_rank,
    separable_attention,
    separable_attention_slow,
    separable_map,
)
from engines.similarities import (
    elu,
    exponential,
    fourier,
    linear,
    quadratic,
    relu,
    search_zero,
    similarity_attention,
    two_values,
)


def random(name: str, *shape: int) -> Tensor:
    return Run(dtype=torch.float64, seed=8).randn(name, *shape)


def as_tensor(array: Array) -> Tensor:
    return torch.tensor(array.flat(), dtype=torch.float64).view(array.shape)


# -- similarities, erratum E12


def test_exp_makes_softmax_attention() -> None:
    q, k, v = random("q", 2, 5, 4), random("k", 2, 7, 4), random("v", 2, 7, 3)
    assert torch.allclose(similarity_attention(exponential, q, k, v), softmax_attention(q, k, v))
    want = F.scaled_dot_product_attention(q, k, v)
    assert torch.allclose(similarity_attention(exponential, q, k, v), want)


def test_each_similarity_is_its_formula() -> None:
    q, k = random("q", 3, 2), random("k", 4, 2)
    products = torch.tensor([[float(a @ b) for b in k] for a in q], dtype=torch.float64)
    assert torch.allclose(linear(q, k), products)
    assert torch.allclose(quadratic(q, k), (products + 1) ** 2)
    assert torch.allclose(elu(q, k), (F.elu(q) + 1) @ (F.elu(k) + 1).T)
    assert torch.allclose(relu(q, k), F.relu(q) @ F.relu(k).T)
    assert torch.equal(two_values(q, k) > 0, products >= 0)
    directions = random("w", 5, 2)
    differences = q.unsqueeze(1) - k
    assert torch.allclose(fourier(directions)(q, k), (differences @ directions.T).cos().mean(-1))


def test_e12_never_negative_is_not_enough() -> None:
    """The sheet's own quadratic kernel is 0 at q·k = −1, a ReLU feature map where no entry is positive in both."""
    q, k, v = (torch.tensor([x], dtype=torch.float64) for x in ([1.0, 0.0], [-1.0, 5.0], [1.0]))
    for sim in (quadratic, relu):
        assert float(sim(q, k).sum()) == 0
        assert similarity_attention(sim, q, k, v).isnan().all()


def test_e12_one_sign_is_not_needed() -> None:
    """a − b√2 is 0 for whole a, b only if both are; the smallest one with up to 50 of each is 0.0122."""
    sums = [abs(a - b * math.sqrt(2)) for a in range(51) for b in range(51) if a or b]
    assert min(sums) == pytest.approx(0.012193308819760773)
    found = execute(Denominator(tries=300, steps=40), Run(dtype=torch.float64)).values
    assert "two values" in found["both_signs"]
    assert "two values" in found["safe"]


def test_e12_mixed_signs_leave_the_hull() -> None:
    generator = torch.Generator().manual_seed(3)
    q, k = (torch.randn(n, 4, generator=generator, dtype=torch.float64) for n in (4000, 8))
    v = torch.rand(8, 1, generator=generator, dtype=torch.float64) * 2 - 1
    assert similarity_attention(linear, q, k, v).abs().max() > 100
    for sim in (quadratic, exponential, elu):
        assert similarity_attention(sim, q, k, v).abs().max() <= 1


@pytest.mark.parametrize("width", [1, 2, 4])
@pytest.mark.parametrize("keys", [1, 2, 5])
def test_the_search_finds_a_zero_where_there_is_one_and_none_elsewhere(width: int, keys: int) -> None:
    found = execute(Denominator(width=width, keys=keys, tries=400, steps=150), Run(dtype=torch.float64, seed=1)).values
    assert set(found["vanishing"]) >= {"quadratic", "linear", "relu"}
    assert {"exp", "elu", "two values"} <= set(found["safe"])
    for name, sim in (("quadratic", quadratic), ("linear", linear), ("relu", relu)):
        q, k = (as_tensor(found[f"witness_{x}"][name]) for x in "qk")
        assert abs(float(sim(q.unsqueeze(0), k).sum())) < 1e-10
        assert q.abs().max() <= 2
        assert k.abs().max() <= 2


def test_a_search_stays_in_its_cube() -> None:
    search = search_zero(exponential, random("q", 20, 1, 3).clamp(-1, 1), random("k", 20, 2, 3).clamp(-1, 1), 1.0, 300)
    assert search.denominator == pytest.approx(2 * math.exp(-math.sqrt(3)), rel=1e-3)  # its corner


def test_draws_include_one_that_is_never_negative_and_yet_vanishes() -> None:
    for seed in range(1, 60):
        params = draw("kernel_attention.denominator", seed)
        assert isinstance(params, Denominator)
        assert {"quadratic", "relu"} & set(params.similarities)
        assert set(params.similarities) <= set(ALL)
    with pytest.raises(BadData, match="at most once"):
        Denominator(similarities=("exp", "exp"))


# -- the polynomial kernel


@pytest.mark.parametrize("degree", [1, 2, 3, 4])
@pytest.mark.parametrize("width", [1, 2, 5])
def test_rows_are_the_columns_without_their_weights(width: int, degree: int) -> None:
    x = random("x", 6, width)
    rows = feature_rows(torch.cat([torch.ones(1, 6, dtype=x.dtype), x.T]), degree)
    assert len(rows) == degree
    weights = torch.tensor(module._orderings(width + 1, degree), dtype=x.dtype)
    assert torch.allclose(rows[-1].T * weights.sqrt(), polynomial_features(x, degree))
    assert weights.sum() == (width + 1) ** degree  # every ordered product once


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_the_gradient_of_rows_is_autograds(degree: int) -> None:
    x = random("x", 4, 5).requires_grad_()
    extended = torch.cat([torch.ones(1, 5, dtype=x.dtype), x])
    columns = polynomial_features(x.T, degree)
    weights = torch.tensor(module._orderings(5, degree), dtype=x.dtype).sqrt()
    upstream = random("g", columns.shape[1], 5)
    (want,) = torch.autograd.grad(((columns / weights).T * upstream).sum(), x)
    assert torch.allclose(feature_rows_gradient(feature_rows(extended.detach(), degree), upstream)[1:], want)


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 40),
    length=st.integers(1, 40),
    d=st.integers(1, 4),
    m=st.integers(1, 3),
    degree=st.integers(1, 3),
    constant=st.sampled_from([0.0, 0.5, 1.0, 3.0]),
)
def test_rows_in_blocks_are_the_definition(n: int, length: int, d: int, m: int, degree: int, constant: float) -> None:
    found = []
    for form in (quadratic_kernel_attention, kernel_attention, recomputing_kernel_attention):
        q = (random("q", n, d).abs() + 0.1).requires_grad_()
        k = (random("k", length, d).abs() + 0.1).requires_grad_()
        v = random("v", length, m).requires_grad_()
        output = form(q, k, v, degree, constant)
        found.append([output, *torch.autograd.grad((output * random("w", n, m)).sum(), (q, k, v))])
    for other in found[1:]:
        for want, got in zip(found[0], other, strict=True):
            assert torch.allclose(got, want, rtol=1e-7, atol=1e-9)


def test_several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WORKING_SET", 1)  # blocks of the least size, 128
    q, k, v = random("q", 300, 3).abs(), random("k", 257, 3).abs(), random("v", 257, 2)
    leaves = (q.requires_grad_(), k.requires_grad_(), v.requires_grad_())
    results = [
        torch.autograd.grad(form(*leaves).square().sum(), leaves)
        for form in (quadratic_kernel_attention, recomputing_kernel_attention)
    ]
    for want, got in zip(*results, strict=True):
        assert torch.allclose(got, want, rtol=1e-8)


def test_the_peak_of_rows_does_not_grow_with_the_features_of_all_positions() -> None:
    peaks = []
    for n in (8192, 16384):
        q, k, v = (Run().randn(f"{name}{n}", n, 16).abs() for name in "qkv")
        with torch.no_grad(), Watch((q, k, v)) as watch:
            recomputing_kernel_attention(q, k, v)
        peaks.append(watch.peak_bytes)
    assert peaks[0] < 8192 * 153 * 4 * 2  # all features of queries and keys
    assert peaks[1] - peaks[0] <= 8192 * 16 * 4 * 8  # a few rows of the inputs' size


def test_a_number_that_is_none_reaches_all_outputs() -> None:
    q, k, v = random("q", 5, 2).abs(), random("k", 6, 2).abs(), random("v", 6, 1)
    k[3, 0] = float("nan")
    assert recomputing_kernel_attention(q, k, v).isnan().all()  # every query sees every key


@pytest.mark.parametrize("seed", range(1, 20))
def test_the_small_example_of_every_variant(seed: int) -> None:
    params = draw("kernel_attention.quadratic", seed)
    assert isinstance(params, Quadratic)
    values = execute(params, Run(dtype=torch.float64)).values
    inner = sum(a * b for a, b in zip(params.query, params.key, strict=True))
    assert values["kernel"] == pytest.approx((inner + params.constant) ** params.degree)
    assert values["inner_product"] == pytest.approx(values["kernel"])
    assert values["kernel_error"] < 1e-12
    assert max(values["factored_error"], values["rows_error"]) < 1e-10
    wrong = [values[name] for name in ("kernel_without_constant", "kernel_degree_one", "inner_product_without_roots")]
    assert all(abs(value - values["kernel"]) > 1e-6 for value in wrong)
    assert values["size"] == len(values["products"]) < values["size_redundant"]


def test_sizes_and_names_of_the_sheet() -> None:
    """C = 3, 6, 10, 45, 153 for D = 1, 2, 3, 8, 16; the redundant map of all ordered products has (D + 1)²."""
    sizes = [Quadratic(width=d).features for d in (1, 2, 3, 8, 16)]
    assert sizes == [3, 6, 10, 45, 153]
    assert product_names(2, 2) == ["1", "√2 x1", "√2 x2", "x1^2", "√2 x1 x2", "x2^2"]
    assert product_names(1, 2, 0.0)[-1] == "x1^2"
    values = execute(Quadratic(longest=512), Run()).values
    assert values["crossover_model"] == 153
    assert 140 < values["crossover_counted"] < 220


def test_e16_an_output_is_a_row_like_the_values() -> None:
    """In (9) V' is written as a column and in (11) as a row: here outputs are rows in every form."""
    q, k, v = random("q", 4, 2).abs(), random("k", 3, 2).abs(), random("v", 3, 5)
    for form in (quadratic_kernel_attention, kernel_attention, recomputing_kernel_attention):
        assert form(q, k, v).shape == (4, 5)


def test_e13_the_kernel_takes_queries_and_keys_and_the_position_itself_counts() -> None:
    """Kernels act on queries and keys in D dimensions, not on inputs in F, and a position attends to itself too."""
    q, k, v = random("q", 3, 2).abs(), random("k", 3, 2).abs(), torch.eye(3, dtype=torch.float64)
    weights = kernel_attention(q, k, v)
    assert torch.allclose(weights.sum(1), torch.ones(3, dtype=torch.float64))
    assert (weights.diagonal() > 0).all()


# -- separable attention


@pytest.mark.parametrize("scale", [1.0, 5.0])
def test_rows_are_distributions_and_the_rank_is_d(scale: float) -> None:
    q, k = random("q", 24, 4) * scale, random("k", 24, 4) * scale
    weights = separable_map(q, k)
    assert (weights > 0).all()
    assert torch.allclose(weights.sum(1), torch.ones(24, dtype=torch.float64), atol=1e-14)
    assert int(torch.linalg.matrix_rank(weights)) == 4
    assert int(torch.linalg.matrix_rank((q @ k.T).softmax(1))) > 4


def test_the_order_changes_the_cost_and_nothing_else() -> None:
    q, k, v = random("q", 50, 3), random("k", 50, 3), random("v", 50, 3)
    found = {}
    for form in (separable_attention, separable_attention_slow):
        with Watch() as watch:
            output = form(q, k, v)
        found[form] = (output, watch.operations)
    assert torch.allclose(found[separable_attention][0], found[separable_attention_slow][0], atol=1e-14)
    assert found[separable_attention][1] == 2 * 50 * 3 * 3 + 2 * 50 * 3
    assert found[separable_attention_slow][1] == 2 * 50 * 50 * 3 + 2 * 50 * 3


def test_dav_is_softmax_attention() -> None:
    q, k, v = random("q", 9, 4), random("k", 9, 4), random("v", 9, 2)
    assert torch.allclose(dav_attention(q, k, v), softmax_attention(q, k, v, scale=1.0), atol=1e-14)
    assert dav_attention(q * 100, k * 100, v).isnan().any()  # written as it stands it overflows
    assert softmax_attention(q * 100, k * 100, v, scale=1.0).isfinite().all()


def test_e23_neither_family_contains_the_other() -> None:
    """Separable maps have rank d at most; but the logarithms of an 8 × 8 one with d = 2 have rank 7, a head's 2."""
    q, k = 2 * random("q", 8, 2), 2 * random("k", 8, 2)
    assert log_rank(separable_map(q, k), 1e-12) == 7
    assert log_rank((q @ k.T).softmax(1)) <= 2
    sharp = identity_on_a_circle(24, 3000.0, q)
    assert float((sharp - torch.eye(24)).square().sum()) < 1e-20


def test_the_fit_to_the_identity_reaches_the_bound_of_eckart_and_young() -> None:
    losses = list(fit_identity(random("q", 12, 2), random("k", 12, 2), 500))
    assert len(losses) == 501
    assert min(losses) >= 10 - 1e-9
    assert losses[-1] < 10.05


def test_the_experiment_on_separable_attention() -> None:
    values = execute(Separable(length=16, width=3, steps=300, longest=128), Run(dtype=torch.float64)).values
    assert values["row_sum_error"] < 1e-14
    assert (values["rank"], values["rank_softmax"]) == (3, 16)
    assert values["identity_bound"] == 13 <= values["identity_distance"] < 13.3
    assert values["identity_distance_softmax"] < 1e-20
    assert values["dav_error"] < 1e-13
    assert values["log_rank"] > 3 >= values["log_rank_softmax"]
    with pytest.raises(BadData, match="not less than"):
        Separable(length=4, width=4)


def test_no_run_takes_more_memory_than_it_announces() -> None:
    for params in (
        Quadratic(longest=1024, width=16),
        Quadratic(longest=256, width=28, degree=3),
        Separable(longest=1024, steps=10),
    ):
        dtype = torch.float64 if isinstance(params, Separable) else torch.float32
        with Watch() as watch:
            execute(params, Run(dtype=dtype))
        assert watch.peak_bytes <= params.peak_bytes(dtype.itemsize)
    with pytest.raises(BadData, match="features"):
        Quadratic(width=64, degree=3)
