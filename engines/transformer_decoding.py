"""Transformers as language models for searches and samplers (`engines.search.LanguageModel`), with their caches.

`CachedTransformer` carries one cache row for each hypothesis, through the models' own `step`: simple, and it serves
encoder-decoders. `SharedCacheTransformer` keeps all hypotheses of a prompt in one cache that is never moved: fast.
Without a cache, `PrefixModel(lambda tokens: model(tokens)[:, -1].log_softmax(-1), prompts)` is the literal form.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.transformer import Block, Cache, Config, Decoder, EncoderDecoder, fused_attention, literal_attention


class Rows(NamedTuple):
    """A cache with a row for each hypothesis, filled up to `position`."""

    cache: Cache
    position: int


@dataclass(frozen=True)
class CachedTransformer:
    """A transformer whose cache is reordered: each hypothesis has all its keys and values in its own row.

    Attributes:
        model: in eval mode.
        prompts: `(P, L)` with L ≥ 1; what the decoder has written already (a start token at least).
        max_length: room for the prompt and what follows it.
        source: `(P, n_source)` what an encoder-decoder reads.
        source_mask: `(P, n_source)`, True at tokens and False at pads.
    """

    model: Decoder | EncoderDecoder
    prompts: Tensor
    max_length: int
    source: Tensor | None = None
    source_mask: Tensor | None = None

    def start(self) -> tuple[Tensor, Rows]:
        """The prompts, all their tokens at once."""
        if isinstance(self.model, EncoderDecoder):
            if self.source is None:
                raise ValueError("an encoder-decoder needs a source")
            cache = self.model.cache(self.source, self.source_mask, max_length=self.max_length)
        else:
            cache = self.model.cache(len(self.prompts), self.max_length)
        logits = self.model.step(self.prompts, cache, 0)
        return logits.log_softmax(-1), Rows(cache, self.prompts.shape[1])

    def step(self, tokens: Tensor, state: Rows) -> tuple[Tensor, Rows]:
        """One token a row, written behind the others."""
        logits = self.model.step(tokens.unsqueeze(1), state.cache, state.position)
        return logits.log_softmax(-1), Rows(state.cache, state.position + 1)

    def reorder(self, state: Rows, parents: Tensor) -> Rows:
        """Copies the filled part of rows; the encoder's part only when the number of rows changes."""
        cache, filled = state.cache, state.position
        rows = cache.own[:, :, :, :, :filled].index_select(2, parents)
        if rows.shape[2] == cache.own.shape[2]:
            cache.own[:, :, :, :, :filled] = rows
            return state
        own = cache.own.new_empty(*cache.own.shape[:2], len(parents), *cache.own.shape[3:])
        own[:, :, :, :, :filled] = rows
        memory, mask = cache.memory, cache.memory_mask
        return Rows(
            Cache(
                own,
                None if memory is None else [type(pair)(*(x[parents] for x in pair)) for pair in memory],
                None if mask is None else mask[parents],
            ),
            filled,
        )


class Slots(NamedTuple):
    """Keys and values of all hypotheses of a prompt side by side, and who sees which.

    Attributes:
        room: `(layers, 2, P, heads, capacity, d_head)`, of which the first `filled` slots are in use.
        mask: `(P, 1, B, filled)`, 0 at the slots of a hypothesis' own past and −inf at those of others; None while
            every prompt has had one hypothesis only, which sees all.
        filled: slots in use: the prompt's, and one for each hypothesis of each step.
        position: the position of the next token.
    """

    room: Tensor
    mask: Tensor | None
    filled: int
    position: int


class _Layer(NamedTuple):
    """One block's weights as `(in, out)` matrices, each with its bias before it."""

    read_bias: Tensor  # the layer that makes queries, keys and values
    read: Tensor
    write_bias: Tensor
    write: Tensor
    expand_bias: Tensor
    expand: Tensor
    contract_bias: Tensor
    contract: Tensor


class SharedCacheTransformer:
    """A GPT-like transformer that decodes hypotheses of one prompt in one cache.

    The hypotheses of a beam are a tree. Every node's key and value is written once, in the next free slot of its
    prompt, and stays there; a hypothesis attends to all slots under a mask that shows it its own ancestors. To
    reorder is to permute rows of that mask, B numbers a slot, where a cache by rows moves 2·layers·d_model of
    them; the prompt stands there once and not B times; and attention is one product for all hypotheses of a head. The
    price is scores that are masked away: B·(L + B·t) of them at step t instead of B·(L + t), so it pays for beams
    up to about 16. Rows that have nothing in common (samples) are best handed over as prompts of their own.

    Normalisations' scales and shifts and the factor 1/√d_head are folded into the layers that follow them, and
    queries, keys and values come out of one product. Dropout is off. The weights are read when it is made.

    Args:
        model: normalises before its sublayers; softmax attention.
        prompts: `(P, L)`, L ≥ 1.

    Raises:
        ValueError: for another kind of model.
    """

    def __init__(self, model: Decoder, prompts: Tensor) -> None:
        config = model.config
        if config.norm != "pre" or config.attention not in (fused_attention, literal_attention):
            raise ValueError("decodes models with softmax attention and norm='pre' alone: use CachedTransformer")
        self.config = config
        self.prompts = prompts
        with torch.no_grad():
            embedding, last = model.embedding, cast(nn.LayerNorm, model.stack.last_norm)
            self.tokens = embedding.tokens.weight * embedding.scale
            self.places = cast(Tensor, embedding.fixed) if embedding.learned is None else embedding.learned.weight
            self.places = self.places.to(self.tokens.dtype) * (1.0 if embedding.learned is None else embedding.scale)
            self.layers = [_fold(cast(Block, block), config) for block in model.stack.blocks]
            head = embedding.tokens.weight if embedding.head is None else embedding.head.weight
            self.head_bias, self.head = _after_norm(last, head, head.new_zeros(len(head)))

    @torch.inference_mode()
    def start(self) -> tuple[Tensor, Slots]:
        """The prompts, all their tokens at once."""
        prompts, length = self.prompts.shape
        c = self.config
        shape = (c.n_layers, 2, prompts, c.n_heads, length + 16, c.d_head)
        slots = Slots(self.tokens.new_zeros(shape), None, 0, 0)
        later = torch.full((length, length), -math.inf, dtype=self.tokens.dtype, device=self.tokens.device).triu(1)
        x, slots = self._forward(self.prompts, self._place(0, length), slots, later)
        return self._log_probs(x.view(prompts, length, -1)[:, -1]), slots

    @torch.inference_mode()  # an eighth faster than no_grad; what a search computes from its output is ordinary
    def step(self, tokens: Tensor, state: Slots) -> tuple[Tensor, Slots]:
        """One token for each hypothesis: it sees its ancestors and itself."""
        tokens = tokens.view(state.room.shape[2], -1)
        mask = state.mask
        if mask is not None:
            prompts, width = tokens.shape
            itself = mask.new_full((width, width), -math.inf).fill_diagonal_(0)
            mask = torch.cat([mask, itself.expand(prompts, 1, width, width)], 3)
        x, state = self._forward(tokens, self._place(state.position, 1), state, mask)
        return self._log_probs(x), state._replace(mask=mask)

    def reorder(self, state: Slots, parents: Tensor) -> Slots:
        """Only the mask: the slots of new hypotheses are their parents'."""
        prompts = state.room.shape[2]
        width = len(parents) // prompts
        mask = state.mask
        if mask is None:
            if width == 1:
                return state
            mask = state.room.new_zeros(prompts, 1, 1, state.filled)
        rows = mask.reshape(-1, state.filled).index_select(0, parents)
        return state._replace(mask=rows.view(prompts, 1, width, state.filled))

    def _place(self, position: int, length: int) -> Tensor:
        if position + length > len(self.places):
            raise ValueError(f"{position + length} positions, the model has {len(self.places)}")
        return self.places[position : position + length]

    def _forward(self, tokens: Tensor, places: Tensor, state: Slots, mask: Tensor | None) -> tuple[Tensor, Slots]:
        """Tokens `(P, n)` through all blocks into the next n slots: `(P·n, d_model)` before the last norm."""
        prompts, n = tokens.shape
        d_model, d_head = self.config.d_model, self.config.d_head
        width, end = (d_model,), state.filled + n
        room = _with_space(state.room, end)
        x = (F.embedding(tokens, self.tokens) + places).view(-1, d_model)
        for layer, slots in zip(self.layers, room, strict=True):
            read = torch.addmm(layer.read_bias, F.layer_norm(x, width), layer.read)
            query, *new = read.view(prompts, n, 3, -1, d_head).permute(2, 0, 3, 1, 4)  # (P, heads, n, d_head) each
            slots[0, :, :, state.filled : end], slots[1, :, :, state.filled : end] = new
            key, value = slots[:, :, :, :end]
            heads = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=1.0)
            x = torch.addmm(x, heads.transpose(1, 2).reshape(-1, d_model), layer.write).add_(layer.write_bias)
            hidden = torch.addmm(layer.expand_bias, F.layer_norm(x, width), layer.expand)
            x = torch.addmm(x, _activate(hidden, self.config), layer.contract).add_(layer.contract_bias)
        return x, state._replace(room=room, filled=end, position=state.position + places.shape[0])

    def _log_probs(self, x: Tensor) -> Tensor:
        logits = torch.addmm(self.head_bias, F.layer_norm(x, (self.config.d_model,)), self.head)
        return logits.log_softmax(-1)


def _fold(block: Block, config: Config) -> _Layer:
    attention, norm, feed_forward = block.attention, block.feed_forward_norm, block.feed_forward
    if norm is None or feed_forward is None:
        raise ValueError("a block without a feed-forward part cannot be folded")
    scale = 1 / math.sqrt(config.d_head)
    read = torch.cat([attention.query.weight * scale, attention.key_value.weight])
    bias = torch.cat([_bias(attention.query) * scale, _bias(attention.key_value)])
    return _Layer(
        *_after_norm(block.attention_norm, read, bias),
        _bias(attention.output),
        attention.output.weight.T.contiguous(),
        *_after_norm(norm, feed_forward.expand.weight, _bias(feed_forward.expand)),
        _bias(feed_forward.contract),
        feed_forward.contract.weight.T.contiguous(),
    )


def _after_norm(norm: nn.LayerNorm, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """W (g ∘ z + s) + b = (W ∘ g) z + (W s + b): bias and `(in, out)` weight for the normalised z itself."""
    return bias + weight @ norm.bias, (weight * norm.weight).T.contiguous()


def _bias(layer: nn.Linear) -> Tensor:
    return layer.weight.new_zeros(len(layer.weight)) if layer.bias is None else layer.bias.detach()


def _activate(hidden: Tensor, config: Config) -> Tensor:
    if config.activation == "relu":
        return F.relu(hidden)
    return F.gelu(hidden, approximate="tanh" if config.activation == "gelu_tanh" else "none")


def _with_space(room: Tensor, slots: int) -> Tensor:
    """The same keys and values with at least that many slots; twice as many as before if there were too few."""
    capacity = room.shape[4]
    if slots <= capacity:
        return room
    wider = room.new_zeros(*room.shape[:4], max(slots, 2 * capacity), room.shape[5])
    wider[:, :, :, :, :capacity] = room
    return wider
