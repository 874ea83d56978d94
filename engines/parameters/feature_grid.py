"""What the engine on the error of attention through random features may be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engines.fields import BadData, field
from engines.parameters import Parameters
from engines.parameters.random_features import increasing_faults

Kind = Literal["fourier", "positive", "hyperbolic", "orthogonal"]


@dataclass(frozen=True)
class AttentionErrors(
    Parameters,
    engine="random_features.attention",
    summary="Error of attention through random features over widths, features and seeds, two norm conventions",
    parallel=True,
):
    """Softmax attention of random vectors beside its estimates from the same vectors."""

    widths: tuple[int, ...] = field((4, 8, 16, 32, 64), min_length=2, max_length=8, low=2, high=256, help="D")
    features: tuple[int, ...] = field(
        (16, 32, 64, 128, 256, 512, 1024), min_length=2, max_length=10, low=2, high=4096, help="draws D_random"
    )
    seeds: int = field(16, low=1, high=64, help="independent problems a cell; the median is shown")
    length: int = field(256, low=2, high=1024, help="positions N")
    value_width: int = field(8, low=1, high=64, help="numbers M a value has")
    entry_scale: float = field(1.0, low=0.05, high=2.0, help="standard deviation of the entries of q and k")
    norm: float = field(1.0, low=0.05, high=8.0, help="length of q and k in the other convention")
    kind: Kind = field("fourier", help="the kind of features in the figures over the widths")

    def __post_init__(self) -> None:
        faults = increasing_faults("features", self.features) + increasing_faults("widths", self.widths)
        if faults:
            raise BadData(faults)

    def peak_bytes(self, itemsize: int) -> int:
        """One width at a time: its inputs and draws, and a few copies of them; the sums; one tile of features."""
        return grid_bytes(self.seeds, self.length, self.widths[-1], self.value_width, self.features[-1], itemsize)


def grid_bytes(seeds: int, length: int, width: int, value_width: int, features: int, itemsize: int) -> int:
    """The most that `feature_grid.error_grid` and the drawing of its inputs take."""
    inputs = seeds * length * (9 * width + 45 * (value_width + 1))
    draws = seeds * features * width
    tile = 4 * max(1 << 17, 2 * length * seeds)
    drawn = 8 * seeds * width * max(length, features)  # in float64, before it is converted
    return itemsize * (inputs + 8 * draws + 4 * length**2 + tile) + drawn + (2 << 20)
