"""Heads before any training: close to uniform attention, and measurably below it.

EECS 182, homework 8 (fall 2022), question 2d.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engines.arrays import Array
from engines.attention import entropy
from engines.figures import Heatmap, Lines, line
from engines.multihead import split_heads
from engines.parameters.untrained_heads import Untrained
from engines.registry import experiment
from engines.result import Result, Step
from engines.run import Run
from engines.token_layers import layer_norm


@experiment(Untrained)
def untrained(params: Untrained, run: Run) -> Result:
    """Entropy of heads with random projections, against uniform attention and against the second-order theory."""
    d, n = params.d_model, params.length
    std = 0.02 if params.init == "bert" else 1 / math.sqrt(3 * d)
    logits = []
    for i in range(params.layers):
        # Tokens and positions of equal size; with both, a layer norm makes every entry about N(0, 1).
        x = layer_norm(run.randn(f"tokens {i}", n, d) + run.randn(f"positions {i}", n, d))
        q, k = (x @ (_initial(run, f"{part} {i}", params) * std) for part in ("query", "key"))
        scores = split_heads(q, params.n_heads) @ split_heads(k, params.n_heads).mT
        logits.append(scores / math.sqrt(d // params.n_heads))
        entropies = entropy(torch.cat(logits).softmax(-1)).mean(-1)
        so_far = _untrained_figure(entropies, n, std**2 * d)
        run.progress((i + 1) / params.layers, f"layer {i + 1}", so_far)
    s = torch.cat(logits)  # (layers · heads, n, n)
    a = s.softmax(-1)
    predicted_sd = std**2 * d
    mean_entropy = float(entropy(a).mean())
    return Result(
        values={
            "logit_sd": s.std(),
            "predicted_logit_sd": predicted_sd,
            "entropy": mean_entropy,
            "predicted_entropy": math.log(n) - (1 - 1 / n) * predicted_sd**2 / 2,
            "uniform_entropy": math.log(n),
            "entropy_share": mean_entropy / math.log(n),
            "smallest_weight": a.min(),
            "largest_weight": a.max(),
            "uniform_weight": 1 / n,
            "initial_sd": std,
        },
        trace=(
            Step(
                "logits",
                f"After a layer norm a token has $\\|x\\|^2 = d$ = {d}. Entries of $W$ with standard deviation "
                f"{std:.4g} make entries of $q$ and $k$ with variance $d$·{std:.4g}² = {predicted_sd:.4g}, and "
                f"$q^\\top k / \\sqrt{{d_h}}$ with standard deviation {predicted_sd:.4g}. Measured: {s.std():.4g}.",
            ),
            Step(
                "entropy",
                "For small logits of variance $s^2$ the entropy is about $\\ln n - (1 - 1/n) s^2 / 2$ = "
                f"{math.log(n) - (1 - 1 / n) * predicted_sd**2 / 2:.4g}. Measured: {mean_entropy:.4g} of at most "
                f"{math.log(n):.4g}, that is {100 * mean_entropy / math.log(n):.1f} %.",
            ),
            Step(
                "weights",
                f"Near-uniform, but not equal: single weights run from {a.min():.3f} to {a.max():.3f} around 1/n = "
                f"{1 / n:.3f}.",
            ),
        ),
        figures=(
            _untrained_figure(entropy(a).mean(-1), n, predicted_sd),
            Heatmap(
                "head",
                "Weights of one untrained head",
                Array.of(a[0]),
                tuple(f"q{i}" for i in range(1, n + 1)),
                tuple(f"k{j}" for j in range(1, n + 1)),
                caption=f"No pattern, and no row is flat: every weight would be {1 / n:.3f} if it were.",
            ),
        ),
    )


def _initial(run: Run, name: str, params: Untrained) -> Tensor:
    """Entries of variance 1: normal as in BERT, or uniform as in nn.Linear."""
    shape = (params.d_model, params.d_model)
    if params.init == "bert":
        return run.randn(name, *shape)
    uniform = torch.rand(shape, generator=run.generator(name), dtype=torch.float64)
    return ((2 * uniform - 1) * math.sqrt(3)).to(run.device, run.dtype)


def _untrained_figure(entropies: Tensor, n: int, sd: float) -> Lines:
    x = [float(i) for i in range(1, len(entropies) + 1)]
    return Lines(
        "entropies",
        "Mean entropy of untrained heads",
        (
            line("head", x, entropies, points=True),
            line("uniform, ln n", x, [math.log(n)] * len(x)),
            line("theory", x, [math.log(n) - (1 - 1 / n) * sd**2 / 2] * len(x)),
        ),
        "head",
        "nats",
        caption="Before training every head is close to uniform attention, and below it.",
    )
