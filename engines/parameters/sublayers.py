"""What the engines on the parts of a transformer block may be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engines.fields import BadData, Fault, field
from engines.parameters import Parameters


def _divides(width: int, heads: int) -> None:
    if width % heads:
        raise BadData([Fault(("n_heads",), f"{heads} does not divide the width {width}")])


@dataclass(frozen=True)
class AttentionCode(
    Parameters,
    engine="transformer.attention",
    summary="Scaled dot-product attention with a causal and a padding mask: inputs, result, usual slips",
    dtype="float64",
):
    """Queries, keys and values of a few sequences; the last keys of some are pads."""

    batch: int = field(2, low=1, high=8, help="sequences")
    queries: int = field(5, low=1, high=32, help="queries")
    keys: int = field(5, low=1, high=32, help="keys, as many as queries if causal")
    d_key: int = field(8, low=1, high=64, help="width of queries and keys")
    d_value: int = field(6, low=1, high=64, help="width of values")
    causal: bool = field(True, help="hide later keys")
    pads: int = field(2, low=0, high=31, help="pads at the end of the last sequence")

    def __post_init__(self) -> None:
        if self.causal and self.queries != self.keys:
            raise BadData([Fault(("keys",), f"a causal mask wants {self.queries} keys, as many as queries")])
        if self.pads >= self.keys:
            raise BadData([Fault(("pads",), f"leaves no key: at most {self.keys - 1}")])


@dataclass(frozen=True)
class IdenticalQueriesKeys(
    Parameters,
    engine="transformer.identical_qk",
    summary="Attention with Q = K: when the map is close to the identity, and when it is not",
):
    """Random rows of width d as queries and keys; the mean weight of a row on itself."""

    n: int = field(10, low=2, high=1000, help="rows N")
    d: int = field(64, low=1, high=256, help="width d")
    distribution: Literal["normal", "uniform"] = field("normal", help="N(0, 1) or [0, 1)")

    def peak_bytes(self, itemsize: int) -> int:
        """Scores and weights of the largest N drawn, twice."""
        return (16 << 20) + 6 * max(self.n, 1000) ** 2 * max(itemsize, 8)


@dataclass(frozen=True)
class FeedForwardNetwork(
    Parameters,
    engine="transformer.feed_forward",
    summary="The feed-forward network, as a formula and as two 1×1 convolutions, with its parameters",
    dtype="float64",
):
    """relu(x W₁ + b₁) W₂ + b₂ at every position."""

    d_model: int = field(6, low=1, high=64, help="width of input and output")
    d_ff: int = field(24, low=1, high=256, help="width between")
    length: int = field(7, low=1, high=64, help="positions")


@dataclass(frozen=True)
class LayerNormalisation(
    Parameters,
    engine="transformer.layer_norm",
    summary="Layer normalisation of a few tokens by hand, and what it does not depend on",
    dtype="float64",
):
    """Rows are tokens; each is normalised over its own features."""

    tokens: tuple[tuple[float, ...], ...] = field(
        ((1.0, 2.0, 3.0, 6.0), (-2.0, 0.0, 0.0, 2.0), (4.0, 4.0, 5.0, 7.0)),
        min_length=1,
        max_length=16,
        low=-1e6,
        high=1e6,
        help="tokens, one a row",
    )

    def __post_init__(self) -> None:
        width = len(self.tokens[0]) if self.tokens else 0
        faults = [
            Fault(("tokens", i), f"has {len(row)} numbers, the first token has {width}")
            for i, row in enumerate(self.tokens)
            if len(row) != width
        ]
        faults += [
            Fault(("tokens", i), "needs two numbers that differ: there is nothing to divide by")
            for i, row in enumerate(self.tokens)
            if len(set(row)) < 2
        ]
        if faults:
            raise BadData(faults)


@dataclass(frozen=True)
class ParameterCounts(
    Parameters,
    engine="transformer.parameters",
    summary="How many parameters each part of a transformer has, by formula and counted",
):
    """Attention, feed-forward network and normalisations of one block; the model of n blocks."""

    d_model: int = field(512, low=1, high=1024, help="width")
    n_heads: int = field(8, low=1, high=64, help="heads")
    d_ff: int = field(2048, low=1, high=4096, help="width of the feed-forward network")
    n_layers: int = field(6, low=1, high=12, help="layers of the model")
    vocab_size: int = field(1000, low=1, high=30_000, help="vocabulary")
    max_length: int = field(512, low=1, high=4096, help="learned positions")
    bias: bool = field(True, help="biases in linear layers")

    def __post_init__(self) -> None:
        _divides(self.d_model, self.n_heads)


@dataclass(frozen=True)
class Equivariance(
    Parameters,
    engine="transformer.permutation",
    summary="Permuting the tokens permutes the output, until positions or a mask are added",
    dtype="float64",
):
    """One encoder without positions, the same with positions, the same with a causal mask."""

    length: int = field(6, low=2, high=32, help="tokens")
    d_model: int = field(16, low=4, high=64, help="width, with 2 heads")

    def __post_init__(self) -> None:
        _divides(self.d_model, 2)


@dataclass(frozen=True)
class CrossWidths(
    Parameters,
    engine="transformer.widths",
    summary="An encoder and a decoder of different widths: which layers have to know of both",
):
    """Cross-attention takes its keys and values from the encoder's width."""

    d_encoder: int = field(48, low=4, high=256, help="width of the encoder, with 4 heads")
    d_decoder: int = field(64, low=4, high=256, help="width of the decoder, with 4 heads")

    def __post_init__(self) -> None:
        _divides(self.d_encoder, 4)
        _divides(self.d_decoder, 4)
