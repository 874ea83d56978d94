"""What the engines on softargmax attention may be asked. Matrices are lists of their columns: of keys, of values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from engines.fields import BadData, Fault, field
from engines.parameters import SMALL, Parameters
from engines.parameters.attention import Matrix, Vector, ragged

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


def _faults(memory: Memory, key: int) -> list[Fault]:
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
        faults = _faults(self, 0)
        if faults:
            raise BadData(faults)


@dataclass(frozen=True)
class Perturb(
    Parameters,
    engine="softargmax.perturb",
    summary="Small Gaussian noise on one key: how the output moves, a linear formula against Monte Carlo",
    dtype="float64",
):
    """One query over m keys; noise of standard deviation σ on each entry of one key."""

    keys: Matrix = field(
        KEYS, min_length=2, max_length=32, low=-1e3, high=1e3, help="columns of K: m keys of d numbers"
    )
    values: Matrix = field(VALUES, min_length=2, max_length=32, low=-1e3, high=1e3, help="columns of V: m values")
    query: Vector = field(QUERY, min_length=1, max_length=32, low=-1e3, high=1e3, help="the query q (d numbers)")
    beta: float | None = field(None, low=0.0, high=1e3, help="the scale β; 1/√d if left out")
    key: int = field(0, low=0, high=31, help="the key that is perturbed, counted from 0")
    sigma: float = field(0.01, low=1e-6, high=10.0, help="standard deviation σ of the noise")
    samples: int = field(50_000, low=100, high=1_000_000, help="draws of the noise")

    def __post_init__(self) -> None:
        faults = _faults(self, self.key)
        if faults:
            raise BadData(faults)

    def peak_bytes(self, itemsize: int) -> int:
        """Noise (drawn in float64), scores, weights, outputs and their differences, for every draw at once."""
        d, m, t = len(self.query), len(self.keys), len(self.values[0])
        return SMALL + self.samples * ((8 + itemsize) * d + itemsize * (4 * m + 5 * t + 8))


@dataclass(frozen=True)
class Elongate(
    Parameters,
    engine="softargmax.elongate",
    summary="One key multiplied by α: the exact change of all weights, and what decides its sign",
    dtype="float64",
):
    """One query over m keys; one key is replaced by α times itself."""

    keys: Matrix = field(
        KEYS, min_length=2, max_length=32, low=-1e3, high=1e3, help="columns of K: m keys of d numbers"
    )
    values: Matrix = field(VALUES, min_length=2, max_length=32, low=-1e3, high=1e3, help="columns of V: m values")
    query: Vector = field(QUERY, min_length=1, max_length=32, low=-1e3, high=1e3, help="the query q (d numbers)")
    beta: float | None = field(None, low=0.0, high=1e3, help="the scale β; 1/√d if left out")
    key: int = field(0, low=0, high=31, help="the key that is made longer, counted from 0")
    alpha: float = field(3.0, low=0.0, high=1e3, help="the factor α")

    def __post_init__(self) -> None:
        faults = _faults(self, self.key)
        if faults:
            raise BadData(faults)
