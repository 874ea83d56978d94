"""Attention before training, and where its gradient is: nearly even weights, and no pair singled out at first.

EECS 182, homework 8 (fall 2022), question 2d.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.arrays import Array
from engines.figures import Heatmap, Lines, line, table
from engines.grammar import SUBJECT, Sentences, sentences
from engines.grammar_models import Model, at_the_verb, toy_model, train
from engines.parameters.untrained import LogitGradients, Untrained
from engines.registry import experiment
from engines.result import Result, Step
from engines.run import Run
from engines.transformer import Record, attention_logits

EVERY = 20
TESTED = 400

# -- numerics


def untrained_logits(x: Tensor, query: Tensor, key: Tensor, n_heads: int) -> Tensor:
    """Attention logits of x `(n, d)` under matrices `(d, d)`: `(heads, n, n)`."""
    n = len(x)
    q, k = ((x @ matrix).view(n, n_heads, -1).transpose(0, 1) for matrix in (query, key))
    return attention_logits(q, k)


@dataclass(frozen=True)
class PairGradient:
    """How far the gradient of a logit singles out the useful pair, as quotients subject / other earlier places.

    `size` is that of the mean size, mean |g|; `mean` that of the size of the mean, |mean g|, over sentences.
    """

    size: float
    mean: float


def pair_gradient(model: Model, found: Sentences) -> PairGradient:
    """The gradient of the verb's loss by the logits of all layers and heads, at the place that predicts the verb.

    All sentences must have a noun between subject and verb, so that the places mean the same in all of them.
    """
    record = Record()
    logits, place = at_the_verb(model, found, record)
    rows = torch.arange(len(place), device=place.device)
    F.cross_entropy(logits, found.tokens[rows, found.verb], reduction="sum").backward()
    model.zero_grad()
    by_layer = [layer.logits.grad[rows, :, place] for layer in record.self_attention if layer.logits.grad is not None]
    g = torch.cat(by_layer, 1).double()  # (sentences, layers · heads, keys)
    others = [j for j in range(int(place[0]) + 1) if j != SUBJECT]
    size, mean = g.abs().mean((0, 1)), g.mean(0).abs().mean(0)  # (keys,) each
    return PairGradient(
        (size[SUBJECT] / size[others].mean()).item(),
        (mean[SUBJECT] / mean[others].mean()).item(),
    )


# -- experiments


@experiment(Untrained)
def untrained(params: Untrained, run: Run) -> Result:
    """Entropy and spread of untrained heads, for BERT's initialisation or another."""
    if params.width % params.n_heads:
        raise ValueError(f"width {params.width} is no multiple of {params.n_heads} heads")
    n, d = params.tokens, params.width
    run.progress(0.1, "embeddings of random tokens at random positions, normalised")
    x = F.layer_norm(run.randn("tokens", n, d) + run.randn("positions", n, d), (d,))
    query, key = (params.spread * run.randn(name, d, d) for name in ("query", "key"))
    logits = untrained_logits(x, query, key, params.n_heads)
    weights = logits.softmax(-1)
    run.progress(0.8, "attention")
    entropy = -torch.special.xlogy(weights, weights).sum(-1).mean().item()
    # q is a sum of d products of variance spread²; q·k/√d_head of d_head products of such.
    expected = d * params.spread**2
    values = {
        "logit_sd": logits.std().item(),
        "expected_logit_sd": expected,
        "entropy": entropy,
        "largest_entropy": math.log(n),
        "entropy_share": entropy / math.log(n),
        "smallest_weight": weights.min().item(),
        "largest_weight": weights.max().item(),
        "even_weight": 1 / n,
    }
    text = (
        f"With weights of size {params.spread:g} the logits have standard deviation {values['logit_sd']:.3f} (theory: "
        f"$d\\sigma^2$ = {expected:.3f}). Softmax of numbers that near to each other is nearly even: the entropy is "
        f"{entropy:.3f} of at most $\\log n$ = {math.log(n):.3f}. But not even: weights lie between "
        f"{values['smallest_weight']:.3f} and {values['largest_weight']:.3f}, around 1/n = {1 / n:.3f}."
    )
    figure = Heatmap(
        "weights",
        "Attention of the first untrained head",
        Array.of(weights[0]),
        scale="linear",
        caption="Nearly even, not even: no key has been learned to matter, but chance makes some matter more.",
    )
    return Result(values=values, trace=(Step("untrained", text),), figures=(figure,))


@experiment(LogitGradients)
def logit_gradients(params: LogitGradients, run: Run) -> Result:
    """Both quotients while a GPT-like model learns that the verb follows the subject."""
    model = toy_model("gpt", run)
    tested = sentences(run.generator("tested"), TESTED, between=1.0).to(run.device)
    found: dict[int, PairGradient] = {}

    def watch(step: int) -> None:
        found[step] = pair_gradient(model, tested)
        message = f"step {step}: size {found[step].size:.2f}, mean {found[step].mean:.2f}"
        run.progress(step / params.steps, message, _gradient_figure(found))

    def on_step(step: int, _: Tensor) -> None:
        if step % EVERY == 0:
            watch(step)

    train(model, run, params.steps, params.batch_size, on_step)
    watch(params.steps)
    peak = max(found, key=lambda step: found[step].mean)
    picked = {"untrained": 0, "peak": peak, "trained": params.steps}
    values: dict[str, float | int | list[float]] = {"peak_at": peak}
    for name, step in picked.items():
        values |= {f"size_{name}": found[step].size, f"mean_{name}": found[step].mean}
    rows = [(f"{name} (step {i})", f"{found[i].size:.2f}", f"{found[i].mean:.2f}") for name, i in picked.items()]
    quotients = table(
        "quotients",
        "Gradient of the logit (verb's place, subject) over that of the other places",
        ("model", "mean of |g|", "|mean of g|"),
        rows,
        align="lrr",
        caption="At first the size of the gradient says nothing about the pair; later its mean stands out.",
    )
    text = (
        f"Before training the gradient of the logit that will matter is as large as the others ({found[0].size:.2f} "
        "times): its size says nothing about what the model eventually learns. Gradients of single sentences are "
        "mostly noise that cancels; what does not cancel moves the weights. The mean over sentences is "
        f"{found[0].mean:.2f} times that of the other places at the start, {found[peak].mean:.2f} times at step "
        f"{peak}, while the pair is being learned, and {found[params.steps].mean:.2f} times after {params.steps} steps."
    )
    return Result(values=values, trace=(Step("gradients", text),), figures=(_gradient_figure(found), quotients))


def _gradient_figure(found: dict[int, PairGradient]) -> Lines:
    steps = [float(step) for step in found]
    return Lines(
        "gradients",
        "Gradient by the logit of the useful pair, over that of others",
        (
            line("size of the mean, |mean g|", steps, [x.mean for x in found.values()]),
            line("mean size, mean |g|", steps, [x.size for x in found.values()]),
            line("no difference", steps, [1.0] * len(steps)),
        ),
        x_label="training step",
        y_label="subject / other places",
        caption="The mean over sentences singles out the pair that matters most while it is being learned, not before.",
    )
