"""What the engines on deep networks may be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engines.fields import field
from engines.parameters import SMALL, Parameters

Norm = Literal["none", "batch", "layer"]
Init = Literal["default", "he"]

DEPTHS_HELP = "hidden layers of the networks"


@dataclass(frozen=True)
class Degradation(
    Parameters,
    engine="depth.degradation",
    summary="A deeper plain network trains worse than a shallow one, and skip connections mend it",
):
    """Plain and residual networks of several depths on handwritten digits, over several seeds."""

    depths: tuple[int, ...] = field((20, 56), low=1, high=112, min_length=1, max_length=4, help=DEPTHS_HELP)
    norm: Norm = field("none", help="normalisation in every layer")
    init: Init = field("he", help="scale of the first weights")
    width: int = field(32, low=2, high=256, help="units a layer")
    seeds: int = field(5, low=1, high=32, help="networks of each kind, trained side by side")
    steps: int = field(200, low=2, high=5000, help="steps of SGD")
    batch_size: int = field(64, low=2, high=1024, help="images a step")
    learning_rate: float = field(0.02, low=1e-5, high=1.0, help="step size of plain SGD")

    def peak_bytes(self, itemsize: int) -> int:
        """Weights four times (value, gradient, momentum, a copy), and what the backward pass keeps of every layer."""
        depth, kept = max(self.depths), 4 if self.norm == "none" else 10
        weights = 4 * self.seeds * (depth * self.width**2 + 74 * self.width)
        examples = max(self.batch_size, 1797 // 8)
        activations = kept * self.seeds * depth * self.batch_size * self.width + 8 * self.seeds * examples * self.width
        return SMALL + itemsize * (weights + activations)


@dataclass(frozen=True)
class Gradients(
    Parameters,
    engine="depth.gradients",
    summary="The gradient's size by layer before training, for initialisations, normalisations and skips",
    dtype="float64",
):
    """Gradient norms of every layer's weights at initialisation, geometric mean over seeds."""

    depth: int = field(20, low=2, high=112, help="hidden layers")
    width: int = field(32, low=2, high=256, help="units a layer")
    seeds: int = field(5, low=1, high=32, help="networks of each kind")
    batch_size: int = field(64, low=2, high=1024, help="images")

    def peak_bytes(self, itemsize: int) -> int:
        """As for training, with the largest number of tensors kept a layer."""
        weights = 4 * self.seeds * (self.depth * self.width**2 + 74 * self.width)
        return SMALL + itemsize * (weights + 10 * self.seeds * self.depth * self.batch_size * self.width)
