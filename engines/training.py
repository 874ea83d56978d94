"""Training loops that look right and are not, each beside the loop that is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.figures import Lines, line
from engines.parameters.training import ZeroGrad, ZeroGradBug
from engines.randomness import Draws
from engines.registry import draws, experiment
from engines.result import Result, Step
from engines.run import Run

Batches = Sequence[tuple[Tensor, Tensor]]
Loss = Callable[[Tensor, Tensor], Tensor]
Loop = Callable[[nn.Module, torch.optim.Optimizer, Loss, Batches], None]

FEATURES, CLASSES = 20, 10
# How many of the first updates are compared gradient by gradient.
COMPARED = 3

# -- the loops


def train(model: nn.Module, optimizer: torch.optim.Optimizer, loss_function: Loss, batches: Batches) -> None:
    """The loop as it should be: gradients are cleared once an iteration, before they are computed."""
    for x, y in batches:
        optimizer.zero_grad()
        loss_function(model(x), y).backward()
        optimizer.step()


def train_without_clearing(
    model: nn.Module, optimizer: torch.optim.Optimizer, loss_function: Loss, batches: Batches
) -> None:
    """zero_grad never: `.grad` sums all gradients so far. Plain SGD becomes SGD with momentum 1, exactly."""
    for x, y in batches:
        loss_function(model(x), y).backward()
        optimizer.step()


def train_clearing_once(
    model: nn.Module, optimizer: torch.optim.Optimizer, loss_function: Loss, batches: Batches
) -> None:
    """zero_grad before the loop: there is nothing to clear yet, so it changes nothing."""
    optimizer.zero_grad()
    train_without_clearing(model, optimizer, loss_function, batches)


def train_clearing_first_step(
    model: nn.Module, optimizer: torch.optim.Optimizer, loss_function: Loss, batches: Batches
) -> None:
    """zero_grad in the first iteration only."""
    for i, (x, y) in enumerate(batches):
        if i == 0:
            optimizer.zero_grad()
        loss_function(model(x), y).backward()
        optimizer.step()


def train_clearing_too_late(
    model: nn.Module, optimizer: torch.optim.Optimizer, loss_function: Loss, batches: Batches
) -> None:
    """zero_grad between backward and step: the gradient is thrown away before it is used."""
    for x, y in batches:
        loss_function(model(x), y).backward()
        optimizer.zero_grad()
        optimizer.step()


ZERO_GRAD_LOOPS: dict[ZeroGradBug, Loop] = {
    "missing": train_without_clearing,
    "once": train_clearing_once,
    "first-step": train_clearing_first_step,
    "too-late": train_clearing_too_late,
}


# -- watching a loop


@dataclass(frozen=True)
class Problem:
    """A classification problem with initial weights: batches `x (n, B, 20)`, `y (n, B)` of a linear teacher."""

    x: Tensor
    y: Tensor
    w1: Tensor
    b1: Tensor
    w2: Tensor
    b2: Tensor

    @classmethod
    def draw(cls, run: Run, batches: int, batch_size: int, width: int) -> Problem:
        """A problem that depends on the run's seed alone; weights have the scale 1/√fan_in."""
        x = run.randn("x", batches, batch_size, FEATURES)
        teacher = run.randn("teacher", FEATURES, CLASSES)
        return cls(
            x,
            (x @ teacher).argmax(-1),
            run.randn("w1", width, FEATURES) / FEATURES**0.5,
            torch.zeros(width, device=run.device, dtype=run.dtype),
            run.randn("w2", CLASSES, width) / width**0.5,
            torch.zeros(CLASSES, device=run.device, dtype=run.dtype),
        )

    def model(self) -> nn.Sequential:
        """A fresh network with the initial weights."""
        width = len(self.b1)
        model = nn.Sequential(nn.Linear(FEATURES, width), nn.ReLU(), nn.Linear(width, CLASSES))
        model.to(self.x.device, self.x.dtype)
        with torch.no_grad():
            for parameter, value in zip(model.parameters(), (self.w1, self.b1, self.w2, self.b2), strict=True):
                parameter.copy_(value)
        return model

    def merged(self, count: int) -> Problem:
        """The same examples in batches `count` times as large."""
        x = self.x.reshape(-1, count * self.x.shape[1], FEATURES)
        return replace(self, x=x, y=self.y.reshape(x.shape[:2]))

    def inputs(self, **more: Any) -> dict[str, Any]:
        """What a student's loop is given: plain tensors and numbers."""
        return {"x": self.x, "y": self.y, "w1": self.w1, "b1": self.b1, "w2": self.w2, "b2": self.b2, **more}


@dataclass
class Record:
    """What a loop did: the loss of every batch, and flat gradients and parameters at every optimizer step.

    `losses` is `(batches,)`, `gradients` and `parameters` are `(updates, P)`. Gradients are those that the
    optimizer saw, zeros where there were none; parameters are those after its step.
    """

    losses: Tensor
    gradients: Tensor
    parameters: Tensor

    def comparable(self) -> dict[str, Any]:
        """The part that a student's loop is compared with."""
        return {
            "updates": len(self.parameters),
            "gradients": self.gradients[:COMPARED],
            "parameters": self.parameters[-1],
            "losses": self.losses,
        }


def watch(
    problem: Problem,
    loop: Loop,
    learning_rate: float,
    on_batch: Callable[[list[Tensor]], None] = lambda _: None,
) -> Record:
    """Run a loop with plain SGD on a problem and record what it does; `on_batch` sees the losses so far."""
    model = problem.model()
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)
    losses: list[Tensor] = []
    gradients: list[Tensor] = []
    parameters: list[Tensor] = []

    def loss_function(prediction: Tensor, target: Tensor) -> Tensor:
        loss = F.cross_entropy(prediction, target)
        losses.append(loss.detach())
        on_batch(losses)
        return loss

    def before(*_: Any) -> None:
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in model.parameters()]
        gradients.append(torch.cat([grad.flatten() for grad in grads]))

    def after(*_: Any) -> None:
        parameters.append(torch.cat([p.detach().flatten() for p in model.parameters()]))

    optimizer.register_step_pre_hook(before)
    optimizer.register_step_post_hook(after)
    loop(model, optimizer, loss_function, list(zip(problem.x, problem.y, strict=True)))
    return Record(torch.stack(losses), torch.stack(gradients), torch.stack(parameters))


# -- experiments


@experiment(ZeroGrad)
def zero_grad(params: ZeroGrad, run: Run) -> Result:
    """The broken loop and the mended one on the same batches from the same weights."""
    problem = Problem.draw(run, params.steps, params.batch_size, params.width)
    done: dict[str, Tensor] = {}

    def watched(name: str, loop: Loop, start: float) -> Record:
        def on_batch(losses: list[Tensor]) -> None:
            figure = None
            if len(losses) % 10 == 1:
                figure = loss_figure({**done, name: torch.stack(losses)}, "Training loss")
            run.progress(start + 0.5 * len(losses) / params.steps, f"{name}: step {len(losses)}", figure)

        record = watch(problem, loop, params.learning_rate, on_batch)
        done[name] = record.losses
        return record

    broken = watched("broken", ZERO_GRAD_LOOPS[params.bug], 0.0)
    mended = watched("mended", train, 0.5)
    first = replace(problem, x=problem.x[:COMPARED], y=problem.y[:COMPARED])
    summed = watch(first, train_without_clearing, params.learning_rate)
    return Result(
        values={
            "inputs": problem.inputs(lr=params.learning_rate),
            **mended.comparable(),
            "broken_losses": broken.losses,
            "broken_parameters": broken.parameters[-1],
            "summed_gradients": summed.gradients,
            "no_gradients": torch.zeros_like(summed.gradients),
        },
        trace=(_zero_grad_step(params, broken, mended),),
        figures=(loss_figure(done, "Training loss"),),
    )


def _zero_grad_step(params: ZeroGrad, broken: Record, mended: Record) -> Step:
    return Step(
        "patch",
        "`backward()` *adds* to `.grad`; it does not replace what is there. Unless the gradients are cleared in "
        "every iteration, the optimizer steps along the sum of all of them so far, which for plain SGD is exactly "
        "momentum 1: the parameters never lose speed. Clearing them between `backward()` and `step()` is no "
        "better: then there is nothing left to step along.\n\n"
        "Clear them once an iteration, anywhere after one `step()` and before the next `backward()`. The usual "
        "place is the first line of the loop.\n\n"
        f"On this data, after {params.steps} steps at learning rate {params.learning_rate:g}, the broken loop ends "
        f"at a loss of {broken.losses[-10:].mean():.3g}, the mended one at {mended.losses[-10:].mean():.3g}.",
    )


def loss_figure(losses: dict[str, Tensor], title: str, x_label: str = "step") -> Lines:
    """Loss curves over the step, on a log scale."""
    return Lines(
        "loss",
        title,
        tuple(line(name, torch.arange(1.0, len(loss) + 1), loss) for name, loss in losses.items()),
        x_label=x_label,
        y_label="loss",
        y_scale="log",
        caption="Same data and same initial weights for every curve; only the loop differs.",
    )


# -- fresh variants


@draws(ZeroGrad)
def draw_zero_grad(draws: Draws) -> ZeroGrad:
    """Another misplacement, with sizes and a learning rate at which broken and mended differ clearly."""
    rng = draws.stream("sizes")
    return ZeroGrad(
        bug=draws.stream("bug").choice(tuple(ZERO_GRAD_LOOPS)),
        learning_rate=draws.stream("learning rate").choice((0.05, 0.08, 0.1, 0.15, 0.2)),
        steps=rng.randrange(120, 260, 10),
        batch_size=rng.choice((20, 25, 32, 40, 50, 64)),
        width=rng.choice((16, 24, 32, 48)),
    )
