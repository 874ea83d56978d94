"""What the engines on autoencoders of Gaussian data may be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engines.fields import BadData, Fault, field
from engines.parameters import Parameters

Activation = Literal["linear", "relu"]
Variant = Literal["vanilla", "denoising", "masked"]

# Labelled examples of the synthetic data: to fit probes on, and to test them.
PROBED = TESTED = 4000


def models_bytes(models: int, sizes: list[int], itemsize: int) -> int:
    """Weights, gradients, both moments of Adam, and what a step makes beside, of stacked autoencoders."""
    parameters = sum((a + 1) * b for a, b in zip(sizes, sizes[1:] + sizes[:1], strict=True))
    return 8 * models * parameters * itemsize


@dataclass(frozen=True)
class Sweep(
    Parameters,
    engine="autoencoders.sweep",
    summary="Reconstruction error and linear-probe accuracy against the size of the code, trained and untrained",
    parallel=True,
):
    """Autoencoders of several code sizes on Gaussian data in which a few strong directions decide the class."""

    bottlenecks: tuple[int, ...] = field(
        (5, 10, 20, 50, 100, 500), min_length=1, max_length=8, low=1, high=2000, help="code sizes k, rising"
    )
    variant: Variant = field("vanilla", help="what the encoder sees: x, x with noise, or x with entries set to 0")
    activation: Activation = field("linear", help="no activation at all, or ReLU between layers")
    hidden: int = field(0, low=0, high=1024, help="width of a hidden layer on either side of the code, 0 for none")
    dimensions: int = field(100, low=4, high=400, help="features of the data, m")
    strong: int = field(20, low=2, high=200, help="directions of large variance; their sum decides the class")
    variance: float = field(10.0, low=1.5, high=100.0, help="variance of the strong directions; the others have 1")
    samples: int = field(14_000, low=500, high=60_000, help="unlabelled examples trained on")
    few: int = field(200, low=20, high=1000, help="labels of the probe with few labels")
    epochs: int = field(3, low=1, high=100, help="passes over the unlabelled examples")
    batch_size: int = field(100, low=10, high=1000, help="examples a step")
    learning_rate: float = field(3e-3, low=1e-5, high=0.1, help="of Adam")
    seeds: int = field(3, low=1, high=10, help="initial weights tried for every k")
    noise_std: float = field(0.5, low=0.0, high=10.0, help="standard deviation of the noise (denoising)")
    mask_ratio: float = field(0.25, low=0.0, high=0.95, help="chance that an entry is set to 0 (masked)")

    def sizes(self, bottleneck: int) -> tuple[int, ...]:
        """Sizes of the encoder's layers, the code last."""
        return (self.dimensions, *((self.hidden,) if self.hidden else ()), bottleneck)

    def __post_init__(self) -> None:
        faults = []
        if self.strong >= self.dimensions:
            faults.append(Fault(("strong",), f"must be below the {self.dimensions} dimensions"))
        if list(self.bottlenecks) != sorted(set(self.bottlenecks)):
            faults.append(Fault(("bottlenecks",), "must rise"))
        if faults:
            raise BadData(faults)

    def peak_bytes(self, itemsize: int) -> int:
        """The data as they are drawn (float64) and kept; stacked models; codes of all labelled examples, thrice."""
        m, k = self.dimensions, max(self.bottlenecks)
        data = (self.samples + PROBED + TESTED) * m * (5 * 8 + 2 * itemsize)
        models = models_bytes(self.seeds, [m, self.hidden, k] if self.hidden else [m, k], itemsize)
        widest = max(k, m, self.hidden) + 1
        codes = self.seeds * (PROBED + TESTED) * widest * 3 * itemsize
        return super().peak_bytes(itemsize) + data + models + codes + 8 * self.seeds * TESTED * m * 2


@dataclass(frozen=True)
class Variants(
    Parameters,
    engine="autoencoders.variants",
    summary="Vanilla, denoising and masked linear autoencoders beside the optimum of each in closed form",
):
    """Three kinds of linear autoencoder on the same data and from the same weights."""

    bottlenecks: tuple[int, ...] = field(
        (5, 20, 100), min_length=1, max_length=6, low=1, high=1000, help="code sizes k, rising"
    )
    noise_std: float = field(0.5, low=0.0, high=10.0, help="standard deviation of the noise, s")
    mask_ratio: float = field(0.25, low=0.0, high=0.95, help="chance that an entry is set to 0, p")
    samples: int = field(14_000, low=500, high=60_000, help="unlabelled examples trained on")
    epochs: int = field(4, low=1, high=100, help="passes over them")
    batch_size: int = field(100, low=10, high=1000, help="examples a step")
    learning_rate: float = field(5e-3, low=1e-5, high=0.1, help="of Adam at the start; it falls to a tenth")
    seeds: int = field(2, low=1, high=10, help="initial weights tried")

    def __post_init__(self) -> None:
        if list(self.bottlenecks) != sorted(set(self.bottlenecks)):
            raise BadData([Fault(("bottlenecks",), "must rise")])

    def peak_bytes(self, itemsize: int) -> int:
        """As `Sweep` with three variants of each model and 100 dimensions."""
        m, k, models = 100, max(self.bottlenecks), 3 * self.seeds
        data = (self.samples + PROBED + TESTED) * m * (5 * 8 + 2 * itemsize)
        codes = models * (PROBED + TESTED) * (max(k, m) + 1) * 3 * itemsize
        return (
            super().peak_bytes(itemsize)
            + data
            + models_bytes(models, [m, k], itemsize)
            + codes
            + 8 * models * TESTED * m * 2
        )
