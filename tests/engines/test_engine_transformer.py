"""The blocks and the three models: against torch's own layers with copied weights, and against themselves."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.counting import Watch
from engines.masks import causal_mask
from engines.run import Run
from engines.transformer import (
    Attention,
    Block,
    Config,
    Decoder,
    Embedding,
    Encoder,
    EncoderDecoder,
    MultiHeadAttention,
    Record,
    attention_logits,
    fused_attention,
    initialise,
    literal_attention,
    seeded,
)

RUN = Run(dtype=torch.float64, seed=3)
SMALL = Config(vocab_size=11, d_model=12, n_heads=3, n_layers=2, d_ff=20, max_length=16)


def made(module: Any, run: Run = RUN) -> Any:
    initialise(module, run)
    return module.eval()


def changed(config: Config, **more: Any) -> Config:
    return Config(**{**config.__dict__, **more})


def tokens(*shape: int) -> Tensor:
    return RUN.randint("tokens", 11, *shape)


def heads(*shape: int) -> Tensor:
    return RUN.randn(f"heads {shape}", *shape)


def copy_attention(ours: MultiHeadAttention, theirs: nn.MultiheadAttention) -> None:
    """Give torch's layer our weights."""
    state = {"out_proj.weight": ours.output.weight, "out_proj.bias": ours.output.bias}
    key, value = ours.key_value.weight.chunk(2)
    if not theirs._qkv_same_embed_dim:
        state |= {"q_proj_weight": ours.query.weight, "k_proj_weight": key, "v_proj_weight": value}
    else:
        state["in_proj_weight"] = torch.cat([ours.query.weight, ours.key_value.weight])
    state["in_proj_bias"] = torch.cat([ours.query.bias, ours.key_value.bias])
    theirs.load_state_dict(state)


def copy_rest(ours: Any, theirs: Any, norms: dict[str, Any]) -> None:
    theirs.linear1.load_state_dict(ours.feed_forward.expand.state_dict())
    theirs.linear2.load_state_dict(ours.feed_forward.contract.state_dict())
    for name, norm in norms.items():
        getattr(theirs, name).load_state_dict(norm.state_dict())


def stirred(module: Any) -> Any:
    """All weights, biases and gains random: a wrong place for any of them shows."""
    for name, parameter in module.named_parameters():
        parameter.data = 0.4 * RUN.randn(f"stirred {name}", *parameter.shape)
    return module.double().eval()


# -- attention


@pytest.mark.parametrize("lengths", [(1, 1), (7, 7), (3, 8), (1, 5)], ids=str)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("padded", [False, True])
def test_the_fused_form_is_the_literal_form(lengths: tuple[int, int], causal: bool, padded: bool) -> None:
    n, m = lengths
    q, k, v = heads(2, 3, n, 4), heads(2, 3, m, 4), heads(2, 3, m, 5)
    key_mask = torch.arange(m) < torch.tensor([[m], [max(1, m - 2)]]) if padded else None
    got, fused = (f(q, k, v, causal=causal, key_mask=key_mask) for f in (literal_attention, fused_attention))
    assert torch.allclose(got, fused, rtol=1e-12, atol=1e-12)
    mask = torch.ones(2, 1, n, m, dtype=torch.bool)
    mask = mask & causal_mask(n, m) if causal else mask
    mask = mask if key_mask is None else mask & key_mask[:, None, None, :]
    for b in range(2):
        for h in range(3):
            for i in range(n):
                seen = mask[b, 0, i].nonzero().flatten().tolist()
                weights = [math.exp(float(q[b, h, i] @ k[b, h, j]) / 2) for j in seen]
                want = torch.tensor(weights, dtype=v.dtype) @ v[b, h, seen] / sum(weights)
                assert torch.allclose(got[b, h, i], want, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("attention", [literal_attention, fused_attention])
def test_a_query_that_may_see_nothing_reads_zero_and_sends_no_nan_back(attention: Attention) -> None:
    q, k, v = (heads(2, 1, n, 4).clone().requires_grad_() for n in (3, 5, 5))
    key_mask = torch.tensor([[True] * 5, [False] * 5])
    output = attention(q, k, v, key_mask=key_mask)
    assert not output[1].any()
    output.square().sum().backward()
    for tensor in (q, k, v):
        assert tensor.grad is not None
        assert tensor.grad.isfinite().all()
        assert not tensor.grad[1].any()
        assert tensor.grad[0].any()


@pytest.mark.parametrize("size", [1e-30, 1e4])
def test_tiny_and_huge_logits(size: float) -> None:
    q, k, v = size * heads(1, 1, 4, 4), size * heads(1, 1, 6, 4), heads(1, 1, 6, 4)
    got, fused = (f(q, k, v, causal=True) for f in (literal_attention, fused_attention))
    assert torch.allclose(got, fused, atol=1e-12)
    assert got.isfinite().all()


def test_nan_in_one_value_stays_where_it_can_be_seen() -> None:
    q, k, v = heads(1, 1, 5, 4), heads(1, 1, 5, 4), heads(1, 1, 5, 4).clone()
    v[0, 0, 3] = math.nan
    output = literal_attention(q[:, :, :3], k[:, :, :3], v[:, :, :3], causal=True)
    assert output.isfinite().all()
    assert literal_attention(q, k, v, causal=True)[0, 0, 3:].isnan().all()


# -- blocks, with copied weights


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("widths", [(12, None), (12, 7)], ids=["self", "kdim"])
def test_many_heads_are_torchs(causal: bool, widths: tuple[int, int | None]) -> None:
    d_model, d_memory = widths
    ours = stirred(MultiHeadAttention(SMALL, d_memory))
    theirs = nn.MultiheadAttention(d_model, 3, kdim=d_memory, vdim=d_memory, batch_first=True).double()
    copy_attention(ours, theirs)
    x, memory = heads(2, 6, d_model), heads(2, 6, d_memory or d_model)
    hidden = ~causal_mask(6, 6) if causal else None
    want, weights = theirs(x, memory, memory, attn_mask=hidden, average_attn_weights=False)
    maps: list[Any] = []
    got = ours(x, ours.keys_values(memory), causal=causal, maps=maps)
    assert torch.allclose(got, want, rtol=1e-12, atol=1e-12)
    assert torch.allclose(maps[0].weights, weights, atol=1e-12)
    assert torch.allclose(ours(x, ours.keys_values(memory), causal=causal), want, atol=1e-12)


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("causal", [False, True])
def test_a_block_is_torchs_encoder_layer(norm: Any, activation: Any, causal: bool) -> None:
    ours = stirred(Block(changed(SMALL, norm=norm, activation=activation)))
    theirs = nn.TransformerEncoderLayer(
        12, 3, 20, dropout=0.0, activation=activation, batch_first=True, norm_first=norm == "pre"
    ).double()
    copy_attention(ours.attention, theirs.self_attn)
    copy_rest(ours, theirs, {"norm1": ours.attention_norm, "norm2": ours.feed_forward_norm})
    x, real = heads(2, 6, 12), torch.arange(6) < torch.tensor([[6], [4]])
    hidden = ~causal_mask(6, 6) if causal else None
    want = theirs(x, src_mask=hidden, src_key_padding_mask=~real)
    assert torch.allclose(ours(x, causal=causal, key_mask=real), want, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_block_with_a_memory_is_torchs_decoder_layer(norm: Any) -> None:
    ours = stirred(Block(changed(SMALL, norm=norm), d_memory=12))
    theirs = nn.TransformerDecoderLayer(
        12, 3, 20, dropout=0.0, activation="gelu", batch_first=True, norm_first=norm == "pre"
    ).double()
    copy_attention(ours.attention, theirs.self_attn)
    copy_attention(ours.cross, theirs.multihead_attn)
    norms = {"norm1": ours.attention_norm, "norm2": ours.cross_norm, "norm3": ours.feed_forward_norm}
    copy_rest(ours, theirs, norms)
    x, memory, real = heads(2, 6, 12), heads(2, 5, 12), torch.arange(5) < torch.tensor([[5], [3]])
    want = theirs(x, memory, tgt_mask=~causal_mask(6, 6), memory_key_padding_mask=~real)
    got = ours(x, ours.cross.keys_values(memory), causal=True, memory_mask=real)
    assert torch.allclose(got, want, rtol=1e-11, atol=1e-11)


# -- the three models


@pytest.mark.parametrize("positions", ["learned", "sinusoidal"])
@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_decoder_does_not_look_ahead_and_an_encoder_does(positions: Any, norm: Any) -> None:
    config = changed(SMALL, positions=positions, norm=norm)
    x = tokens(2, 9)
    other = x.clone()
    other[:, 5] = (x[:, 5] + 1) % 11
    decoder, encoder = made(Decoder(config)), made(Encoder(config))
    assert torch.equal(decoder(x)[:, :5], decoder(other)[:, :5])
    assert not torch.allclose(decoder(x)[:, 5:], decoder(other)[:, 5:])
    assert not torch.allclose(encoder(x)[:, :5], encoder(other)[:, :5])


def test_pads_change_nothing() -> None:
    model = made(EncoderDecoder(SMALL, changed(SMALL, d_model=6, n_heads=2)))
    source, target = tokens(2, 7), tokens(2, 5)
    real = torch.arange(7) < torch.tensor([[7], [4]])
    other = torch.where(real, source, (source + 1) % 11)
    assert torch.equal(model(source, target, real), model(other, target, real))
    alone = model(source[1:, :4], target[1:])
    assert torch.allclose(model(source, target, real)[1:], alone, atol=1e-12)


@pytest.mark.parametrize("tied", [True, False])
def test_encoder_and_decoder_widths_may_differ(tied: bool) -> None:
    """Homework 8, question 1d."""
    encoder, decoder = changed(SMALL, d_model=6, n_heads=2, vocab_size=5), changed(SMALL, tied_embeddings=tied)
    model = made(EncoderDecoder(encoder, decoder))
    assert model(tokens(2, 7) % 5, tokens(2, 4)).shape == (2, 4, 11)
    with pytest.raises(ValueError, match="one vocabulary and one width"):
        EncoderDecoder(encoder, decoder, share_embeddings=True)


def test_shared_embeddings_are_one_table() -> None:
    apart, shared = (EncoderDecoder(SMALL, SMALL, share_embeddings=share) for share in (False, True))
    count = [sum(p.numel() for p in model.parameters()) for model in (apart, shared)]
    assert count[0] - count[1] == 11 * 12
    made(shared)
    assert shared.source.tokens.weight is shared.target.tokens.weight


@pytest.mark.parametrize("pieces", [(1,) * 9, (4, 1, 1, 3), (9,)], ids=str)
def test_decoding_with_a_cache_is_the_whole_forward_pass(pieces: tuple[int, ...]) -> None:
    x, memory, real = tokens(2, 9), tokens(2, 6), torch.arange(6) < torch.tensor([[6], [2]])
    gpt, both = made(Decoder(SMALL)), made(EncoderDecoder(changed(SMALL, d_model=6), SMALL))
    cases = [(gpt, gpt.cache(2), gpt(x)), (both, both.cache(memory, real), both(memory, x, real))]
    for model, cache, want in cases:
        position = 0
        for n in pieces:
            logits = model.step(x[:, position : position + n], cache, position)
            position += n
            assert torch.allclose(logits, want[:, position - 1], rtol=1e-12, atol=1e-12)


def test_a_cache_writes_in_place_and_asks_the_encoder_once() -> None:
    model = made(EncoderDecoder(SMALL, SMALL))
    calls: list[int] = []
    model.encoder.register_forward_hook(lambda *_: calls.append(1))
    for block in model.decoder.blocks:
        block.cross.key_value.register_forward_hook(lambda *_: calls.append(2))
    with torch.no_grad():
        cache = model.cache(tokens(1, 6), copies=3, max_length=8)
        place = cache.own.data_ptr()
        for t in range(8):
            model.step(tokens(3, 1), cache, t)
    assert calls == [1, 2, 2]
    assert cache.own.data_ptr() == place
    assert cache.own.shape == (2, 2, 3, 3, 8, 4)


def test_beams_take_over_the_past_of_their_parents() -> None:
    model = made(Decoder(SMALL))
    x, parents = tokens(3, 6), torch.tensor([2, 0, 0])
    cache = model.cache(3)
    model.step(x, cache, 0)
    untouched = cache.own[:, :, :, :, 6:].clone()
    cache.reorder(parents, 6)
    assert torch.equal(cache.own[:, :, :, :, 6:], untouched)
    new = torch.tensor([[1], [2], [3]])
    want = model(torch.cat([x[parents], new], 1))[:, -1]
    assert torch.allclose(model.step(new, cache, 6), want, atol=1e-12)


def test_too_long_is_said() -> None:
    model = made(Decoder(SMALL))
    with pytest.raises(ValueError, match="17 positions, the model has 16"):
        model(tokens(1, 17))
    with pytest.raises(ValueError, match="17 positions"):
        model.step(tokens(1, 1), model.cache(1), 16)
    with pytest.raises(ValueError, match="no multiple of"):
        changed(SMALL, n_heads=5)


# -- records


def test_a_record_has_every_layer_and_head_and_changes_nothing() -> None:
    model = made(EncoderDecoder(SMALL, changed(SMALL, n_layers=3)))
    source, target, real = tokens(2, 7), tokens(2, 5), torch.arange(7) < torch.tensor([[7], [4]])
    encoder, decoder = Record(), Record()
    got = model(source, target, real, encoder_record=encoder, record=decoder)
    assert torch.allclose(got, model(source, target, real), atol=1e-12)
    assert encoder.weights.shape == (2, 2, 3, 7, 7)
    assert decoder.weights.shape == (3, 2, 3, 5, 5)
    assert len(decoder.cross_attention) == 3
    assert len(decoder.hidden) == 4
    assert torch.equal(decoder.weights.triu(1), torch.zeros_like(decoder.weights))
    for layer in (*encoder.self_attention, *decoder.cross_attention):
        assert torch.allclose(layer.weights.sum(-1), torch.ones_like(layer.weights[..., 0]))
        assert not layer.weights[1, :, :, 4:].any()
        assert torch.equal(layer.logits, attention_logits(layer.query, layer.key))


def test_logits_keep_their_gradient() -> None:
    model, record = made(Decoder(SMALL)), Record()
    logits = model(tokens(2, 6), record=record)
    F.cross_entropy(logits[:, -1], torch.tensor([1, 2])).backward()
    for layer in record.self_attention:
        assert layer.logits.grad is not None
        assert layer.logits.grad.any()
        # Softmax does not feel a constant added to all logits of a query.
        seen = layer.logits.grad.tril().sum(-1)
        assert torch.allclose(seen, torch.zeros_like(seen), atol=1e-15)


def blurred(
    query: Tensor, key: Tensor, value: Tensor, *, causal: bool = False, key_mask: Tensor | None = None
) -> Tensor:
    """Another attention: half of softmax, half of the first key."""
    return 0.5 * literal_attention(query, key, value, causal=causal, key_mask=key_mask) + 0.5 * value[:, :, :1]


def test_another_attention_stands_in_and_its_weights_are_seen() -> None:
    plain, other = made(Decoder(SMALL)), made(Decoder(changed(SMALL, attention=blurred)))
    x, record = tokens(2, 6), Record()
    assert not torch.allclose(plain(x), other(x))
    assert torch.allclose(other(x, record=record), other(x), atol=1e-12)
    own = record.self_attention[0]
    want = 0.5 * own.logits.masked_fill(~causal_mask(6, 6), -math.inf).softmax(-1)
    want[..., 0] += 0.5
    assert torch.allclose(own.weights, want, atol=1e-12)
    cache = other.cache(2)
    for t in range(6):
        logits = other.step(x[:, t : t + 1], cache, t)
    assert torch.allclose(logits, other(x)[:, -1], atol=1e-12)


def test_training_keeps_no_map_unless_asked() -> None:
    """The fused form keeps O(n) for the backward pass; with a record the maps are there."""
    model, long = made(Decoder(changed(SMALL, max_length=256, n_layers=1))), tokens(2, 256)
    weights = 2 * 3 * 256 * 256 * 8
    peaks = []
    for record in (None, Record()):
        with Watch(tuple(model.parameters())) as watch:
            model(long, record=record).sum().backward()
        peaks.append(watch.peak_bytes)
    assert peaks[1] - peaks[0] > weights


# -- weights


def test_weights_depend_on_seed_and_name_alone() -> None:
    first, again, other = (made(Decoder(SMALL), Run(seed=seed)) for seed in (1, 1, 2))
    torch.manual_seed(5)
    for a, b, c in zip(first.parameters(), again.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        assert a.dim() == 1 or not torch.equal(a, c)
    wide = made(Decoder(changed(SMALL, d_ff=32)), Run(seed=1))
    assert torch.equal(wide.stack.blocks[0].attention.query.weight, first.stack.blocks[0].attention.query.weight)


def test_weights_have_the_spread_that_is_promised() -> None:
    model = made(Decoder(Config(vocab_size=2000, d_model=256, n_heads=4, tied_embeddings=False)))
    block = model.stack.blocks[0]
    for weight, want in (
        (block.attention.query.weight, 1 / math.sqrt(3 * 256)),
        (block.feed_forward.contract.weight, 1 / math.sqrt(3 * 256)),
        (model.embedding.tokens.weight, 1 / math.sqrt(256)),
        (model.embedding.head.weight, 1 / math.sqrt(3 * 256)),
    ):
        assert weight.std().item() == pytest.approx(want, rel=0.02)
    assert not block.attention.query.bias.any()
    assert torch.equal(block.attention_norm.weight, torch.ones_like(block.attention_norm.weight))


def test_dropout_depends_on_seed_and_name_alone() -> None:
    layer, x = nn.Dropout(0.5), torch.ones(100)
    torch.manual_seed(1)
    want = torch.rand(1)
    torch.manual_seed(1)
    drawn = []
    for name in ("a", "a", "b"):
        with seeded(RUN, name):
            drawn.append(layer(x))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert torch.equal(torch.rand(1), want)  # torch's own generator is where it was


def test_embeddings_and_positions() -> None:
    for scale, factor in ((True, math.sqrt(12)), (False, 1.0)):
        learned = made(Embedding(changed(SMALL, scale_embeddings=scale)))
        x = tokens(1, 3)
        want = factor * (learned.tokens.weight[x[0]] + learned.learned.weight[4:7])
        assert torch.allclose(learned(x, position=4)[0], want)
        assert torch.allclose(learned.logits(heads(3, 12)), heads(3, 12) @ learned.tokens.weight.T)
    fixed = made(Embedding(changed(SMALL, positions="sinusoidal")))
    places = fixed(torch.zeros(1, 8, dtype=torch.long)) - math.sqrt(12) * fixed.tokens.weight[0]
    assert places[0, 5, 0].item() == pytest.approx(math.sin(5))
    assert places[0, 5, 3].item() == pytest.approx(math.cos(5 * 10_000 ** (-2 / 12)))
