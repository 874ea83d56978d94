"""The linear autoencoder's loss, its derivatives as formulas, and its optima in closed form.

Letters are the sheet's: X `(m, n)` holds examples as columns, the encoder W1 is `(k, m)`, the decoder W2 `(m, k)`,
C = XXᵀ/n. Everything that takes C in place of X takes batches of weights too, `(…, k, m)` and `(…, m, k)`, and costs
the same whatever n is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from engines.parameters.linear_autoencoder import Objective
from engines.parameters.linear_regularised import Reduction

# -- from the data, as written


def loss(x: Tensor, w1: Tensor, w2: Tensor, l2: float = 0.0) -> Tensor:
    """|X - W2 W1 X|² / n + λ(|W1|² + |W2|²), Frobenius norms (EECS 182, homework 7 (spring 2023), questions 1b, 2)."""
    return (x - w2 @ w1 @ x).square().sum() / x.shape[1] + l2 * (w1.square().sum() + w2.square().sum())


def gradients(x: Tensor, w1: Tensor, w2: Tensor, l2: float = 0.0) -> tuple[Tensor, Tensor]:
    """∂W1 = -(2/n) W2ᵀ(I - W2W1)XXᵀ + 2λW1 and ∂W2 = -(2/n) (I - W2W1)XXᵀW1ᵀ + 2λW2."""
    error = x - w2 @ w1 @ x
    scale = -2 / x.shape[1]
    return scale * w2.T @ error @ x.T + 2 * l2 * w1, scale * error @ x.T @ w1.T + 2 * l2 * w2


def published_gradients(x: Tensor, w1: Tensor, w2: Tensor) -> tuple[Tensor, Tensor]:
    """The same as the sheet's solution prints them: without the sign and without 1/n, so -n times the gradient."""
    error = x - w2 @ w1 @ x
    return 2 * w2.T @ error @ x.T, 2 * error @ x.T @ w1.T


def weighted_loss(x: Tensor, w1: Tensor, w2: Tensor, weights: Tensor) -> Tensor:
    """Σᵢ dᵢ |row i of X - W2 W1 X|² / n with a weight dᵢ for each of the m features."""
    return (weights.unsqueeze(1) * (x - w2 @ w1 @ x).square()).sum() / x.shape[1]


def weighted_gradients(x: Tensor, w1: Tensor, w2: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """∂W1 = -(2/n) W2ᵀD(I - W2W1)XXᵀ and ∂W2 = -(2/n) D(I - W2W1)XXᵀW1ᵀ with D = diag(d)."""
    error = -2 / x.shape[1] * weights.unsqueeze(1) * (x - w2 @ w1 @ x)
    return w2.T @ error @ x.T, error @ x.T @ w1.T


def rows_loss(x: Tensor, w1: Tensor, w2: Tensor) -> Tensor:
    """|X - X W1 W2|² / n with examples as rows: X `(n, m)`, W1 `(m, k)`, W2 `(k, m)`."""
    return (x - x @ w1 @ w2).square().sum() / len(x)


def rows_gradients(x: Tensor, w1: Tensor, w2: Tensor) -> tuple[Tensor, Tensor]:
    """∂W1 = -(2/n) Xᵀ(X - XW1W2)W2ᵀ and ∂W2 = -(2/n) W1ᵀXᵀ(X - XW1W2)."""
    error = -2 / len(x) * (x - x @ w1 @ w2)
    return x.T @ error @ w2.T, w1.T @ x.T @ error


def objective(
    name: Objective, l2: float, weights: Tensor
) -> tuple[Callable[..., Tensor], Callable[..., tuple[Tensor, Tensor]]]:
    """A loss and its gradients by name, both functions of (X, W1, W2)."""
    if name == "rows":
        return rows_loss, rows_gradients
    if name == "weighted":
        return partial(weighted_loss, weights=weights), partial(weighted_gradients, weights=weights)
    strength = l2 if name == "regularised" else 0.0
    return partial(loss, l2=strength), partial(gradients, l2=strength)


# -- from the covariance, many at once


def covariance_loss(c: Tensor, w1: Tensor, w2: Tensor, l2: Tensor | float = 0.0) -> Tensor:
    """tr((I - W2W1) C (I - W2W1)ᵀ) + λ(|W1|² + |W2|²): the same loss, `(…,)`."""
    missed = torch.eye(len(c), dtype=c.dtype, device=c.device) - w2 @ w1
    penalty = w1.square().sum((-2, -1)) + w2.square().sum((-2, -1))
    return ((missed @ c) * missed).sum((-2, -1)) + l2 * penalty


def covariance_gradients(c: Tensor, w1: Tensor, w2: Tensor, l2: Tensor | float = 0.0) -> tuple[Tensor, Tensor]:
    """∂W1 = -2W2ᵀ(I - W2W1)C + 2λW1 and ∂W2 = -2(I - W2W1)CW1ᵀ + 2λW2; λ may be `(…, 1, 1)`."""
    missed = -2 * (c - w2 @ (w1 @ c))
    return w2.mT @ missed + 2 * l2 * w1, missed @ w1.mT + 2 * l2 * w2


def hessian(c: Tensor, w1: Tensor, w2: Tensor) -> Tensor:
    """Second derivatives of the plain loss in (W1, W2), each flattened by rows: `(2mk, 2mk)`.

    A column is the derivative of the gradient along one entry: with V = W2W1 and V' its derivative,
    ∂W1' = -2(W2'ᵀ(I - V) - W2ᵀV')C and ∂W2' = -2((I - V)CW1'ᵀ - V'CW1ᵀ).
    """
    k, m = w1.shape
    units = torch.eye(2 * m * k, dtype=c.dtype, device=c.device)
    d1, d2 = units[:, : m * k].view(-1, k, m), units[:, m * k :].view(-1, m, k)
    missed = torch.eye(m, dtype=c.dtype, device=c.device) - w2 @ w1
    moved = d2 @ w1 + w2 @ d1
    h1 = -2 * (d2.mT @ missed - w2.T @ moved) @ c
    h2 = -2 * (missed @ c @ d1.mT - moved @ c @ w1.T)
    return torch.cat([h1.flatten(1), h2.flatten(1)], 1)


# -- the regularised optimum


def regularised_singular_values(variances: Tensor, l2: Tensor | float) -> Tensor:
    """√max(0, 1 - λ/σᵢ²) for eigenvalues σᵢ² of C: of both W1 and W2 at every minimum (Kunin et al. 2019).

    In the direction i, with |w1||w2| = s² for weights of length s, the loss is σ²(1 - s²)² + 2λs²; its derivative
    vanishes at s² = 1 - λ/σ², or at s = 0 where that is negative.
    """
    return (1 - l2 / variances).clamp(min=0).sqrt()


def regularised_optimum(variances: Tensor, directions: Tensor, l2: float) -> tuple[Tensor, Tensor]:
    """One minimum: W2 = U diag(s), W1 = W2ᵀ; the others are W2 R, Rᵀ W1 with any rotation R.

    Args:
        variances: the k largest eigenvalues of C.
        directions: their eigenvectors U `(m, k)`.
        l2: λ > 0.
    """
    w2 = directions * regularised_singular_values(variances, l2)
    return w2.T, w2


def regularised_minimum(variances: Tensor, bottleneck: int, l2: float) -> float:
    """The least loss: 2λ - λ²/σᵢ² for a direction kept, σᵢ² for one switched off or beyond the first k."""
    kept = torch.where(variances > l2, 2 * l2 - l2**2 / variances, variances)
    return float(kept[:bottleneck].sum() + variances[bottleneck:].sum())


def orthonormality(w: Tensor) -> Tensor:
    """|WᵀW - I|₂, 0 for orthonormal columns; `(…, m, k)` → `(…,)`. At the optimum min(1, λ/σ_k²)."""
    off: Tensor = torch.linalg.matrix_norm(w.mT @ w - torch.eye(w.shape[-1], dtype=w.dtype, device=w.device), 2)
    return off


def weight_decay(l2: float, features: int, reduction: Reduction) -> float:
    """What makes `torch.optim.SGD` follow the regularised loss exactly: it adds weight_decay · W to the gradient.

    With `MSELoss(reduction="sum")` divided by n it is 2λ. The default mean also divides by the m features; with
    2λ/m the whole gradient is then 1/m of the right one, which is a smaller learning rate and nothing else.
    """
    return 2 * l2 if reduction == "sum" else 2 * l2 / features
