"""An encoder-decoder that learns to summarise: batches of similar lengths, its loss, its training, its summaries.

Shapes: B pairs, source `(B, S)`, target `(B, T)`, filled up with `PAD`. The decoder is given `<begin>` and the target,
and has to predict the target and `<end>` (teacher forcing).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.ancestral_sampling import Warp, sample
from engines.run import Run
from engines.search import Hypotheses, beam_search, greedy_search, power_penalty
from engines.tokenizer import BEGIN, END, PAD
from engines.transformer import Config, EncoderDecoder, Record, initialise, seeded
from engines.transformer_decoding import CachedTransformer

# -- batches


@dataclass(frozen=True)
class Examples:
    """Token ids of sources and of their summaries, in the same order, without special tokens."""

    sources: list[list[int]]
    targets: list[list[int]]

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def lengths(self) -> list[tuple[int, int]]:
        """Tokens of every source and of its summary: examples that are alike in both make batches of few pads."""
        return [(len(source), len(target)) for source, target in zip(self.sources, self.targets, strict=True)]

    def part(self, rows: Sequence[int]) -> Examples:
        """Some of them."""
        return Examples([self.sources[i] for i in rows], [self.targets[i] for i in rows])

    def with_wrong_sources(self) -> Examples:
        """Each summary with its neighbour's source: a model that reads its source must do worse on these."""
        return Examples(self.sources[1:] + self.sources[:1], self.targets)


@dataclass(frozen=True)
class Batch:
    """`source (B, S)`, `inputs (B, T + 1)` that begin with `<begin>`, `labels (B, T + 1)` that end with `<end>`."""

    source: Tensor
    inputs: Tensor
    labels: Tensor

    @property
    def tokens(self) -> int:
        """Tokens read and predicted, without pads."""
        return int((self.source != PAD).sum()) + int((self.labels != PAD).sum())


def padded(rows: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    """Lists of ids as one tensor, `PAD` behind the shorter ones; of at least one column."""
    width = max(1, *map(len, rows))
    return torch.tensor([[*row, *[PAD] * (width - len(row))] for row in rows], device=device)


def collate(examples: Examples, rows: Sequence[int], device: torch.device) -> Batch:
    """A batch of the examples with these numbers."""
    some = examples.part(rows)
    return Batch(
        padded(some.sources, device),
        padded([[BEGIN, *target] for target in some.targets], device),
        padded([[*target, END] for target in some.targets], device),
    )


def bucketed(
    lengths: Sequence[tuple[int, int]], batch_size: int, generator: torch.Generator, window: int = 32
) -> Iterator[list[int]]:
    """Batches of row numbers without end, every row once an epoch, rows of similar length together.

    Shuffled rows are sorted within windows of `window` batches, and the batches of a window shuffled again: few pads,
    and yet other neighbours in every epoch. The last batch of an epoch may be smaller.
    """
    while True:
        order = torch.randperm(len(lengths), generator=generator).tolist()
        for start in range(0, len(order), window * batch_size):
            rows = sorted(order[start : start + window * batch_size], key=lengths.__getitem__)
            batches = [rows[i : i + batch_size] for i in range(0, len(rows), batch_size)]
            for i in torch.randperm(len(batches), generator=generator).tolist():
                yield batches[i]


# -- the loss


def literal_loss(model: EncoderDecoder, batch: Batch) -> Tensor:
    """Summed cross-entropy of all labels in nats: logits everywhere, those at pads ignored."""
    logits = model(batch.source, batch.inputs, batch.source != PAD)
    return F.cross_entropy(logits.flatten(0, 1), batch.labels.flatten(), ignore_index=PAD, reduction="sum")


def summed_loss(model: EncoderDecoder, batch: Batch) -> Tensor:
    """The same, with logits where there is a label alone: the output layer is a third of the work."""
    mask = batch.source != PAD
    memory = model.encode(batch.source, mask)
    hidden = model.decoder(model.target(batch.inputs), model.decoder.read(memory), memory_mask=mask)
    wanted = batch.labels != PAD
    return F.cross_entropy(model.target.logits(hidden[wanted]), batch.labels[wanted], reduction="sum")


@torch.no_grad()
def held_out_loss(model: EncoderDecoder, examples: Examples, batch_size: int, device: torch.device) -> float:
    """Mean cross-entropy in nats per target token (`<end>` is one), without dropout."""
    training = model.training
    model.eval()
    order = sorted(range(len(examples)), key=lambda i: len(examples.sources[i]))
    total = tokens = 0.0
    for start in range(0, len(order), batch_size):
        batch = collate(examples, order[start : start + batch_size], device)
        total += summed_loss(model, batch).item()
        tokens += int((batch.labels != PAD).sum())
    model.train(training)
    return total / tokens


def unigram_loss(train: Sequence[Sequence[int]], held_out: Sequence[Sequence[int]], size: int) -> float:
    """Nats per token of a model that knows how frequent each token is and nothing else (add-one smoothing)."""
    counts = torch.ones(size, dtype=torch.float64)
    seen = torch.tensor([token for target in train for token in (*target, END)])
    counts += torch.bincount(seen, minlength=size)
    tokens = torch.tensor([token for target in held_out for token in (*target, END)])
    return -(counts / counts.sum()).log()[tokens].mean().item()


# -- training


@dataclass(frozen=True)
class Settings:
    """How a model is trained."""

    steps: int
    batch_size: int
    learning_rate: float
    warmup: int
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.01
    clip: float = 1.0


def rate(step: int, settings: Settings) -> float:
    """The learning rate of a step: a straight line up during the warm-up, level up to the middle, and down to 0."""
    rising = (step + 1) / max(settings.warmup, 1)
    falling = 2 * (settings.steps - step) / settings.steps
    return settings.learning_rate * min(rising, falling, 1.0)


def summariser(config: Config, run: Run) -> EncoderDecoder:
    """A fresh model whose source and target share one table of tokens: what is copied has one vector."""
    model = EncoderDecoder(config, config, share_embeddings=True)
    initialise(model, run)
    return model


@dataclass(frozen=True)
class Progress:
    """After a step: how many there were, the loss of the step in nats per token, tokens so far."""

    step: int
    loss: float
    tokens: int


def train(
    model: EncoderDecoder, batches: Iterator[Batch], settings: Settings, run: Run, after: Callable[[Progress], None]
) -> None:
    """Minimise the mean loss per target token by AdamW over the first batches, `after` being called after each."""
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=settings.learning_rate,
        betas=settings.betas,
        weight_decay=settings.weight_decay,
        fused=True,
    )
    tokens = 0
    model.train()
    with seeded(run, "dropout"):
        for step, batch in enumerate(islice(batches, settings.steps)):
            for group in optimizer.param_groups:
                group["lr"] = rate(step, settings)
            loss = summed_loss(model, batch) / (batch.labels != PAD).sum()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
            optimizer.step()
            tokens += batch.tokens
            after(Progress(step + 1, loss.item(), tokens))
    model.eval()


# -- summaries


def _decoder(
    model: EncoderDecoder, sources: Sequence[Sequence[int]], length: int, device: torch.device
) -> CachedTransformer:
    source = padded(sources, device)
    begin = torch.full((len(source), 1), BEGIN, device=device)
    return CachedTransformer(model, begin, length + 1, source, source != PAD)


def greedy(
    model: EncoderDecoder, sources: Sequence[Sequence[int]], length: int, device: torch.device
) -> list[list[int]]:
    """The most likely token each time, for every source."""
    return _first(greedy_search(_decoder(model, sources, length, device), length, eos=END))


def beam(
    model: EncoderDecoder, sources: Sequence[Sequence[int]], length: int, beam_size: int, device: torch.device
) -> list[list[int]]:
    """The best of a beam search by mean log-probability of a token, for every source."""
    decoder = _decoder(model, sources, length, device)
    return _first(beam_search(decoder, length, beam_size, eos=END, penalty=power_penalty(1.0)))


def _first(found: Hypotheses) -> list[list[int]]:
    return [without_end(found.tokens(prompt)) for prompt in range(len(found.sequences))]


@dataclass(frozen=True)
class Drawn:
    """Summaries drawn for each source, and the log-probability that the model gives to each, `(P, count)`."""

    summaries: list[list[list[int]]]
    log_probs: Tensor


def sampled(
    model: EncoderDecoder,
    sources: Sequence[Sequence[int]],
    length: int,
    count: int,
    warp: Warp,
    generator: torch.Generator,
    device: torch.device,
) -> Drawn:
    """`count` summaries of every source, each token drawn from the warped distribution."""
    found = sample(_decoder(model, sources, length, device), length, count, generator, warp=warp, eos=END)
    summaries = [
        [without_end(ids[:n]) for ids, n in zip(rows, lengths, strict=True)]
        for rows, lengths in zip(found.sequences.tolist(), found.lengths.tolist(), strict=True)
    ]
    return Drawn(summaries, found.log_probs)


def without_end(ids: Sequence[int]) -> list[int]:
    """Ids up to the first `<end>`."""
    return list(ids[: ids.index(END)] if END in ids else ids)


@torch.no_grad()
def cross_attention(model: EncoderDecoder, batch: Batch) -> Tensor:
    """Weights of every target position over the source, `(layers, B, heads, T + 1, S)`; row t predicts label t."""
    record = Record()
    model(batch.source, batch.inputs, batch.source != PAD, record=record)
    return torch.stack([layer.weights for layer in record.cross_attention])
