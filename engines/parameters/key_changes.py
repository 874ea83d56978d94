"""What the engines on a key that changes may be asked. Matrices are lists of their columns: of keys, of values."""

from __future__ import annotations

from dataclasses import dataclass

from engines.fields import BadData, field
from engines.parameters import SMALL, Parameters
from engines.parameters.attention_weights import Matrix, Vector
from engines.parameters.softargmax import KEYS, QUERY, VALUES, memory_faults


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
        faults = memory_faults(self, self.key)
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
        faults = memory_faults(self, self.key)
        if faults:
            raise BadData(faults)
