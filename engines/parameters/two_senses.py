"""What the engine on a word with two senses may be asked."""

from __future__ import annotations

from dataclasses import dataclass

from engines.fields import field
from engines.parameters import Parameters


@dataclass(frozen=True)
class TwoSenses(
    Parameters,
    engine="attention_maps.two_senses",
    summary="One word in two senses: how far its keys and vectors are apart in every layer",
):
    """A GPT-like model of sentences in which 'bank' is of a river or of money."""

    steps: int = field(300, low=1, high=5000, help="training steps")
    n_layers: int = field(3, low=2, high=6, help="layers")
    batch_size: int = field(64, low=1, high=256, help="sentences a step")

    def peak_bytes(self, itemsize: int) -> int:
        """What every layer keeps of 6 tokens a sentence for the backward pass."""
        return (16 << 20) + self.n_layers * self.batch_size * 6 * (24 * 32 + 6 * 4 * 6) * itemsize
