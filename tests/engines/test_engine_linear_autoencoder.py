"""The linear autoencoder: its gradients, its critical points, its optimum under a penalty, the ways to train it."""

from __future__ import annotations

import math
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from engines import linear_objectives as lin
from engines import subspace_descent as descent
from engines.fields import BadData, read
from engines.lbfgs import minimise
from engines.linear_autoencoder import exact_data
from engines.parameters.linear_autoencoder import DEVIATIONS, Conditions, Gradients
from engines.parameters.linear_regularised import Regularised
from engines.parameters.linear_training import Training
from engines.principal import by_svd, covariance, principal_angles, principal_components, subspace_angle
from engines.registry import draw, execute
from engines.result import Result
from engines.run import Run

RUN = Run(dtype=torch.float64, seed=1)


def result_of(params: Any, seed: int = 0) -> Result:
    return execute(params, Run(dtype=torch.float64, seed=seed))


def matrices(seed: int, m: int, k: int, n: int) -> tuple[Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(*s, generator=g, dtype=torch.float64) for s in ((m, n), (k, m), (m, k)))  # type: ignore[return-value]


def close(a: Tensor, b: Tensor, tolerance: float = 1e-12) -> bool:
    return a.shape == b.shape and bool((a - b).norm() <= tolerance * (1 + b.norm()))


# -- gradients


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 5), st.integers(1, 9), st.floats(0, 2))
@settings(max_examples=40, deadline=None)
def test_every_gradient_formula_is_autograds(seed: int, m: int, k: int, n: int, l2: float) -> None:
    x, w1, w2 = matrices(seed, m, k, n)
    weights = torch.rand(m, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    cases: list[tuple[Any, Any, tuple[Tensor, ...]]] = [
        (partial(lin.loss, l2=l2), partial(lin.gradients, l2=l2), (x, w1, w2)),
        (partial(lin.weighted_loss, weights=weights), partial(lin.weighted_gradients, weights=weights), (x, w1, w2)),
        (lin.rows_loss, lin.rows_gradients, (x.T, w1.T, w2.T)),
        (partial(lin.covariance_loss, l2=l2), partial(lin.covariance_gradients, l2=l2), (x @ x.T / n, w1, w2)),
    ]
    for loss, gradients, (data, a, b) in cases:
        leaves = a.clone().requires_grad_(), b.clone().requires_grad_()
        for found, wanted in zip(gradients(data, a, b), torch.autograd.grad(loss(data, *leaves), leaves), strict=True):
            assert close(found, wanted, 1e-11)


def test_the_loss_is_the_same_from_the_covariance_and_from_the_data() -> None:
    x, w1, w2 = matrices(3, 5, 2, 9)
    c = x @ x.T / 9
    assert close(lin.covariance_loss(c, w1, w2, 0.4), lin.loss(x, w1, w2, 0.4))
    stacked = lin.covariance_loss(
        c, torch.stack([w1, 2 * w1]), torch.stack([w2, w2]), torch.tensor([0.4, 0.0], dtype=torch.float64)
    )
    assert close(stacked[0], lin.loss(x, w1, w2, 0.4))
    assert close(stacked[1], lin.loss(x, 2 * w1, w2))


def test_the_hessian_is_autograds() -> None:
    x, w1, w2 = matrices(5, 4, 2, 7)

    def flat(z: Tensor) -> Tensor:
        return lin.loss(x, z[:8].view(2, 4), z[8:].view(4, 2))

    wanted = torch.autograd.functional.hessian(flat, torch.cat([w1.flatten(), w2.flatten()]))
    assert close(lin.hessian(x @ x.T / 7, w1, w2), wanted, 1e-11)


def test_e3_the_published_gradients_are_minus_n_times_the_gradient() -> None:
    x, w1, w2 = matrices(7, 6, 3, 40)
    for published, true in zip(lin.published_gradients(x, w1, w2), lin.gradients(x, w1, w2), strict=True):
        assert close(published, -40 * true)
    middle = 2 * (torch.eye(6, dtype=torch.float64) - w2 @ w1) @ x @ x.T @ w2  # what the sheet prints for W1
    assert middle.shape == (6, 3) != w1.shape
    values = result_of(Conditions()).values
    assert values["published_over_true"] == pytest.approx([-40, -40], rel=1e-10)


@pytest.mark.parametrize("objective", ["plain", "regularised", "weighted", "rows"])
def test_the_engine_on_gradients(objective: Any) -> None:
    values = result_of(Gradients(objective=objective)).values
    assert max(values["autograd_error"]) < 1e-14
    right = torch.tensor(values["gradient_w2"].flat())
    for slip in ("wrong_sign", "unscaled", "halved", "published"):
        wrong = torch.tensor(values[f"{slip}_gradient_w2"].flat())
        assert (wrong - right).norm() >= 0.34 * right.norm()


def test_drawn_gradients_have_sizes_that_tell_mistakes_apart() -> None:
    drawn = [draw("linear_autoencoder.gradients", seed) for seed in range(1, 120)]
    sizes = [(p.features, p.bottleneck, p.samples) for p in drawn if isinstance(p, Gradients)]
    assert all(len(set(three)) == 3 for three in sizes)
    assert {p.objective for p in drawn if isinstance(p, Gradients)} == {"plain", "regularised", "weighted", "rows"}


# -- critical points


def test_data_have_the_eigenvalues_asked_for_and_are_centred() -> None:
    x, u, variances = exact_data(RUN, DEVIATIONS, 40)
    assert close(torch.linalg.svdvals(x) / math.sqrt(40), torch.tensor(DEVIATIONS, dtype=torch.float64))
    assert close(x.mean(1), torch.zeros(6, dtype=torch.float64))
    assert close(x @ x.T / 40, (u * variances) @ u.T)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_e4_the_conditions_hold_at_every_set_of_eigenvectors_and_at_zero(seed: int) -> None:
    """Set {2, 3, 4}: gradient 0, loss 9.45 against 1.26, and a direction of curvature -9.97: a saddle."""
    values = result_of(Conditions(), seed).values
    assert values["critical"] == ["principal", "subset", "mixed", "zero"]
    assert values["minima"] == ["principal", "mixed"]
    assert values["gradients"]["subset"] < 1e-12
    assert values["losses"]["subset"] == pytest.approx(9.45, abs=1e-9)
    assert values["losses"]["principal"] == pytest.approx(1.26, abs=1e-9) == values["tail"]
    assert values["curvatures"]["subset"] == pytest.approx(-9.966, abs=1e-3)
    assert abs(values["curvatures"]["principal"]) < 1e-9
    assert values["losses"]["zero"] == pytest.approx(sum(s * s for s in DEVIATIONS), abs=1e-9)


def test_e5_any_mixture_of_the_principal_components_is_as_good() -> None:
    values = result_of(Conditions()).values
    assert values["losses"]["mixed"] == pytest.approx(1.26, abs=1e-9)
    # Trained without a penalty, three starts end at three sets of singular values, and at one product.
    free = torch.tensor(result_of(Regularised()).values["unregularised_singular_values"].tolist())
    assert (free[0] - free[1]).abs().max() > 0.05
    assert (free[1] - free[2]).abs().max() > 0.05


def test_e6_the_singular_values_of_x_are_root_n_sigma() -> None:
    values = result_of(Conditions()).values
    assert values["singular_values"].flat() == pytest.approx(list(DEVIATIONS), abs=1e-10)


def test_e7_the_components_do_satisfy_the_conditions_and_the_printed_derivation_does_not_show_it() -> None:
    values = result_of(Conditions()).values
    assert values["gradients"]["principal"] < 1e-12
    assert values["scatter_residual"] < 1e-13
    assert max(values["projector_residuals"]) < 1e-13
    assert values["published_block_distance"] > 0.5  # I - UkUkᵀ is no diag(0, I) but in the basis U
    assert values["block_distance"] < 1e-13
    assert values["published_last_product"] > 100  # claimed to be 0; it lacks a factor Uᵀ
    assert values["last_product"] < 1e-10


def test_drawn_conditions_are_well_posed() -> None:
    for seed in range(1, 16):
        params = draw("linear_autoencoder.conditions", seed)
        assert isinstance(params, Conditions)
        d = params.deviations
        assert all(a / b >= 1.2 for a, b in pairwise(d))
        values = result_of(params).values
        assert values["critical"] == ["principal", "subset", "mixed", "zero"]
        assert values["minima"] == ["principal", "mixed"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_is_critical_is_found_in_either_type(dtype: torch.dtype) -> None:
    values = execute(Conditions(), Run(dtype=dtype)).values
    assert values["critical"] == ["principal", "subset", "mixed", "zero"]
    assert values["minima"] == ["principal", "mixed"]


# -- principal components and angles


@given(st.integers(0, 1000), st.integers(2, 8), st.sampled_from([2, 9, 30]))
@settings(max_examples=30, deadline=None)
def test_principal_components_are_those_of_the_singular_value_decomposition(seed: int, m: int, n: int) -> None:
    x = torch.randn(n, m, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * torch.arange(1.0, m + 1)
    fast, literal = principal_components(x + 7), by_svd(x + 7)
    count = min(m, n - 1)
    assert close(fast.variances[:count], literal.variances[:count], 1e-10)
    assert close(fast.mean, literal.mean)
    assert close(covariance(x) @ fast.directions, fast.directions * fast.variances, 1e-9)
    assert fast.floor(0) == pytest.approx(float(x.var(0, correction=0).sum()), rel=1e-10)
    assert fast.floor(m) == 0


def test_principal_components_are_scikit_learns() -> None:
    peer = pytest.importorskip("sklearn.decomposition")
    x = torch.randn(400, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 0.8 ** torch.arange(20)
    found = principal_components(x)
    theirs = peer.PCA(5).fit(x.numpy())
    assert subspace_angle(found.subspace(5), torch.from_numpy(theirs.components_.T)) < 1e-10
    assert found.variances[:5].tolist() == pytest.approx((theirs.explained_variance_ * 399 / 400).tolist(), rel=1e-10)


@pytest.mark.parametrize("angle", [0.0, 1e-12, 1e-6, 0.3, 0.78, 0.79, 1.2, math.pi / 2])
def test_angles_of_every_size_are_exact(angle: float) -> None:
    """An arc cosine alone would lose everything below 1e-8."""
    a = torch.eye(6, dtype=torch.float64)[:, :2]
    b = a.clone()
    b[:, 0] = math.cos(angle) * a[:, 0] + math.sin(angle) * torch.eye(6, dtype=torch.float64)[:, 4]
    mixing = torch.tensor([[2.0, 1.0], [-1.0, 3.0]], dtype=torch.float64)
    found = principal_angles(a @ mixing, 5 * b @ mixing)
    assert found.tolist() == pytest.approx([angle, 0], abs=1e-15 + 1e-9 * angle)
    assert subspace_angle(b, a) == pytest.approx(angle, abs=1e-15 + 1e-9 * angle)


def test_angles_are_scipys() -> None:
    scipy = pytest.importorskip("scipy.linalg")
    g = torch.Generator().manual_seed(4)
    a, b = (torch.randn(3, 9, 4, generator=g, dtype=torch.float64) for _ in range(2))
    for i, row in enumerate(principal_angles(a, b)):
        assert row.tolist() == pytest.approx(scipy.subspace_angles(a[i].numpy(), b[i].numpy()).tolist(), abs=1e-12)


# -- training


def test_every_full_batch_method_nears_the_principal_subspace() -> None:
    values = result_of(Training()).values
    assert values["identified"]
    assert values["gap"] > 4
    assert 3 <= values["reached"]["alternating"] <= 9
    for method in ("alternating", "momentum", "Adam", "gradient descent", "L-BFGS"):
        assert values["angles"][method] < 1e-3
        assert 0 <= values["excess"][method] + 1e-12 < 1e-6


def test_trap_9_minibatches_do_not_get_there() -> None:
    values = result_of(Training(steps=800)).values
    assert values["reached"]["minibatch Adam"] is None
    assert 1e-3 < values["angles"]["minibatch Adam"] < 0.1
    assert values["excess"]["minibatch Adam"] < 1e-3  # and the loss hardly tells


def test_trap_8_where_eigenvalues_are_equal_there_is_no_angle_to_reach() -> None:
    result = result_of(Training(bottleneck=5, samples=8000))
    assert not result.values["identified"]
    assert "not determined" in result.notes[0]
    assert result.values["angles"]["gradient descent"] > 0.1
    assert result.values["excess"]["gradient descent"] < 0.01


def test_alternating_least_squares_is_orthogonal_iteration() -> None:
    x = torch.randn(300, 8, generator=torch.Generator().manual_seed(2), dtype=torch.float64) * 0.7 ** torch.arange(8)
    c = covariance(x)
    w1, w2 = matrices(1, 8, 3, 1)[1:]
    start = w2
    for steps, (a, b) in enumerate(descent.alternating(c, w1, w2, 4), 1):
        start = c @ start
        assert subspace_angle(start, b) < 1e-9
        g1, g2 = lin.covariance_gradients(c, a, b)
        assert g2.norm() < 1e-10  # W2 is the best for its W1
        assert steps == 4 or g1.norm() > 1e-6


def test_adam_is_torchs_with_a_cosine() -> None:
    x, w1, w2 = matrices(9, 6, 2, 50)
    c = x @ x.T / 50
    leaves = [w1.clone().requires_grad_(), w2.clone().requires_grad_()]
    optimizer = torch.optim.Adam(leaves, lr=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 30)
    for found in descent.adam(lambda a, b: lin.covariance_gradients(c, a, b), w1, w2, 30):
        optimizer.zero_grad()
        lin.covariance_loss(c, *leaves).backward()
        optimizer.step()
        schedule.step()
        assert all(close(a, b.detach(), 1e-9) for a, b in zip(found, leaves, strict=True))


def test_minibatches_see_every_example_once_a_pass() -> None:
    x = torch.eye(12, dtype=torch.float64) * torch.arange(1.0, 13)
    gradients = descent.minibatches(x, 4, torch.Generator().manual_seed(0))
    zero = torch.zeros(2, 12, dtype=torch.float64)
    ones = torch.ones(12, 2, dtype=torch.float64)
    seen = [gradients(zero, ones)[0].ne(0).any(0).nonzero().flatten().tolist() for _ in range(12)]
    for i in range(0, 12, 3):
        assert sorted(seen[i] + seen[i + 1] + seen[i + 2]) == list(range(12))
    assert seen[:3] != seen[3:6]


# -- the regularised form


def test_the_closed_form_is_a_minimum() -> None:
    x, u, variances = exact_data(RUN, DEVIATIONS, 40)
    for l2 in (0.01, 0.3, 1.0, 3.0, 10.0):
        w1, w2 = lin.regularised_optimum(variances[:3], u[:, :3], l2)
        g1, g2 = lin.gradients(x, w1, w2, l2)
        assert max(g1.abs().max(), g2.abs().max()) < 1e-12
        least = lin.loss(x, w1, w2, l2)
        assert least == pytest.approx(lin.regularised_minimum(variances, 3, l2), abs=1e-12)
        g = torch.Generator().manual_seed(1)
        for _ in range(50):
            a, b = (w + 0.1 * torch.randn(w.shape, generator=g, dtype=torch.float64) for w in (w1, w2))
            assert lin.loss(x, a, b, l2) > least


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_trained_weights_have_the_singular_values_of_the_closed_form(seed: int) -> None:
    values = result_of(Regularised(), seed).values
    assert values["singular_values"].flat() == pytest.approx([0.98319, 0.96851, 0.93095], abs=5e-6)
    assert values["trained_singular_values"].flat() == pytest.approx(values["singular_values"].flat(), abs=1e-7)
    assert values["encoder_singular_values"].flat() == pytest.approx(values["singular_values"].flat(), abs=1e-7)
    assert values["transposed_error"] < 1e-6
    assert values["trained_orthonormality"] == pytest.approx(0.3 / 2.25, abs=1e-7) == values["orthonormality"]
    assert values["trained_loss"] == pytest.approx(2.991405, abs=1e-6)
    grid, closed = values["singular_value_grid"].flat(), values["closed_form_grid"].flat()
    assert grid == pytest.approx(closed, abs=2e-4)  # near a switch the loss is flat to the fourth order


def test_e9_large_penalties_switch_directions_off_and_none_leaves_them_free() -> None:
    values = result_of(Regularised(l2=3.0)).values
    assert values["trained_singular_values"].flat() == pytest.approx([0.8165, 0.6166, 0.0], abs=1e-4)
    assert values["switched_off"] == 1
    assert values["orthonormality"] == 1
    free = values["unregularised_singular_values"].tolist()
    assert all(max(abs(s - 1) for s in row) > 0.05 for row in free)
    # Nor are orthonormal columns the principal components: at a small λ they are a rotation of them.
    alignment = torch.tensor(result_of(Regularised(l2=0.01)).values["alignment"].tolist())
    assert alignment.max() < 0.99


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_e8_the_weight_decay_that_follows_the_objective_exactly(reduction: Any) -> None:
    """Against torch.optim.SGD itself: one step moves along the gradient of the objective, times 1 or 1/m."""
    x, w1, w2 = matrices(11, 6, 3, 40)
    l2, rate = 0.05, 0.01
    net = nn.Sequential(nn.Linear(6, 3, bias=False), nn.Linear(3, 6, bias=False)).double()
    with torch.no_grad():
        for p, w in zip(net.parameters(), (w1, w2), strict=True):
            p.copy_(w)
    decay = lin.weight_decay(l2, 6, reduction)
    assert decay == pytest.approx(0.1 if reduction == "sum" else 0.1 / 6)
    optimizer = torch.optim.SGD(net.parameters(), lr=rate, weight_decay=decay)
    loss = nn.MSELoss(reduction=reduction)(net(x.T), x.T)
    (loss / 40 if reduction == "sum" else loss).backward()
    optimizer.step()
    scale = 1.0 if reduction == "sum" else 1 / 6
    for p, w, g in zip(net.parameters(), (w1, w2), lin.gradients(x, w1, w2, l2), strict=True):
        assert close(p.detach(), w - rate * scale * g)


def test_e8_the_default_mean_with_two_lambda_is_no_multiple_of_the_gradient() -> None:
    ratios = result_of(Regularised(reduction="mean")).values["gradient_ratios"]
    assert ratios["right"] == pytest.approx([1 / 6, 1 / 6], rel=1e-9)
    assert ratios["2λ"][1] - ratios["2λ"][0] > 0.1
    assert result_of(Regularised()).values["gradient_ratios"]["right"] == pytest.approx([1, 1], rel=1e-9)


def test_drawn_penalties_fall_on_either_side_and_never_near_a_switch() -> None:
    drawn = [
        p for p in (draw("linear_autoencoder.regularised", s) for s in range(1, 201)) if isinstance(p, Regularised)
    ]
    off = [p.l2 > p.deviations[p.bottleneck - 1] ** 2 for p in drawn]
    assert 60 < sum(off) < 140
    assert all(abs(p.l2 / d**2 - 1) >= 0.05 for p in drawn for d in p.deviations)
    assert all(0.001 <= p.l2 < p.deviations[0] ** 2 for p in drawn)
    for params in drawn[:6]:
        values = result_of(params).values
        assert values["trained_singular_values"].flat() == pytest.approx(values["singular_values"].flat(), abs=1e-6)


# -- many problems at once


def test_many_problems_end_where_each_alone_does() -> None:
    g = torch.Generator().manual_seed(0)
    a = torch.randn(5, 12, 12, generator=g, dtype=torch.float64)
    matrices_ = a @ a.mT + 0.1 * torch.eye(12, dtype=torch.float64)
    b = torch.randn(5, 12, generator=g, dtype=torch.float64)

    def objective(x: Tensor) -> tuple[Tensor, Tensor]:
        product = (matrices_ @ x.unsqueeze(-1)).squeeze(-1)
        return 0.5 * (x * product).sum(1) - (b * x).sum(1), product - b

    found = minimise(objective, torch.zeros(5, 12, dtype=torch.float64), steps=500, tolerance=1e-10)
    assert close(found, torch.linalg.solve(matrices_, b), 1e-7)


def test_the_banana_is_minimised() -> None:
    def rosenbrock(x: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            loss = (1 - leaf[:, 0]) ** 2 + 100 * (leaf[:, 1] - leaf[:, 0] ** 2) ** 2
            (gradient,) = torch.autograd.grad(loss.sum(), leaf)
        return loss.detach(), gradient

    start = torch.tensor([[-1.2, 1.0], [1.0, 1.0], [0.0, 3.0]], dtype=torch.float64)
    assert close(minimise(rosenbrock, start, tolerance=1e-9), torch.ones(3, 2, dtype=torch.float64), 1e-6)


def test_a_problem_that_is_not_a_number_stays_and_harms_no_other() -> None:
    def objective(x: Tensor) -> tuple[Tensor, Tensor]:
        bad = torch.tensor([[0.0], [math.nan]], dtype=torch.float64)
        return ((x - 3) ** 2).sum(1) + bad[:, 0], 2 * (x - 3) + bad

    found = minimise(objective, torch.zeros(2, 1, dtype=torch.float64))
    assert found[0, 0] == pytest.approx(3)
    assert found[1, 0] == 0


@pytest.mark.parametrize(
    ("record", "change"),
    [
        (Conditions, {"deviations": [3, 3, 1, 0.5]}),
        (Conditions, {"bottleneck": 6, "subset": [1, 2, 3, 4, 5, 6]}),
        (Conditions, {"subset": [1, 2, 3]}),
        (Conditions, {"subset": [2, 2, 3]}),
        (Conditions, {"subset": [2, 3, 7]}),
        (Conditions, {"samples": 6}),
        (Gradients, {"bottleneck": 5}),
        (Gradients, {"samples": 5}),
        (Regularised, {"deviations": [1, 2, 3]}),
        (Regularised, {"l2": 0}),
        (Training, {"spectrum": "flat"}),
    ],
)
def test_parameters_that_make_no_sense(record: Any, change: dict[str, Any]) -> None:
    with pytest.raises(BadData):
        read(record, change)
