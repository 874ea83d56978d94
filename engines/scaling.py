"""How large inner products get, and what that does to a softmax: why attention divides by √d."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from engines.attention import entropy
from engines.figures import Lines, Table, line, table
from engines.parameters.scaling import DotProduct, Saturation, Vector
from engines.randomness import Draws
from engines.registry import draws, experiment
from engines.result import Result, Step
from engines.run import Run

# -- numerics

# Numbers that are drawn at once: 2 MiB of float64.
CHUNK = 1 << 18
# Half-width of a 99 % confidence interval, in standard errors.
Z99 = 2.5758


def dot_product_moments(mean: Tensor, sigma: float) -> tuple[float, float]:
    """Exact mean ‖μ‖² and variance 2σ²‖μ‖² + dσ⁴ of qᵀk, with q, k ~ N(μ, σ²I) independent. μ is `(d,)`.

    Each product of entries has mean μᵢ² and variance (μᵢ² + σ²)² − μᵢ⁴; entries are independent, so both add up
    (EECS 182, homework 7 (spring 2023), question 3).
    """
    squared = float(mean @ mean)
    return squared, 2 * sigma**2 * squared + len(mean) * sigma**4


@dataclass(frozen=True)
class Estimate:
    """Sample mean and variance with their standard errors."""

    mean: float
    variance: float
    mean_error: float
    variance_error: float

    @classmethod
    def of(cls, x: Tensor) -> Estimate:
        """From independent samples `(n,)`; the variance errs by √((m₄ − s⁴)/n), m₄ the fourth central moment."""
        n, variance = len(x), float(x.var())
        fourth = float((x - x.mean()).pow(4).mean())
        spread = max(fourth - variance**2, 0.0)
        return cls(float(x.mean()), variance, math.sqrt(variance / n), math.sqrt(spread / n))


def dot_products(run: Run, mean: Tensor, sigma: float, samples: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Samples of qᵀk for independent q and k, and of qᵀq beside them, a chunk at a time: pairs of `(chunk,)`."""
    d = len(mean)
    size = max(1, CHUNK // d)
    for start in range(0, samples, size):
        shape = (min(size, samples - start), d)
        q, k = (mean + sigma * run.randn(f"{side} {d} {start}", *shape) for side in "qk")
        yield (q * k).sum(1), (q * q).sum(1)


def softmax_slopes(weights: Tensor) -> Tensor:
    """Mean diagonal a(1 − a) of the softmax's Jacobian diag(a) − aaᵀ, over the last axis: 0 where it saturates."""
    return (weights * (1 - weights)).mean(-1)


# -- the inner product


@experiment(DotProduct)
def dot_product(params: DotProduct, run: Run) -> Result:
    """Mean and variance of qᵀk against d, measured with confidence bands, beside the exact curves."""
    sizes = sorted({*params.dimensions, params.dimension})
    found: dict[int, Estimate] = {}
    same: dict[int, float] = {}
    for i, d in enumerate(sizes):
        apart, together = [], []
        for products, squares in dot_products(run, _mean(params, run, d), params.sigma, params.samples):
            apart.append(products)
            together.append(squares)
            run.progress(i / len(sizes), f"d = {d}: drawing pairs")
        found[d], same[d] = Estimate.of(torch.cat(apart)), float(torch.cat(together).mean())
        so_far = _curve(params, run, found, "variance")
        run.progress((i + 1) / len(sizes), f"d = {d}: variance {found[d].variance:.4g}", so_far)
    d = params.dimension
    mean, sigma = _mean(params, run, d), params.sigma
    exact_mean, exact_variance = dot_product_moments(mean, sigma)
    centred = exact_mean == 0
    here = found[d]
    return Result(
        values={
            "mean": exact_mean,
            "variance": exact_variance,
            # Dividing brings the mean to 0 only if it is 0.
            "scale": math.sqrt(exact_variance) if centred else None,
            "standard_deviation": math.sqrt(exact_variance),
            "mean_formula": "d*mu^2",
            "variance_formula": "2*d*sigma^2*mu^2 + d*sigma^4",
            "scale_formula": "sqrt(d)*sigma^2",
            "measured_mean": here.mean,
            "measured_mean_error": here.mean_error,
            "measured_variance": here.variance,
            "measured_variance_error": here.variance_error,
            "same_vector_measured": same[d],
            "curve": [
                {"d": size, "exact": dot_product_moments(_mean(params, run, size), sigma)[1], "measured": one.variance}
                for size, one in found.items()
            ],
            # What comes out of the usual slips.
            "same_vector_mean": exact_mean + d * sigma**2,
            "variance_d_squared": float(d * d),
            "variance_without_mean": d * sigma**4,
            "variance_without_power": d * sigma**2,
            "mean_of_entries": float(mean.sum()),
            "scale_is_variance": exact_variance,
        },
        trace=_worked(d, mean, sigma, here, same[d]),
        figures=(
            _curve(params, run, found, "variance"),
            _curve(params, run, found, "mean"),
            _table(params, run, found),
        ),
    )


def _mean(params: DotProduct, run: Run, d: int) -> Tensor:
    """μ in d dimensions: the entries given, over and over."""
    entries = params.mean * -(-d // len(params.mean))
    return run.tensor(entries[:d])


def _curve(params: DotProduct, run: Run, found: dict[int, Estimate], what: Literal["mean", "variance"]) -> Lines:
    x = [float(d) for d in found]
    measured = [getattr(one, what) for one in found.values()]
    half = [Z99 * getattr(one, f"{what}_error") for one in found.values()]
    low, high = ([m + sign * h for m, h in zip(measured, half, strict=True)] for sign in (-1, 1))
    moments = [dot_product_moments(_mean(params, run, d), params.sigma) for d in found]
    series = [
        line("measured", x, measured, points=True, low=low, high=high),
        line("exact", x, [pair[what == "variance"] for pair in moments]),
    ]
    if what == "mean":
        caption = "The exact ‖μ‖² runs through the 99 % bands; the mean is 0 for every d where μ is 0."
        return Lines("mean", "Mean of qᵀk", tuple(series), "d", "mean", "log", caption=caption)
    series.append(line("d²", x, [d * d for d in x]))
    caption = "Points lie on the exact curve 2σ²‖μ‖² + dσ⁴ within their 99 % bands: a power 1 of d, not d²."
    logs: dict[str, Any] = {"x_scale": "log", "y_scale": "log"}
    return Lines("variance", "Variance of qᵀk", tuple(series), "d", "variance", **logs, caption=caption)


def _table(params: DotProduct, run: Run, found: dict[int, Estimate]) -> Table:
    rows = []
    for d, one in found.items():
        mean, variance = dot_product_moments(_mean(params, run, d), params.sigma)
        rows.append(
            (
                d,
                f"{mean:.4g}",
                f"{one.mean:.4g} ± {Z99 * one.mean_error:.2g}",
                f"{variance:.5g}",
                f"{one.variance:.5g} ± {Z99 * one.variance_error:.2g}",
            )
        )
    return table(
        "moments",
        "Mean and variance of qᵀk",
        ("d", "mean", "measured", "variance", "measured"),
        rows,
        align="rrrrr",
        caption=f"Each from {params.samples} pairs, with the half-width of a 99 % confidence interval.",
    )


def _worked(d: int, mean: Tensor, sigma: float, here: Estimate, same: float) -> tuple[Step, ...]:
    exact_mean, variance = dot_product_moments(mean, sigma)
    half = Z99 * here.mean_error
    scale = (
        f"The mean is 0 already; dividing by $s$ divides the variance by $s^2$, so $s = \\sqrt{{{variance:.6g}}}$ = "
        f"{math.sqrt(variance):.6g}, which is $\\sqrt{{d}}$ where $\\sigma = 1$."
        if exact_mean == 0
        else "With $\\mu \\ne 0$ no factor makes the mean 0; it can only be subtracted. The variance becomes 1 by "
        f"dividing by $\\sqrt{{{variance:.6g}}}$ = {math.sqrt(variance):.6g}."
    )
    return (
        Step(
            "mean",
            "$q$ and $k$ are drawn independently, so $E[q_i k_i] = E[q_i] E[k_i] = \\mu_i^2$ and "
            f"$E[q^\\top k] = \\mu^\\top \\mu$ = {exact_mean:.6g}. Measured {here.mean:.4g} ± {half:.2g}. For "
            f"one and the same vector it would be $\\|\\mu\\|^2 + d \\sigma^2$ = {exact_mean + d * sigma**2:.6g} "
            f"(measured {same:.5g}).",
        ),
        Step(
            "variance",
            "$E[q_i^2 k_i^2] = (\\mu_i^2 + \\sigma^2)^2$, so one product has the variance $(\\mu_i^2 + \\sigma^2)^2 - "
            "\\mu_i^4 = 2 \\sigma^2 \\mu_i^2 + \\sigma^4$. Entries are independent, variances add up: "
            f"$2 \\sigma^2 \\|\\mu\\|^2 + d \\sigma^4$ = {variance:.6g}. Measured {here.variance:.5g} ± "
            f"{Z99 * here.variance_error:.2g}; $d^2$ would be {d * d}.",
        ),
        Step("scale", scale),
    )


# -- the softmax that follows


class Row(NamedTuple):
    """Means over the queries, at one dimension and one divisor."""

    d: int
    divisor: str
    score_sd: float
    entropy: float
    largest_weight: float
    slope: float


DIVISORS = ("1", "√d", "d")


@experiment(Saturation)
def saturation(params: Saturation, run: Run) -> Result:
    """Entropy, largest weight and slope of the softmax of n random scores, divided by 1, √d or d."""
    rows: list[Row] = []
    for i, d in enumerate(params.dimensions):
        s = _random_scores(params, run, d, i / len(params.dimensions))
        for name, divisor in zip(DIVISORS, (1.0, math.sqrt(d), float(d)), strict=True):
            scaled = s / divisor
            a = scaled.softmax(-1)
            numbers = (scaled.std(), entropy(a).mean(), a.max(-1).values.mean(), softmax_slopes(a).mean())
            rows.append(Row(d, name, *(float(x) for x in numbers)))
        run.progress((i + 1) / len(params.dimensions), f"d = {d}", _entropies(params, rows))
    n = params.keys
    names = {"1": "unscaled", "√d": "sqrt_scaled", "d": "d_scaled"}
    return Result(
        values={
            f"{names[divisor]}_{what}": [getattr(row, what) for row in rows if row.divisor == divisor]
            for divisor in DIVISORS
            for what in ("entropy", "largest_weight", "slope", "score_sd")
        }
        | {
            "dimensions": list(params.dimensions),
            "uniform_entropy": math.log(n),
            "uniform_slope": (1 - 1 / n) / n,
        },
        trace=_saturation_steps(params, rows),
        figures=(_entropies(params, rows), _slopes(rows), _saturation_table(params, rows)),
    )


def _random_scores(params: Saturation, run: Run, d: int, fraction: float) -> Tensor:
    """Scores of random queries over keys of their own, `(queries, n)`; a few queries at a time."""
    size = max(1, CHUNK // (params.keys * d))
    parts = []
    for start in range(0, params.queries, size):
        count = min(size, params.queries - start)
        q, k = run.randn(f"q {d} {start}", count, d, 1), run.randn(f"k {d} {start}", count, params.keys, d)
        parts.append((k @ q).squeeze(-1))
        run.progress(fraction, f"d = {d}: drawing queries and keys")
    return torch.cat(parts)


def _entropies(params: Saturation, rows: list[Row]) -> Lines:
    x = [float(d) for d in dict.fromkeys(row.d for row in rows)]
    return Lines(
        "entropy",
        f"Mean entropy of softmax over {params.keys} keys",
        (
            *(line(f"scores / {name}", x, [row.entropy for row in rows if row.divisor == name]) for name in DIVISORS),
            line("uniform, ln n", x, [math.log(params.keys)] * len(x)),
        ),
        "d",
        "nats",
        "log",
        caption="Unscaled the entropy falls towards 0, divided by d it goes to uniform; only √d keeps it where it was.",
    )


def _slopes(rows: list[Row]) -> Lines:
    x = [float(d) for d in dict.fromkeys(row.d for row in rows)]
    return Lines(
        "slope",
        "How much gradient the softmax lets through: mean of a(1 − a)",
        tuple(line(f"scores / {name}", x, [row.slope for row in rows if row.divisor == name]) for name in DIVISORS),
        "d",
        "mean a(1 − a)",
        "log",
        "log",
        caption="One weight near 1 and the others near 0 let nothing through: unscaled scores stop learning.",
    )


def _saturation_table(params: Saturation, rows: list[Row]) -> Table:
    return table(
        "saturation",
        f"Softmax over {params.keys} random keys",
        ("d", "divided by", "sd of scores", "entropy", "largest weight", "mean a(1-a)"),
        [(d, name, *(f"{x:.4f}" for x in numbers)) for d, name, *numbers in rows],
        align="rlrrrr",
        caption=f"Means over {params.queries} queries. Uniform weights would have entropy {math.log(params.keys):.4f}.",
    )


def _saturation_steps(params: Saturation, rows: list[Row]) -> tuple[Step, ...]:
    d = params.dimensions[-1]
    one, root, whole = (next(row for row in rows if row[:2] == (d, name)) for name in DIVISORS)
    return (
        Step(
            "entropy",
            f"At $d$ = {d} the scores have standard deviation {one.score_sd:.4g} unscaled: the largest of "
            f"{params.keys} takes {one.largest_weight:.3f} of the weight and the entropy is {one.entropy:.3f} of "
            f"{math.log(params.keys):.3f}. Divided by $\\sqrt{{d}}$ it is {root.entropy:.3f}, about the same for every "
            f"$d$; divided by $d$ it is {whole.entropy:.3f}, and the scores hardly matter.",
        ),
        Step(
            "slope",
            "The derivative of weight $i$ by its own score is $a_i (1 - a_i)$. Its mean is "
            f"{one.slope:.4g} unscaled and {root.slope:.4g} with $\\sqrt{{d}}$.",
        ),
    )


# -- fresh variants


@draws(DotProduct)
def draw_dot_product(draws: Draws) -> DotProduct:
    """Short whole-number μ, or 0 half of the time (only then a scale gives mean 0 and variance 1), and a simple σ."""
    rng = draws.stream("moments")
    sigma = rng.choice((0.5, 1.0, 1.2, 1.5, 2.0, 2.5, 3.0))
    if rng.random() < 0.5:
        mean: Vector = (0.0,)
        dimension = rng.randint(2, 1500)
    else:
        dimension = rng.randint(3, 6)
        mean = tuple(float(rng.choice((-3, -2, -1, 1, 2, 3))) for _ in range(dimension))
    return DotProduct(dimension=dimension, mean=mean, sigma=sigma)


@draws(Saturation)
def draw_saturation(draws: Draws) -> Saturation:
    """Another number of keys and other dimensions, each at least twice the last."""
    rng = draws.stream("sizes")
    dimensions = [rng.randint(2, 8)]
    for _ in range(3):
        dimensions.append(dimensions[-1] * rng.randint(2, 5))
    return Saturation(keys=rng.randint(6, 40), dimensions=tuple(dimensions))
