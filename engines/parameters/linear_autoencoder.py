"""What the engines on the linear autoencoder's gradients may be asked."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from engines.fields import BadData, Fault, field
from engines.parameters import Parameters

Objective = Literal["plain", "regularised", "weighted", "rows"]

DEVIATIONS = (3.0, 2.2, 1.5, 0.9, 0.6, 0.3)


def spectrum_faults(deviations: tuple[float, ...], bottleneck: int, samples: int) -> list[Fault]:
    """What is wrong with σ₁ > … > σ_m, k < m and n > m."""
    faults = []
    if any(a <= b for a, b in pairwise(deviations)):
        faults.append(Fault(("deviations",), "must fall from one to the next: equal ones have no principal directions"))
    if bottleneck >= len(deviations):
        faults.append(Fault(("bottleneck",), f"must be below the {len(deviations)} features"))
    if samples <= len(deviations):
        faults.append(Fault(("samples",), f"must be above the {len(deviations)} features"))
    return faults


@dataclass(frozen=True)
class Gradients(
    Parameters,
    engine="linear_autoencoder.gradients",
    summary="Gradients of the linear autoencoder's loss, as formulas and by autograd, for several objectives",
    dtype="float64",
):
    """X is m × n with examples as columns; with the objective `rows` it is n × m."""

    objective: Objective = field("plain", help="plain, plus λ|W|², errors weighted by feature, or examples as rows")
    features: int = field(5, low=2, high=64, help="m")
    bottleneck: int = field(2, low=1, high=63, help="k, below m")
    samples: int = field(7, low=2, high=512, help="n, different from m and k")
    l2: float = field(0.3, low=1e-6, high=100.0, help="λ of the regularised objective")

    def __post_init__(self) -> None:
        faults = []
        if self.bottleneck >= self.features:
            faults.append(Fault(("bottleneck",), f"must be below the {self.features} features"))
        if self.samples in (self.features, self.bottleneck):
            faults.append(Fault(("samples",), "must differ from the other sizes, or shapes would not tell mistakes"))
        if faults:
            raise BadData(faults)


@dataclass(frozen=True)
class Conditions(
    Parameters,
    engine="linear_autoencoder.conditions",
    summary="Where the gradient of a linear autoencoder vanishes, and which of these points are minima",
    dtype="float64",
):
    """Data with XXᵀ/n of given eigenvalues σᵢ², and the loss at sets of its eigenvectors."""

    deviations: tuple[float, ...] = field(
        DEVIATIONS, min_length=3, max_length=16, low=1e-3, high=1e3, help="σ₁ > … > σ_m, roots of the eigenvalues"
    )
    bottleneck: int = field(3, low=1, high=8, help="k, below m")
    samples: int = field(40, low=4, high=1024, help="n, above m")
    subset: tuple[int, ...] = field(
        (2, 3, 4), min_length=1, max_length=8, low=1, high=16, help="another set of k eigenvectors, numbered from 1"
    )

    def __post_init__(self) -> None:
        faults = spectrum_faults(self.deviations, self.bottleneck, self.samples)
        if len(set(self.subset)) != self.bottleneck or len(self.subset) != self.bottleneck:
            faults.append(Fault(("subset",), f"must name {self.bottleneck} different eigenvectors"))
        if max(self.subset, default=1) > len(self.deviations):
            faults.append(Fault(("subset",), f"there are only {len(self.deviations)} eigenvectors"))
        if set(self.subset) == set(range(1, self.bottleneck + 1)):
            faults.append(Fault(("subset",), "must differ from the first k, which are there anyway"))
        if faults:
            raise BadData(faults)
