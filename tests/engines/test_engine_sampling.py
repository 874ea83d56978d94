"""Truncated distributions by brute force, samples by their frequencies, and the engines on them."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from engines.ancestral_sampling import (
    Warp,
    draw_tokens,
    entropy,
    expected,
    ranks,
    sample,
    tempered,
    top_k,
    top_p,
)
from engines.fields import BadData, read
from engines.language_models import MarkovChain, TreeModel, score, tree_size
from engines.parameters.sampling import Sampling, Truncation
from engines.registry import draw, execute
from engines.run import Run
from engines.search import exhaustive_search

weights = st.lists(st.integers(1, 6), min_size=1, max_size=8)


def probabilities(parts: list[int]) -> list[float]:
    return [part / sum(parts) for part in parts]


def normalised(values: list[float]) -> list[float]:
    return [value / math.fsum(values) for value in values]


def as_logs(values: list[float]) -> Tensor:
    return torch.tensor([values], dtype=torch.float64).log()


def by_falling(values: list[float]) -> list[int]:
    return sorted(range(len(values)), key=lambda i: -values[i])  # stable: of equals the first


@settings(max_examples=100, deadline=None)
@given(weights, st.integers(1, 9))
def test_top_k_keeps_the_k_best_of_equals_the_first(parts: list[int], k: int) -> None:
    p = probabilities(parts)
    stays = by_falling(p)[:k]
    wanted = normalised([value if i in stays else 0.0 for i, value in enumerate(p)])
    assert top_k(as_logs(p), k)[0].exp().tolist() == pytest.approx(wanted)
    assert [int(r) for r in ranks(as_logs(p))[0]] == [by_falling(p).index(i) for i in range(len(p))]


@settings(max_examples=100, deadline=None)
@given(weights, st.floats(0.01, 1.0))
def test_top_p_is_the_smallest_set_that_reaches_p(parts: list[int], mass: float) -> None:
    """By trying prefixes of the sorted list from the shortest, in whole numbers: no rounding decides."""
    order = by_falling(probabilities(parts))
    sums = list(itertools.accumulate(parts[i] for i in order))
    if any(abs(total - mass * sums[-1]) < 1e-9 for total in sums[:-1]):
        return
    count = next((n for n, total in enumerate(sums, 1) if total >= mass * sums[-1]), len(parts))
    wanted = normalised([float(part) if i in order[:count] else 0.0 for i, part in enumerate(parts)])
    assert top_p(as_logs(probabilities(parts)), mass)[0].exp().tolist() == pytest.approx(wanted)


@settings(max_examples=100, deadline=None)
@given(weights, st.floats(0.05, 20.0))
def test_a_temperature_is_a_power(parts: list[int], temperature: float) -> None:
    wanted = normalised([value ** (1 / temperature) for value in probabilities(parts)])
    assert tempered(as_logs(probabilities(parts)), temperature)[0].exp().tolist() == pytest.approx(wanted)


def test_extreme_temperatures() -> None:
    logs = as_logs([0.5, 0.3, 0.2])
    assert tempered(logs, 1e-3)[0].exp().tolist() == pytest.approx([1, 0, 0])
    assert tempered(logs, 1e6)[0].exp().tolist() == pytest.approx([1 / 3] * 3, rel=1e-4)
    hidden = as_logs([0.5, 0.5, 0.0])
    for warped in (tempered(hidden, 0.5), top_k(hidden, 3), top_p(hidden, 0.99), Warp()(hidden)):
        assert warped[0, 2] == -math.inf
        assert warped[0].exp().sum() == pytest.approx(1)


def test_what_no_distribution_is_is_refused() -> None:
    logs = as_logs([0.5, 0.5])
    for temperature in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="temperature"):
            tempered(logs, temperature)
    with pytest.raises(ValueError, match="at least one token"):
        top_k(logs, 0)
    for mass in (0.0, 1.5, math.nan):
        with pytest.raises(ValueError, match="p is a probability"):
            top_p(logs, mass)


def test_entropies() -> None:
    assert float(entropy(as_logs([0.25] * 4))) == pytest.approx(math.log(4))
    assert float(entropy(as_logs([1.0, 0.0]))) == 0


def test_the_warps_are_those_of_transformers() -> None:
    """Temperature, then top-k, then top-p; without ties, of which theirs keeps all."""
    generation = pytest.importorskip("transformers.generation.logits_process")
    logits = 2 * torch.randn(50, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    nothing = torch.zeros(50, 1, dtype=torch.long)
    for temperature, k, p in ((0.7, 5, 0.8), (1.5, 20, 0.95), (1.0, 3, 0.3), (0.3, 10, 0.999)):
        wanted = logits
        for warper in (
            generation.TemperatureLogitsWarper(temperature),
            generation.TopKLogitsWarper(k),
            generation.TopPLogitsWarper(p),
        ):
            wanted = warper(nothing, wanted)
        torch.testing.assert_close(Warp(temperature, k, p)(logits.log_softmax(-1)).exp(), wanted.softmax(-1))


# -- drawing


@settings(max_examples=50, deadline=None)
@given(weights)
def test_even_numbers_draw_each_token_as_often_as_it_should_be(parts: list[int]) -> None:
    """n numbers at (i + ½)/n: each token's count is within 1 of n times its probability, whatever it is."""
    n = 1000
    p = probabilities(parts)
    tokens = draw_tokens(as_logs(p).expand(n, -1), (torch.arange(n, dtype=torch.float64) + 0.5) / n)
    for i, value in enumerate(p):
        assert abs(int((tokens == i).sum()) - n * value) <= 1 + 1e-9


def test_the_largest_and_the_smallest_number_draw_a_token_that_exists() -> None:
    """A token of probability 0 at either end or in the middle is never drawn, and no place is past the end."""
    logs = as_logs([0.0, 0.3, 0.0, 0.7, 0.0]).expand(3, -1)
    tokens = draw_tokens(logs, torch.tensor([0.0, 0.3 - 1e-17, 1 - 2**-53], dtype=torch.float64))
    assert tokens.tolist() == [1, 3, 3]  # 0.3 − 1e-17 is 0.3 in float64, where the sum passes on
    generator = torch.Generator().manual_seed(0)
    many = torch.randn(200, 50, generator=generator).log_softmax(-1)  # float32: sums to 1 only nearly
    last = torch.full((200,), 1 - 2**-53, dtype=torch.float64)
    assert int(draw_tokens(many, last).max()) <= 49


def random_tree(seed: int, vocabulary: int, length: int) -> TreeModel:
    shape = (1, tree_size(vocabulary, length), vocabulary)
    return TreeModel(
        torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).log_softmax(-1)
    )


def test_sequences_are_drawn_as_often_as_they_are_likely() -> None:
    """20 000 samples of 27 sequences: each count within 5 standard deviations of n·p (fails by luck at 1e-5; fixed)."""
    model, n = random_tree(1, 3, 3), 20_000
    drawn = sample(model, 3, n, torch.Generator().manual_seed(1)).sequences[0]
    every = exhaustive_search(model, 3)
    places = torch.tensor([9, 3, 1])
    counts = torch.bincount((drawn * places).sum(1), minlength=27)[(every.sequences[0] * places).sum(1)]
    p = every.log_probs[0].exp()
    assert bool(((counts - n * p).abs() <= 5 * (n * p * (1 - p)).sqrt()).all())
    assert counts.sum() == n


def test_what_a_sample_says_of_itself_is_true() -> None:
    model, warp = random_tree(2, 4, 5), Warp(0.8, 3, 0.9)
    drawn = sample(model, 5, 50, torch.Generator().manual_seed(3), warp=warp, eos=2)
    sequences, lengths = drawn.sequences[0], drawn.lengths[0]
    torch.testing.assert_close(drawn.log_probs[0], score(model, sequences, lengths))
    torch.testing.assert_close(drawn.drawn_log_probs[0], score(TreeModel(warp(model.table)), sequences, lengths))
    for tokens, length in zip(sequences.tolist(), lengths.tolist(), strict=True):
        own = tokens[:length]
        assert own.index(2) == length - 1 if 2 in own else length == len(tokens) == 5
        assert all(token == 2 for token in tokens[length:])
    assert drawn.distinct() == len({tuple(tokens) for tokens in sequences.tolist()})
    assert 2 in lengths.tolist()


def test_samples_are_a_function_of_the_seed_and_the_first_stay_when_more_are_drawn() -> None:
    chain = MarkovChain(
        *(torch.randn(n, 6, generator=torch.Generator().manual_seed(n)).log_softmax(-1) for n in (2, 6))
    )
    torch.manual_seed(1)
    few = sample(chain, 7, 5, torch.Generator().manual_seed(4), warp=Warp(0.9))
    torch.manual_seed(2)
    many = sample(chain, 7, 11, torch.Generator().manual_seed(4), warp=Warp(0.9))
    assert torch.equal(many.sequences[:, :5], few.sequences)
    other = sample(chain, 7, 5, torch.Generator().manual_seed(5), warp=Warp(0.9))
    assert not torch.equal(other.sequences, few.sequences)


@pytest.mark.parametrize("nonsense", [math.nan, math.inf])
def test_nonsense_is_refused(nonsense: float) -> None:
    model = random_tree(1, 3, 3)
    model.table[0, 0, 1] = nonsense
    with pytest.raises(ValueError, match="NaN or \\+inf"):
        sample(model, 3, 4, torch.Generator())
    with pytest.raises(ValueError, match="allows no token"):
        sample(TreeModel(torch.full((1, 1, 3), -math.inf)), 1, 4, torch.Generator())
    with pytest.raises(ValueError, match="at least 1"):
        sample(model, 0, 4, torch.Generator())


def chain_of(seed: int, vocabulary: int, sharpness: float) -> MarkovChain:
    logits = sharpness * torch.randn(
        vocabulary, vocabulary, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    return MarkovChain(logits[:1].log_softmax(-1), logits.log_softmax(-1))


@pytest.mark.parametrize("warp", [Warp(), Warp(0.4), Warp(2.0), Warp(k=2), Warp(p=0.6), Warp(0.7, 3, 0.8)])
def test_expected_log_probability_and_entropy_are_sums_over_all_sequences(warp: Warp) -> None:
    chain = chain_of(1, 4, 1.5)
    warped = MarkovChain(warp(chain.first), warp(chain.transitions))
    every = exhaustive_search(warped, 4)
    there = every.log_probs[0] > -math.inf
    logs, sequences = every.log_probs[0][there], every.sequences[0][there]
    own = score(chain, sequences, torch.full((len(sequences),), 4))
    log_prob, spread = expected(chain, warp, 4)
    assert log_prob == pytest.approx(float((logs.exp() * own).sum()))
    assert spread == pytest.approx(-float((logs.exp() * logs).sum()))
    drawn = sample(chain, 4, 4000, torch.Generator().manual_seed(0), warp=warp).log_probs[0]
    assert float(drawn.mean()) == pytest.approx(log_prob, abs=5 * float(drawn.std()) / 4000**0.5 + 1e-12)


# -- the figures of the notes (homework 8 (fall 2022), question 1f): a fixed random bigram model, 20 samples of 8 tokens


@pytest.mark.parametrize(
    ("warp", "distinct", "log_prob"),
    [(Warp(0.3), 16, -7.67), (Warp(), 20, -12.41), (Warp(k=5), None, -10.30), (Warp(p=0.9), None, -11.28)],
)
def test_published_figures_of_20_samples(warp: Warp, distinct: int | None, log_prob: float) -> None:
    """Other random numbers than theirs: within 4 standard deviations of what 20 samples give, 300 times over."""
    torch.manual_seed(3)
    logits = 2.5 * torch.randn(30, 30)
    chain = MarkovChain(logits[:1].log_softmax(-1).expand(300, -1), logits.log_softmax(-1))
    drawn = sample(chain, 8, 20, torch.Generator().manual_seed(0), warp=warp)
    means = drawn.log_probs.mean(1)
    assert abs(float(means.mean()) - log_prob) <= 4 * float(means.std())
    counts = torch.tensor([float(drawn.distinct(i)) for i in range(300)])
    if distinct is not None:
        assert abs(float(counts.mean()) - distinct) <= 4 * float(counts.std()) + 0.5


def test_published_figure_of_the_argmax() -> None:
    torch.manual_seed(3)
    logits = 2.5 * torch.randn(30, 30)
    chain = MarkovChain(logits[:1].log_softmax(-1), logits.log_softmax(-1))
    drawn = sample(chain, 8, 20, torch.Generator(), warp=Warp(k=1))
    assert drawn.distinct() == 1
    assert float(drawn.log_probs.mean()) == pytest.approx(-8.42, abs=0.005)


# -- engines


def test_diversity_rises_and_likelihood_falls_with_the_temperature() -> None:
    values = execute(Sampling(repeats=30), Run(dtype=torch.float64)).values
    assert values["distinct"] == sorted(values["distinct"])
    assert values["mean_log_prob"] == sorted(values["mean_log_prob"], reverse=True)
    assert values["entropy"] == sorted(values["entropy"])
    assert values["argmax_distinct"] == 1
    assert values["argmax_log_prob"] >= max(values["mean_log_prob"])
    assert values["beam_distinct"] == 20
    assert values["mean_log_prob"] == pytest.approx(values["expected_log_prob"], rel=0.05)


def test_a_row_truncated_by_hand() -> None:
    """.40 .25 .15 .10 .06 .04: k = 2 leaves .40 and .25 of .65; .40 + .25 < .7 ≤ .80, so three tokens stay."""
    values = execute(Truncation(), Run(dtype=torch.float64)).values
    assert values["top_k_probabilities"].flat() == pytest.approx([0.40 / 0.65, 0.25 / 0.65, 0, 0, 0, 0])
    assert values["top_p_probabilities"].flat() == pytest.approx([0.5, 0.3125, 0.1875, 0, 0, 0])
    assert values["nucleus"] == ["the", "a", "one"]
    squares = [p * p for p in (0.40, 0.25, 0.15, 0.10, 0.06, 0.04)]
    assert values["tempered_probabilities"].flat() == pytest.approx([x / sum(squares) for x in squares])
    assert values["nucleus_size_without_crossing"] == 2


def test_drawn_rows_have_one_answer_far_from_the_mistakes() -> None:
    for seed in range(1, 101):
        params: Any = draw("decoding.truncation", seed)
        values = execute(params, Run(dtype=torch.float64)).values
        parts = sorted((round(100 * p) for p in params.probabilities.values()), reverse=True)
        sums = list(itertools.accumulate(parts))
        assert sums[-1] == 100
        assert len(set(parts)) == len(parts)
        assert min(abs(total - 100 * params.p) for total in sums) >= 2 - 1e-9
        assert values["nucleus_size"] == next(n for n, total in enumerate(sums, 1) if total >= 100 * params.p)
        for right, wrong in (
            ("tempered_probabilities", "temperature_multiplied"),
            ("top_k_probabilities", "top_k_unnormalised"),
            ("top_p_probabilities", "top_p_unnormalised"),
            ("top_p_probabilities", "top_k_probabilities"),
        ):
            gaps = [abs(a - b) for a, b in zip(values[right].flat(), values[wrong].flat(), strict=True)]
            assert max(gaps) > 0.01


def test_a_row_that_is_no_distribution() -> None:
    with pytest.raises(BadData, match="not to 1"):
        read(Truncation, {"probabilities": {"a": 0.5, "b": 0.4}})


def test_no_large_run_takes_more_than_it_announces() -> None:
    from engines.counting import Watch

    params = Sampling(vocabulary=500, samples=200, repeats=2, length=2, temperatures=(1.0,))
    with Watch() as watch:
        execute(params, Run(dtype=torch.float64))
    assert watch.peak_bytes <= params.peak_bytes(8)
