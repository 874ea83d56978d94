"""What the engines on attention before and during training may be asked."""

from __future__ import annotations

from dataclasses import dataclass

from engines.fields import field
from engines.parameters import Parameters


@dataclass(frozen=True)
class LogitGradients(
    Parameters,
    engine="attention_maps.gradients",
    summary="Gradients of attention logits by pair, before, during and after training",
):
    """The pair (place of the verb, subject) against the other earlier places, in a GPT-like model."""

    steps: int = field(300, low=20, high=5000, help="training steps")
    batch_size: int = field(64, low=1, high=256, help="sentences a step")

    def peak_bytes(self, itemsize: int) -> int:
        """What two layers of four heads keep of 400 tested sentences and of a batch, 10 tokens each."""
        return (24 << 20) + 2 * 4 * 350 * 10 * (400 + self.batch_size) * itemsize


@dataclass(frozen=True)
class Untrained(
    Parameters,
    engine="attention_maps.untrained",
    summary="Attention of heads of BERT's size before any training: nearly even, not even",
):
    """Random queries and keys of normalised embeddings."""

    tokens: int = field(12, low=2, high=128, help="tokens n")
    width: int = field(768, low=8, high=1024, help="d_model")
    n_heads: int = field(12, low=1, high=16, help="heads")
    spread: float = field(0.02, low=1e-4, high=0.5, help="standard deviation of the weights")

    def peak_bytes(self, itemsize: int) -> int:
        """Two square matrices, drawn in float64, beside vectors and maps."""
        return (8 << 20) + self.width**2 * (2 * itemsize + 2 * 8) + 6 * self.n_heads * self.tokens**2 * 8
