"""Principal components, and how far one subspace is from another.

Examples are rows, `x (n, m)`; directions are columns, `(m, k)`, orthonormal.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Principal:
    """What varies most: mean `(m,)`, variances `(m,)` largest first, directions `(m, m)` one a column."""

    mean: Tensor
    variances: Tensor
    directions: Tensor

    def subspace(self, k: int) -> Tensor:
        """The k directions of largest variance, `(m, k)`."""
        return self.directions[:, :k]

    def floor(self, k: int) -> float:
        """The least squared error, summed over the m entries, of any linear reconstruction from k numbers."""
        return float(self.variances[k:].sum())


def covariance(x: Tensor) -> Tensor:
    """(1/n) Σ (xᵢ - mean)(xᵢ - mean)ᵀ, `(m, m)`."""
    return _gram(x - x.mean(0)) / len(x)


def _gram(x: Tensor) -> Tensor:
    """xᵀ x. numpy sees that both factors are one matrix and computes half of the symmetric product; torch does not."""
    if x.device.type == "cpu" and not x.requires_grad:
        array = x.numpy()
        return torch.from_numpy(array.T @ array)
    return x.T @ x


def principal_components(x: Tensor) -> Principal:
    """By the eigenvectors of the covariance: n·m² + O(m³), fast where n ≫ m.

    Variances below 1e-16 of the largest (1e-8 in float32) are lost in rounding, where `by_svd` still has them.
    """
    variances, directions = torch.linalg.eigh(covariance(x))
    return Principal(x.mean(0), variances.flip(0).clamp(min=0), directions.flip(1))


def by_svd(x: Tensor) -> Principal:
    """The same by its definition, the singular vectors of the centred examples."""
    mean = x.mean(0)
    _, singular, directions = torch.linalg.svd(x - mean, full_matrices=False)
    return Principal(mean, singular**2 / len(x), directions.T)


def principal_angles(a: Tensor, b: Tensor) -> Tensor:
    """Angles between the spans of the columns of a and b, `(…, m, k)` each, largest first, in radians: `(…, k)`.

    From the sines, the singular values of (I - AAᵀ)B: those of AᵀB are cosines, and lose angles below 1e-8
    (Björck and Golub 1973). Angles above 45° come from the cosines for the same reason.
    """
    a, b = torch.linalg.qr(a).Q, torch.linalg.qr(b).Q
    inner = a.mT @ b
    sines = torch.linalg.svdvals(b - a @ inner).clamp(max=1)
    cosines = torch.linalg.svdvals(inner).flip(-1).clamp(max=1)
    return torch.where(sines < 0.7, sines.asin(), cosines.acos())


def subspace_angle(a: Tensor, b: Tensor) -> Tensor:
    """The largest of the principal angles, `(…,)`."""
    return principal_angles(a, b)[..., 0]
