"""Experiments with autoencoders of Gaussian data: the size of the code, and what the encoder is shown.

The models are trained as stacked `ensembles`, judged by converged linear `probes`, and compared with principal
components and with the closed forms of `denoising`. Data: `datasets.StrongDirections`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field as list_field

import torch
from torch import Tensor

from engines.arrays import Array
from engines.datasets import Labelled, StrongDirections
from engines.denoising import clean_error, linear_optimum
from engines.ensembles import VARIANTS, Corruption, Ensemble, Trainer, symmetric
from engines.figures import Bars, Lines, Table, line, table
from engines.parameters.autoencoders import PROBED, TESTED, Sweep, Variants
from engines.probes import fit
from engines.randomness import Draws
from engines.registry import draws, experiment
from engines.result import Result, Step
from engines.run import Run

# Penalty of the probes, by how many labels there are.
L2_MANY, L2_FEW = 1e-3, 1e-2
# Disjoint sets of few labels, over which accuracy is averaged.
FEW_SETS = 4


# -- the data of an experiment


@dataclass(frozen=True)
class Sheet:
    """Unlabelled examples to train on, labelled ones to fit probes on, and others to test everything on."""

    source: StrongDirections
    unlabelled: Tensor
    probed: Labelled
    tested: Labelled

    @classmethod
    def drawn(cls, run: Run, dimensions: int, strong: int, variance: float, samples: int) -> Sheet:
        """Independent sets that depend on the run's seed alone, on its device and in its dtype."""
        source = StrongDirections.drawn(dimensions, strong, variance, run.generator("basis"))

        def part(name: str, n: int) -> Labelled:
            data = source.sample(n, run.generator(name))
            return Labelled(data.x.to(run.device, run.dtype), data.y.to(run.device))

        return cls(source, part("unlabelled", samples).x, part("probed", PROBED), part("tested", TESTED))

    def floor(self, k: int) -> float:
        """The least mean squared error per entry of a linear code of k numbers, on fresh examples."""
        variances = self.source.variances.sort(descending=True).values
        return float(variances[k:].sum()) / len(variances)

    def many(self, ensemble: Ensemble) -> Tensor:
        """Accuracy on the test examples of each model's probe that has seen all labels, `(models,)`."""
        probe = fit(ensemble.codes(self.probed.x), self.probed.y, 2, L2_MANY)
        return probe.accuracy(ensemble.codes(self.tested.x), self.tested.y)

    def few(self, ensemble: Ensemble, labels: int) -> Tensor:
        """The same with few labels, averaged over disjoint sets of them."""
        codes, tested = ensemble.codes(self.probed.x), ensemble.codes(self.tested.x)
        sets = [
            fit(codes[:, i : i + labels], self.probed.y[i : i + labels], 2, L2_FEW).accuracy(tested, self.tested.y)
            for i in range(0, FEW_SETS * labels, labels)
        ]
        return torch.stack(sets).mean(0)


def epoch(x: Tensor, batch: int, generator: torch.Generator) -> Iterator[Tensor]:
    """All examples once, in batches of a random order; a last short batch is left out unless it is the only one."""
    shuffled = x[torch.randperm(len(x), generator=generator).to(x.device)]
    whole = len(x) // batch * batch or len(x)
    yield from shuffled[:whole].split(batch)


def expected_accuracy(kept: int, strong: int) -> float:
    """Accuracy of the best classifier that sees `kept` of `strong` equal directions, taken at random.

    The class is the sign of one direction among the strong ones; with the share u ~ Beta(kept/2, (strong - kept)/2)
    of it inside what is kept, the accuracy is 1/2 + asin(√u)/π. With u = sin²t the mean is an integral over t.
    """
    if kept >= strong:
        return 1.0
    t = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000 * math.pi / 2
    density = t.sin() ** (kept - 1) * t.cos() ** (strong - kept - 1)
    return 0.5 + float((t * density).sum() / density.sum()) / math.pi


# -- the size of the code


@dataclass
class Track:
    """What the models of one code size did: each entry is `(seeds,)`, one an epoch, the first before training."""

    errors: list[Tensor] = list_field(default_factory=list)
    accuracies: list[Tensor] = list_field(default_factory=list)
    few: list[Tensor] = list_field(default_factory=list)  # before training, and after it


@experiment(Sweep)
def sweep(params: Sweep, run: Run) -> Result:
    """Error and probe accuracy of every code size over the epochs, and at the end against what is possible."""
    sheet = Sheet.drawn(run, params.dimensions, params.strong, params.variance, params.samples)
    corruption = Corruption(params.noise_std, params.mask_ratio)
    tracks: dict[int, Track] = {}
    # Larger codes take longer; the fraction that is reported should not stand still at them.
    costs = [k + 60.0 for k in params.bottlenecks]
    for i, k in enumerate(params.bottlenecks):
        track = tracks[k] = Track()
        generators = [run.generator(f"weights {seed}") for seed in range(params.seeds)]
        ensemble = Ensemble.drawn(
            symmetric(params.sizes(k)), generators, sheet.unlabelled, rectified=params.activation == "relu"
        )
        trainer = Trainer([ensemble], params.learning_rate)
        track.few.append(sheet.few(ensemble, params.few))

        def look(done: float, ensemble: Ensemble = ensemble, track: Track = track, k: int = k, i: int = i) -> None:
            track.errors.append(ensemble.errors(sheet.tested.x))
            track.accuracies.append(sheet.many(ensemble))
            fraction = (sum(costs[:i]) + done * costs[i]) / sum(costs)
            run.progress(fraction, f"k = {k}: after epoch {len(track.errors) - 1}", _epochs_figure("loss", tracks))

        look(0.0)
        for e in range(params.epochs):
            corrupt = run.generator(f"corruption {e}")
            batches = epoch(sheet.unlabelled, params.batch_size, run.generator(f"order {e}"))
            for b, x in enumerate(batches):
                if b % 20 == 0:
                    done = (e + b * params.batch_size / params.samples) / params.epochs
                    run.progress((sum(costs[:i]) + done * costs[i]) / sum(costs), f"k = {k}: epoch {e + 1}")
                trainer.step([corruption.shown(x, (params.variant,), corrupt, params.seeds)], x)
            look((e + 1) / params.epochs)
        track.few.append(sheet.few(ensemble, params.few))
    return _sweep_result(params, sheet, tracks)


def _sweep_result(params: Sweep, sheet: Sheet, tracks: dict[int, Track]) -> Result:
    error, untrained_error = (torch.stack([t.errors[i] for t in tracks.values()]) for i in (-1, 0))
    many, untrained_many = (torch.stack([t.accuracies[i] for t in tracks.values()]) for i in (-1, 0))
    few, untrained_few = (torch.stack([t.few[i] for t in tracks.values()]) for i in (-1, 0))
    floor = [sheet.floor(k) for k in tracks]
    expected = [expected_accuracy(k, params.strong) for k in tracks]
    ks = list(tracks)
    return Result(
        values={
            "bottlenecks": ks,
            "errors": error,
            "mean_errors": error.mean(1),
            "untrained_errors": untrained_error,
            "floor": floor,
            "accuracies": many,
            "mean_accuracies": many.mean(1),
            "untrained_accuracies": untrained_many,
            "few_accuracies": few,
            "mean_few_accuracies": few.mean(1),
            "untrained_few_accuracies": untrained_few,
            "expected_accuracies": expected,
            "best_with_few": ks[int(few.mean(1).argmax())],
            "gain_by_training": many.mean(1) - untrained_many.mean(1),
        },
        trace=_sweep_steps(
            params, ks, floor, error.mean(1), many.mean(1), untrained_many.mean(1), few.mean(1), expected
        ),
        figures=(
            _epochs_figure("loss", tracks),
            _epochs_figure("accuracy", tracks),
            _error_figure(ks, error, untrained_error, floor),
            _accuracy_figure(params, ks, many, untrained_many, few, expected),
        ),
        notes=() if params.variant == "vanilla" else ("The error is that on clean inputs; the floor is PCA's.",),
    )


def _epochs_figure(what: str, tracks: dict[int, Track]) -> Lines:
    """Error or accuracy over the epochs, one line a code size, with the band of the seeds."""
    series = []
    for k, track in tracks.items():
        values = torch.stack(track.errors if what == "loss" else track.accuracies)
        values = values.clamp(min=1e-9) if what == "loss" else values
        steps = torch.arange(float(len(values)))
        series.append(line(f"k = {k}", steps, values.mean(1), low=values.amin(1), high=values.amax(1)))
    if what == "loss":
        return Lines(
            "loss",
            "Reconstruction error on fresh examples",
            tuple(series),
            x_label="epoch",
            y_label="mean squared error",
            caption="Mean and range over the seeds. Small codes stop where the directions they leave out begin.",
        )
    return Lines(
        "accuracy",
        "Accuracy of a linear probe on the codes, all labels",
        tuple(series),
        x_label="epoch",
        y_label="accuracy",
        caption="Mean and range over the seeds. Training helps most where the strong directions just fit.",
    )


def _error_figure(ks: list[int], error: Tensor, untrained: Tensor, floor: list[float]) -> Lines:
    x = [float(k) for k in ks]
    return Lines(
        "error",
        "Reconstruction error against the size of the code",
        (
            line("trained", x, error.mean(1), low=error.amin(1), high=error.amax(1)),
            line("untrained", x, untrained.mean(1), low=untrained.amin(1), high=untrained.amax(1)),
            line("PCA floor", x, floor, points=True),
        ),
        x_label="k",
        y_label="mean squared error",
        x_scale="log",
        caption="No linear code of k numbers gets below the floor: the variance in the directions left out.",
    )


def _accuracy_figure(
    params: Sweep, ks: list[int], many: Tensor, untrained: Tensor, few: Tensor, expected: list[float]
) -> Lines:
    x = [float(k) for k in ks]
    return Lines(
        "probe",
        "Accuracy of a linear probe against the size of the code",
        (
            line(f"trained, {PROBED} labels", x, many.mean(1), low=many.amin(1), high=many.amax(1)),
            line(f"untrained, {PROBED} labels", x, untrained.mean(1), low=untrained.amin(1), high=untrained.amax(1)),
            line(f"trained, {params.few} labels", x, few.mean(1), low=few.amin(1), high=few.amax(1)),
            line("k of the strong directions", x, expected, points=True),
        ),
        x_label="k",
        y_label="accuracy",
        x_scale="log",
        caption="With many labels large codes lose nothing; with few labels the extra directions cost accuracy.",
    )


def _sweep_steps(
    params: Sweep,
    ks: list[int],
    floor: list[float],
    error: Tensor,
    many: Tensor,
    untrained: Tensor,
    few: Tensor,
    expected: list[float],
) -> tuple[Step, ...]:
    m, h, v = params.dimensions, params.strong, params.variance
    floors = "\n".join(
        f"- k = {k}: floor {f:.3f}, trained {float(e):.4f}" for k, f, e in zip(ks, floor, error, strict=True)
    )
    probes = "\n".join(
        f"- k = {k}: {float(a):.3f} trained, {float(u):.3f} untrained, {float(s):.3f} with {params.few} labels"
        f"{f' ({p:.3f} expected of {k} directions out of {h})' if k < h else ''}"
        for k, a, u, s, p in zip(ks, many, untrained, few, expected, strict=True)
    )
    best = ks[int(few.argmax())]
    return (
        Step(
            "error",
            f"A linear code of $k$ numbers keeps $k$ directions at best, the ones of largest variance. What is left "
            f"out are $\\max(0, {h} - k)$ directions of variance {v:g} and $\\min({m - h}, \\max(0, {m} - k))$ of "
            f"variance 1; divided by the {m} entries that is the floor.\n\n{floors}",
        ),
        Step(
            "probe",
            f"The class depends on all {h} strong directions alike, and these all have the same variance: a code with "
            f"$k < {h}$ keeps an arbitrary part of them, trained or not. From $k = {h}$ on training finds them all; "
            f"untrained random directions need about $k = {m}$ to lose nothing.\n\n{probes}\n\n"
            f"With {params.few} labels the best code size tried is $k = {best}$: what a larger code adds is noise to a "
            "probe that has so few labels to find the class in it.",
        ),
    )


# -- vanilla, denoising, masked


@experiment(Variants)
def variants(params: Variants, run: Run) -> Result:
    """Three variants from the same weights on the same batches; error on clean inputs, probe, closed form."""
    sheet = Sheet.drawn(run, 100, 20, 10.0, params.samples)
    corruption = Corruption(params.noise_std, params.mask_ratio)
    # The optimum for the examples that are trained on, judged on the distribution they come from.
    sample = sheet.unlabelled.double()
    c = sample.T @ sample / len(sample)
    population = sheet.source.covariance.to(c)
    shape = (len(VARIANTS), params.seeds)
    measured: dict[int, Tensor] = {}
    accuracies: dict[int, Tensor] = {}
    optima: dict[int, list[float]] = {}
    count = len(params.bottlenecks) * params.epochs
    for i, k in enumerate(params.bottlenecks):
        optima[k] = [clean_error(population, linear_optimum(c, v, corruption, k)) for v in VARIANTS]
        generators = [run.generator(f"weights {seed}") for _ in VARIANTS for seed in range(params.seeds)]
        ensemble = Ensemble.drawn(symmetric((100, k)), generators, sheet.unlabelled)
        trainer = Trainer([ensemble], params.learning_rate)
        for e in range(params.epochs):
            # A falling rate: what is left of Adam's noise would otherwise hide the difference to the optimum.
            trainer.set_rate(params.learning_rate * 0.1 ** (e / max(1, params.epochs - 1)))
            corrupt = run.generator(f"corruption {e}")
            for b, x in enumerate(epoch(sheet.unlabelled, params.batch_size, run.generator(f"order {e}"))):
                if b % 20 == 0:
                    done = i * params.epochs + e + b * params.batch_size / params.samples
                    run.progress(0.98 * done / count, f"k = {k}: epoch {e + 1}")
                trainer.step([corruption.shown(x, VARIANTS, corrupt, params.seeds)], x)
            measured[k] = ensemble.errors(sheet.tested.x).view(shape)
            run.progress(
                0.98 * (i * params.epochs + e + 1) / count,
                f"k = {k}: after epoch {e + 1}",
                _variants_figure(measured, optima),
            )
        accuracies[k] = sheet.many(ensemble).view(shape)
    errors, scores = torch.stack(list(measured.values())), torch.stack(list(accuracies.values()))
    closed = torch.tensor(list(optima.values()), dtype=torch.float64)
    diagonal = float(population.diagonal().mean())
    return Result(
        values={
            "bottlenecks": list(params.bottlenecks),
            **{f"{v}_errors": errors[:, i].mean(-1) for i, v in enumerate(VARIANTS)},
            **{f"{v}_optimum_errors": closed[:, i] for i, v in enumerate(VARIANTS)},
            **{f"{v}_accuracies": scores[:, i].mean(-1) for i, v in enumerate(VARIANTS)},
            "largest_accuracy_difference": float((scores.mean(-1).amax(1) - scores.mean(-1).amin(1)).max()),
            "denoising_shrinkage": [lam / (lam + params.noise_std**2) for lam in (10.0, 1.0)],
            "masked_scale": [
                lam / ((1 - params.mask_ratio) * lam + params.mask_ratio * diagonal) for lam in (10.0, 1.0)
            ],
        },
        trace=_variants_steps(params, errors, closed, scores),
        figures=(
            _variants_figure(measured, optima),
            _variants_bars(params, scores),
            _variants_table(params, errors, closed, scores),
        ),
    )


def _variants_figure(measured: dict[int, Tensor], optima: dict[int, list[float]]) -> Lines:
    x = [float(k) for k in measured]
    series = []
    for i, variant in enumerate(VARIANTS):
        series.append(line(f"{variant}, optimum", x, [max(optima[k][i], 1e-9) for k in measured]))
        found = torch.stack([m[i] for m in measured.values()])
        series.append(line(f"{variant}, trained", x, found.mean(1), points=True))
    return Lines(
        "error",
        "Error on clean inputs",
        tuple(series),
        x_label="k",
        y_label="mean squared error",
        x_scale="log",
        caption="Lines: closed form. Who expects noise or holes shrinks towards the mean, and pays on clean inputs.",
    )


def _variants_bars(params: Variants, scores: Tensor) -> Bars:
    return Bars(
        "probe",
        "Accuracy of a linear probe on the codes, all labels",
        tuple(f"k = {k}" for k in params.bottlenecks),
        VARIANTS,
        Array.of(scores.mean(-1).T.contiguous()),
        y_label="accuracy",
        caption="On Gaussian data all three find the same subspace, so a probe finds the same in each.",
    )


def _variants_table(params: Variants, errors: Tensor, closed: Tensor, scores: Tensor) -> Table:
    rows = [
        (
            str(k),
            variant,
            f"{errors[i, j].mean():.4f}",
            f"{closed[i, j]:.4f}",
            f"{scores[i, j].mean():.3f}",
            f"{scores[i, j].amax() - scores[i, j].amin():.3f}",
        )
        for i, k in enumerate(params.bottlenecks)
        for j, variant in enumerate(VARIANTS)
    ]
    return table(
        "variants",
        "Trained beside the closed form",
        ("k", "variant", "clean error", "optimum", "probe", "range"),
        rows,
        align="rlrrrr",
        caption="Error on clean inputs, and probe accuracy with its range over the seeds.",
    )


def _variants_steps(params: Variants, errors: Tensor, closed: Tensor, scores: Tensor) -> tuple[Step, ...]:
    s, p = params.noise_std, params.mask_ratio
    i = len(params.bottlenecks) - 1
    found = "\n".join(
        f"- {variant}: trained {float(errors[i, j].mean()):.4f}, optimum {float(closed[i, j]):.4f}"
        for j, variant in enumerate(VARIANTS)
    )
    spread = float((scores.mean(-1).amax(1) - scores.mean(-1).amin(1)).max())
    return (
        Step(
            "optimum",
            "The best linear map from the corrupted to the clean signal is a regression, with $C$ the covariance:\n\n"
            f"- denoising, $s$ = {s:g}: $W = C (C + s^2 I)^{{-1}}$, which multiplies a direction of variance "
            f"$\\lambda$ by $\\lambda / (\\lambda + {s * s:g})$\n"
            f"- masked, $p$ = {p:g}: $W = (1 - p) C ((1 - p)^2 C + p (1 - p) \\mathrm{{diag}}(C))^{{-1}}$\n\n"
            "With a bottleneck it is projected on the directions that explain most. Error on clean inputs at "
            f"$k$ = {params.bottlenecks[i]}:\n\n{found}",
        ),
        Step(
            "features",
            "Shrinking a direction does not remove it: the codes of all three span nearly the same subspace, and their "
            f"probes differ by {spread:.3f} at most. On images, where neighbouring pixels explain each other, it is "
            "another matter.",
        ),
    )


# -- fresh variants


@draws(Sweep)
def draw_sweep(draws: Draws) -> Sweep:
    """Other dimensions; several directions of one variance decide the class, or a code of one number would do."""
    rng = draws.stream("sizes")
    dimensions = rng.randrange(40, 121, 4)
    strong = rng.randint(8, dimensions // 4 + 2)
    between = (strong + dimensions) // 2
    ks = sorted({max(2, strong // 4), strong // 2, strong, between, dimensions, 2 * dimensions})
    return Sweep(
        bottlenecks=tuple(ks),
        dimensions=dimensions,
        strong=strong,
        variance=draws.stream("variance").choice((6.0, 7.0, 8.0, 9.0, 10.0, 12.0, 14.0, 16.0)),
        samples=12_000,
        few=draws.stream("few").choice((100, 150, 200, 250)),
    )
