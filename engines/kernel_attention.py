"""Attention with a kernel in place of exp(qᵀk): through its feature map it costs a sum over keys only once.

Shapes: queries `(N, D)`, keys `(L, D)`, values `(L, M)`, features `(·, C)`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from itertools import combinations_with_replacement
from typing import Any

import torch
from torch import Tensor


def polynomial_features(x: Tensor, degree: int = 2) -> Tensor:
    """φ with φ(q)·φ(k) = (q·k + 1)^degree, of the least size C = binomial(D + degree, degree).

    Every product of `degree` entries of (1, x), weighted by the root of how often it occurs; for degree 2
    these are 1, √2 xᵢ, xᵢ² and √2 xᵢxⱼ (EECS 182, homework 7 (spring 2023), question 5b).

    Args:
        x: `(n, D)`.
        degree: 1 or more.

    Returns:
        `(n, C)`.
    """
    extended = torch.cat([torch.ones_like(x[:, :1]), x], dim=1)
    products = list(combinations_with_replacement(range(extended.shape[1]), degree))
    weights = [
        math.sqrt(math.factorial(degree) / math.prod(math.factorial(p.count(i)) for i in set(p))) for p in products
    ]
    features = torch.tensor(weights, dtype=x.dtype, device=x.device).expand(len(x), -1)
    for factor in zip(*products, strict=True):
        features = features * extended[:, list(factor)]
    return features


def kernel_attention(q: Tensor, k: Tensor, v: Tensor, degree: int = 2) -> Tensor:
    """Σⱼ φ(qᵢ)ᵀφ(kⱼ) vⱼ / Σⱼ φ(qᵢ)ᵀφ(kⱼ), keys and values summed up before any query is looked at.

    Time N·C·M + L·C·M, memory kept for the backward pass N·C + L·C + C·M (question 5d).
    """
    fq, fk = polynomial_features(q, degree), polynomial_features(k, degree)
    state, norm = fk.T @ v, fk.sum(0)
    return (fq @ state) / (fq @ norm).unsqueeze(1)


def quadratic_kernel_attention(q: Tensor, k: Tensor, v: Tensor, degree: int = 2) -> Tensor:
    """The same attention by its definition, through all N·L kernel values; for comparison."""
    weights = (q @ k.T + 1) ** degree
    return (weights / weights.sum(1, keepdim=True)) @ v


# -- the fast form: features as rows, a block of positions at a time


# Numbers that the features of one block may have: about what a core's own cache holds.
WORKING_SET = 1 << 20


def feature_rows(x: Tensor, degree: int, rows: list[Tensor] | None = None) -> list[Tensor]:
    """The products of up to `degree` entries of (1, x), a product a row and a position a column.

    Level p holds all products of p entries of the D + 1 in lexicographic order, each once and without a weight.
    Those that begin with entry i are that entry times a suffix of level p − 1, so a level is D + 1
    multiplications of whole rows. A gather of columns makes the same numbers several times slower.

    Args:
        x: `(D + 1, n)`, the first row ones.
        degree: 1 or more.
        rows: where to write levels 2 to `degree`; made if left out.

    Returns:
        Levels 1 to `degree`; the last is `(C, n)` with C = binomial(D + degree, degree).
    """
    levels = [x]
    width, n = x.shape
    for p in range(2, degree + 1):
        level = x.new_empty(math.comb(width + p - 1, p), n) if rows is None else rows[p - 2]
        sizes = _suffixes(width, p)
        for entry, size, place in zip(x.unbind(), sizes, level.split(sizes), strict=True):
            torch.mul(levels[-1][-size:], entry, out=place)
        levels.append(level)
    return levels


def feature_rows_gradient(levels: list[Tensor], gradient: Tensor) -> Tensor:
    """What `feature_rows` passes back to x, given its levels and the gradient of the last one."""
    x = levels[0]
    to_x = torch.zeros_like(x)
    for p in range(len(levels), 1, -1):
        below = levels[p - 2]
        to_below = torch.zeros_like(below)
        sizes = _suffixes(len(x), p)
        for i, (size, part) in enumerate(zip(sizes, gradient.split(sizes), strict=True)):
            to_x[i] += (part * below[-size:]).sum(0)
            to_below[-size:].addcmul_(part, x[i])
        gradient = to_below
    return to_x.add_(gradient)


def _suffixes(width: int, p: int) -> list[int]:
    """For each entry, how many products of p entries begin with it."""
    return [math.comb(width - i + p - 2, p - 1) for i in range(width)]


@functools.cache
def _orderings(width: int, degree: int) -> tuple[float, ...]:
    """In how many orders the factors of each product can be written: its weight in (q·k + 1)^degree."""
    return tuple(
        math.factorial(degree) / math.prod(math.factorial(product.count(i)) for i in set(product))
        for product in combinations_with_replacement(range(width), degree)
    )


def _blocks(x: Tensor, degree: int) -> Iterator[tuple[slice, list[Tensor]]]:
    """For each block of the positions of x `(n, D)`: where it lies, and the levels of its features.

    The blocks share one buffer, so that what one yields is overwritten by the next.
    """
    n, width = len(x), x.shape[1] + 1
    size = min(n, max(128, WORKING_SET // math.comb(width + degree - 1, degree)))
    columns = torch.cat([x.new_ones(1, n), x.T])
    rows = [x.new_empty(math.comb(width + p - 1, p), size) for p in range(2, degree + 1)]
    for begin in range(0, n, max(size, 1)):
        place = slice(begin, min(begin + size, n))
        block = columns[:, place]
        yield place, feature_rows(block, degree, [level[:, : block.shape[1]] for level in rows])


def _sums(k: Tensor, v: Tensor, degree: int) -> Tensor:
    """Σⱼ vⱼ φ(kⱼ)ᵀ, and below it Σⱼ φ(kⱼ)ᵀ, as `(M + 1, C)`, in the weights of the kernel."""
    weights = k.new_tensor(_orderings(k.shape[1] + 1, degree))
    extended = torch.cat([v, v.new_ones(len(v), 1)], dim=1)  # the column of ones sums the features alone
    sums = k.new_zeros(extended.shape[1], len(weights))
    for place, levels in _blocks(k, degree):
        sums.addmm_(extended[place].T, levels[-1].T)
    return sums.mul_(weights)


class _Recomputing(torch.autograd.Function):
    """Kernel attention a block at a time: it keeps q, k, v and the sums over keys, and no features.

    The weights of the products are multiplied into the sums once, not into the features of every position.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, degree: int) -> Tensor:
        state = _sums(k, v, degree)
        output = q.new_empty(len(q), v.shape[1])
        for place, levels in _blocks(q, degree):
            read = state @ levels[-1]
            torch.div(read[:-1].T, read[-1:].T, out=output[place])
        ctx.save_for_backward(q, k, v, state)
        ctx.degree = degree
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        q, k, v, state = ctx.saved_tensors
        dq, dk, dv, dstate = (torch.zeros_like(saved) for saved in (q, k, v, state))
        for place, levels in _blocks(q, ctx.degree):
            read = state @ levels[-1]
            # o = a / z, so da = do / z and dz = -(do · o) / z.
            direct = gradients[0][place].T / read[-1:]
            dread = torch.cat([direct, -(direct * read[:-1]).sum(0, keepdim=True) / read[-1:]])
            dstate.addmm_(dread, levels[-1].T)
            dq[place] = feature_rows_gradient(levels, state.T @ dread)[1:].T
        dstate *= q.new_tensor(_orderings(q.shape[1] + 1, ctx.degree))
        for place, levels in _blocks(k, ctx.degree):
            dv[place] = (dstate[:-1] @ levels[-1]).T
            dfeatures = torch.addmm(dstate[-1:].T, dstate[:-1].T, v[place].T)
            dk[place] = feature_rows_gradient(levels, dfeatures)[1:].T
        return dq, dk, dv, None


def recomputing_kernel_attention(q: Tensor, k: Tensor, v: Tensor, degree: int = 2) -> Tensor:
    """`kernel_attention` with its features made again in the backward pass: it keeps N·D + L·D + L·M + C·M.

    The fast form of the three: features as rows, in blocks that stay in the cache.
    """
    output: Tensor = _Recomputing.apply(q, k, v, degree)  # type: ignore[no-untyped-call]
    return output
