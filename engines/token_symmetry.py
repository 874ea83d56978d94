"""What self-attention can tell of its tokens: not their order, and, with Q = K, mostly themselves.

Sheets: NYU deep learning, homework 4 (2023), question 1.3(b); EECS 182, homework 8 (fall 2022), question 1b.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from engines.arrays import Array
from engines.attention import explicit_attention
from engines.figures import Heatmap, Lines, line, table
from engines.multihead import multi_head_attention, random_projections
from engines.parameters.token_symmetry import Equivariance, Identical
from engines.randomness import Draws
from engines.registry import draws, experiment
from engines.result import Result, Step
from engines.run import Run

# -- order


@experiment(Equivariance)
def equivariance(params: Equivariance, run: Run) -> Result:
    """Att(C P) against Att(C) P: plain, with positions, with a causal mask."""
    n, d = params.length, params.d_model
    x = run.randn("tokens", n, d)
    layer = random_projections(run, "layer", d, d, bias=False)
    positions = _positions(n, d, x)

    def plain(x: Tensor) -> Tensor:
        return multi_head_attention(x, x, layer, params.n_heads)

    layers: dict[str, Callable[[Tensor], Tensor]] = {
        "plain": plain,
        "with positions": lambda x: plain(x + positions),
        "causal mask": lambda x: multi_head_attention(x, x, layer, params.n_heads, causal=True),
    }
    largest = dict.fromkeys(layers, 0.0)
    for i in range(params.shuffles):
        order = torch.randperm(n, generator=run.generator(f"order {i}")).to(run.device)
        for name, function in layers.items():
            largest[name] = max(largest[name], float((function(x[order]) - function(x)[order]).abs().max()))
        run.progress((i + 1) / params.shuffles, f"order {i + 1} of {params.shuffles}")
    found = list(largest.values())
    return Result(
        values={
            "plain": found[0],
            "with_positions": found[1],
            "causal": found[2],
            "needs_positions": True,
        },
        trace=(
            Step(
                "plain",
                "Scores, softmax and sum treat every key alike, so a permutation of the tokens permutes the outputs "
                f"and changes nothing else: the largest difference in {params.shuffles} orders is {found[0]:.1e}. "
                "Order is unknown to the layer; for a set that is right, for a sentence it is not.",
            ),
            Step("positions", f"With a position added to each token the difference is {found[1]:.3g}."),
            Step("causal", f"A causal mask breaks the symmetry as well, without any positions: {found[2]:.3g}."),
        ),
        figures=(
            table(
                "orders",
                "Largest difference between shuffling before and shuffling after the layer",
                ("layer", "difference"),
                [(name, f"{difference:.2e}") for name, difference in largest.items()],
                align="lr",
                caption="Plain self-attention cannot tell orders apart; positions or a causal mask can.",
            ),
        ),
    )


def _positions(n: int, d: int, like: Tensor) -> Tensor:
    """Sine and cosine pairs of falling frequency, `(n, d)` (Vaswani et al. 2017, section 3.5)."""
    frequencies = 10_000.0 ** (-torch.arange(0, d, 2, dtype=like.dtype, device=like.device) / d)
    angles = torch.arange(n, dtype=like.dtype, device=like.device)[:, None] * frequencies
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)


# -- the same vectors as queries and keys


def diagonal_rule(n: int, d: int) -> float:
    """A rule of thumb for the diagonal weight of N(0, 1) tokens: e^√d / (e^√d + (N − 1) e^½).

    A token's score with itself is ‖x‖²/√d ≈ √d; with another it is about N(0, 1), whose exponential has mean e^½.
    """
    return 1 / (1 + (n - 1) * math.exp(0.5 - math.sqrt(d)))


@experiment(Identical)
def identical(params: Identical, run: Run) -> Result:
    """Mean weight on the diagonal against d, beside the rule of thumb and uniform attention."""
    n, d = params.tokens, params.dimension
    sizes = sorted({4, 16, 64, 256, d})
    diagonal: dict[int, float] = {}
    spread: dict[int, float] = {}
    for i, size in enumerate(sizes):
        shares = []
        for j in range(params.draws):
            x = _tokens(params, run, f"{size} {j}", size)
            _, A = explicit_attention(x, x, x[:, :1])
            shares.append(float(A.diagonal().mean()))
            run.progress((i + (j + 1) / params.draws) / len(sizes), f"d = {size}, draw {j + 1}")
        diagonal[size] = sum(shares) / len(shares)
        spread[size] = math.sqrt(sum((s - diagonal[size]) ** 2 for s in shares) / max(1, len(shares) - 1))
    x = _tokens(params, run, f"{d} 0", d)
    v = _tokens(params, run, "values", d)
    output, A = explicit_attention(x, x, v)
    s = (x[:64] @ x.T) / math.sqrt(d)
    off = s[~torch.eye(len(s), n, dtype=torch.bool, device=s.device)]
    error = float((output - v).norm() / v.norm())
    return Result(
        values={
            "mean_diagonal": diagonal[d],
            "mean_diagonal_sd": spread[d],
            "rule": diagonal_rule(n, d),
            "uniform": 1 / n,
            "output_error": error,
            "diagonal_score": s.diagonal().mean(),
            "off_diagonal_sd": off.std(),
            "off_diagonal_mean": off.mean(),
            "near_identity": diagonal[d] > 0.9,
            "by_dimension": [{"d": size, "diagonal": share} for size, share in diagonal.items()],
            "row_sums": A.sum(1)[:16],
            "column_sums": A.sum(0)[:16],
        },
        trace=_identical_steps(params, diagonal[d], error, s, off),
        figures=(_diagonal_figure(params, diagonal, spread), _corner(A)),
    )


def _tokens(params: Identical, run: Run, name: str, d: int) -> Tensor:
    shape = (params.tokens, d)
    if params.distribution == "normal":
        return run.randn(name, *shape)
    if params.distribution == "signs":
        return (2 * run.randint(name, 2, *shape) - 1).to(run.dtype)
    return torch.rand(shape, generator=run.generator(name), dtype=torch.float64).to(run.device, run.dtype)


def _diagonal_figure(params: Identical, diagonal: dict[int, float], spread: dict[int, float]) -> Lines:
    x = [float(d) for d in diagonal]
    mean, sd = list(diagonal.values()), list(spread.values())
    low, high = [a - b for a, b in zip(mean, sd, strict=True)], [a + b for a, b in zip(mean, sd, strict=True)]
    return Lines(
        "diagonal",
        f"Mean weight on the diagonal, N = {params.tokens}, {params.distribution} entries",
        (
            line("measured ± sd of draws", x, mean, low=low, high=high),
            line("rule for N(0, 1)", x, [diagonal_rule(params.tokens, int(d)) for d in x]),
            line("uniform, 1/N", x, [1 / params.tokens] * len(x)),
        ),
        "d",
        "weight",
        "log",
        caption="Near the identity only where exp(√d) is far above N, and only if entries have mean 0.",
    )


def _corner(A: Tensor) -> Heatmap:
    shown_part = A[:16, :16]
    labels = tuple(str(i) for i in range(len(shown_part)))
    title = "Weights of one draw" if len(A) <= 16 else f"Weights of one draw, 16 of {len(A)} tokens"
    return Heatmap(
        "weights",
        title,
        Array.of(shown_part),
        labels,
        labels,
        caption="Rows add up to 1 over all keys; columns do not.",
    )


def _identical_steps(params: Identical, diagonal: float, error: float, s: Tensor, off: Tensor) -> tuple[Step, ...]:
    n, d = params.tokens, params.dimension
    return (
        Step(
            "scores",
            "$q_i^\\top k_i / \\sqrt{d} = \\|x_i\\|^2 / \\sqrt{d}$ is about $\\sqrt{d}$ for entries of mean 0 and "
            f"variance 1: here {s.diagonal().mean():.3g} on the diagonal. Off it the scores are *not* close to 0: mean "
            f"{off.mean():.3g}, standard deviation {off.std():.3g}.",
        ),
        Step(
            "weights",
            f"The diagonal wins if $e^{{\\sqrt{{d}}}}$ = {math.exp(math.sqrt(d)):.3g} is far above $N$ = {n}. Mean "
            f"weight {diagonal:.3g}; the rule of thumb for normal entries says {diagonal_rule(n, d):.3g}, uniform "
            f"would be {1 / n:.3g}.",
        ),
        Step("output", f"Where $A \\approx I$ the output is about $V$; here it differs by {error:.3g} of the norm."),
    )


@draws(Identical)
def draw_identical(draws: Draws) -> Identical:
    """Normal or ±1 entries with exp(√d) and N at least a factor of 5 apart, or uniform ones; small N."""
    rng = draws.stream("sizes")
    while True:
        n, d = rng.randint(5, 200), rng.randint(4, 144)
        ratio = math.exp(math.sqrt(d)) / n
        if not 1 / 5 < ratio < 5:
            return Identical(
                tokens=n, dimension=d, distribution=rng.choice(("normal", "normal", "signs", "uniform")), draws=10
            )
