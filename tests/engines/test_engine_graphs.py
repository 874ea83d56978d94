"""Graphs as matrices, cuts and communities, against networkx, brute force and the figures of the sheet."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from engines.fields import BadData, read
from engines.graphs import (
    adjacency,
    draw_block_graph,
    fiedler_sides,
    label_propagation,
    layout,
    min_cut,
    modularity_communities,
    normalised,
    outside_top,
    pass_messages,
    wrong_nodes,
)
from engines.parameters.graphs import KARATE_EDGES, KARATE_SIDES, KARATE_WEIGHTS, Spread
from engines.randomness import Draws
from engines.registry import draw, execute
from engines.run import Run

N = 34
EDGES = torch.tensor(KARATE_EDGES)
A = adjacency(EDGES, N)


@pytest.fixture(scope="module")
def networkx() -> Any:
    return pytest.importorskip("networkx")


@pytest.fixture(scope="module")
def published() -> dict[str, Any]:
    return execute(Spread(), Run(dtype=torch.float64)).values


@st.composite
def graphs(draw_: st.DrawFn) -> Tensor:
    """Adjacency matrices of 2 to 9 nodes, at least one edge."""
    n = draw_(st.integers(2, 9))
    pairs = list(itertools.combinations(range(n), 2))
    edges = draw_(st.lists(st.sampled_from(pairs), min_size=1, unique=True))
    return adjacency(torch.tensor(edges), n)


# -- the karate club


def test_the_edge_list_is_that_of_networkx(networkx: Any) -> None:
    theirs = networkx.karate_club_graph()
    assert sorted(KARATE_EDGES) == sorted(map(tuple, theirs.edges()))
    assert dict(zip(KARATE_EDGES, KARATE_WEIGHTS, strict=True)) == {
        (a, b): data["weight"] for a, b, data in theirs.edges(data=True)
    }
    assert [theirs.nodes[i]["club"] != "Mr. Hi" for i in range(N)] == [bool(side) for side in KARATE_SIDES]


def test_the_facts_of_the_sheet(published: dict[str, Any]) -> None:
    assert (published["nodes"], published["edges"], published["club_sizes"]) == (34, 78, [17, 17])
    s = torch.tensor(published["normalised"].tolist(), dtype=torch.float64)
    assert s[0, 0].item() == pytest.approx(1 / 17, abs=1e-12)
    assert s[0, 1].item() == published["entry"] == pytest.approx(1 / math.sqrt(170), abs=1e-12)
    assert s[33, 33].item() == pytest.approx(1 / 18, abs=1e-12)
    assert published["smallest_eigenvalue"] == pytest.approx(-0.4201, abs=1e-4)
    assert published["largest_eigenvalue"] == pytest.approx(1, abs=1e-12)


def test_e29_the_library_gives_weights_where_the_lesson_means_ones(networkx: Any, published: dict[str, Any]) -> None:
    theirs = networkx.to_numpy_array(networkx.karate_club_graph())
    assert (theirs.max(), theirs.sum()) == (7, 462)
    assert published["weight_sum"] == 462
    assert torch.equal(A, torch.from_numpy(theirs > 0).double())
    weighted = normalised(adjacency(EDGES, N, torch.tensor(KARATE_WEIGHTS)))
    assert weighted[0, 0].item() == pytest.approx(0.023256, abs=1e-6)
    assert published["entry_weighted"] == pytest.approx(0.111369, abs=1e-6)


def test_cuts_without_labels(networkx: Any, published: dict[str, Any]) -> None:
    assert published["fiedler_wrong"] == [2, 8]
    assert (published["cut_value"], published["cut_wrong"]) == (22, [8])
    value, _ = networkx.minimum_cut(networkx.karate_club_graph(), 0, 33, capacity="weight")
    assert published["cut_value"] == value


def test_communities_are_those_of_networkx(networkx: Any) -> None:
    theirs = networkx.algorithms.community.greedy_modularity_communities(networkx.karate_club_graph())
    assert modularity_communities(A) == sorted((sorted(group) for group in theirs), key=lambda g: (-len(g), g))


def test_many_propagations_make_all_nodes_alike() -> None:
    left = outside_top(normalised(A), 32)
    for k, want in {1: 0.911, 2: 0.797, 4: 0.621, 8: 0.402, 16: 0.171, 32: 0.030}.items():
        assert left[k - 1].item() == pytest.approx(want, abs=6e-4)


# -- in general


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_propagation_is_passing_messages(a: Tensor) -> None:
    x = torch.randn(len(a), 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    s = normalised(a)
    torch.testing.assert_close(s @ x, pass_messages(a, x), rtol=0, atol=1e-12)
    torch.testing.assert_close(s, s.T, rtol=0, atol=0)
    values = torch.linalg.eigvalsh(s)
    assert values[0] > -1
    assert values[-1].item() == pytest.approx(1, abs=1e-12)


def test_powers_forget_as_their_spectrum_says() -> None:
    s = normalised(A)
    top = torch.linalg.eigh(s).eigenvectors[:, -1]
    power = torch.linalg.matrix_power(s, 7)
    want = torch.linalg.norm(power - torch.outer(top, top)) / torch.linalg.norm(power)
    assert outside_top(s, 7)[-1].item() == pytest.approx(want.item(), rel=1e-10)


@settings(max_examples=40, deadline=None)
@given(graphs(), st.data())
def test_a_minimum_cut_is_the_best_of_all_cuts(a: Tensor, data: st.DataObject) -> None:
    n = len(a)
    strengths = torch.tensor(data.draw(st.lists(st.integers(1, 5), min_size=n * n, max_size=n * n))).view(n, n)
    capacity = a * (strengths + strengths.T)
    value, side = min_cut(capacity, 0, n - 1)

    def cost(sides: tuple[int, ...]) -> float:
        first = torch.tensor(sides) == 0
        return float(capacity[first][:, ~first].sum())

    best = min(cost((0, *middle, 1)) for middle in itertools.product((0, 1), repeat=n - 2))
    assert value == best == cost(tuple(side.tolist()))
    assert [side[0].item(), side[-1].item()] == [0, 1]


@settings(max_examples=40, deadline=None)
@given(graphs())
def test_communities_cover_every_node_once_and_no_merge_would_gain(a: Tensor) -> None:
    found = modularity_communities(a)
    assert sorted(node for group in found for node in group) == list(range(len(a)))
    share = a.sum(1) / a.sum()

    def modularity(groups: list[list[int]]) -> float:
        inside = sum(float(a[group][:, group].sum()) for group in groups) / float(a.sum())
        return inside - sum(float(share[group].sum()) ** 2 for group in groups)

    for one, other in itertools.combinations(range(len(found)), 2):
        rest = [group for i, group in enumerate(found) if i not in (one, other)]
        assert modularity([*rest, found[one] + found[other]]) <= modularity(found) + 1e-9


def test_labels_spread_along_edges_and_stay_where_they_were_told() -> None:
    chain = adjacency(torch.tensor([[i, i + 1] for i in range(5)]), 6)
    sides = torch.tensor([0, 0, 0, 1, 1, 1])
    assert label_propagation(normalised(chain), sides, torch.tensor([0, 5])).equal(sides)
    turned = torch.tensor([1, 0, 0, 1, 1, 0])
    assert label_propagation(normalised(chain), turned, torch.tensor([0, 5])).tolist() == [1, 1, 1, 0, 0, 0]


def test_sides_have_no_names() -> None:
    sides = torch.tensor([0, 0, 1, 1, 1])
    assert wrong_nodes(torch.tensor([1, 1, 0, 0, 1]), sides) == [4]
    assert wrong_nodes(torch.tensor([0, 0, 1, 1, 0]), sides) == [4]


@settings(max_examples=30, deadline=None)
@given(graphs())
def test_a_layout_is_finite_and_the_same_every_time(a: Tensor) -> None:
    places = layout(a)
    assert places.shape == (len(a), 2)
    assert places.isfinite().all()
    assert torch.equal(places, layout(a))


def test_neighbours_are_drawn_nearer_than_strangers() -> None:
    distance = torch.cdist(layout(A), layout(A))
    strangers = (A == 0) & ~torch.eye(N, dtype=torch.bool)
    assert distance[A > 0].mean() < 0.6 * distance[strangers].mean()


# -- what may be asked


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (
            {"edges": [[0, 1, 2]], "weights": [1], "sides": [0, 1], "leaders": [0, 1]},
            r"edges\[0\]: \[0, 1, 2\] is no pair",
        ),
        ({"edges": [[1, 1]], "weights": [1], "sides": [0, 1], "leaders": [0, 1]}, r"edges\[0\]: \[1, 1\] is no pair"),
        ({"edges": [[0, 2]], "weights": [1], "sides": [0, 1], "leaders": [0, 1]}, "from 0 to 1"),
        ({"edges": [[0, 1], [1, 0]], "weights": [1, 1], "sides": [0, 1], "leaders": [0, 1]}, "stands there twice"),
        ({"edges": [[0, 1]], "weights": [1, 2], "sides": [0, 1], "leaders": [0, 1]}, "2 weights for 1 edges"),
        ({"edges": [[0, 1]], "weights": [1], "sides": [0, 1]}, r"leaders\[1\]: there is no node 33: 0 to 1"),
    ],
)
def test_what_is_no_graph_is_refused(data: dict[str, Any], fault: str) -> None:
    with pytest.raises(BadData, match=fault):
        read(Spread, data)


def test_variants_are_connected_graphs_of_two_sides() -> None:
    for seed in range(1, 40):
        edges, sides = draw_block_graph(Draws(seed))
        a = adjacency(torch.tensor(edges), len(sides))
        assert 60 <= len(edges) <= 95
        assert torch.linalg.matrix_power(a + torch.eye(N), N).gt(0).all()
        assert len(wrong_nodes(fiedler_sides(a), torch.tensor(sides))) <= 3
        params = draw("graphs.spread", seed)
        assert isinstance(params, Spread)
        assert params.entry in params.edges
        degree = a.sum(1)
        assert [params.sides[leader] for leader in params.leaders] == [0, 1]
        # The usual slips land on other numbers: no loops, rows alone.
        row, column = params.entry
        assert degree[row] != degree[column]
