"""The l2-regularised linear autoencoder: trained, beside its optimum in closed form."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engines import linear_objectives as lin
from engines.figures import Lines, line
from engines.lbfgs import minimise
from engines.linear_autoencoder import drawn_deviations, exact_data
from engines.parameters.linear_regularised import Regularised
from engines.randomness import Draws
from engines.registry import draws, experiment
from engines.result import Result, Step
from engines.run import Run


@experiment(Regularised)
def regularised(params: Regularised, run: Run) -> Result:
    """Singular values of the trained weights over their closed form, for λ, a grid of λ, and three times λ = 0."""
    x, u, variances = exact_data(run, params.deviations, params.samples)
    m, k = len(u), params.bottleneck
    # From where nothing is shrunk to where the last direction is off.
    grid = torch.logspace(-2, math.log10(1.6 * float(variances[0])), 9, dtype=torch.float64).to(u)
    l2 = torch.cat([run.tensor([params.l2, 0.0, 0.0, 0.0]), grid])
    w1, w2 = _trained(x @ x.T / params.samples, l2, k, run)
    singular = torch.linalg.svdvals(w2)
    closed = lin.regularised_singular_values(variances[:k], l2.unsqueeze(1))
    mine, mine_closed = singular[0], closed[0]
    ratios = {name: _gradient_ratios(x, params, decay, run) for name, decay in _decays(params, m).items()}
    return Result(
        values={
            "singular_values": mine_closed,
            "trained_singular_values": mine,
            "encoder_singular_values": torch.linalg.svdvals(w1[0]),
            "orthonormality": min(1.0, params.l2 / float(variances[k - 1])),
            "trained_orthonormality": float(lin.orthonormality(w2[0])),
            "transposed_error": float((w1[0] - w2[0].T).abs().max()),
            "loss": lin.regularised_minimum(variances, k, params.l2),
            "trained_loss": float(lin.loss(x, w1[0], w2[0], params.l2)),
            "switched_off": int((variances[:k] <= params.l2).sum()),
            "weight_decay": lin.weight_decay(params.l2, m, params.reduction),
            "undoubled_weight_decay": lin.weight_decay(params.l2, m, params.reduction) / 2,
            "other_reduction_weight_decay": lin.weight_decay(
                params.l2, m, "mean" if params.reduction == "sum" else "sum"
            ),
            "gradient_ratios": ratios,
            "rootless_singular_values": mine_closed**2,
            "unshrunk_singular_values": torch.ones_like(mine_closed),
            "deviation_singular_values": (1 - params.l2 / variances[:k].sqrt()).clamp(min=0).sqrt(),
            "unregularised_singular_values": singular[1:4],
            "alignment": (u[:, :k].T @ w2[0]).abs(),
            "l2_grid": grid,
            "singular_value_grid": singular[4:],
            "closed_form_grid": closed[4:],
        },
        trace=_regularised_steps(params, variances, mine, singular[1:4], ratios),
        figures=(
            _shrinkage_figure(grid, singular[4:], variances[:k]),
            _orthonormality_figure(grid, w2[4:], variances, k),
        ),
    )


def _trained(c: Tensor, l2: Tensor, k: int, run: Run) -> tuple[Tensor, Tensor]:
    """Weights at a minimum for each λ, by L-BFGS from random starts, all λ at once: `(…, k, m)` and `(…, m, k)`."""
    m, count = len(c), len(l2)

    def split(point: Tensor) -> tuple[Tensor, Tensor]:
        return point[:, : m * k].view(count, k, m), point[:, m * k :].view(count, m, k)

    def evaluate(point: Tensor) -> tuple[Tensor, Tensor]:
        w1, w2 = split(point)
        g1, g2 = lin.covariance_gradients(c, w1, w2, l2.view(-1, 1, 1))
        return lin.covariance_loss(c, w1, w2, l2), torch.cat([g1.flatten(1), g2.flatten(1)], 1)

    steps = 2000

    def on_step(step: int, point: Tensor) -> None:
        figure = None
        if step % 20 == 0:
            singular = torch.linalg.svdvals(split(point)[1])[4:]
            figure = _shrinkage_figure(l2[4:], singular, torch.linalg.eigvalsh(c).flip(0)[:k])
        run.progress(0.9 * step / steps, f"L-BFGS for {count} values of λ: step {step}", figure)

    tolerance = 1e-10 if c.dtype == torch.float64 else 1e-6
    start = 0.3 * run.randn("start", count, 2 * m * k)
    return split(minimise(evaluate, start, steps=steps, tolerance=tolerance, history=40, on_step=on_step))


def _decays(params: Regularised, features: int) -> dict[str, float]:
    return {"right": lin.weight_decay(params.l2, features, params.reduction), "2λ": 2 * params.l2, "λ": params.l2}


def _gradient_ratios(x: Tensor, params: Regularised, decay: float, run: Run) -> list[float]:
    """Least and largest quotient of what SGD follows and the gradient of the regularised loss, over all entries."""
    m, k = len(x), params.bottleneck
    w1, w2 = run.randn("W1", k, m) / m**0.5, run.randn("W2", m, k) / k**0.5
    scale = 1.0 if params.reduction == "sum" else 1 / m
    quotients = [
        ((scale * data + decay * w) / (data + 2 * params.l2 * w)).flatten()
        for data, w in zip(lin.gradients(x, w1, w2), (w1, w2), strict=True)
    ]
    both = torch.cat(quotients)
    return [float(both.min()), float(both.max())]


def _shrinkage_figure(l2: Tensor, singular: Tensor, variances: Tensor) -> Lines:
    fine = torch.logspace(math.log10(float(l2[0])), math.log10(float(l2[-1])), 100, dtype=l2.dtype).to(l2)
    series = [
        line(f"σ{i + 1}² = {float(variance):.3g}", fine, lin.regularised_singular_values(variance, fine))
        for i, variance in enumerate(variances)
    ]
    series += [line(f"trained {i + 1}", l2, singular[:, i], points=True) for i in range(len(variances))]
    return Lines(
        "shrinkage",
        "Singular values of W2 against λ",
        tuple(series),
        x_label="λ",
        y_label="singular value",
        x_scale="log",
        caption="Lines: √(1 - λ/σᵢ²), points: trained. A direction is switched off where λ reaches its variance.",
    )


def _orthonormality_figure(l2: Tensor, w2: Tensor, variances: Tensor, k: int) -> Lines:
    return Lines(
        "orthonormality",
        "How far the columns of W2 are from orthonormal",
        (
            line("min(1, λ/σ_k²)", l2, (l2 / variances[k - 1]).clamp(max=1)),
            line("trained", l2, lin.orthonormality(w2), points=True),
        ),
        x_label="λ",
        y_label="|W2ᵀW2 - I|",
        x_scale="log",
        y_scale="log",
        caption="The smaller λ, the nearer to orthonormal; at λ = 0 itself nothing asks for it.",
    )


def _regularised_steps(
    params: Regularised, variances: Tensor, trained: Tensor, free: Tensor, ratios: dict[str, list[float]]
) -> tuple[Step, ...]:
    k, m = params.bottleneck, len(variances)
    rows = "\n".join(
        f"- $\\sigma_{{{i + 1}}}^2$ = {float(v):.4g}: $\\sqrt{{\\max(0, 1 - {params.l2:g}/{float(v):.4g})}}$ = "
        f"**{float(lin.regularised_singular_values(v, params.l2)):.5f}**, trained {float(s):.5f}"
        for i, (v, s) in enumerate(zip(variances[:k], trained, strict=True))
    )
    starts = "; ".join(" ".join(f"{float(s):.3f}" for s in row) for row in free)
    decay = lin.weight_decay(params.l2, m, params.reduction)
    how = "2 \\lambda" if params.reduction == "sum" else "2 \\lambda / m"
    loss = "the summed squared error divided by $n$" if params.reduction == "sum" else "the mean over all $nm$ entries"
    low, high = ratios["right"]
    return (
        Step(
            "singular-values",
            "At an optimum $W_1 = W_2^\\top$ up to a common rotation. In the direction of $u_i$, with singular value "
            "$s$, the loss is $\\sigma_i^2 (1 - s^2)^2 + 2 \\lambda s^2$. Its derivative by $s^2$ is 0 at "
            f"$s^2 = 1 - \\lambda / \\sigma_i^2$; where that is negative, $s = 0$ is best.\n\n{rows}",
        ),
        Step(
            "orthonormal",
            "$W_2^\\top W_2$ has the eigenvalues $s_i^2$, so it is off the identity by $\\lambda/\\sigma_k^2$ (at most "
            f"1), here {min(1.0, params.l2 / float(variances[k - 1])):.4g}: it goes to 0 with $\\lambda$. At "
            "$\\lambda = 0$ nothing prefers it: any $U_k G$ is as good, and three starts ended at the singular values "
            f"{starts}. And orthonormal columns are not the principal components: a rotation of them stays free.",
        ),
        Step(
            "weight-decay",
            "`torch.optim.SGD` adds `weight_decay` times $W$ to the gradient, the derivative of $\\lambda |W|^2$ "
            f"is $2 \\lambda W$. With {loss} the right value is ${how}$ = **{decay:.6g}**: what is followed is then"
            f" {low:.4g} to {high:.4g} times the true one, entry by entry. Both layers need `bias=False`.",
        ),
    )


# -- fresh variants


@draws(Regularised)
def draw_regularised(draws: Draws) -> Regularised:
    """λ below σ_k² or, as often, above it, and never within 5 % of any σᵢ²."""
    rng = draws.stream("sizes")
    m = rng.randint(4, 7)
    k = rng.randint(2, m - 1)
    deviations = drawn_deviations(draws, m)
    smallest = deviations[k - 1] ** 2
    off = draws.stream("side").random() < 0.5
    for attempt in range(10_000):
        share = draws.again(attempt).stream("l2").uniform(1.1, 3.0) if off else 0.0
        share = share or draws.again(attempt).stream("l2").uniform(0.05, 0.9)
        l2 = float(f"{share * smallest:.2g}")
        if all(abs(l2 / deviation**2 - 1) >= 0.05 for deviation in deviations) and l2 < deviations[0] ** 2:
            break
    else:
        raise RuntimeError("no λ apart from all eigenvalues in 10 000 draws")
    return Regularised(
        deviations=deviations,
        bottleneck=k,
        samples=rng.randrange(20, 80, 4),
        l2=l2,
        reduction=draws.stream("reduction").choice(("sum", "mean")),
    )
