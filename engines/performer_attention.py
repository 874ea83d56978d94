"""Performer attention: softmax attention estimated through positive random features, in time linear in the length.

Shapes: query and key `(batch, heads, length, dim)`, value `(batch, heads, length, width)`, draws `(R, dim)`,
`(heads, R, dim)` or anything that broadcasts. Every draw w serves as w and as −w, so there are 2R features; that halves
the variance for the same number of features and projects only half as much (Choromanski et al. 2021, the hyperbolic
form). Draws should be orthogonal in blocks: `feature_maps.orthogonal_draws`.

The literal form is `feature_attention` of `tilted_features`; the forms here compute the same numbers without under- or
overflow: factors of a query cancel and are left out, those of a key go into its value, and no exponent is above 0.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Positions a step of the causal form: the work inside a chunk is as much as that with the state at R = 64.
CHUNK = 128
# What every similarity is raised by, over its row's and its key's largest feature. Where the norms are so large that
# all products of features underflow, a row sees its keys by their norms alone, and not 0/0.
TINY = math.exp(-80)


def data_tilt(query: Tensor, key: Tensor) -> Tensor:
    """The tilt A of least variance at the mean of ‖q + k‖² over all scaled pairs, `(..., 1, 1)`, without gradient.

    `feature_maps.best_tilt` for every head.
    """
    width = query.shape[-1]
    query, key = query.detach(), key.detach()
    cross = (query.mean(-2) * key.mean(-2)).sum(-1)
    squares = sum(torch.linalg.vector_norm(x, dim=(-2, -1)).square() / x.shape[-2] for x in (query, key))
    mean = (squares + 2 * cross) / math.sqrt(width)
    total = 2 * mean + width
    # ρ = 1/(1 − 8A) solves 2mρ² + (2m + D)ρ − D = 0; in this form it holds at m = 0 too.
    ratio = 2 * width / ((total.square() + 8 * width * mean).sqrt() + total)
    tilt: Tensor = (1 - 1 / ratio) / 8
    return tilt[..., None, None]


def performer_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    draws: Tensor,
    *,
    causal: bool = False,
    tilt: Tensor | float | None = None,
    chunk: int = CHUNK,
) -> Tensor:
    """An estimate of softmax(q kᵀ/√dim) v from R pairs of random features ±w; a drop-in for the exact one.

    Time length · R · (dim + width) · 2, memory linear in the length. The numerator and the denominator are unbiased,
    their quotient is not quite.

    Args:
        query: `(..., L, dim)`.
        key: `(..., N, dim)`.
        value: `(..., N, width)`.
        draws: `(..., R, dim)`, each row N(0, I).
        causal: whether position i sees only positions j ≤ i.
        tilt: the parameter A of `tilted_features`; None is the best for these queries and keys, or, in the causal
            form, 0: what comes later must not choose the features of what comes before.
        chunk: positions a step of the causal form; it changes the rounding and the speed only.

    Returns:
        `(..., L, width)`.

    Raises:
        ValueError: if the causal form is given more or fewer keys than queries.
    """
    if causal and query.shape[-2] != key.shape[-2]:
        raise ValueError(f"causal attention over {key.shape[-2]} keys for {query.shape[-2]} queries")
    width = query.shape[-1]
    if tilt is None:
        tilt = 0.0 if causal else data_tilt(query, key)
    tilt = torch.as_tensor(tilt, dtype=query.dtype, device=query.device)
    directions = draws.mT * ((1 - 4 * tilt).sqrt() * width**-0.25)  # (..., dim, R)
    # exp(A‖w‖²) belongs to the query's feature and to the key's: both are taken into the sums over the keys.
    feature_weights = (2 * tilt * draws.square().sum(-1).unsqueeze(-1)).exp()  # (..., R, 1)
    half_square = key.square().sum(-1, keepdim=True) / (2 * math.sqrt(width))
    extended = torch.cat([value, torch.ones_like(value[..., :1])], dim=-1)  # the last column sums the features alone
    if causal:
        sums = _causal_sums(query, key, half_square, extended, directions, feature_weights, chunk)
    else:
        sums = _sums(query, key, half_square, extended, directions, feature_weights)
    return sums[..., :-1] / sums[..., -1:]


def _paired_features(x: Tensor, directions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """exp(±w·x) as exp(scale) times numbers in [0, 1]: features of +w and of −w `(..., n, R)`, scale `(..., n, 1)`."""
    projected = x @ directions
    scale = projected.detach().abs().amax(-1, keepdim=True)
    return (projected - scale).exp_(), torch.sub(-scale, projected).exp_(), scale


def _sums(
    query: Tensor,
    key: Tensor,
    half_square: Tensor,
    extended: Tensor,
    directions: Tensor,
    feature_weights: Tensor,
) -> Tensor:
    """Numerators and, in the last column, denominators, up to a factor of each row."""
    key_plus, key_minus, scale = _paired_features(key, directions)
    exponent = scale - half_square
    values = extended * (exponent - exponent.detach().amax(-2, keepdim=True)).exp()
    plus, minus = (feature_weights * (features.mT @ values) for features in (key_plus, key_minus))
    query_plus, query_minus, _ = _paired_features(query, directions)
    return query_plus @ plus + query_minus @ minus + TINY * values.sum(-2, keepdim=True)


def _causal_sums(
    query: Tensor,
    key: Tensor,
    half_square: Tensor,
    extended: Tensor,
    directions: Tensor,
    feature_weights: Tensor,
    chunk: int,
) -> Tensor:
    """The same with the sums over the keys j ≤ i alone: inside a chunk by its scores, before it by a running state.

    All sums of row i are in units of exp(largest exponent of a key so far), so that a large key neither overflows nor
    wipes out what was before it.
    """
    states: tuple[Tensor, ...] | None = None  # sums of features times values for +w and for −w, and of values alone
    unit = half_square.new_full((), -math.inf)  # the logarithm of the unit of the states
    rows = []
    for start in range(0, query.shape[-2], chunk):
        here = slice(start, start + chunk)
        query_plus, query_minus, _ = _paired_features(query[..., here, :], directions)
        key_plus, key_minus, scale = _paired_features(key[..., here, :], directions)
        query_plus, query_minus = (features * feature_weights.mT for features in (query_plus, query_minus))
        exponent = scale - half_square[..., here, :]  # (..., c, 1)
        largest = torch.maximum(exponent.detach().cummax(-2).values, unit)
        # (..., c, c): what key j weighs in the units of row i; what is above the diagonal could overflow in exp
        decay = (exponent.mT - largest).tril().exp().tril()
        scores = (query_plus @ key_plus.mT + query_minus @ key_minus.mT + TINY) * decay
        sums = scores @ extended[..., here, :]
        if states is not None:
            earlier = query_plus @ states[0] + query_minus @ states[1] + TINY * states[2]
            sums = sums + earlier * (unit - largest).exp()
        rows.append(sums)
        new_unit = largest[..., -1:, :]
        values = extended[..., here, :] * (exponent - new_unit).exp()
        added = (key_plus.mT @ values, key_minus.mT @ values, values.sum(-2, keepdim=True))
        shrink = (unit - new_unit).exp()
        states = added if states is None else tuple(s * shrink + a for s, a in zip(states, added, strict=True))
        unit = new_unit
    return torch.cat(rows, dim=-2)
