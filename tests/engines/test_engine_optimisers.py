"""Momentum, running averages and Adam against torch.optim, closed forms and each other."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.optimisers import (
    Adam,
    average_bias,
    average_variance,
    average_weights,
    momentum_updates,
    running_averages,
)
from engines.parameters.optimisers import Bias, Momentum
from engines.registry import draw, execute
from engines.run import Run

RUN = Run(dtype=torch.float64, seed=3)


def values_of(params: Any) -> dict[str, Any]:
    return execute(params, Run(dtype=torch.float64)).values


betas = st.floats(0.0, 0.999)


@settings(max_examples=50, deadline=None)
@given(betas, st.floats(1e-4, 5.0), st.integers(1, 60))
def test_momentum_is_a_running_average_under_another_name(beta: float, delta: float, t: int) -> None:
    g = RUN.randn("g", t, 3)
    updates = momentum_updates(g, beta, delta * (1 - beta))
    torch.testing.assert_close(updates, -delta * running_averages(g, beta), rtol=1e-12, atol=1e-14)


@settings(max_examples=50, deadline=None)
@given(betas, st.integers(1, 60))
def test_the_average_unrolled(beta: float, t: int) -> None:
    g = RUN.randn("g", t, 2)
    weights = average_weights(beta, t)
    torch.testing.assert_close(weights @ g, running_averages(g, beta)[-1], rtol=1e-12, atol=1e-14)
    step = torch.tensor(t, dtype=torch.float64)
    assert weights.sum().item() == pytest.approx(average_bias(beta, step).item(), abs=1e-12)
    variance = average_variance(beta, step).item()
    assert weights.pow(2).sum().item() == pytest.approx(variance, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize(("l2", "decay"), [(0.0, 0.0), (0.1, 0.0), (0.0, 0.05)])
def test_adam_is_that_of_torch(l2: float, decay: float) -> None:
    theta, g = RUN.randn("theta", 5), RUN.randn("g", 200, 5)
    theirs = theta.clone().requires_grad_()
    kind: Any = torch.optim.AdamW if decay else torch.optim.Adam
    optimizer = kind([theirs], lr=1e-2, weight_decay=decay / 1e-2 if decay else 2 * l2)
    state = Adam.for_weights(theta)
    for gradient in g:
        theta = state.step(theta, gradient, 1e-2, l2, decay)
        theirs.grad = gradient.clone()
        optimizer.step()
    torch.testing.assert_close(theta, theirs.detach(), rtol=1e-12, atol=1e-14)


def test_uncorrected_adam_begins_with_steps_that_are_too_long() -> None:
    found = values_of(Bias(steps=3, runs=200))
    assert found["adam_first_steps"] == pytest.approx([1.0] * 5, rel=1e-6)
    assert found["adam_first_steps_uncorrected"][:3] == pytest.approx([3.162, 4.250, 4.950], abs=1e-3)


def test_the_bias_is_the_theorys() -> None:
    found = values_of(Bias(runs=40_000))
    assert found["means"][0] == pytest.approx(0.2, abs=0.002)
    assert found["means"][19] == pytest.approx(1.7568, abs=0.006)
    assert found["corrected_means"].flat() == pytest.approx([2.0] * 50, abs=0.02)
    assert found["variances"][-1] == pytest.approx(0.0526, rel=0.03)
    assert found["expected_variances"].flat()[-1] == pytest.approx(0.0526, abs=1e-4)


def test_e39_the_equivalence_needs_the_same_start_and_torch_dampens_from_the_second_step_on() -> None:
    found = values_of(Momentum(beta=0.9, delta=0.03))
    assert found["difference"] < 1e-17
    # The first update is taken whole: 1/(1-β) = 10 times too long.
    assert found["first_update_dampened"] == pytest.approx(10 * found["updates"].flat()[0])
    plain = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([plain], lr=0.03 * (1 - 0.9), momentum=0.9)
    for gradient in Momentum().gradients:
        plain.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
    assert plain.item() == pytest.approx(sum(found["updates"].flat()), rel=1e-12)


def test_a_longer_average_forgets_its_start() -> None:
    g = torch.ones(100, dtype=torch.float64)
    averages = running_averages(g, 0.9)
    assert averages[0].item() == pytest.approx(0.1)
    assert averages[9].item() == pytest.approx(0.651, abs=1e-3)
    assert momentum_updates(g, 0.9, 1.0)[-1].item() == pytest.approx(-10, abs=1e-3)


def test_variants_can_be_reckoned_by_hand() -> None:
    for seed in range(1, 60):
        params = draw("optimisers.momentum", seed)
        assert isinstance(params, Momentum)
        assert 3 <= len(params.gradients) <= 5
        assert 0 not in params.gradients
        assert params.beta in (0.5, 0.8, 0.9)
