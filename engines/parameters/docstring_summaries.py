"""What the engine on docstrings may be asked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from engines.fields import BadData, Fault, field
from engines.parameters import SMALL, Parameters
from engines.parameters.summariser import check_heads, decoding_bytes, training_bytes

Split = Literal["files", "random"]


@dataclass(frozen=True)
class Docstrings(
    Parameters,
    engine="summarisation.docstrings",
    summary="An encoder-decoder on real text: docstrings of installed packages, body to first line",
    parallel=True,
):
    """The body of a docstring (and the object's name) is the source, its first paragraph the summary.

    What is learned in a minute is little, and the table says how little. Small batches learn most in a minute; for a
    long run take two layers, batches of 64, 3 000 steps and a dropout of 0.3.
    """

    packages: tuple[str, ...] = field(
        ("stdlib", "torch", "sympy", "networkx", "numpy", "textual", "rich"),
        min_length=1,
        max_length=64,
        help="installed packages to read; stdlib is the standard library",
    )
    pairs: int = field(8000, low=40, high=50_000, help="at most so many pairs are used")
    split: Split = field("files", help="what is held out: whole files, or pairs at random")
    held_out: int = field(300, low=8, high=1000, help="pairs the summaries are scored on")
    with_name: bool = field(True, help="whether the object's name stands before the body")
    vocabulary: int = field(4000, low=300, high=16_000, help="entries of the byte-pair encoding")
    source_length: int = field(64, low=8, high=256, help="tokens of the source that are read")
    target_length: int = field(24, low=4, high=64, help="tokens of the summary that are learned")
    steps: int = field(1200, low=2, high=50_000, help="training steps")
    batch_size: int = field(16, low=2, high=512, help="pairs a step")
    d_model: int = field(128, low=8, high=512, help="width of the model")
    n_heads: int = field(4, low=1, high=16, help="attention heads")
    n_layers: int = field(1, low=1, high=6, help="layers of the encoder, and of the decoder")
    dropout: float = field(0.1, low=0.0, high=0.8, help="share of activations left out in training")
    learning_rate: float = field(3e-3, low=1e-5, high=0.1, help="largest step size of AdamW")
    beam_size: int = field(4, low=1, high=16, help="hypotheses of the beam search")
    temperature: float = field(0.7, low=0.05, high=5.0, help="temperature of the sampled summaries")

    def __post_init__(self) -> None:
        check_heads(self.d_model, self.n_heads)
        for i, name in enumerate(self.packages):
            if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
                raise BadData([Fault(("packages", i), f"{name[:60]!r} is no name of a top-level package")])

    def peak_bytes(self, itemsize: int) -> int:
        """Training, beams of the held-out pairs, and the table of similarities to all pairs."""
        sizes = {"vocabulary": self.vocabulary, "d_model": self.d_model, "n_layers": self.n_layers}
        sizes |= {"source": self.source_length, "target": self.target_length + 1}
        training = training_bytes(itemsize, batch=self.batch_size, **sizes)
        decoding = decoding_bytes(itemsize, rows=max(64 * self.beam_size, 64), **sizes)
        lookup = 4 * self.held_out * (2 * self.vocabulary + 3 * self.pairs) + 16 * self.pairs * self.source_length
        return SMALL + training + decoding + lookup
