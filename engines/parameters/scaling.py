"""What the engines on the scale of inner products may be asked."""

from __future__ import annotations

from dataclasses import dataclass

from engines.fields import field
from engines.parameters import SMALL, Parameters

Vector = tuple[float, ...]


@dataclass(frozen=True)
class DotProduct(
    Parameters,
    engine="scaling.dot_product",
    summary="Mean and variance of qᵀk for independent normal vectors: Monte Carlo beside the exact values",
    dtype="float64",
):
    """Queries and keys ~ N(μ, σ²I) in d dimensions, drawn independently of each other."""

    dimension: int = field(64, low=1, high=2048, help="number of entries d")
    mean: Vector = field(
        (0.0,), min_length=1, max_length=2048, low=-100.0, high=100.0, help="entries of μ, repeated as often as needed"
    )
    sigma: float = field(1.0, low=1e-3, high=100.0, help="standard deviation σ of every entry")
    samples: int = field(20_000, low=100, high=2_000_000, help="pairs drawn at each dimension")
    dimensions: tuple[int, ...] = field(
        (1, 4, 16, 64, 256), min_length=2, max_length=12, low=1, high=2048, help="dimensions of the curve"
    )

    def peak_bytes(self, itemsize: int) -> int:
        """The samples of qᵀk and qᵀq, being joined, and their powers, beside the chunk that is drawn."""
        return SMALL + 6 * self.samples * itemsize


@dataclass(frozen=True)
class Saturation(
    Parameters,
    engine="scaling.saturation",
    summary="What the softmax does to unscaled inner products: entropy and gradient at scales 1, 1/√d, 1/d",
    dtype="float64",
):
    """Standard normal queries over n standard normal keys; the scores are divided by 1, √d and d."""

    keys: int = field(16, low=2, high=256, help="keys n of each query")
    dimensions: tuple[int, ...] = field(
        (4, 16, 64, 256, 1024), min_length=1, max_length=12, low=1, high=4096, help="dimensions d"
    )
    queries: int = field(400, low=20, high=20_000, help="queries averaged over")
