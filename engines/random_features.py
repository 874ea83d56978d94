"""One softmax similarity estimated through random features: its mean, and its spread beside the theory's."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from engines.counting import slope
from engines.feature_maps import (
    fourier_variance,
    hyperbolic_variance,
    orthogonal_draws,
    orthogonal_variance,
    positive_variance,
)
from engines.figures import Lines, line
from engines.parameters.random_features import KernelEstimate, PositiveEstimate
from engines.randomness import Draws
from engines.registry import draws, experiment
from engines.result import Result, Step
from engines.run import Run

# -- one kernel value

# Numbers drawn at a time.
BLOCK = 1 << 18


@experiment(KernelEstimate)
def kernel(params: KernelEstimate, run: Run) -> Result:
    """Estimates of exp(qᵀk/√D) from w ~ N(0, σ⁻²I), as it must be, and from w ~ N(0, σ²I), as it was printed."""
    q, k = run.tensor(params.query), run.tensor(params.key)
    variance = math.sqrt(len(q))  # σ²
    outside = ((q @ q + k @ k) / (2 * variance)).exp()  # the two factors around the Gaussian kernel
    counts = torch.tensor(params.features, device=run.device)
    found: dict[str, list[Tensor]] = {"right": [], "printed": []}
    block = max(1, BLOCK // (params.features[-1] * len(q)))
    for i, first in enumerate(range(0, params.repeats, block)):
        repeats = min(block, params.repeats - first)
        products = run.randn(f"draws {i}", repeats, params.features[-1], len(q)) @ (q - k)
        for name, deviation in (("right", variance**-0.5), ("printed", variance**0.5)):
            # sin(w·q) sin(w·k) + cos(w·q) cos(w·k) = cos(w·(q − k)), averaged over the first R draws for every R
            sums = (deviation * products).cos().cumsum(-1)[:, counts - 1]
            found[name].append(outside * sums / counts)
        done = first + repeats
        if done > 1:
            so_far = _estimates_figure(params, {name: torch.cat(parts) for name, parts in found.items()})
            run.progress(done / params.repeats, f"{done} estimates", so_far)
        else:
            run.progress(done / params.repeats, "one estimate")
    estimates = {name: torch.cat(parts) for name, parts in found.items()}
    values = _kernel_values(params, estimates)
    return Result(
        values=values,
        trace=_kernel_steps(params, values),
        figures=(_estimates_figure(params, estimates), _deviation_figure(params, estimates)),
    )


def _kernel_values(params: KernelEstimate, estimates: dict[str, Tensor]) -> dict[str, Any]:
    q, k = (torch.tensor(x, dtype=torch.float64) for x in (params.query, params.key))
    variance = math.sqrt(len(q))
    squared = float((q - k).square().sum())
    gaussian = math.exp(-squared / (2 * variance))
    similarity = math.exp(float(q @ k) / variance)
    one = float(fourier_variance(q * variance**-0.5, k * variance**-0.5))
    right, printed = estimates["right"], estimates["printed"]
    outside = similarity / gaussian
    return {
        "similarity": similarity,
        "sigma_squared": variance,
        "squared_distance": squared,
        "gaussian_kernel": gaussian,
        "query_factor": math.exp(float(q @ q) / (2 * variance)),
        "key_factor": math.exp(float(k @ k) / (2 * variance)),
        "estimate": right[0, -1],
        "mean_estimates": right.mean(0),
        "measured_deviation": right.std(0),
        "theory_deviation": [similarity * math.sqrt(one / count) for count in params.features],
        "relative_deviation_one_draw": math.sqrt(one),
        "features_for_one_percent": math.ceil(one / 1e-4),
        "printed_gaussian": math.exp(-variance * squared / 2),
        "printed_limit": outside * math.exp(-variance * squared / 2),
        "printed_estimates": printed.mean(0),
        "unscaled_similarity": math.exp(float(q @ k)),
        "slope": slope([float(count) for count in params.features], right.std(0).tolist()),
    }


def _estimates_figure(params: KernelEstimate, estimates: dict[str, Tensor]) -> Lines:
    x = [float(count) for count in params.features]
    values = _kernel_values(params, estimates)
    exact = values["similarity"]
    series = [line("exact", x, [exact] * len(x))]
    for name, label in (("right", "w ~ N(0, I/σ²)"), ("printed", "w ~ N(0, σ²I), as printed")):
        mean, deviation = estimates[name].mean(0), estimates[name].std(0)
        series.append(line(label, x, mean, low=mean - deviation, high=mean + deviation))
    series += [
        line(f"theory, {sign} one deviation", x, [exact + factor * d for d in values["theory_deviation"]], points=True)
        for sign, factor in (("plus", 1), ("minus", -1))
    ]
    return Lines(
        "estimates",
        f"Estimates of exp(q·k/√{len(params.query)}), mean and one standard deviation of {len(estimates['right'])}",
        tuple(series),
        x_label="random draws",
        y_label="similarity",
        x_scale="log",
        caption="With variance 1/σ² the estimates close in on the exact value as the theory's points say; with σ² "
        "they close in on another one.",
    )


def _deviation_figure(params: KernelEstimate, estimates: dict[str, Tensor]) -> Lines:
    x = [float(count) for count in params.features]
    values = _kernel_values(params, estimates)
    errors = {name: (e - values["similarity"]).square().mean(0).sqrt() for name, e in estimates.items()}
    return Lines(
        "error",
        "Root mean square error of the similarity",
        (
            line("w ~ N(0, I/σ²)", x, errors["right"]),
            line("theory, (1 − K²)/√(2R)", x, values["theory_deviation"], points=True),
            line("w ~ N(0, σ²I), as printed", x, errors["printed"]),
        ),
        x_label="random draws R",
        y_label="error",
        x_scale="log",
        y_scale="log",
        caption="A slope of −1/2: four times the draws for half the error. The printed rule has an error that stays.",
    )


def _kernel_steps(params: KernelEstimate, values: dict[str, Any]) -> tuple[Step, ...]:
    d = len(params.query)
    count = params.features[-1]
    return (
        Step(
            "rewrite",
            "From $\\|q - k\\|^2 = \\|q\\|^2 - 2 q^\\top k + \\|k\\|^2$ follows $q^\\top k = (\\|q\\|^2 + \\|k\\|^2 - "
            "\\|q - k\\|^2)/2$, so with $\\sigma^2 = \\sqrt{D}$\n\n"
            "$$\\exp(q^\\top k/\\sqrt{D}) = \\exp(\\|q\\|^2/2\\sigma^2) \\exp(-\\|q - k\\|^2/2\\sigma^2) "
            "\\exp(\\|k\\|^2/2\\sigma^2).$$\n\n"
            f"Here $D = {d}$ and $\\sigma^2 = {values['sigma_squared']:.4g}$: "
            f"{values['query_factor']:.4f} · {values['gaussian_kernel']:.4f} · {values['key_factor']:.4f} = "
            f"{values['similarity']:.4f}.",
        ),
        Step(
            "features",
            "Put $\\phi(q)^\\top \\phi(k)$ in place of the Gaussian kernel. With $R$ draws, all outputs take "
            "$N D R$ multiply-adds for the features and $N M R$ for the sums over keys. The factor of the query stands "
            "above and below in the attention output and cancels; that of the key does not. Sine and cosine can make "
            "the sum below zero or negative.",
        ),
        Step(
            "sampling",
            "For $w \\sim N(0, c I)$ the mean of $\\cos(w^\\top (q - k))$ is $\\exp(-c \\|q - k\\|^2/2)$. The kernel "
            "$\\exp(-\\|q - k\\|^2/2\\sigma^2)$ therefore needs $c = 1/\\sigma^2$; $c = \\sigma^2$ is the same "
            f"only for $\\sigma = 1$. With {count} draws the mean estimate is "
            f"{float(values['mean_estimates'][-1]):.4f} for a similarity of {values['similarity']:.4f}; with "
            f"$c = \\sigma^2$ it is {float(values['printed_estimates'][-1]):.4f}, on the way to "
            f"{values['printed_limit']:.4f}.",
        ),
        Step(
            "error",
            f"One draw has the relative standard deviation $(1 - K^2)/(\\sqrt{{2}} K)$ = "
            f"{values['relative_deviation_one_draw']:.4f} with $K$ = {values['gaussian_kernel']:.4f}, $R$ draws have "
            f"it over $\\sqrt{{R}}$: {values['features_for_one_percent']} draws for one per cent.",
        ),
    )


@draws(KernelEstimate)
def draw_kernel(draws: Draws) -> KernelEstimate:
    """Other vectors of short numbers, with a kernel value from .15 to .85 and σ² well away from 1."""
    for attempt in range(1000):
        rng = draws.again(attempt).stream("vectors")
        d = rng.choice((4, 6, 9, 16))
        q, k = (tuple(rng.randint(-4, 4) / 4 for _ in range(d)) for _ in range(2))
        squared = sum((a - b) ** 2 for a, b in zip(q, k, strict=True))
        if 0.15 <= math.exp(-squared / (2 * math.sqrt(d))) <= 0.85:
            return KernelEstimate(query=q, key=k)
    raise RuntimeError("no well-posed variant in 1000 draws")


# -- positive features

SCALES = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
ESTIMATORS = ("positive", "hyperbolic", "orthogonal", "fourier")


@experiment(PositiveEstimate)
def positive(params: PositiveEstimate, run: Run) -> Result:
    """The identity exp(q·k) = E f(q)·f(k) by Monte Carlo, and the variance of four estimators at growing norms."""
    q, k = run.tensor(params.query), run.tensor(params.key)
    exact = float((q @ k).exp())
    edges = _edges(params.samples, len(q))
    moments = torch.zeros(2, len(ESTIMATORS), len(SCALES), dtype=torch.float64)
    blocks = 0
    running: list[float] = []
    for i, (first, last) in enumerate(zip([0, *edges], edges, strict=False)):
        found = _relative_estimates(q, k, run.randn(f"x {i}", last - first, len(q)))
        blocks += len(found)
        moments += torch.stack([found.sum(0), found.square().sum(0)]).cpu()
        running.append(exact * float(moments[0, 0, SCALES.index(1.0)]) / blocks)
        figure = _running_figure(params, edges[: i + 1], running)
        run.progress(last / edges[-1], f"{last} samples", figure)
    mean = moments[0] / blocks
    # Each estimate is the mean of d draws, so its variance times d is that of one draw where draws are independent.
    measured = (moments[1] / blocks - mean.square()) * blocks / (blocks - 1) * len(q)
    values = _positive_values(params, running[-1], dict(zip(ESTIMATORS, measured, strict=True)))
    return Result(
        values=values,
        trace=_positive_steps(params, values),
        figures=(_running_figure(params, edges, running), _variance_figure(values)),
    )


def _edges(samples: int, width: int) -> list[int]:
    """Numbers of samples at which the running mean is shown: multiples of the width, each a third above the last."""
    edges = [8 * width]
    while edges[-1] < samples:
        edges.append(min(max(int(edges[-1] * 1.3) // width * width, edges[-1] + width), -(-samples // width) * width))
    return edges


def _relative_estimates(q: Tensor, k: Tensor, draws: Tensor) -> Tensor:
    """Estimates of exp(c²q·k) over that number, each from d draws, `(blocks, estimators, scales)`, in float64."""
    scales = torch.tensor(SCALES, dtype=q.dtype, device=q.device)
    half = (q @ q + k @ k) / 2 * scales**2
    exact = (q @ k) * scales**2
    total, difference = (draws @ torch.stack([q + k, q - k], dim=1)).T[:, :, None] * scales
    turned = (orthogonal_draws(draws) @ (q + k))[:, None] * scales
    estimates = [
        (total - half - exact).exp(),
        total.cosh() * (-half - exact).exp(),
        (turned - half - exact).exp(),
        difference.cos() * (half - exact).exp(),
    ]
    return torch.stack([e.unflatten(0, (-1, len(q))).mean(1) for e in estimates], dim=1).double()


def _positive_values(params: PositiveEstimate, estimate: float, measured: dict[str, Tensor]) -> dict[str, Any]:
    q, k = (torch.tensor(x, dtype=torch.float64) for x in (params.query, params.key))
    theory: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "positive": positive_variance,
        "hyperbolic": hyperbolic_variance,
        "orthogonal": lambda a, b: orthogonal_variance(a, b, len(q)),
        "fourier": fourier_variance,
    }
    squared = float((q + k).square().sum())
    unit = SCALES.index(1.0)
    return {
        "similarity": math.exp(float(q @ k)),
        "estimate": estimate,
        "dot": float(q @ k),
        "squared_sum": squared,
        "half_squared_sum": squared / 2,
        "relative_variance": math.expm1(squared),
        "measured_relative_variance": measured["positive"][unit].item(),
        "orthogonal_variance": float(theory["orthogonal"](q, k)),
        "measured_orthogonal_variance": measured["orthogonal"][unit].item(),
        "samples_for_one_percent": math.ceil(math.expm1(squared) / 1e-4),
        "without_normalisation": math.exp(squared / 2),
        "difference_variance": math.expm1(float((q - k).square().sum())),
        "scales": list(SCALES),
        "theory": {name: [float(f(c * q, c * k)) for c in SCALES] for name, f in theory.items()},
        "measured": measured,
    }


def _running_figure(params: PositiveEstimate, edges: list[int], running: list[float]) -> Lines:
    q, k = (torch.tensor(x, dtype=torch.float64) for x in (params.query, params.key))
    exact = math.exp(float(q @ k))
    one = exact * math.sqrt(float(positive_variance(q, k)))
    x = [float(edge) for edge in edges]
    return Lines(
        "running",
        "Mean of f(q)·f(k) over the samples so far",
        (
            line(
                "exp(q·k), ± one deviation",
                x,
                [exact] * len(x),
                low=[exact - one / math.sqrt(n) for n in x],
                high=[exact + one / math.sqrt(n) for n in x],
            ),
            line("mean so far", x, running),
        ),
        x_label="samples",
        y_label="estimate",
        x_scale="log",
        caption="The mean goes to exp(q·k), and its distance stays within a few of the theory's deviations.",
    )


def _variance_figure(values: dict[str, Any]) -> Lines:
    x = [c * math.sqrt(values["squared_sum"]) for c in SCALES]
    series = [line(name, x, values["theory"][name]) for name in ESTIMATORS]
    series += [line(f"{name}, measured", x, values["measured"][name], points=True) for name in ESTIMATORS[:3]]
    return Lines(
        "variance",
        "Relative variance of one draw, q and k multiplied by a number",
        tuple(series),
        x_label="‖q + k‖",
        y_label="variance / exp(2q·k)",
        y_scale="log",
        caption="Lines are the theory. Positive features grow like exp ‖q + k‖²; orthogonal draws take a little off, "
        "pairs ±w more than half. Fourier features depend on ‖q − k‖ instead. Far right the samples are too few.",
    )


def _positive_steps(params: PositiveEstimate, values: dict[str, Any]) -> tuple[Step, ...]:
    return (
        Step(
            "identity",
            "Complete the square under the integral: $x^\\top q + x^\\top k - \\|x\\|^2/2 = -\\|x - q - k\\|^2/2 + "
            "\\|q + k\\|^2/2$. What is left of the Gaussian is one about $q + k$ and integrates to 1, so\n\n"
            "$$E \\exp(x^\\top q) \\exp(x^\\top k) = \\exp(\\|q + k\\|^2/2),$$\n\n"
            "and with the two factors in front the exponent is $\\|q + k\\|^2/2 - \\|q\\|^2/2 - \\|k\\|^2/2 = "
            f"q^\\top k$. Here $q^\\top k = {values['dot']:.4g}$ and its exponential {values['similarity']:.5f}; the "
            f"mean over {params.samples} samples is {values['estimate']:.5f}.",
        ),
        Step(
            "map",
            "Take the mean over $m$ draws $w_i \\sim N(0, I)$, the same for $q$ and $k$: "
            "$f(u) = \\exp(-\\|u\\|^2/2)/\\sqrt{m} \\cdot (\\exp(w_1^\\top u), \\ldots, \\exp(w_m^\\top u))$. "
            "Every entry is positive, and $f(q)^\\top f(k)$ is $\\exp(q^\\top k)$ on average.",
        ),
        Step(
            "variance",
            "The second moment is the same integral with $2(q + k)$, so the variance of one draw is "
            "$\\exp(2 q^\\top k) (\\exp \\|q + k\\|^2 - 1)$. Here $\\|q + k\\|^2$ = "
            f"{values['squared_sum']:.4g}: relative variance {values['relative_variance']:.4g}, measured "
            f"{values['measured_relative_variance']:.4g}; with blocks of orthogonal draws "
            f"{values['orthogonal_variance']:.4g}, measured {values['measured_orthogonal_variance']:.4g}. The mean of "
            f"$m$ draws has it over $m$: {values['samples_for_one_percent']} draws for one per cent.",
        ),
    )


@draws(PositiveEstimate)
def draw_positive(draws: Draws) -> PositiveEstimate:
    """Other short vectors; ‖q + k‖² from .3 to 1.6, so that the samples show the variance, and unlike ‖q − k‖²."""
    for attempt in range(1000):
        rng = draws.again(attempt).stream("vectors")
        d = rng.randint(2, 6)
        q, k = (tuple(rng.randint(-4, 4) / 4 for _ in range(d)) for _ in range(2))
        plus, minus = (sum((a + sign * b) ** 2 for a, b in zip(q, k, strict=True)) for sign in (1, -1))
        if 0.3 <= plus <= 1.6 and any(q) and any(k) and abs(plus - minus) > 0.2:
            return PositiveEstimate(query=q, key=k)
    raise RuntimeError("no well-posed variant in 1000 draws")
