"""What the engine on the regularised linear autoencoder may be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engines.fields import BadData, field
from engines.parameters import Parameters
from engines.parameters.linear_autoencoder import DEVIATIONS, spectrum_faults

Reduction = Literal["sum", "mean"]


@dataclass(frozen=True)
class Regularised(
    Parameters,
    engine="linear_autoencoder.regularised",
    summary="The l2-regularised linear autoencoder: its optimum in closed form and trained, against λ",
    dtype="float64",
):
    """Data with XXᵀ/n of given eigenvalues σᵢ²; the loss plus λ(|W₁|² + |W₂|²), minimised for λ and on a grid."""

    deviations: tuple[float, ...] = field(
        DEVIATIONS, min_length=3, max_length=16, low=1e-2, high=1e2, help="σ₁ > … > σ_m, roots of the eigenvalues"
    )
    bottleneck: int = field(3, low=1, high=8, help="k, below m")
    samples: int = field(40, low=4, high=1024, help="n, above m")
    l2: float = field(0.3, low=1e-3, high=1e4, help="λ")
    reduction: Reduction = field("sum", help="nn.MSELoss(reduction=…): the sum, divided by n, or the mean of all")

    def __post_init__(self) -> None:
        faults = spectrum_faults(self.deviations, self.bottleneck, self.samples)
        if faults:
            raise BadData(faults)
