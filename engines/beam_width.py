"""How wide a beam has to be: beam search on many random models, beside exhaustive search and best-of-B sampling."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import torch
from torch import Tensor

from engines.ancestral_sampling import sample
from engines.figures import Lines, Table, line, table
from engines.language_models import TreeModel, tree_size
from engines.parameters.beam_width import Width
from engines.registry import experiment
from engines.result import Result, Step
from engines.run import Run
from engines.search import Hypotheses, beam_search, exhaustive_search

# Best sequences of a wide beam that are compared with the exhaustive ones.
TOP = 10


def random_trees(run: Run, name: str, models: int, vocabulary: int, length: int, sharpness: float) -> TreeModel:
    """`models` trees whose every prefix has its own distribution: softmax of normal logits of that spread."""
    logits = sharpness * run.randn(name, models, tree_size(vocabulary, length), vocabulary)
    return TreeModel(logits.log_softmax(-1))


@dataclass
class Found:
    """For every model so far, the log-probability that a method's best sequence has, `(models,)`."""

    best: list[Tensor] = field(default_factory=list)
    beams: dict[int, list[Tensor]] = field(default_factory=dict)
    sampled: dict[int, list[Tensor]] = field(default_factory=dict)
    wide_equal: list[Tensor] = field(default_factory=list)

    def loss(self, found: list[Tensor]) -> Tensor:
        """Nats by which each model's most likely sequence is better than the one found, `(models,)`, ≥ 0."""
        return torch.cat(self.best) - torch.cat(found)

    def share(self, found: list[Tensor]) -> tuple[float, float]:
        """The share of models on which the optimum was found, and its standard error."""
        hits = self.loss(found) == 0
        p = hits.double().mean().item()
        return p, (p * (1 - p) / len(hits)) ** 0.5


@experiment(Width)
def width(params: Width, run: Run) -> Result:
    """All widths on all models, some models at a time; sampling B sequences costs about what a beam of B does."""
    sizes = sorted(params.beam_sizes)
    found = Found(beams={size: [] for size in sizes}, sampled={size: [] for size in sizes})
    wide = params.vocabulary ** (params.length - 1)
    for first in range(0, params.models, params.together):
        count = min(params.together, params.models - first)
        model = random_trees(run, f"logits {first}", count, params.vocabulary, params.length, params.sharpness)
        every = exhaustive_search(model, params.length).best(TOP)
        found.best.append(every.log_probs[:, 0])
        for size in sizes:
            found.beams[size].append(beam_search(model, params.length, size).log_probs[:, 0])
        samples = sample(model, params.length, sizes[-1], run.generator(f"samples {first}")).log_probs
        for size in sizes:
            found.sampled[size].append(samples[:, :size].amax(1))
        found.wide_equal.append(_equal(beam_search(model, params.length, wide).best(TOP), every))
        done = first + count
        run.progress(done / params.models, f"{done} of {params.models} models", _share_figure(params, found))
    return _result(params, found, wide)


def _equal(a: Hypotheses, b: Hypotheses) -> Tensor:
    """Whether the lists are the same from first to last, model by model."""
    count = min(a.sequences.shape[1], b.sequences.shape[1])
    return (a.best(count).sequences == b.best(count).sequences).flatten(1).all(1)


def _result(params: Width, found: Found, wide: int) -> Result:
    sizes = sorted(params.beam_sizes)
    shares = [found.share(found.beams[size]) for size in sizes]
    losses = [found.loss(found.beams[size]) for size in sizes]
    greedy = found.loss(found.beams[1]) if 1 in sizes else None
    worse = [int((b > a).sum()) for a, b in itertools.pairwise(losses)]
    equal = int(torch.cat(found.wide_equal).sum())
    return Result(
        values={
            "beam_sizes": sizes,
            "shares": [share for share, _ in shares],
            "share_errors": [error for _, error in shares],
            "losses": [loss.mean().item() for loss in losses],
            "sampled_shares": [found.share(found.sampled[size])[0] for size in sizes],
            "sampled_losses": [found.loss(found.sampled[size]).mean().item() for size in sizes],
            "greedy_share": None if greedy is None else (greedy == 0).double().mean().item(),
            "greedy_loss": None if greedy is None else greedy.mean().item(),
            "worse_when_wider": worse,
            "model_steps": [1 + min(size, wide) * (params.length - 1) for size in sizes],
            "sequences": params.sequences,
            "enough": wide,
            "wide_equals_exhaustive": equal,
            "models": params.models,
        },
        trace=_steps(params, found, wide, equal, worse),
        figures=(_share_figure(params, found), _loss_figure(params, found), _table(params, found)),
    )


def _share_figure(params: Width, found: Found) -> Lines:
    sizes = sorted(params.beam_sizes)
    x = [float(size) for size in sizes]
    series = []
    for label, found_by in (("beam of B", found.beams), ("best of B samples", found.sampled)):
        shares = [found.share(found_by[size]) for size in sizes]
        low, high = ([min(1.0, max(0.0, p + sign * 2 * error)) for p, error in shares] for sign in (-1, 1))
        series.append(line(label, x, [p for p, _ in shares], points=True, low=low, high=high))
    return Lines(
        "share",
        f"Share of {len(torch.cat(found.best))} random models on which the most likely sequence is found "
        f"(M = {params.vocabulary}, T = {params.length})",
        tuple(series),
        x_label="B",
        y_label="share",
        x_scale="log",
        caption="Both run the model about equally often. A beam spends the steps on what is likely so far. "
        "Bands are two standard errors.",
    )


def _loss_figure(params: Width, found: Found) -> Lines:
    sizes = sorted(params.beam_sizes)
    x = [float(size) for size in sizes]
    series = []
    for label, found_by in (("beam of B", found.beams), ("best of B samples", found.sampled)):
        losses = [found.loss(found_by[size]) for size in sizes]
        means = [loss.mean().item() for loss in losses]
        errors = [(loss.var(correction=0) / len(loss)).sqrt().item() for loss in losses]
        low = [m - 2 * e for m, e in zip(means, errors, strict=True)]
        high = [m + 2 * e for m, e in zip(means, errors, strict=True)]
        series.append(line(label, x, means, points=True, low=low, high=high))
    return Lines(
        "loss",
        "Log-probability lost against the most likely sequence, mean over the models",
        tuple(series),
        x_label="B",
        y_label="nats",
        x_scale="log",
        caption="B = 1 is greedy search. A miss costs little once the beam has a few hypotheses. "
        "Bands are two standard errors.",
    )


def _table(params: Width, found: Found) -> Table:
    rows = []
    for size in sorted(params.beam_sizes):
        (share, error), loss = found.share(found.beams[size]), found.loss(found.beams[size])
        sampled = found.share(found.sampled[size])[0]
        rows.append(
            (size, 1 + size * (params.length - 1), f"{share:.3f} ± {error:.3f}", f"{loss.mean():.4f}", f"{sampled:.3f}")
        )
    return table(
        "widths",
        f"{params.models} models of {params.sequences} sequences each",
        ("B", "model steps", "optimum found", "nats lost", "best of B samples"),
        rows,
        align="rrrrr",
        caption=f"Exhaustive search runs the model {tree_size(params.vocabulary, params.length)} times. "
        "After ±: one standard error.",
    )


def _steps(params: Width, found: Found, wide: int, equal: int, worse: list[int]) -> tuple[Step, ...]:
    sizes = sorted(params.beam_sizes)
    lines = [
        f"- $B = {size}$: {found.share(found.beams[size])[0]:.1%} found, "
        f"{found.loss(found.beams[size]).mean():.4f} nats lost on average"
        for size in sizes
    ]
    least = params.sequences ** (1 / params.length)
    return (
        Step(
            "share",
            "The most likely sequence is found if every prefix of it is among the $B$ best of its length; "
            "a search that misses it still returns a likely one:\n\n" + "\n".join(lines),
        ),
        Step(
            "enough",
            f"A beam of $M^{{T-1}} = {least:.0f}^{{{params.length - 1}}} = {wide}$ keeps every prefix of $T-1$ tokens "
            f"and drops nothing before the last step. Its best {TOP} were those of exhaustive search on {equal} of "
            f"{params.models} models.",
        ),
        Step(
            "monotone",
            "Wider is better on average and not always: what a wider beam keeps can crowd out the good prefix at a "
            "later step. From each width to the next the result got worse on "
            f"{', '.join(map(str, worse)) or 'no'} of {params.models} models.",
        ),
    )
