"""What the engines on hard attention may be asked."""

from __future__ import annotations

from dataclasses import dataclass

from engines.fields import BadData, Fault, field
from engines.parameters import Parameters

Vector = tuple[float, ...]
Matrix = tuple[Vector, ...]


@dataclass(frozen=True)
class Argmax(
    Parameters,
    engine="attention.argmax",
    summary="One query over a few keys: hard (argmax) attention beside softmax, and what gets a gradient",
    dtype="float64",
):
    """A query of d numbers, n keys of d numbers, n values of m numbers."""

    keys: Matrix = field(
        ((1.0, 2.0, 0.0), (0.0, 3.0, 4.0), (5.0, 0.0, 0.0), (0.0, 0.0, 1.0)),
        min_length=2,
        max_length=64,
        low=-1e6,
        high=1e6,
        help="keys K, one a row (n × d)",
    )
    values: Matrix = field(
        ((2.0, 0.0, 1.0), (1.0, 4.0, 3.0), (0.0, -1.0, 4.0), (1.0, 0.0, -1.0)),
        min_length=2,
        max_length=64,
        low=-1e6,
        high=1e6,
        help="values V, one a row (n × m)",
    )
    query: Vector = field(
        (1.0, 1.0, 2.0), min_length=1, max_length=64, low=-1e6, high=1e6, help="the query q (d numbers)"
    )

    def __post_init__(self) -> None:
        faults = [
            Fault(("keys", i), f"has {len(key)} numbers, the query has {len(self.query)}")
            for i, key in enumerate(self.keys)
            if len(key) != len(self.query)
        ]
        width = len(self.values[0]) if self.values else 0
        faults += [
            Fault(("values", i), f"has {len(value)} numbers, the first value has {width}")
            for i, value in enumerate(self.values)
            if len(value) != width or not value
        ]
        if len(self.keys) != len(self.values):
            faults.append(
                Fault(("values",), f"{len(self.values)} values for {len(self.keys)} keys: write one for each")
            )
        if faults:
            raise BadData(faults)
