"""What the engines on summarisation may be asked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from engines.fields import BadData, Fault, field
from engines.parameters import SMALL, Parameters

Split = Literal["files", "random"]

# Tokens of a generated report and of its summary, at most: 6 for a sentence, 13 for the form.
REPORT_SENTENCES = 4
REPORT_WORDS = 8
SUMMARY_WORDS = 13


def training_bytes(itemsize: int, *, vocabulary: int, d_model: int, n_layers: int, batch: int, source: int, target: int) -> int:
    """What training an encoder-decoder has alive at once, at most.

    Weights six times (gradients, two moments, the optimiser's own), what each token keeps in each layer, attention
    weights, and logits with their softmax and its gradient.
    """
    weights = (vocabulary + source + target) * d_model + 2 * n_layers * 20 * d_model**2
    tokens = batch * (source + target)
    kept = tokens * d_model * (40 * n_layers + 12)
    scores = 8 * n_layers * batch * (source + target) ** 2
    logits = 4 * batch * target * vocabulary
    return itemsize * (6 * weights + kept + scores + logits)


def decoding_bytes(itemsize: int, *, vocabulary: int, d_model: int, n_layers: int, rows: int, source: int, target: int) -> int:
    """What writing `rows` summaries side by side has alive: caches of keys and values, and rows of log-probabilities."""
    return rows * (itemsize * n_layers * d_model * (6 * source + 6 * target) + 48 * vocabulary)


def _heads(d_model: int, n_heads: int) -> None:
    if d_model % n_heads:
        raise BadData([Fault(("n_heads",), f"{n_heads} heads do not share {d_model} dimensions evenly")])


@dataclass(frozen=True)
class Reports(
    Parameters,
    engine="summarisation.reports",
    summary="A small encoder-decoder learns to summarise generated match reports, exactly",
):
    """Reports of shuffled sentences, some beside the point; the summary copies six facts in a fixed form."""

    steps: int = field(460, low=2, high=20_000, help="training steps, each on fresh reports")
    batch_size: int = field(64, low=2, high=512, help="reports a step")
    distractions: int = field(1, low=0, high=6, help="sentences of a report that are beside the point")
    d_model: int = field(64, low=8, high=512, help="width of the model")
    n_heads: int = field(4, low=1, high=16, help="attention heads")
    n_layers: int = field(1, low=1, high=6, help="layers of the encoder, and of the decoder")
    learning_rate: float = field(4e-3, low=1e-5, high=0.1, help="largest step size of AdamW")
    held_out: int = field(256, low=8, high=2048, help="reports the model is tested on")

    def __post_init__(self) -> None:
        _heads(self.d_model, self.n_heads)

    def peak_bytes(self, itemsize: int) -> int:
        """Training, and the held-out reports summarised together."""
        source = REPORT_WORDS * (REPORT_SENTENCES + self.distractions)
        sizes = {"vocabulary": 200, "d_model": self.d_model, "n_layers": self.n_layers}
        sizes |= {"source": source, "target": SUMMARY_WORDS + 1}
        training = training_bytes(itemsize, batch=max(self.batch_size, self.held_out), **sizes)
        return SMALL + training + decoding_bytes(itemsize, rows=self.held_out, **sizes)


@dataclass(frozen=True)
class Docstrings(
    Parameters,
    engine="summarisation.docstrings",
    summary="An encoder-decoder on real text: docstrings of installed packages, body to first line",
    parallel=True,
):
    """The body of a docstring (and the object's name) is the source, its first paragraph the summary.

    What is learned in a minute is little, and the table says how little. More steps (3 000, dropout 0.3) help somewhat.
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
    steps: int = field(240, low=2, high=50_000, help="training steps")
    batch_size: int = field(64, low=2, high=512, help="pairs a step")
    d_model: int = field(128, low=8, high=512, help="width of the model")
    n_heads: int = field(4, low=1, high=16, help="attention heads")
    n_layers: int = field(2, low=1, high=6, help="layers of the encoder, and of the decoder")
    dropout: float = field(0.1, low=0.0, high=0.8, help="share of activations left out in training")
    learning_rate: float = field(2e-3, low=1e-5, high=0.1, help="largest step size of AdamW")
    beam_size: int = field(4, low=1, high=16, help="hypotheses of the beam search")
    temperature: float = field(0.7, low=0.05, high=5.0, help="temperature of the sampled summaries")

    def __post_init__(self) -> None:
        _heads(self.d_model, self.n_heads)
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
