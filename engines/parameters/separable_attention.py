"""What the engine on separable attention may be asked."""

from __future__ import annotations

from dataclasses import dataclass

from engines.fields import BadData, Fault, field
from engines.parameters import SMALL, Parameters


@dataclass(frozen=True)
class Separable(
    Parameters,
    engine="kernel_attention.separable",
    summary="softmax(Q) softmax(K)ᵀ V: its rows, its rank, its cost in either order, and what it cannot express",
    dtype="float64",
    dtypes=("float64",),
):
    """Random queries and keys; the map of separable attention fitted to the identity; both orders counted."""

    length: int = field(24, low=3, high=128, help="length n of the maps that are looked at and fitted")
    width: int = field(4, low=1, high=32, help="width d of queries and keys, less than n")
    scale: float = field(1.0, low=0.1, high=10.0, help="standard deviation of queries and keys")
    steps: int = field(400, low=10, high=5000, help="steps of the fit to the identity")
    longest: int = field(2048, low=64, high=8192, help="longest sequence of the cost figure")
    timed: bool = field(False, help="also take the time here; two runs then differ by it")

    def __post_init__(self) -> None:
        if self.width >= self.length:
            raise BadData([Fault(("width",), f"{self.width} is not less than the length {self.length}")])

    def peak_bytes(self, itemsize: int) -> int:
        """Three maps of the longest sequence, and what is linear in it."""
        return SMALL + itemsize * (3 * self.longest**2 + 12 * self.longest * self.width)
