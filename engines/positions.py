"""Sinusoidal positions, and the matrix that moves them on by one.

Pair k of a position vector turns with the frequency ωₖ = base^(−2k/d), k = 0 … d/2 − 1. The two numbers of a
pair stand side by side, (sin ωₖt, cos ωₖt) or (cos ωₖt, sin ωₖt): the order decides the sign in the shift matrix.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

Order = Literal["sin-cos", "cos-sin"]

# -- numerics


def frequencies(d_model: int, base: float = 10_000.0) -> Tensor:
    """ωₖ = base^(−2k/d), float64 `(⌈d/2⌉,)`."""
    return torch.pow(base, -torch.arange(0, d_model, 2, dtype=torch.float64) / d_model)


def sinusoidal(positions: Tensor, d_model: int, base: float = 10_000.0, order: Order = "sin-cos") -> Tensor:
    """Position vectors (Vaswani et al. 2017, section 3.5): positions `(n,)` → `(n, d_model)`, float64.

    Angles are taken in float64: at position 10⁴ a float32 angle is already wrong by 10⁻³. An odd `d_model` leaves
    out the last number.
    """
    angles = positions.double().unsqueeze(-1) * frequencies(d_model, base).to(positions.device)  # (n, d / 2)
    pair = (angles.sin(), angles.cos()) if order == "sin-cos" else (angles.cos(), angles.sin())
    return torch.stack(pair, -1).flatten(-2)[..., :d_model]


def shift_matrix(d_model: int, shift: float = 1.0, base: float = 10_000.0, order: Order = "sin-cos") -> Tensor:
    """M `(d, d)`, float64, with p(t + shift) = M p(t) for every t: one 2 × 2 rotation a pair.

    For the order (sin, cos) the block of pair k is [[cos ωₖ, sin ωₖ], [−sin ωₖ, cos ωₖ]] by the addition theorems,
    for (cos, sin) its transpose (EECS 182, homework 8 (fall 2022), question 1c). M is orthogonal, and the shift by n
    is Mⁿ.

    Raises:
        ValueError: if `d_model` is odd: a lone number cannot be turned.
    """
    if d_model % 2:
        raise ValueError(f"d_model = {d_model} is odd: positions turn in pairs")
    sign = 1 if order == "sin-cos" else -1
    blocks = []
    for angle in (shift * frequencies(d_model, base)).tolist():
        c, s = math.cos(angle), sign * math.sin(angle)
        blocks.append(torch.tensor([[c, s], [-s, c]], dtype=torch.float64))
    return torch.block_diag(*blocks)
