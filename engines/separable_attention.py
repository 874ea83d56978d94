"""Attention whose weights are a product of two thin matrices of probabilities.

    softmax_row(Q) softmax_col(K)ᵀ V

(Shen et al. 2018; IFT6135 assignment (winter 2022), questions 3.2 and 3.3.) Q, K are `(n, d)`, V is `(n, m)`. The rows
of the map are distributions, mixtures of d that all positions share. Multiplied from the right it costs n·d·m, from
the left n²·d.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from engines.arrays import Array
from engines.attention import softmax_attention
from engines.counting import Watch, working_set
from engines.figures import Bars, Figure, Heatmap, Lines, line
from engines.parameters.separable_attention import Separable
from engines.randomness import Draws
from engines.registry import draws, experiment
from engines.result import Result, Step
from engines.run import Run
from engines.timing import seconds

# -- numerics


def separable_map(q: Tensor, k: Tensor) -> Tensor:
    """softmax_row(Q) softmax_col(K)ᵀ, `(n, n)`: each row a mixture, by the softmax of a query, of d distributions."""
    return q.softmax(-1) @ k.softmax(-2).mT


def separable_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Keys and values first: time n·d·m, numbers n·(d + m) + d·m."""
    return q.softmax(-1) @ (k.softmax(-2).mT @ v)


def separable_attention_slow(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The same with the map written out first: time n²·(d + m), numbers n²."""
    return separable_map(q, k) @ v


def dav_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """D⁻¹ A V with A = exp(Q Kᵀ) and D = diag(A 1) (question 3.3): softmax attention without its scale.

    Written as it stands it overflows where a score is large; softmax subtracts the largest score of a row first.
    """
    a = (q @ k.mT).exp()
    return (a @ v) / a.sum(-1, keepdim=True)


def log_rank(weights: Tensor, tolerance: float = 1e-9) -> int:
    """Rank of the logarithms of a map, each row less its mean.

    For softmax(QKᵀ) it is at most d: softmax takes the mean of a row away, and of rank d is left QKᵀ with its rows
    centred. A map that has more is out of reach of a standard head of that width.
    """
    logs = weights.log()
    values = torch.linalg.svdvals((logs - logs.mean(-1, keepdim=True)).double())
    return int((values > tolerance * values[0]).sum())


def identity_on_a_circle(n: int, sharpness: float, like: Tensor) -> Tensor:
    """softmax(β Z Zᵀ) for n points Z on a circle, d = 2: the identity as β grows, whatever n is."""
    angles = torch.arange(n, dtype=like.dtype, device=like.device) * (2 * math.pi / n)
    points = torch.stack([angles.cos(), angles.sin()], 1)
    return (sharpness * points @ points.T).softmax(-1)


def fit_identity(q: Tensor, k: Tensor, steps: int, rate: float = 0.1) -> Iterator[float]:
    """Squared distance of the separable map from the identity under Adam, from q, k `(n, d)`: before each step."""
    target = torch.eye(len(q), dtype=q.dtype, device=q.device)
    places = [x.clone() for x in (q, k)]
    first, second = ([torch.zeros_like(x) for x in places] for _ in range(2))
    for t in range(1, steps + 1):
        leaves = [x.requires_grad_() for x in places]
        loss = (separable_map(*leaves) - target).square().sum()
        gradients = torch.autograd.grad(loss, leaves)
        yield float(loss.detach())
        for i, g in enumerate(gradients):
            first[i] = 0.9 * first[i] + 0.1 * g
            second[i] = 0.999 * second[i] + 0.001 * g * g
            size = (second[i] / (1 - 0.999**t)).sqrt() + 1e-8
            places[i] = places[i].detach() - rate * first[i] / (1 - 0.9**t) / size
    yield float((separable_map(*places) - target).square().sum())


# -- the experiment

ORDERS = {"softmax": softmax_attention, "right first": separable_attention, "left first": separable_attention_slow}


@experiment(Separable)
def separable(params: Separable, run: Run) -> Result:
    """Rows, ranks, the best approximation of the identity, and the cost of the two orders."""
    n, d = params.length, params.width
    q, k, v = (run.randn(name, n, d) * params.scale for name in "qkv")
    weights, standard = separable_map(q, k), (q @ k.T).softmax(-1)
    maps = _maps_figure(weights)
    run.progress(0.05, "the map", maps)
    # Its rank is that of its factors; counted from the singular values that rounding leaves of the product.
    ranks = {
        "separable": int(torch.linalg.matrix_rank(weights)),
        "softmax": int(torch.linalg.matrix_rank(standard)),
    }
    losses: list[float] = []
    for loss in fit_identity(run.randn("fit q", n, d), run.randn("fit k", n, d), params.steps):
        losses.append(loss)
        if len(losses) % 10 == 0:
            fraction = 0.05 + 0.55 * len(losses) / (params.steps + 1)
            run.progress(fraction, "fitting the map to the identity", _fit_figure(params, losses))
    growth = _growth(params, run)
    sharp = float((identity_on_a_circle(n, 100.0 * n * n, q) - torch.eye(n).to(q)).square().sum())
    difference = float((dav_attention(q, k, v) - softmax_attention(q, k, v, scale=1.0)).abs().max())
    return Result(
        values={
            "row_sum_error": float((weights.sum(1) - 1).abs().max()),
            "column_sums": [float(weights.sum(0).min()), float(weights.sum(0).max())],
            "smallest_weight": float(weights.min()),
            "rank": ranks["separable"],
            "rank_softmax": ranks["softmax"],
            "log_rank": log_rank(weights),
            "log_rank_softmax": log_rank(standard),
            "identity_distance": losses[-1],
            "identity_bound": n - d,
            "identity_distance_softmax": sharp,
            "dav_error": difference,
            "order_error": float((separable_attention(q, k, v) - separable_attention_slow(q, k, v)).abs().max()),
            "lengths": growth["lengths"],
            **{f"operations_{name.replace(' ', '_')}": growth[f"operations {name}"] for name in ORDERS},
            **{f"numbers_{name.replace(' ', '_')}": growth[f"numbers {name}"] for name in ORDERS},
            **(
                {f"seconds_{name.replace(' ', '_')}": growth[f"seconds {name}"] for name in ORDERS}
                if params.timed
                else {}
            ),
        },
        trace=_worked(params, weights, ranks, losses, sharp),
        figures=(maps, _ranks_figure(weights, standard), _fit_figure(params, losses), *_cost_figures(params, growth)),
    )


def _growth(params: Separable, run: Run) -> dict[str, list[float]]:
    """Operations, numbers alive at once and perhaps seconds of softmax and of both orders, along n."""
    lengths = [2**i for i in range(5, params.longest.bit_length()) if 2**i <= params.longest]
    found: dict[str, list[float]] = {"lengths": [float(n) for n in lengths]}
    for i, n in enumerate(lengths):
        inputs = [run.randn(f"{name} {n}", n, params.width) for name in "qkv"]
        run.progress(0.6 + 0.4 * i / len(lengths), f"counting at n = {n}")
        taken = seconds({name: partial(form, *inputs) for name, form in ORDERS.items()}, run) if params.timed else {}
        for name, form in ORDERS.items():
            with torch.no_grad(), Watch() as watch:
                form(*inputs)
            found.setdefault(f"operations {name}", []).append(float(watch.operations))
            found.setdefault(f"numbers {name}", []).append(float(working_set(form, *inputs)))
            if params.timed:
                found.setdefault(f"seconds {name}", []).append(taken[name])
    return found


def _maps_figure(weights: Tensor) -> Heatmap:
    return Heatmap(
        "map",
        "The weights of separable attention",
        Array.of(weights),
        caption=f"{len(weights)} rows that look alike: each mixes the same few distributions.",
    )


def _ranks_figure(weights: Tensor, standard: Tensor) -> Lines:
    floor = 1e-17
    x = [float(i) for i in range(1, len(weights) + 1)]
    return Lines(
        "singular_values",
        "Singular values of the map",
        tuple(
            line(name, x, torch.linalg.svdvals(matrix).clamp(min=floor), points=True)
            for name, matrix in (("separable", weights), ("softmax(QKᵀ)", standard))
        ),
        x_label="number",
        y_label="singular value",
        y_scale="log",
        caption="Separable: nothing but rounding after the first d. The softmax of QKᵀ has no such edge.",
    )


def _fit_figure(params: Separable, losses: list[float]) -> Lines:
    x = [float(i) for i in range(len(losses))]
    bound = params.length - params.width
    return Lines(
        "fit",
        f"Squared distance from the identity, n = {params.length}, d = {params.width}",
        (line("fitted", x, losses), line(f"least possible, n − d = {bound}", x, [float(bound)] * len(x))),
        x_label="step",
        y_label="squared distance",
        caption="No matrix of rank d comes closer than n − d (Eckart and Young): the fit cannot cross the line.",
    )


def _cost_figures(params: Separable, growth: dict[str, list[float]]) -> list[Figure]:
    figures: list[Figure] = [
        Lines(
            what,
            f"{what.capitalize()} at d = {params.width}",
            tuple(line(name, growth["lengths"], growth[f"{what} {name}"]) for name in ORDERS),
            x_label="length n",
            y_label=what,
            x_scale="log",
            y_scale="log",
            caption="Keys and values first: slope 1. The map first: slope 2, like softmax, for the same output.",
        )
        for what in ("operations", "numbers", *(["seconds"] if params.timed else []))
    ]
    n = growth["lengths"][-1]
    totals = [growth[f"operations {name}"][-1] for name in ORDERS]
    least = min(totals)
    figures.append(
        Bars(
            "orders",
            f"Operations at n = {n:g}, in multiples of the least",
            tuple(ORDERS),
            ("operations",),
            Array.of(torch.tensor([[total / least for total in totals]])),
            caption="The order of two products decides, not the formula.",
        )
    )
    return figures


def _worked(
    params: Separable, weights: Tensor, ranks: dict[str, int], losses: list[float], sharp: float
) -> tuple[Step, ...]:
    n, d = params.length, params.width
    return (
        Step(
            "valid",
            r"Entries are sums of products of numbers that are not negative. A row sums to "
            r"$\sum_j \sum_l a_{il} b_{jl} = \sum_l a_{il} \sum_j b_{jl} = \sum_l a_{il} = 1$. "
            f"Here the row sums differ from 1 by at most {float((weights.sum(1) - 1).abs().max()):.1e}, and the "
            f"smallest entry is {float(weights.min()):.2g}. Column sums are something else.",
        ),
        Step(
            "cost",
            r"$softmax(K)^\top V$ first is a $d \times d$ matrix: time $n d^2$, memory $n d + d^2$. The map first is "
            r"$n \times n$: time $n^2 d$, memory $n^2$.",
        ),
        Step(
            "expressive",
            f"The map is a product through {d} columns, so its rank is at most {d} (here {ranks['separable']}); that "
            f"of the softmax of $QK^\\top$ is {ranks['softmax']} of {n}. No matrix of rank {d} is nearer to the "
            f"identity than a squared distance of $n - d = {n - d}$; the fit ends at {losses[-1]:.3f}. A standard head "
            f"with $d = 2$ and keys on a circle comes within {sharp:.1e}.",
        ),
        Step(
            "not-a-subset",
            f"Nor does standard attention contain it. The logarithms of a standard map, rows centred, have a rank of "
            f"at most $d = {d}$; those of this separable map have {log_rank(weights)}.",
        ),
    )


@draws(Separable)
def draw_separable(draws: Draws) -> Separable:
    """Other sizes with n well above d."""
    rng = draws.stream("sizes")
    width = rng.randint(2, 6)
    length = rng.randint(3 * width, 40)
    return Separable(length=length, width=width, scale=rng.randint(10, 100) / 20, steps=200, longest=256)
