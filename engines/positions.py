"""Sinusoidal positions, and the matrix that moves them on by one.

Pair k of a position vector turns with the frequency ωₖ = base^(−2k/d), k = 0 … d/2 − 1. The two numbers of a
pair stand side by side, (sin ωₖt, cos ωₖt) or (cos ωₖt, sin ωₖt): the order decides the sign in the shift matrix.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor

from engines.arrays import Array
from engines.figures import Heatmap, Lines, line
from engines.parameters.positions import ShiftMatrix
from engines.randomness import Draws
from engines.registry import draws, experiment
from engines.result import Result, Step
from engines.run import Run

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
    vectors: Tensor = torch.stack(pair, -1).flatten(-2)[..., :d_model]
    return vectors


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
    matrix: Tensor = torch.block_diag(*blocks)
    return matrix


# -- the experiment


@experiment(ShiftMatrix)
def shift_by(params: ShiftMatrix, run: Run) -> Result:
    """M, how well it moves every position on, and what its usual wrong forms do."""
    d, n = params.d_model, params.shift
    t = torch.arange(params.positions, device=run.device)
    p = sinusoidal(t, d, params.base, params.order)
    moved = sinusoidal(t + n, d, params.base, params.order)
    matrix = shift_matrix(d, n, params.base, params.order).to(run.device)
    single = shift_matrix(d, 1, params.base, params.order).to(run.device)
    run.progress(0.5, "moving every position on")

    def error(m: Tensor) -> float:
        return (p @ m.T - moved).abs().max().item()

    gram = p @ p.T
    spread = max((gram.diagonal(k) - gram.diagonal(k)[0]).abs().max().item() for k in range(params.positions))
    values = {
        "M": matrix,
        "frequencies": frequencies(d, params.base),
        "error": error(matrix),
        "power_error": (torch.linalg.matrix_power(single, n) - matrix).abs().max().item(),
        "orthogonality_error": (matrix @ matrix.T - torch.eye(d, dtype=p.dtype, device=run.device)).abs().max().item(),
        "gram_spread": spread,
        "transposed": matrix.T,
        "transposed_error": error(matrix.T),
        "single_shift": single,
        "halved_exponent": shift_matrix(d, n, params.base**0.5, params.order),  # k/d in place of 2k/d
        "block": matrix[:2, :2],
    }
    return Result(
        values=values, trace=_worked(params, values), figures=(_circles(params, p), _gram(gram), _matrix(matrix))
    )


def _circles(params: ShiftMatrix, p: Tensor) -> Lines:
    pairs = range(0, min(params.d_model, 6), 2)
    return Lines(
        "circles",
        "Each pair runs round a circle, at its own speed",
        tuple(line(f"pair {k // 2}, {params.order}", p[:, k], p[:, k + 1], points=True) for k in pairs),
        x_label="first of the pair",
        y_label="second of the pair",
        caption="A step to the next position turns pair k by the angle ωₖ, wherever it is: that is a matrix.",
    )


def _gram(gram: Tensor) -> Heatmap:
    shown = gram[:32, :32]
    return Heatmap(
        "gram",
        "Inner products of positions",
        Array.of(shown),
        caption="Equal along every diagonal: the product of two positions depends on their distance alone.",
    )


def _matrix(matrix: Tensor) -> Heatmap:
    return Heatmap(
        "matrix",
        "The shift matrix M",
        Array.of(matrix[:16, :16]),
        caption="Blocks of 2 × 2 along the diagonal, zeros elsewhere.",
    )


def _worked(params: ShiftMatrix, values: dict[str, Any]) -> tuple[Step, ...]:
    sign, other = ("", "-") if params.order == "sin-cos" else ("-", "")
    first, second = params.order.split("-")
    w = params.shift * float(values["frequencies"][0])
    return (
        Step(
            "block",
            f"Write $a = n\\omega_k$ for the angle that pair $k$ turns in $n = {params.shift}$ steps. By the addition "
            "theorems $\\sin(\\omega t + a) = \\cos a \\sin \\omega t + \\sin a \\cos \\omega t$ and "
            "$\\cos(\\omega t + a) = \\cos a \\cos \\omega t - \\sin a \\sin \\omega t$. For pairs in the order "
            f"({first}, {second}) the block is therefore $\\cos a$ on its diagonal, ${sign}\\sin a$ at the upper right "
            f"and ${other}\\sin a$ at the lower left. The other order gives the transpose. For pair 0, $a = {w:g}$: "
            f"{_block(values['block'])}.",
        ),
        Step(
            "matrix",
            "The blocks stand along the diagonal; no block depends on $t$. Checked on "
            f"{params.positions} positions: the largest error is {values['error']:.1e}; the transpose is wrong by "
            f"{values['transposed_error']:.2f}. M is orthogonal, and the shift by n is the n-th power "
            "of the shift by 1.",
        ),
    )


def _block(block: Tensor) -> str:
    return "[" + ", ".join("[" + ", ".join(f"{x:.4f}" for x in row) + "]" for row in block.tolist()) + "]"


@draws(ShiftMatrix)
def draw_shift(draws: Draws) -> ShiftMatrix:
    """Another width, base, shift and order; the fastest pair turns by an angle whose sign matters."""
    for attempt in range(1000):
        rng = draws.again(attempt).stream("sizes")
        base = float(rng.choice((10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)))
        order: Order = rng.choice(("sin-cos", "cos-sin"))
        params = ShiftMatrix(2 * rng.randint(2, 5), base, rng.randint(1, 40), order)
        angle = params.shift  # of pair 0, the fastest
        if abs(math.sin(angle)) > 0.1:
            return params
    raise RuntimeError("no well-posed variant in 1000 draws")
