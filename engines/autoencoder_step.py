"""One training step of an autoencoder on given weights: what programs that build one are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from engines.arrays import Array
from engines.ensembles import Corruption, corrupted, symmetric
from engines.figures import Bars, Table, table
from engines.parameters.autoencoder_step import TrainingStep
from engines.probes import accuracy
from engines.randomness import Draws
from engines.registry import draws, experiment
from engines.result import Result, Step
from engines.run import Run

Layer = tuple[Tensor, Tensor]


# -- the pieces, as the homework asks for them


def mlp(x: Tensor, layers: Sequence[Layer]) -> Tensor:
    """Linear layers, ReLU between them and none after the last: x `(B, in)`, weights `(out, in)`, biases `(out,)`."""
    for i, (weight, bias) in enumerate(layers):
        x = x @ weight.T + bias
        if i < len(layers) - 1:
            x = x.relu()
    return x


def autoencode(x: Tensor, encoder: Sequence[Layer], decoder: Sequence[Layer]) -> Tensor:
    """x̂ = decoder(encoder(x)): no activation on the code, none on the output."""
    return mlp(mlp(x, encoder), decoder)


def reconstruction_loss(reconstruction: Tensor, x: Tensor) -> Tensor:
    """(1/B) Σ over examples of |x - x̂|²: summed over features, averaged over examples.

    `nn.MSELoss()` also averages over the features, which makes it smaller by their number.
    """
    return (reconstruction - x).square().sum(1).mean()


def sgd_step(
    x: Tensor, shown: Tensor, weights: Tensor | None, layers: list[Layer], encoder: int, learning_rate: float
) -> tuple[Tensor, list[Layer]]:
    """The loss of a batch and the layers after one step of SGD on it.

    Args:
        x: the target `(B, features)`.
        shown: what the encoder sees.
        weights: of each entry's squared error, None for 1 everywhere.
        layers: encoder, then decoder.
        encoder: how many of them are the encoder.
        learning_rate: of SGD.
    """
    leaves = [(w.clone().requires_grad_(), b.clone().requires_grad_()) for w, b in layers]
    answer = autoencode(shown, leaves[:encoder], leaves[encoder:])
    squares = (answer - x).square()
    loss = (squares if weights is None else squares * weights).sum(1).mean()
    flat = [tensor for layer in leaves for tensor in layer]
    moved = [p.detach() - learning_rate * g for p, g in zip(flat, torch.autograd.grad(loss, flat), strict=True)]
    return loss.detach(), list(zip(moved[::2], moved[1::2], strict=True))


# -- the experiment


@dataclass(frozen=True)
class Taken:
    """A loss, and all parameters after the step that follows its gradient."""

    loss: Tensor
    parameters: Tensor


@experiment(TrainingStep)
def training_step(params: TrainingStep, run: Run) -> Result:
    """Forward pass, loss and update of every variant, beside what the usual slips give."""
    sizes, depth = params.sizes, len(params.sizes) - 1
    mirrored = symmetric(sizes)
    layers = [
        (run.randn(f"W{i}", out, fan_in) / fan_in**0.5, 0.1 * run.randn(f"b{i}", out))
        for i, (fan_in, out) in enumerate(pairwise(mirrored), 1)
    ]
    encoder, decoder = layers[:depth], layers[depth:]
    x = run.randn("x", params.batch, sizes[0])
    noise, mask = _corruption(Corruption(params.noise_std, params.mask_ratio), x, run)
    noisy, masked = (corrupted(x, variant, noise, mask) for variant in ("denoising", "masked"))
    kept = (~mask).to(x.dtype)
    rate = params.learning_rate
    run.progress(0.2, "steps of each variant, right and with the usual slips")

    def step(target: Tensor, shown: Tensor, weights: Tensor | None = None, rate: float = rate) -> Taken:
        loss, moved = sgd_step(target, shown, weights, layers, depth, rate)
        return Taken(loss, _flat(moved))

    taken = {
        "vanilla": step(x, x),
        "denoising": step(x, noisy),
        "masked": step(x, masked),
        # nn.MSELoss() is 1/features of the loss, so its step is one at a smaller rate.
        "mean_loss": step(x, x, rate=rate / sizes[0]),
        "noisy_target": step(noisy, noisy),
        "masked_target": step(masked, masked),
        "unmasked_only": step(x, masked, kept),
        "masked_only": step(x, masked, 1 - kept),
    }
    codes = mlp(x, encoder)
    answer = mlp(codes, decoder)
    squares = (answer - x).square()
    run.progress(0.8, "a probe on the codes")
    probe = run.randn("probe weight", params.classes, sizes[-1]), 0.1 * run.randn("probe bias", params.classes)
    logits = mlp(codes, [probe])
    y = _labels(params, run, logits)
    hits = int((logits.argmax(1) == y).sum())
    weights = {f"{letter}{i}": t for i, layer in enumerate(layers, 1) for letter, t in zip("wb", layer, strict=True)}
    return Result(
        values={
            "inputs": {"x": x, "noise": noise, "mask": mask, "lr": rate, **weights},
            "probe_inputs": {"x": x, "y": y, "probe_w": probe[0], "probe_b": probe[1], **weights},
            "decoder_sizes": list(mirrored[depth:]),
            "codes": codes,
            "reconstruction": answer,
            "noisy_reconstruction": autoencode(noisy, encoder, decoder),
            "masked_reconstruction": autoencode(masked, encoder, decoder),
            "activated_code_reconstruction": mlp(codes.relu(), decoder),
            "activated_output_reconstruction": answer.relu(),
            "loss": taken["vanilla"].loss,
            "mean_loss": squares.mean(),
            "summed_loss": squares.sum(),
            **{f"{name}_loss": t.loss for name, t in taken.items() if name not in ("vanilla", "mean_loss")},
            "parameters": taken["vanilla"].parameters,
            **{f"{name}_parameters": t.parameters for name, t in taken.items() if name != "vanilla"},
            "start_parameters": _flat(layers),
            "accuracy": accuracy(logits, y),
            "hits": hits,
        },
        trace=_steps(params, mirrored, taken, squares, hits),
        figures=(_losses_bars(taken, squares), _slips_table(taken)),
    )


def _corruption(corruption: Corruption, x: Tensor, run: Run) -> tuple[Tensor, Tensor]:
    """Noise and mask of a batch; a mask that hides something and not everything, so that the slips differ."""
    for attempt in range(1000):
        noise, mask = corruption.draw(x, run.generator(f"corruption {attempt}"))
        if 0 < int(mask.sum()) < mask.numel():
            return noise, mask
    # So small a batch at so extreme a ratio: hide the first entry, or show it.
    mask.view(-1)[0] = ~mask.view(-1)[0]
    return noise, mask


def _labels(params: TrainingStep, run: Run, logits: Tensor) -> Tensor:
    """Labels of which the probe gets some right and some wrong."""
    y = logits.argmax(1)
    wrong = torch.arange(len(y), device=y.device) % 3 == 1
    return torch.where(wrong, (y + 1 + run.randint("labels", params.classes - 1, len(y))) % params.classes, y)


def _flat(layers: Sequence[Layer]) -> Tensor:
    """All weights and biases in the order of `nn.Module.parameters()`."""
    return torch.cat([tensor.flatten() for layer in layers for tensor in layer])


def _losses_bars(taken: dict[str, Taken], squares: Tensor) -> Bars:
    named = {
        "vanilla": taken["vanilla"].loss,
        "nn.MSELoss()": squares.mean(),
        "denoising": taken["denoising"].loss,
        "noisy target": taken["noisy_target"].loss,
        "masked": taken["masked"].loss,
        "masked target": taken["masked_target"].loss,
        "unmasked only": taken["unmasked_only"].loss,
        "masked only": taken["masked_only"].loss,
    }
    return Bars(
        "losses",
        "The loss of each variant, and what the usual slips make of it",
        tuple(named),
        ("loss",),
        Array.of([[float(value) for value in named.values()]]),
        y_label="loss",
        caption="Summed over features and averaged over examples; the target is the clean signal, all of it.",
    )


# What a step is meant to be, by slip.
MEANT = {
    "mean_loss": "vanilla",
    "noisy_target": "denoising",
    "masked_target": "masked",
    "unmasked_only": "masked",
    "masked_only": "masked",
}


def _slips_table(taken: dict[str, Taken]) -> Table:
    rows = [
        (slip.replace("_", " "), meant, f"{(taken[slip].parameters - taken[meant].parameters).abs().max():.3g}")
        for slip, meant in MEANT.items()
    ]
    return table(
        "updates",
        "Largest difference of a parameter after one step",
        ("slip", "instead of", "difference"),
        rows,
        align="llr",
        caption="A step that is right agrees to rounding; every slip shows after a single one.",
    )


def _steps(
    params: TrainingStep, mirrored: tuple[int, ...], taken: dict[str, Taken], squares: Tensor, hits: int
) -> tuple[Step, ...]:
    features = params.sizes[0]
    return (
        Step(
            "decoder",
            f"The decoder mirrors the encoder: sizes {' → '.join(map(str, mirrored[len(params.sizes) - 1 :]))}, an "
            "activation between layers, none on the code and none on the output, which has to take any value.",
        ),
        Step(
            "loss",
            "$\\frac{1}{B} \\sum_b |x_b - \\hat x_b|^2$ sums over features and averages over examples: "
            f"**{float(taken['vanilla'].loss):.6g}**. `nn.MSELoss()` averages over all entries, which is {features} "
            f"times less: {float(squares.mean()):.6g}.",
        ),
        Step(
            "denoising",
            f"The encoder sees $x + \\epsilon$ with noise of standard deviation {params.noise_std:g}; the target is "
            f"the clean $x$. Loss **{float(taken['denoising'].loss):.6g}**; with the noisy target it would be "
            f"{float(taken['noisy_target'].loss):.6g}, and the noise would be learnt with the signal.",
        ),
        Step(
            "masked",
            f"Each entry of the input is set to 0 with probability {params.mask_ratio:g}; the target is all of the "
            f"clean $x$. Loss **{float(taken['masked'].loss):.6g}**, of which the entries that were shown make "
            f"{float(taken['unmasked_only'].loss):.6g} and those that were hidden "
            f"{float(taken['masked_only'].loss):.6g}.",
        ),
        Step(
            "accuracy",
            f"The probe's largest logit is the label's for {hits} of {params.batch} examples: "
            f"**{hits / params.batch:.4g}**. The encoder is frozen: codes are computed without a graph.",
        ),
    )


# -- fresh variants


@draws(TrainingStep)
def draw_training_step(draws: Draws) -> TrainingStep:
    """Other sizes, another strength of corruption and learning rate."""
    rng = draws.stream("sizes")
    features = rng.randint(5, 12)
    sizes = (features, *sorted((rng.randint(3, features - 1) for _ in range(rng.randint(1, 2))), reverse=True))
    return TrainingStep(
        sizes=sizes,
        batch=rng.randint(4, 10),
        noise_std=draws.stream("noise").choice((0.2, 0.3, 0.4, 0.5, 0.6, 0.8)),
        mask_ratio=draws.stream("mask").choice((0.2, 0.25, 0.3, 0.4, 0.5)),
        learning_rate=draws.stream("rate").choice((0.02, 0.05, 0.1)),
        classes=rng.randint(2, 5),
    )
