"""Weight decay against the L2 penalty: equal under SGD, different under Adam."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from engines.fields import BadData, read
from engines.parameters.weight_decay import Decay
from engines.registry import draw, execute
from engines.run import Run


def values_of(params: Any) -> dict[str, Any]:
    return execute(params, Run(dtype=torch.float64)).values


@pytest.fixture(scope="module")
def published() -> dict[str, Any]:
    return values_of(Decay())


def test_under_sgd_both_are_the_same(published: dict[str, Any]) -> None:
    assert published["lambda_for_sgd"] == pytest.approx(2 * 0.1 * 1e-3)
    assert published["sgd_difference"] < 1e-14


def test_under_adam_l2_spares_the_weights_with_large_gradients(published: dict[str, Any]) -> None:
    assert published["l2_small"] == pytest.approx(0.454, abs=0.02)
    assert published["l2_large"] == pytest.approx(0.993, abs=0.02)
    assert published["more_regularised"] == "small"
    predicted = published["predicted"]
    assert predicted["L2, small gradients"] == pytest.approx(math.exp(-4000e-3 * 2e-3 / 0.01))
    for name, share in published["left"].items():
        assert share == pytest.approx(predicted[name], abs=0.02), name


def test_decoupled_decay_takes_the_same_share_of_all(published: dict[str, Any]) -> None:
    assert published["decay_small"] == pytest.approx(0.671, abs=0.015)
    assert published["decay_small"] == pytest.approx(published["decay_large"], abs=1e-4)


def test_e41_the_factor_is_one_minus_lambda() -> None:
    weight = torch.ones(1, dtype=torch.float64, requires_grad=True)
    weight.grad = torch.zeros_like(weight)
    torch.optim.AdamW([weight], lr=0.1, weight_decay=0.3).step()
    assert weight.item() == pytest.approx(1 - 0.1 * 0.3)  # the sheet's λ is lr · weight_decay
    found = values_of(Decay(decay=0.01, steps=100, copies=400, step_size=1e-5))
    assert found["decay_large"] == pytest.approx(0.99**100, abs=1e-3)
    assert found["decay_large"] > 100 * 0.01**2


def test_e42_where_the_penalty_rules_its_size_no_longer_counts(published: dict[str, Any]) -> None:
    assert published["hidden_regime"] == pytest.approx([0.561] * 3, abs=2e-3)
    assert max(published["hidden_regime"]) - min(published["hidden_regime"]) < 1e-3


def test_small_gradients_are_the_smaller_ones() -> None:
    with pytest.raises(BadData, match="not below 'large'"):
        read(Decay, {"small": 2.0})


def test_variants_stay_out_of_the_other_regime() -> None:
    for seed in range(1, 60):
        params = draw("weight_decay.groups", seed)
        assert isinstance(params, Decay)
        assert 2 * params.gamma < params.small / 3
