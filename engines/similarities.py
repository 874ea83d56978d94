"""Attention with any similarity function in place of exp(q·k/√D), and when its denominator can vanish.

    vᵢ' = Σⱼ sim(qᵢ, kⱼ) vⱼ / Σⱼ sim(qᵢ, kⱼ)

(Tsai et al. 2019; EECS 182, homework 7 (spring 2023), question 5a.) A similarity is a function of queries `(..., L, d)`
and keys `(..., n, d)` that returns `(..., L, n)`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from engines.arrays import Array
from engines.figures import Bars, Table, table
from engines.linear_attention import elu_plus_one
from engines.parameters.similarities import ALL, Denominator, Similarity
from engines.randomness import Draws
from engines.registry import draws, experiment
from engines.result import Result, Step
from engines.run import Run

Sim = Callable[[Tensor, Tensor], Tensor]

# -- numerics


def exponential(q: Tensor, k: Tensor) -> Tensor:
    """exp(q·k/√d): positive everywhere; with it attention is softmax attention."""
    return (q @ k.mT / math.sqrt(q.shape[-1])).exp()


def quadratic(q: Tensor, k: Tensor) -> Tensor:
    """(q·k + 1)²: never negative, and 0 where q·k = −1."""
    return (q @ k.mT + 1) ** 2


def linear(q: Tensor, k: Tensor) -> Tensor:
    """q·k: of either sign."""
    return q @ k.mT


def elu(q: Tensor, k: Tensor) -> Tensor:
    """φ(q)·φ(k) with φ = elu + 1: positive everywhere."""
    return elu_plus_one(q) @ elu_plus_one(k).mT


def relu(q: Tensor, k: Tensor) -> Tensor:
    """φ(q)·φ(k) with φ = ReLU: never negative, and 0 where no entry is positive in both."""
    return q.relu() @ k.relu().mT


def two_values(q: Tensor, k: Tensor) -> Tensor:
    """1 where q·k ≥ 0 and −√2 elsewhere: of either sign, and yet a − b√2 is 0 for no whole numbers but 0 and 0."""
    products = q @ k.mT
    return torch.where(products >= 0, torch.ones_like(products), torch.full_like(products, -math.sqrt(2)))


def fourier(directions: Tensor) -> Sim:
    """Mean of cos(w·(q − k)) over the rows w of `directions`: few random Fourier features of a Gaussian kernel."""

    def similarity(q: Tensor, k: Tensor) -> Tensor:
        a, b = q @ directions.mT, k @ directions.mT
        return (a.cos() @ b.cos().mT + a.sin() @ b.sin().mT) / len(directions)

    return similarity


def similarity_attention(sim: Sim, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Σⱼ sim(qᵢ, kⱼ) vⱼ / Σⱼ sim(qᵢ, kⱼ), as written: not finite where the sum is zero."""
    weights = sim(q, k)
    return (weights @ v) / weights.sum(-1, keepdim=True)


@dataclass(frozen=True)
class Search:
    """What a search for a vanishing denominator found.

    Attributes:
        q: `(d,)`, the query at which the sum over its keys is nearest to zero.
        k: `(n, d)`, its keys.
        denominator: that sum.
        low: the least similarity met on the way.
        high: the greatest.
    """

    q: Tensor
    k: Tensor
    denominator: float
    low: float
    high: float


def search_zero(sim: Sim, q: Tensor, k: Tensor, radius: float, steps: int) -> Search:
    """Look for a query and keys in the cube [−radius, radius] whose similarities add up to nothing.

    Where sums of both signs are met, a continuous one has a zero on the way between them: bisection finds it. Else
    the smallest ones are followed downwards by Polyak's step towards the value 0, x − s ∇s / |∇s|².

    Args:
        sim: the similarity.
        q: `(tries, 1, d)`, where to begin.
        k: `(tries, n, d)`.
        radius: half the side of the cube.
        steps: of either search.
    """
    similarities = sim(q, k).squeeze(-2)
    sums = similarities.sum(-1)
    low, high = float(similarities.min()), float(similarities.max())
    if sums.min() < 0 < sums.max():
        ends = [torch.cat([q[i], k[i]]) for i in (int(sums.argmin()), int(sums.argmax()))]
        point = _bisect(lambda x: sim(x[:1], x[1:]).sum(), ends[0], ends[1], steps)
    else:
        first = sums.abs().topk(min(8, len(sums)), largest=False).indices
        points = torch.cat([q[first], k[first]], 1)
        points = _descend(lambda x: sim(x[:, :1], x[:, 1:]).sum((-2, -1)), points, radius, steps)
        point = points[sim(points[:, :1], points[:, 1:]).sum((-2, -1)).abs().argmin()]
    found = sim(point[:1], point[1:])
    return Search(
        point[0],
        point[1:],
        float(found.sum()),
        min(low, float(found.min())),
        max(high, float(found.max())),
    )


def _bisect(function: Callable[[Tensor], Tensor], negative: Tensor, positive: Tensor, steps: int) -> Tensor:
    for _ in range(min(steps, 100)):
        middle = (negative + positive) / 2
        negative, positive = (middle, positive) if function(middle) < 0 else (negative, middle)
    return min((negative, positive), key=lambda x: abs(float(function(x))))


def _descend(function: Callable[[Tensor], Tensor], points: Tensor, radius: float, steps: int) -> Tensor:
    for _ in range(steps):
        points = points.detach().requires_grad_()
        values = function(points)
        if not values.requires_grad:
            break  # piecewise constant: there is no way down
        (slopes,) = torch.autograd.grad(values.sum(), points)
        squares = slopes.square().sum((-2, -1)).clamp(min=1e-300)
        points = points - (values / squares).unsqueeze(-1).unsqueeze(-1) * slopes
        points = points.detach().clamp(-radius, radius)
    return points.detach()


# -- the experiment

# Below this a sum of a few similarities is zero but for rounding; exp and elu + 1 stay well above it in the cube.
ZERO = 1e-10
WORDS = {
    "exp": "exp(q·k/√D)",
    "quadratic": "(q·k + 1)²",
    "linear": "q·k",
    "elu": "φ(q)·φ(k), φ = elu + 1",
    "relu": "φ(q)·φ(k), φ = ReLU",
    "two values": "1 if q·k ≥ 0 else −√2",
    "fourier": "mean cos(w·(q − k))",
}


@experiment(Denominator)
def denominator(params: Denominator, run: Run) -> Result:
    """For each similarity its range, the smallest denominator found, and how far outputs leave the values' hull."""
    q, k, v = (
        (run.randn(name, params.tries, rows, columns) / 2).clamp(-1, 1) * scale
        for name, rows, columns, scale in (
            ("q", 1, params.width, params.radius),
            ("k", params.keys, params.width, params.radius),
            ("v", params.keys, 1, 1.0),
        )
    )
    sims = _similarities(run, params.width)
    found: dict[str, Search] = {}
    largest: dict[str, float] = {}
    for i, name in enumerate(params.similarities):
        found[name] = search_zero(sims[name], q, k, params.radius, params.steps)
        outputs = similarity_attention(sims[name], q, k, v).abs()
        largest[name] = float(outputs[outputs.isfinite()].max())
        run.progress((i + 1) / len(params.similarities), f"searching {WORDS[name]}", _table(found, largest))
    vanishing = [name for name, search in found.items() if abs(search.denominator) < ZERO]
    return Result(
        values={
            "vanishing": vanishing,
            "safe": [name for name in found if name not in vanishing],
            "not_negative": [name for name, search in found.items() if search.low >= 0],
            "positive": [name for name, search in found.items() if search.low > ZERO],
            "both_signs": [name for name, search in found.items() if search.low < 0 < search.high],
            "smallest": {name: abs(search.denominator) for name, search in found.items()},
            "largest_output": largest,
            "witness_q": {name: found[name].q for name in vanishing},
            "witness_k": {name: found[name].k for name in vanishing},
        },
        trace=_worked(found, vanishing, largest),
        figures=(_table(found, largest), _bars(found)),
    )


def _similarities(run: Run, width: int) -> Mapping[str, Sim]:
    return {
        "exp": exponential,
        "quadratic": quadratic,
        "linear": linear,
        "elu": elu,
        "relu": relu,
        "two values": two_values,
        "fourier": fourier(run.randn("directions", 4, width)),
    }


def _table(found: Mapping[str, Search], largest: Mapping[str, float]) -> Table:
    rows = [
        (
            WORDS[name],
            "− and +" if search.low < 0 else "0, +" if search.low <= ZERO else "+",
            f"{abs(search.denominator):.2g}",
            "yes" if abs(search.denominator) < ZERO else "no",
            f"{largest[name]:.3g}",
        )
        for name, search in found.items()
    ]
    return table(
        "denominators",
        "The smallest denominator that was found",
        ("similarity", "signs", "smallest |sum|", "vanishes?", "largest |output|"),
        rows,
        align="llrlr",
        caption="All values lie in [-1, 1]: an output beyond 1 is no average of them any more.",
    )


def _bars(found: Mapping[str, Search]) -> Bars:
    digits = [-math.log10(max(abs(search.denominator), 1e-17)) for search in found.values()]
    return Bars(
        "smallest",
        "How small the denominator gets",
        tuple(found),
        ("zeros after the point",),
        Array.of(torch.tensor([digits])),
        y_label="-log10 |sum|",
        caption=f"Beyond {-math.log10(ZERO):.0f} only rounding is left of the sum: attention divides by zero there.",
    )


def _worked(found: Mapping[str, Search], vanishing: list[str], largest: Mapping[str, float]) -> tuple[Step, ...]:
    lines = [
        f"- {WORDS[name]}: similarities from {search.low:.3g} to {search.high:.3g}, "
        f"smallest sum {abs(search.denominator):.2g}" + (" — it vanishes" if name in vanishing else "")
        for name, search in found.items()
    ]
    wildest = max(largest, key=lambda name: largest[name])
    return (
        Step(
            "condition",
            r"The output is finite exactly where $\sum_j sim(Q_i, K_j) \neq 0$ for every query. Strictly one sign "
            "everywhere is enough. Never negative is not: all terms can be 0 at once. One sign is not needed either: "
            r"of the values $1$ and $-\sqrt{2}$ no sum is 0, because $\sqrt{2}$ is no fraction.",
        ),
        Step("search", "Searched from random queries and keys:\n\n" + "\n".join(lines)),
        Step(
            "hull",
            "With weights of one sign an output is an average of the values. Otherwise it can leave them: among the "
            f"random draws {WORDS[wildest]} gives an output of size {largest[wildest]:.4g} from values within 1.",
        ),
    )


@draws(Denominator)
def draw_denominator(draws: Draws) -> Denominator:
    """Four or five similarities, at least one of which is never negative and yet 0 somewhere, in any order."""
    rng = draws.stream("similarities")
    flat: Similarity = rng.choice(("quadratic", "relu"))
    others: list[Similarity] = rng.sample([name for name in ALL if name != flat], rng.choice((3, 4)))
    chosen = rng.sample([flat, *others], 1 + len(others))
    shape = draws.stream("shape")
    return Denominator(similarities=tuple(chosen), width=shape.randint(2, 4), keys=shape.randint(1, 6), tries=500)
