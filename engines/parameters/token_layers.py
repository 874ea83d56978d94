"""What the engines on the other layers of a transformer may be asked."""

from __future__ import annotations

from dataclasses import dataclass

from engines.fields import BadData, Fault, field
from engines.parameters import SMALL, Parameters
from engines.parameters.attention_weights import Matrix, Vector, ragged


@dataclass(frozen=True)
class FeedForward(
    Parameters,
    engine="sublayers.feed_forward",
    summary="The position-wise network of a transformer: two 1×1 convolutions, and its share of the parameters",
):
    """relu(x W₁ + b₁) W₂ + b₂ at every position, beside two convolutions of kernel size 1."""

    d_model: int = field(512, low=1, high=1024, help="width of the tokens")
    d_ff: int = field(2048, low=1, high=4096, help="width of the hidden layer")
    length: int = field(7, low=2, high=128, help="positions")

    def peak_bytes(self, itemsize: int) -> int:
        """Both matrices, one of them still in float64, and what the convolutions copy of them."""
        return SMALL + (8 + 4 * itemsize) * self.d_model * self.d_ff + 8 * itemsize * self.length * self.d_ff


@dataclass(frozen=True)
class LayerNorm(
    Parameters,
    engine="sublayers.layer_norm",
    summary="Layer normalisation by hand: over the features of each token, beside the usual slips",
    dtype="float64",
):
    """Tokens as rows, a gain and a bias for each feature."""

    tokens: Matrix = field(
        ((1.0, 3.0, 5.0, 7.0), (2.0, 2.0, 6.0, 6.0), (-1.0, 0.0, 0.0, 1.0)),
        min_length=2,
        max_length=32,
        low=-1e4,
        high=1e4,
        help="tokens, one a row",
    )
    gain: Vector = field((1.0, 1.0, 1.0, 1.0), min_length=2, max_length=32, low=-1e3, high=1e3, help="learned gain γ")
    bias: Vector = field((0.0, 0.0, 0.0, 0.0), min_length=2, max_length=32, low=-1e3, high=1e3, help="learned bias β")
    eps: float = field(1e-5, low=0.0, high=1.0, help="added to the variance")

    def __post_init__(self) -> None:
        width = len(self.gain)
        faults = ragged("tokens", self.tokens, width, "the gain has")
        if len(self.bias) != width:
            faults.append(Fault(("bias",), f"has {len(self.bias)} numbers, the gain has {width}"))
        faults += [
            Fault(("tokens", i), "has equal entries only: nothing to divide by; give eps above 0")
            for i, row in enumerate(self.tokens)
            if not self.eps and len(set(row)) == 1
        ]
        if faults:
            raise BadData(faults)
