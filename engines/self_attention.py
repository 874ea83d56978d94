"""Attention as something else: identity, permutation, 1×1 convolution, convolution; and what it knows of order.

The convention of the sheets, tokens as columns: `C (e, n)`, weights `A (n, n)` whose columns add up to 1, output
`H = W C A`. Sheets: NYU deep learning, homework 4 (2023), question 1.3; EECS 182, homework 8 (fall 2022), 1b.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.arrays import Array
from engines.figures import Heatmap, Lines, Table, line, table
from engines.parameters.self_attention import Convolution, Permutation
from engines.randomness import Draws
from engines.registry import draws, experiment
from engines.result import Result, Step
from engines.run import Run
from engines.softargmax import softargmax

# -- hard heads from positions


def permutation_keys(target: Tensor, dtype: torch.dtype) -> Tensor:
    """Keys whose inner products with one-hot queries are 1 at `target` and 0 elsewhere.

    With queries Q = I, the key of position j must be the one-hot vector of the query that wants it: column j of K
    is e_i for π(i) = j.

    Args:
        target: π, `(n,)`: query i wants key π(i).
        dtype: of the keys.

    Returns:
        K `(n, n)`; KᵀQ is the permutation matrix with a 1 at (π(i), i).
    """
    return F.one_hot(target, len(target)).to(dtype)


def offset_weights(n: int, offset: int, beta: float, like: Tensor) -> Tensor:
    """The head that looks `offset` positions ahead, around the end: softargmax_β of one-hot scores, `(n, n)`.

    As β → ∞ column i has a single 1, in row (i + offset) mod n.
    """
    positions = torch.eye(n, dtype=like.dtype, device=like.device)
    return softargmax(positions.roll(offset, 0), beta)


def heads_as_convolution(C: Tensor, kernel: Tensor, dilation: int, beta: float) -> Tensor:
    """Σ_j W_j C A_j, one head a tap: A_j attends to offset (j − middle) · dilation, W_j = W_O W_V is kernel slice j.

    As β → ∞ this is the convolution of the tokens as `torch.nn.Conv1d` has it (a cross-correlation), with circular
    padding; away from the ends padding does not matter.

    Args:
        C: tokens `(e, n)`.
        kernel: `(out, e, taps)` with an odd number of taps.
        dilation: distance of neighbouring taps.
        beta: the scale of every head.

    Returns:
        `(out, n)`.
    """
    n, middle = C.shape[1], kernel.shape[2] // 2
    heads = [offset_weights(n, (j - middle) * dilation, beta, C) for j in range(kernel.shape[2])]
    return torch.stack([kernel[:, :, j] @ C @ head for j, head in enumerate(heads)]).sum(0)


def is_permutation(weights: Tensor) -> Tensor:
    """Whether the hard attention of each matrix `(..., m, n)`, m = n, picks every key once. Returns `(...)`."""
    winners = weights.argmax(-2).sort(-1).values
    every = torch.arange(weights.shape[-1], device=weights.device)
    return (winners == every).all(-1)


# -- identity and permutation


@experiment(Permutation)
def permutation(params: Permutation, run: Run) -> Result:
    """A head built to permute, its error against β, and how seldom random heads permute anything."""
    target = torch.tensor(params.target, device=run.device)
    n = len(target)
    C = run.randn("tokens", params.channels, n)
    K = permutation_keys(target, C.dtype)
    Q = torch.eye(n, dtype=C.dtype, device=C.device)
    A = softargmax(K.T @ Q, params.beta)
    H = C @ A
    wanted = C[:, target]
    betas = torch.linspace(0, 40, 41).tolist()
    errors = []
    for i, beta in enumerate(betas):
        errors.append(float((C @ softargmax(K.T @ Q, beta) - wanted).abs().max()))
        run.progress(0.5 * (i + 1) / len(betas), f"β = {beta:.3g}")
    shares = _random_shares(params, run)
    winner = 1 / (1 + (n - 1) * math.exp(-params.beta))
    return Result(
        values={
            "tokens": C,
            "queries": Q,
            "keys": K,
            "weights": A,
            "output": H,
            "wanted": wanted,
            "error": (H - wanted).abs().max(),
            "winner_weight": A.max(0).values.min(),
            "winner_formula": winner,
            "is_permutation": bool(is_permutation(A)) if params.beta > 0 else False,
            "is_identity": params.target == tuple(range(n)),
            "share_random": shares["Q, K independent"],
            "share_identical": shares["Q = K"],
            "share_normalised": shares["Q = K, normalised"],
            "conditions": ["large beta", "one distinct winner per query"],
            # The usual slips: π and its inverse exchanged, β = 0.
            "inverse_output": C[:, target.argsort()],
            "beta_0_output": C.mean(1, keepdim=True).expand(-1, n),
        },
        trace=_permutation_steps(params, float((H - wanted).abs().max()), winner, shares),
        figures=(
            _square("weights", "Weights A: column i shows where output i looks", A),
            _beta_figure(betas, errors, n),
            _shares_table(params, shares),
        ),
    )


def _random_shares(params: Permutation, run: Run) -> dict[str, float]:
    """In which share of random heads the hard attention is a permutation."""
    n = params.trial_length
    found = {"Q, K independent": 0, "Q = K": 0, "Q = K, normalised": 0}
    done = 0
    while done < params.trials:
        count = min(500, params.trials - done)
        q, k = run.randn(f"q {done}", count, n, n), run.randn(f"k {done}", count, n, n)
        unit = q / q.norm(dim=-2, keepdim=True)
        for name, scores in zip(found, (k.mT @ q, q.mT @ q, unit.mT @ unit), strict=True):
            found[name] += int(is_permutation(scores).sum())
        done += count
        run.progress(0.5 + 0.5 * done / params.trials, f"{done} random heads")
    return {name: count / params.trials for name, count in found.items()}


def _square(name: str, title: str, A: Tensor) -> Heatmap:
    labels = tuple(str(i) for i in range(len(A)))
    return Heatmap(name, title, Array.of(A), labels, labels, caption="One winner a column; a key is read by one query.")


def _beta_figure(betas: list[float], errors: list[float], n: int) -> Lines:
    floor = 1e-17
    return Lines(
        "error",
        "Largest error of the copied tokens against β",
        (
            line("measured", betas, [max(error, floor) for error in errors], points=True),
            line("weight not on the winner", betas, [(n - 1) / (math.exp(b) + n - 1) for b in betas]),
        ),
        "β",
        "error",
        y_scale="log",
        caption="At β = 0 every output is the mean of all tokens; the error falls like exp(−β) down to rounding.",
    )


def _shares_table(params: Permutation, shares: dict[str, float]) -> Table:
    return table(
        "random",
        f"Hard attention (β → ∞) of random heads, {params.trial_length} tokens",
        ("queries and keys", "a permutation in"),
        [(name, f"{share:.4f} of {params.trials}") for name, share in shares.items()],
        align="lr",
        caption="A large β is not enough: without a distinct winner for every query some tokens are lost.",
    )


def _permutation_steps(params: Permutation, error: float, winner: float, shares: dict[str, float]) -> tuple[Step, ...]:
    return (
        Step(
            "keys",
            "Let the queries be one-hot positions, $q_i = e_i$. The key at position $\\pi(i)$ must be the one that "
            f"matches $q_i$, so it is $e_i$ too. Here $\\pi$ = {list(params.target)}; for the identity $k_i = e_i$.",
        ),
        Step(
            "weights",
            "The right key scores 1, all others 0: it gets the weight $1/(1 + (n-1) e^{-\\beta})$ = "
            f"{winner:.6g}. With $W_V = W_O = I$ the output is the permuted sequence, to {error:.1e}.",
        ),
        Step(
            "conditions",
            "A large $\\beta$ *and* a distinct winner for each query. Of random heads only "
            f"{shares['Q, K independent']:.4f} permute, of those with $Q = K$ {shares['Q = K']:.3f}, and with "
            f"normalised $Q = K$ {shares['Q = K, normalised']:.3f}: there each token is its own best match.",
        ),
    )


@draws(Permutation)
def draw_permutation(draws: Draws) -> Permutation:
    """A permutation of 4 to 7 positions that is neither the identity nor its own inverse."""
    rng = draws.stream("target")
    while True:
        target = list(range(rng.randint(4, 7)))
        rng.shuffle(target)
        if any(target[target[i]] != i for i in target):
            return Permutation(target=tuple(target), channels=rng.randint(2, 9), beta=10.0 * rng.randint(4, 9))


# -- convolution


@experiment(Convolution)
def convolution(params: Convolution, run: Run) -> Result:
    """Hard heads beside conv1d, and beside them the best that one soft head can do."""
    kernel = run.randn("kernel", params.channels_out, params.channels_in, params.kernel_size)
    C = run.randn("tokens", params.channels_in, params.length)
    H = heads_as_convolution(C, kernel, params.dilation, params.beta)
    inside = slice(params.reach, params.length - params.reach)
    valid = F.conv1d(C[None], kernel, dilation=params.dilation)[0]
    around = F.conv1d(F.pad(C[None], (params.reach,) * 2, "circular"), kernel, dilation=params.dilation)[0]
    betas, hard, soft = [], [], []
    grid = torch.logspace(-1, 2, 25).tolist()
    many = run.randn("more tokens", 200, params.channels_in, params.length)
    wanted = F.conv1d(many, kernel, dilation=params.dilation)
    for i, beta in enumerate([0.0, *grid]):
        betas.append(beta)
        hard.append(_relative(heads_as_convolution(C, kernel, params.dilation, beta)[:, inside], valid))
        soft.append(_single_head_error(many, wanted, beta, inside))
        run.progress((i + 1) / (len(grid) + 1), f"β = {beta:.3g}", _convolution_figure(params, betas, hard, soft))
    spread = (kernel[:, :, 0] @ C @ offset_weights(params.length, 0, 0.0, C)).std(1).max()
    inner, edge = float((H[:, inside] - valid).abs().max()), float((H - around).abs().max())
    return Result(
        values={
            "tokens": C,
            "kernel": kernel,
            "output": H,
            "convolution": valid,
            "error_interior": inner,
            "error_circular": edge,
            "heads": params.kernel_size,
            "offsets": [(j - params.kernel_size // 2) * params.dilation for j in range(params.kernel_size)],
            "name": "1x1 convolution" if params.kernel_size == 1 else "convolution",
            "single_head_error": min(soft),
            "single_head_beta": betas[soft.index(min(soft))],
            "beta_0_spread": spread,
            "parameters": kernel.numel(),
            # What comes out where the taps run the other way, as in the convolution of mathematics.
            "flipped": F.conv1d(C[None], kernel.flip(2), dilation=params.dilation)[0],
        },
        trace=_convolution_steps(params, inner, edge, min(soft), float(spread)),
        figures=(_convolution_figure(params, betas, hard, soft), _taps_figure(params, C)),
    )


def _relative(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())


def _single_head_error(C: Tensor, wanted: Tensor, beta: float, inside: slice) -> float:
    """Relative error of the best W in W C A, for one head whose score falls with the squared distance."""
    positions = torch.arange(C.shape[2], dtype=C.dtype, device=C.device)
    A = softargmax(-((positions[:, None] - positions) ** 2), beta)
    seen = (C @ A)[:, :, inside].mT.flatten(0, 1)
    goal = wanted.mT.flatten(0, 1)
    # By QR: the driver that pivots does not give the same bits twice.
    return _relative(seen @ torch.linalg.lstsq(seen, goal, driver="gels").solution, goal)


def _convolution_figure(params: Convolution, betas: list[float], hard: list[float], soft: list[float]) -> Lines:
    heads = f"{params.kernel_size} hard heads" if params.kernel_size > 1 else "the head, with its own kernel"
    floor = 1e-17
    caption = (
        "One head a tap gets to rounding error; one soft head, with the best weights, never comes near."
        if params.kernel_size > 1
        else "One tap needs one head: with hard attention to its own place both forms are the 1×1 convolution."
    )
    return Lines(
        "error",
        f"Relative error against conv1d with {params.kernel_size} taps",
        (
            line(heads, betas[1:], [max(x, floor) for x in hard[1:]]),
            line("best single head", betas[1:], [max(x, floor) for x in soft[1:]]),
        ),
        "β",
        "relative error",
        "log",
        "log",
        caption=caption,
    )


def _taps_figure(params: Convolution, C: Tensor) -> Heatmap:
    n, middle = params.length, params.kernel_size // 2
    heads = [offset_weights(n, (j - middle) * params.dilation, params.beta, C) for j in range(params.kernel_size)]
    places = torch.stack([(j + 1) * head for j, head in enumerate(heads)]).sum(0)
    labels = tuple(str(i) for i in range(n))
    return Heatmap(
        "heads",
        "Which head (1, 2, …) carries which token (row) to which output (column)",
        Array.of(places),
        labels,
        labels,
        caption="Each head is a shifted diagonal: a fixed offset from every position, around the end.",
    )


def _convolution_steps(params: Convolution, inner: float, edge: float, soft: float, spread: float) -> tuple[Step, ...]:
    return (
        Step(
            "linear",
            "Where $A = I$ (each position attends to itself), $H = W_O W_V C$: the same linear map at every "
            "position, a 1×1 convolution. That takes hard attention with distinct winners; with $\\beta = 0$ all "
            f"outputs are equal (they spread by {spread:.1e}).",
        ),
        Step(
            "taps",
            "A tap at offset $o$ is a head that attends to position $i + o$: one-hot positions as queries, the same "
            "positions shifted by $o$ as keys, a large $\\beta$. Its $W_O W_V$ is the kernel's slice for that tap, and "
            f"heads add up. {params.kernel_size} heads against conv1d: {inner:.1e} where all taps fit, {edge:.1e} "
            "everywhere with circular padding.",
        ),
        Step(
            "soft",
            "One head has one map $A$ and so one $W_O W_V$ for all offsets it mixes. With a soft neighbourhood and "
            f"the best weights it leaves {soft:.3g} of the norm.",
        ),
    )


@draws(Convolution)
def draw_convolution(draws: Draws) -> Convolution:
    """Other sizes; a few positions where all taps fit."""
    rng = draws.stream("sizes")
    size: Literal[3, 5] = rng.choice((3, 5))
    dilation = rng.randint(1, 2)
    return Convolution(
        kernel_size=size,
        dilation=dilation,
        channels_in=rng.randint(2, 8),
        channels_out=rng.randint(2, 8),
        length=(size - 1) * dilation + rng.randint(3, 16),
        beta=float(10 * rng.randint(5, 12)),
    )
