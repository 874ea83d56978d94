"""What the engine on attention with a polynomial kernel may be asked."""

from __future__ import annotations

import math
from dataclasses import dataclass

from engines.fields import BadData, Fault, field
from engines.parameters import SMALL, Parameters

Vector = tuple[float, ...]
# Numbers that two blocks of features and what is made of them may have.
BLOCKS = 4 << 20


@dataclass(frozen=True)
class Quadratic(
    Parameters,
    engine="kernel_attention.quadratic",
    summary="The kernel (q·k + c)^p and its feature map: exact, how large, and from which length on it pays",
):
    """A pair of short vectors to multiply out by hand, and attention over random ones at growing length."""

    query: Vector = field((1.0, 2.0), min_length=1, max_length=4, low=-100, high=100, help="a query to do by hand")
    key: Vector = field((3.0, -1.0), min_length=1, max_length=4, low=-100, high=100, help="a key to do by hand")
    degree: int = field(2, low=1, high=3, help="degree p of the kernel")
    constant: float = field(1.0, low=0.0, high=9.0, help="constant c of the kernel")
    width: int = field(16, low=1, high=64, help="key and value width D = M of the measured runs")
    longest: int = field(2048, low=128, high=16384, help="longest sequence measured")
    timed: bool = field(False, help="also take the time here; two runs then differ by it")

    def __post_init__(self) -> None:
        faults = []
        if len(self.query) != len(self.key):
            faults.append(Fault(("key",), f"has {len(self.key)} numbers, the query has {len(self.query)}"))
        if self.features > 8192:
            faults.append(
                Fault(("width",), f"{self.features} features: take a width of at most 35 with degree {self.degree}")
            )
        if faults:
            raise BadData(faults)

    @property
    def features(self) -> int:
        """C, the number of features at the width of the measured runs."""
        return math.comb(self.width + self.degree, self.degree)

    def peak_bytes(self, itemsize: int) -> int:
        """The naive form's two matrices of weights, the features kept, and the blocks of the form that keeps none."""
        n, c = self.longest, self.features
        kept = 3 * n * c  # of queries, of keys, and one product on the way
        return SMALL + itemsize * (3 * n * n + kept + BLOCKS + 2 * c * (self.width + 1) + 8 * n * (self.width + 1))
