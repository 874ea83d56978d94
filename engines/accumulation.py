"""Gradient accumulation: one update from several micro-batches, and which normalisation survives the cut."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.figures import Lines, Table, line, table
from engines.parameters.accumulation import Accumulation, AccumulationBug
from engines.randomness import Draws
from engines.registry import draws, experiment
from engines.result import Result, Step
from engines.run import Run
from engines.training import CLASSES, COMPARED, Batches, Loss, Problem, Record, loss_figure, train, watch

# -- the loop


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


# -- the equality test

ASKED = ("batchnorm", "layernorm")
NORMS = (*ASKED, "groupnorm")
# Logits of an equality test agree to rounding (1e-12 in float64) or differ by a per cent and more.
AGREEMENT = 1e-6


@experiment(Accumulation)
def accumulation(params: Accumulation, run: Run) -> Result:
    """The equality test on three networks, then the broken accumulating loop beside the right one."""
    tests: dict[str, list[Agreement]] = {}
    for i, norm in enumerate(NORMS):
        tests[norm] = equality_test(norm, params, run, start=0.25 * i)
        run.progress(0.25 * (i + 1), f"{norm}: compared", _agreement_figure(tests))
    failing = [norm for norm in ASKED if max(row.logits for row in tests[norm]) > AGREEMENT]
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
            "uneven_error": uneven_error("layernorm", params, run),
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


def _normalisation(norm: str, channels: int) -> nn.Module:
    if norm == "batchnorm":
        return nn.BatchNorm2d(channels)
    # One group over all channels is layer normalisation of a feature map (Wu and He 2018).
    return nn.GroupNorm(1 if norm == "layernorm" else math.gcd(4, channels), channels)


class NormalisedNet(nn.Module):
    """A small residual convolutional network with one kind of normalisation in every block."""

    def __init__(self, norm: str, channels: int, blocks: int = 4) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, channels, 3, padding=1),
                _normalisation(norm, channels),
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


def normalised_net(norm: str, channels: int, run: Run) -> NormalisedNet:
    """A network whose weights depend on the run's seed alone, the same for every normalisation."""
    model = NormalisedNet(norm, channels).to(run.device, run.dtype)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:
                parameter.copy_(run.randn(f"equality/{name}", *parameter.shape) / parameter[0].numel() ** 0.5)
            elif name.endswith("bias"):  # drawn by torch from a generator that is not the run's
                parameter.zero_()
    return model


def equality_test(norm: str, params: Accumulation, run: Run, start: float) -> list[Agreement]:
    """Logits and gradients of one effective batch for every (batch size, steps), against the whole batch."""
    model = normalised_net(norm, params.width, run)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    x = run.randn("equality/x", params.effective_batch, 3, 8, 8)
    y = run.randint("equality/y", CLASSES, params.effective_batch)
    rows: list[Agreement] = []
    whole: tuple[Tensor, Tensor] | None = None
    sizes = [params.effective_batch >> i for i in range(params.effective_batch.bit_length())]
    for i, size in enumerate(sizes):
        run.progress(start + 0.25 * i / len(sizes), f"{norm}: batches of {size}")
        model.load_state_dict(state)
        logits, gradient = _accumulated(model.train(params.mode == "train"), x, y, size)
        whole = whole or (logits, gradient)
        relative = (gradient - whole[1]).norm() / whole[1].norm()
        rows.append(Agreement(size, len(x) // size, (logits - whole[0]).abs().max().item(), relative.item()))
    return rows


def _accumulated(model: nn.Module, x: Tensor, y: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Logits `(B, 10)` and the flat gradient of the mean loss, `size` examples at a time."""
    model.zero_grad()
    steps = -(-len(x) // size)
    logits = []
    for batch, target in zip(x.split(size), y.split(size), strict=True):
        prediction = model(batch)
        (F.cross_entropy(prediction, target) / steps).backward()
        logits.append(prediction.detach())
    gradient = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    return torch.cat(logits), gradient


ROUNDING = 1e-16


def uneven_error(norm: str, params: Accumulation, run: Run) -> float:
    """Relative error of the gradient when the last micro-batch is smaller and every one counts the same.

    The mean of means is the mean over all examples only where all micro-batches are of one size.
    """
    model = normalised_net(norm, params.width, run)
    size = max(2, params.effective_batch // 4)
    count = 4 * size - size // 2
    x, y = run.randn("uneven/x", count, 3, 8, 8), run.randint("uneven/y", CLASSES, count)
    _, whole = _accumulated(model, x, y, count)
    _, pieces = _accumulated(model, x, y, size)
    return float((pieces - whole).norm() / whole.norm())


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
