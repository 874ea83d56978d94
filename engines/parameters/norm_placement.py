"""What the engine on the place of normalisation may be asked."""

from __future__ import annotations

from dataclasses import dataclass

from engines.fields import field
from engines.parameters import Parameters


@dataclass(frozen=True)
class NormPlacement(
    Parameters,
    engine="transformer.norm_placement",
    summary="Pre-norm against post-norm: gradients at the start, and training with and without warm-up",
):
    """A deep GPT-like model of a toy language, normalised before or after each sublayer."""

    n_layers: int = field(10, low=1, high=24, help="layers")
    steps: int = field(100, low=2, high=2000, help="training steps")
    learning_rate: float = field(0.01, low=1e-5, high=0.1, help="step size of Adam")
    warm_up: int = field(50, low=1, high=1000, help="steps over which the third run's step size rises")
    batch_size: int = field(32, low=1, high=128, help="sentences a step")

    def peak_bytes(self, itemsize: int) -> int:
        """What every layer keeps of 10 tokens a sentence for the backward pass."""
        return (16 << 20) + self.n_layers * max(self.batch_size, 256) * 10 * (24 * 32 + 6 * 4 * 10) * itemsize
