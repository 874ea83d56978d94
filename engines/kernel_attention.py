"""Attention with a kernel in place of exp(qᵀk): through its feature map it costs a sum over keys only once.

Shapes: queries `(N, D)`, keys `(L, D)`, values `(L, M)`, features `(·, C)`.
"""

from __future__ import annotations

import math
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


# Positions whose features exist at the same time in the form that does not keep them.
BLOCK = 64


class _Recomputing(torch.autograd.Function):
    """Kernel attention a block at a time: it keeps q, k, v and the sums over keys, and no features."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, degree: int) -> Tensor:
        extended = torch.cat([v, torch.ones_like(v[:, :1])], dim=1)  # the last column sums the features alone
        state = torch.zeros(math.comb(q.shape[1] + degree, degree), extended.shape[1], dtype=q.dtype, device=q.device)
        for keys, values in zip(k.split(BLOCK), extended.split(BLOCK), strict=True):
            state.addmm_(polynomial_features(keys, degree).T, values)
        output = torch.empty(len(q), v.shape[1], dtype=q.dtype, device=q.device)
        for queries, place in zip(q.split(BLOCK), output.split(BLOCK), strict=True):
            sums = polynomial_features(queries, degree) @ state
            torch.div(sums[:, :-1], sums[:, -1:], out=place)
        ctx.save_for_backward(q, k, v, state)
        ctx.degree = degree
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        q, k, v, state = ctx.saved_tensors
        dq, dk, dv, dstate = (torch.zeros_like(saved) for saved in (q, k, v, state))
        state = state.detach().requires_grad_()
        for i in range(0, len(q), BLOCK):
            queries = q[i : i + BLOCK].detach().requires_grad_()
            with torch.enable_grad():
                sums = polynomial_features(queries, ctx.degree) @ state
                output = sums[:, :-1] / sums[:, -1:]
            dq[i : i + BLOCK], part = torch.autograd.grad(output, (queries, state), gradients[0][i : i + BLOCK])
            dstate += part
        for i in range(0, len(k), BLOCK):
            keys, values = (x[i : i + BLOCK].detach().requires_grad_() for x in (k, v))
            with torch.enable_grad():
                extended = torch.cat([values, torch.ones_like(values[:, :1])], dim=1)
                sums = polynomial_features(keys, ctx.degree).T @ extended
            dk[i : i + BLOCK], dv[i : i + BLOCK] = torch.autograd.grad(sums, (keys, values), dstate)
        return dq, dk, dv, None


def recomputing_kernel_attention(q: Tensor, k: Tensor, v: Tensor, degree: int = 2) -> Tensor:
    """`kernel_attention` with its features made again in the backward pass: it keeps N·D + L·D + L·M + C·M."""
    output: Tensor = _Recomputing.apply(q, k, v, degree)  # type: ignore[no-untyped-call]
    return output
