"""What the engines on attention as something else (identity, permutation, convolution) may be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engines.fields import BadData, Fault, field
from engines.parameters import Parameters


@dataclass(frozen=True)
class Permutation(
    Parameters,
    engine="self_attention.permutation",
    summary="A head that copies position π(i) to position i: identity or permutation, and what it takes",
    dtype="float64",
):
    """One head with one-hot positions as queries, and the same positions shuffled as keys."""

    target: tuple[int, ...] = field(
        (2, 0, 3, 1, 4), min_length=2, max_length=32, low=0, high=31, help="π: output i is token π(i), counted from 0"
    )
    channels: int = field(4, low=1, high=64, help="entries of a token")
    beta: float = field(50.0, low=0.0, high=1e3, help="the scale β on the scores")
    trials: int = field(2000, low=100, high=20_000, help="random heads looked at")
    trial_length: int = field(8, low=2, high=32, help="their length and width")

    def __post_init__(self) -> None:
        if sorted(self.target) != list(range(len(self.target))):
            raise BadData([Fault(("target",), f"must have each of 0 to {len(self.target) - 1} once")])


@dataclass(frozen=True)
class Convolution(
    Parameters,
    engine="self_attention.convolution",
    summary="Attention as a convolution: one hard head for each tap, beside the best single soft head",
    dtype="float64",
):
    """Heads that attend to a fixed offset through one-hot positions; W_O W_V of a head is a slice of the kernel."""

    kernel_size: Literal[1, 3, 5, 7] = field(3, help="taps of the kernel, and heads")
    dilation: int = field(1, low=1, high=4, help="distance of neighbouring taps")
    channels_in: int = field(4, low=1, high=32, help="entries of a token")
    channels_out: int = field(5, low=1, high=32, help="entries of an output")
    length: int = field(10, low=3, high=64, help="positions")
    beta: float = field(60.0, low=0.0, high=1e3, help="the scale β of the hard heads")

    @property
    def reach(self) -> int:
        """How far the outermost tap is from the middle one."""
        return (self.kernel_size - 1) // 2 * self.dilation

    def __post_init__(self) -> None:
        if self.length <= 2 * self.reach:
            fits = f"{self.length} positions have none whose {self.kernel_size} taps all fit: at least"
            raise BadData([Fault(("length",), f"{fits} {2 * self.reach + 1}")])
