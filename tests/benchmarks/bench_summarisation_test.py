"""Summaries: harvest, tokenizer and lookup against their literal forms and `tokenizers`; training in tokens a second.

Training with d = 128, 2 + 2 layers and 4 000 entries is bound by arithmetic: a source token costs 8 d² multiply-adds
a layer, a target token 12 d² and the 4 000 d of the output layer, three times each with the backward pass. A batch of
64 × (64 + 16) tokens makes 5.6 G multiply-adds, or 0.1 s at the 60 G a second that one core's `mm` reaches on matrices
this narrow; attention, normalisation, dropout and the softmax over 4 000 take as much again. So 30 000 tokens a second
need two quiet cores; what is asserted is one thread's CPU time.
"""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
import torch

from engines.corpus import Harvest, installed
from engines.parameters.docstring_summaries import Docstrings
from engines.rouge import literal_longest_common_subsequence, longest_common_subsequence, words
from engines.run import Run
from engines.similar_texts import literal_similarities, similarities
from engines.summariser import Batch, literal_loss, summariser, summed_loss
from engines.tokenizer import PAD, SPECIAL, Tokenizer, count_words, learn_merges, literal_merges
from engines.transformer import Config
from tests.benchmarks.conftest import Report
from tests.benchmarks.contest import contest

PACKAGES = Docstrings().packages


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def harvest(folder: Path, report: Report = Report()) -> Harvest:  # noqa: B008
    began = time.process_time()
    found = installed(PACKAGES, folder)
    took = time.process_time() - began
    report.row("harvest, cold", f"{took:.1f} s CPU", "≤ 20 s", f"{len(found.pairs)} pairs of {found.files} files")
    assert took <= 20
    return found


def test_a_harvest_is_read_again_at_once(harvest: Harvest, folder: Path, report: Report) -> None:
    outcome = contest({"warm": lambda: installed(PACKAGES, folder)}, rounds=5)
    report.row("harvest, warm", f"{outcome.median('warm'):.2f} s CPU", "≤ 0.5 s")
    assert outcome.median("warm") <= 0.5


def test_merges_are_learned_in_seconds(harvest: Harvest, report: Report) -> None:
    texts = [text for pair in harvest.pairs[::2] for text in (pair.body, pair.summary)]
    counts = count_words(texts)
    few = dict(list(counts.items())[:3000])
    assert learn_merges(few, 500) == literal_merges(few, 500)
    outcome = contest({"ours": lambda: learn_merges(few, 500), "literal": lambda: literal_merges(few, 500)}, rounds=3)
    report.row("241 merges, index / recount", f"{outcome.speedup('ours', 'literal'):.0f} ×", "≥ 10 ×")
    assert outcome.speedup("ours", "literal") >= 10
    whole = contest({"ours": lambda: learn_merges(counts, 4000)}, rounds=3, warm_up=0)
    report.row("4 000 entries", f"{whole.median('ours'):.1f} s CPU", "≤ 4 s", f"{len(counts)} different words")
    assert whole.median("ours") <= 4


def test_merges_against_tokenizers(harvest: Harvest, report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYON_NUM_THREADS", "1")
    tokenizers = pytest.importorskip("tokenizers")
    texts = [text for pair in harvest.pairs[::2] for text in (pair.body, pair.summary)]
    byte_level = tokenizers.pre_tokenizers.ByteLevel

    def theirs() -> int:
        made = tokenizers.Tokenizer(tokenizers.models.BPE())
        made.pre_tokenizer = byte_level(add_prefix_space=False)
        special = list(SPECIAL)
        alphabet = byte_level.alphabet()
        made.train_from_iterator(
            texts,
            tokenizers.trainers.BpeTrainer(
                vocab_size=4000, special_tokens=special, initial_alphabet=alphabet, show_progress=False
            ),
        )
        return int(made.get_vocab_size())

    assert theirs() == Tokenizer.train(texts, 4000).size == 4000
    outcome = contest({"ours": lambda: Tokenizer.train(texts, 4000), "theirs": theirs}, rounds=3, warm_up=0)
    ratio = outcome.speedup("ours", "theirs")
    report.row("tokenizers (Rust) / our training", f"{ratio:.2f} ×", "≥ 0.25 ×", "same merges")
    assert ratio >= 0.25


def test_subsequences_and_neighbours(harvest: Harvest, report: Report) -> None:
    texts = [words(pair.body)[:64] for pair in harvest.pairs[:40]]
    pairs = list(pairwise(texts))

    def lengths(of: object) -> list[int]:
        return [of(*pair) for pair in pairs]  # type: ignore[operator]

    assert lengths(longest_common_subsequence) == lengths(literal_longest_common_subsequence)
    outcome = contest(
        {
            "bits": lambda: lengths(longest_common_subsequence),
            "table": lambda: lengths(literal_longest_common_subsequence),
        }
    )
    report.row("longest subsequence, bits / table", f"{outcome.speedup('bits', 'table'):.0f} ×", "≥ 10 ×")
    assert outcome.speedup("bits", "table") >= 10
    rng = Random(0)
    ids = [[rng.randrange(4000) for _ in range(64)] for _ in range(2000)]
    some = ids[:100]
    assert torch.allclose(similarities(ids, some, 4000).double(), literal_similarities(ids, some, 4000), atol=1e-5)
    near = contest(
        {"bags": lambda: similarities(ids, some, 4000), "rows": lambda: literal_similarities(ids, some, 4000)}, rounds=5
    )
    report.row("neighbours, bags / dense rows", f"{near.speedup('bags', 'rows'):.1f} ×", "≥ 2 ×")
    assert near.speedup("bags", "rows") >= 2


def test_tokens_a_second(report: Report) -> None:
    run = Run(seed=1)
    config = Config(4000, d_model=128, n_heads=4, n_layers=2, d_ff=256, max_length=64, dropout=0.1)
    model = summariser(config, run)
    lengths = 8 + run.randint("lengths", 17, 64)
    labels = 3 + run.randint("labels", 3997, 64, 24)
    labels = labels.where(torch.arange(24) < lengths.unsqueeze(1), PAD)
    batch = Batch(3 + run.randint("source", 3997, 64, 64), labels, labels)
    model.eval()
    assert torch.allclose(summed_loss(model, batch), literal_loss(model, batch), rtol=1e-5)
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)

    def step(at_labels_alone: bool) -> None:
        optimizer.zero_grad()
        ((summed_loss if at_labels_alone else literal_loss)(model, batch) / batch.tokens).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    contestants = {"labels alone": lambda: step(True), "everywhere": lambda: step(False)}
    outcome = contest(contestants, rounds=5)
    speed = batch.tokens / outcome.median("labels alone")
    report.row("tokens/s, one thread's CPU time", f"{speed:,.0f}", "≥ 12 000", "d = 128, 2 + 2 layers")
    gain = outcome.speedup("labels alone", "everywhere")
    report.row("logits at labels alone / everywhere", f"{gain:.2f} ×", "≥ 1.0 ×")
    two = contest({"two": contestants["labels alone"]}, rounds=5, clock="wall", threads=2)
    report.row("tokens/s, two threads, wall", f"{batch.tokens / two.median('two'):,.0f}", "30 000 on two quiet cores")
    assert speed >= 12_000
    assert gain >= 1.0
