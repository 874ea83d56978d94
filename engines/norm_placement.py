"""Where the normalisation stands: before each sublayer, x + f(LN(x)), or after the sum, LN(x + f(x)).

After the sum, every layer rescales the residual stream, and the gradient of the first layers has come through all
normalisations; before the sublayer the stream itself is never touched (Xiong et al. 2020). NYU deep learning, homework
4, question 1.4e, asks for the place in the original transformer: after.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from engines.figures import Lines, line, table
from engines.grammar import LENGTH, WORDS, sentences
from engines.grammar_models import language_loss
from engines.parameters.norm_placement import NormPlacement
from engines.registry import experiment
from engines.result import Result, Step
from engines.run import Run
from engines.transformer import Config, Decoder, initialise

EVERY = 5
WIDTH = 32

# -- numerics


def gradient_norms(model: Decoder, tokens: Tensor, generator: torch.Generator) -> list[float]:
    """Norm of the loss's gradient by the weights of every block, first block first; gradients are cleared after."""
    language_loss(model, tokens, generator).backward()
    norms = [_norm(block) for block in model.stack.blocks]
    model.zero_grad()
    return norms


def _norm(block: nn.Module) -> float:
    squares = [p.grad.square().sum() for p in block.parameters() if p.grad is not None]
    return torch.stack(squares).sum().sqrt().item()


# -- the experiment

_RUNS: tuple[tuple[str, Literal["pre", "post"], bool], ...] = (
    ("pre-norm", "pre", False),
    ("post-norm", "post", False),
    ("post-norm, warm-up", "post", True),
)


@experiment(NormPlacement)
def norm_placement(params: NormPlacement, run: Run) -> Result:
    """Three runs from weights drawn alike on the same sentences."""
    curves: dict[str, dict[int, float]] = {}
    norms: dict[str, list[float]] = {}
    for i, (name, norm, warm) in enumerate(_RUNS):
        config = Config(len(WORDS), WIDTH, 4, params.n_layers, d_ff=2 * WIDTH, max_length=LENGTH, norm=norm)
        model = Decoder(config)
        initialise(model, run)
        first = sentences(run.generator("first"), 256).tokens.to(run.device)
        norms[name] = gradient_norms(model, first, run.generator("unused"))
        curves[name] = {}
        _train(model, params, run, name, curves, warm_up=params.warm_up if warm else 0, start=i / 3)
    last = {name: _end(curve) for name, curve in curves.items()}
    quotient = {name: x[-1] / x[0] for name, x in norms.items()}
    values = {
        "pre_loss": last["pre-norm"],
        "post_loss": last["post-norm"],
        "post_warm_up_loss": last["post-norm, warm-up"],
        "pre_gradients": norms["pre-norm"],
        "post_gradients": norms["post-norm"],
        "pre_last_over_first": quotient["pre-norm"],
        "post_last_over_first": quotient["post-norm"],
        "original": "post",
    }
    text = (
        "The original transformer normalises after the residual sum. At the start the gradient of the last block is "
        f"{quotient['post-norm']:.2f} times that of the first there, {quotient['pre-norm']:.2f} times with the "
        f"normalisation before the sublayer. After {params.steps} steps of size {params.learning_rate:g} the loss is "
        f"{last['pre-norm']:.2f} (pre), {last['post-norm']:.2f} (post) and {last['post-norm, warm-up']:.2f} (post, "
        f"with a step size that rises over {params.warm_up} steps) nats a token."
    )
    rows = [(name, f"{last[name]:.3f}", f"{quotient[name]:.2f}") for name, _, _ in _RUNS]
    summary = table(
        "summary",
        f"{params.n_layers} layers",
        ("model", "loss at the end", "gradient, last block / first"),
        rows,
        align="lrr",
        caption="Losses are means over the last tenth of the steps; gradients are those before the first step.",
    )
    return Result(
        values=values, trace=(Step("norm", text),), figures=(_loss_figure(curves), _gradient_figure(norms), summary)
    )


def _train(
    model: Decoder,
    params: NormPlacement,
    run: Run,
    name: str,
    curves: dict[str, dict[int, float]],
    *,
    warm_up: int,
    start: float,
) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr=params.learning_rate, fused=True)
    generator = run.generator("sentences")
    for step in range(params.steps):
        optimizer.param_groups[0]["lr"] = params.learning_rate * min(1.0, (step + 1) / max(1, warm_up))
        tokens = sentences(generator, params.batch_size).tokens.to(run.device)
        loss = language_loss(model, tokens, generator)
        curves[name][step] = loss.item()
        figure = _loss_figure(curves) if step % EVERY == 0 else None
        run.progress(start + step / (3 * params.steps), f"{name}: step {step}, loss {loss.item():.2f}", figure)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def _end(curve: dict[int, float]) -> float:
    tail = list(curve.values())[-max(1, len(curve) // 10) :]
    return sum(tail) / len(tail)


def _loss_figure(curves: dict[str, dict[int, float]]) -> Lines:
    return Lines(
        "loss",
        "Training loss",
        tuple(line(name, [float(step) for step in curve], list(curve.values())) for name, curve in curves.items()),
        x_label="training step",
        y_label="nats a token",
        caption="The same weights, sentences and step size: only the norm's place and the warm-up differ.",
    )


def _gradient_figure(norms: dict[str, list[float]]) -> Lines:
    shown = {name: norms[name] for name in ("pre-norm", "post-norm")}
    return Lines(
        "gradients",
        "Gradient of every block before the first step",
        tuple(line(name, [float(i) for i in range(1, len(x) + 1)], x) for name, x in shown.items()),
        x_label="block",
        y_label="norm of the gradient",
        y_scale="log",
        caption="How the gradient changes on its way back to the first block is what the place of the norm decides.",
    )
