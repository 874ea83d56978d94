"""What stands beside attention in a transformer's layer: the network at every position, and layer normalisation."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.arrays import Array
from engines.attention import shown
from engines.figures import Bars, Heatmap
from engines.parameters.attention_weights import Matrix
from engines.parameters.token_layers import FeedForward, LayerNorm
from engines.randomness import Draws
from engines.registry import draws, experiment
from engines.result import Result, Step
from engines.run import Run

# -- the network at every position


def feed_forward(x: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> Tensor:
    """relu(x W₁ + b₁) W₂ + b₂ at every position on its own (Vaswani et al. 2017, eq. 2).

    x `(..., d_model)`, W₁ `(d_model, d_ff)`, W₂ `(d_ff, d_model)`: here in the paper's layout, `(in, out)`.
    """
    return (x @ w1 + b1).relu() @ w2 + b2


@experiment(FeedForward)
def feed_forward_network(params: FeedForward, run: Run) -> Result:
    """The network beside two convolutions of kernel size 1, its parameters beside those of attention."""
    d, wide = params.d_model, params.d_ff
    x = run.randn("x", params.length, d)
    w1, w2 = run.randn("w1", d, wide) / math.sqrt(d), run.randn("w2", wide, d) / math.sqrt(wide)
    b1, b2 = run.randn("b1", wide), run.randn("b2", d)
    output = feed_forward(x, w1, b1, w2, b2)
    run.progress(0.5, "the same as convolutions")
    hidden = F.conv1d(x.T.unsqueeze(0), w1.T.unsqueeze(-1), b1).relu()
    convolved = F.conv1d(hidden, w2.T.unsqueeze(-1), b2)[0].T
    moved = x.clone()
    moved[0] += 1
    leak = (feed_forward(moved, w1, b1, w2, b2) - output)[1:].abs().max()
    count, attention = 2 * d * wide + wide + d, 4 * d * d
    return Result(
        values={
            "parameters": count,
            "parameters_without_bias": 2 * d * wide,
            "attention_parameters": attention,
            "share": count / (count + attention),
            "difference": (output - convolved).abs().max(),
            "influence_on_others": leak,
            "dead_share": (hidden == 0).double().mean(),
            "formula": "relu(x@W1+b1)@W2+b2",
            "one_matrix": d * wide,
        },
        trace=(
            Step(
                "network",
                "$\\mathrm{FFN}(x) = \\max(0, x W_1 + b_1) W_2 + b_2$ with the same weights at every position, and "
                "others in every layer. As two convolutions of kernel size 1 it differs by "
                f"{(output - convolved).abs().max():.1e}; moving one token changes the others by {leak:.1g}.",
            ),
            Step(
                "parameters",
                f"$2 d\\, d_{{ff}} + d_{{ff}} + d$ = {count}, against $4 d^2$ = {attention} in attention without "
                f"biases: {100 * count / (count + attention):.1f} % of the two.",
            ),
        ),
        figures=(
            Bars(
                "parameters",
                "Numbers to learn in one layer",
                ("attention", "feed-forward"),
                ("parameters",),
                Array.of([[attention, count]]),
                caption="With d_ff = 4 d two thirds of a layer's parameters are in the feed-forward network.",
            ),
        ),
    )


@draws(FeedForward)
def draw_feed_forward(draws: Draws) -> FeedForward:
    """Other widths, small enough to run at once."""
    rng = draws.stream("sizes")
    return FeedForward(d_model=4 * rng.randint(8, 64), d_ff=4 * rng.randint(65, 300), length=7)


# -- layer normalisation


def layer_norm(x: Tensor, gain: Tensor | float = 1.0, bias: Tensor | float = 0.0, eps: float = 1e-5) -> Tensor:
    """γ (x − mean) / √(variance + ε) + β over the features of each token, the last axis; the variance divides by d.

    Ba, Kiros and Hinton 2016. Nothing of it depends on other tokens or on the batch.
    """
    centred = x - x.mean(-1, keepdim=True)
    return gain * centred / (centred.square().mean(-1, keepdim=True) + eps).sqrt() + bias


@experiment(LayerNorm)
def layer_normalisation(params: LayerNorm, run: Run) -> Result:
    """Means, variances and the normalised tokens; over the wrong axis too."""
    x, gain, bias = run.tensor(params.tokens), run.tensor(params.gain), run.tensor(params.bias)
    output = layer_norm(x, gain, bias, params.eps)
    plain = layer_norm(x, eps=params.eps)
    run.progress(0.5, "the usual slips")
    centred = x - x.mean(-1, keepdim=True)
    alone = layer_norm(x[:1], gain, bias, params.eps)
    return Result(
        values={
            "means": x.mean(-1),
            "variances": centred.square().mean(-1),
            "normalised": plain,
            "output": output,
            "batch_influence": (alone - output[:1]).abs().max(),
            "scale_influence": (layer_norm(5 * x, gain, bias, params.eps) - output).abs().max(),
            # What comes out of the usual slips: the other axis, n − 1, the residual inside.
            "over_tokens": (gain * layer_norm(x.T, eps=params.eps).T + bias),
            "unbiased": gain * centred / (x.var(-1, keepdim=True) + params.eps).sqrt() + bias,
            "by_variance": gain * centred / (x.var(-1, keepdim=True, correction=0) + params.eps) + bias,
            "unbiased_variances": x.var(-1),
        },
        trace=(
            Step(
                "statistics",
                f"Over the features of the first token: mean {x[0].mean():.4g}, variance "
                f"{centred[0].square().mean():.4g}, which divides by {x.shape[1]} and not by {x.shape[1] - 1}.",
            ),
            Step(
                "output",
                f"Subtract, divide by $\\sqrt{{\\mathrm{{variance}} + \\epsilon}}$: {shown(plain[0])}; times the gain "
                f"plus the bias: {shown(output[0])}.",
            ),
            Step(
                "place",
                "The original transformer normalises after the residual, $\\mathrm{LN}(x + \\mathrm{Sublayer}(x))$; "
                "later ones before it, $x + \\mathrm{Sublayer}(\\mathrm{LN}(x))$. Either way by the token alone: "
                f"without the other tokens it comes out the same, to {(alone - output[:1]).abs().max():.1g}.",
            ),
        ),
        figures=(
            Heatmap(
                "normalised",
                "Tokens before and after",
                Array.of(torch.cat([x, plain])),
                tuple(f"x{i}{after}" for after in ("", "'") for i in range(1, len(x) + 1)),
                tuple(f"f{j}" for j in range(1, x.shape[1] + 1)),
                scale="row",
                caption="Each token (row) is moved to mean 0 and variance 1; the order of its features stays.",
            ),
        ),
    )


@draws(LayerNorm)
def draw_layer_norm(draws: Draws) -> LayerNorm:
    """Whole numbers, at least three different ones in each token, and a gain and bias half of the time."""
    rng = draws.stream("entries")
    width = rng.choice((3, 4))
    tokens: list[tuple[float, ...]] = []
    while len(tokens) < 3:
        row = tuple(float(rng.randint(-4, 8)) for _ in range(width))
        if len(set(row)) > 2 and row not in tokens:
            tokens.append(row)
    matrix: Matrix = tuple(tokens)
    if rng.random() < 0.5:
        return LayerNorm(tokens=matrix, gain=(1.0,) * width, bias=(0.0,) * width)
    gain = tuple(rng.choice((0.5, 1.0, 2.0, 3.0)) for _ in range(width))
    return LayerNorm(tokens=matrix, gain=gain, bias=tuple(float(rng.randint(-2, 2)) for _ in range(width)))
