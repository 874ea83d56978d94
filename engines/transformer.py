"""The transformer: one block, and the three models that are made of it.

`Encoder` (BERT-like) stacks blocks without a causal mask, `Decoder` (GPT-like) with one, `EncoderDecoder` (Vaswani et
al. 2017) lets the blocks of the second read the output of the first. Vision transformers stack the same blocks.

Shapes: tokens `(batch, length)`; vectors `(batch, length, d_model)`; queries, keys and values of heads
`(batch, heads, length, d_head)`; attention logits and weights `(batch, heads, queries, keys)`. Masks of keys are
`(batch, keys)`, True where a key may be seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple, Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.masks import visible
from engines.positions import sinusoidal
from engines.randomness import seed_for
from engines.run import Run

# -- attention of one or many heads


class Attention(Protocol):
    """Any attention that can stand in a block: softmax attention, its literal form, a Performer's.

    It is given query `(batch, heads, n_queries, d)`, key `(batch, heads, n_keys, d)` and value `(batch, heads, n_keys,
    m)` and returns `(batch, heads, n_queries, m)`, linear in the values. `causal` hides from a query the keys after
    it, the last query seeing all keys; `key_mask (batch, n_keys)` is True where a key may be seen. No mask of
    n_queries × n_keys is asked for, so that attention of linear cost stays linear.
    """

    def __call__(
        self, query: Tensor, key: Tensor, value: Tensor, *, causal: bool = False, key_mask: Tensor | None = None
    ) -> Tensor:
        """The values, weighted."""
        ...


def attention_logits(query: Tensor, key: Tensor) -> Tensor:
    """Return q kᵀ / √d: `(…, n_queries, d)`, `(…, n_keys, d)` → `(…, n_queries, n_keys)`."""
    return query @ key.mT / math.sqrt(query.shape[-1])


def attention_weights(logits: Tensor, *, causal: bool = False, key_mask: Tensor | None = None) -> Tensor:
    """Softmax over the keys that may be seen. A query that may see none gets zeros (plain softmax gives NaN)."""
    mask = visible(logits.shape[-2], key_mask, logits.shape[-1], causal=causal, device=logits.device)
    if mask is None:
        return logits.softmax(-1)
    weights = logits.masked_fill(~mask, -math.inf).softmax(-1)
    return weights if key_mask is None else weights.masked_fill(~mask.any(-1, keepdim=True), 0)


def literal_attention(
    query: Tensor, key: Tensor, value: Tensor, *, causal: bool = False, key_mask: Tensor | None = None
) -> Tensor:
    """softmax(q kᵀ / √d) v as written; time and memory n_queries · n_keys."""
    return attention_weights(attention_logits(query, key), causal=causal, key_mask=key_mask) @ value


def fused_attention(
    query: Tensor, key: Tensor, value: Tensor, *, causal: bool = False, key_mask: Tensor | None = None
) -> Tensor:
    """`literal_attention` by torch's fused kernel, which keeps no weights."""
    n_queries, n_keys = query.shape[-2], key.shape[-2]
    if causal and key_mask is None and n_queries == n_keys:
        return F.scaled_dot_product_attention(query, key, value, is_causal=True)
    mask = visible(n_queries, key_mask, n_keys, causal=causal, device=query.device)
    if key_mask is None or mask is None:
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    empty = ~mask.any(-1, keepdim=True)  # kernels differ in what they make of an empty row, so they never see one
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask | empty).masked_fill(empty, 0)


@dataclass(frozen=True)
class AttentionMap:
    """What the heads of one layer did.

    `logits` are q kᵀ / √d before any mask, and keep their gradient after a backward pass; `weights` are what the values
    were multiplied by. `query`, `key`, `value` are `(batch, heads, length, d_head)`.
    """

    logits: Tensor
    weights: Tensor
    query: Tensor
    key: Tensor
    value: Tensor


@dataclass
class Record:
    """What happened inside a stack during one forward pass: hand an empty one to the model and it is filled.

    `hidden` starts with the embeddings and has the vectors after every block (before a last normalisation).
    """

    self_attention: list[AttentionMap] = field(default_factory=list)
    cross_attention: list[AttentionMap] = field(default_factory=list)
    hidden: list[Tensor] = field(default_factory=list)

    @property
    def weights(self) -> Tensor:
        """Self-attention of every layer and head, `(layers, batch, heads, queries, keys)`."""
        return torch.stack([layer.weights for layer in self.self_attention])


# -- what a model looks like


@dataclass(frozen=True)
class Config:
    """The sizes and the choices of one stack; the defaults make a small GPT-like model.

    Attributes:
        d_ff: width between the two feed-forward layers; 0 leaves the feed-forward sublayer out.
        norm: "pre" normalises what enters a sublayer, x + f(LN(x)) (and once more at the end); "post" what leaves the
            residual sum, LN(x + f(x)), as in Vaswani et al. 2017.
        tied_embeddings: the output layer is the transposed token table.
        scale_embeddings: token (and learned position) tables have entries of size 1/√d_model and are multiplied by
            √d_model where they are read (Vaswani et al. 2017, section 3.4); GPT-2 does not.
        bias: whether linear layers have one.
        attention: what stands in every block's self-attention and cross-attention.
    """

    vocab_size: int
    d_model: int = 64
    n_heads: int = 4
    n_layers: int = 2
    d_ff: int = 256
    max_length: int = 128
    norm: Literal["pre", "post"] = "pre"
    activation: Literal["relu", "gelu", "gelu_tanh"] = "gelu"
    dropout: float = 0.0
    tied_embeddings: bool = True
    scale_embeddings: bool = True
    positions: Literal["sinusoidal", "learned"] = "learned"
    bias: bool = True
    attention: Attention = fused_attention

    @property
    def d_head(self) -> int:
        """Width of one head."""
        return self.d_model // self.n_heads

    def __post_init__(self) -> None:
        if self.d_model % self.n_heads:
            raise ValueError(f"d_model = {self.d_model} is no multiple of n_heads = {self.n_heads}")


# -- layers


class KeysValues(NamedTuple):
    """Keys and values of one attention layer, `(batch, heads, n_keys, d_head)` each."""

    key: Tensor
    value: Tensor


class MultiHeadAttention(nn.Module):
    """h attentions side by side in subspaces of d_model / h dimensions, then mixed by a linear layer.

    headᵢ = Attention(x Wᵢ^Q, memory Wᵢ^K, memory Wᵢ^V), output = [head₁ … headₕ] W^O. The memory is x itself in
    self-attention, or the output of an encoder, whose width `d_memory` need not be d_model.
    """

    def __init__(self, config: Config, d_memory: int | None = None) -> None:
        super().__init__()
        self.n_heads = config.n_heads
        self.attend = config.attention
        self.query = nn.Linear(config.d_model, config.d_model, bias=config.bias)
        self.key_value = nn.Linear(d_memory or config.d_model, 2 * config.d_model, bias=config.bias)
        self.output = nn.Linear(config.d_model, config.d_model, bias=config.bias)

    def keys_values(self, memory: Tensor) -> KeysValues:
        """What can be read of a memory `(batch, n_keys, d_memory)`."""
        batch, n_keys, _ = memory.shape
        both = self.key_value(memory).view(batch, n_keys, 2, self.n_heads, -1)
        key, value = both.permute(2, 0, 3, 1, 4).unbind()  # (batch, heads, n_keys, d_head) each
        return KeysValues(key, value)

    def forward(
        self,
        x: Tensor,
        memory: KeysValues,
        *,
        causal: bool = False,
        key_mask: Tensor | None = None,
        maps: list[AttentionMap] | None = None,
    ) -> Tensor:
        """Let x `(batch, n_queries, d_model)` read the memory: `(batch, n_queries, d_model)`."""
        batch, n_queries, d_model = x.shape
        query = self.query(x).view(batch, n_queries, self.n_heads, -1).transpose(1, 2)  # (batch, heads, n_queries, d)
        if maps is None:
            heads = self.attend(query, *memory, causal=causal, key_mask=key_mask)
        else:
            maps.append(self._observed(query, memory, causal=causal, key_mask=key_mask))
            heads = maps[-1].weights @ memory.value
        output: Tensor = self.output(heads.transpose(1, 2).reshape(batch, n_queries, d_model))
        return output

    def _observed(self, query: Tensor, memory: KeysValues, *, causal: bool, key_mask: Tensor | None) -> AttentionMap:
        logits = attention_logits(query, memory.key)
        if logits.requires_grad:
            logits.retain_grad()
        if self.attend in (fused_attention, literal_attention):
            weights = attention_weights(logits, causal=causal, key_mask=key_mask)
        else:  # linear in its values, so its weights are what it makes of the identity
            n_keys = memory.key.shape[2]
            identity = torch.eye(n_keys, dtype=query.dtype, device=query.device).expand(*query.shape[:2], -1, -1)
            weights = self.attend(query, memory.key, identity, causal=causal, key_mask=key_mask)
        return AttentionMap(logits, weights, query, *memory)


class FeedForward(nn.Module):
    """Two linear layers with a nonlinearity between, the same at every position (two 1×1 convolutions)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.expand = nn.Linear(config.d_model, config.d_ff, bias=config.bias)
        self.contract = nn.Linear(config.d_ff, config.d_model, bias=config.bias)
        self.activation = config.activation

    def forward(self, x: Tensor) -> Tensor:
        """`(…, d_model)` → `(…, d_model)`."""
        hidden = self.expand(x)
        if self.activation == "relu":
            hidden = F.relu(hidden)
        else:
            hidden = F.gelu(hidden, approximate="tanh" if self.activation == "gelu_tanh" else "none")
        output: Tensor = self.contract(hidden)
        return output


class Past(NamedTuple):
    """Room for the keys and values of one layer, `(2, batch, heads, max_length, d_head)`, filled up to `position`."""

    room: Tensor
    position: int

    def extend(self, new: KeysValues) -> KeysValues:
        """Write new keys and values behind the filled part, in place, and give back all there are."""
        end = self.position + new.key.shape[2]
        self.room[0, :, :, self.position : end] = new.key
        self.room[1, :, :, self.position : end] = new.value
        return KeysValues(self.room[0, :, :, :end], self.room[1, :, :, :end])


class Block(nn.Module):
    """Self-attention, attention to a memory if `d_memory` says how wide it is, and the feed-forward network.

    Each is one residual sublayer, with its normalisation before or after it.
    """

    def __init__(self, config: Config, d_memory: int | None = None) -> None:
        super().__init__()
        self.pre = config.norm == "pre"
        self.attention_norm = nn.LayerNorm(config.d_model)
        self.attention = MultiHeadAttention(config)
        self.cross_norm = None if d_memory is None else nn.LayerNorm(config.d_model)
        self.cross = None if d_memory is None else MultiHeadAttention(config, d_memory)
        self.feed_forward_norm = nn.LayerNorm(config.d_model) if config.d_ff else None
        self.feed_forward = FeedForward(config) if config.d_ff else None
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        x: Tensor,
        memory: KeysValues | None = None,
        *,
        causal: bool = False,
        key_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        past: Past | None = None,
        record: Record | None = None,
    ) -> Tensor:
        """Vectors `(batch, length, d_model)` → the same shape. With a `past`, they are the positions that follow it."""

        def read_itself(x: Tensor) -> Tensor:
            own = self.attention.keys_values(x)
            own = own if past is None else past.extend(own)
            maps = None if record is None else record.self_attention
            output: Tensor = self.attention(x, own, causal=causal, key_mask=key_mask, maps=maps)
            return output

        def read_memory(x: Tensor) -> Tensor:
            assert self.cross is not None
            assert memory is not None
            maps = None if record is None else record.cross_attention
            output: Tensor = self.cross(x, memory, key_mask=memory_mask, maps=maps)
            return output

        x = self._sublayer(x, self.attention_norm, read_itself)
        if self.cross_norm is not None:
            x = self._sublayer(x, self.cross_norm, read_memory)
        if self.feed_forward is not None:
            x = self._sublayer(x, self.feed_forward_norm, self.feed_forward)
        return x

    def _sublayer(self, x: Tensor, norm: nn.Module | None, function: Callable[[Tensor], Tensor]) -> Tensor:
        assert norm is not None
        if self.pre:
            return x + cast(Tensor, self.dropout(function(norm(x))))
        return cast(Tensor, norm(x + self.dropout(function(x))))


@dataclass
class Cache:
    """All keys and values that decoding has made so far, and those of the encoder's output, made once.

    `own` is one tensor `(layers, 2, batch, heads, max_length, d_head)`, written in place. `memory` has a pair for every
    layer, `memory_mask` is `(batch, n_source)`.
    """

    own: Tensor
    memory: list[KeysValues] | None = None
    memory_mask: Tensor | None = None

    def reorder(self, rows: Tensor, length: int) -> None:
        """Row i becomes a copy of row `rows[i]`, up to `length` positions, as when beams take over their parents' past.

        The encoder's part stays where it is: rows may only trade places with rows of the same source.
        """
        self.own[:, :, :, :, :length] = self.own[:, :, rows, :, :length]


class Stack(nn.Module):
    """n_layers blocks, and a last normalisation where the blocks normalise their inputs."""

    def __init__(self, config: Config, *, causal: bool = False, d_memory: int | None = None) -> None:
        super().__init__()
        self.config = config
        self.causal = causal
        self.blocks = nn.ModuleList(Block(config, d_memory) for _ in range(config.n_layers))
        self.last_norm = nn.LayerNorm(config.d_model) if config.norm == "pre" else nn.Identity()

    def forward(
        self,
        x: Tensor,
        memory: list[KeysValues] | None = None,
        *,
        key_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        record: Record | None = None,
        cache: Cache | None = None,
        position: int = 0,
    ) -> Tensor:
        """Vectors `(batch, length, d_model)` through all blocks; with a cache they stand at `position` and on."""
        if record is not None:
            record.hidden.append(x)
        for i, block in enumerate(self.blocks):
            x = block(
                x,
                None if memory is None else memory[i],
                causal=self.causal,
                key_mask=key_mask,
                memory_mask=memory_mask,
                past=None if cache is None else Past(cache.own[i], position),
                record=record,
            )
            if record is not None:
                record.hidden.append(x)
        return cast(Tensor, self.last_norm(x))

    def read(self, memory: Tensor) -> list[KeysValues]:
        """Keys and values of an encoder's output `(batch, n_source, d_memory)` for every block's cross-attention."""
        layers = [cast(MultiHeadAttention, block.cross) for block in self.blocks]
        return [layer.keys_values(memory) for layer in layers]

    def room(self, batch: int, max_length: int) -> Tensor:
        """An empty cache of this stack's own keys and values."""
        c, like = self.config, next(self.parameters())
        shape = (c.n_layers, 2, batch, c.n_heads, max_length, c.d_head)
        return torch.zeros(shape, dtype=like.dtype, device=like.device)


class Embedding(nn.Module):
    """Tokens to vectors: a table of tokens plus positions; and back from vectors to logits of tokens."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.tokens = nn.Embedding(config.vocab_size, config.d_model)
        self.scale = math.sqrt(config.d_model) if config.scale_embeddings else 1.0
        self.max_length = config.max_length
        self.learned = nn.Embedding(config.max_length, config.d_model) if config.positions == "learned" else None
        table = sinusoidal(torch.arange(config.max_length), config.d_model)
        self.register_buffer("fixed", table if self.learned is None else None, persistent=False)
        self.dropout = nn.Dropout(config.dropout)
        self.head = None if config.tied_embeddings else nn.Linear(config.d_model, config.vocab_size, bias=False)

    def forward(self, tokens: Tensor, position: int = 0) -> Tensor:
        """Token ids `(batch, length)` that stand at `position` and on → `(batch, length, d_model)`.

        Raises:
            ValueError: if they reach beyond `max_length`.
        """
        end = position + tokens.shape[1]
        if end > self.max_length:
            raise ValueError(f"{end} positions, the model has {self.max_length}")
        if self.learned is None:
            places = cast(Tensor, self.fixed)[position:end].to(self.tokens.weight.dtype)
        else:
            places = self.learned.weight[position:end] * self.scale
        return cast(Tensor, self.dropout(self.tokens(tokens) * self.scale + places))

    def logits(self, x: Tensor) -> Tensor:
        """Vectors `(…, d_model)` → `(…, vocab_size)`."""
        return F.linear(x, self.tokens.weight if self.head is None else self.head.weight)


# -- the three models


class Encoder(nn.Module):
    """BERT-like: every token sees all tokens; logits of every token for a masked language model."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embedding = Embedding(config)
        self.stack = Stack(config)

    def encode(self, tokens: Tensor, key_mask: Tensor | None = None, record: Record | None = None) -> Tensor:
        """Tokens `(batch, length)` → vectors `(batch, length, d_model)`."""
        return cast(Tensor, self.stack(self.embedding(tokens), key_mask=key_mask, record=record))

    def forward(self, tokens: Tensor, key_mask: Tensor | None = None, record: Record | None = None) -> Tensor:
        """Tokens `(batch, length)` → logits `(batch, length, vocab_size)`."""
        return self.embedding.logits(self.encode(tokens, key_mask, record))


class Decoder(nn.Module):
    """GPT-like: every token sees itself and the earlier ones; logits of the token that follows each."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embedding = Embedding(config)
        self.stack = Stack(config, causal=True)

    def forward(self, tokens: Tensor, key_mask: Tensor | None = None, record: Record | None = None) -> Tensor:
        """Tokens `(batch, length)` → logits `(batch, length, vocab_size)`. Pads at the end need no mask."""
        return self.embedding.logits(self.stack(self.embedding(tokens), key_mask=key_mask, record=record))

    def cache(self, batch: int, max_length: int | None = None) -> Cache:
        """An empty cache for sequences of at most `max_length` tokens."""
        return Cache(self.stack.room(batch, max_length or self.config.max_length))

    def step(self, tokens: Tensor, cache: Cache, position: int) -> Tensor:
        """Logits `(batch, vocab_size)` of the token after `tokens (batch, n)`, which stand at `position` and on.

        The tokens before `position` are in the cache; these are added to it.
        """
        x = self.stack(self.embedding(tokens, position), cache=cache, position=position)
        return self.embedding.logits(x[:, -1])


class EncoderDecoder(nn.Module):
    """The transformer of Vaswani et al. 2017. Encoder and decoder may differ in every size.

    Only the key and value layers of the cross-attention have to accept the encoder's width, and the vocabularies are
    shared only if `share_embeddings` says so (EECS 182, homework 8 (fall 2022), question 1d).
    """

    def __init__(self, encoder: Config, decoder: Config, *, share_embeddings: bool = False) -> None:
        super().__init__()
        if share_embeddings and (encoder.vocab_size, encoder.d_model) != (decoder.vocab_size, decoder.d_model):
            raise ValueError("shared embeddings need one vocabulary and one width")
        self.config = decoder
        self.source = Embedding(replace(encoder, tied_embeddings=True))  # nothing is predicted in the source
        self.target = Embedding(decoder)
        if share_embeddings:
            self.source.tokens = self.target.tokens
        self.encoder = Stack(encoder)
        self.decoder = Stack(decoder, causal=True, d_memory=encoder.d_model)

    def encode(self, source: Tensor, source_mask: Tensor | None = None, record: Record | None = None) -> Tensor:
        """Source tokens `(batch, n_source)` → the memory `(batch, n_source, d_encoder)`."""
        return cast(Tensor, self.encoder(self.source(source), key_mask=source_mask, record=record))

    def forward(
        self,
        source: Tensor,
        target: Tensor,
        source_mask: Tensor | None = None,
        target_mask: Tensor | None = None,
        *,
        encoder_record: Record | None = None,
        record: Record | None = None,
    ) -> Tensor:
        """Logits `(batch, n_target, vocab_size)` of the token that follows each target token.

        Masks are True at tokens and False at pads. Pads at the end of the target need no mask.
        """
        memory = self.encode(source, source_mask, encoder_record)
        x = self.decoder(
            self.target(target),
            self.decoder.read(memory),
            key_mask=target_mask,
            memory_mask=source_mask,
            record=record,
        )
        return self.target.logits(x)

    def cache(
        self, source: Tensor, source_mask: Tensor | None = None, *, copies: int = 1, max_length: int | None = None
    ) -> Cache:
        """Encode the source once, and make room for `copies` targets of each (beams side by side)."""
        memory = self.encode(source, source_mask).repeat_interleave(copies, 0)
        mask = None if source_mask is None else source_mask.repeat_interleave(copies, 0)
        room = self.decoder.room(len(memory), max_length or self.config.max_length)
        return Cache(room, self.decoder.read(memory), mask)

    def step(self, tokens: Tensor, cache: Cache, position: int) -> Tensor:
        """Logits `(batch, vocab_size)` of the token after `tokens (batch, n)`, which stand at `position` and on."""
        x = self.decoder(
            self.target(tokens, position),
            cache.memory,
            memory_mask=cache.memory_mask,
            cache=cache,
            position=position,
        )
        return self.target.logits(x[:, -1])


# -- randomness: everything comes from (seed, name)


def initialise(module: nn.Module, run: Run, name: str = "weights") -> None:
    """Draw all weights of a module by (seed, name) and move it to the run's device and dtype.

    Linear layers get the spread that torch gives them, 1/√(3 · fan_in), and no bias; tables 1/√width;
    normalisations start as the identity.
    """
    module.to(run.device, run.dtype)
    drawn: set[int] = set()
    with torch.no_grad():
        for path, layer in module.named_modules():
            for part, parameter in layer.named_parameters(recurse=False):
                if id(parameter) in drawn:
                    continue
                drawn.add(id(parameter))
                if isinstance(layer, nn.LayerNorm):
                    parameter.fill_(1.0 if part == "weight" else 0.0)
                elif parameter.dim() == 1:
                    parameter.zero_()
                else:
                    width = parameter.shape[-1] if isinstance(layer, nn.Embedding) else 3 * parameter[0].numel()
                    values = run.randn(f"{name}/{path}.{part}", *parameter.shape)
                    parameter.copy_(values / math.sqrt(width))


@contextmanager
def seeded(run: Run, name: str) -> Iterator[None]:
    """What draws from torch's own generator in this block (dropout) depends on (seed, name) alone."""
    devices = [run.device] if run.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed_for(run.seed, name))
        yield
