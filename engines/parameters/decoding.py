"""What the decoding engines may be asked."""

from __future__ import annotations

import math
from dataclasses import dataclass

from engines.fields import BadData, Fault, field
from engines.parameters import Parameters

# Prefix (tokens separated by blanks, "" at the start) → token → log-probability of that token next.
LogProbabilities = dict[str, dict[str, float]]

START = ""

OWN_TREE: LogProbabilities = {
    "": {"neural": -0.60, "network": -0.80},
    "neural": {"neural": -0.80, "network": -0.60},
    "network": {"neural": -0.54, "network": -0.87},
    "neural neural": {"neural": -0.02, "network": -3.91},
    "neural network": {"neural": -0.65, "network": -0.73},
    "network neural": {"neural": -0.16, "network": -1.90},
    "network network": {"neural": -2.66, "network": -0.07},
}


@dataclass(frozen=True)
class Beam(
    Parameters,
    engine="decoding.beam",
    summary="Beam search over a tree of log-probabilities, step by step, beside greedy and exhaustive search",
    dtype="float64",
):
    """A decoder given as a tree: every prefix shorter than the longest has a row of log-probabilities."""

    tree: LogProbabilities = field(
        OWN_TREE, min_length=1, max_length=400, low=-1e3, high=0.0, help="prefix → token → log-probability"
    )
    beam_size: int = field(2, low=1, high=64, help="hypotheses kept after each step, k")

    @property
    def tokens(self) -> tuple[str, ...]:
        """The vocabulary, in the order of the first row."""
        return tuple(self.tree[START])

    @property
    def length(self) -> int:
        """How many tokens a full sequence has."""
        return max(len(prefix.split()) for prefix in self.tree) + 1

    def __post_init__(self) -> None:
        if START not in self.tree:
            raise BadData([Fault(("tree",), 'has no row for the start, the empty prefix ""')])
        faults = [
            Fault(("tree", START, token), "a token is one word without blanks", at_key=True)
            for token in self.tokens
            if token.split() != [token]
        ]
        wanted = {""}
        layer = [START]
        for _ in range(self.length - 1):
            layer = [f"{prefix} {token}".strip() for prefix in layer for token in self.tokens]
            wanted.update(layer)
            if len(wanted) > 400:
                raise BadData([Fault(("tree",), "is too large: at most 400 prefixes")])
        faults += [
            Fault(("tree", prefix), "is not a prefix of tokens of the first row", at_key=True)
            for prefix in self.tree
            if prefix not in wanted
        ]
        faults += [
            Fault(("tree",), f"has no row for the prefix '{prefix}'") for prefix in sorted(wanted - set(self.tree))
        ]
        faults += [
            Fault(("tree", prefix), f"must have one number for each of {', '.join(self.tokens)}")
            for prefix, row in self.tree.items()
            if set(row) != set(self.tokens)
        ]
        faults += [
            Fault(("tree", prefix), "the probabilities do not add up to 1 (within 0.1)")
            for prefix, row in self.tree.items()
            if not 0.9 <= sum(math.exp(value) for value in row.values()) <= 1.1
        ]
        if faults:
            raise BadData(faults)


@dataclass(frozen=True)
class Cost(
    Parameters,
    engine="decoding.cost",
    summary="What beam search costs, counted: model steps and candidates, beside greedy and exhaustive search",
):
    """Sequences of T tokens over a vocabulary of M, searched with k hypotheses."""

    length: int = field(10, low=1, high=40, help="tokens in a sequence, T")
    beam_size: int = field(4, low=1, high=64, help="hypotheses kept after each step, k")
    vocabulary: int = field(8, low=2, high=64, help="tokens to choose from, M")

    def __post_init__(self) -> None:
        if self.beam_size > self.vocabulary:
            # Algorithm 1 speaks of k² candidates: with k > M there are only k·M.
            raise BadData([Fault(("beam_size",), f"is larger than the vocabulary of {self.vocabulary}")])
