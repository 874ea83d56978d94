"""Deep networks: many trained at once are those trained alone, and more layers train worse without skips."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.depth import KINDS, Net, forward, gradient_norms, init_net, loss_of, normalise, train
from engines.parameters.depth import Degradation, Gradients
from engines.registry import execute
from engines.run import Run

RUN = Run(dtype=torch.float64, seed=2)


def net_of(name: str, depth: int = 5, width: int = 8, seeds: int = 3) -> Net:
    init, norm, residual = KINDS[name]
    return init_net(RUN, depth, width, seeds, init, norm, residual=residual)


class Alone(nn.Module):
    """One network of a stack, from torch's own layers."""

    def __init__(self, net: Net, seed: int) -> None:
        super().__init__()
        width = net.first.shape[-1]
        kinds: dict[str, Any] = {"none": nn.Identity, "batch": nn.BatchNorm1d, "layer": nn.LayerNorm}
        self.residual = net.residual
        self.first = nn.Linear(64, width, bias=False)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in net.hidden)
        self.norms = nn.ModuleList(kinds[net.norm](width) for _ in net.hidden)
        self.last = nn.Linear(width, 10, bias=False)
        self.double()
        with torch.no_grad():
            self.first.weight.copy_(net.first[seed].T)
            self.last.weight.copy_(net.last[seed].T)
            for layer, w, b in zip(self.hidden, net.hidden, net.biases, strict=True):
                assert isinstance(layer, nn.Linear)
                layer.weight.copy_(w[seed].T)
                layer.bias.copy_(b[seed, 0])

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x)
        for layer, norm in zip(self.hidden, self.norms, strict=True):
            branch = layer(torch.relu(norm(h)))
            h = h + branch if self.residual else branch
        logits: Tensor = self.last(h)
        return logits


@pytest.mark.parametrize("name", KINDS)
def test_a_stack_computes_what_each_of_its_networks_computes(name: str) -> None:
    net = net_of(name)
    x, y = RUN.randn("x", 12, 64), RUN.randint("y", 10, 12)
    logits, losses, norms = forward(net, x), loss_of(net, x, y), gradient_norms(net, x, y)
    for seed in range(3):
        alone = Alone(net, seed)
        torch.testing.assert_close(logits[seed], alone(x), rtol=0, atol=1e-9)
        loss = F.cross_entropy(alone(x), y)
        assert losses[seed].item() == pytest.approx(loss.item(), rel=1e-9)
        loss.backward()
        for layer in range(5):
            hidden = alone.hidden[layer]
            assert isinstance(hidden, nn.Linear)
            assert hidden.weight.grad is not None
            assert norms[layer, seed].item() == pytest.approx(hidden.weight.grad.norm().item(), rel=1e-7)


@pytest.mark.parametrize("name", ["He", "He, residual"])
def test_networks_trained_together_are_those_trained_alone(name: str) -> None:
    net = net_of(name)
    x, y = RUN.randn("many x", 10, 12, 64), RUN.randint("many y", 10, 10, 12)
    trained, losses = train(net, x, y, 0.05)
    for seed in range(3):
        alone = Alone(net, seed)
        parameters = [p for name, p in alone.named_parameters() if not name.startswith("norms")]
        optimizer = torch.optim.SGD(parameters, lr=0.05)
        for step in range(10):
            loss = F.cross_entropy(alone(x[step]), y[step])
            assert losses[step, seed].item() == pytest.approx(loss.item(), rel=1e-9)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        torch.testing.assert_close(trained.last[seed].T, alone.last.weight.detach(), rtol=1e-9, atol=1e-10)
        assert not torch.equal(trained.hidden, net.hidden)


def test_more_seeds_change_no_network() -> None:
    few, many = net_of("He", seeds=2), net_of("He", seeds=4)
    assert torch.equal(few.hidden, many.hidden[:, :2])


def test_scales_of_initialisation() -> None:
    width = 64
    he, default = (net_of(name, depth=8, width=width).hidden.var().item() for name in ("He", "default"))
    assert he == pytest.approx(2 / width, rel=0.05)
    assert default == pytest.approx(1 / (3 * width), rel=0.05)
    assert not net_of("He").biases.any()
    assert net_of("default").biases.any()
    residual = net_of("He, residual", depth=8, width=width).hidden.var().item()
    assert residual == pytest.approx(2 / width / 8, rel=0.05)


@pytest.mark.parametrize(("norm", "axis"), [("batch", 1), ("layer", 2)])
def test_normalisation_is_over_the_batch_or_over_the_units(norm: Any, axis: int) -> None:
    x = 3 * RUN.randn("norm", 2, 20, 30) + 5
    out = normalise(x, norm)
    assert out.mean(axis).abs().max() < 1e-12
    torch.testing.assert_close(out.var(axis, unbiased=False), torch.ones_like(out.mean(axis)), rtol=0, atol=1e-4)


# -- what the sheet's answer leaves out


def test_e17_a_vanishing_gradient_is_only_part_of_it() -> None:
    ratios = execute(Gradients(), Run(dtype=torch.float64)).values["ratios"]
    assert ratios["default"] < 1e-5
    assert 0.1 < ratios["He"] < 10
    assert 0.1 < ratios["He, residual"] < 10
    assert ratios["He, batch norm"] > 5
    deep = execute(Gradients(depth=56), Run(dtype=torch.float64)).values["ratios"]
    assert deep["He, batch norm"] > 50 * ratios["He, batch norm"]


def test_deeper_is_worse_in_training_and_skips_mend_it() -> None:
    found = execute(Degradation(depths=(10, 40), seeds=3, steps=120), Run()).values
    assert found["deeper_is_worse"] == 3
    assert found["skips_help"] == 3
    losses, accuracies = found["losses"], found["test_accuracies"]
    assert losses["residual 40"] < 0.5 * losses["plain 40"]
    assert accuracies["residual 40"] > accuracies["plain 40"]
    assert losses["plain 40"] < 1.5 * math.log(10)
