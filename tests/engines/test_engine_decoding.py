"""Beam, greedy and exhaustive search against a search written out by hand, and the trees that are drawn."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.decoding import counted_search, tree_model
from engines.fields import BadData, read
from engines.figures import Table, Tree
from engines.parameters.decoding import OWN_TREE, Beam, LogProbabilities
from engines.registry import draw, execute
from engines.result import Result
from engines.run import Run
from engines.search import beam_search, beam_search_steps, exhaustive_search

SEEDS = range(1, 301)
GAP = 0.05

Scored = list[tuple[str, float]]


def result_of(params: Beam) -> Result:
    return execute(params, Run(dtype=torch.float64))


# -- the same searches with dictionaries and lists


def total(tree: LogProbabilities, sequence: str) -> float:
    words = sequence.split()
    return sum(tree[" ".join(words[:i])][word] for i, word in enumerate(words))


def all_sequences(tree: LogProbabilities, length: int) -> Scored:
    tokens = list(tree[""])
    found = [" ".join(words) for words in itertools.product(tokens, repeat=length)]
    return sorted(((s, total(tree, s)) for s in found), key=lambda item: -item[1])


def by_hand(tree: LogProbabilities, length: int, k: int) -> list[tuple[Scored, Scored]]:
    """What each step stores and drops, as the sheet's algorithm has it."""
    stored: Scored = [("", 0.0)]
    steps = []
    for _ in range(length):
        candidates: Scored = []
        for prefix, score in stored:
            row = sorted(tree[prefix].items(), key=lambda item: -item[1])[:k]
            candidates += [(f"{prefix} {token}".strip(), score + value) for token, value in row]
        candidates.sort(key=lambda item: -item[1])
        stored, dropped = candidates[:k], candidates[k:]
        steps.append((stored, dropped))
    return steps


def texts(sequences: list[list[str]]) -> list[str]:
    return [" ".join(words) for words in sequences]


# -- the published tree


def test_the_published_tree_step_by_step() -> None:
    values = result_of(Beam()).values
    assert texts(values["stored_1"]) == ["neural", "network"]
    assert texts(values["dropped_1"]) == []
    assert values["scores_1"].flat() == pytest.approx([-0.60, -0.80])
    assert texts(values["stored_2"]) == ["neural network", "network neural"]
    assert texts(values["dropped_2"]) == ["neural neural", "network network"]
    assert values["scores_2"].flat() == pytest.approx([-1.20, -1.34])
    assert texts(values["stored_3"]) == ["network neural neural", "neural network neural"]
    assert texts(values["dropped_3"]) == ["neural network network", "network neural network"]
    assert values["scores_3"].flat() == pytest.approx([-1.50, -1.85])


def test_what_the_published_searches_find() -> None:
    values = result_of(Beam()).values
    assert texts(values["found"]) == ["network neural neural"]
    assert values["found_score"] == pytest.approx(-1.50)
    assert texts(values["greedy"]) == ["neural network neural"]
    assert texts(values["best"]) == ["neural neural neural"]
    assert values["best_score"] == pytest.approx(-1.42)
    assert (values["optimal"], values["rank"], values["lost_at"]) == ("no", 2, 2)


def test_the_figures_and_the_worked_solution() -> None:
    result = result_of(Beam())
    tree, ranking = result.figure("search"), result.figure("exhaustive")
    assert isinstance(tree, Tree)
    assert len(tree.nodes) == 1 + 2 + 4 + 4
    dropped = [node for node in tree.nodes if node.state == "pruned"]
    assert len(dropped) == 4
    assert isinstance(ranking, Table)
    assert [row[:3] for row in ranking.rows][:2] == [
        ("1", "neural neural neural", "-1.42"),
        ("2", "network neural neural", "-1.50"),
    ]
    assert len(ranking.rows) == 8
    steps = {step.name: step.text for step in result.trace}
    assert list(steps) == ["t1", "t2", "t3", "best", "optimal", "runtime"]
    assert "network neural: (-0.80) + (-0.54) = **-1.34**, kept" in steps["t2"]
    assert "neural neural: (-0.60) + (-0.80) = **-1.40**, dropped" in steps["t2"]
    assert "dropped at step 2" in steps["optimal"]


def test_the_sheets_counts_of_model_runs_and_candidates() -> None:
    for length, k, runs, candidates in ((3, 2, 5, 10), (10, 2, 19, 38), (10, 4, 37, 148), (20, 4, 77, 308)):
        work = counted_search(length, k, 8 if length > 3 else 2, seed=1)
        assert work.model_steps == 1 + k * (length - 1) == runs
        assert work.candidates == min(k, 8) + (length - 1) * k * k == candidates


def test_comparisons_grow_as_sorting_does() -> None:
    """k² log k² up to lower terms: the ratio to it settles, and T enters as a factor."""
    runtime = result_of(Beam()).values["runtime"]
    ratios = [
        count / (point["T"] * point["k"] ** 2 * math.log2(point["k"] ** 2))
        for point, count in zip(runtime["points"], runtime["counts"], strict=True)
    ]
    assert all(0.4 < ratio < 1.1 for ratio in ratios[1:])
    assert max(ratios[-2:]) / min(ratios[-2:]) < 1.1
    by_length = runtime["by_length"]
    per_step = [count / length for count, length in zip(by_length, runtime["lengths"], strict=True)]
    assert max(per_step[1:]) / min(per_step[1:]) < 1.2


# -- against the search by hand


@st.composite
def trees(draw_: st.DrawFn) -> tuple[LogProbabilities, int]:
    """A tree whose totals are all apart: whole multiples of odd powers of two, no two sums alike."""
    tokens = ["a", "b", "c"][: draw_(st.integers(2, 3))]
    length = draw_(st.integers(1, 3))
    prefixes = [" ".join(p) for t in range(length) for p in itertools.product(tokens, repeat=t)]
    order = draw_(st.permutations(range(len(prefixes) * len(tokens))))
    numbers = iter(order)
    tree = {prefix: {token: -(0.1 + next(numbers) * math.sqrt(2) / 7) for token in tokens} for prefix in prefixes}
    return tree, length


@settings(max_examples=100, deadline=None)
@given(trees(), st.integers(1, 5))
def test_beam_search_is_the_search_by_hand(made: tuple[LogProbabilities, int], k: int) -> None:
    tree, length = made
    tokens = tuple(tree[""])
    for candidates, (stored, dropped) in zip(
        beam_search_steps(tree_model(tree), length, k), by_hand(tree, length, k), strict=True
    ):
        found = [" ".join(tokens[i] for i in ids) for ids in candidates.sequences.tolist()]
        scores = candidates.log_probs.tolist()
        assert scores == pytest.approx([score for _, score in stored + dropped])
        assert scores == pytest.approx([total(tree, sequence) for sequence in found])
        assert candidates.kept == len(stored)


@settings(max_examples=60, deadline=None)
@given(trees())
def test_exhaustive_search_sees_everything_and_a_wide_beam_misses_nothing(made: tuple[LogProbabilities, int]) -> None:
    tree, length = made
    count = len(tree[""]) ** length
    every = exhaustive_search(tree_model(tree), length)
    assert len({tuple(ids) for ids in every.sequences[0].tolist()}) == count
    assert every.log_probs[0].tolist() == pytest.approx([score for _, score in all_sequences(tree, length)])
    wide = beam_search(tree_model(tree), length, count)
    assert torch.equal(wide.log_probs, every.log_probs)
    assert {tuple(ids) for ids in wide.sequences[0].tolist()} == {tuple(ids) for ids in every.sequences[0].tolist()}


def test_a_tie_goes_to_the_first() -> None:
    tree = {"": {"a": -0.7, "b": -0.7}, "a": {"a": -0.7, "b": -0.7}, "b": {"a": -0.7, "b": -0.7}}
    values = result_of(Beam(tree=tree, beam_size=2)).values
    assert texts(values["stored_2"]) == ["a a", "a b"]


# -- variants


@pytest.fixture(scope="module")
def variants() -> list[Beam]:
    drawn = [draw("decoding.beam", seed) for seed in SEEDS]
    return [params for params in drawn if isinstance(params, Beam)]


def test_rows_are_probabilities_to_two_decimals(variants: list[Beam]) -> None:
    for params in variants:
        assert (params.length, params.beam_size, len(params.tokens)) == (3, 2, 2)
        for row in params.tree.values():
            assert sum(math.exp(value) for value in row.values()) == pytest.approx(1, abs=0.02)
            assert all(value == round(value, 2) < 0 for value in row.values())


def test_no_two_compared_totals_are_near(variants: list[Beam]) -> None:
    for params in variants:
        compared = [stored + dropped for k in (1, 2) for stored, dropped in by_hand(params.tree, 3, k)]
        compared.append(all_sequences(params.tree, 3)[:3])
        for scored in compared:
            scores = [score for _, score in scored]
            assert all(a - b >= GAP - 1e-9 for a, b in itertools.pairwise(scores))


def test_beam_search_misses_the_best_about_every_other_time(variants: list[Beam]) -> None:
    misses = sum(by_hand(p.tree, 3, 2)[-1][0][0][0] != all_sequences(p.tree, 3)[0][0] for p in variants)
    assert abs(misses - len(variants) / 2) < 4 * math.sqrt(len(variants) / 4)


def test_the_engine_agrees_with_the_search_by_hand_on_variants(variants: list[Beam]) -> None:
    for params in variants[:25]:
        values = result_of(params).values
        steps, ranked = by_hand(params.tree, 3, 2), all_sequences(params.tree, 3)
        for t, (stored, dropped) in enumerate(steps, 1):
            assert texts(values[f"stored_{t}"]) == [sequence for sequence, _ in stored]
            assert texts(values[f"dropped_{t}"]) == [sequence for sequence, _ in dropped]
        found, best = steps[-1][0][0][0], ranked[0][0]
        assert texts(values["found"]) == [found]
        assert texts(values["best"]) == [best]
        assert values["optimal"] == ("yes" if found == best else "no")
        assert values["rank"] == 1 + [sequence for sequence, _ in ranked].index(found)
        prefixes = [" ".join(best.split()[:t]) for t in (1, 2, 3)]
        kept = [prefix in dict(stored) for prefix, (stored, _) in zip(prefixes, steps, strict=True)]
        assert values["lost_at"] == (None if all(kept) else 1 + kept.index(False))
        assert texts(values["greedy"]) == [by_hand(params.tree, 3, 1)[-1][0][0][0]]


# -- what may be asked


@pytest.mark.parametrize(
    ("change", "path", "message"),
    [
        ({}, ("tree",), "has no row for the start"),
        ({"": {"a": -0.7}}, ("tree", ""), "do not add up to 1"),
        ({"": {"a b": -0.69, "c": -0.69}}, ("tree", "", "a b"), "one word"),
        ({"": {" a": -0.69, "c": -0.69}}, ("tree", "", " a"), "one word"),
        ({"": {"": -0.69, "c": -0.69}}, ("tree", "", ""), "one word"),
        ({"": {"a": -0.69, "b": -0.69}, "a": {"a": -0.69, "b": -0.69}}, ("tree",), "no row for the prefix 'b'"),
        ({**OWN_TREE, "deep": {"neural": -0.69, "network": -0.69}}, ("tree", "deep"), "is not a prefix"),
        ({**OWN_TREE, "neural": {"neural": 0.0}}, ("tree", "neural"), "one number for each of neural, network"),
        ({"": {"a": 0.5}}, ("tree", "", "a"), "too large"),
        ({"": {"a": 0.0}, "a " * 500: {"a": 0.0}}, ("tree",), "at most 400 prefixes"),
        ({"": {}}, ("tree", ""), "do not add up"),
    ],
)
def test_a_tree_that_is_none(change: dict[str, Any], path: tuple[str, ...], message: str) -> None:
    with pytest.raises(BadData) as caught:
        read(Beam, {"tree": change or {"a": {"a": 0.0}}})
    assert [fault.path for fault in caught.value.faults if message in fault.message] == [path]
