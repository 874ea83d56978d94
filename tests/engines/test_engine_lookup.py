"""Training with hard attention: what gets a gradient, and what is learned. E11."""

from __future__ import annotations

import pytest
import torch

from engines.argmax import argmax_weights
from engines.fields import BadData, read
from engines.figures import Lines, Table
from engines.lookup import Model, draw_batch, straight_through_weights, zero_gradient_parameters
from engines.parameters.lookup import Lookup
from engines.registry import execute
from engines.result import Result
from engines.run import Run


@pytest.fixture(scope="module")
def trained() -> Result:
    return execute(Lookup(), Run(seed=1))


def test_e11_only_w_q_and_w_k_get_no_gradient() -> None:
    """8192 of 49408, a sixth of the layer: not most of the parameters."""
    run = Run(dtype=torch.float64)
    assert zero_gradient_parameters("argmax", run) == {"W_Q": 4096, "W_K": 4096, "total": 49_408}
    assert zero_gradient_parameters("softmax", run) == {"total": 49_408}
    assert zero_gradient_parameters("straight-through", run) == {"total": 49_408}


def test_straight_through_is_argmax_forward_and_softmax_backward() -> None:
    s = Run(dtype=torch.float64).randn("s", 5, 7).requires_grad_()
    g = Run(dtype=torch.float64).randn("g", 5, 7)
    weights = straight_through_weights(s)
    assert torch.allclose(weights, argmax_weights(s), atol=1e-15)
    (found,) = torch.autograd.grad((weights * g).sum(), s)
    (want,) = torch.autograd.grad((s.softmax(-1) * g).sum(), s)
    assert torch.equal(found, want)


def test_e11_argmax_keeps_looking_where_it_looked(trained: Result) -> None:
    values = trained.values
    assert values["moved_w_q"]["argmax"] == values["moved_w_k"]["argmax"] == 0
    assert values["moved_w_v"]["argmax"] > 0.3
    assert min(values["moved_w_q"]["softmax"], values["moved_w_k"]["straight-through"]) > 0.3
    assert values["looks_right"]["argmax"] == values["looks_right_at_start"] < 0.8
    assert values["looks_right"]["softmax"] > 0.95
    assert values["accuracy_softmax"] > 0.95
    assert values["accuracy_straight_through"] > 0.95
    assert values["accuracy_argmax"] < 0.8
    assert values["loss_argmax"] > 10 * max(values["loss_softmax"], values["loss_straight_through"])


def test_the_figures_say_so(trained: Result) -> None:
    loss, moved = trained.figure("loss"), trained.figure("moved")
    assert isinstance(loss, Lines)
    assert [series.label for series in loss.series] == ["softmax", "argmax", "straight-through", "chance"]
    assert isinstance(moved, Table)
    assert [row[:3] for row in moved.rows if row[0] == "argmax"] == [("argmax", "0.000", "0.000")]


def test_lists_have_no_key_twice() -> None:
    run = Run()
    batch = draw_batch(Lookup(batch_size=50), run, run.generator("x"))
    assert batch.keys.shape == batch.values.shape == (50, 6)
    assert all(len(set(row)) == 6 for row in batch.keys.tolist())
    assert set(batch.asked.tolist()) == set(range(6))


def test_all_models_begin_alike() -> None:
    run = Run(dtype=torch.float64)
    soft, hard = Model("softmax", Lookup(), run), Model("argmax", Lookup(), run)
    assert all(torch.equal(soft.weights[name], hard.weights[name]) for name in soft.weights)
    batch = draw_batch(Lookup(), run, run.generator("x"))
    straight = Model("straight-through", Lookup(), run)
    assert torch.allclose(hard.logits(batch), straight.logits(batch))


def test_more_pairs_than_keys_are_refused() -> None:
    with pytest.raises(BadData, match="as many keys"):
        read(Lookup, {"items": 13})
