"""Attention as identity, permutation and convolution, order, and Q = K. E18 and E33."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from engines.counting import Watch
from engines.fields import BadData, read
from engines.figures import Heatmap, Lines, Table
from engines.parameters.self_attention import Convolution, Permutation
from engines.parameters.token_symmetry import Equivariance, Identical
from engines.registry import draw, execute
from engines.run import Run
from engines.self_attention import (
    heads_as_convolution,
    is_permutation,
    offset_weights,
    permutation_keys,
)
from engines.softargmax import column_attention, softargmax
from engines.token_symmetry import diagonal_rule

F64 = torch.float64
RUN = Run(dtype=F64, seed=11)


def tensor(value: object) -> Tensor:
    return torch.tensor(value.tolist(), dtype=F64)  # type: ignore[attr-defined]


# -- identity and permutation


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(6)))
def test_a_head_copies_the_token_it_was_built_for(target: list[int]) -> None:
    keys = permutation_keys(torch.tensor(target), F64)
    C = RUN.randn("C", 3, 6)
    H = column_attention(torch.eye(6, dtype=F64), keys, C, 50.0)
    for i, source in enumerate(target):
        assert torch.allclose(H[:, i], C[:, source], atol=1e-12)


def test_the_weight_of_the_winner() -> None:
    for beta in (0.0, 1.0, 3.0):
        values = execute(Permutation(beta=beta, trials=100), Run(dtype=F64)).values
        assert values["winner_weight"].tolist() == pytest.approx(values["winner_formula"])
        assert values["winner_formula"] == pytest.approx(math.exp(beta) / (math.exp(beta) + 4))


def test_what_is_a_permutation() -> None:
    every = torch.stack([torch.eye(3)[list(order)] for order in itertools.permutations(range(3))])
    assert is_permutation(every).all()
    twice = torch.tensor([[0.9, 0.8, 0.0], [0.1, 0.1, 0.1], [0.0, 0.1, 0.9]])
    assert not is_permutation(twice)


def test_e33_a_large_beta_alone_is_not_enough() -> None:
    """Shares of random heads that permute: .0003 (8! / 8⁸ = .0024 if rows were fair), .568, 1."""
    values = execute(Permutation(trials=3000), Run(dtype=F64)).values
    assert values["share_random"] < 0.003
    assert values["share_identical"] == pytest.approx(0.568, abs=0.03)
    assert values["share_normalised"] == 1
    assert values["error"].tolist() < 1e-12
    assert values["is_permutation"]
    assert not values["is_identity"]
    wrong, right = tensor(values["inverse_output"]), tensor(values["wanted"])
    assert float((wrong - right).abs().max()) > 0.1


def test_the_identity() -> None:
    values = execute(Permutation(target=(0, 1, 2, 3), trials=100), Run(dtype=F64)).values
    assert values["is_identity"]
    assert values["keys"].tolist() == values["queries"].tolist()
    assert torch.allclose(tensor(values["output"]), tensor(values["tokens"]), atol=1e-12)
    with pytest.raises(BadData, match="each of 0 to 2 once"):
        read(Permutation, {"target": [0, 2, 2]})


# -- convolution


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([1, 3, 5, 7]), st.integers(1, 2), st.integers(1, 4), st.integers(1, 4), st.integers(0, 6))
def test_hard_heads_are_conv1d(taps: int, dilation: int, inputs: int, outputs: int, more: int) -> None:
    reach = (taps - 1) // 2 * dilation
    n = 2 * reach + 1 + more
    C, kernel = RUN.randn(f"C{inputs}", inputs, n), RUN.randn(f"k{taps}", outputs, inputs, taps)
    H = heads_as_convolution(C, kernel, dilation, 60.0)
    valid = F.conv1d(C[None], kernel, dilation=dilation)[0]
    assert torch.allclose(H[:, reach : n - reach], valid, atol=1e-12)
    circular = torch.nn.Conv1d(
        inputs, outputs, taps, dilation=dilation, padding=reach, padding_mode="circular", bias=False, dtype=F64
    )
    with torch.no_grad():
        circular.weight.copy_(kernel)
        assert torch.allclose(H, circular(C[None])[0], atol=1e-12)


def test_an_offset_looks_ahead() -> None:
    weights = offset_weights(5, 2, 60.0, torch.ones((), dtype=F64))
    assert weights.argmax(0).tolist() == [2, 3, 4, 0, 1]
    assert torch.allclose(weights.sum(0), torch.ones(5, dtype=F64))


def test_e33_one_soft_head_is_no_convolution_and_beta_0_no_linear_layer() -> None:
    """Three hard heads reach rounding; the best single soft head leaves .79 of the norm; at β = 0 all outputs agree."""
    values = execute(Convolution(), Run(dtype=F64)).values
    assert values["error_interior"] < 1e-13
    assert values["error_circular"] < 1e-13
    assert values["single_head_error"] == pytest.approx(0.79, abs=0.08)
    assert values["beta_0_spread"].tolist() < 1e-14
    assert values["offsets"] == [-1, 0, 1]
    assert values["name"] == "convolution"
    flipped = tensor(values["flipped"])
    assert float((flipped - tensor(values["convolution"])).abs().max()) > 0.1


def test_the_control_is_the_best_single_head() -> None:
    """The fit beats every other weight matrix near it, and equals the projection by the normal equations."""
    params = Convolution()
    run = Run(dtype=F64)
    kernel, many = run.randn("kernel", 5, 4, 3), run.randn("more tokens", 200, 4, 10)
    positions = torch.arange(10, dtype=F64)
    values = execute(params, Run(dtype=F64)).values
    A = softargmax(-((positions[:, None] - positions) ** 2), values["single_head_beta"])
    seen = (many @ A)[:, :, 1:-1].mT.flatten(0, 1)
    goal = F.conv1d(many, kernel).mT.flatten(0, 1)
    projected = seen @ torch.linalg.inv(seen.T @ seen) @ seen.T @ goal
    assert float((projected - goal).norm() / goal.norm()) == pytest.approx(values["single_head_error"], rel=1e-6)


def test_one_tap_is_a_1x1_convolution() -> None:
    """E33: identity attention, the same map everywhere."""
    result = execute(Convolution(kernel_size=1), Run(dtype=F64))
    assert result.values["name"] == "1x1 convolution"
    assert result.values["heads"] == 1
    kernel, C = tensor(result.values["kernel"]), tensor(result.values["tokens"])
    assert torch.allclose(tensor(result.values["output"]), kernel[:, :, 0] @ C, atol=1e-12)
    figure = result.figure("error")
    assert isinstance(figure, Lines)
    assert "One tap" in figure.caption


def test_figures_of_the_convolution() -> None:
    result = execute(Convolution(), Run(dtype=F64))
    errors, heads = result.figure("error"), result.figure("heads")
    assert isinstance(errors, Lines)
    assert isinstance(heads, Heatmap)
    hard, soft = (series.y.flat() for series in errors.series)
    assert min(hard) < 1e-13
    assert min(soft) > 0.5
    assert [round(x) for x in heads.matrix.tolist()[1]] == [3, 2, 1, 0, 0, 0, 0, 0, 0, 0]


def test_a_kernel_must_fit() -> None:
    with pytest.raises(BadData, match="at least 9"):
        read(Convolution, {"kernel_size": 5, "dilation": 2, "length": 8})


# -- order


def test_order_is_unknown_without_positions_or_mask() -> None:
    """004 1.3(b): equivariance to rounding; with positions or a causal mask it is gone."""
    result = execute(Equivariance(), Run(dtype=F64))
    assert result.values["plain"] < 1e-13
    assert result.values["with_positions"] > 0.1
    assert result.values["causal"] > 0.1
    assert isinstance(result.figure("orders"), Table)
    with pytest.raises(BadData):
        read(Equivariance, {"d_model": 9, "n_heads": 3})
    with pytest.raises(BadData):
        read(Equivariance, {"n_heads": 3})


# -- Q = K


@pytest.mark.parametrize(
    ("n", "d", "distribution", "want", "tolerance"),
    [
        (10, 4, "normal", 0.368, 0.05),
        (10, 16, "normal", 0.737, 0.05),
        (10, 64, "normal", 0.989, 0.01),
        (2000, 64, "normal", 0.475, 0.02),
        (10, 64, "uniform", 0.177, 0.01),
    ],
)
def test_e18_near_identity_only_for_large_d_and_mean_zero(
    n: int, d: int, distribution: str, want: float, tolerance: float
) -> None:
    draws = 2 if n > 100 else 60
    params = read(Identical, {"tokens": n, "dimension": d, "distribution": distribution, "draws": draws})
    values = execute(params, Run(seed=1)).values
    assert values["mean_diagonal"] == pytest.approx(want, abs=tolerance)
    assert values["near_identity"] == (want > 0.9)


def test_e18_the_other_scores_are_not_close_to_0() -> None:
    values = execute(Identical(tokens=400, draws=1), Run()).values
    assert values["off_diagonal_sd"].tolist() == pytest.approx(1.008, abs=0.03)
    assert values["diagonal_score"].tolist() == pytest.approx(8.1, abs=0.3)


def test_signs_have_a_score_of_root_d_exactly() -> None:
    values = execute(Identical(tokens=12, dimension=36, distribution="signs", draws=2), Run(dtype=F64)).values
    assert values["diagonal_score"].tolist() == pytest.approx(6)


def test_the_rule_of_thumb() -> None:
    for n, d, want in ((10, 4, 0.3324), (10, 16, 0.7863), (10, 64, 0.9950), (2000, 64, 0.4749)):
        assert diagonal_rule(n, d) == pytest.approx(want, abs=1e-4)
        direct = math.exp(math.sqrt(d)) / (math.exp(math.sqrt(d)) + (n - 1) * math.exp(0.5))
        assert diagonal_rule(n, d) == pytest.approx(direct)


def test_many_tokens_keep_to_what_is_announced() -> None:
    for params in (Identical(tokens=2048, dimension=64, draws=1), Identical(tokens=256, dimension=1024, draws=1)):
        with Watch() as watch:
            execute(params, Run())
        assert watch.peak_bytes <= params.peak_bytes(4)


def test_variants_keep_to_their_constraints() -> None:
    for seed in range(1, 101):
        shuffled = draw("self_attention.permutation", seed)
        assert isinstance(shuffled, Permutation)
        target = shuffled.target
        assert len(target) >= 3
        assert any(target[target[i]] != i for i in target)  # so that π and its inverse are told apart
        same = draw("self_attention.identical", seed)
        assert isinstance(same, Identical)
        ratio = math.exp(math.sqrt(same.dimension)) / same.tokens
        assert ratio >= 5 or ratio <= 1 / 5
        convolved = draw("self_attention.convolution", seed)
        assert isinstance(convolved, Convolution)
        assert convolved.beta >= 50
        assert convolved.length > 2 * convolved.reach + 2
