"""How far attention through random features is from softmax attention: many kinds, widths, counts and seeds at once.

`cell_error` is one cell as the formula says it. `error_grid` computes all cells of a grid with the same draws, in a
sixth of the time, by doing once what cells share:

- cells with fewer draws use the first of the longest list: sums over blocks of draws, added up, give every count;
- sine, cosine, exp and 1/exp of one projection serve three kinds;
- what depends on a query alone cancels, what depends on a key alone goes into the values, not into the features;
- features stand in rows, values too: (M + 1 × N) by (N × R) products run five times as fast as (R × N) by (N × M + 1);
- as many seeds at a time as keep the features within a processor's cache; one padded call for all is no faster.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from engines.attention import softmax_attention
from engines.counting import slope
from engines.feature_maps import MAPS, feature_attention, orthogonal_draws, scaled
from engines.figures import Lines, Table, line, table
from engines.parameters.feature_grid import AttentionErrors
from engines.randomness import Draws
from engines.registry import draws, experiment
from engines.result import Result, Step
from engines.run import Run

KINDS = tuple(MAPS)
# Numbers in the features that exist at the same time: 512 KiB of float32, half of a core's second-level cache.
TILE = 1 << 17


@dataclass(frozen=True)
class Problem:
    """Inputs of one width for several seeds: query, key `(S, N, D)`, value `(S, N, M)`, draws `(S, R, D)`."""

    query: Tensor
    key: Tensor
    value: Tensor
    draws: Tensor


@dataclass(frozen=True)
class Errors:
    """What a grid found: `relative` and `nonpositive` `(kinds, widths, counts, seeds)`, `uniform` `(widths, seeds)`.

    `relative` is ‖output − exact‖/‖exact‖ in the Frobenius norm, `nonpositive` the share of rows whose denominator
    is not above 0, `uniform` the relative error of giving every key the same weight.
    """

    relative: Tensor
    nonpositive: Tensor
    uniform: Tensor


def relative_error(output: Tensor, exact: Tensor) -> Tensor:
    """‖output − exact‖/‖exact‖ over the last two dimensions."""
    error: Tensor = torch.linalg.matrix_norm(output - exact) / torch.linalg.matrix_norm(exact)
    return error


def cell_error(
    kind: str, query: Tensor, key: Tensor, value: Tensor, draws: Tensor, exact: Tensor
) -> tuple[Tensor, Tensor]:
    """Relative error of the output and share of non-positive denominators, for one kind of features.

    Args:
        kind: one of `KINDS`.
        query: `(N, D)`.
        key: `(N, D)`.
        value: `(N, M)`.
        draws: `(R, D)`, w ~ N(0, I) for scaled queries and keys.
        exact: `(N, M)`, softmax attention.
    """
    fq, fk = MAPS[kind](scaled(query), draws), MAPS[kind](scaled(key), draws)
    error = relative_error(feature_attention(fq, fk, value), exact)
    return error, (fq @ fk.sum(-2) <= 0).to(error.dtype).mean()


def error_grid(
    problems: Iterable[Problem], counts: Sequence[int], on_width: Callable[[Errors], None] = lambda _: None
) -> Errors:
    """The errors of every kind at every width, count and seed.

    Args:
        problems: one a width, all of the same number of seeds; a generator keeps one at a time.
        counts: increasing numbers of draws; the last is at most R of every problem.
        on_width: is told what there is after each width.
    """
    parts: list[Errors] = []
    for problem in problems:
        parts.append(_errors_at_one_width(problem, counts))
        on_width(_joined(parts))
    return _joined(parts)


def _joined(parts: list[Errors]) -> Errors:
    return Errors(
        torch.stack([part.relative for part in parts], dim=1),
        torch.stack([part.nonpositive for part in parts], dim=1),
        torch.stack([part.uniform for part in parts]),
    )


def _errors_at_one_width(problem: Problem, counts: Sequence[int]) -> Errors:
    """Errors with `relative` and `nonpositive` `(kinds, counts, S)`, `uniform` `(S,)`."""
    exact = torch.stack([  # seed by seed: N² weights once, not S times
        softmax_attention(*one) for one in zip(problem.query, problem.key, problem.value, strict=True)
    ])  # fmt: skip
    sums = torch.zeros(4, *problem.value.mT.shape, dtype=exact.dtype, device=exact.device)
    totals = sums.new_zeros(4, len(exact), 1, exact.shape[-2])
    state = torch.cat([sums, totals], dim=-2)  # (kinds, S, M + 1, N): numerators, and the denominators below them
    relative, nonpositive = [], []
    block = _Blocks(problem)
    for start, stop in pairwise((0, *counts)):
        block.add(state, start, stop)
        fourier, positive, mirrored, orthogonal = state
        found = torch.stack([fourier, positive, positive + mirrored, orthogonal])
        denominators = found[..., -1:, :]
        relative.append(relative_error((found[..., :-1, :] / denominators).mT, exact))
        nonpositive.append((denominators <= 0).to(exact.dtype).mean((-1, -2)))
    uniform = relative_error(problem.value.mean(-2, keepdim=True).expand_as(exact), exact)
    return Errors(torch.stack(relative, dim=1), torch.stack(nonpositive, dim=1), uniform)


class _Blocks:
    """Adds what a block of draws contributes to the sums of all kinds."""

    def __init__(self, problem: Problem) -> None:
        x = scaled(torch.cat([problem.query, problem.key], dim=-2))
        self.positions = x.mT.contiguous()  # (S, D, 2N): the queries, then the keys
        self.draws = problem.draws
        self.turned = orthogonal_draws(problem.draws)
        self.length = problem.query.shape[-2]
        rows = torch.cat([problem.value.mT, torch.ones_like(problem.value.mT[..., :1, :])], dim=-2)
        half_square = x[..., self.length :, :].square().sum(-1).unsqueeze(-2) / 2
        # exp(±‖k‖²/2), up to a factor of all keys, which cancels.
        self.fourier_rows = rows * (half_square - half_square.amax(-1, keepdim=True)).exp()
        self.positive_rows = rows * (half_square.amin(-1, keepdim=True) - half_square).exp()

    def add(self, state: Tensor, start: int, stop: int) -> None:
        """Draws `start` to `stop` of every seed, a tile at a time."""
        for first, last, seeds in self._tiles(start, stop):
            fourier, positive, mirrored, orthogonal = state[:, seeds]
            projected = self.draws[seeds, first:last] @ self.positions[seeds]  # (seeds, draws, 2N)
            self._add(fourier, projected.sin(), self.fourier_rows[seeds])
            self._add(fourier, projected.cos(), self.fourier_rows[seeds])
            self._add(positive, projected.exp_(), self.positive_rows[seeds])
            self._add(mirrored, projected.reciprocal_(), self.positive_rows[seeds])
            projected = self.turned[seeds, first:last] @ self.positions[seeds]
            self._add(orthogonal, projected.exp_(), self.positive_rows[seeds])

    def _add(self, state: Tensor, features: Tensor, rows: Tensor) -> None:
        """State (S, M + 1, N) += (rows · key features) · query features."""
        summed = rows @ features[..., self.length :].mT
        state.baddbmm_(summed, features[..., : self.length])

    def _tiles(self, start: int, stop: int) -> Iterator[tuple[int, int, slice]]:
        """First and last draw and the seeds of every tile."""
        most = max(1, TILE // (2 * self.length))
        for first in range(start, stop, most):
            last = min(first + most, stop)
            together = max(1, most // (last - first))
            for seed in range(0, len(self.draws), together):
                yield first, last, slice(seed, seed + together)


# -- the experiment

CONVENTIONS = ("entries", "norm")
# Seeds on which the printed rule for the draws is tried.
FEW = 4


@experiment(AttentionErrors)
def attention(params: AttentionErrors, run: Run) -> Result:
    """The grid of errors in both norm conventions, and the printed rule for the draws beside it."""
    found: dict[str, Errors] = {}
    done = [0]

    def listen(name: str) -> Callable[[Errors], None]:
        def told(errors: Errors) -> None:
            done[0] += 1
            widths = len(errors.uniform)
            figure = _by_features(params, name, errors) if name in CONVENTIONS else None
            share = done[0] / (3 * len(params.widths))
            run.progress(share, f"{_named(params, name)}: D = {params.widths[widths - 1]}", figure)

        return told

    for name in (*CONVENTIONS, "printed"):
        found[name] = error_grid(_problems(params, run, name), params.features, listen(name))
    medians = {name: errors.relative.median(-1).values for name, errors in found.items()}
    uniform = {name: found[name].uniform.median(-1).values for name in CONVENTIONS}
    values = _attention_values(params, found, medians, uniform)
    return Result(
        values=values,
        trace=_attention_steps(params, values),
        figures=(
            *(_by_features(params, name, found[name]) for name in CONVENTIONS),
            _by_width(params, medians, uniform),
            *(_by_kind(params, name, medians[name], uniform[name]) for name in CONVENTIONS),
            _summary_table(params, medians, uniform, values),
        ),
    )


def _problems(params: AttentionErrors, run: Run, name: str) -> Iterator[Problem]:
    """Inputs of every width, the same directions in both conventions, and the same draws."""
    for d in params.widths:
        seeds = FEW if name == "printed" else params.seeds
        q, k = (run.randn(f"{what} {d}", params.seeds, params.length, d)[:seeds] for what in ("query", "key"))
        if name == "norm":
            q, k = (params.norm * x / torch.linalg.vector_norm(x, dim=-1, keepdim=True) for x in (q, k))
        else:
            q, k = params.entry_scale * q, params.entry_scale * k
        w = run.randn(f"draws {d}", params.seeds, params.features[-1], d)[:seeds]
        if name == "printed":
            w = w * math.sqrt(d)  # w ~ N(0, σ²I) on unscaled vectors is σ² times the right w
        yield Problem(q, k, run.randn(f"value {d}", params.seeds, params.length, params.value_width)[:seeds], w)


def _named(params: AttentionErrors, name: str) -> str:
    return {
        "entries": f"entries {params.entry_scale:g}",
        "norm": f"norms {params.norm:g}",
        "printed": "draws as printed",
    }[name]


def _trend(first: float, last: float) -> str:
    ratio = last / first
    return "rises" if ratio > 1.5 else "falls" if ratio < 1 / 1.5 else "stays"


def _attention_values(
    params: AttentionErrors, found: dict[str, Errors], medians: dict[str, Tensor], uniform: dict[str, Tensor]
) -> dict[str, Any]:
    counts = [float(count) for count in params.features]
    kind = KINDS.index(params.kind)
    by_kind = {
        name: {k: medians[name][i] for i, k in enumerate(KINDS)} for name in CONVENTIONS
    }  # (widths, counts) of every kind
    return {
        "widths": list(params.widths),
        "features": list(params.features),
        "errors": by_kind,
        "uniform": uniform,
        "printed_errors": medians["printed"][KINDS.index("fourier")],
        "slopes": {
            name: {k: [slope(counts, row.tolist()) for row in medians[name][i]] for i, k in enumerate(KINDS)}
            for name in CONVENTIONS
        },
        "printed_slopes": [slope(counts, row.tolist()) for row in medians["printed"][KINDS.index("fourier")]],
        "nonpositive": {name: found[name].nonpositive[KINDS.index("fourier")].mean(-1) for name in CONVENTIONS},
        "trend_in_features": {
            name: _trend(float(medians[name][kind, 0, 0]), float(medians[name][kind, 0, -1])) for name in CONVENTIONS
        },
        "trend_in_width": {
            name: _trend(float(medians[name][kind, 0, -1]), float(medians[name][kind, -1, -1])) for name in CONVENTIONS
        },
        "features_to_beat_uniform": {
            name: {
                k: [_first_below(params, row, base) for row, base in zip(medians[name][i], uniform[name], strict=True)]
                for i, k in enumerate(KINDS)
            }
            for name in CONVENTIONS
        },
    }


def _first_below(params: AttentionErrors, errors: Tensor, base: Tensor) -> int | None:
    """The least number of features from which on the error is below that of uniform attention."""
    below = (errors < base).tolist()
    start = len(below) - next((i for i, one in enumerate(reversed(below)) if not one), len(below))
    return params.features[start] if start < len(below) else None


def _by_features(params: AttentionErrors, name: str, errors: Errors) -> Lines:
    median = errors.relative[KINDS.index(params.kind)].median(-1).values
    uniform = errors.uniform.median(-1).values
    x = [float(count) for count in params.features]
    level = [float(uniform.median())] * len(x)
    low, high = [float(uniform.min())] * len(x), [float(uniform.max())] * len(x)
    guide = [float(median[0, -1]) * math.sqrt(x[-1] / count) for count in x]
    return Lines(
        name,
        f"Error of attention, {params.kind} features, {_named(params, name)}",
        (
            *(line(f"D = {d}", x, row) for d, row in zip(params.widths, median, strict=False)),
            line("uniform attention", x, level, low=low, high=high),
            line("slope −1/2", x, guide, points=True),
        ),
        x_label="random draws",
        y_label="relative error",
        x_scale="log",
        y_scale="log",
        caption="The band is the error of weighting all keys alike, over all D: a line above it is worse than no "
        "attention at all. Medians over the seeds.",
    )


def _by_width(params: AttentionErrors, medians: dict[str, Tensor], uniform: dict[str, Tensor]) -> Lines:
    x = [float(d) for d in params.widths]
    series = []
    for name in CONVENTIONS:
        label = _named(params, name)
        series.append(line(label, x, medians[name][KINDS.index(params.kind), :, -1]))
        series.append(line(f"uniform, {label}", x, uniform[name], points=True))
    return Lines(
        "widths",
        f"Error against D at {params.features[-1]} draws, {params.kind} features",
        tuple(series),
        x_label="D",
        y_label="relative error",
        x_scale="log",
        y_scale="log",
        caption="Whether more dimensions help is a matter of the norms: with entries of fixed size the error grows, "
        "with fixed norms it falls, and so does that of uniform attention.",
    )


def _by_kind(params: AttentionErrors, name: str, median: Tensor, uniform: Tensor) -> Lines:
    x = [float(count) for count in params.features]
    place = len(params.widths) // 2
    return Lines(
        f"kinds_{name}",
        f"Error of attention by kind of features, D = {params.widths[place]}, {_named(params, name)}",
        (
            *(line(kind, x, median[i, place]) for i, kind in enumerate(KINDS)),
            line("uniform attention", x, [float(uniform[place])] * len(x)),
        ),
        x_label="random draws",
        y_label="relative error",
        x_scale="log",
        y_scale="log",
        caption="Small norms: Fourier features are best. Large norms: positive ones, since no sum of theirs is near 0.",
    )


def _summary_table(
    params: AttentionErrors, medians: dict[str, Tensor], uniform: dict[str, Tensor], values: dict[str, Any]
) -> Table:
    kind = KINDS.index(params.kind)
    rows = []
    for name in CONVENTIONS:
        for i, d in enumerate(params.widths):
            rows.append((
                _named(params, name),
                d,
                f"{medians[name][kind, i, -1]:.3g}",
                f"{values['slopes'][name][params.kind][i]:.2f}",
                f"{uniform[name][i]:.3g}",
                values["features_to_beat_uniform"][name][params.kind][i] or "more",
                f"{values['nonpositive'][name][i, -1]:.3f}",
                f"{values['printed_errors'][i, -1]:.3g}" if name == "entries" else "",
            ))  # fmt: skip
    return table(
        "summary",
        f"At {params.features[-1]} draws, {params.kind} features",
        ("q and k", "D", "error", "slope", "uniform", "beats it at", "sums ≤ 0", "printed"),
        rows,
        align="lrrrrrrr",
        caption="Beats it at: draws from which the error is below that of uniform attention. Sums ≤ 0: rows whose "
        "denominator is not positive, Fourier features. Printed: the error with w ~ N(0, σ²I), which stays.",
    )


def _attention_steps(params: AttentionErrors, values: dict[str, Any]) -> tuple[Step, ...]:
    kind, small, large = params.kind, params.widths[0], params.widths[-1]
    slopes = {name: values["slopes"][name][kind] for name in CONVENTIONS}
    trends = {name: (values["trend_in_features"][name], values["trend_in_width"][name]) for name in CONVENTIONS}
    errors = {name: values["errors"][name][kind] for name in CONVENTIONS}
    return (
        Step(
            "features",
            "An estimate that is a mean of $R$ independent draws has an error like $1/\\sqrt{R}$. The output is a "
            "quotient of two estimates and follows once the sum below is stable. Fitted slopes with norms of "
            f"{params.norm:g}: " + ", ".join(f"{s:.2f}" for s in slopes["norm"]) + "; with entries of deviation "
            f"{params.entry_scale:g}: "
            + ", ".join(f"{s:.2f}" for s in slopes["entries"])
            + f" (D = {', '.join(map(str, params.widths))}).",
        ),
        Step(
            "width",
            f"Entries of fixed size: $\\|q\\|^2$ grows like $D$, the kernel falls like $\\exp(-\\sqrt{{D}})$ while its "
            f"estimate keeps an error of $1/\\sqrt{{2R}}$. From D = {small} to {large} the error "
            f"{trends['entries'][1]}: {float(errors['entries'][0, -1]):.3g} to {float(errors['entries'][-1, -1]):.3g}. "
            f"Fixed norms: $q^\\top k/\\sqrt{{D}}$ goes to 0, the error {trends['norm'][1]}: "
            f"{float(errors['norm'][0, -1]):.3g} to {float(errors['norm'][-1, -1]):.3g}.",
        ),
        Step(
            "baseline",
            "Weighting all keys alike costs nothing. Its error is "
            f"{float(values['uniform']['entries'][-1]):.3g} with entries of fixed size and "
            f"{float(values['uniform']['norm'][-1]):.3g} with fixed norms at D = {large}: features "
            "are of use only below it.",
        ),
    )


@draws(AttentionErrors)
def draw_attention(draws: Draws) -> AttentionErrors:
    """Other widths, sizes and norms, at which every trend that is asked for is clear."""
    rng = draws.stream("sizes")
    return AttentionErrors(
        widths=rng.choice(((4, 8, 16, 32), (4, 16, 64), (4, 12, 36), (6, 12, 24, 48), (8, 16, 32, 64))),
        seeds=rng.choice((8, 12, 16)),
        length=rng.choice((96, 128, 160, 192, 256)),
        value_width=rng.choice((6, 8, 10, 12)),
        entry_scale=rng.choice((0.9, 1.0, 1.1, 1.2)),
        norm=rng.choice((0.5, 0.75, 1.0, 1.25)),
    )
