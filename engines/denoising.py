"""What a linear autoencoder learns from corrupted inputs, in closed form.

The encoder sees x̃ and is to answer with x, so the best linear map is a regression: W = E[xx̃ᵀ] E[x̃x̃ᵀ]⁻¹. With a
bottleneck of k its rank is at most k, and the best such map is U_k U_kᵀ W with the k largest eigenvectors of
E[xx̃ᵀ] E[x̃x̃ᵀ]⁻¹ E[x̃xᵀ] (reduced-rank regression, Izenman 1975). All take the covariance C of centred data.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engines.ensembles import Corruption
from engines.parameters.autoencoders import Variant


def moments(c: Tensor, variant: Variant, corruption: Corruption) -> tuple[Tensor, Tensor]:
    """E[xx̃ᵀ] and E[x̃x̃ᵀ] for x of covariance C.

    Vanilla: C and C. Denoising: C and C + s²I. Masked with p: (1 - p)C and (1 - p)²C + p(1 - p) diag(C), where two
    different entries survive together with (1 - p)², and one with itself with 1 - p.
    """
    if variant == "denoising":
        return c, c + corruption.noise_std**2 * torch.eye(len(c), dtype=c.dtype, device=c.device)
    if variant == "masked":
        kept = 1 - corruption.mask_ratio
        return kept * c, kept**2 * c + kept * corruption.mask_ratio * torch.diag(c.diagonal())
    return c, c


def linear_optimum(c: Tensor, variant: Variant, corruption: Corruption, bottleneck: int) -> Tensor:
    """The map x̃ ↦ x̂ of the best linear autoencoder, `(m, m)` of rank at most k."""
    cross, second = moments(c, variant, corruption)
    full: Tensor = torch.linalg.solve(second, cross.T).T
    if bottleneck >= len(c):
        return full
    explained = full @ cross.T
    directions: Tensor = torch.linalg.eigh((explained + explained.T) / 2).eigenvectors[:, -bottleneck:]
    return directions @ (directions.T @ full)


def clean_error(c: Tensor, w: Tensor) -> float:
    """Mean squared error per entry when the map is shown clean inputs: tr((I - W) C (I - W)ᵀ) / m."""
    missed = torch.eye(len(c), dtype=c.dtype, device=c.device) - w
    return float(((missed @ c) * missed).sum() / len(c))
