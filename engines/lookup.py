"""What hard attention does to training: the lookup task, and the share of a layer that gets no gradient.

EECS 182, homework 7 (spring 2023), question 4b.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.argmax import argmax_weights
from engines.attention import scores
from engines.figures import Lines, Table, line, table
from engines.multihead import merge_heads, split_heads
from engines.parameters.lookup import TESTED, Lookup
from engines.randomness import Draws
from engines.registry import draws, experiment
from engines.result import Result, Step
from engines.run import Run
from engines.token_layers import layer_norm

Kind = Literal["softmax", "argmax", "straight-through"]
KINDS: tuple[Kind, ...] = ("softmax", "argmax", "straight-through")

# -- numerics


def straight_through_weights(s: Tensor) -> Tensor:
    """Argmax weights going forward, the softmax's gradient going back (Bengio, Léonard and Courville 2013)."""
    soft = s.softmax(-1)
    return argmax_weights(s) + soft - soft.detach()


def weights_of(kind: Kind, s: Tensor) -> Tensor:
    """The weights that a kind of attention makes of the scores `(..., n)`."""
    if kind == "softmax":
        return s.softmax(-1)
    return argmax_weights(s) if kind == "argmax" else straight_through_weights(s)


def zero_gradient_parameters(kind: Kind, run: Run, d: int = 64, d_ff: int = 256, n_heads: int = 4) -> dict[str, int]:
    """How many parameters of a pre-norm transformer layer get a gradient of exactly 0, by name; "total" is all.

    x + W_O attention(LN x), then + W₂ gelu(W₁ LN ·), two gains and two biases, no other biases: 4d² + 2 d d_ff + 4d
    parameters. With argmax attention W_Q and W_K get nothing, 2d² of them: a sixth of the layer at d_ff = 4d.
    """
    shapes = {
        "W_Q": (d, d), "W_K": (d, d), "W_V": (d, d), "W_O": (d, d), "W_1": (d_ff, d), "W_2": (d, d_ff),
        "gain 1": (d,), "bias 1": (d,), "gain 2": (d,), "bias 2": (d,),
    }  # fmt: skip
    w = {name: (run.randn(f"layer {name}", *shape) / math.sqrt(d)).requires_grad_() for name, shape in shapes.items()}
    x = run.randn("layer input", 8, 16, d)
    y = layer_norm(x, w["gain 1"], w["bias 1"])
    q, k, v = (split_heads(F.linear(y, w[name]), n_heads) for name in ("W_Q", "W_K", "W_V"))
    attended = merge_heads(weights_of(kind, scores(q, k, 1 / math.sqrt(d // n_heads))) @ v)
    z = x + F.linear(attended, w["W_O"])
    hidden = F.gelu(F.linear(layer_norm(z, w["gain 2"], w["bias 2"]), w["W_1"]))
    (z + F.linear(hidden, w["W_2"])).square().mean().backward()
    zero = {name: weight.numel() for name, weight in w.items() if weight.grad is None or not weight.grad.any()}
    return zero | {"total": sum(weight.numel() for weight in w.values())}


# -- the task


@dataclass(frozen=True)
class Batch:
    """Keys `(batch, items)`, all different in a list, their values, and the place that is asked for `(batch,)`."""

    keys: Tensor
    values: Tensor
    asked: Tensor


def draw_batch(params: Lookup, run: Run, generator: torch.Generator) -> Batch:
    """A batch of lists with one question each."""
    shape = (params.batch_size, params.symbols)
    keys = torch.rand(shape, generator=generator).argsort(1)[:, : params.items]
    values = torch.randint(params.answers, keys.shape, generator=generator)
    asked = torch.randint(params.items, (params.batch_size,), generator=generator)
    return Batch(keys.to(run.device), values.to(run.device), asked.to(run.device))


@dataclass(frozen=True)
class Trial:
    """In which share of lists the answer was right, and in which the right pair had the largest weight."""

    correct: float
    looked_right: float


class Model:
    """Embeddings, W_Q, W_K, W_V and a classifier; one query a list.

    Args:
        kind: what makes weights of scores.
        params: the sizes.
        run: where the initial weights come from: the same for every kind.
    """

    def __init__(self, kind: Kind, params: Lookup, run: Run) -> None:
        self.kind = kind
        d = params.width
        shapes = {
            "keys": (params.symbols, d),
            "values": (params.answers, d),
            "W_Q": (d, d),
            "W_K": (d, d),
            "W_V": (d, d),
            "classes": (params.answers, d),
        }
        self.weights = {
            # Embeddings of size 1 an entry, matrices of 1/√d.
            name: (run.randn(f"model {name}", *shape) / (1 if name in ("keys", "values") else math.sqrt(d)))
            for name, shape in shapes.items()
        }
        for weight in self.weights.values():
            weight.requires_grad_()
        self.start = {name: weight.detach().clone() for name, weight in self.weights.items()}

    def logits(self, batch: Batch) -> Tensor:
        """Scores of the answers, `(batch, answers)`."""
        return self._read(batch)[0]

    def _read(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Scores of the answers, and the weights over the items, `(batch, items)`."""
        w = self.weights
        keys, values = w["keys"][batch.keys], w["values"][batch.values]  # (batch, items, width)
        q = F.linear(w["keys"][_asked(batch.keys, batch.asked)], w["W_Q"]).unsqueeze(1)
        s = scores(q, F.linear(keys, w["W_K"]), 1 / math.sqrt(q.shape[-1]))
        a = weights_of(self.kind, s)
        read = a @ F.linear(values, w["W_V"])
        return F.linear(read.squeeze(1), w["classes"]), a.squeeze(1)

    def tried(self, batch: Batch) -> Trial:
        """How it does on other lists."""
        logits, weights = self._read(batch)
        right = logits.argmax(1) == _asked(batch.values, batch.asked)
        looked = weights.argmax(1) == batch.asked
        return Trial(float(right.double().mean()), float(looked.double().mean()))

    def moved(self, name: str) -> float:
        """How far a weight is from where it began."""
        return float((self.weights[name].detach() - self.start[name]).norm())


def _asked(items: Tensor, place: Tensor) -> Tensor:
    return items.gather(1, place.unsqueeze(1)).squeeze(1)


@experiment(Lookup)
def lookup(params: Lookup, run: Run) -> Result:
    """Three models from one start on the same lists, and the gradients of a whole transformer layer."""
    models = {kind: Model(kind, params, run) for kind in KINDS}
    optimizers = [
        torch.optim.Adam(list(model.weights.values()), lr=params.learning_rate, fused=True) for model in models.values()
    ]
    losses: dict[str, list[float]] = {kind: [] for kind in KINDS}
    generator = run.generator("lists")
    test = draw_batch(replace(params, batch_size=TESTED), run, run.generator("test lists"))
    with torch.no_grad():
        looked_before = models["argmax"].tried(test).looked_right
    for step in range(params.steps):
        batch = draw_batch(params, run, generator)
        goal = _asked(batch.values, batch.asked)
        for model, optimizer in zip(models.values(), optimizers, strict=True):
            loss = F.cross_entropy(model.logits(batch), goal)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses[model.kind].append(float(loss.detach()))
        figure = _losses(params, losses) if step % 10 == 0 else None
        run.progress((step + 1) / params.steps, f"step {step + 1} of {params.steps}", figure)
    with torch.no_grad():
        trials = {kind: model.tried(test) for kind, model in models.items()}
    zero = zero_gradient_parameters("argmax", run)
    total = zero.pop("total")
    return Result(
        values={
            "loss_softmax": losses["softmax"][-1],
            "loss_argmax": losses["argmax"][-1],
            "loss_straight_through": losses["straight-through"][-1],
            "chance_loss": math.log(params.answers),
            "accuracy_softmax": trials["softmax"].correct,
            "accuracy_argmax": trials["argmax"].correct,
            "accuracy_straight_through": trials["straight-through"].correct,
            "looks_right_at_start": looked_before,
            "looks_right": {kind: trial.looked_right for kind, trial in trials.items()},
            "moved_w_q": {kind: model.moved("W_Q") for kind, model in models.items()},
            "moved_w_k": {kind: model.moved("W_K") for kind, model in models.items()},
            "moved_w_v": {kind: model.moved("W_V") for kind, model in models.items()},
            "frozen": list(zero),
            "frozen_parameters": sum(zero.values()),
            "layer_parameters": total,
            "frozen_share": sum(zero.values()) / total,
        },
        trace=_worked(params, models, losses, zero, total, looked_before),
        figures=(_losses(params, losses), _moved(models, trials)),
    )


def _losses(params: Lookup, losses: dict[str, list[float]]) -> Lines:
    x = [float(i) for i in range(1, len(losses["softmax"]) + 1)]
    return Lines(
        "loss",
        "Loss on the lookup task",
        (*(line(kind, x, y) for kind, y in losses.items()), line("chance", x, [math.log(params.answers)] * len(x))),
        "step",
        "cross-entropy",
        caption="Argmax never learns where to look, and stalls; with the softmax's gradient it does learn.",
    )


def _moved(models: dict[Kind, Model], trials: dict[Kind, Trial]) -> Table:
    return table(
        "moved",
        "How far the weights moved from their start",
        ("attention", "W_Q", "W_K", "W_V", "classifier", "looks right", "accuracy"),
        [
            (
                kind,
                *(f"{model.moved(name):.3f}" for name in ("W_Q", "W_K", "W_V", "classes")),
                f"{trials[kind].looked_right:.3f}",
                f"{trials[kind].correct:.3f}",
            )
            for kind, model in models.items()
        ],
        align="lrrrrrr",
        caption="With argmax W_Q and W_K do not move, so it looks where it looked at the start; W_V and the rest do.",
    )


def _worked(
    params: Lookup,
    models: dict[Kind, Model],
    losses: dict[str, list[float]],
    zero: dict[str, int],
    total: int,
    looked_before: float,
) -> tuple[Step, ...]:
    return (
        Step(
            "gradients",
            f"In a whole transformer layer with argmax attention exactly {' and '.join(zero)} get the gradient 0: "
            f"{sum(zero.values())} of {total} parameters, {100 * sum(zero.values()) / total:.1f} %. All others "
            "still learn, so it is not true that nothing trains, nor that most stays as it was.",
        ),
        Step(
            "task",
            f"Where to look is what has to be learned here. After {params.steps} steps the loss is "
            f"{losses['softmax'][-1]:.3f} with softmax and {losses['argmax'][-1]:.3f} with argmax, against "
            f"$\\ln$ {params.answers} = {math.log(params.answers):.3f} by chance; $W_Q$ moved by "
            f"{models['softmax'].moved('W_Q'):.3g} and by {models['argmax'].moved('W_Q'):.3g}. With argmax the "
            f"right pair is looked at in {looked_before:.3f} of the lists, before the training as after it; the rest "
            "is guessing.",
        ),
        Step(
            "straight-through",
            "Hard weights forward and the gradient of the softmax back: "
            f"the loss is {losses['straight-through'][-1]:.3f}.",
        ),
    )


@draws(Lookup)
def draw_lookup(draws: Draws) -> Lookup:
    """Other sizes of the task; the weights come from the run's own seed."""
    rng = draws.stream("sizes")
    items = rng.randint(4, 8)
    symbols, answers = items + rng.randint(4, 12), rng.randint(5, 16)
    return Lookup(items=items, symbols=symbols, answers=answers, width=rng.randint(14, 28))
