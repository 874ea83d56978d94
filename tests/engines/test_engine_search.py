"""Searches against the same searches written out with lists, and against each other on every kind of model."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from engines.language_models import Automaton, Counting, MarkovChain, PrefixModel, TreeModel, score, tree_size
from engines.search import (
    Penalty,
    beam_search,
    beam_search_steps,
    exhaustive_search,
    gnmt_penalty,
    greedy_search,
    largest,
    no_penalty,
    power_penalty,
)

PENALTIES = [no_penalty, power_penalty(1.0), power_penalty(-0.7), gnmt_penalty(0.6), power_penalty(2.5)]

Scored = list[tuple[float, tuple[int, ...], float]]


def random_tree(seed: int, trees: int, vocabulary: int, length: int, spread: float = 1.5) -> TreeModel:
    logits = spread * torch.randn(
        trees,
        tree_size(vocabulary, length),
        vocabulary,
        dtype=torch.float64,
        generator=torch.Generator().manual_seed(seed),
    )
    return TreeModel(logits.log_softmax(-1))


def row_of(model: TreeModel, tree: int, prefix: tuple[int, ...]) -> list[float]:
    """By the place of a prefix in the list of all of them, not by steps from node to node."""
    vocabulary = model.table.shape[2]
    before = sum(vocabulary**t for t in range(len(prefix)))
    place = sum(token * vocabulary ** (len(prefix) - 1 - i) for i, token in enumerate(prefix))
    row: list[float] = model.table[tree, before + place].tolist()
    return row


def all_by_hand(model: TreeModel, tree: int, length: int, eos: int | None, penalty: Penalty) -> Scored:
    vocabulary = model.table.shape[2]
    found = {}
    for full in itertools.product(range(vocabulary), repeat=length):
        tokens = full[: full.index(eos) + 1] if eos in full else full
        total = sum(row_of(model, tree, tokens[:i])[token] for i, token in enumerate(tokens))
        found[tokens] = (total / penalty(len(tokens)), tokens, total)
    return sorted(found.values(), key=lambda item: -item[0])


def beam_by_hand(
    model: TreeModel, tree: int, length: int, size: int, eos: int | None, penalty: Penalty = no_penalty
) -> Scored:
    """Finished hypotheses in a pool, the beam filled up from the next best; never stopped before the end."""
    live: list[tuple[tuple[int, ...], float]] = [((), 0.0)]
    pool: Scored = []
    for t in range(1, length + 1):
        candidates = [
            ((*prefix, token), total + value)
            for prefix, total in live
            for token, value in enumerate(row_of(model, tree, prefix))
        ]
        candidates.sort(key=lambda item: -item[1])
        ended = [tokens[-1] == eos or t == length for tokens, _ in candidates]
        pool += [
            (total / penalty(t), tokens, total)
            for (tokens, total), end in zip(candidates[:size], ended[:size], strict=True)
            if end
        ]
        pool = sorted(pool, key=lambda item: -item[0])[:size]
        live = [item for item, end in zip(candidates, ended, strict=True) if not end][:size]
    return pool


def same(found: Any, prompt: int, wanted: Scored) -> None:
    there = found.log_probs[prompt] > -math.inf
    assert int(there.sum()) == len(wanted)
    for rank, (points, tokens, total) in enumerate(wanted):
        assert tuple(found.tokens(prompt, rank)) == tokens
        assert float(found.scores[prompt, rank]) == pytest.approx(points, rel=1e-12)
        assert float(found.log_probs[prompt, rank]) == pytest.approx(total, rel=1e-12)


shapes = st.tuples(st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))


@settings(max_examples=60, deadline=None)
@given(shapes, st.booleans(), st.sampled_from(PENALTIES))
def test_exhaustive_search_is_the_list_of_all_sequences(
    shape: tuple[int, int, int, int], ends: bool, penalty: Penalty
) -> None:
    seed, trees, vocabulary, length = shape
    model = random_tree(seed, trees, vocabulary, length)
    eos = seed % vocabulary if ends else None
    found = exhaustive_search(model, length, eos=eos, penalty=penalty)
    for tree in range(trees):
        same(found, tree, all_by_hand(model, tree, length, eos, penalty))


@settings(max_examples=120, deadline=None)
@given(shapes, st.integers(1, 6), st.booleans(), st.sampled_from(PENALTIES))
def test_beam_search_is_the_search_with_lists(
    shape: tuple[int, int, int, int], size: int, ends: bool, penalty: Penalty
) -> None:
    """Also: that the search stops early changes nothing, as this one never does."""
    seed, trees, vocabulary, length = shape
    model = random_tree(seed, trees, vocabulary, length)
    eos = seed % vocabulary if ends else None
    found = beam_search(model, length, size, eos=eos, penalty=penalty)
    for tree in range(trees):
        same(found, tree, beam_by_hand(model, tree, length, size, eos, penalty))


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("eos", [None, 0])
def test_a_wide_beam_is_exhaustive_search(penalty: Penalty, eos: int | None) -> None:
    """B = M^(T−1) keeps all prefixes: the best ten are the same ten, on each of 60 models."""
    model = random_tree(3, 60, 3, 5)
    every = exhaustive_search(model, 5, eos=eos, penalty=penalty).best(10)
    wide = beam_search(model, 5, 3**4, eos=eos, penalty=penalty).best(10)
    assert torch.equal(wide.sequences, every.sequences)
    assert torch.equal(wide.lengths, every.lengths)
    assert torch.equal(wide.scores, every.scores)


@settings(max_examples=60, deadline=None)
@given(shapes, st.integers(1, 5))
def test_the_fast_search_is_the_one_written_down_even_where_everything_ties(
    shape: tuple[int, int, int, int], size: int
) -> None:
    """Log-probabilities of −1 and −2: most totals are equal, and (hypothesis, token) order decides."""
    seed, _, vocabulary, length = shape
    generator = torch.Generator().manual_seed(seed)
    nodes = tree_size(vocabulary, length)
    model = TreeModel(-torch.randint(1, 3, (1, nodes, vocabulary), generator=generator).double())
    last = beam_search_steps(model, length, size)[-1]
    found = beam_search(model, length, size)
    assert torch.equal(found.sequences[0], last.sequences[: last.kept])
    assert torch.equal(found.log_probs[0], last.log_probs[: last.kept])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(-3, 3), min_size=6, max_size=6), min_size=1, max_size=4), st.integers(1, 6))
def test_the_largest_of_equals_are_the_first(rows: list[list[int]], count: int) -> None:
    values, places = largest(torch.tensor(rows).double(), count)
    for row, top, where in zip(rows, values.tolist(), places.tolist(), strict=True):
        wanted = sorted(range(6), key=lambda i: -row[i])[:count]
        assert where == wanted
        assert top == [row[i] for i in wanted]


def test_prompts_are_searched_as_if_each_were_alone() -> None:
    model = random_tree(5, 7, 4, 5)
    together = beam_search(model, 5, 3, eos=2, penalty=power_penalty(1.0))
    for tree in range(7):
        alone = beam_search(TreeModel(model.table[tree : tree + 1]), 5, 3, eos=2, penalty=power_penalty(1.0))
        assert torch.equal(alone.sequences[0], together.sequences[tree])
        assert torch.equal(alone.scores[0], together.scores[tree])


@settings(max_examples=40, deadline=None)
@given(shapes)
def test_greedy_search_takes_the_best_token_and_stops_at_the_end(shape: tuple[int, int, int, int]) -> None:
    seed, trees, vocabulary, length = shape
    model = random_tree(seed, trees, vocabulary, length)
    eos = seed % vocabulary
    for end in (None, eos):
        found = greedy_search(model, length, eos=end)
        for tree in range(trees):
            tokens: tuple[int, ...] = ()
            total = 0.0
            while len(tokens) < length and (not tokens or tokens[-1] != end):
                row = row_of(model, tree, tokens)
                total += max(row)
                tokens = (*tokens, row.index(max(row)))
            same(found, tree, [(total, tokens, total)])
    assert torch.equal(greedy_search(model, length).sequences, beam_search(model, length, 1).sequences)


def test_one_search_runs_on_all_kinds_of_model() -> None:
    """A Markov chain as itself, as a function of prefixes, as a tree and as an automaton."""
    generator = torch.Generator().manual_seed(2)
    transitions = torch.randn(4, 4, generator=generator, dtype=torch.float64).log_softmax(-1)
    chain = MarkovChain(transitions[:1], transitions)
    prefixes = PrefixModel(lambda tokens: transitions[tokens[:, -1]], torch.zeros(1, 1, dtype=torch.long))
    nodes = [prefix[-1] if prefix else 0 for t in range(5) for prefix in itertools.product(range(4), repeat=t)]
    tree = TreeModel(transitions[nodes].unsqueeze(0))
    automaton = Automaton(transitions, torch.arange(4).expand(4, 4))
    searches: list[Callable[[Any], Any]] = [
        lambda model: beam_search(model, 5, 3, eos=1, penalty=power_penalty(0.5)),
        lambda model: beam_search(model, 5, 3),
        lambda model: greedy_search(model, 5, eos=1),
        lambda model: exhaustive_search(model, 4, eos=1),
    ]
    for search in searches:
        first = search(chain)
        for model in (prefixes, tree, automaton):
            other = search(model)
            assert torch.equal(first.sequences, other.sequences)
            assert torch.equal(first.log_probs, other.log_probs)
    found = beam_search(chain, 5, 3)
    assert torch.allclose(score(automaton, found.sequences[0], found.lengths[0]), found.log_probs[0])


# -- what it costs (E43)


@pytest.mark.parametrize(("length", "k", "vocabulary"), [(3, 2, 2), (10, 2, 8), (10, 4, 8), (20, 4, 8), (6, 1, 5)])
def test_e43_model_steps_and_candidates_are_the_formulas(length: int, k: int, vocabulary: int) -> None:
    transitions = torch.randn(vocabulary, vocabulary, generator=torch.Generator().manual_seed(1)).log_softmax(-1)
    literal, fast = (
        Counting(MarkovChain(transitions[:1], transitions)),
        Counting(MarkovChain(transitions[:1], transitions)),
    )
    steps = beam_search_steps(literal, length, k)
    beam_search(fast, length, k)
    assert literal.model_steps == fast.model_steps == 1 + k * (length - 1)
    assert sum(len(step.sequences) for step in steps) == k + (length - 1) * k * k


def test_e43_with_more_hypotheses_than_tokens_there_are_no_k_squared_candidates() -> None:
    """k = 5 of M = 2 tokens: 2, 4, 8, 10, 10 candidates, not 25 at each step."""
    steps = beam_search_steps(random_tree(1, 1, 2, 5), 5, 5)
    assert [len(step.sequences) for step in steps] == [2, 4, 8, 10, 10]


def test_e43_there_are_exactly_m_to_the_t_sequences() -> None:
    model = Counting(random_tree(1, 1, 3, 5))
    found = exhaustive_search(model, 5)
    assert found.sequences.shape == (1, 3**5, 5)
    assert len(found.sequences[0].unique(dim=0)) == 3**5
    assert model.model_steps == 1 + 3 + 9 + 27 + 81


# -- what cannot follow, and nonsense


def test_a_token_that_cannot_follow_is_never_found() -> None:
    table = torch.full((1, tree_size(3, 3), 3), -math.inf, dtype=torch.float64)
    table[:, :, 1] = 0.0  # the only way is 1 1 1
    model = TreeModel(table)
    for found in (beam_search(model, 3, 4), beam_search(model, 3, 4, eos=2), exhaustive_search(model, 3, eos=2)):
        there = found.log_probs[0] > -math.inf
        assert found.sequences[0][there].tolist() == [[1, 1, 1]]
    assert greedy_search(model, 3).sequences.tolist() == [[[1, 1, 1]]]


@pytest.mark.parametrize("nonsense", [math.nan, math.inf])
@pytest.mark.parametrize("eos", [None, 0])
@pytest.mark.parametrize("node", [0, 2])
def test_nonsense_is_refused(nonsense: float, eos: int | None, node: int) -> None:
    model = random_tree(1, 2, 3, 3)
    model.table[1, node, 1] = nonsense
    searches: list[Callable[[], Any]] = [
        lambda: beam_search(model, 3, 9, eos=eos),
        lambda: exhaustive_search(model, 3, eos=eos),
        lambda: beam_search_steps(TreeModel(model.table[1:]), 3, 9),
    ]
    if node == 0:  # greedy search need not pass by the other one
        searches.append(lambda: greedy_search(model, 3, eos=eos))
    for search in searches:
        with pytest.raises(ValueError, match="NaN or \\+inf"):
            search()


@pytest.mark.parametrize(("length", "size"), [(0, 1), (3, 0), (-1, 2)])
def test_a_search_of_nothing_is_refused(length: int, size: int) -> None:
    model = random_tree(1, 1, 2, 3)
    for search in (beam_search, beam_search_steps):
        with pytest.raises(ValueError, match="at least 1"):
            search(model, length, size)
    with pytest.raises(ValueError, match="at least 1"):
        exhaustive_search(model, 0)


def test_the_steps_of_one_search_are_of_one_prompt() -> None:
    with pytest.raises(ValueError, match="not of 2"):
        beam_search_steps(random_tree(1, 2, 2, 2), 2, 2)


def test_penalties() -> None:
    assert [power_penalty(0.0)(n) for n in (1, 7)] == [1, 1]
    assert power_penalty(1.0)(7) == 7
    assert gnmt_penalty(1.0)(1) == 1  # Wu et al. 2016, equation 14
    assert gnmt_penalty(0.2)(13) == pytest.approx(3**0.2)
    assert no_penalty(9) == 1


def test_a_larger_power_favours_longer_sequences() -> None:
    model = random_tree(4, 40, 3, 6)
    lengths = [
        beam_search(model, 6, 6, eos=0, penalty=power_penalty(p)).lengths[:, 0].double().mean() for p in (-1, 0, 1, 3)
    ]
    assert lengths == sorted(lengths)
    assert lengths[0] < lengths[-1]


def test_searches_keep_no_graph() -> None:
    table: Tensor = random_tree(1, 1, 3, 3).table.requires_grad_()
    assert not beam_search(TreeModel(table), 3, 2).log_probs.requires_grad
    assert not exhaustive_search(TreeModel(table), 3).log_probs.requires_grad
