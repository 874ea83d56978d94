"""Transformers with a cache against the same transformers without one, and beam search against transformers' own."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from engines.language_models import PrefixModel
from engines.run import Run
from engines.search import LanguageModel, beam_search, exhaustive_search, greedy_search, power_penalty
from engines.transformer import Config, Decoder, EncoderDecoder, initialise, literal_attention
from engines.transformer_decoding import CachedTransformer, SharedCacheTransformer
from tests.engines.gpt2 import gpt2_pair

SMALL = Config(vocab_size=11, d_model=16, n_heads=2, n_layers=2, d_ff=24, max_length=24)
CONFIGS = [
    SMALL,
    dataclasses.replace(SMALL, activation="relu", tied_embeddings=False, scale_embeddings=False),
    dataclasses.replace(SMALL, activation="gelu_tanh", positions="sinusoidal", bias=False, n_heads=4),
    dataclasses.replace(SMALL, attention=literal_attention, n_layers=1, n_heads=1),
]


def ready(model: Any, dtype: torch.dtype = torch.float64) -> Any:
    """Weights that make distributions far from flat, and norms and biases that are not the identity."""
    run = Run(seed=1, dtype=dtype)
    initialise(model, run)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = run.randn(f"more/{name}", *parameter.shape)
            if parameter.dim() == 1:
                parameter.add_(0.3 * noise)
            else:
                parameter.mul_(3.0)
    return model.eval()


def literal(model: Decoder, prompts: Tensor) -> PrefixModel:
    return PrefixModel(lambda tokens: model(tokens)[:, -1].log_softmax(-1), prompts)


def prompts_of(count: int, length: int) -> Tensor:
    return torch.randint(11, (count, length), generator=torch.Generator().manual_seed(count))


def walk(model: LanguageModel[Any], prompts: int) -> list[Tensor]:
    """The same tokens and parents for every model: one row a prompt, then three, five, two and one again."""
    generator = torch.Generator().manual_seed(7)
    log_probs, state = model.start()
    seen, width = [log_probs], 1
    for new in (1, 3, 3, 5, 2, 2, 1, 1, 4):
        parents = torch.randint(width, (prompts, new), generator=generator) + width * torch.arange(prompts).unsqueeze(1)
        state = model.reorder(state, parents.flatten())
        log_probs, state = model.step(torch.randint(11, (prompts * new,), generator=generator), state)
        seen.append(log_probs)
        width = new
    return seen


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize(("count", "length"), [(1, 1), (1, 5), (3, 4)])
@torch.no_grad()
def test_no_cache_changes_what_the_model_says(config: Config, count: int, length: int) -> None:
    model, prompts = ready(Decoder(config)), prompts_of(count, length)
    wanted = walk(literal(model, prompts), count)
    for cached in (CachedTransformer(model, prompts, 24), SharedCacheTransformer(model, prompts)):
        for got, want in zip(walk(cached, count), wanted, strict=True):
            torch.testing.assert_close(got, want, rtol=0, atol=1e-10)


@torch.no_grad()
def test_the_shared_cache_grows_when_it_is_full() -> None:
    model, prompts = ready(Decoder(SMALL)), prompts_of(2, 1)
    shared = SharedCacheTransformer(model, prompts)
    _, state = shared.start()
    capacity = state.room.shape[4]
    found = beam_search(shared, 20, 6)
    assert capacity < 6 * 19
    assert torch.equal(found.sequences, beam_search(literal(model, prompts), 20, 6).sequences)


def test_beam_search_finds_the_same_with_and_without_caches() -> None:
    model, prompts = ready(Decoder(SMALL)), prompts_of(4, 3)
    for eos in (None, 2):
        wanted = beam_search(literal(model, prompts), 12, 5, eos=eos, penalty=power_penalty(0.8))
        models: list[LanguageModel[Any]] = [
            CachedTransformer(model, prompts, 15),
            SharedCacheTransformer(model, prompts),
        ]
        for cached in models:
            found = beam_search(cached, 12, 5, eos=eos, penalty=power_penalty(0.8))
            assert torch.equal(found.sequences, wanted.sequences)
            torch.testing.assert_close(found.scores, wanted.scores, rtol=0, atol=1e-10)
            assert not found.scores.is_inference()  # what comes out can be used in training
            assert not found.sequences.is_inference()


def test_a_wide_beam_on_a_transformer_is_exhaustive_search() -> None:
    model = ready(Decoder(dataclasses.replace(SMALL, vocab_size=4)))
    prompts = torch.tensor([[0], [3]])
    wide = beam_search(SharedCacheTransformer(model, prompts), 4, 4**3)
    every = exhaustive_search(literal(model, prompts), 4).best(4**3)
    assert torch.equal(wide.sequences, every.sequences)
    torch.testing.assert_close(wide.log_probs, every.log_probs, rtol=0, atol=1e-10)


def test_an_encoder_decoder_keeps_its_source() -> None:
    model = ready(EncoderDecoder(dataclasses.replace(SMALL, d_model=8, vocab_size=7), SMALL))
    source = torch.randint(7, (3, 6), generator=torch.Generator().manual_seed(0))
    mask = torch.arange(6) < torch.tensor([[6], [3], [5]])
    starts = torch.zeros(3, 1, dtype=torch.long)
    found = beam_search(CachedTransformer(model, starts, 9, source, mask), 8, 4, eos=5)
    for i in range(3):

        def alone(tokens: Tensor, i: int = i) -> Tensor:
            rows = len(tokens)
            logits: Tensor = model(source[i].expand(rows, -1), tokens, mask[i].expand(rows, -1))
            return logits[:, -1].log_softmax(-1)

        wanted = beam_search(PrefixModel(alone, starts[i : i + 1]), 8, 4, eos=5)
        assert torch.equal(found.sequences[i], wanted.sequences[0])
        torch.testing.assert_close(found.scores[i], wanted.scores[0], rtol=0, atol=1e-10)
    with pytest.raises(ValueError, match="needs a source"):
        CachedTransformer(model, starts, 9).start()


def test_what_the_shared_cache_cannot_do_is_refused() -> None:
    with pytest.raises(ValueError, match="use CachedTransformer"):
        SharedCacheTransformer(Decoder(dataclasses.replace(SMALL, norm="post")), prompts_of(1, 1))

    def performer(query: Tensor, key: Tensor, value: Tensor, **more: Any) -> Tensor:
        return value

    with pytest.raises(ValueError, match="use CachedTransformer"):
        SharedCacheTransformer(Decoder(dataclasses.replace(SMALL, attention=performer)), prompts_of(1, 1))
    model = ready(Decoder(SMALL))
    with pytest.raises(ValueError, match="25 positions, the model has 24"):
        greedy_search(SharedCacheTransformer(model, prompts_of(1, 20)), 6)
    assert greedy_search(SharedCacheTransformer(model, prompts_of(1, 20)), 5).sequences.shape == (1, 1, 5)


# -- transformers

SIZES = dataclasses.replace(SMALL, vocab_size=13, d_model=32, d_ff=128, max_length=64)


@pytest.mark.parametrize(("eos", "power"), [(None, 0.0), (3, 0.0), (3, 1.0), (3, 0.6), (3, -0.5)])
@pytest.mark.parametrize("size", [2, 4, 7])
def test_beam_search_is_generate_of_transformers(eos: int | None, power: float, size: int) -> None:
    """Same sequences in the same order, scores to 1e-4, several prompts at once, over four random models."""
    ended = False
    for seed in range(4):
        theirs, ours = gpt2_pair(SIZES, seed)
        prompts = torch.randint(4, 13, (3, 5), generator=torch.Generator().manual_seed(seed))
        wanted = theirs.generate(
            prompts,
            attention_mask=torch.ones_like(prompts),
            num_beams=size,
            num_return_sequences=size,
            do_sample=False,
            max_new_tokens=12,
            length_penalty=power,
            early_stopping="never",
            eos_token_id=eos,
            pad_token_id=0 if eos is None else eos,
            return_dict_in_generate=True,
            output_scores=True,
        )
        penalty = power_penalty(power)
        found = beam_search(SharedCacheTransformer(ours, prompts), 12, size, eos=eos, penalty=penalty)
        sequences = wanted.sequences[:, 5:].reshape(3, size, -1)
        assert torch.equal(found.sequences[:, :, : sequences.shape[2]], sequences)
        torch.testing.assert_close(found.scores, wanted.sequences_scores.view(3, size), rtol=0, atol=1e-4)
        ended |= bool((found.lengths < 12).any())
    assert ended is (eos is not None)


def test_greedy_search_is_generate_of_transformers() -> None:
    theirs, ours = gpt2_pair(SIZES, seed=1)
    prompts = torch.randint(4, 13, (3, 5), generator=torch.Generator().manual_seed(1))
    wanted = theirs.generate(
        prompts,
        attention_mask=torch.ones_like(prompts),
        do_sample=False,
        max_new_tokens=12,
        eos_token_id=3,
        pad_token_id=3,
    )[:, 5:]
    found = greedy_search(SharedCacheTransformer(ours, prompts), 12, eos=3)
    assert torch.equal(found.sequences[:, 0], wanted)
