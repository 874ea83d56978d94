"""What the engine on match reports may be asked."""

from __future__ import annotations

from dataclasses import dataclass

from engines.fields import field
from engines.parameters import SMALL, Parameters
from engines.parameters.summariser import check_heads, decoding_bytes, training_bytes

# Sentences of a report that hold facts, words of the longest with its full stop, and words of a summary.
REPORT_SENTENCES = 4
REPORT_WORDS = 8
SUMMARY_WORDS = 11


@dataclass(frozen=True)
class Reports(
    Parameters,
    engine="summarisation.reports",
    summary="A small encoder-decoder learns to summarise generated match reports, exactly",
):
    """Reports of shuffled sentences, some beside the point; the summary copies six facts in a fixed form."""

    steps: int = field(560, low=2, high=20_000, help="training steps, each on fresh reports")
    batch_size: int = field(64, low=2, high=512, help="reports a step")
    distractions: int = field(1, low=0, high=6, help="sentences of a report that are beside the point")
    d_model: int = field(64, low=8, high=512, help="width of the model")
    n_heads: int = field(4, low=1, high=16, help="attention heads")
    n_layers: int = field(1, low=1, high=6, help="layers of the encoder, and of the decoder")
    learning_rate: float = field(4e-3, low=1e-5, high=0.1, help="largest step size of AdamW")
    held_out: int = field(256, low=8, high=2048, help="reports the model is tested on")

    def __post_init__(self) -> None:
        check_heads(self.d_model, self.n_heads)

    def peak_bytes(self, itemsize: int) -> int:
        """Training, and the held-out reports summarised together."""
        source = REPORT_WORDS * (REPORT_SENTENCES + self.distractions)
        sizes = {"vocabulary": 200, "d_model": self.d_model, "n_layers": self.n_layers}
        sizes |= {"source": source, "target": SUMMARY_WORDS + 1}
        training = training_bytes(itemsize, batch=max(self.batch_size, self.held_out), **sizes)
        return SMALL + training + decoding_bytes(itemsize, rows=self.held_out, **sizes)
