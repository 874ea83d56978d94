"""Attention by columns, H = V · softargmax_β(KᵀQ): what β does, and what happens when one key changes.

The convention of many lectures: queries, keys and values are *columns*, `Q (d, n)`, `K (d, m)`, `V (t, m)`; the
weights `A (m, n)` have columns that add up to 1. It is the transpose of the row convention of `engines.attention`.
Sheets: NYU deep learning, homework 4 (2023), question 1.1.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

from engines.attention import entropy, shown
from engines.figures import Lines, Table, line, table
from engines.parameters.attention_weights import Matrix, Vector
from engines.parameters.softargmax import Memory, Sweep, scale_of
from engines.randomness import Draws
from engines.registry import draws, experiment
from engines.result import Result, Step
from engines.run import Run

# -- numerics


def softargmax(z: Tensor, beta: float) -> Tensor:
    """exp(βzᵢ) / Σⱼ exp(βzⱼ) down each column `(m, ...)`; the arg*max* for β → ∞, so the sign is plus.

    With β = 0 every entry is 1/m; the limit β → ∞ shares the weight between all largest entries.
    """
    return (beta * z).softmax(0)


def column_attention(Q: Tensor, K: Tensor, V: Tensor, beta: float) -> Tensor:
    """H = V softargmax_β(KᵀQ): `Q (d, n)`, `K (d, m)`, `V (t, m)` → `(t, n)`."""
    return V @ softargmax(K.T @ Q, beta)


# -- from the mean to the best value


@experiment(Sweep)
def sweep(params: Sweep, run: Run) -> Result:
    """Weights and output at one β, and their way from the mean of the values to the value of the best key."""
    q, K, V = columns(params, run)
    beta, m = scale_of(params), K.shape[1]
    z = (K.T @ q).squeeze(1)
    A = softargmax(z, beta)
    h = V @ A
    betas = torch.cat([torch.zeros(1), torch.logspace(-2, 3, 61)]).tolist()
    rows = []
    for i, b in enumerate(betas):
        rows.append(softargmax(z, b))
        run.progress((i + 1) / len(betas), f"β = {b:.3g}")
    weights = torch.stack(rows)  # (betas, m)
    outputs = weights @ V.T
    best = (z == z.max()).to(z.dtype)
    limit = V @ (best / best.sum())
    mean = V.mean(1)
    to_mean, to_limit = (outputs - mean).norm(dim=1), (outputs - limit).norm(dim=1)
    return Result(
        values={
            "beta": beta,
            "convenient_beta": 1 / math.sqrt(len(q)),
            "scores": z,
            "weights": A,
            "output": h,
            "entropy": entropy(A),
            "hard_output": limit,
            "mean_output": mean,
            "uniform_weight": 1 / m,
            "output_formula": "V@softmax(beta*K.T@Q, dim=0)",
            "betas": betas,
            "distance_to_mean": to_mean,
            "distance_to_hard": to_limit,
            # What comes out of the usual slips.
            "minus_sign_weights": softargmax(z, -beta),
            "minus_sign_output": V @ softargmax(z, -beta),
            "beta_1_weights": softargmax(z, 1.0),
            "one_over_d": 1 / len(q),
            "argmin_output": V[:, int(z.argmin())],
        },
        trace=_sweep_steps(beta, z, A, h, mean, limit),
        figures=(
            _sweep_figure(betas, weights, beta),
            _distance_figure(betas, to_mean, to_limit),
            _sweep_table(z, beta),
        ),
    )


def columns(params: Memory, run: Run) -> tuple[Tensor, Tensor, Tensor]:
    """Q (one column), K and V from lists of columns."""
    return run.tensor([params.query]).T, run.tensor(params.keys).T, run.tensor(params.values).T


def _sweep_figure(betas: list[float], weights: Tensor, beta: float) -> Lines:
    return Lines(
        "weights",
        "Weight of each key as β grows",
        tuple(line(f"k{j}", betas[1:], weights[1:, j - 1]) for j in range(1, weights.shape[1] + 1)),
        "β",
        "weight",
        "log",
        caption=f"All start at 1/m and the largest score ends with everything; this question has β = {beta:.3g}.",
    )


def _distance_figure(betas: list[float], to_mean: Tensor, to_limit: Tensor) -> Lines:
    return Lines(
        "distances",
        "How far the output is from its two limits",
        (
            line("to the mean of the values", betas[1:], to_mean[1:]),
            line("to the value of the best key", betas[1:], to_limit[1:]),
        ),
        "β",
        "distance",
        "log",
        caption="β = 0 dilutes: the mean of all values. β → ∞ preserves: one value as it stands.",
    )


def _sweep_table(z: Tensor, beta: float) -> Table:
    choices = (0.0, 0.3, 1.0, 3.0, 30.0, beta)
    return table(
        "signs",
        "softargmax of the scores, and what a minus sign makes of it",
        ("β", "exp(+βz), normalised", "exp(−βz), normalised"),
        [(f"{b:.4g}", _few(softargmax(z, b)), _few(softargmax(z, -b))) for b in sorted(set(choices))],
        align="rll",
        caption="With a minus the weight goes to the smallest score; neither sign is one-hot at β = 1.",
    )


def _few(numbers: Tensor) -> str:
    return " ".join(f"{x:.3f}" for x in numbers.tolist()[:6]) + (" …" if len(numbers) > 6 else "")


def _sweep_steps(beta: float, z: Tensor, A: Tensor, h: Tensor, mean: Tensor, limit: Tensor) -> tuple[Step, ...]:
    return (
        Step(
            "output",
            "$A = \\mathrm{softargmax}_\\beta(K^\\top Q)$ is taken down each column, over the keys, and "
            f"$H = V A$. Scores {shown(z)}, weights {shown(A)}, output {shown(h)}.",
        ),
        Step(
            "beta",
            f"At $\\beta = 0$ each of the {len(z)} keys has 1/m = {1 / len(z):.4g}. As $\\beta \\to \\infty$ all "
            "weight goes to the largest score. The columns add up to 1 for every $\\beta$. Scores of standard normal "
            "queries and keys have standard deviation $\\sqrt{d}$, so $\\beta = 1/\\sqrt{d}$ brings it to 1; here "
            f"$\\beta$ = {beta:.4g}.",
        ),
        Step(
            "preserve",
            f"One score far above the rest: the output is its value, here {shown(limit)}. That is hard "
            "attention; as a weight matrix, rows with a single 1 that select.",
        ),
        Step(
            "dilute",
            f"Equal scores, or $\\beta = 0$: the output is the mean of the values, here {shown(mean)}. "
            f"As a weight matrix, every entry is {1 / len(z):.4g}.",
        ),
    )


# -- fresh variants


def draw_memory(draws: Draws, m: int, d: int) -> tuple[Matrix, Matrix, Vector]:
    """Small whole keys and values, and a query."""
    rng = draws.stream("entries")
    keys = tuple(tuple(float(rng.randint(-2, 2)) for _ in range(d)) for _ in range(m))
    values = tuple(tuple(float(rng.randint(-4, 4)) for _ in range(2)) for _ in range(m))
    return keys, values, tuple(rng.choice((-1.0, -0.5, 0.5, 1.0, 1.5)) for _ in range(d))


def dot(a: Vector, b: Vector) -> float:
    """The inner product."""
    return sum(x * y for x, y in zip(a, b, strict=True))


@draws(Sweep)
def draw_sweep(draws: Draws) -> Sweep:
    """Distinct scores, so that the limit is one value; β is 1/√d or a simple number."""
    for attempt in range(10_000):
        again = draws.again(attempt)
        shape = again.stream("shape")
        m, d = shape.randint(3, 5), shape.randint(2, 4)
        keys, values, query = draw_memory(again, m, d)
        products = sorted(dot(key, query) for key in keys)
        gaps = [b - a for a, b in pairwise(products)]
        if min(gaps) >= 0.5 and products[-1] - products[0] <= 6 and len(set(values)) == m:
            return Sweep(keys=keys, values=values, query=query, beta=shape.choice((None, 0.5, 1.0, 2.0)))
    raise RuntimeError("no well-posed variant in 10 000 draws")
