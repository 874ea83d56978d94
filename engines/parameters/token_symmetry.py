"""What the engines on what attention can tell of its tokens may be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engines.fields import BadData, Fault, field
from engines.parameters import SMALL, Parameters


@dataclass(frozen=True)
class Equivariance(
    Parameters,
    engine="self_attention.equivariance",
    summary="Shuffled tokens give shuffled outputs, unless positions or a causal mask tell them apart",
    dtype="float64",
):
    """A random multi-head layer on random tokens, and the same tokens in another order."""

    length: int = field(6, low=2, high=64, help="tokens")
    d_model: int = field(8, low=2, high=128, help="width, even")
    n_heads: int = field(2, low=1, high=16, help="heads")
    shuffles: int = field(20, low=1, high=500, help="orders tried")

    def __post_init__(self) -> None:
        faults = []
        if self.d_model % self.n_heads:
            faults.append(Fault(("n_heads",), f"{self.n_heads} does not divide the width {self.d_model}"))
        if self.d_model % 2:
            faults.append(Fault(("d_model",), f"{self.d_model} is odd: positions are pairs of sine and cosine"))
        if faults:
            raise BadData(faults)


@dataclass(frozen=True)
class Identical(
    Parameters,
    engine="self_attention.identical",
    summary="Q = K, random: when is the attention close to the identity? d against ln² N, and the distribution",
):
    """N tokens of d entries that are queries and keys at once; values of the same distribution."""

    tokens: int = field(10, low=2, high=2048, help="tokens N")
    dimension: int = field(64, low=1, high=1024, help="entries d of a token")
    distribution: Literal["normal", "uniform", "signs"] = field(
        "normal", help="entries: N(0, 1), uniform in [0, 1), or ±1"
    )
    draws: int = field(20, low=1, high=1000, help="random sets of tokens averaged over")

    def peak_bytes(self, itemsize: int) -> int:
        """One matrix of weights, and tokens and values, drawn in float64."""
        widest = max(self.dimension, 256)
        return SMALL + itemsize * 2 * self.tokens**2 + (16 + 6 * itemsize) * self.tokens * widest
