"""What the engines on softargmax attention may be asked. Matrices are lists of their columns: of keys, of values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from engines.fields import BadData, Fault, field
from engines.parameters import Parameters
from engines.parameters.attention_weights import Matrix, Vector, ragged

KEYS: Matrix = ((1.0, 0.0, 1.0, 0.0), (0.0, 1.0, -1.0, 1.0), (-1.0, 1.0, 0.0, 0.0), (1.0, 1.0, 0.0, -1.0))
VALUES: Matrix = ((2.0, 0.0), (0.0, 3.0), (-1.0, 1.0), (4.0, -2.0))
QUERY: Vector = (1.0, 0.5, 2.0, -0.5)


class Memory(Protocol):
    """What a query is asked of: m keys, m values, and a scale."""

    @property
    def keys(self) -> Matrix:
        """Columns of K."""

    @property
    def values(self) -> Matrix:
        """Columns of V."""

    @property
    def query(self) -> Vector:
        """The query q."""

    @property
    def beta(self) -> float | None:
        """The scale β, or nothing for 1/√d."""


def scale_of(memory: Memory) -> float:
    """β, or 1/√d where it is left out."""
    return 1 / math.sqrt(len(memory.query)) if memory.beta is None else memory.beta


def memory_faults(memory: Memory, key: int) -> list[Fault]:
    """What does not fit together in a memory, or in the number of a key of it."""
    faults = ragged("keys", memory.keys, len(memory.query), "the query has")
    width = len(memory.values[0])
    faults += ragged("values", memory.values, width, "the first value has")
    if not width:
        faults.append(Fault(("values", 0), "is empty"))
    if len(memory.values) != len(memory.keys):
        faults.append(
            Fault(("values",), f"{len(memory.values)} values for {len(memory.keys)} keys: write one for each")
        )
    if key >= len(memory.keys):
        faults.append(Fault(("key",), f"{key} is no key: they are 0 to {len(memory.keys) - 1}"))
    return faults


@dataclass(frozen=True)
class Sweep(
    Parameters,
    engine="softargmax.sweep",
    summary="H = V softargmax_β(KᵀQ) from β = 0, the mean of the values, to β → ∞, one value whole",
    dtype="float64",
):
    """One query over m keys; the scale β runs from 0 to large."""

    keys: Matrix = field(
        KEYS, min_length=2, max_length=32, low=-1e3, high=1e3, help="columns of K: m keys of d numbers"
    )
    values: Matrix = field(VALUES, min_length=2, max_length=32, low=-1e3, high=1e3, help="columns of V: m values")
    query: Vector = field(QUERY, min_length=1, max_length=32, low=-1e3, high=1e3, help="the query q (d numbers)")
    beta: float | None = field(None, low=0.0, high=1e3, help="the scale β; 1/√d if left out")

    def __post_init__(self) -> None:
        faults = memory_faults(self, 0)
        if faults:
            raise BadData(faults)
