"""What the engine on softmax attention over small matrices may be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engines.fields import BadData, Fault, field
from engines.parameters import Parameters

Vector = tuple[float, ...]
Matrix = tuple[Vector, ...]
Mask = Literal["none", "causal", "padding", "causal-padding"]


def ragged(name: str, matrix: Matrix, width: int, why: str) -> list[Fault]:
    """A fault for each row of a matrix that is not as wide as it must be."""
    return [
        Fault((name, i), f"has {len(row)} numbers, {why} {width}") for i, row in enumerate(matrix) if len(row) != width
    ]


@dataclass(frozen=True)
class Weights(
    Parameters,
    engine="attention.weights",
    summary="Scaled dot-product attention on small matrices: weights, masks, entropies, gradients",
    dtype="float64",
):
    """L queries and n keys of d numbers, n values of m numbers, a scale and a mask."""

    queries: Matrix = field(
        ((1.0, 0.0, 2.0), (0.0, 2.0, 1.0), (2.0, 1.0, 0.0), (1.0, 1.0, 1.0)),
        min_length=1,
        max_length=32,
        low=-1e3,
        high=1e3,
        help="queries Q, one a row (L × d)",
    )
    keys: Matrix = field(
        ((1.0, 1.0, 0.0), (0.0, 2.0, 1.0), (2.0, 0.0, 1.0), (0.0, 1.0, 2.0)),
        min_length=1,
        max_length=32,
        low=-1e3,
        high=1e3,
        help="keys K, one a row (n × d)",
    )
    values: Matrix = field(
        ((1.0, 0.0), (0.0, 1.0), (2.0, -1.0), (-1.0, 3.0)),
        min_length=1,
        max_length=32,
        low=-1e3,
        high=1e3,
        help="values V, one a row (n × m)",
    )
    beta: float | None = field(None, low=0.0, high=1e3, help="factor β on the scores; 1/√d if left out")
    mask: Mask = field("none", help="which pairs are hidden")
    padded: int = field(1, low=0, high=32, help="keys at the end that are padding, where padding is masked")
    moved_key: int = field(0, low=0, high=31, help="the key that is moved, counted from 0")
    move: Vector = field((0.5, 0.0, 0.0), min_length=1, max_length=32, low=-1e3, high=1e3, help="by what it is moved")

    def __post_init__(self) -> None:
        d, n = len(self.queries[0]), len(self.keys)
        faults = ragged("queries", self.queries, d, "the first query has")
        faults += ragged("keys", self.keys, d, "a query has")
        faults += ragged("values", self.values, len(self.values[0]), "the first value has")
        faults += [Fault((name, 0), "is empty") for name in ("queries", "values") if not getattr(self, name)[0]]
        if len(self.values) != n:
            faults.append(Fault(("values",), f"{len(self.values)} values for {n} keys: write one for each"))
        if len(self.move) != d:
            faults.append(Fault(("move",), f"has {len(self.move)} numbers, a key has {d}"))
        if self.moved_key >= n:
            faults.append(Fault(("moved_key",), f"{self.moved_key} is no key: they are 0 to {n - 1}"))
        if self.padded > n:
            faults.append(Fault(("padded",), f"{self.padded} of {n} keys cannot be padding"))
        if "causal" in self.mask and len(self.queries) != n:
            faults.append(Fault(("mask",), f"a causal mask needs as many queries as keys, not {len(self.queries)}"))
        if faults:
            raise BadData(faults)
