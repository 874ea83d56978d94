"""Beam search beside `generate` of transformers, with the same weights.

A tiny GPT-2: 4 layers, width 128, 4 heads, a vocabulary of 1000, a prompt of 16, 64 new tokens; one thread. What both
must do is 0.92 million multiply-adds a token (0.79 in the blocks, 0.13 in the output layer), and attention; the rest is
what starting some 60 operations a step costs.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch

from engines.language_models import PrefixModel
from engines.search import beam_search
from engines.transformer import Config
from engines.transformer_decoding import CachedTransformer, SharedCacheTransformer
from tests.benchmarks.conftest import Report
from tests.benchmarks.contest import contest
from tests.engines.gpt2 import gpt2_pair

SIZES = Config(vocab_size=1000, d_model=128, n_heads=4, n_layers=4, d_ff=512, max_length=128)
NEW = 64


@pytest.mark.parametrize(
    ("size", "target"),
    # At 16 beams attention over slots of other hypotheses, masked away, begins to cost as much as it saves.
    [(1, 2.5), (2, 2.5), (4, 2.5), (8, 2.5), (16, 1.8)],
)
def test_beam_search_against_generate(report: Report, size: int, target: float) -> None:
    theirs, ours = gpt2_pair(SIZES, seed=0, spread=0.15)
    prompt = torch.randint(1000, (1, 16), generator=torch.Generator().manual_seed(0))
    options: dict[str, Any] = {"length_penalty": 0.0, "early_stopping": False, "num_return_sequences": size}

    def generate() -> Any:
        return theirs.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            num_beams=size,
            do_sample=False,
            max_new_tokens=NEW,
            eos_token_id=None,
            return_dict_in_generate=True,
            output_scores=True,
            **(options if size > 1 else {}),
        )

    def search() -> Any:
        return beam_search(SharedCacheTransformer(ours, prompt), NEW, size)

    found, wanted = search(), generate()
    assert torch.equal(found.sequences[0], wanted.sequences[:, 16:])
    if size > 1:
        torch.testing.assert_close(found.scores[0], wanted.sequences_scores, rtol=0, atol=1e-4)
    contestants = {"ours": search, "theirs": generate}
    if size > 1:
        contestants["rows"] = lambda: beam_search(CachedTransformer(ours, prompt, 16 + NEW), NEW, size)
        assert torch.equal(contestants["rows"]().sequences, found.sequences)
    outcome = contest(contestants, rounds=7)
    ratio = outcome.speedup("ours", "theirs")
    note = f"{size * NEW / outcome.median('ours'):.0f} tokens/s"
    if size > 1:
        note += f"; a cache by rows {outcome.speedup('rows', 'theirs'):.2f} x"
    report.row(f"beam search, {size} beams", f"{ratio:.2f} x generate", f"{target:.2f}", note)
    assert ratio >= target


def test_a_cache_against_computing_every_prefix_again(report: Report) -> None:
    _, ours = gpt2_pair(SIZES, seed=0, spread=0.15)
    prompt = torch.randint(1000, (1, 16), generator=torch.Generator().manual_seed(0))

    @torch.no_grad()
    def literal() -> Any:
        return beam_search(PrefixModel(lambda tokens: ours(tokens)[:, -1].log_softmax(-1), prompt), NEW, 4)

    def cached() -> Any:
        return beam_search(SharedCacheTransformer(ours, prompt), NEW, 4)

    assert torch.equal(literal().sequences, cached().sequences)
    ratio = contest({"literal": literal, "cached": cached}, rounds=3).speedup("cached", "literal")
    report.row("beam search, 4 beams, with a cache", f"{ratio:.1f} x without", "5.0")
    assert ratio >= 5
