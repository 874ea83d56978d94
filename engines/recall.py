"""Two tasks for a small causal transformer, and many of them trained side by side on the same batches.

`previous` is positional: name the token before. `recall` is by content: six pairs of a key and a value, then the keys
again in another order, whose values are wanted (EECS 182, homework 8 (fall 2022), question 1g, asks how a Performer
compares).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

Attention = Callable[[Tensor, Tensor, Tensor], Tensor]

PAIRS = 6
# The pairs, then every key once more in another order.
LENGTH = 3 * PAIRS
# Tokens below are keys, from there on values.
KEYS = 12
VOCABULARY = 24
LAYERS, HEADS, HEAD_WIDTH = 2, 2, 16
WIDTH = HEADS * HEAD_WIDTH


def softmax_causal(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Causal softmax attention, `(batch, heads, length, dim)`."""
    return F.scaled_dot_product_attention(query, key, value, is_causal=True)


def previous_batch(batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Random tokens `(batch, LENGTH)`; targets are the tokens before, −100 (not asked) at the start."""
    tokens = torch.randint(VOCABULARY, (batch, LENGTH), generator=generator)
    targets = torch.full_like(tokens, -100)
    targets[:, 1:] = tokens[:, :-1]
    return tokens, targets


def recall_batch(batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Pairs with distinct keys, then the keys shuffled `(batch, LENGTH)`; their values are asked at the latter."""
    keys = torch.rand(batch, KEYS, generator=generator).argsort(-1)[:, :PAIRS]
    values = torch.randint(KEYS, VOCABULARY, (batch, PAIRS), generator=generator)
    asked = torch.rand(batch, PAIRS, generator=generator).argsort(-1)
    tokens = torch.cat([torch.stack([keys, values], dim=-1).flatten(1), keys.gather(1, asked)], dim=1)
    targets = torch.full_like(tokens, -100)
    targets[:, -PAIRS:] = values.gather(1, asked)
    return tokens, targets


TASKS: dict[str, Callable[[int, torch.Generator], tuple[Tensor, Tensor]]] = {
    "previous": previous_batch,
    "recall": recall_batch,
}


@dataclass
class Ensemble:
    """E transformers with equal initial weights that differ in their attention alone.

    Every weight has a leading dimension E, so that one product serves all; the loss is the sum of theirs, so each
    gets the gradient it would have alone. Activations are `(E, batch, LENGTH, WIDTH)`.
    """

    attentions: Sequence[Attention]
    weights: dict[str, Tensor]

    @classmethod
    def draw(cls, attentions: Sequence[Attention], randn: Callable[..., Tensor]) -> Ensemble:
        """Equal weights for all from `randn(name, *shape)`: N(0, 1/fan-in), embeddings N(0, 1/4)."""
        shapes = {"tokens": (VOCABULARY, WIDTH), "positions": (LENGTH, WIDTH), "out": (WIDTH, VOCABULARY)}
        for i in range(LAYERS):
            shapes |= {
                f"qkv {i}": (WIDTH, 3 * WIDTH),
                f"mix {i}": (WIDTH, WIDTH),
                f"up {i}": (WIDTH, 2 * WIDTH),
                f"down {i}": (2 * WIDTH, WIDTH),
            }
        weights = {}
        for name, shape in shapes.items():
            fan_in = 4 if name in ("tokens", "positions") else shape[0]
            weights[name] = (randn(name, *shape) / fan_in**0.5).expand(len(attentions), *shape).clone().requires_grad_()
        return cls(attentions, weights)

    def __call__(self, tokens: Tensor) -> Tensor:
        """Tokens `(batch, LENGTH)` to logits `(E, batch, LENGTH, VOCABULARY)`."""
        weights = self.weights
        x = weights["tokens"][:, tokens] + weights["positions"].unsqueeze(1)
        for i in range(LAYERS):
            x = x + self._mixed(_normalised(x), i)
            x = x + _linear(F.gelu(_linear(_normalised(x), weights[f"up {i}"])), weights[f"down {i}"])
        return _linear(_normalised(x), weights["out"])

    def _mixed(self, x: Tensor, layer: int) -> Tensor:
        parts = _linear(x, self.weights[f"qkv {layer}"]).unflatten(-1, (3, HEADS, -1))  # (E, B, T, 3, heads, dim)
        query, key, value = parts.movedim(-3, 0).transpose(-2, -3)  # each (E, B, heads, T, dim)
        read = [attention(*one) for attention, *one in zip(self.attentions, query, key, value, strict=True)]
        return _linear(torch.stack(read).transpose(-2, -3).flatten(-2), self.weights[f"mix {layer}"])

    def losses(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy of each, `(E,)`; targets of −100 do not count."""
        logits = self(tokens).flatten(1, 2).mT
        asked = targets.flatten().expand(len(logits), -1)
        return F.cross_entropy(logits, asked, reduction="none").sum(1) / (targets >= 0).sum()

    @torch.no_grad()
    def accuracies(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Share of right answers of each, `(E,)`."""
        right = (self(tokens).argmax(-1) == targets) & (targets >= 0)
        return right.sum((-1, -2)) / (targets >= 0).sum()


def _linear(x: Tensor, weight: Tensor) -> Tensor:
    product: Tensor = (x.flatten(1, 2) @ weight).unflatten(1, x.shape[1:3])
    return product


def _normalised(x: Tensor) -> Tensor:
    normalised: Tensor = F.layer_norm(x, x.shape[-1:])
    return normalised
