"""Small models of the toy language: GPT-like ones predict the next word, BERT-like ones masked words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.grammar import CLS, LENGTH, MASK, SEP, WORDS, Sentences, plural_margin, sentences
from engines.run import Run
from engines.transformer import Config, Decoder, Encoder, Record, initialise

Kind = Literal["gpt", "bert"]
Model = Decoder | Encoder

D_HEAD = 12
MASKED = 0.15  # of the words (Devlin et al. 2019), without their 80/10/10 rule
LEARNING_RATE = 3e-3


def toy_model(kind: Kind, run: Run, n_layers: int = 2, n_heads: int = 4) -> Model:
    """A model with the weights that it starts with, which depend on the run's seed alone."""
    config = Config(len(WORDS), D_HEAD * n_heads, n_heads, n_layers, d_ff=2 * D_HEAD * n_heads, max_length=LENGTH)
    model = Decoder(config) if kind == "gpt" else Encoder(config)
    initialise(model, run)
    return model


def hide_words(tokens: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Tokens with some words replaced by [MASK], and where: both `(batch, n)`. Special tokens stay."""
    chosen = torch.rand(tokens.shape, generator=generator).to(tokens.device) < MASKED
    hidden = chosen & (tokens != CLS) & (tokens != SEP)
    return tokens.masked_fill(hidden, MASK), hidden


def language_loss(model: Model, tokens: Tensor, generator: torch.Generator) -> Tensor:
    """Cross-entropy of the next token (GPT) or of the masked words (BERT), in nats."""
    if isinstance(model, Decoder):
        return F.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
    masked, hidden = hide_words(tokens, generator)
    losses = F.cross_entropy(model(masked).flatten(0, 1), tokens.flatten(), reduction="none")
    chosen = hidden.flatten().to(losses.dtype)
    return (losses * chosen).sum() / chosen.sum().clamp(min=1)


def train(model: Model, run: Run, steps: int, batch_size: int, on_step: Callable[[int, Tensor], None]) -> None:
    """Adam on fresh sentences; `on_step` is told the step that begins (from 0) and its loss."""
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=True)
    generator = run.generator("sentences")
    for step in range(steps):
        loss = language_loss(model, sentences(generator, batch_size).tokens.to(run.device), generator)
        on_step(step, loss.detach())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def at_the_verb(model: Model, found: Sentences, record: Record | None = None) -> tuple[Tensor, Tensor]:
    """Logits of the verb `(count, vocabulary)` and the place they are made at `(count,)`.

    A GPT predicts it at the word before; for a BERT the verb is replaced by [MASK].
    """
    rows = torch.arange(len(found.verb), device=found.verb.device)
    if isinstance(model, Decoder):
        place, tokens = found.verb - 1, found.tokens
    else:
        place, tokens = found.verb, found.tokens.clone()
        tokens[rows, place] = MASK
    return model(tokens, record=record)[rows, place], place


@torch.no_grad()
def agreement(model: Model, found: Sentences) -> float:
    """The share of sentences in which verbs of the right number get more probability than the others."""
    logits, _ = at_the_verb(model, found)
    return ((plural_margin(logits) > 0) == found.plural).double().mean().item()
