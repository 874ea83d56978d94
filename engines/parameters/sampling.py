"""What the engines on sampling may be asked."""

from __future__ import annotations

import math
from dataclasses import dataclass

from engines.fields import BadData, Fault, field
from engines.parameters import Parameters


@dataclass(frozen=True)
class Truncation(
    Parameters,
    engine="decoding.truncation",
    summary="One next-token distribution after a temperature, after top-k and after top-p",
    dtype="float64",
):
    """A row of next-token probabilities, each transform applied to the row itself."""

    probabilities: dict[str, float] = field(
        {"the": 0.40, "a": 0.25, "one": 0.15, "this": 0.10, "my": 0.06, "no": 0.04},
        min_length=2,
        max_length=40,
        low=0.0,
        high=1.0,
        help="token → probability",
    )
    temperature: float = field(0.5, low=0.05, high=20.0, help="T of p^(1/T)")
    k: int = field(2, low=1, high=40, help="tokens that top-k keeps")
    p: float = field(0.7, low=0.01, high=1.0, help="probability that top-p keeps at least")

    def __post_init__(self) -> None:
        total = math.fsum(self.probabilities.values())
        if abs(total - 1) > 1e-6:
            raise BadData([Fault(("probabilities",), f"add up to {total:g}, not to 1")])


@dataclass(frozen=True)
class Sampling(
    Parameters,
    engine="decoding.sampling",
    summary="How different and how likely sampled sequences are: temperature, top-k, top-p, argmax, beam",
    dtype="float64",
):
    """A random bigram model: the logits of the next token given the last one are normal."""

    vocabulary: int = field(30, low=2, high=500, help="tokens")
    length: int = field(8, low=1, high=64, help="tokens in a sequence")
    samples: int = field(20, low=2, high=200, help="sequences of one article, say")
    repeats: int = field(100, low=2, high=500, help="times that as many are drawn, for the mean and its spread")
    sharpness: float = field(2.5, low=0.0, high=20.0, help="standard deviation of the logits")
    temperatures: tuple[float, ...] = field(
        (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0),
        low=0.02,
        high=20.0,
        min_length=1,
        max_length=16,
        help="temperatures of the curve",
    )
    k: int = field(5, low=1, high=500, help="tokens that top-k keeps")
    p: float = field(0.9, low=0.01, high=1.0, help="probability that top-p keeps at least")

    @property
    def batch(self) -> int:
        """Repeats that are drawn together: their rows of log-probabilities and their tokens stay near a megabyte."""
        return min(self.repeats, max(1, 100_000 // (self.samples * (self.vocabulary + 2 * self.length))))
