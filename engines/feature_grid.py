"""How far attention through random features is from softmax attention: many kinds, widths, counts and seeds at once.

`cell_error` is one cell as the formula says it. `error_grid` computes all cells of a grid with the same draws, in a
sixth of the time, by doing once what cells share:

- cells with fewer draws use the first ones of the longest list, so sums over blocks of draws, added up, give all counts;
- sine, cosine, exp and 1/exp of one projection serve three kinds;
- what depends on a query alone cancels, what depends on a key alone goes into the values, not into the features;
- features stand in rows, values too: (M + 1 × N) by (N × R) products run five times as fast as (R × N) by (N × M + 1);
- as many seeds at a time as keep the features within a processor's cache; one padded call for all is no faster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from engines.attention import softmax_attention
from engines.feature_maps import MAPS, feature_attention, orthogonal_draws, scaled

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
    """What a grid found: `relative` and `nonpositive` are `(kinds, widths, counts, seeds)`, `uniform` `(widths, seeds)`.

    `relative` is ‖output − exact‖/‖exact‖ in the Frobenius norm, `nonpositive` the share of rows whose denominator
    is not above 0, `uniform` the relative error of giving every key the same weight.
    """

    relative: Tensor
    nonpositive: Tensor
    uniform: Tensor


def relative_error(output: Tensor, exact: Tensor) -> Tensor:
    """‖output − exact‖/‖exact‖ over the last two dimensions."""
    return torch.linalg.matrix_norm(output - exact) / torch.linalg.matrix_norm(exact)


def cell_error(kind: str, query: Tensor, key: Tensor, value: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
    """Relative error of the output and share of non-positive denominators, for one kind of features.

    Args:
        kind: one of `KINDS`.
        query: `(N, D)`.
        key: `(N, D)`.
        value: `(N, M)`.
        draws: `(R, D)`, w ~ N(0, I) for scaled queries and keys.
    """
    fq, fk = MAPS[kind](scaled(query), draws), MAPS[kind](scaled(key), draws)
    error = relative_error(feature_attention(fq, fk, value), softmax_attention(query, key, value))
    return error, (fq @ fk.sum(-2) <= 0).to(error.dtype).mean()


def error_grid(
    problems: Sequence[Problem], counts: Sequence[int], on_width: Callable[[Errors], None] = lambda _: None
) -> Errors:
    """The errors of every kind at every width, count and seed.

    Args:
        problems: one a width, all of the same number of seeds.
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
        """state (S, M + 1, N) += (rows · key features) · query features."""
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
