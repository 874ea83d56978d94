"""Recurrent gradients against autograd, closed forms and the sheet's counterexamples."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from engines.parameters.recurrent import Conventions, Exploding, Vanishing
from engines.recurrent import (
    ACTIVATIONS,
    Nonlinearity,
    after_activation,
    before_activation,
    fate,
    jacobian,
    log_gradient_norms,
    matrix_of,
)
from engines.registry import draw, execute
from engines.run import Run

RUN = Run(dtype=torch.float64, seed=5)
activations = pytest.mark.parametrize("sigma", ACTIVATIONS.values(), ids=ACTIVATIONS)


def values_of(params: Any) -> dict[str, Any]:
    return execute(params, Run(dtype=torch.float64)).values


@activations
def test_slopes_are_derivatives_and_gamma_is_their_supremum(sigma: Nonlinearity) -> None:
    x = torch.linspace(-30, 30, 20001, dtype=torch.float64, requires_grad=True)
    sigma.function(x).sum().backward()
    slopes = sigma.slope(x.detach())
    torch.testing.assert_close(slopes, x.grad, rtol=1e-9, atol=1e-12)
    assert slopes.max().item() == pytest.approx(sigma.gamma, rel=1e-4)
    assert slopes.max() <= sigma.gamma


@activations
@pytest.mark.parametrize("n", [1, 7])
def test_one_convention_is_the_other_seen_after_its_activation(sigma: Nonlinearity, n: int) -> None:
    w, u, h = RUN.randn("w", n, n) / n**0.5, RUN.randn("u", 40, n), RUN.randn("h", n)
    h_t = before_activation(w, u, h, sigma)
    g_t = after_activation(w, u, sigma.function(h), sigma)
    torch.testing.assert_close(g_t, sigma.function(h_t), rtol=0, atol=1e-15)


@activations
def test_log_norms_are_those_of_autograds_jacobian(sigma: Nonlinearity) -> None:
    w, u, h = RUN.randn("w", 3, 5, 5) / 2, RUN.randn("u", 8, 5), RUN.randn("h", 3, 5)
    logs = log_gradient_norms(w, u, h, sigma)
    for r in range(3):
        for t in range(8):

            def state(start: Tensor, r: int = r, t: int = t) -> Tensor:
                return before_activation(w[r], u[: t + 1], start, sigma)[-1]

            exact: Any = torch.autograd.functional.jacobian(state, h[r])
            assert logs[t, r].exp().item() == pytest.approx(
                torch.linalg.matrix_norm(exact, 2).item(), rel=1e-9, abs=1e-12
            )


def test_a_step_is_w_times_the_slopes_and_not_the_other_way_round() -> None:
    w, h, sigma = RUN.randn("w", 4, 4), RUN.randn("h", 4), ACTIVATIONS["tanh"]
    exact: Any = torch.autograd.functional.jacobian(lambda x: w @ torch.tanh(x), h)
    torch.testing.assert_close(jacobian(w, h, sigma), exact, rtol=0, atol=1e-15)
    assert (torch.diag(sigma.slope(h)) @ w - exact).abs().max() > 0.1


@settings(max_examples=30, deadline=None)
@given(st.floats(0.05, 4.0), st.integers(1, 400), st.integers(1, 6))
def test_multiples_of_an_orthogonal_matrix_grow_exactly(scale: float, steps: int, n: int) -> None:
    """r^T, also where it is far outside what a float can hold."""
    w = matrix_of("orthogonal", RUN.randn("q", 1, n, n)) * scale
    u, h = torch.zeros(steps, n, dtype=torch.float64), torch.zeros(1, n, dtype=torch.float64)
    logs = log_gradient_norms(w, u, h, ACTIVATIONS["linear"])
    assert logs[-1].item() == pytest.approx(steps * math.log(scale), rel=1e-9, abs=1e-9)


def test_what_cannot_be_held_is_neither_lost_nor_not_a_number() -> None:
    w = torch.eye(2, dtype=torch.float64).unsqueeze(0) * 100
    u, h = torch.zeros(500, 2, dtype=torch.float64), torch.zeros(1, 2, dtype=torch.float64)
    logs = log_gradient_norms(w, u, h, ACTIVATIONS["linear"])
    assert logs[-1].item() == pytest.approx(500 * math.log(100))
    nothing = log_gradient_norms(0 * w, u[:3], h, ACTIVATIONS["linear"])
    assert nothing.flatten().tolist() == [-math.inf] * 3


@pytest.mark.parametrize("kind", ["orthogonal", "diagonal", "nilpotent", "gaussian"])
def test_matrices_are_what_they_are_called(kind: Any) -> None:
    w = matrix_of(kind, RUN.randn("kinds", 20, 5, 5))
    assert torch.linalg.matrix_norm(w, 2).allclose(torch.ones(20, dtype=torch.float64))
    eye = torch.eye(5, dtype=torch.float64).expand(20, 5, 5)
    if kind == "orthogonal":
        assert (w @ w.mT).allclose(eye)
    elif kind == "diagonal":
        assert w.equal(eye)
    elif kind == "nilpotent":
        assert not torch.linalg.matrix_power(w, 5).any()
        assert torch.linalg.matrix_power(w, 4).any()


def test_orthogonal_matrices_are_uniform() -> None:
    """Without the signs of R their trace would be biased: E[trace²] = 1 for Haar matrices."""
    w = matrix_of("orthogonal", RUN.randn("haar", 4000, 3, 3))
    traces = w.diagonal(dim1=-2, dim2=-1).sum(-1)
    assert traces.mean().abs() < 0.06
    assert traces.pow(2).mean().item() == pytest.approx(1, abs=0.08)


# -- the sheet


@activations
def test_the_gradient_stays_under_its_bound(sigma: Nonlinearity) -> None:
    name = next(key for key, value in ACTIVATIONS.items() if value is sigma)
    for delta in (0.5, 0.9):
        found = values_of(Vanishing(activation=name, delta=delta))
        logs, bound = (torch.tensor(found[key].tolist()) for key in ("log_norms", "log_bound"))
        assert (logs <= bound + 1e-9).all()
        assert found["step_error"] < 1e-12
        assert found["norm_w"] == pytest.approx(delta / sigma.gamma)
        assert found["largest_slope"] <= sigma.gamma


def test_e37_it_is_an_eigenvalue_of_wtw_and_not_of_w() -> None:
    w = 5 * matrix_of("nilpotent", RUN.randn("w", 6, 6))
    assert torch.linalg.eigvals(w).abs().max() == 0
    assert torch.linalg.eigvalsh(w.T @ w).max().item() == pytest.approx(25)


def test_e38_the_condition_is_not_enough() -> None:
    found = values_of(Exploding())
    at_60 = found["log10_norms_at_60"]
    assert at_60["orthogonal, linear"] == pytest.approx(0, abs=1e-9)
    assert 10 ** at_60["0.95 x orthogonal, linear"] == pytest.approx(4.6e-2, rel=0.01)
    assert at_60["5 x nilpotent, linear"] == -math.inf
    assert at_60["1.5 x orthogonal, tanh"] < -20
    assert 10 ** at_60["1.5 x orthogonal, linear"] == pytest.approx(3.68e10, rel=0.01)
    # Most random W of norm 1.3 vanish, although λ1 = 1.69 > 1.
    assert 0.6 < found["vanished_share"] < 0.9
    assert found["exploded_below"] == 0


def test_fates() -> None:
    found = [fate(math.log(norm)) for norm in (101, 99, 1, 0.0101, 0.0099)]
    assert found == ["explodes", "neither", "neither", "neither", "vanishes"]


def test_variants_are_decided_by_the_end() -> None:
    outcomes = []
    for seed in range(1, 25):
        params = draw("recurrent.exploding", seed)
        assert isinstance(params, Exploding)
        assert abs(params.scale - 1) >= 0.05
        outcomes.append(values_of(Exploding(**{**vars(params), "matrices": 20}))["outcome"])
    assert 7 <= outcomes.count("explodes") <= 17
    assert set(outcomes) == {"explodes", "vanishes"}


def test_the_two_conventions_differ_from_another_start() -> None:
    found = values_of(Conventions())
    assert found["difference"] == 0
    assert found["difference_without_the_start"] > 0.01
