"""Attention by columns: limits in β, noise on a key, a longer key. E30 and E31."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.attention import softmax_attention
from engines.fields import BadData, read
from engines.key_changes import elongated_weights, key_noise_effect
from engines.parameters.key_changes import Elongate, Perturb
from engines.parameters.softargmax import Sweep
from engines.registry import draw, execute
from engines.run import Run
from engines.softargmax import column_attention, softargmax

RUN = Run(dtype=torch.float64, seed=3)


def test_columns_are_the_transpose_of_rows() -> None:
    Q, K, V = RUN.randn("Q", 8, 5), RUN.randn("K", 8, 6), RUN.randn("V", 3, 6)
    H = column_attention(Q, K, V, 1 / math.sqrt(8))
    assert H.shape == (3, 5)
    assert torch.allclose(H, softmax_attention(Q.T, K.T, V.T).T, rtol=1e-12, atol=1e-14)
    A = softargmax(K.T @ Q, 0.7)
    assert torch.allclose(A.sum(0), torch.ones(5).double())


def test_e30_the_sign_is_plus_and_beta_1_is_no_limit() -> None:
    z = torch.tensor([2.0, 1.0, 0.0, -1.0], dtype=torch.float64)
    assert [round(x, 3) for x in softargmax(z, 1.0).tolist()] == [0.644, 0.237, 0.087, 0.032]
    assert [round(x, 3) for x in softargmax(z, -1.0).tolist()] == [0.032, 0.087, 0.237, 0.644]
    assert softargmax(z, 30.0).tolist() == pytest.approx([1, 0, 0, 0], abs=1e-9)


def test_e30_uniform_weights_are_one_over_the_number_of_keys() -> None:
    """1/m, of six keys in eight dimensions, and not 1/d."""
    A = softargmax(RUN.randn("K", 8, 6).T @ RUN.randn("Q", 8, 5), 0.0)
    assert torch.allclose(A, torch.full((6, 5), 1 / 6).double())
    values = execute(
        Sweep(keys=((1.0, 2.0), (0.0, 1.0), (1.0, 1.0)), values=((1.0,), (2.0,), (6.0,)), query=(1.0, 2.0)),
        Run(dtype=torch.float64),
    ).values
    assert values["uniform_weight"] == pytest.approx(1 / 3)
    assert values["one_over_d"] == 0.5
    assert values["mean_output"].tolist() == [3]


def test_e30_beta_1_does_not_preserve_values() -> None:
    """With Q = K at β = 1 the output is far from V; rows do not add up to 1; β → ∞ preserves."""
    K, V = RUN.randn("K", 8, 6), RUN.randn("V", 3, 6)
    A = softargmax(K.T @ K, 1.0)
    assert float((V @ A - V).norm()) > 0.1
    assert float((A.sum(1) - 1).abs().max()) > 0.01
    K = K / K.norm(dim=0)
    assert torch.allclose(column_attention(K, K, V, 1e4), V)


def test_the_sweep_runs_from_the_mean_to_the_best_value() -> None:
    params = Sweep()
    values = execute(params, Run(dtype=torch.float64)).values
    scores = [sum(a * b for a, b in zip(key, params.query, strict=True)) for key in params.keys]
    assert values["scores"].tolist() == pytest.approx(scores)
    best = scores.index(max(scores))
    assert values["hard_output"].tolist() == pytest.approx(list(params.values[best]))
    assert values["argmin_output"].tolist() == list(params.values[scores.index(min(scores))])
    to_mean, to_hard = values["distance_to_mean"].tolist(), values["distance_to_hard"].tolist()
    assert to_mean[0] == pytest.approx(0, abs=1e-12)
    assert to_hard[-1] == pytest.approx(0, abs=1e-12)
    assert values["beta"] == values["convenient_beta"] == 0.5
    weights = [math.exp(0.5 * s) for s in scores]
    assert values["weights"].tolist() == pytest.approx([w / sum(weights) for w in weights])


def test_ties_share_the_weight_in_the_limit() -> None:
    params = Sweep(keys=((1.0,), (1.0,), (0.0,)), values=((2.0,), (4.0,), (9.0,)), query=(1.0,))
    assert execute(params, Run(dtype=torch.float64)).values["hard_output"].tolist() == [3]


# -- noise on a key


def test_the_linear_formula_is_the_derivative() -> None:
    Q, K, V, noise = RUN.randn("Q", 4, 3), RUN.randn("K", 4, 5), RUN.randn("V", 2, 5), RUN.randn("e", 4)

    def moved(t: torch.Tensor) -> torch.Tensor:
        step = torch.zeros_like(K)
        step[:, 1] = noise
        return column_attention(Q, K + t * step, V, 0.6)

    zero = torch.zeros((), dtype=torch.float64)
    want = torch.autograd.functional.jacobian(moved, zero)
    A, H = softargmax(K.T @ Q, 0.6), moved(zero)
    assert torch.allclose(key_noise_effect(A, Q, V, H, 1, noise, 0.6), want, rtol=1e-10, atol=1e-12)


def test_e31_noise_moves_the_output_both_ways_and_is_not_scaled_down() -> None:
    values = execute(Perturb(), Run(dtype=torch.float64, seed=1)).values
    assert values["sd_ratio"] == pytest.approx(1, abs=0.015)
    assert values["share_up"] == pytest.approx(0.5, abs=0.012)
    mean, error = values["mean_change"].tolist(), values["mean_change_error"].tolist()
    assert all(abs(m) < 4 * e + 1e-5 for m, e in zip(mean, error, strict=True))
    assert values["linear_error"] < 0.01
    for slip in ("sd_without_query", "sd_without_weight", "sd_without_output"):
        assert abs(values[slip].tolist() / values["predicted_sd"].tolist() - 1) > 0.1


def test_the_error_of_the_linear_formula_falls_with_sigma() -> None:
    small, large = (
        execute(Perturb(sigma=sigma, samples=4000), Run(dtype=torch.float64)).values["linear_error"]
        for sigma in (0.003, 0.03)
    )
    assert large / small == pytest.approx(10, rel=0.1)


def test_noise_that_no_query_sees_changes_nothing() -> None:
    values = execute(Perturb(query=(0.0,) * 4, samples=100), Run(dtype=torch.float64)).values
    assert values["sd_ratio"] is None
    assert values["measured_sd"].tolist() == 0


# -- a longer key


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 4), st.floats(0, 50), st.floats(0, 5), st.integers(0, 2**16))
def test_the_closed_form_of_a_longer_key(key: int, alpha: float, beta: float, seed: int) -> None:
    run = Run(dtype=torch.float64, seed=seed)
    Q, K = run.randn("Q", 4, 3), run.randn("K", 4, 5)
    longer = K.clone()
    longer[:, key] *= alpha
    want = softargmax(longer.T @ Q, beta)
    before = softargmax(K.T @ Q, beta)
    if float(before[key].min()) < 1e-9:
        return  # rounding of a weight near 0 is magnified by r
    found = elongated_weights(before, K[:, key] @ Q, key, alpha, beta)
    assert torch.allclose(found, want, rtol=1e-6, atol=1e-9)


def test_a_very_long_key_takes_all_or_nothing() -> None:
    Q = torch.tensor([[1.0, 0.0, -1.0]], dtype=torch.float64)
    K = torch.tensor([[2.0, 1.0]], dtype=torch.float64)
    before = softargmax(K.T @ Q, 1.0)
    after = elongated_weights(before, K[:, 0] @ Q, 0, 1e6, 1.0)
    assert after[0].tolist() == [1, 0.5, 0]
    assert after[1].tolist() == [0, 0.5, 1]


def test_e31_the_factor_is_not_alpha() -> None:
    """α = 3: 0.398 → 0.787 where dividing by α would give 0.133 and columns that add up to 0.49."""
    z, A = torch.tensor([2.44]).double(), torch.tensor([[0.398], [0.602]]).double()
    found = elongated_weights(A, z, 0, 3.0, 1 / math.sqrt(8))
    assert round(float(found[0]), 2) == 0.79
    values = execute(Elongate(), Run(dtype=torch.float64)).values
    before, after = values["weight_before"].tolist(), values["weight_after"].tolist()
    assert values["formula_error"].tolist() < 1e-12
    assert after == pytest.approx(before * values["ratio"] / (1 - before + before * values["ratio"]))
    assert abs(after - values["weight_divided_by_alpha"].tolist()) > 0.2
    assert values["slip_column_sum"].tolist() < 0.9
    total = sum(values["weights_after"].tolist())
    assert total == pytest.approx(1)


@pytest.mark.parametrize(("query", "alpha", "direction", "limit"), [
    ((1.0, 0.5, 2.0, -0.5), 3.0, "rises", 1.0),
    ((-1.0, 0.5, -2.0, -0.5), 3.0, "falls", 0.0),
    ((1.0, 0.5, 2.0, -0.5), 0.5, "falls", 1.0),
    ((1.0, 1.0, -1.0, 0.0), 3.0, "stays", None),
])  # fmt: skip
def test_the_sign_of_the_product_decides(
    query: tuple[float, ...], alpha: float, direction: str, limit: float | None
) -> None:
    values = execute(Elongate(query=query, alpha=alpha), Run(dtype=torch.float64)).values
    assert values["direction"] == direction
    before = values["weight_before"].tolist()
    assert values["limit"] == (before if limit is None else limit)
    if direction == "stays":
        assert values["weights_after"].tolist() == pytest.approx(values["weights_before"].tolist(), abs=1e-15)


# -- parameters and variants


@pytest.mark.parametrize("record", [Sweep, Perturb, Elongate])
def test_what_does_not_fit_is_refused(record: type[Sweep | Perturb | Elongate]) -> None:
    changes: list[dict[str, object]] = [{"keys": [[1, 2], [3]]}, {"values": [[1], [2]]}, {"values": [[], [], [], []]}]
    for change in changes:
        with pytest.raises(BadData):
            read(record, change)
    if record is not Sweep:
        with pytest.raises(BadData, match="is no key"):
            read(record, {"key": 4})


def test_variants_keep_to_their_constraints() -> None:
    rises = 0
    for seed in range(1, 101):
        longer, noisy, swept = (draw(f"softargmax.{name}", seed) for name in ("elongate", "perturb", "sweep"))
        assert isinstance(longer, Elongate)
        assert isinstance(noisy, Perturb)
        assert isinstance(swept, Sweep)
        key = longer.keys[longer.key]
        product = sum(a * b for a, b in zip(key, longer.query, strict=True))
        assert abs(product) >= 0.5
        rises += product > 0
        beta = 1 / math.sqrt(len(noisy.query)) if noisy.beta is None else noisy.beta
        assert noisy.sigma * beta * math.hypot(*noisy.query) <= 0.05
        products = [sum(a * b for a, b in zip(key, swept.query, strict=True)) for key in swept.keys]
        assert len(set(products)) == len(products)
    assert 35 <= rises <= 65
