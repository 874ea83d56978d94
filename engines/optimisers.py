"""Optimisers written out: momentum in its two forms, the bias of a running average, and Adam.

A gradient sequence is `(T, …)`, first step first; updates and averages have its shape.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engines.arrays import Array
from engines.figures import Bars, Lines, Table, line, table
from engines.parameters.optimisers import Bias, Momentum
from engines.randomness import Draws
from engines.registry import draws, experiment
from engines.result import Result, Step
from engines.run import Run

# -- momentum


def momentum_updates(gradients: Tensor, alpha: float, epsilon: float) -> Tensor:
    """Δθ_t = −v_t with v_t = α v_(t-1) + ε g_t and v_0 = 0 (IFT6135, 2022, question 2.1)."""
    v = torch.zeros_like(gradients[0])
    updates = []
    for g in gradients:
        v = alpha * v + epsilon * g
        updates.append(-v)
    return torch.stack(updates)


def running_averages(gradients: Tensor, beta: float) -> Tensor:
    """v_t = β v_(t-1) + (1 − β) g_t with v_0 = 0."""
    v = torch.zeros_like(gradients[0])
    averages = []
    for g in gradients:
        v = beta * v + (1 - beta) * g
        averages.append(v)
    return torch.stack(averages)


def average_weights(beta: float, t: int) -> Tensor:
    """The weights (1 − β) β^(t−i) of g_1 … g_t in v_t: v unrolled. Their sum is 1 − β^t. Float64."""
    return (1 - beta) * torch.tensor(beta, dtype=torch.float64) ** torch.arange(t - 1, -1, -1, dtype=torch.float64)


def average_bias(beta: float, t: Tensor) -> Tensor:
    """E[v_t] / E[g] = 1 − β^t: dividing by it corrects the average (Kingma and Ba 2015, section 3)."""
    return 1 - beta**t


def average_variance(beta: float, t: Tensor) -> Tensor:
    """Var[v_t] / Var[g] = (1 − β)(1 − β^(2t)) / (1 + β) for independent gradients."""
    return (1 - beta) * (1 - beta ** (2 * t)) / (1 + beta)


# -- Adam


@dataclass
class Adam:
    """Adam's state for some weights: both running averages and the number of steps.

    `l2` adds 2·l2·θ to the gradient; `decay` takes decay·θ off the weight, outside the scaling (Loshchilov and
    Hutter 2019). Both may be tensors, one number a weight.
    """

    first: Tensor
    second: Tensor
    steps: int = 0
    rho1: float = 0.9
    rho2: float = 0.999
    stabiliser: float = 1e-8

    @classmethod
    def for_weights(cls, theta: Tensor) -> Adam:
        """A fresh state."""
        return cls(torch.zeros_like(theta), torch.zeros_like(theta))

    def step(
        self,
        theta: Tensor,
        gradient: Tensor,
        step_size: float,
        l2: float | Tensor = 0.0,
        decay: float | Tensor = 0.0,
        *,
        corrected: bool = True,
    ) -> Tensor:
        """The weights after one more step (algorithm 8.7 of Goodfellow et al. 2016, question 4.2)."""
        gradient = gradient + 2 * l2 * theta  # with L2 regularisation this is the one line that changes
        self.steps += 1
        self.first = self.rho1 * self.first + (1 - self.rho1) * gradient
        self.second = self.rho2 * self.second + (1 - self.rho2) * gradient**2
        first, second = self.first, self.second
        if corrected:
            first = first / (1 - self.rho1**self.steps)
            second = second / (1 - self.rho2**self.steps)
        moved: Tensor = theta - step_size * first / (second.sqrt() + self.stabiliser) - decay * theta
        return moved


# -- experiments


@experiment(Momentum)
def momentum(params: Momentum, run: Run) -> Result:
    """Both rules on the same gradients, unrolled, and as torch's SGD has them."""
    g = run.tensor(params.gradients)
    beta, delta, t = params.beta, params.delta, len(g)
    epsilon = delta * (1 - beta)
    updates, averages = momentum_updates(g, beta, epsilon), running_averages(g, beta)
    run.progress(0.5, "torch's SGD")
    weights = average_weights(beta, t).to(run.device, run.dtype)
    conventions = {
        "v = βv + δ(1-β)g": updates,
        "torch SGD(lr=δ(1-β), momentum=β)": _sgd_updates(g, lr=epsilon, momentum=beta),
        "torch SGD(lr=δ, momentum=β, dampening=β)": _sgd_updates(g, lr=delta, momentum=beta, dampening=beta),
    }
    shown = min(t, 12)
    return Result(
        values={
            "alpha": beta,
            "epsilon": epsilon,
            "averages": averages,
            "updates": updates,
            "average_updates": -delta * averages,
            "difference": (updates + delta * averages).abs().max().item(),
            "last_average": averages[-1].item(),
            "last_average_corrected": averages[-1].item() / (1 - beta**t),
            "last_update": updates[-1].item(),
            "weights": weights,
            "unrolled": (weights @ g).item(),
            "first_update_dampened": conventions["torch SGD(lr=δ, momentum=β, dampening=β)"][0].item(),
            "sum_of_gradients": g.sum().item(),
        },
        trace=_momentum_steps(params, averages, updates),
        figures=(
            Bars(
                "weights",
                f"Weight of each gradient in the average after step {t}",
                tuple(f"g{i}" for i in range(t - shown + 1, t + 1)),
                ("weight",),
                Array.of(weights[-shown:].unsqueeze(0)),
                "weight",
                f"The newest gradient weighs 1-β = {1 - beta:.4g}, each earlier one β times the next; in all "
                f"1-β^{t} = {1 - beta**t:.4g}.",
            ),
            _conventions_table(conventions),
        ),
    )


def _sgd_updates(gradients: Tensor, **settings: float) -> Tensor:
    """What torch.optim.SGD does with these gradients."""
    theta = torch.zeros_like(gradients[0]).requires_grad_()
    optimizer = torch.optim.SGD([theta], **settings)  # type: ignore[arg-type]
    places = [theta.detach().clone()]
    for g in gradients:
        theta.grad = g.clone()
        optimizer.step()
        places.append(theta.detach().clone())
    return torch.stack(places).diff(dim=0)


def _conventions_table(conventions: dict[str, Tensor]) -> Table:
    count = min(5, len(next(iter(conventions.values()))))
    rows = [(name, *(f"{value:.5g}" for value in updates[:count].tolist())) for name, updates in conventions.items()]
    return table(
        "conventions",
        "The first updates",
        ("rule", *(f"t = {i}" for i in range(1, count + 1))),
        rows,
        align="l" + "r" * count,
        caption="Dampening is no running average in torch: its first step takes the gradient whole.",
    )


def _momentum_steps(params: Momentum, averages: Tensor, updates: Tensor) -> tuple[Step, ...]:
    beta, delta, t = params.beta, params.delta, len(params.gradients)
    shown = ", ".join(f"{value:.6g}" for value in averages.tolist()[:8])
    return (
        Step(
            "recursive",
            "In terms of updates alone: $\\Delta\\theta_t = \\alpha \\Delta\\theta_{t-1} - \\epsilon g_t$ for "
            "momentum, and $\\Delta\\theta_t = \\beta \\Delta\\theta_{t-1} - \\delta (1 - \\beta) g_t$ for the running "
            "average. Both begin at 0.",
        ),
        Step(
            "equivalence",
            f"So they agree for $\\alpha = \\beta$ = {beta:g} and $\\epsilon = \\delta(1-\\beta)$ = "
            f"{delta * (1 - beta):.6g}. On these gradients they differ by "
            f"{(updates + delta * averages).abs().max().item():.1e}.",
        ),
        Step("averages", f"$v_1, v_2, \\ldots$ = {shown}{', …' if t > 8 else ''}."),
        Step(
            "unrolled",
            "$v_t = (1-\\beta) \\sum_{i=1}^{t} \\beta^{t-i} g_i$: put the recursion into itself until $v_0 = 0$ is "
            f"left. Here $v_{{{t}}}$ = {averages[-1].item():.6g}.",
        ),
    )


@experiment(Bias)
def bias(params: Bias, run: Run) -> Result:
    """Mean and variance of the running average over many runs, measured and by theory."""
    t = torch.arange(1, params.steps + 1, dtype=torch.float64)
    v = torch.zeros(params.runs, dtype=run.dtype, device=run.device)
    means, variances = [], []
    generator = run.generator("gradients")
    for i in range(params.steps):
        noise = torch.randn(params.runs, generator=generator, dtype=torch.float64).to(v)
        v = params.beta * v + (1 - params.beta) * (params.mean + params.deviation * noise)
        means.append(v.mean().item())
        variances.append(v.var().item())
        figure = _bias_figure(params, t[: i + 1], means) if i % 10 == 9 else None
        run.progress((i + 1) / params.steps, f"step {i + 1}", figure)
    share = average_bias(params.beta, t)
    expected = params.deviation**2 * average_variance(params.beta, t)
    uncorrected = _first_adam_steps(corrected=False)
    corrected = _first_adam_steps(corrected=True)
    return Result(
        values={
            "means": means,
            "expected_means": params.mean * share,
            "corrected_means": torch.tensor(means, dtype=torch.float64) / share,
            "variances": variances,
            "expected_variances": expected,
            "share_at_first": share[0].item(),
            "share_at_last": share[-1].item(),
            "adam_first_steps": corrected,
            "adam_first_steps_uncorrected": uncorrected,
        },
        trace=(
            Step(
                "bias",
                "Unrolled, $v_t$ is a sum of gradients with weights $(1-\\beta)\\beta^{t-i}$, and these add up to "
                f"$1-\\beta^t$, not to 1. So $E[v_t] = (1-\\beta^t) E[g]$: after one step {share[0].item():.4g} of it, "
                f"after {params.steps} steps {share[-1].item():.4g}.",
            ),
            Step("correction", "Divide by what is missing: $v_t / (1-\\beta^t)$ has the right mean at every step."),
        ),
        figures=(
            _bias_figure(params, t, means),
            _variance_figure(t, variances, expected),
            _adam_table(corrected, uncorrected),
        ),
    )


def _bias_figure(params: Bias, t: Tensor, means: list[float]) -> Lines:
    share = average_bias(params.beta, t)
    return Lines(
        "mean",
        f"The running average of gradients with mean {params.mean:g} (β = {params.beta:g})",
        (
            line("mean of v", t, means, points=True),
            line("(1-β^t) E[g]", t, params.mean * share),
            line("corrected", t, torch.tensor(means, dtype=torch.float64) / share),
        ),
        x_label="t",
        y_label="mean over the runs",
        caption="The average begins at 0 and takes about 1/(1-β) steps to get over it; corrected, it is right at once.",
    )


def _variance_figure(t: Tensor, variances: list[float], expected: Tensor) -> Lines:
    return Lines(
        "variance",
        "Variance of the running average",
        (line("measured", t, variances, points=True), line("theory", t, expected)),
        x_label="t",
        y_label="variance",
        caption="Averaging leaves (1-β)/(1+β) of the variance of one gradient.",
    )


def _first_adam_steps(*, corrected: bool, steps: int = 5) -> list[float]:
    """The length of Adam's first steps on a constant gradient, in step sizes."""
    theta = torch.zeros((), dtype=torch.float64)
    state = Adam.for_weights(theta)
    lengths = []
    for _ in range(steps):
        moved = state.step(theta, torch.ones_like(theta), 1.0, corrected=corrected)
        lengths.append((theta - moved).item())
        theta = moved
    return lengths


def _adam_table(corrected: list[float], uncorrected: list[float]) -> Table:
    rows = [(i, f"{a:.3f}", f"{b:.3f}") for i, (a, b) in enumerate(zip(corrected, uncorrected, strict=True), 1)]
    return table(
        "adam",
        "Adam's first steps on a constant gradient, in step sizes",
        ("t", "corrected", "not corrected"),
        rows,
        align="rrr",
        caption="Uncorrected, the second average is further from its value than the first: the steps are too long.",
    )


# -- fresh variants


@draws(Momentum)
def draw_momentum(draws: Draws) -> Momentum:
    """Up to five whole gradients, a β that can be reckoned with by hand; every v_t differs from the plain gradient."""
    rng = draws.stream("gradients")
    gradients = tuple(float(rng.choice([-4, -3, -2, -1, 1, 2, 3, 4])) for _ in range(rng.randint(3, 5)))
    beta = draws.stream("beta").choice([0.5, 0.8, 0.9])
    return Momentum(gradients=gradients, beta=beta, delta=draws.stream("delta").choice([0.1, 0.2, 0.5]))


@draws(Bias)
def draw_bias(draws: Draws) -> Bias:
    """Another β and another mean."""
    beta = draws.stream("beta").choice([0.5, 0.8, 0.9, 0.95])
    mean = draws.stream("mean").randint(-90, 90) / 10 or 1.0
    return Bias(beta=beta, mean=mean, steps=draws.stream("steps").randint(20, 60))
