"""What the engines on the cost of any form of attention may be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engines.fields import BadData, Fault, field
from engines.parameters import SMALL, Parameters
from engines.parameters.complexity import LETTER, LETTER_HELP

FormName = Literal[
    "softmax",
    "one head",
    "one head, projected",
    "multi-head",
    "local window",
    "low rank",
    "features",
    "separable",
    "separable, map first",
    "quadratic kernel",
    "quadratic kernel, features kept",
    "causal triangle",
    "causal recurrence",
    "causal cumulative sum",
    "causal chunks",
]
SIZES: dict[FormName, tuple[str, ...]] = {
    "softmax": ("n", "d", "m"),
    "one head": ("n", "d"),
    "one head, projected": ("n", "d"),
    "multi-head": ("n", "d", "h"),
    "local window": ("n", "d", "m", "w"),
    "low rank": ("n", "d", "m", "r"),
    "features": ("n", "d", "m"),
    "separable": ("n", "d"),
    "separable, map first": ("n", "d"),
    "quadratic kernel": ("n", "d", "m"),
    "quadratic kernel, features kept": ("n", "d", "m"),
    "causal triangle": ("n", "d", "m"),
    "causal recurrence": ("n", "d", "m"),
    "causal cumulative sum": ("n", "d", "m"),
    "causal chunks": ("n", "d", "m", "b"),
}


@dataclass(frozen=True)
class Forms(
    Parameters,
    engine="complexity.forms",
    summary="What any form of attention costs: exact polynomials, growth, and where it passes softmax attention",
):
    """One form of attention, counted at small sizes for its polynomials and at growing length beside softmax."""

    form: FormName = field("multi-head", help="form of attention")
    letters: tuple[str, ...] = field(
        (),
        max_length=4,
        pattern=LETTER,
        pattern_help=LETTER_HELP,
        help="letters for the sizes, n first; empty: as here",
    )
    sizes: tuple[int, ...] = field(
        (), low=1, high=64, max_length=3, help="sizes other than n of the measured runs; empty: 16, and 4 heads"
    )
    longest: int = field(1024, low=256, high=4096, help="longest sequence measured")
    timed: bool = field(False, help="also take the time here; two runs then differ by it")

    def __post_init__(self) -> None:
        faults = []
        if self.letters and len(self.letters) != len(SIZES[self.form]):
            faults.append(Fault(("letters",), f"'{self.form}' depends on {', '.join(SIZES[self.form])}: one for each"))
        if len(set(self.letters)) != len(self.letters):
            faults.append(Fault(("letters",), "must all differ"))
        if self.sizes and len(self.sizes) != len(SIZES[self.form]) - 1:
            faults.append(Fault(("sizes",), f"give one for each of {', '.join(SIZES[self.form][1:])}"))
        if self.form == "causal chunks" and self.sizes and 64 % self.sizes[-1]:
            faults.append(Fault(("sizes",), "a chunk must divide 64"))
        if faults:
            raise BadData(faults)

    @property
    def names(self) -> tuple[str, ...]:
        """The letters of the question."""
        return self.letters or SIZES[self.form]

    @property
    def measured(self) -> tuple[int, ...]:
        """The sizes other than n of the measured runs."""
        return self.sizes or tuple(4 if name == "h" else 16 for name in SIZES[self.form][1:])

    def peak_bytes(self, itemsize: int) -> int:
        """With gradients: the maps of all heads, or the states, or the features of all positions."""
        named = dict(zip(SIZES[self.form], (self.longest, *self.measured), strict=True))
        n, d, m, h = named["n"], named["d"], named.get("m", named["d"]), named.get("h", 1)
        maps = 3 * (h + 1) * n * n
        form = {
            "causal recurrence": 4 * n * d * m,
            "causal cumulative sum": 4 * n * d * m,
            "quadratic kernel": 1 << 22,
            "quadratic kernel, features kept": 4 * n * (d + 1) * (d + 2),
            "local window": 3 * n * named.get("w", 0) * (d + m),
        }.get(self.form, 0)
        linear = 16 * n * (h * d + m + named.get("b", 0) + named.get("r", 0)) + 8 * h * d * d + d * d * m
        return SMALL + itemsize * (maps + form + linear)


@dataclass(frozen=True)
class Shares(
    Parameters,
    engine="complexity.shares",
    summary="Where the time and the memory of multi-head attention go as the sequence grows",
):
    """Heads of the full width one after the other, their parts counted separately."""

    width: int = field(64, low=4, high=256, help="width d of the model and of each head")
    heads: int = field(8, low=1, high=32, help="number of heads h")
    longest: int = field(2048, low=64, high=4096, help="longest sequence measured")

    def peak_bytes(self, itemsize: int) -> int:
        """The map of one head, what all heads return, and their weights."""
        n, d, h = self.longest, self.width, self.heads
        return SMALL + itemsize * (2 * n * n + 3 * n * h * d + 8 * n * d + 8 * h * d * d)


@dataclass(frozen=True)
class Recurrent(
    Parameters,
    engine="complexity.recurrent",
    summary="A layer of self-attention beside a recurrent and a convolutional one: n²d, nd² and knd²",
):
    """The three layers on the same sequences, counted at growing length."""

    width: int = field(32, low=4, high=128, help="width d")
    kernel: int = field(3, low=1, high=9, help="kernel size k of the convolution")
    longest: int = field(512, low=32, high=2048, help="longest sequence measured")

    def peak_bytes(self, itemsize: int) -> int:
        """The map of attention, the windows of the convolution, and the states."""
        n, d = self.longest, self.width
        return SMALL + itemsize * (3 * n * n + (2 * self.kernel + 8) * n * d + 4 * self.kernel * d * d)
