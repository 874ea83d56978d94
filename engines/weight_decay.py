"""The L2 penalty and decoupled weight decay: one thing under SGD, two under Adam (IFT6135, 2022, question 4)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from engines.figures import Lines, Table, line, table
from engines.optimisers import Adam
from engines.parameters.weight_decay import Decay
from engines.randomness import Draws
from engines.registry import draws, experiment
from engines.result import Result, Step
from engines.run import Run


@experiment(Decay)
def decay(params: Decay, run: Run) -> Result:
    """The share of the weights that is left under each rule, for small and for large gradients."""
    cases = _cases(params)
    theta = run.tensor([[1.0]] * len(cases)).expand(-1, params.copies).clone()
    size, l2, off = (run.tensor([[getattr(case, name)] for case in cases]) for name in ("noise", "l2", "decay"))
    noise = run.randn("noise", params.steps, params.copies)
    state = Adam.for_weights(theta)
    left = [torch.ones(len(cases), dtype=run.dtype, device=run.device)]
    every = max(1, params.steps // 100)
    for t in range(params.steps):
        theta = state.step(theta, size * noise[t], params.step_size, l2, off)
        if (t + 1) % every == 0:
            left.append(theta.mean(1))
            figure = _decay_figure(cases, left, every) if (t + 1) % (10 * every) == 0 else None
            run.progress(0.9 * (t + 1) / params.steps, f"step {t + 1}", figure)
    share = {case.name: value for case, value in zip(cases, theta.mean(1).tolist(), strict=True)}
    predicted = {case.name: case.predicted(params) for case in cases}
    run.progress(0.95, "the regime in which the penalty rules", _decay_figure(cases, left, every))
    return Result(
        values={
            "lambda_for_sgd": 2 * params.sgd_step_size * params.gamma,
            "gamma_for_decay": params.decay / (2 * params.sgd_step_size),
            "sgd_difference": _sgd_difference(params, run),
            "left": share,
            "predicted": predicted,
            "l2_small": share["L2, small gradients"],
            "l2_large": share["L2, large gradients"],
            "decay_small": share["decay, small gradients"],
            "decay_large": share["decay, large gradients"],
            "more_regularised": "small" if share["L2, small gradients"] < share["L2, large gradients"] else "large",
            "hidden_regime": _hidden_regime(params, run),
        },
        trace=_decay_steps(params, share),
        figures=(_decay_figure(cases, left, every), _left_table(share, predicted)),
    )


@dataclass(frozen=True)
class _Case:
    """One rule for one size of gradients."""

    name: str
    noise: float
    l2: float
    decay: float

    def predicted(self, params: Decay) -> float:
        """exp(−ε·2γ/rms(g)) a step under L2, for Adam divides the penalty's gradient too; 1 − λ under decay."""
        rate = params.step_size * 2 * self.l2 / self.noise
        return math.exp(-rate * params.steps) * (1 - self.decay) ** params.steps


def _cases(params: Decay) -> list[_Case]:
    return [
        _Case("L2, small gradients", params.small, params.gamma, 0.0),
        _Case("L2, large gradients", params.large, params.gamma, 0.0),
        _Case("decay, small gradients", params.small, 0.0, params.decay),
        _Case("decay, large gradients", params.large, 0.0, params.decay),
    ]


def _sgd_difference(params: Decay, run: Run) -> float:
    """SGD with the penalty against SGD with decay λ = 2ηγ on a quadratic: the largest difference in 50 steps."""
    a, b = run.randn("quadratic", 5, 5), run.randn("target", 5)
    a = a @ a.T / 5
    one = other = run.randn("start", 5)
    eta, lam = params.sgd_step_size, 2 * params.sgd_step_size * params.gamma
    largest = 0.0
    for _ in range(50):
        one = one - eta * ((a @ one - b) + 2 * params.gamma * one)
        other = other - eta * (a @ other - b) - lam * other
        largest = max(largest, (one - other).abs().max().item())
    return largest


def _hidden_regime(params: Decay, run: Run, steps: int = 500) -> list[float]:
    """What is left for γ = 0.001, 0.01 and 0.1 when the loss has hardly any gradient: the same for all of them."""
    l2 = run.tensor([[1e-3], [1e-2], [1e-1]])
    theta = torch.ones_like(l2).expand(-1, params.copies)
    state = Adam.for_weights(theta)
    noise = 1e-5 * run.randn("quiet", steps, params.copies)
    for g in noise:
        theta = state.step(theta, g.expand_as(theta), params.step_size, l2)
    return [float(value) for value in theta.mean(1)]


def _decay_figure(cases: list[_Case], left: list[Tensor], every: int) -> Lines:
    t = [float(i * every) for i in range(len(left))]
    shares = torch.stack(left)
    return Lines(
        "left",
        "Share of the weights that is left",
        tuple(line(case.name, t, shares[:, i]) for i, case in enumerate(cases)),
        x_label="step",
        y_label="share left",
        caption="Under L2 Adam spares the weights with large gradients; decoupled decay takes the same share of all.",
    )


def _left_table(share: dict[str, float], predicted: dict[str, float]) -> Table:
    rows = [(name, f"{value:.3f}", f"{predicted[name]:.3f}") for name, value in share.items()]
    return table(
        "shares",
        "What is left at the end",
        ("rule and gradients", "measured", "predicted"),
        rows,
        align="lrr",
        caption="Predicted by exp(-2εγt/rms(g)) under L2 and by (1-λ)^t under decay.",
    )


def _decay_steps(params: Decay, share: dict[str, float]) -> tuple[Step, ...]:
    return (
        Step(
            "sgd",
            "One step with the penalty is $\\theta - \\eta(g + 2\\gamma\\theta)$, one with decay $\\theta - \\eta g - "
            "\\lambda\\theta$: they are the same for $\\lambda = 2\\eta\\gamma$ = "
            f"{2 * params.sgd_step_size * params.gamma:g}.",
        ),
        Step("adam", "In Adam the penalty enters the gradient, $g + 2\\gamma\\theta$, before both averages are taken."),
        Step(
            "groups",
            f"Adam divides by the root of the averaged squares, so the penalty's share of a step is about "
            f"$2\\gamma\\theta$ over the size of the gradients. After {params.steps} steps "
            f"{share['L2, small gradients']:.3f} is left of weights with small gradients and "
            f"{share['L2, large gradients']:.3f} of those with large ones.",
        ),
        Step(
            "decoupled",
            f"Decoupled, both lose the share λ = {params.decay:g} in every step: {share['decay, small gradients']:.3f} "
            f"and {share['decay, large gradients']:.3f} are left.",
        ),
    )


# -- fresh variants


@draws(Decay)
def draw_decay(draws: Draws) -> Decay:
    """Other rates; 2γθ stays below a third of the small gradients, or the regime would be another."""
    rng = draws.stream("rates")
    small = rng.choice([0.01, 0.02, 0.05])
    return Decay(
        gamma=round(rng.uniform(0.02, 0.12) * small, 6),
        decay=rng.randint(5, 40) * 1e-5,
        sgd_step_size=rng.choice([0.05, 0.1, 0.2]),
        small=small,
        large=rng.choice([0.5, 1.0, 2.0]),
    )
