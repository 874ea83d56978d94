"""What the engine on similarity functions may be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engines.fields import BadData, Fault, field
from engines.parameters import Parameters

Similarity = Literal["exp", "quadratic", "linear", "elu", "relu", "two values", "fourier"]
ALL: tuple[Similarity, ...] = ("exp", "quadratic", "linear", "elu", "relu", "two values", "fourier")


@dataclass(frozen=True)
class Denominator(
    Parameters,
    engine="kernel_attention.denominator",
    summary="For which similarity functions the sum under attention can vanish: a search for queries and keys",
    dtype="float64",
    dtypes=("float64",),
):
    """Several similarity functions in place of exp(q·k/√D), each searched for a sum over the keys that is zero."""

    similarities: tuple[Similarity, ...] = field(ALL, min_length=1, help="similarity functions to compare")
    width: int = field(3, low=1, high=4, help="width D of queries and keys")
    keys: int = field(3, low=1, high=16, help="number of keys N")
    radius: float = field(2.0, low=0.5, high=3.0, help="entries of queries and keys lie in [-radius, radius]")
    tries: int = field(2000, low=50, high=20_000, help="random queries with their keys to begin with")
    steps: int = field(200, low=10, high=2000, help="steps of the search from the best of them")

    def __post_init__(self) -> None:
        if len(set(self.similarities)) != len(self.similarities):
            raise BadData([Fault(("similarities",), "each at most once")])
