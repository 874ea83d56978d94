"""A random GPT-2 of transformers beside ours with the same weights, for tests and benchmarks."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from engines.transformer import Config, Decoder


def gpt2_pair(config: Config, seed: int, spread: float = 0.4) -> tuple[Any, Decoder]:
    """Theirs and ours, in eval mode, of these sizes and GPT-2's choices; the test is skipped without transformers.

    `spread` is the standard deviation of the weights; GPT-2's own 0.02 makes distributions nearly flat.
    """
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(seed)
    theirs = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            vocab_size=config.vocab_size,
            n_positions=config.max_length,
            n_embd=config.d_model,
            n_layer=config.n_layers,
            n_head=config.n_heads,
            n_inner=config.d_ff,
            initializer_range=spread,
            bos_token_id=None,
            eos_token_id=None,
        )
    ).eval()
    theirs.generation_config.pad_token_id = 0
    ours = Decoder(dataclasses.replace(config, activation="gelu_tanh", scale_embeddings=False)).eval()
    _copy(theirs, ours)
    return theirs, ours


@torch.no_grad()
def _copy(theirs: Any, ours: Decoder) -> None:
    """All weights; GPT-2 keeps its matrices as (in, out), and queries, keys and values in one."""
    gpt, stack, width = theirs.transformer, ours.stack, ours.config.d_model
    assert ours.embedding.learned is not None
    ours.embedding.tokens.weight.copy_(gpt.wte.weight)
    ours.embedding.learned.weight.copy_(gpt.wpe.weight)
    stack.last_norm.load_state_dict(gpt.ln_f.state_dict())
    block: Any
    for block, other in zip(stack.blocks, gpt.h, strict=True):
        block.attention_norm.load_state_dict(other.ln_1.state_dict())
        block.feed_forward_norm.load_state_dict(other.ln_2.state_dict())
        weight, bias = other.attn.c_attn.weight.T, other.attn.c_attn.bias
        block.attention.query.weight.copy_(weight[:width])
        block.attention.query.bias.copy_(bias[:width])
        block.attention.key_value.weight.copy_(weight[width:])
        block.attention.key_value.bias.copy_(bias[width:])
        for layer, source in (
            (block.attention.output, other.attn.c_proj),
            (block.feed_forward.expand, other.mlp.c_fc),
            (block.feed_forward.contract, other.mlp.c_proj),
        ):
            layer.weight.copy_(source.weight.T)
            layer.bias.copy_(source.bias)
