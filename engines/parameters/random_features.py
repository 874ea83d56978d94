"""What the engines on random features may be asked."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from engines.fields import BadData, Fault, field
from engines.parameters import Parameters

Vector = tuple[float, ...]


def _pair_faults(query: Vector, key: Vector) -> list[Fault]:
    if len(query) != len(key):
        return [Fault(("key",), f"has {len(key)} numbers, the query has {len(query)}")]
    return []


def increasing_faults(name: str, numbers: tuple[int, ...]) -> list[Fault]:
    """A fault unless each number is larger than the one before it."""
    if any(a >= b for a, b in pairwise(numbers)):
        return [Fault((name,), "must rise: each number larger than the one before it")]
    return []


@dataclass(frozen=True)
class KernelEstimate(
    Parameters,
    engine="random_features.kernel",
    summary="One softmax similarity estimated by random Fourier features, with the draws right and as printed",
    dtype="float64",
):
    """One query and one key of D numbers, estimated again and again from more and more features."""

    query: Vector = field((1.0, 0.5, -0.5, 1.0), min_length=2, max_length=64, low=-5.0, high=5.0, help="the query q")
    key: Vector = field((0.5, 1.0, 0.5, 0.5), min_length=2, max_length=64, low=-5.0, high=5.0, help="the key k")
    features: tuple[int, ...] = field(
        (16, 64, 256, 1024, 4096), min_length=2, max_length=12, low=1, high=16_384, help="numbers of draws D_random"
    )
    repeats: int = field(200, low=20, high=2000, help="independent estimates for the measured spread")

    def __post_init__(self) -> None:
        faults = _pair_faults(self.query, self.key) + increasing_faults("features", self.features)
        if self.query == self.key:
            faults.append(Fault(("key",), "equals the query: then every estimate is exact"))
        if faults:
            raise BadData(faults)


@dataclass(frozen=True)
class PositiveEstimate(
    Parameters,
    engine="random_features.positive",
    summary="exp(q·k) as a mean over positive random features: its variance, and what orthogonal draws change",
    dtype="float64",
):
    """One query and one key of d numbers whose inner product is the exponent itself."""

    query: Vector = field((0.5, -0.25, 0.25, 0.5), min_length=2, max_length=16, low=-2.0, high=2.0, help="the query q")
    key: Vector = field((0.25, 0.5, -0.25, 0.25), min_length=2, max_length=16, low=-2.0, high=2.0, help="the key k")
    samples: int = field(100_000, low=1000, high=1_000_000, help="draws x ~ N(0, I)")

    def __post_init__(self) -> None:
        faults = _pair_faults(self.query, self.key)
        if not faults:
            total = sum((a + b) ** 2 for a, b in zip(self.query, self.key, strict=True))
            if not 0 < total <= 6:
                faults.append(Fault(("key",), f"‖q + k‖² is {total:.3g}: it must be above 0 and at most 6"))
        if faults:
            raise BadData(faults)
