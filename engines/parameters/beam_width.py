"""What the engine on the width of beams may be asked."""

from __future__ import annotations

from dataclasses import dataclass

from engines.fields import BadData, Fault, field
from engines.parameters import Parameters

# Sequences of one model that are all looked at.
MOST_SEQUENCES = 20_000
# Sequences that are looked at together: so many models go through a search at once.
TOGETHER = 1 << 16


@dataclass(frozen=True)
class Width(
    Parameters,
    engine="decoding.width",
    summary="How often a beam of B finds the most likely sequence of a random model, and what is lost if not",
    dtype="float64",
):
    """Random models in which every prefix has its own next-token distribution, a softmax of normal logits."""

    models: int = field(200, low=1, high=2000, help="random models")
    vocabulary: int = field(6, low=2, high=32, help="tokens to choose from, M")
    length: int = field(5, low=2, high=12, help="tokens in a sequence, T")
    beam_sizes: tuple[int, ...] = field((1, 2, 4, 8, 16), low=1, high=64, min_length=1, max_length=8, help="widths B")
    sharpness: float = field(1.0, low=0.0, high=10.0, help="standard deviation of the logits")

    @property
    def sequences(self) -> int:
        """How many sequences a model has."""
        return int(self.vocabulary**self.length)

    @property
    def together(self) -> int:
        """How many models are searched at once."""
        return min(self.models, max(1, TOGETHER // self.sequences))

    def __post_init__(self) -> None:
        if self.sequences > MOST_SEQUENCES:
            most = f"more than the {MOST_SEQUENCES} that exhaustive search may look at"
            raise BadData([Fault(("length",), f"makes {self.vocabulary}^{self.length} sequences, {most}")])
        if len(set(self.beam_sizes)) < len(self.beam_sizes):
            raise BadData([Fault(("beam_sizes",), "has a width twice")])
