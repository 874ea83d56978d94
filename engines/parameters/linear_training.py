"""What the engine on training a linear autoencoder may be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engines.fields import field
from engines.parameters import Parameters

Spectrum = Literal["strong", "geometric", "digits"]


@dataclass(frozen=True)
class Training(
    Parameters,
    engine="linear_autoencoder.training",
    summary="How the span of a linear autoencoder's decoder nears the principal subspace, by method",
    dtype="float64",
):
    """Six ways to train one linear autoencoder; the angle between its subspace and that of PCA after every step."""

    spectrum: Spectrum = field("strong", help="20 strong directions of 100, a falling spectrum, or digit images")
    bottleneck: int = field(20, low=1, high=63, help="k")
    ratio: float = field(1.1, low=1.01, high=4.0, help="of one eigenvalue to the next, with a falling spectrum")
    samples: int = field(2000, low=200, high=100_000, help="examples drawn")
    steps: int = field(400, low=1, high=5000, help="steps of every method")
    batch_size: int = field(100, low=1, high=1000, help="examples a step of the method that takes minibatches")

    def peak_bytes(self, itemsize: int) -> int:
        """Data as drawn, turned and centred: five tensors of n × 100 float64 numbers; the rest is small."""
        return super().peak_bytes(itemsize) + 5 * self.samples * 100 * 8
