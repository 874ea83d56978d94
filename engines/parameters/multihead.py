"""What the engines on multi-head attention may be asked."""

from __future__ import annotations

from dataclasses import dataclass

from engines.fields import BadData, Fault, field
from engines.parameters import SMALL, Parameters
from engines.parameters.attention_weights import Mask


@dataclass(frozen=True)
class Heads(
    Parameters,
    engine="multihead.heads",
    summary="Multi-head attention, self or cross: shapes, parameters, weights of every head, output",
    dtype="float64",
):
    """One layer with random weights; queries come from x, keys and values from x or from a memory."""

    d_model: int = field(8, low=1, high=512, help="width of x and of the output")
    n_heads: int = field(2, low=1, high=32, help="heads h; each has width d_model / h")
    length: int = field(5, low=1, high=256, help="positions of x")
    memory_length: int = field(0, low=0, high=256, help="positions of the memory; 0 for self-attention")
    memory_width: int = field(0, low=0, high=512, help="width of the memory; 0 for that of x")
    mask: Mask = field("none", help="which pairs are hidden")
    padded: int = field(1, low=0, high=256, help="keys at the end that are padding, where padding is masked")
    bias: bool = field(True, help="whether the four projections have a bias")

    @property
    def keys(self) -> int:
        """How many positions are attended to."""
        return self.memory_length or self.length

    def __post_init__(self) -> None:
        faults = []
        if self.d_model % self.n_heads:
            faults.append(Fault(("n_heads",), f"{self.n_heads} does not divide the width {self.d_model}"))
        if "causal" in self.mask and self.memory_length:
            faults.append(Fault(("mask",), "a causal mask is for self-attention: leave memory_length at 0"))
        if self.memory_width and not self.memory_length:
            faults.append(Fault(("memory_width",), "self-attention has no memory: give memory_length too"))
        if self.padded > self.keys:
            faults.append(Fault(("padded",), f"{self.padded} of {self.keys} keys cannot be padding"))
        if faults:
            raise BadData(faults)

    def peak_bytes(self, itemsize: int) -> int:
        """The four projections as they are drawn, projected tokens, and the weights of every head a few times."""
        width = max(self.d_model, self.memory_width)
        tokens = 12 * (self.length + self.keys) * width
        return SMALL + itemsize * (12 * width * self.d_model + tokens + 6 * self.n_heads * self.length * self.keys)


@dataclass(frozen=True)
class GroupedConvolution(
    Parameters,
    engine="multihead.grouped_convolution",
    summary="What heads are to attention, groups are to convolution: block-diagonal mixing, then a 1×1 mix",
    dtype="float64",
):
    """A grouped 1-d convolution beside the full one whose weights are the same blocks and zeros."""

    channels: int = field(8, low=1, high=128, help="channels in and out")
    groups: int = field(2, low=1, high=128, help="groups, as many as heads")
    kernel_size: int = field(3, low=1, high=15, help="taps of the convolution")
    length: int = field(9, low=1, high=256, help="positions")

    def __post_init__(self) -> None:
        faults = []
        if self.channels % self.groups:
            faults.append(Fault(("groups",), f"{self.groups} does not divide {self.channels} channels"))
        if self.kernel_size > self.length:
            faults.append(Fault(("kernel_size",), f"{self.kernel_size} taps do not fit {self.length} positions"))
        if faults:
            raise BadData(faults)
