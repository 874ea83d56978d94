"""Graph networks on the karate club, a hundred seeds at once, against torch_geometric one after the other."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.gcn import CLASSES, EMBEDDING, forward, init, train
from engines.graphs import adjacency, normalised
from engines.parameters.graphs import KARATE_EDGES, KARATE_SIDES
from engines.run import Run
from tests.benchmarks.conftest import Report
from tests.benchmarks.contest import contest

SEEDS, EPOCHS, RATE = 100, 200, 0.02
# The loop is the same for every seed: so many of them are timed, and the time is taken for a hundred.
TIMED = 2


class Peer(nn.Module):
    """The same network from torch_geometric's layers."""

    def __init__(self, weights: list[Tensor]) -> None:
        from torch_geometric.nn import GCNConv

        super().__init__()
        shapes = [w.shape for w in weights]
        layers = [GCNConv(a, b, bias=False) for a, b in shapes[:-1]]
        self.layers = nn.ModuleList(layers)
        self.out = nn.Linear(shapes[-1][0], shapes[-1][1], bias=False)
        with torch.no_grad():
            for layer, w in zip(layers, weights, strict=False):
                layer.lin.weight.copy_(w.T)
            self.out.weight.copy_(weights[-1].T)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.tanh(layer(x, edges))
        logits: Tensor = self.out(x)
        return logits


def test_a_hundred_seeds(report: Report) -> None:
    """Target: 40 times the loop. A seed of the loop is some 60 small operations an epoch, each for one network."""
    pytest.importorskip("torch_geometric")
    sides = torch.tensor(KARATE_SIDES)
    pairs = torch.tensor(KARATE_EDGES)
    s = normalised(adjacency(pairs, len(sides))).float()
    both = torch.cat([pairs, pairs.flip(1)]).T.contiguous()
    nodes = torch.tensor([0, 33])
    x = torch.eye(len(sides))
    weights = init(Run(), "weights", SEEDS, (len(sides), 16, EMBEDDING, CLASSES))

    def peer(seed: int) -> Tensor:
        model = Peer([w[seed] for w in weights])
        optimizer = torch.optim.Adam(model.parameters(), lr=RATE, fused=True)
        for _ in range(EPOCHS):
            loss = F.cross_entropy(model(x, both)[nodes], sides[nodes])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        logits: Tensor = model(x, both)
        return logits.detach()

    trained = forward(s, train(s, sides, nodes, weights, RATE, EPOCHS))[0]
    for seed in range(TIMED):
        assert torch.allclose(peer(seed), trained[seed], atol=1e-3)
    found = contest(
        {
            "ours": lambda: train(s, sides, nodes, weights, RATE, EPOCHS),
            "torch_geometric": lambda: [peer(seed) for seed in range(TIMED)],
        },
        rounds=5,
    )
    ratio = found.speedup("ours", "torch_geometric") * SEEDS / TIMED
    report.row("graph network, 100 seeds", f"{ratio:.0f} x torch_geometric", "40", f"{found.median('ours'):.3f} s")
    assert ratio >= 40
