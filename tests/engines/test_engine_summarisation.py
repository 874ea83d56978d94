"""A summariser: its batches, its loss against the literal one, what it learns, and what is said of it."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from engines import corpus, docstring_summaries
from engines.ancestral_sampling import Warp
from engines.arrays import Array
from engines.fields import BadData, read
from engines.figures import Bars, Figure, Heatmap, Lines, Table
from engines.match_reports import FACTS, FORM, draw_report, vocabulary
from engines.parameters.docstring_summaries import Docstrings
from engines.parameters.report_summaries import REPORT_SENTENCES, REPORT_WORDS, SUMMARY_WORDS, Reports
from engines.registry import execute
from engines.report_summaries import Exactness, copied_words_found, form_only_loss
from engines.result import Result
from engines.run import Run
from engines.summariser import (
    Examples,
    Progress,
    Settings,
    beam,
    bucketed,
    collate,
    cross_attention,
    greedy,
    held_out_loss,
    literal_loss,
    rate,
    sampled,
    summariser,
    summed_loss,
    train,
    unigram_loss,
    without_end,
)
from engines.summariser_figures import Curve, evaluated_at
from engines.tokenizer import BEGIN, END, PAD
from engines.transformer import Block, Config, EncoderDecoder

CPU = torch.device("cpu")
SIZE = 12
COPY = Examples([[3, 4, 5], [6], [7, 8], [9, 3, 3, 10], [4, 4]], [[3, 4, 5], [6], [7, 8], [9, 3, 3, 10], [4, 4]])


def model_of(dtype: torch.dtype = torch.float64, **more: Any) -> EncoderDecoder:
    config = Config(SIZE, **{"d_model": 8, "n_heads": 2, "n_layers": 1, "d_ff": 16, "max_length": 12, **more})
    return summariser(config, Run(dtype=dtype, seed=3)).eval()


# -- batches


def test_a_batch_by_hand() -> None:
    batch = collate(COPY, [1, 0], CPU)
    assert batch.source.tolist() == [[6, PAD, PAD], [3, 4, 5]]
    assert batch.inputs.tolist() == [[BEGIN, 6, PAD, PAD], [BEGIN, 3, 4, 5]]
    assert batch.labels.tolist() == [[6, END, PAD, PAD], [3, 4, 5, END]]
    assert batch.tokens == 4 + 6
    assert collate(Examples([[]], [[]]), [0], CPU).source.tolist() == [[PAD]]
    assert COPY.with_wrong_sources().sources == [*COPY.sources[1:], COPY.sources[0]]
    assert COPY.with_wrong_sources().targets == COPY.targets


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.integers(1, 8), st.integers(1, 4), st.integers(0, 9))
def test_every_row_comes_once_an_epoch_beside_rows_of_its_length(
    sizes: list[int], batch_size: int, window: int, seed: int
) -> None:
    lengths = [(size, size) for size in sizes]
    batches = bucketed(lengths, batch_size, torch.Generator().manual_seed(seed), window)
    for _ in range(2):
        rows: list[int] = []
        while len(rows) < len(sizes):
            rows += next(batches)
        assert sorted(rows) == list(range(len(sizes)))
    wide = bucketed(lengths, batch_size, torch.Generator().manual_seed(seed), window=1000)
    epoch = [next(wide) for _ in range(math.ceil(len(sizes) / batch_size))]
    spans = sorted((min(sizes[i] for i in batch), max(sizes[i] for i in batch)) for batch in epoch)
    assert all(one[1] <= other[0] for one, other in pairwise(spans))


# -- the loss


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_loss_at_labels_alone_is_the_literal_one(dtype: torch.dtype) -> None:
    model, batch = model_of(dtype), collate(COPY, range(5), CPU)
    tolerance = 1e-12 if dtype == torch.float64 else 1e-4
    losses, gradients = [], []
    for loss in (summed_loss, literal_loss):
        model.zero_grad()
        losses.append(loss(model, batch))
        losses[-1].backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
    assert torch.allclose(losses[0], losses[1], rtol=tolerance)
    assert torch.allclose(gradients[0], gradients[1], rtol=tolerance, atol=tolerance)


def test_pads_cost_nothing_and_move_nothing() -> None:
    """The mean over pairs one by one, each without a pad."""
    model = model_of()
    alone = [collate(COPY, [i], CPU) for i in range(len(COPY))]
    total = sum(summed_loss(model, batch).item() for batch in alone)
    count = sum(len(target) + 1 for target in COPY.targets)
    assert held_out_loss(model, COPY, 3, CPU) == pytest.approx(total / count, rel=1e-12)
    for batch in alone:
        log_probs = model(batch.source, batch.inputs)[0].log_softmax(-1)
        by_hand = -sum(log_probs[t, token].item() for t, token in enumerate(batch.labels[0].tolist()))
        assert summed_loss(model, batch).item() == pytest.approx(by_hand, rel=1e-12)


def test_the_wrong_source_makes_no_difference_to_a_model_that_does_not_read() -> None:
    model = model_of()
    right, wrong = (held_out_loss(model, some, 5, CPU) for some in (COPY, COPY.with_wrong_sources()))
    assert right != wrong
    with torch.no_grad():
        for block in model.decoder.blocks:
            assert isinstance(block, Block)
            assert block.cross is not None
            block.cross.output.weight.zero_()
    right, wrong = (held_out_loss(model, some, 5, CPU) for some in (COPY, COPY.with_wrong_sources()))
    assert right == pytest.approx(wrong, rel=1e-12)


def test_unigrams_by_hand() -> None:
    """Counts with one more each of 5 tokens: 3 twice, END once → 1, 1, 2, 3, 1 of 8."""
    assert unigram_loss([[3, 3]], [[3]], 5) == pytest.approx(-(math.log(3 / 8) + math.log(2 / 8)) / 2)


# -- training


def test_the_rate_rises_stays_and_falls_to_nothing() -> None:
    settings = Settings(steps=100, batch_size=1, learning_rate=2.0, warmup=10)
    rates = [rate(step, settings) for step in range(101)]
    assert rates[:3] == pytest.approx([0.2, 0.4, 0.6])
    assert rates[9:51] == [2.0] * 42
    assert rates[75] == pytest.approx(1.0)
    assert rates[100] == 0
    assert rates[50:] == sorted(rates[50:], reverse=True)


def trained(seed: int = 0, dropout: float = 0.0) -> tuple[EncoderDecoder, list[Progress]]:
    run = Run(seed=seed, dtype=torch.float64)
    config = Config(SIZE, d_model=16, n_heads=2, n_layers=1, d_ff=16, max_length=12, dropout=dropout)
    model = summariser(config, run)
    seen: list[Progress] = []
    rows = bucketed(COPY.lengths, 5, run.generator("batches"))
    train(model, (collate(COPY, some, CPU) for some in rows), Settings(80, 5, 2e-2, 5), run, seen.append)
    return model, seen


@pytest.fixture(scope="module")
def copier() -> EncoderDecoder:
    return trained()[0]


def test_training_learns_five_pairs_and_writes_them_in_every_way(copier: EncoderDecoder) -> None:
    assert held_out_loss(copier, COPY, 5, CPU) < 0.1
    assert held_out_loss(copier, COPY.with_wrong_sources(), 5, CPU) > 2
    assert not copier.training
    assert greedy(copier, COPY.sources, 8, CPU) == COPY.targets
    assert beam(copier, COPY.sources, 8, 3, CPU) == COPY.targets
    drawn = sampled(copier, COPY.sources, 8, 4, Warp(k=1), torch.Generator(), CPU)
    assert drawn.summaries == [[target] * 4 for target in COPY.targets]
    labels = collate(COPY, [0], CPU)
    assert drawn.log_probs[0, 0].item() == pytest.approx(-summed_loss(copier, labels).item(), rel=1e-9)


def test_training_is_a_function_of_the_seed_with_dropout_too() -> None:
    torch.manual_seed(1)
    _, first = trained(seed=1, dropout=0.2)
    torch.manual_seed(2)
    _, again = trained(seed=1, dropout=0.2)
    assert first == again
    assert first != trained(seed=2, dropout=0.2)[1]
    assert [progress.step for progress in first] == list(range(1, 81))
    assert first[-1].tokens == 80 * collate(COPY, range(5), CPU).tokens


def test_cross_attention_is_a_distribution_over_the_source(copier: EncoderDecoder) -> None:
    batch = collate(COPY, [0, 1], CPU)
    weights = cross_attention(copier, batch)
    assert weights.shape == (1, 2, 2, 4, 3)  # layers, pairs, heads, target, source
    assert torch.allclose(weights.sum(-1), torch.ones(1, 2, 2, 4, dtype=torch.float64))
    assert (weights[:, 1, :, :, 1:] == 0).all()


def test_what_ends_at_the_first_end() -> None:
    assert without_end([5, END, 6, END]) == [5]
    assert without_end([5, 6]) == [5, 6]
    assert without_end([]) == []


def test_the_model_is_looked_at_ten_times_and_at_the_end() -> None:
    assert sorted(evaluated_at(100)) == list(range(10, 101, 10))
    assert sorted(evaluated_at(3)) == [1, 2, 3]


# -- reports


def test_reports_say_what_their_summaries_say() -> None:
    rng = Random(1)
    known = set(vocabulary())
    for distractions in (0, 1, 2, 6):
        for _ in range(50):
            report = draw_report(rng, distractions)
            assert tuple(report.facts) == FACTS
            assert " ".join(report.summary) == FORM.format(**report.facts)
            assert all(report.text.count(word) == 1 for word in report.facts.values())
            assert int(report.facts["low"]) < int(report.facts["high"])
            assert set(report.text) | set(report.summary) <= known
            assert report.text.count(".") == REPORT_SENTENCES + distractions
            assert len(report.text) <= REPORT_WORDS * (REPORT_SENTENCES + distractions)
            assert len(report.summary) == SUMMARY_WORDS


def test_who_knows_the_form_alone_pays_for_the_names() -> None:
    """24 clubs, 23 others, 24 cities, 24 players, 36 results: spread over 11 words and the end."""
    assert form_only_loss() == pytest.approx(math.log(24 * 23 * 24 * 24 * 36) / 12)


def test_exactness_counts_whole_summaries_and_facts() -> None:
    rng = Random(2)
    reports = [draw_report(rng, 1) for _ in range(4)]
    found = [list(report.summary) for report in reports]
    found[0][0] = "nobody"  # the winner
    found[1] = found[1][:3]  # ends after the loser
    exactness = Exactness()
    exactness.note(10, found, reports)
    assert exactness.exact == [0.5]
    assert exactness.facts == [{"winner": 0.75, "loser": 1, "high": 0.75, "low": 0.75, "city": 0.75, "hero": 0.75}]


def test_attention_that_copies_is_told_from_attention_that_does_not() -> None:
    reports = [draw_report(Random(i), 1) for i in range(3)]
    weights = torch.zeros(3, SUMMARY_WORDS + 1, 60)
    for i, report in enumerate(reports):
        for word in report.facts.values():
            weights[i, report.summary.index(word), report.text.index(word)] = 0.5
    assert copied_words_found(weights, reports) == 1
    weights[0, :, -1] = 1.0  # beyond the text: pads are not looked at
    assert copied_words_found(weights, reports) == 1
    assert copied_words_found(weights.roll(1, 1), reports) < 0.2


def number(array: Any) -> Tensor:
    assert isinstance(array, Array)
    return torch.tensor(array.flat(), dtype=torch.float64).reshape(array.shape)


def test_reports_are_learned_and_read() -> None:
    """A tiny setting: the loss falls below what the form alone gives, and another report's text makes it worse."""
    params = Reports(steps=150, batch_size=32, distractions=0, d_model=32, n_heads=2, learning_rate=1e-2, held_out=32)
    told: list[Figure] = []
    run = Run(report=lambda fraction, message, figure: told.append(figure) if figure else None)
    result = execute(params, run)
    values = result.values
    assert values["loss"] < values["form_only_loss"] < values["unigram_loss"] < values["uniform_loss"]
    assert values["wrong_source_loss"] > values["loss"] + 1
    assert values["copied_words_found"] > 3 * values["copied_words_chance"]
    assert values["evaluated_at"] == list(range(15, 151, 15))
    attention = result.figure("attention")
    assert isinstance(attention, Heatmap)
    assert attention.rows[-1] == "<end>"
    assert torch.allclose(number(attention.matrix).sum(1), torch.ones(SUMMARY_WORDS + 1, dtype=torch.float64))
    assert told[0].name == "loss"
    assert [figure.name for figure in told].count("exact") == 10
    exact = result.figure("exact")
    assert isinstance(exact, Lines)
    assert [series.label for series in exact.series] == ["whole summary", *FACTS]


# -- docstrings

WORDS = "graph node value list key text file path line table index name cell page word tree mode size".split()  # noqa: SIM905


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of forty files in which siblings share their sentences, the only one there is."""
    folder = tmp_path / "site-packages" / "made"
    folder.mkdir(parents=True)
    rng = Random(5)
    for i in range(40):
        verb, *nouns = rng.choice(("Return", "Set", "Find")), *rng.sample(WORDS, 3)
        text = ""
        for j in range(3):
            body = f"It takes the {' and the '.join(nouns)} as they are, and gives what is asked for in case {j}."
            text += f'def f{j}_{nouns[0]}():\n    """{verb} the {nouns[0]} of the {nouns[1]}.\n\n    {body}\n    """\n'
        (folder / f"m{i:02}.py").write_text(text)
    (folder / "__init__.py").touch()
    real = corpus.installed

    def here(packages: Any, cache: Any = None, progress: Any = corpus.silent) -> Any:
        return real(packages, cache, progress, path=[str(folder.parent)])

    monkeypatch.setattr(docstring_summaries, "installed", here)
    return folder


PARAMS = Docstrings(
    packages=("made",),
    held_out=20,
    vocabulary=400,
    source_length=40,
    target_length=16,
    steps=30,
    batch_size=16,
    d_model=16,
    n_heads=2,
    beam_size=2,
    learning_rate=1e-2,
)


def run_of(params: Docstrings, **more: Any) -> Result:
    return execute(params, Run(**more))


def test_docstrings_are_shown_beside_their_baselines(site: Path) -> None:
    result = run_of(PARAMS)
    values = result.values
    assert values["pairs"] == 120
    assert values["trained_on"] == 99  # of 7 files held out one pair is on neither side
    assert values["loss"] < values["unigram_loss"] < values["uniform_loss"]
    table = result.figure("rouge")
    assert isinstance(table, Table)
    ways = ["model, greedy", "model, beam 2", "model, sampled at T = 0.7"]
    assert [row[0] for row in table.rows] == [*ways, "first words", "object name", "nearest neighbour"]
    assert list(values["rouge_l"]) == [row[0] for row in table.rows]
    assert [step.name for step in result.trace] == ["loss", "rouge", "leak", "several"]
    packages = result.figure("packages")
    assert isinstance(packages, Table)
    assert packages.rows == (("made", "120"), ("all", "120"))


def test_the_leak_of_a_random_split_is_shown_whatever_is_trained_on(site: Path) -> None:
    """Trap 7: siblings share their summary, so that the neighbour's is exact when they may be on both sides."""
    for split in ("files", "random"):
        result = run_of(read(Docstrings, {**vars(PARAMS), "split": split, "steps": 2}))
        leak = result.values["neighbour_rouge_l"]
        assert leak["random"] > leak["files"] + 0.1
        assert result.values["rouge_l"]["nearest neighbour"] == leak[split]
        figure = result.figure("leak")
        assert isinstance(figure, Bars)
        assert figure.heights.flat() == pytest.approx([leak["files"], leak["random"]])


def test_several_summaries_of_one_source(site: Path) -> None:
    """EECS 182, homework 8 (fall 2022), question 1f: repeating the argmax gives one, drawing gives several."""
    distinct = run_of(PARAMS).values["distinct"]
    assert distinct["argmax"] == 1
    assert 1 <= distinct["T = 0.3"] <= distinct["T = 1"]
    assert distinct["T = 1"] > 5


def test_the_name_is_read_or_not(site: Path) -> None:
    with_name, without = (
        run_of(read(Docstrings, {**vars(PARAMS), "with_name": how, "steps": 2})) for how in (True, False)
    )
    shown = [result.figure("attention") for result in (with_name, without)]
    first = ["".join(figure.columns) for figure in shown if isinstance(figure, Heatmap)]
    assert first[0].startswith("f")
    assert first[1].startswith("It takes the")


def test_what_was_read_and_tokenised_is_kept(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = read(Docstrings, {**vars(PARAMS), "steps": 2})
    first = run_of(params, cache=tmp_path / "cache")
    monkeypatch.setattr("engines.corpus.harvest", None)
    monkeypatch.setattr("engines.docstring_task.learn_merges", None)
    assert run_of(params, cache=tmp_path / "cache").to_plain() == first.to_plain()
    assert run_of(params, cache=tmp_path / "cache", seed=0).values["pairs"] == 120


def test_too_few_pairs_and_names_that_are_none(site: Path) -> None:
    with pytest.raises(ValueError, match="0 pairs were found, too few to hold out 20: name more packages"):
        run_of(read(Docstrings, {**vars(PARAMS), "packages": ("missing",)}))
    for name in ("../etc", "a.b", "", "-x", "é"):
        with pytest.raises(BadData, match="no name of a top-level package"):
            Docstrings(packages=("torch", name))
    with pytest.raises(BadData, match="3 heads do not share 128 dimensions evenly"):
        Docstrings(n_heads=3)


@pytest.mark.parametrize(
    "params",
    [
        Reports(steps=2, batch_size=96, d_model=96, n_heads=8, n_layers=2, distractions=6, held_out=64),
        Docstrings(
            packages=("made",), pairs=120, held_out=24, vocabulary=1000, steps=2, batch_size=60, source_length=128,
            target_length=64, d_model=96, n_heads=8, n_layers=2, beam_size=8,
        ),
    ],
    ids=lambda params: params.engine,
)  # fmt: skip
def test_large_settings_take_less_than_they_announce(params: Any, site: Path) -> None:
    from engines.counting import Watch

    with Watch() as watch:
        execute(params, Run())
    assert watch.peak_bytes <= params.peak_bytes(4)


def test_curves_show_controls() -> None:
    curve = Curve([3.0, 2.0], [2], [2.5], [2.75])
    figure = curve.figure({"uniform": 4.0}, "caption")
    assert [series.label for series in figure.series] == ["training", "held out", "wrong source", "uniform"]
    assert figure.series[0].y.flat() == pytest.approx([3.0, (0.9 * 0.3 + 0.2) / 0.19])
