"""How a summariser's training and its reading are shown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from engines.arrays import Array
from engines.figures import Heatmap, Lines, line
from engines.run import Run
from engines.summariser import Examples, held_out_loss
from engines.transformer import EncoderDecoder

EVALUATIONS = 10


@dataclass
class Curve:
    """Losses in nats per target token: of every training step, and of the held-out part now and then."""

    training: list[float] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    held_out: list[float] = field(default_factory=list)
    wrong_source: list[float] = field(default_factory=list)
    tokens: int = 0

    def evaluate(self, model: EncoderDecoder, held_out: Examples, batch_size: int, run: Run) -> None:
        """Note the held-out loss, and the loss with every summary's source replaced by another's."""
        self.steps.append(len(self.training))
        self.held_out.append(held_out_loss(model, held_out, batch_size, run.device))
        self.wrong_source.append(held_out_loss(model, held_out.with_wrong_sources(), batch_size, run.device))

    def figure(self, levels: Mapping[str, float], caption: str) -> Lines:
        """All curves, and what is known to cost how much as level lines."""
        smooth = _smoothed(self.training)
        ends = [1.0, float(max(len(smooth), 2))]
        series = [line("training", [float(i) for i in range(1, len(smooth) + 1)], smooth)]
        if self.steps:
            at = [float(step) for step in self.steps]
            series += [line("held out", at, self.held_out), line("wrong source", at, self.wrong_source)]
        series += [line(name, ends, [level, level]) for name, level in levels.items()]
        title = "Cross-entropy of a summary's token"
        return Lines("loss", title, tuple(series), x_label="step", y_label="nats", caption=caption)


def _smoothed(values: Sequence[float], memory: float = 0.9) -> list[float]:
    """Running averages without the bias towards the start (as in Adam)."""
    out, mean = [], 0.0
    for i, value in enumerate(values, 1):
        mean = memory * mean + (1 - memory) * value
        out.append(mean / (1 - memory**i))
    return out


def evaluated_at(steps: int) -> set[int]:
    """The steps after which the held-out part is looked at; the last is one of them."""
    return {math.ceil(steps * i / EVALUATIONS) for i in range(1, EVALUATIONS + 1)}


def attention_figure(weights: Tensor, source: Sequence[str], target: Sequence[str], caption: str) -> Heatmap:
    """Weights `(T, S)` or larger of one pair; a row is a token to be predicted."""
    return Heatmap(
        "attention",
        "Cross-attention of the last layer, mean of its heads",
        Array.of(weights[: len(target), : len(source)]),
        tuple(target),
        tuple(source),
        scale="row",
        caption=caption,
    )


def cut(text: str, length: int = 72) -> str:
    """A text that may be long, for a cell."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def weights_of(model: EncoderDecoder) -> int:
    """How many numbers a model learns; the table shared by source and target counts once."""
    return sum(parameter.numel() for parameter in model.parameters())
