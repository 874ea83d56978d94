"""Random features: maps φ whose inner products are, on average, the similarities of softmax attention.

All maps here take vectors whose inner product is the exponent: the similarity is exp(q·k). Softmax attention divides
by √D, so its queries and keys are multiplied by D^(−1/4) first (`scaled`). Shapes: vectors `(..., n, D)`, draws
`(..., R, D)`, whose rows are w ~ N(0, I), features `(..., n, R)` or `(..., n, 2R)`.

In the words of the homework the vectors are not scaled, the Gaussian kernel has σ² = √D, and the draws are
w ~ N(0, σ⁻²I): the same products w·x (EECS 182, homework 8 (fall 2022), question 3a, prints N(0, σ²I) by mistake).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

# -- draws


def scaled(x: Tensor) -> Tensor:
    """X · D^(−1/4): then the inner product of a scaled query and a scaled key is qᵀk/√D."""
    factor: float = x.shape[-1] ** -0.25
    return x * factor


def orthogonal_draws(draws: Tensor) -> Tensor:
    """Draws turned so that each D in succession are orthogonal; every row keeps its length.

    Q of a QR decomposition is uniform among the orthogonal matrices only once the signs of R's diagonal, which
    the library leaves to Householder, are made positive (Mezzadri 2007). The lengths of the columns depend on R
    alone and R is independent of Q, so each row is again N(0, I) by itself, and estimates keep their mean
    (Choromanski et al. 2021, section 2.4). The first row of each block is not changed at all.

    Args:
        draws: `(..., R, D)`; R need be no multiple of D.
    """
    rows, width = draws.shape[-2:]
    whole = rows - rows % width
    blocks = [draws[..., :whole, :].unflatten(-2, (-1, width)), draws[..., whole:, :].unsqueeze(-3)]
    turned = [_orthogonal_rows(block).flatten(-3, -2) for block in blocks if block.numel()]
    return torch.cat(turned, dim=-2)


def _orthogonal_rows(block: Tensor) -> Tensor:
    """At most D rows `(..., r, D)`, by Gram and Schmidt, at their lengths."""
    q, r = torch.linalg.qr(block.mT)
    lengths = torch.linalg.vector_norm(block, dim=-1)
    signs = torch.diagonal(r, dim1=-2, dim2=-1).sgn()
    rows: Tensor = q.mT * (signs * lengths).unsqueeze(-1)
    return rows


# -- maps


def fourier_features(x: Tensor, draws: Tensor) -> Tensor:
    """√(1/R) [sin(w₁·x), …, sin(w_R·x), cos(w₁·x), …, cos(w_R·x)], on average the Gaussian kernel.

    E φ(q)·φ(k) = exp(−‖q − k‖²/2) for w ~ N(0, I) (Rahimi and Recht 2007). Features `(..., n, 2R)`.
    """
    projected = x @ draws.mT
    return torch.cat([projected.sin(), projected.cos()], dim=-1) / math.sqrt(draws.shape[-2])


def softmax_fourier_features(x: Tensor, draws: Tensor) -> Tensor:
    """exp(‖x‖²/2) times the Fourier features: E φ(q)·φ(k) = exp(q·k). They can be negative."""
    return _half_square(x).exp() * fourier_features(x, draws)


def positive_features(x: Tensor, draws: Tensor) -> Tensor:
    """exp(−‖x‖²/2)/√R [exp(w₁·x), …, exp(w_R·x)]: E φ(q)·φ(k) = exp(q·k), and never negative.

    FAVOR+ (Choromanski et al. 2021, lemma 1); IFT6135, assignment 3 (winter 2022), question 3.4.
    """
    return (x @ draws.mT - _half_square(x)).exp() / math.sqrt(draws.shape[-2])


def hyperbolic_features(x: Tensor, draws: Tensor) -> Tensor:
    """Positive features of every w and of −w: `(..., n, 2R)`, less than half the variance for the same draws."""
    return torch.cat([positive_features(x, draws), positive_features(x, -draws)], dim=-1) / math.sqrt(2)


def tilted_features(x: Tensor, draws: Tensor, tilt: float) -> Tensor:
    """Positive features under another density of w: exp(A‖w‖² + √(1−4A) w·x − ‖x‖²/2) (1−4A)^(D/4)/√R.

    Their mean is exp(q·k) for any tilt A < 1/8, and A = 0 gives `positive_features`; `best_tilt` has the least
    variance (Likhosherstov et al. 2022, theorem 3.1).
    """
    stretch = 1 - 4 * tilt
    exponents = math.sqrt(stretch) * (x @ draws.mT) - _half_square(x)
    exponents = exponents + tilt * draws.square().sum(-1).unsqueeze(-2)
    factor: float = stretch ** (x.shape[-1] / 4) / math.sqrt(draws.shape[-2])
    return exponents.exp() * factor


def best_tilt(squared_norm: float, width: int) -> float:
    """The tilt A ≤ 0 that gives `tilted_features` the least variance at ‖q + k‖² = squared_norm."""
    if squared_norm == 0:
        return 0.0
    sum_ = 2 * squared_norm + width
    ratio = 2 * width / (math.sqrt(sum_**2 + 8 * squared_norm * width) + sum_)
    return (1 - 1 / ratio) / 8


def _half_square(x: Tensor) -> Tensor:
    return x.square().sum(-1, keepdim=True) / 2


Map = Callable[[Tensor, Tensor], Tensor]

# Maps with E φ(q)·φ(k) = exp(q·k), by the name of the kind.
MAPS: Mapping[str, Map] = {
    "fourier": softmax_fourier_features,
    "positive": positive_features,
    "hyperbolic": hyperbolic_features,
    "orthogonal": lambda x, draws: positive_features(x, orthogonal_draws(draws)),
}


def feature_attention(query_features: Tensor, key_features: Tensor, value: Tensor) -> Tensor:
    """Σⱼ φ(qᵢ)·φ(kⱼ) vⱼ / Σⱼ φ(qᵢ)·φ(kⱼ), the keys summed up before any query is looked at.

    A factor of a query's features, such as exp(‖q‖²/2), stands above and below and cancels; with features that
    can be negative the sum below can be 0 or negative too. Time N·C·M for C features, no N² anywhere.
    """
    state, total = key_features.mT @ value, key_features.sum(-2)
    return (query_features @ state) / (query_features @ total.unsqueeze(-1))


# -- what the theory says of the error


def fourier_variance(query: Tensor, key: Tensor) -> Tensor:
    """Variance of one draw's estimate of exp(q·k), over exp(q·k)²: (1 − K²)²/(2K²), K = exp(−‖q − k‖²/2)."""
    squared = _squared(query - key)
    return (-torch.expm1(-squared)).square() * squared.exp() / 2


def positive_variance(query: Tensor, key: Tensor) -> Tensor:
    """Variance of one draw's estimate of exp(q·k), over exp(q·k)²: exp(‖q + k‖²) − 1."""
    return torch.expm1(_squared(query + key))


def hyperbolic_variance(query: Tensor, key: Tensor) -> Tensor:
    """Variance of one draw's estimate of exp(q·k), over exp(q·k)²: (exp s − 1)(1 − exp(−s))/2, s = ‖q + k‖²."""
    squared = _squared(query + key)
    return torch.expm1(squared) * -torch.expm1(-squared) / 2


def orthogonal_covariance(query: Tensor, key: Tensor) -> Tensor:
    """Covariance of two orthogonal draws' positive estimates of exp(q·k), over exp(q·k)²; negative.

    Two independent draws have the sum w + w' ~ N(0, 2I). Two orthogonal ones have a sum of a uniform direction and
    a squared length r² + r'² ~ χ² with 2D degrees of freedom, hence E exp(z·(w + w')) = ₁F₁(D; D/2; ‖z‖²/2) with
    z = q + k, where independent draws give exp ‖z‖².
    """
    width = query.shape[-1]
    squared = _squared(query + key)
    # Σⱼ pⱼ(s) gⱼ with Poisson weights pⱼ = exp(−s) sʲ/j! and gⱼ = Π (D + i)/(D + 2i) − 1 ≤ 0 over i < j.
    terms = 60 + int(4 * float(squared.detach().max()))
    weight, factor = (-squared).exp(), 1.0
    total = torch.zeros_like(squared)
    for j in range(1, terms):
        weight = weight * squared / j
        factor *= (width + j - 1) / (width + 2 * (j - 1))
        total = total + weight * (factor - 1)
    return total


def orthogonal_variance(query: Tensor, key: Tensor, count: int) -> Tensor:
    """Variance of the mean of `count` orthogonal positive estimates, over exp(q·k)², times `count`.

    Draws of different blocks of D are independent: of the pairs, those within a block count.
    """
    width = query.shape[-1]
    blocks, rest = divmod(count, width)
    pairs = blocks * width * (width - 1) + rest * (rest - 1)
    return positive_variance(query, key) + orthogonal_covariance(query, key) * (pairs / count)


def tilted_variance(query: Tensor, key: Tensor, tilt: float) -> Tensor:
    """Variance of one draw's tilted estimate over exp(q·k)²: ((1−4A)²/(1−8A))^(D/2) exp(‖q+k‖²/(1−8A)) − 1."""
    narrow = 1 - 8 * tilt
    factor: float = ((1 - 4 * tilt) ** 2 / narrow) ** (query.shape[-1] / 2)
    return factor * (_squared(query + key) / narrow).exp() - 1


def _squared(x: Tensor) -> Tensor:
    return x.square().sum(-1)
