"""What the engines on causal linear attention may be asked."""

from __future__ import annotations

from dataclasses import dataclass

from engines.fields import BadData, Fault, field
from engines.parameters import SMALL, Parameters


@dataclass(frozen=True)
class Causal(
    Parameters,
    engine="linear_attention.causal",
    summary="Causal linear attention as a triangle, a recurrence, a cumulative sum and in chunks: one function",
):
    """All forms on the same inputs: how far apart, how many operations, and what they hold in memory."""

    width: int = field(16, low=1, high=128, help="width D of queries and keys; as many features C")
    value_width: int = field(16, low=1, high=128, help="width M of values")
    chunk: int = field(64, low=1, high=1024, help="positions in a chunk")
    longest: int = field(1024, low=64, high=8192, help="longest sequence measured")
    timed: bool = field(False, help="also take the time here; two runs then differ by it")

    def __post_init__(self) -> None:
        numbers = self.longest * self.width * self.value_width
        if numbers > 1 << 28:
            raise BadData([Fault(("longest",), f"the cumulative sum would hold {numbers} numbers: shorten or narrow")])

    def peak_bytes(self, itemsize: int) -> int:
        """The cumulative sum with its products beside it, or the triangle with its mask."""
        n, d, m = self.longest, self.width, self.value_width
        sums, triangle, linear = 3 * n * d * m, 3 * n * n, 16 * n * (d + m)
        return SMALL + itemsize * (max(sums, triangle) + linear)


@dataclass(frozen=True)
class Streaming(
    Parameters,
    engine="linear_attention.streaming",
    summary="Decoding one position at a time: a state that stays as it is, beside a cache that grows",
):
    """The same sequence attended to position by position, by linear attention and by softmax attention."""

    width: int = field(32, low=1, high=256, help="width D of queries and keys; as many features C")
    value_width: int = field(32, low=1, high=256, help="width M of values")
    positions: int = field(512, low=16, high=16_384, help="positions to decode")
    timed: bool = field(False, help="also take the time of a step here; two runs then differ by it")

    def peak_bytes(self, itemsize: int) -> int:
        """Inputs, both outputs and features, and the states and cache of the two decoders."""
        n, d, m = self.positions, self.width, self.value_width
        return SMALL + itemsize * (12 * n * (d + m) + 8 * d * m)
