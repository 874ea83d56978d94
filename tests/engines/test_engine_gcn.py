"""Graph networks: a layer by formula, many networks at once, and what the karate club teaches."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from engines.fields import BadData, read
from engines.gcn import CLASSES, EMBEDDING, accuracy, forward, init, layer, layer_backward, train
from engines.graphs import adjacency, normalised
from engines.parameters.gcn import FewLabels, Layer, Masking
from engines.parameters.graphs import KARATE_EDGES, KARATE_SIDES
from engines.registry import draw, execute
from engines.run import Run

SIDES = torch.tensor(KARATE_SIDES)
N = len(SIDES)
S = normalised(adjacency(torch.tensor(KARATE_EDGES), N))
SIZES = (N, 16, EMBEDDING, CLASSES)
LEADERS = torch.tensor([0, 33])


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(sum(shape)))


def values_of(params: Any) -> dict[str, Any]:
    return execute(params, Run(dtype=torch.float64)).values


# -- one layer


@pytest.mark.parametrize(("features", "outputs"), [(1, 1), (5, 3), (34, 16)])
def test_the_backward_pass_is_that_of_autograd(features: int, outputs: int) -> None:
    x, w, upstream = normal(N, features), normal(features, outputs), normal(N, outputs)
    leaves = [tensor.clone().requires_grad_() for tensor in (x, w)]
    h = layer(S, *leaves)
    h.backward(upstream)
    dx, dw = layer_backward(S, x, w, h.detach(), upstream)
    torch.testing.assert_close(dx, leaves[0].grad, rtol=0, atol=1e-14)
    torch.testing.assert_close(dw, leaves[1].grad, rtol=0, atol=1e-13)


def test_the_layer_experiment_gives_the_usual_slips_other_values() -> None:
    for seed in range(1, 20):
        params = draw("gcn.layer", seed)
        assert isinstance(params, Layer)
        assert len({params.nodes, params.features, params.outputs}) == 3
        found = values_of(params)
        right = torch.tensor(found["gradient_w"].tolist())
        for slip in ("gradient_w_without_slope", "gradient_w_without_propagation"):
            assert (torch.tensor(found[slip].tolist()) - right).abs().max() > 0.01


# -- many at once


def alone(weights: list[Tensor], epochs: int, rate: float) -> tuple[list[Tensor], Tensor]:
    """One network, written as in a notebook: features, layers, optimizer."""
    weights = [w.clone().requires_grad_() for w in weights]
    optimizer = torch.optim.Adam(weights, lr=rate)
    features = torch.eye(N, dtype=torch.float64)

    def network() -> Tensor:
        h = layer(S, layer(S, features, weights[0]), weights[1])
        logits: Tensor = h @ weights[2]
        return logits

    for _ in range(epochs):
        loss = F.cross_entropy(network()[LEADERS], SIDES[LEADERS])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return [w.detach() for w in weights], network().detach()


def test_networks_trained_together_are_those_trained_alone() -> None:
    weights = init(Run(dtype=torch.float64), "weights", 3, SIZES)
    together = train(S, SIDES, LEADERS, weights, 0.02, 30)
    logits, _ = forward(S, together)
    for seed in range(3):
        trained, wanted = alone([w[seed] for w in weights], 30, 0.02)
        for ours, theirs in zip(together, trained, strict=True):
            torch.testing.assert_close(ours[seed], theirs, rtol=0, atol=1e-10)
        torch.testing.assert_close(logits[seed], wanted, rtol=0, atol=1e-10)


def test_the_layers_are_those_of_torch_geometric() -> None:
    nn = pytest.importorskip("torch_geometric.nn")
    pairs = torch.tensor(KARATE_EDGES)
    theirs = nn.GCNConv(5, 3, bias=False).double()
    x = normal(N, 5)
    with torch.no_grad():
        want = torch.tanh(theirs(x, torch.cat([pairs, pairs.flip(1)]).T))
    torch.testing.assert_close(layer(S, x, theirs.lin.weight.detach().T), want, rtol=0, atol=1e-6)


def test_more_seeds_change_no_network_and_weights_have_their_variance() -> None:
    run = Run(dtype=torch.float64)
    weights = init(run, "weights", 50, SIZES)
    assert [tuple(w.shape) for w in weights] == [(50, 34, 16), (50, 16, 2), (50, 2, 2)]
    assert weights[0].var().item() == pytest.approx(2 / 50, rel=0.05)


def test_accuracy_counts_the_nodes_it_is_asked_about() -> None:
    logits = F.one_hot(torch.tensor([[0, 1, 1, 0], [1, 1, 0, 0]])).double()
    sides = torch.tensor([0, 1, 0, 0])
    assert accuracy(logits, sides, torch.tensor([0, 1, 2])).tolist() == pytest.approx([2 / 3, 2 / 3])


# -- experiments


@pytest.fixture(scope="module")
def few() -> dict[str, Any]:
    return values_of(FewLabels(seeds=8, epochs=120))


def test_two_labels_are_enough_with_edges_and_nothing_without(few: dict[str, Any]) -> None:
    assert few["accuracy"] > 0.92
    assert 0.4 < few["accuracy_without_edges"] < 0.6
    assert 8 in few["misplaced"]
    assert few["dimensions"] == [34, 16, 2, 2]


def test_trap_label_propagation_does_as_well_as_the_network(few: dict[str, Any]) -> None:
    assert few["accuracy_label_propagation"] == 31 / 32
    assert few["accuracy_label_propagation"] >= few["accuracy"]
    assert few["accuracy_fiedler"] == 30 / 32


def test_e48_a_leaking_mask_makes_the_test_perfect() -> None:
    found = values_of(Masking(seeds=6))
    assert found["differing"] == [8, 9]
    assert found["differing_in_test"] == [8]
    assert found["training_nodes"] == 24
    assert found["test_accuracy_leak"] == 1.0
    assert found["test_accuracy"] < 0.9
    assert found["test_accuracy_clubs"] == pytest.approx(0.9)
    assert 8 in found["missed"]


def test_both_sides_have_to_be_labelled() -> None:
    with pytest.raises(BadData, match="one node of each side"):
        read(FewLabels, {"labelled": [0, 1]})
    with pytest.raises(BadData, match=r"labelled\[1\]: there is no node 34"):
        read(FewLabels, {"labelled": [0, 34]})


def test_variants_label_one_node_of_each_side() -> None:
    for seed in range(1, 30):
        params = draw("gcn.few_labels", seed)
        assert isinstance(params, FewLabels)
        assert [params.sides[node] for node in params.labelled] == [0, 1]
