"""What the engines on Performer attention may be asked."""

from __future__ import annotations

from dataclasses import dataclass

from engines.fields import BadData, Fault, field
from engines.parameters import Parameters
from engines.parameters.feature_grid import grid_bytes
from engines.parameters.random_features import increasing_faults


@dataclass(frozen=True)
class FeatureChoice(
    Parameters,
    engine="performer.features",
    summary="How many positive random features: error, rank and operations of approximate attention",
):
    """Attention of random vectors of two sizes through m positive features, for growing m."""

    features: tuple[int, ...] = field(
        (4, 16, 64, 256, 1024), min_length=2, max_length=10, low=2, high=4096, help="numbers of features m"
    )
    length: int = field(256, low=8, high=512, help="positions n")
    width: int = field(16, low=2, high=128, help="numbers d a query, a key and a value have")
    scales: tuple[float, ...] = field(
        (0.5, 1.0), min_length=1, max_length=4, low=0.05, high=2.0, help="standard deviations of the entries of q and k"
    )
    seeds: int = field(16, low=1, high=32, help="independent problems; the median is shown")

    def __post_init__(self) -> None:
        faults = increasing_faults("features", self.features)
        if len(set(self.scales)) != len(self.scales):
            faults.append(Fault(("scales",), "holds one scale twice"))
        if faults:
            raise BadData(faults)

    def peak_bytes(self, itemsize: int) -> int:
        """The grid, one scale at a time, or the singular values of one map in float64."""
        grid = grid_bytes(self.seeds, self.length, self.width, self.width, self.features[-1], itemsize)
        return grid + 8 * (4 * self.length**2 + 4 * self.length * self.features[-1])
