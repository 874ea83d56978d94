"""What the engine on heads before training may be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engines.fields import BadData, Fault, field
from engines.parameters import SMALL, Parameters


@dataclass(frozen=True)
class Untrained(
    Parameters,
    engine="multihead.untrained",
    summary="Heads before any training, at the size of BERT: how far from uniform is their attention?",
):
    """Token and position embeddings through a layer norm, then heads with random projections."""

    d_model: int = field(768, low=16, high=1024, help="width of the layer")
    n_heads: int = field(12, low=1, high=64, help="heads")
    length: int = field(12, low=2, high=128, help="tokens n")
    init: Literal["bert", "linear"] = field("bert", help="N(0, 0.02²) as in BERT, or the default of nn.Linear")
    layers: int = field(8, low=1, high=64, help="random layers averaged over")

    def __post_init__(self) -> None:
        if self.d_model % self.n_heads:
            raise BadData([Fault(("n_heads",), f"{self.n_heads} does not divide the width {self.d_model}")])

    def peak_bytes(self, itemsize: int) -> int:
        """Two projections, drawn in float64, and the weights of all heads of all layers."""
        weights = self.layers * self.n_heads * self.length**2
        return SMALL + (16 + 2 * itemsize) * self.d_model**2 + 8 * itemsize * weights
