"""Gradients through time: products of recurrent Jacobians, and what a condition on W says of them.

Shapes: W `(n, n)`, or `(R, n, n)` for R networks at once; hidden states `(n,)` or `(R, n)`; inputs, already
mapped to the hidden units, `(T, n)`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from engines.figures import Lines, Series, Table, line, table
from engines.parameters.recurrent import Activation, Conventions, Exploding, Kind, Vanishing
from engines.randomness import Draws
from engines.registry import draws, experiment
from engines.result import Result, Step
from engines.run import Run

# -- numerics


@dataclass(frozen=True)
class Nonlinearity:
    """σ, its slope σ', and γ = sup |σ'|."""

    function: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]
    gamma: float


def _tanh_slope(x: Tensor) -> Tensor:
    return 1 - torch.tanh(x) ** 2


ACTIVATIONS: dict[Activation, Nonlinearity] = {
    "linear": Nonlinearity(lambda x: x, torch.ones_like, 1.0),
    "tanh": Nonlinearity(torch.tanh, _tanh_slope, 1.0),
    "sigmoid": Nonlinearity(torch.sigmoid, lambda x: torch.sigmoid(x) * torch.sigmoid(-x), 0.25),
    "relu": Nonlinearity(torch.relu, lambda x: (x > 0).to(x.dtype), 1.0),
    "2tanh(x/2)": Nonlinearity(lambda x: 2 * torch.tanh(x / 2), lambda x: _tanh_slope(x / 2), 1.0),
    "tanh(2x)": Nonlinearity(lambda x: torch.tanh(2 * x), lambda x: 2 * _tanh_slope(2 * x), 2.0),
}


def before_activation(w: Tensor, u: Tensor, h: Tensor, sigma: Nonlinearity) -> Tensor:
    """h_t = W σ(h_(t-1)) + u_t for t = 1 … T, `(T, n)`: the state is kept before the activation."""
    states = []
    for u_t in u:
        h = w @ sigma.function(h) + u_t
        states.append(h)
    return torch.stack(states)


def after_activation(w: Tensor, u: Tensor, g: Tensor, sigma: Nonlinearity) -> Tensor:
    """g_t = σ(W g_(t-1) + u_t) for t = 1 … T, `(T, n)`: the state is kept after the activation."""
    states = []
    for u_t in u:
        g = sigma.function(w @ g + u_t)
        states.append(g)
    return torch.stack(states)


def jacobian(w: Tensor, h: Tensor, sigma: Nonlinearity) -> Tensor:
    """∂h_t/∂h_(t-1) = W diag(σ'(h_(t-1))), for one network or for R."""
    return w * sigma.slope(h).unsqueeze(-2)


def log_gradient_norms(w: Tensor, u: Tensor, h: Tensor, sigma: Nonlinearity) -> Tensor:
    """Log ‖∂h_t/∂h_0‖ (spectral norm) for t = 1 … T, `(T, R)`, −∞ where the gradient is exactly zero.

    The product of Jacobians is scaled back after every step, so that neither 1e-300 nor 1e300 is lost.

    Args:
        w: `(R, n, n)`.
        u: `(T, n)`, the same inputs for all.
        h: `(R, n)`, the first state.
        sigma: the activation.
    """
    product = torch.eye(w.shape[-1], dtype=w.dtype, device=w.device).expand_as(w)
    scale = torch.zeros(len(w), dtype=w.dtype, device=w.device)
    norms = []
    for u_t in u:
        product = jacobian(w, h, sigma) @ product
        h = (w @ sigma.function(h).unsqueeze(-1)).squeeze(-1) + u_t
        size = torch.linalg.matrix_norm(product, 2)
        norms.append(scale + size.log())
        product = product / size.clamp_min(torch.finfo(w.dtype).tiny)[:, None, None]
        scale = norms[-1]
    return torch.stack(norms)


def matrix_of(kind: Kind, normal: Tensor) -> Tensor:
    """A matrix with largest singular value 1, made of standard normal numbers `(…, n, n)`.

    Orthogonal (uniform: the signs of R's diagonal are put back into Q), a multiple of the identity ("diagonal"), shift
    by one place (nilpotent: all its eigenvalues are 0), or the numbers themselves.
    """
    n = normal.shape[-1]
    if kind == "orthogonal":
        q, r = torch.linalg.qr(normal)
        haar: Tensor = q * r.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-2)
        return haar
    if kind == "diagonal":
        return torch.eye(n, dtype=normal.dtype, device=normal.device).expand_as(normal).clone()
    if kind == "nilpotent":
        return torch.diag_embed(torch.ones_like(normal[..., 0, 1:]), 1)
    scaled: Tensor = normal / torch.linalg.matrix_norm(normal, 2)[..., None, None]
    return scaled


_FATES = {
    "explodes": "It explodes.",
    "vanishes": "It vanishes.",
    "neither": "It neither explodes nor vanishes.",
}


def fate(log_norm: float) -> str:
    """What became of a gradient: beyond a hundred times or below a hundredth of what it was, or neither."""
    bound = math.log(100)
    return "explodes" if log_norm > bound else "vanishes" if log_norm < -bound else "neither"


# -- experiments


@experiment(Conventions)
def conventions(params: Conventions, run: Run) -> Result:
    """Both recurrences from corresponding states, on the same inputs."""
    sigma = ACTIVATIONS[params.activation]
    n = params.size
    w = run.randn("w", n, n) / max(n, 1) ** 0.5
    u = run.randn("x", params.steps, params.inputs) @ run.randn("u", params.inputs, n) + run.randn("b", n)
    h0 = run.randn("h", n)
    h, g = before_activation(w, u, h0, sigma), after_activation(w, u, sigma.function(h0), sigma)
    apart = after_activation(w, u, h0, sigma)
    difference = (g - sigma.function(h)).abs().amax(1)
    without = (apart - sigma.function(h)).abs().amax(1)
    t = [float(i) for i in range(1, params.steps + 1)]
    figure = Lines(
        "states",
        "The first unit in both conventions",
        (line("h", t, h[:, 0]), line("σ(h)", t, sigma.function(h[:, 0])), line("g", t, g[:, 0], points=True)),
        x_label="t",
        y_label="state",
        caption="g lies on σ(h) at every step: the two networks are one, seen before and after its activation.",
    )
    run.progress(0.9, "compared", figure)
    return Result(
        values={
            "difference": difference.max().item(),
            "difference_without_the_start": without[0].item(),
            "h": h,
            "g": g,
        },
        trace=(
            Step(
                "relation",
                "$g_t = \\sigma(h_t)$ follows by induction: if it holds at $t-1$, then $\\sigma(h_t) = \\sigma(W "
                "\\sigma(h_{t-1}) + U x_t + b) = \\sigma(W g_{t-1} + U x_t + b) = g_t$. It has to hold at the start, "
                f"$g_0 = \\sigma(h_0)$. Over {params.steps} steps the two differ by {difference.max().item():.1e}.",
            ),
        ),
        figures=(figure,),
    )


@experiment(Vanishing)
def vanishing(params: Vanishing, run: Run) -> Result:
    """The gradient's norm over time, and what each step of the proof says of it."""
    sigma = ACTIVATIONS[params.activation]
    n = params.size
    w = matrix_of("gaussian", run.randn("w", n, n)) * (params.delta / sigma.gamma)
    u = params.drive * run.randn("u", params.steps, n)
    h = run.randn("h", n)
    norms = log_gradient_norms(w.unsqueeze(0), u, h.unsqueeze(0), sigma)[:, 0]
    run.progress(0.7, "one step by autograd")
    exact = torch.autograd.functional.jacobian(lambda x: w @ sigma.function(x), h)
    steps = torch.arange(1, params.steps + 1, dtype=run.dtype, device=run.device)
    bound = steps * math.log(params.delta)
    one = jacobian(w, h, sigma)
    slopes = sigma.slope(before_activation(w, u, h, sigma)).abs().amax()
    return Result(
        values={
            "gamma": sigma.gamma,
            "largest_slope": slopes.item(),
            "norm_w": torch.linalg.matrix_norm(w, 2).item(),
            "lambda_1": torch.linalg.matrix_norm(w, 2).item() ** 2,
            "step_error": (one - exact).abs().max().item(),
            "step_norm": torch.linalg.matrix_norm(one, 2).item(),
            "log_norms": norms,
            "log_bound": bound,
            "final_norm": norms[-1].exp().item(),
            "final_bound": bound[-1].exp().item(),
        },
        trace=_vanishing_steps(params, sigma, norms, (one - exact).abs().max().item()),
        figures=(_over_time("norm", {"gradient": norms, f"bound {params.delta:g}^t": bound}, _BOUND),),
    )


_BOUND = "The gradient never rises above its bound, and mostly falls faster: slopes are below γ, directions turn."
TEN = math.log(10)


def _over_time(name: str, curves: dict[str, Tensor], caption: str) -> Lines:
    def drawn(label: str, logs: Tensor) -> Series:
        return line(label, [float(i) for i in range(1, len(logs) + 1)], logs / TEN)

    return Lines(
        name,
        "Norm of ∂h_t/∂h_0",
        tuple(drawn(label, logs) for label, logs in curves.items()),
        x_label="t",
        y_label="log10 of the norm",
        caption=caption,
    )


def _vanishing_steps(params: Vanishing, sigma: Nonlinearity, norms: Tensor, error: float) -> tuple[Step, ...]:
    return (
        Step(
            "jacobian",
            "$\\frac{\\partial h_t}{\\partial h_{t-1}} = W \\mathrm{diag}(\\sigma'(h_{t-1}))$; autograd differs by "
            f"{error:.1e}.",
        ),
        Step("slope", f"$\\|\\mathrm{{diag}}(\\sigma'(h))\\| \\le \\gamma$, here γ = {sigma.gamma:g}."),
        Step(
            "norm",
            "$\\|W\\| = \\sqrt{\\lambda_1(W^\\top W)}$, the largest singular value, here "
            f"δ/γ = {params.delta / sigma.gamma:.4g}. So one step has norm at most $\\|W\\| \\gamma = \\delta$.",
        ),
        Step(
            "product",
            f"$T$ steps multiply: $\\| \\partial h_T / \\partial h_0 \\| \\le \\delta^T \\to 0$. After {params.steps} "
            f"steps the norm is {norms[-1].exp().item():.2g}, the bound {params.delta**params.steps:.2g}.",
        ),
    )


@experiment(Exploding)
def exploding(params: Exploding, run: Run) -> Result:
    """Five instructive matrices, the one asked about, and many random ones over the range of the condition."""
    n = params.size
    u, h, normal = params.drive * run.randn("u", params.steps, n), run.randn("h", n), run.randn("w", n, n)

    def norms(kind: Kind, scale: float, activation: Activation, numbers: Tensor = normal) -> Tensor:
        w = matrix_of(kind, numbers.reshape(-1, n, n)) * scale
        return log_gradient_norms(w, u, h.expand(len(w), n), ACTIVATIONS[activation])

    curves = {
        "1.5 x orthogonal, linear": norms("orthogonal", 1.5, "linear")[:, 0],
        "orthogonal, linear": norms("orthogonal", 1.0, "linear")[:, 0],
        "0.95 x orthogonal, linear": norms("orthogonal", 0.95, "linear")[:, 0],
        "1.5 x orthogonal, tanh": norms("orthogonal", 1.5, "tanh")[:, 0],
        "5 x nilpotent, linear": norms("nilpotent", 5.0, "linear")[:, 0],
    }
    passing = sum(scale**2 > params.delta**2 for scale in (1.5, 1.0, 0.95, 1.5, 5.0))  # γ is 1 in all of them
    caption = f"{passing} of the five have λ1 > δ²/γ² = {params.delta**2:.4g}, and only one explodes."
    figure = _over_time("cases", curves, caption)
    run.progress(0.3, "five matrices", figure)
    asked = norms(params.kind, params.scale, params.activation)[-1, 0].item()
    run.progress(0.4, "random matrices")
    scales = torch.linspace(0.5, 2.5, params.matrices, dtype=run.dtype, device=run.device)
    numbers = run.randn("many", params.matrices, n, n)
    w = matrix_of("gaussian", numbers) * scales[:, None, None]
    ends = log_gradient_norms(w, u, h.expand(len(w), n), ACTIVATIONS[params.activation])[-1]
    same_norm = norms("gaussian", 1.3, "linear", numbers)[-1]
    gamma = ACTIVATIONS[params.activation].gamma
    return Result(
        values={
            "lambda_1": params.scale**2,
            "gamma": gamma,
            "condition": "yes" if params.scale**2 > (params.delta / gamma) ** 2 else "no",
            "tight_condition": "yes" if params.scale > 1 / gamma else "no",
            "outcome": fate(asked),
            "log10_norm": asked / TEN,
            "log10_norms": {name: logs[-1].item() / TEN for name, logs in curves.items()},
            "log10_norms_at_60": {name: logs[min(60, len(logs)) - 1].item() / TEN for name, logs in curves.items()},
            "vanished_share": (same_norm < -math.log(100)).double().mean().item(),
            "exploded_below": int(((ends > math.log(100)) & (scales <= 1 / gamma)).sum()),
        },
        trace=_exploding_steps(params, gamma, asked),
        figures=(figure, _scatter(params, scales, ends, gamma), _cases_table(curves)),
    )


def _scatter(params: Exploding, scales: Tensor, ends: Tensor, gamma: float) -> Lines:
    shown = ends.isfinite()
    heights = ends[shown] / TEN
    low, high = min(heights.min().item(), -1.0), max(heights.max().item(), 1.0)
    tight = 1 / gamma**2
    return Lines(
        "scatter",
        f"{params.matrices} random matrices ({params.activation}): the gradient after {params.steps} steps",
        (
            line("a matrix each", scales[shown] ** 2, heights, points=True),
            line("needed: λ1 > 1/γ²", [tight, tight], [low, high]),
            line("neither grown nor shrunk", [0.25, 6.25], [0.0, 0.0]),
        ),
        x_label="largest eigenvalue λ1 of WᵀW",
        y_label="log10 of the norm",
        caption="Nothing explodes left of the line, much vanishes right of it: the condition is needed, not enough.",
    )


def _cases_table(curves: dict[str, Tensor]) -> Table:
    rows = [(name, f"{logs[-1].item() / TEN:.3g}", fate(logs[-1].item())) for name, logs in curves.items()]
    return table(
        "fates",
        "What becomes of the gradient",
        ("matrix", "log10 of the norm", ""),
        rows,
        align="lrl",
        caption="A nilpotent matrix has λ1 = 25 and a gradient that is exactly zero after n steps.",
    )


def _exploding_steps(params: Exploding, gamma: float, asked: float) -> tuple[Step, ...]:
    return (
        Step(
            "necessary",
            "If $\\lambda_1(W^\\top W) \\le 1/\\gamma^2$ then every step has norm at most $\\|W\\| \\gamma \\le 1$, "
            "and so has their product: nothing explodes. So $\\lambda_1 > 1/\\gamma^2$ is necessary, and with it the "
            "weaker $\\lambda_1 > \\delta^2/\\gamma^2$ for any $\\delta < 1$.",
        ),
        Step(
            "sufficient",
            "It is not sufficient. The largest stretch of a single step need not be met again: a nilpotent $W$ forgets "
            "everything after $n$ steps, a saturated tanh has slopes near 0, and between $\\delta^2/\\gamma^2$ and "
            "$1/\\gamma^2$ the gradient even has to vanish.",
        ),
        Step(
            "outcome",
            f"Here $\\lambda_1$ = {params.scale**2:.4g} and γ = {gamma:g}; after {params.steps} steps the norm is "
            f"10^{asked / TEN:.1f}. {_FATES[fate(asked)]}",
        ),
    )


# -- fresh variants


@draws(Conventions)
def draw_conventions(draws: Draws) -> Conventions:
    """Another activation and other sizes."""
    rng = draws.stream("sizes")
    activation = draws.stream("activation").choice([name for name in ACTIVATIONS if name != "linear"])
    return Conventions(
        activation=activation, size=rng.randint(2, 12), inputs=rng.randint(1, 8), steps=rng.randint(20, 60)
    )


@draws(Vanishing)
def draw_vanishing(draws: Draws) -> Vanishing:
    """Another activation with its γ, another δ."""
    activation = draws.stream("activation").choice(list(ACTIVATIONS))
    delta = draws.stream("delta").randint(300, 950) / 1000
    return Vanishing(activation=activation, delta=delta, size=draws.stream("size").randint(2, 12))


@draws(Exploding)
def draw_exploding(draws: Draws) -> Exploding:
    """Every other time a gradient that explodes; else one that vanishes, mostly in spite of a W with a large norm.

    The scale is far enough from 1 for 200 steps to decide.
    """
    rng = draws.stream("scale")
    large, small = rng.randint(106, 250) / 100, rng.randint(50, 94) / 100
    kind: Kind = draws.stream("kind").choice(["orthogonal", "diagonal"])
    size = draws.stream("size").randint(3, 10)
    if draws.stream("coin").random() < 0.5:
        return Exploding(kind=kind, scale=large, size=size)
    cases = (
        Exploding(kind=kind, scale=small, size=size),
        Exploding(kind="nilpotent", scale=2 * large, size=size),
        Exploding(kind=kind, scale=large, activation="tanh", size=size),
    )
    return draws.stream("case").choice(cases)
