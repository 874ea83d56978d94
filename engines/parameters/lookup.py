"""What the engine on training with hard attention may be asked."""

from __future__ import annotations

from dataclasses import dataclass

from engines.fields import BadData, Fault, field
from engines.parameters import SMALL, Parameters

# Lists that the trained models are tried on.
TESTED = 1024


@dataclass(frozen=True)
class Lookup(
    Parameters,
    engine="attention.lookup",
    summary="A lookup task learned with softmax, argmax and straight-through attention: which weights move?",
):
    """A list of (key, value) pairs and a key: answer its value. One attention layer, three kinds of weights."""

    items: int = field(6, low=2, high=32, help="pairs in the list")
    symbols: int = field(12, low=2, high=64, help="different keys, at least as many as pairs")
    answers: int = field(8, low=2, high=64, help="different values")
    width: int = field(16, low=2, high=128, help="width of embeddings, queries and keys")
    steps: int = field(150, low=5, high=5000, help="training steps")
    batch_size: int = field(128, low=8, high=1024, help="lists a batch")
    learning_rate: float = field(5e-3, low=1e-5, high=1.0, help="step size of Adam")

    def __post_init__(self) -> None:
        if self.items > self.symbols:
            raise BadData([Fault(("items",), f"{self.items} pairs need as many keys, there are {self.symbols}")])

    def peak_bytes(self, itemsize: int) -> int:
        """Embedded keys and values, their projections and gradients, of one batch; the models are small."""
        return SMALL + 24 * itemsize * max(self.batch_size, TESTED) * self.items * max(self.width, self.answers)
