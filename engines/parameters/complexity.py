"""What the engines on cost may be asked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from engines.fields import BadData, Fault, field
from engines.parameters import SMALL, Parameters

LETTER = r"[A-Za-z]"
LETTER_HELP = "one letter"


@dataclass(frozen=True)
class AttentionCost(
    Parameters,
    engine="complexity.attention",
    summary="Operations and memory of softmax attention and of kernel attention, counted and fitted",
):
    """Softmax attention beside attention with the kernel (qᵀk + 1)^degree in its linear form."""

    degree: int = field(2, low=1, high=3, help="degree p of the polynomial kernel")
    keys: Literal["self", "cross"] = field("self", help="as many keys as queries, or a number of its own")
    length_letter: str = field("N", pattern=LETTER, pattern_help=LETTER_HELP, help="letter for the queries")
    keys_letter: str = field("L", pattern=LETTER, pattern_help=LETTER_HELP, help="letter for the keys (cross)")
    width_letter: str = field("D", pattern=LETTER, pattern_help=LETTER_HELP, help="letter for the key width")
    value_letter: str = field("M", pattern=LETTER, pattern_help=LETTER_HELP, help="letter for the value width")
    width: int = field(16, low=2, high=64, help="key and value width of the measured runs")
    longest: int = field(2048, low=256, high=8192, help="longest sequence measured")

    def peak_bytes(self, itemsize: int) -> int:
        """Softmax keeps its scores and weights, n² each; the kernel every factor and product of all features."""
        n, d = self.longest, self.width
        features = math.comb(d + self.degree, self.degree)
        # A block of features, its gradient and the level below; the sums with their weights.
        blocks = (4 << 20) + 4 * features * (d + 1)
        return SMALL + itemsize * (max(3 * n * n, (4 * self.degree + 9) * n * features) + blocks + 16 * n * d)

    @property
    def letters(self) -> tuple[str, ...]:
        """The letters of the question, in the order queries, (keys,) width, values."""
        first = (self.length_letter,) if self.keys == "self" else (self.length_letter, self.keys_letter)
        return (*first, self.width_letter, self.value_letter)

    @property
    def lengths(self) -> str:
        """How many queries and keys there are, as a sentence."""
        if self.keys == "self":
            return f"There are ${self.length_letter}$ of each."
        return f"There are ${self.length_letter}$ queries, and ${self.keys_letter}$ keys and values."

    def __post_init__(self) -> None:
        if len(set(self.letters)) != len(self.letters):
            raise BadData([Fault((), f"the letters {', '.join(self.letters)} must all differ")])
