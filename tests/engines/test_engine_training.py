"""Broken training loops: what each bug amounts to, and which normalisation survives accumulation."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.accumulation import accumulate
from engines.arrays import Array
from engines.fields import BadData, read
from engines.figures import Lines, Table
from engines.parameters.accumulation import Accumulation
from engines.parameters.training import ZeroGrad
from engines.registry import draw, execute
from engines.result import Result
from engines.run import Run
from engines.training import (
    ZERO_GRAD_LOOPS,
    Problem,
    Record,
    train,
    train_without_clearing,
    watch,
)


@pytest.fixture
def problem() -> Problem:
    return Problem.draw(Run(dtype=torch.float64, seed=1), 12, 16, 8)


def result_of(params: Any, seed: int = 0) -> Result:
    return execute(params, Run(dtype=torch.float64, seed=seed))


def tensor_of(array: Array) -> Tensor:
    return torch.tensor(array.flat(), dtype=torch.float64).reshape(array.shape)


def by_hand(problem: Problem, learning_rate: float, momentum: float) -> tuple[Tensor, Tensor]:
    """SGD written out with functional gradients: flat gradients of the steps, and the parameters at the end."""
    parameters = [problem.w1, problem.b1, problem.w2, problem.b2]
    speed = [torch.zeros_like(p) for p in parameters]
    gradients = []
    for x, y in zip(problem.x, problem.y, strict=True):
        leaves = [p.clone().requires_grad_() for p in parameters]
        w1, b1, w2, b2 = leaves
        logits = torch.relu(x @ w1.T + b1) @ w2.T + b2
        grads = torch.autograd.grad(F.cross_entropy(logits, y), leaves)
        speed = [momentum * v + g for v, g in zip(speed, grads, strict=True)]
        parameters = [p - learning_rate * v for p, v in zip(parameters, speed, strict=True)]
        gradients.append(torch.cat([v.flatten() for v in speed]))
    return torch.stack(gradients), torch.cat([p.flatten() for p in parameters])


def test_the_right_loop_is_plain_gradient_descent(problem: Problem) -> None:
    gradients, parameters = by_hand(problem, 0.1, momentum=0.0)
    record = watch(problem, train, 0.1)
    assert torch.allclose(record.gradients, gradients, rtol=1e-12, atol=1e-14)
    assert torch.allclose(record.parameters[-1], parameters, rtol=1e-12, atol=1e-14)
    assert record.losses.shape == (12,)


def test_never_clearing_is_momentum_one_to_the_bit(problem: Problem) -> None:
    """SGD with momentum 1 over cleared gradients takes the very same steps."""
    model = problem.model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=1.0)
    for x, y in zip(problem.x, problem.y, strict=True):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    with_momentum = torch.cat([p.detach().flatten() for p in model.parameters()])
    assert torch.equal(watch(problem, train_without_clearing, 0.05).parameters[-1], with_momentum)
    assert torch.allclose(with_momentum, by_hand(problem, 0.05, momentum=1.0)[1], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("bug", ["missing", "once", "first-step"])
def test_clearing_once_is_as_good_as_never(problem: Problem, bug: Any) -> None:
    never, other = (watch(problem, loop, 0.05) for loop in (train_without_clearing, ZERO_GRAD_LOOPS[bug]))
    assert torch.equal(never.parameters, other.parameters)
    assert torch.equal(never.gradients, other.gradients)


def test_clearing_too_late_moves_nothing(problem: Problem) -> None:
    record = watch(problem, ZERO_GRAD_LOOPS["too-late"], 0.05)
    assert not record.gradients.any()
    start = torch.cat([p.flatten() for p in (problem.w1, problem.b1, problem.w2, problem.b2)])
    assert torch.equal(record.parameters[-1], start)


# -- accumulation


def accumulating(problem: Problem, bug: Any) -> Record:
    return watch(problem, partial(accumulate, accumulation_steps=4, bug=bug), 0.1)


def test_accumulating_is_training_on_whole_batches(problem: Problem) -> None:
    whole, pieces = watch(problem.merged(4), train, 0.1), accumulating(problem, None)
    assert torch.allclose(whole.gradients, pieces.gradients, rtol=1e-10, atol=1e-13)
    assert torch.allclose(whole.parameters, pieces.parameters, rtol=1e-10, atol=1e-13)


def test_what_each_accumulation_bug_does(problem: Problem) -> None:
    right = accumulating(problem, None)
    undivided = accumulating(problem, "no-division")
    assert torch.allclose(undivided.gradients[0], 4 * right.gradients[0], rtol=1e-12)
    each = accumulating(problem, "step-every-batch")
    assert len(each.gradients) == 12
    alone = watch(problem, train, 0.1).gradients[0]
    assert torch.allclose(4 * each.gradients[0], alone, rtol=1e-12)
    last = accumulating(problem, "zero-every-batch")
    assert len(last.gradients) == 3
    x, y = problem.x[3], problem.y[3]
    model = problem.model()
    (F.cross_entropy(model(x), y) / 4).backward()
    flat = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    assert torch.allclose(last.gradients[0], flat, rtol=1e-12)
    never = accumulating(problem, "zero-never")
    assert torch.allclose(never.gradients[0], right.gradients[0], rtol=1e-12)
    assert not torch.allclose(never.gradients[1], right.gradients[1], rtol=1e-3)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_batch_normalisation_fails_the_equality_test_and_layer_normalisation_passes(seed: int) -> None:
    values = result_of(Accumulation(), seed).values
    assert values["fails"] == "batchnorm"
    logits, gradients = values["logits"], values["gradient_errors"]
    assert [len(rows) for rows in logits.values()] == [6, 6, 6]
    assert max(logits["layernorm"]) < 1e-12
    assert max(gradients["layernorm"]) < 1e-12
    assert logits["batchnorm"][0] == 0
    assert min(logits["batchnorm"][1:]) > 1e-3
    assert min(gradients["batchnorm"][1:]) > 1e-3
    assert values["whole_batch_difference"] < 1e-12


def test_in_eval_mode_both_pass() -> None:
    values = result_of(Accumulation(mode="eval")).values
    assert values["fails"] == "neither"
    assert max(max(rows) for rows in values["logits"].values()) < 1e-12


def test_the_equality_test_does_not_hang_on_torchs_own_generator() -> None:
    params = Accumulation(updates=3)
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        found.append(result_of(params).values)
    assert found[0]["logits"] == found[1]["logits"]
    assert found[0]["gradient_errors"] == found[1]["gradient_errors"]


def test_groups_over_all_channels_look_at_one_example_alone() -> None:
    """The network called layernorm gives an example the same logits whoever stands beside it."""
    from engines.accumulation import NormalisedNet

    torch.manual_seed(0)
    x = torch.randn(6, 3, 8, 8, dtype=torch.float64)
    for norm, alone in (("layernorm", True), ("batchnorm", False)):
        model = NormalisedNet(norm, 8).double()
        together, first = model(x), model(x[:1])
        assert torch.allclose(together[:1], first, atol=1e-10) == alone
        reference = nn.LayerNorm([8, 8, 8], dtype=torch.float64, elementwise_affine=False)
        hidden = torch.randn(2, 8, 8, 8, dtype=torch.float64)
        group = nn.GroupNorm(1, 8, dtype=torch.float64)
        assert torch.allclose(group(hidden), reference(hidden), atol=1e-12)


# -- the experiments and their variants


@pytest.mark.parametrize("bug", list(ZERO_GRAD_LOOPS))
def test_the_values_that_programs_are_compared_with(bug: Any) -> None:
    params = ZeroGrad(bug=bug, steps=20)
    values = result_of(params).values
    problem = Problem.draw(Run(dtype=torch.float64, seed=0), 20, 50, 32)
    gradients, parameters = by_hand(problem, 0.05, momentum=0.0)
    assert values["updates"] == 20
    assert torch.allclose(tensor_of(values["gradients"]), gradients[:3], rtol=1e-10, atol=1e-13)
    assert torch.allclose(tensor_of(values["parameters"]), parameters, rtol=1e-10, atol=1e-13)
    summed = by_hand(problem, 0.05, momentum=1.0)[0][:3]
    assert torch.allclose(tensor_of(values["summed_gradients"]), summed, rtol=1e-10, atol=1e-13)
    assert not any(values["no_gradients"].flat())
    assert set(values["inputs"]) == {"x", "y", "w1", "b1", "w2", "b2", "lr"}


def test_the_published_loop_gets_worse_and_the_mended_one_better() -> None:
    values = result_of(ZeroGrad(steps=400)).values
    broken, mended = values["broken_losses"].flat(), values["losses"].flat()
    assert broken[0] == mended[0]
    assert sum(mended[-10:]) / 10 < 0.5 * mended[0]
    assert sum(broken[-10:]) / 10 > 4 * broken[0]


@pytest.mark.parametrize("engine", ["training.zero_grad", "training.accumulation"])
def test_every_variant_has_a_bug_that_shows(engine: str) -> None:
    for seed in range(1, 13):
        values = result_of(draw(engine, seed)).values
        broken, right = values["broken_losses"].flat(), values["losses"].flat()
        assert max(abs(a - b) for a, b in zip(broken, right, strict=False)) > 0.01


def test_bugs_and_modes_are_all_drawn() -> None:
    zero = [draw("training.zero_grad", seed) for seed in range(1, 201)]
    cut = [draw("training.accumulation", seed) for seed in range(1, 201)]
    bugs = [params.bug for params in zero if isinstance(params, ZeroGrad)]
    assert {bugs.count(bug) > 25 for bug in ZERO_GRAD_LOOPS} == {True}
    made = [params for params in cut if isinstance(params, Accumulation)]
    assert len({params.bug for params in made}) == 4
    assert 20 < sum(params.mode == "eval" for params in made) < 80
    assert all(params.effective_batch % params.accumulation_steps == 0 for params in made)
    assert all(params.accumulation_steps < params.effective_batch for params in made)


def test_the_figures() -> None:
    result = result_of(Accumulation(updates=3))
    agreement, pairs, loss = (result.figure(name) for name in ("agreement", "pairs", "loss"))
    assert isinstance(agreement, Lines)
    assert all(value > 0 for series in agreement.series for value in series.y.flat())  # its axis is logarithmic
    assert isinstance(pairs, Table)
    assert [row[0] for row in pairs.rows[:6]] == ["(32, 1)", "(16, 2)", "(8, 4)", "(4, 8)", "(2, 16)", "(1, 32)"]
    assert isinstance(loss, Lines)
    assert [len(series.x.flat()) for series in loss.series] == [3, 3]


@pytest.mark.parametrize(
    "change",
    [
        {"effective_batch": 24},
        {"accumulation_steps": 5},
        {"accumulation_steps": 64},
        {"bug": "none"},
        {"learning_rate": 2},
        {"updates": 0},
    ],
)
def test_parameters_that_make_no_sense(change: dict[str, Any]) -> None:
    with pytest.raises(BadData):
        read(Accumulation, change)


def test_normalisations_that_look_at_one_example_survive_every_cut() -> None:
    found = result_of(Accumulation()).values
    assert {norm: max(rows) > 1e-3 for norm, rows in found["logits"].items()} == {
        "batchnorm": True,
        "layernorm": False,
        "groupnorm": False,
    }
    for norm in ("layernorm", "groupnorm"):
        assert max(found["logits"][norm]) < 1e-13
        assert max(found["gradient_errors"][norm]) < 1e-13
    assert 0.01 < max(found["gradient_errors"]["batchnorm"]) < 0.6


def test_e35_the_fine_print_of_accumulation() -> None:
    assert max(result_of(Accumulation(mode="eval")).values["logits"]["batchnorm"]) < 1e-13
    # A mean of means is no mean over all, whatever the normalisation.
    assert 0.01 < result_of(Accumulation()).values["uneven_error"] < 0.5
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))(torch.randn(1, 4))
    norm = nn.BatchNorm1d(4)
    for _ in range(8):
        norm(torch.randn(4, 4))
    assert norm.num_batches_tracked is not None
    assert int(norm.num_batches_tracked) == 8
