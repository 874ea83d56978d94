"""Training loops that look right and are not, each beside the loop that is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.figures import Lines, Table, line, table
from engines.parameters.training import Accumulation, AccumulationBug, ZeroGrad, ZeroGradBug
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


def accumulate(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss_function: Loss,
    batches: Batches,
    accumulation_steps: int,
    bug: AccumulationBug | None = None,
) -> None:
    """Gradient accumulation: one update from every `accumulation_steps` micro-batches of equal size.

    The mean loss over the effective batch is the mean of the micro-batches' mean losses, hence the division.
    `bug` switches one line off or moves it (EECS 182, homework 7 (spring 2023), question 6b).
    """
    optimizer.zero_grad()
    for i, (x, y) in enumerate(batches):
        loss = loss_function(model(x), y)
        if bug != "no-division":
            loss = loss / accumulation_steps
        if bug == "zero-every-batch":
            optimizer.zero_grad()
        loss.backward()
        if (i + 1) % accumulation_steps == 0 or bug == "step-every-batch":
            optimizer.step()
            if bug != "zero-never":
                optimizer.zero_grad()


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


NORMS = ("batchnorm", "layernorm")
# Logits of an equality test agree to rounding (1e-12 in float64) or differ by a per cent and more.
AGREEMENT = 1e-6


@experiment(Accumulation)
def accumulation(params: Accumulation, run: Run) -> Result:
    """The equality test on two normalised networks, then the broken accumulating loop beside the right one."""
    tests = {norm: equality_test(norm, params, run, start=0.4 * i) for i, norm in enumerate(NORMS)}
    failing = [norm for norm, rows in tests.items() if max(row.logits for row in rows) > AGREEMENT]
    size = params.effective_batch // params.accumulation_steps
    problem = Problem.draw(run, params.updates * params.accumulation_steps, size, params.width)

    def accumulating(bug: AccumulationBug | None) -> Record:
        loop = partial(accumulate, accumulation_steps=params.accumulation_steps, bug=bug)
        return watch(problem, loop, params.learning_rate)

    run.progress(0.8, "the broken loop and the right one")
    broken, right = accumulating(params.bug), accumulating(None)
    whole = watch(problem.merged(params.accumulation_steps), train, params.learning_rate)
    per_update = {
        name: record.losses.view(-1, params.accumulation_steps).mean(1)
        for name, record in (("broken", broken), ("right", right))
    }
    return Result(
        values={
            "inputs": problem.inputs(lr=params.learning_rate, accumulation_steps=params.accumulation_steps),
            **right.comparable(),
            "fails": ["neither", *failing, "both"][0 if not failing else -1 if len(failing) > 1 else 1],
            "logits": {norm: [row.logits for row in rows] for norm, rows in tests.items()},
            "gradient_errors": {norm: [row.gradient for row in rows] for norm, rows in tests.items()},
            "whole_batch_difference": (right.parameters[-1] - whole.parameters[-1]).abs().max().item(),
            "broken_losses": broken.losses,
            "undivided_gradients": accumulating("no-division").gradients[:COMPARED],
            "last_only_gradients": accumulating("zero-every-batch").gradients[:COMPARED],
            "never_cleared_gradients": accumulating("zero-never").gradients[:COMPARED],
        },
        trace=_accumulation_steps(params, tests, failing),
        figures=(
            _agreement_figure(tests),
            _agreement_table(tests),
            loss_figure(per_update, "Training loss, mean over an effective batch", "update"),
        ),
    )


@dataclass(frozen=True)
class Agreement:
    """How far (batch size, accumulation steps) is from the whole batch at once.

    `logits` is the largest difference of a logit, `gradient` the relative distance of the gradients.
    """

    batch_size: int
    steps: int
    logits: float
    gradient: float


class NormalisedNet(nn.Module):
    """A small residual convolutional network with one kind of normalisation in every block."""

    def __init__(self, norm: str, channels: int, blocks: int = 4) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, channels, 3, padding=1),
                # One group over all channels is layer normalisation of a feature map (Wu and He 2018).
                nn.BatchNorm2d(channels) if norm == "batchnorm" else nn.GroupNorm(1, channels),
                nn.ReLU(),
            )
            for _ in range(blocks)
        )
        self.head = nn.Linear(channels, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Images `(B, 3, height, width)` to logits `(B, 10)`."""
        x = self.stem(x)
        for block in self.blocks:
            x = x + block(x)
        logits: Tensor = self.head(x.mean((2, 3)))
        return logits


def equality_test(norm: str, params: Accumulation, run: Run, start: float) -> list[Agreement]:
    """Logits and gradients of one effective batch for every (batch size, steps), against the whole batch."""
    model = NormalisedNet(norm, params.width).to(run.device, run.dtype)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:
                parameter.copy_(run.randn(f"equality/{name}", *parameter.shape) / parameter[0].numel() ** 0.5)
            elif name.endswith("bias"):  # drawn by torch from a generator that is not the run's
                parameter.zero_()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    x = run.randn("equality/x", params.effective_batch, 3, 8, 8)
    y = run.randint("equality/y", CLASSES, params.effective_batch)
    rows: list[Agreement] = []
    whole: tuple[Tensor, Tensor] | None = None
    sizes = [params.effective_batch >> i for i in range(params.effective_batch.bit_length())]
    for i, size in enumerate(sizes):
        run.progress(start + 0.4 * i / len(sizes), f"{norm}: batches of {size}")
        model.load_state_dict(state)
        logits, gradient = _accumulated(model.train(params.mode == "train"), x, y, size)
        whole = whole or (logits, gradient)
        relative = (gradient - whole[1]).norm() / whole[1].norm()
        rows.append(Agreement(size, len(x) // size, (logits - whole[0]).abs().max().item(), relative.item()))
    return rows


def _accumulated(model: nn.Module, x: Tensor, y: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Logits `(B, 10)` and the flat gradient of the mean loss, `size` examples at a time."""
    model.zero_grad()
    steps = len(x) // size
    logits = []
    for batch, target in zip(x.split(size), y.split(size), strict=True):
        prediction = model(batch)
        (F.cross_entropy(prediction, target) / steps).backward()
        logits.append(prediction.detach())
    gradient = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    return torch.cat(logits), gradient


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


ROUNDING = 1e-16


def _agreement_figure(tests: dict[str, list[Agreement]]) -> Lines:
    return Lines(
        "agreement",
        "Largest difference of a logit from the whole batch at once",
        tuple(
            line(
                norm,
                [float(row.batch_size) for row in rows],
                [max(row.logits, ROUNDING) for row in rows],
            )
            for norm, rows in tests.items()
        ),
        x_label="batch size (times steps = effective batch)",
        y_label="difference",
        x_scale="log",
        y_scale="log",
        caption="What agrees exactly is drawn at 1e-16. Statistics over a micro-batch are not those over the batch.",
    )


def _agreement_table(tests: dict[str, list[Agreement]]) -> Table:
    rows = [
        (f"({row.batch_size}, {row.steps})", norm, f"{row.logits:.1e}", f"{row.gradient:.1e}")
        for norm, agreements in tests.items()
        for row in agreements
    ]
    return table(
        "pairs",
        "Each (batch size, steps) against the whole batch at once",
        ("pair", "normalisation", "logits differ by", "gradient off by"),
        rows,
        align="llrr",
        caption="Logits: largest absolute difference. Gradient: relative distance.",
    )


def _accumulation_steps(
    params: Accumulation, tests: dict[str, list[Agreement]], failing: list[str]
) -> tuple[Step, ...]:
    worst = {norm: max(row.logits for row in rows) for norm, rows in tests.items()}
    if failing:
        why = (
            "Batch normalisation takes mean and variance over the examples that go through together, the "
            "*micro*-batch: cut the batch differently and every activation changes. Layer normalisation takes them "
            "over the features of one example and cannot notice its neighbours."
        )
    else:
        why = (
            "In eval mode batch normalisation uses its stored running statistics, so an example no longer depends "
            "on its neighbours, and both networks pass. In train mode batch normalisation would fail."
        )
    measured = "; ".join(f"{norm} {difference:.1e}" for norm, difference in worst.items())
    return (
        Step("which", f"{why}\n\nLargest difference of a logit over all pairs, measured: {measured}."),
        Step(
            "patch",
            "The gradient of the mean over the effective batch is the *mean* of the micro-batches' gradients. "
            "`backward()` adds, so each micro-batch's loss has to be divided by the number of micro-batches, "
            f"{params.accumulation_steps} here; the gradients have to stay untouched until all of them are in; and "
            "then comes one `step()` and one `zero_grad()`.",
        ),
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


@draws(Accumulation)
def draw_accumulation(draws: Draws) -> Accumulation:
    """Another bug and another cut of the batch; now and then the equality test is done in eval mode."""
    rng = draws.stream("sizes")
    effective = rng.choice((16, 32, 64))
    bugs: tuple[AccumulationBug, ...] = ("no-division", "step-every-batch", "zero-every-batch", "zero-never")
    return Accumulation(
        bug=draws.stream("bug").choice(bugs),
        mode="eval" if draws.stream("mode").random() < 0.25 else "train",
        effective_batch=effective,
        accumulation_steps=rng.choice([steps for steps in (2, 4, 8) if steps < effective]),
        updates=rng.randrange(20, 60, 5),
        learning_rate=rng.choice((0.1, 0.15, 0.2, 0.25, 0.3)),
        width=rng.choice((8, 12, 16)),
    )
