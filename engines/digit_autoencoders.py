"""Autoencoders of digit images: what a code that was learnt without labels is worth when labels are few."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engines.arrays import Array
from engines.datasets import Labelled, digits, mnist
from engines.ensembles import VARIANTS, Corruption, Ensemble, Trainer, symmetric
from engines.figures import Heatmap, Lines, Table, line, table
from engines.parameters.digit_autoencoders import Digits
from engines.principal import principal_components
from engines.probes import fit
from engines.registry import experiment
from engines.result import Result, Step
from engines.run import Run

CLASSES = 10
L2 = 1e-2
# The probe standardises its features, so that principal components of little variance would only add noise.
PCA_KEPT = 16
BATCH = 64
# Pictures stand side by side up to this width, in pixels.
GALLERY = 48


@experiment(Digits)
def digit_images(params: Digits, run: Run) -> Result:
    """Three autoencoders trained on images alone, then probes with few labels on their codes, on pixels, on PCA."""
    train, test = _images(params, run)
    pixels = train.x.shape[1]
    corruption = Corruption(params.noise_std, params.mask_ratio)
    generators = [run.generator("weights") for _ in VARIANTS]
    sizes = symmetric((pixels, params.hidden, params.bottleneck))
    ensemble = Ensemble.drawn(sizes, generators, train.x, rectified=True)
    untrained = Ensemble.drawn(sizes, [run.generator("weights")], train.x, rectified=True)
    errors = _train(params, run, ensemble, train.x, test.x, corruption)
    pca = principal_components(train.x)
    directions = pca.subspace(min(PCA_KEPT, params.bottleneck))

    def codes(x: Tensor) -> dict[str, Tensor]:
        learnt = dict(zip(VARIANTS, ensemble.codes(x), strict=True))
        return {"pixels": x, "pca": (x - pca.mean) @ directions, "untrained": untrained.codes(x)[0], **learnt}

    trained_codes, tested_codes = codes(train.x), codes(test.x)
    accuracies: dict[str, list[Tensor]] = {name: [] for name in trained_codes}
    for i, (name, z) in enumerate(trained_codes.items()):
        for j, budget in enumerate(params.budgets):
            # Each probe has its own draw of the labels.
            taken = z[: params.draws * budget].view(params.draws, budget, -1)
            labels = train.y[: params.draws * budget].view(params.draws, budget)
            probe = fit(taken, labels, CLASSES, L2)
            accuracies[name].append(probe.accuracy(tested_codes[name].expand(params.draws, -1, -1), test.y))
            done = (i + (j + 1) / len(params.budgets)) / len(trained_codes)
            run.progress(0.7 + 0.29 * done, f"probes on {name}: {budget} labels")
    found = {name: torch.stack(rows) for name, rows in accuracies.items()}  # (budgets, draws)
    means = {name: rows.mean(1) for name, rows in found.items()}
    gain = {name: rows - means["pixels"] for name, rows in means.items() if name != "pixels"}
    few = {name: float(rows[0]) for name, rows in means.items()}
    reconstructed = ensemble.reconstructions(test.x)
    return Result(
        values={
            "accuracies": {name: rows.tolist() for name, rows in means.items()},
            "gains": {name: rows.tolist() for name, rows in gain.items()},
            "spread": {name: (rows.amax(1) - rows.amin(1)).tolist() for name, rows in found.items()},
            "best": max(VARIANTS, key=few.__getitem__),
            "beats_pixels": [name for name in VARIANTS if few[name] > few["pixels"]],
            "reconstruction_errors": {
                name: float((reconstructed[i] - test.x).square().mean()) for i, name in enumerate(VARIANTS)
            },
            "mean_image_error": float((test.x - train.x.mean(0)).square().mean()),
        },
        trace=(_few_labels_step(params, means, gain),),
        figures=(
            _accuracy_figure(params, found),
            _accuracy_table(params, found),
            _gallery(run, ensemble, test.x, corruption),
            _error_figure(errors),
        ),
    )


def _images(params: Digits, run: Run) -> tuple[Labelled, Labelled]:
    """Images to train and to test on, on the run's device and in its dtype."""
    if params.mnist:
        train, test = mnist(params.mnist, "train", params.images), mnist(params.mnist, "test", params.tested)
        if train.x.shape[1] > 784 or test.x.shape[1] != train.x.shape[1]:
            raise ValueError(f"images of {train.x.shape[1]} and {test.x.shape[1]} pixels: 28 × 28 at most, and alike")
        if min(len(train.x) - params.images, len(test.x) - params.tested) < 0:
            found = f"{len(train.x)} of {params.images} to train on, {len(test.x)} of {params.tested} to test on"
            raise ValueError(f"the files hold too few images: {found}")
    else:
        train, test = digits().split(params.tested, run.generator("split"))
        train = train.take(slice(params.images))
    return tuple(Labelled(d.x.to(run.device, run.dtype), d.y.to(run.device)) for d in (train, test))  # type: ignore[return-value]


def _train(
    params: Digits, run: Run, ensemble: Ensemble, x: Tensor, tested: Tensor, corruption: Corruption
) -> list[tuple[int, Tensor]]:
    """Train all variants on the same batches; errors on clean test images now and then."""
    trainer = Trainer([ensemble], params.learning_rate)
    order, corrupt = run.generator("order"), run.generator("corruption")
    errors = [(0, ensemble.errors(tested))]
    every = max(1, params.steps // 20)
    waiting: list[Tensor] = []
    for step in range(1, params.steps + 1):
        if not waiting:
            shuffled = x[torch.randperm(len(x), generator=order).to(x.device)]
            waiting = list(shuffled[: len(x) // BATCH * BATCH].split(BATCH))
        batch = waiting.pop()
        trainer.step([corruption.shown(batch, VARIANTS, corrupt, 1)], batch)
        figure = None
        if step % every == 0 or step == params.steps:
            errors.append((step, ensemble.errors(tested)))
            figure = _error_figure(errors)
        if step % 20 == 0 or figure:
            run.progress(0.7 * step / params.steps, f"training: step {step}", figure)
    return errors


def _error_figure(errors: list[tuple[int, Tensor]]) -> Lines:
    steps = [float(step) for step, _ in errors]
    values = torch.stack([found for _, found in errors])
    return Lines(
        "error",
        "Reconstruction error on clean test images",
        tuple(line(variant, steps, values[:, i]) for i, variant in enumerate(VARIANTS)),
        x_label="step",
        y_label="mean squared error",
        y_scale="log",
        caption="The best reconstruction is not the best code: see the accuracies.",
    )


def _accuracy_figure(params: Digits, found: dict[str, Tensor]) -> Lines:
    x = [float(budget) for budget in params.budgets]
    return Lines(
        "accuracy",
        "Accuracy of a linear probe against the number of labels",
        tuple(
            line(name, x, rows.mean(1), low=rows.amin(1), high=rows.amax(1))
            for name, rows in found.items()
            if name in ("pixels", "vanilla", "denoising", "masked")
        ),
        x_label="labels",
        y_label="accuracy",
        x_scale="log",
        caption="Mean and range over draws of the labels. Removing noise teaches codes that need fewer labels.",
    )


def _accuracy_table(params: Digits, found: dict[str, Tensor]) -> Table:
    return table(
        "accuracies",
        "Accuracy by number of labels, with the range over draws",
        ("code", *(f"{budget} labels" for budget in params.budgets)),
        [
            (name, *(f"{row.mean():.3f} ± {(row.amax() - row.amin()) / 2:.3f}" for row in rows))
            for name, rows in found.items()
        ],
        align="l" + "r" * len(params.budgets),
        caption="Pixels, principal components and an untrained encoder are what a learnt code has to beat.",
    )


def _gallery(run: Run, ensemble: Ensemble, x: Tensor, corruption: Corruption) -> Heatmap:
    """A row of test images, the same with noise and with holes, and what each model makes of what it is shown."""
    side = math.isqrt(x.shape[1])
    x = x[: max(1, GALLERY // side)]
    shown = corruption.shown(x, VARIANTS, run.generator("gallery"), 1)
    answers = ensemble.activations(shown)[-1]
    rows = [shown[0], answers[0], shown[1], answers[1], shown[2], answers[2]]
    if side * side != x.shape[1]:  # not square: as they come
        picture = torch.cat(rows)
    else:
        picture = torch.cat([row.view(-1, side, side).transpose(0, 1).flatten(1) for row in rows])
    return Heatmap(
        "reconstructions",
        "Clean, noisy and masked digits, each above what its autoencoder makes of it",
        Array.of(picture.clamp(0, 1).float()),
        caption="From the top: clean, vanilla's answer, noisy, denoising's answer, masked, masked's answer.",
    )


def _few_labels_step(params: Digits, means: dict[str, Tensor], gain: dict[str, Tensor]) -> Step:
    rows = "\n".join(
        f"- {name}: " + ", ".join(f"{float(a):.3f} with {b}" for a, b in zip(row, params.budgets, strict=True))
        for name, row in means.items()
    )
    gains = "; ".join(f"{name} {float(gain[name][0]):+.3f}" for name in VARIANTS)
    return Step(
        "few-labels",
        f"Accuracy on {params.tested} images, mean over {params.draws} draws of the labels:\n\n{rows}\n\n"
        f"With {params.budgets[0]} labels, against the pixels: {gains}. A code that only has to keep the image can "
        "keep it as it is; one that has to take noise out must know what digits look like. The untrained encoder "
        "shows how much of a code's worth is its shape alone.",
    )
