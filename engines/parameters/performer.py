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


@dataclass(frozen=True)
class Recall(
    Parameters,
    engine="performer.recall",
    summary="A two-layer transformer with softmax and with Performer attention on recall by place and by content",
):
    """Equal networks on equal batches; after one task that needs positions, one that needs contents."""

    features: tuple[int, ...] = field(
        (16, 64), min_length=1, max_length=4, low=2, high=256, help="numbers of features m of the Performers, even"
    )
    steps: int = field(360, low=2, high=5000, help="training steps of the recall task; the other has half")
    batch: int = field(32, low=1, high=256, help="sequences a step")
    learning_rate: float = field(3e-3, low=1e-5, high=0.1, help="step size of Adam")

    def __post_init__(self) -> None:
        faults = increasing_faults("features", self.features)
        faults += [
            Fault(("features", i), f"{count} is odd: features come in pairs ±w")
            for i, count in enumerate(self.features)
            if count % 2
        ]
        if faults:
            raise BadData(faults)

    def peak_bytes(self, itemsize: int) -> int:
        """What the layers of all models keep for the backward pass, or one layer on the sequences of the test."""
        models = 1 + len(self.features)
        kept = self.batch * (1500 * models + 16 * sum(self.features))
        tested = 200 * (320 * models + 8 * max(self.features))
        return itemsize * 18 * max(kept, tested) + (8 << 20)
