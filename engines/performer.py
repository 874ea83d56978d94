"""How good a Performer is: what the number of features buys, and what a trained one can and cannot do."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch

from engines.counting import slope
from engines.feature_grid import KINDS, Errors, Problem, error_grid
from engines.feature_maps import orthogonal_draws, positive_features, scaled
from engines.figures import Lines, Table, line, table
from engines.parameters.performer import FeatureChoice, Recall
from engines.performer_attention import performer_attention
from engines.randomness import Draws
from engines.recall import HEAD_WIDTH, TASKS, Attention, Ensemble, softmax_causal
from engines.registry import draws, experiment
from engines.result import Result, Step
from engines.run import Run

# -- the number of features


@experiment(FeatureChoice)
def features(params: FeatureChoice, run: Run) -> Result:
    """Error, rank and operations of attention through m positive features, at every size of the entries."""
    found: list[Errors] = []
    for i, scale in enumerate(params.scales):
        found.append(error_grid([_problem(params, run, scale)], params.features))
        figure = _error_figure(params, found)
        run.progress(0.8 * (i + 1) / len(params.scales), f"entries of deviation {scale:g}", figure)
    ranks = []
    for i, count in enumerate(params.features):
        ranks.append(_rank(_problem(params, run, params.scales[0]), count))
        share = 0.8 + 0.2 * (i + 1) / len(params.features)
        run.progress(share, f"rank of the map of {count} features")
    values = _choice_values(params, found, ranks)
    return Result(
        values=values,
        trace=_choice_steps(params, values),
        figures=(_error_figure(params, found), _choice_table(params, values)),
    )


def _problem(params: FeatureChoice, run: Run, scale: float) -> Problem:
    query, key, value = (
        run.randn(name, params.seeds, params.length, params.width) for name in ("query", "key", "value")
    )
    return Problem(
        scale * query, scale * key, value, run.randn("draws", params.seeds, params.features[-1], params.width)
    )


def _rank(problem: Problem, count: int) -> int:
    """Rank of the N × N matrix that stands in for exp(Q Kᵀ/√d), for the first seed, by its singular values."""
    query, key, w = problem.query[0].double(), problem.key[0].double(), problem.draws[0, :count].double()
    weights = positive_features(scaled(query), w) @ positive_features(scaled(key), w).mT
    return int(torch.linalg.matrix_rank(weights, rtol=1e-10))


def operations(length: int, width: int, count: int) -> int:
    """Multiply-adds of attention through m features: two projections and two sums, values as wide as keys."""
    return 4 * length * count * width


def softmax_operations(length: int, width: int) -> int:
    """Multiply-adds of softmax attention with values as wide as keys."""
    return 2 * length**2 * width


def _medians(found: list[Errors], kind: str) -> list[list[float]]:
    return [errors.relative[KINDS.index(kind), 0].median(-1).values.tolist() for errors in found]


def _choice_values(params: FeatureChoice, found: list[Errors], ranks: list[int]) -> dict[str, Any]:
    counts = [float(count) for count in params.features]
    medians = {kind: _medians(found, kind) for kind in KINDS}
    return {
        "features": list(params.features),
        "scales": list(params.scales),
        "errors": medians,
        "uniform": [errors.uniform.median().item() for errors in found],
        "slopes": [slope(counts, row) for row in medians["positive"]],
        "ranks": ranks,
        "rank_bounds": [min(count, params.length) for count in params.features],
        "operations": [operations(params.length, params.width, count) for count in params.features],
        "softmax_operations": softmax_operations(params.length, params.width),
        "break_even": params.length // 2,
        # ‖q + k‖² of scaled vectors has the mean 2 s² √d, and the variance grows like its exponential.
        "log_variance": [2 * scale**2 * math.sqrt(params.width) for scale in params.scales],
    }


def _error_figure(params: FeatureChoice, found: list[Errors]) -> Lines:
    x = [float(count) for count in params.features]
    series = []
    for scale, positive, errors in zip(params.scales, _medians(found, "positive"), found, strict=False):
        series.append(line(f"entries {scale:g}", x, positive))
        uniform = errors.uniform.median().item()
        series.append(line(f"uniform, entries {scale:g}", x, [uniform] * len(x), points=True))
    series.append(line("slope −1/2", [x[0], x[-1]], [1.0, math.sqrt(x[0] / x[-1])]))
    return Lines(
        "error",
        f"Error of attention through positive features, d = {params.width}, {params.length} positions",
        tuple(series),
        x_label="features m",
        y_label="relative error",
        x_scale="log",
        y_scale="log",
        caption="More features, less error, but at large norms so slowly that weighting all keys alike (points) is "
        "better at any affordable m.",
    )


def _choice_table(params: FeatureChoice, values: dict[str, Any]) -> Table:
    rows = [
        (
            count,
            *(f"{errors[i]:.3g}" for errors in values["errors"]["positive"]),
            values["ranks"][i],
            f"{values['operations'][i] / values['softmax_operations']:.2f}",
        )
        for i, count in enumerate(params.features)
    ]
    return table(
        "choice",
        "What m features give and cost",
        ("m", *(f"error at {scale:g}" for scale in params.scales), "rank", "operations / softmax"),
        rows,
        align="r" * (3 + len(params.scales)),
        caption=f"The rank of the map is at most m. From m = n/2 = {params.length // 2} the features cost as much as "
        "softmax attention itself.",
    )


def _choice_steps(params: FeatureChoice, values: dict[str, Any]) -> tuple[Step, ...]:
    errors = values["errors"]["positive"]
    named = "; ".join(
        f"entries {scale:g}: {row[0]:.3g} at m = {params.features[0]} to {row[-1]:.3g} at m = {params.features[-1]}, "
        f"slope {s:.2f}, uniform attention {base:.3g}"
        for scale, row, s, base in zip(params.scales, errors, values["slopes"], values["uniform"], strict=True)
    )
    return (
        Step(
            "error",
            "The estimate is a mean over $m$ draws, so its error falls like $1/\\sqrt{m}$ where the variance is small. "
            f"Measured: {named}.",
        ),
        Step(
            "norms",
            "One draw has the relative variance $\\exp \\|q + k\\|^2 - 1$. With entries of deviation $s$ the scaled "
            "$\\|q + k\\|^2$ is $2 s^2 \\sqrt{d}$ on average: "
            + ", ".join(f"{log:.3g}" for log in values["log_variance"])
            + " here, so twice the norm asks for the fourth power of the features.",
        ),
        Step(
            "cost",
            "Time and memory grow linearly in $m$: $n m d$ and $n m$. With values as wide as keys $m$ features take "
            f"$4 n m d$ multiply-adds against $2 n^2 d$: nothing is gained from $m = n/2$ = {values['break_even']} on.",
        ),
        Step(
            "rank",
            "The map is a product of an $n \\times m$ and an $m \\times n$ matrix, of rank at most $m$: "
            + ", ".join(f"{rank} for m = {count}" for rank, count in zip(values["ranks"], params.features, strict=True))
            + ". Softmax attention can have rank $n$.",
        ),
    )


@draws(FeatureChoice)
def draw_features(draws: Draws) -> FeatureChoice:
    """Other lengths, widths and sizes; one size at which features help and one at which they hardly do."""
    rng = draws.stream("sizes")
    return FeatureChoice(
        features=rng.choice(((4, 16, 64, 256, 1024), (8, 32, 128, 512), (6, 24, 96, 384), (10, 40, 160, 640))),
        length=rng.randrange(96, 260, 4),
        width=rng.choice((12, 16, 20, 24)),
        scales=(rng.choice((0.4, 0.45, 0.5)), rng.choice((0.9, 1.0, 1.1))),
        seeds=rng.choice((8, 12, 16)),
    )


# -- a trained Performer

# Sequences that accuracy is measured on.
TESTED = 200


@experiment(Recall)
def recall(params: Recall, run: Run) -> Result:
    """A softmax transformer and Performers, equal but for their attention, trained on two tasks."""
    names = ["softmax", *(f"m = {count}" for count in params.features)]
    history: dict[str, list[list[float]]] = {task: [] for task in TASKS}
    for i, task in enumerate(TASKS):
        _train(params, run, task, names, history, i / 3)
    accuracy = {task: dict(zip(names, rows[-1][1:], strict=True)) for task, rows in history.items()}
    values = {
        "accuracy": {task: list(found.values()) for task, found in accuracy.items()},
        "models": names,
        "features": list(params.features),
        "softmax_recall": accuracy["recall"]["softmax"],
        "performer_recall": [accuracy["recall"][name] for name in names[1:]],
        "chance": 1 / 6,
    }
    return Result(
        values=values,
        trace=_recall_steps(params, accuracy, names),
        figures=(
            *(_accuracy_figure(task, names, rows) for task, rows in history.items()),
            _recall_table(accuracy, names),
        ),
    )


def _attentions(params: Recall, run: Run) -> list[Attention]:
    """Softmax first, then Performers with m features: m/2 orthogonal draws and their opposites, fixed in training."""
    found: list[Attention] = [softmax_causal]
    for count in params.features:
        w = orthogonal_draws(run.randn(f"draws {count}", count // 2, HEAD_WIDTH))
        found.append(partial(performer_attention, draws=w, causal=True))
    return found


def _train(
    params: Recall, run: Run, task: str, names: list[str], history: dict[str, list[list[float]]], start: float
) -> None:
    """Train all models on one task; every row of its history is a step and the accuracies at it."""
    ensemble = Ensemble.draw(_attentions(params, run), run.randn)
    optimizer = torch.optim.Adam(ensemble.weights.values(), lr=params.learning_rate, fused=True)
    steps = params.steps if task == "recall" else max(1, params.steps // 2)
    share = (2 if task == "recall" else 1) / 3
    generator = run.generator(f"batches {task}")
    test = [x.to(run.device) for x in TASKS[task](TESTED, run.generator(f"test {task}"))]
    for step in range(1, steps + 1):
        tokens, targets = (x.to(run.device) for x in TASKS[task](params.batch, generator))
        optimizer.zero_grad()
        ensemble.losses(tokens, targets).sum().backward()
        optimizer.step()
        figure = None
        if step % 20 == 0 or step in (1, steps):
            history[task].append([step, *ensemble.accuracies(*test).tolist()])
            figure = _accuracy_figure(task, names, history[task])
        run.progress(min(1.0, start + share * step / steps), f"{task}: step {step} of {steps}", figure)


def _accuracy_figure(task: str, names: list[str], rows: list[list[float]]) -> Lines:
    step, *columns = zip(*rows, strict=True)
    x = [float(s) for s in step]
    title = {"previous": "Name the token before", "recall": "Recall the value that stood behind a key"}[task]
    return Lines(
        task,
        f"{title}: accuracy",
        tuple(line(name, x, list(column)) for name, column in zip(names, columns, strict=True)),
        x_label="training step",
        y_label="accuracy",
        caption="Equal weights at the start and equal batches; the models differ in their attention alone.",
    )


def _recall_table(accuracy: dict[str, dict[str, float]], names: list[str]) -> Table:
    return table(
        "accuracy",
        "Accuracy after training",
        ("attention", *accuracy),
        [(name, *(f"{found[name]:.3f}" for found in accuracy.values())) for name in names],
        align="l" + "r" * len(accuracy),
        caption="Looking one token back is done from positions and needs few features; looking up by content is not.",
    )


def _recall_steps(params: Recall, accuracy: dict[str, dict[str, float]], names: list[str]) -> tuple[Step, ...]:
    def listed(task: str) -> str:
        return ", ".join(f"{name} {accuracy[task][name]:.2f}" for name in names)

    return (
        Step(
            "compare",
            "How a Performer compares depends on what has to be read. One token back, a task of positions: "
            f"{listed('previous')}. The value that stood behind a key, a task of content: {listed('recall')}, after "
            f"{params.steps} steps.\n\n"
            "To look up one of many by content the weights have to be sharp, the norms large, and there the variance "
            "of $m$ features, $(\\exp \\|q + k\\|^2 - 1)/m$, is largest.",
        ),
    )


@draws(Recall)
def draw_recall(draws: Draws) -> Recall:
    """Other numbers of features, batches and lengths of training, long enough for softmax to learn the task."""
    rng = draws.stream("sizes")
    small = rng.choice((8, 12, 16, 20))
    return Recall(
        features=(small, rng.choice((2, 3, 4)) * small),
        batch=rng.randrange(30, 41),
        steps=rng.randrange(360, 441),
    )
