"""What the engine that decodes from a trained model may be asked."""

from __future__ import annotations

from dataclasses import dataclass

from engines.fields import BadData, Fault, field
from engines.parameters import Parameters

# Tokens of the longest sentence, and the one before the first.
POSITIONS = 12


@dataclass(frozen=True)
class Decoded(
    Parameters,
    engine="decoding.model",
    summary="A small transformer trained on the spot, decoded by every strategy side by side",
):
    """A decoder-only transformer learns a toy language of known probabilities; then it writes sentences."""

    steps: int = field(250, low=1, high=3000, help="training steps")
    batch_size: int = field(64, low=1, high=256, help="sentences a step")
    d_model: int = field(32, low=8, high=128, help="width of the model")
    n_heads: int = field(2, low=1, high=8, help="attention heads")
    n_layers: int = field(2, low=1, high=4, help="blocks")
    learning_rate: float = field(6e-3, low=1e-5, high=0.1, help="peak step size of AdamW, with a cosine to 0")
    beam_sizes: tuple[int, ...] = field((2, 4, 8), low=1, high=64, min_length=1, max_length=6, help="widths of beams")
    samples: int = field(100, low=2, high=1000, help="sentences drawn by each sampling strategy")
    temperature: float = field(0.5, low=0.05, high=10.0, help="of the colder sampling")
    k: int = field(5, low=1, high=20, help="tokens that top-k keeps")
    p: float = field(0.8, low=0.01, high=1.0, help="probability that top-p keeps at least")
    penalties: tuple[float, ...] = field(
        (0.0, 0.5, 1.0, 1.5, 2.0), low=-2.0, high=4.0, min_length=1, max_length=8, help="powers of the length penalty"
    )

    def __post_init__(self) -> None:
        if self.d_model % self.n_heads:
            raise BadData([Fault(("n_heads",), f"does not divide the width of {self.d_model}")])

    def peak_bytes(self, itemsize: int) -> int:
        """What a training step keeps for its backward pass, the weights with their moments, and the samples' cache."""
        kept = 45 * self.n_layers * self.batch_size * POSITIONS * self.d_model
        weights = 6 * self.n_layers * 12 * self.d_model**2
        cache = 2 * self.n_layers * self.samples * 2 * POSITIONS * self.d_model
        return super().peak_bytes(itemsize) + (kept + weights + cache) * itemsize
