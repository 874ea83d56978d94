"""The linear autoencoder's gradients and critical points.

The mathematics stands in `linear_objectives`. How it is trained is `linear_training`, and its regularised form
`linear_regularised`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from engines import linear_objectives as lin
from engines.arrays import Array
from engines.figures import Bars, Table, table
from engines.parameters.linear_autoencoder import Conditions, Gradients
from engines.randomness import Draws
from engines.registry import draws, experiment
from engines.result import Result, Step
from engines.run import Run

# -- data with a spectrum as it is asked for


def exact_data(run: Run, deviations: tuple[float, ...], n: int) -> tuple[Tensor, Tensor, Tensor]:
    """X = √n U diag(σ) Vᵀ: centred columns whose covariance has exactly the eigenvalues σᵢ².

    Returns:
        X `(m, n)`, U `(m, m)` with the eigenvectors as columns, and σ² `(m,)`.
    """
    m = len(deviations)
    sigma = run.tensor(deviations)
    u = torch.linalg.qr(run.randn("directions", m, m)).Q
    ones = torch.ones(n, 1, dtype=run.dtype, device=run.device)
    v = torch.linalg.qr(torch.cat([ones, run.randn("samples", n, m)], 1)).Q[:, 1 : m + 1]
    return math.sqrt(n) * (u * sigma) @ v.T, u, sigma**2


# -- gradients


@experiment(Gradients)
def gradients(params: Gradients, run: Run) -> Result:
    """The gradients of one objective at random weights, by formula and by autograd, with the usual slips beside."""
    m, k, n = params.features, params.bottleneck, params.samples
    rows = params.objective == "rows"
    x = run.randn("X", *((n, m) if rows else (m, n)))
    w1 = run.randn("W1", *((m, k) if rows else (k, m))) / m**0.5
    w2 = run.randn("W2", *((k, m) if rows else (m, k))) / k**0.5
    weights = run.randn("weights", m).abs() + 0.5
    loss_of, gradients_of = lin.objective(params.objective, params.l2, weights)
    run.progress(0.3, "gradients by formula and by autograd")
    by_formula = gradients_of(x, w1, w2)
    leaves = w1.clone().requires_grad_(), w2.clone().requires_grad_()
    value = loss_of(x, *leaves)
    by_autograd = torch.autograd.grad(value, leaves)
    errors = [relative(a, b) for a, b in zip(by_formula, by_autograd, strict=True)]
    slips = {
        "sign": tuple(-g for g in by_formula),
        "no 1/n": tuple(n * g for g in by_formula),
        "no 2": tuple(g / 2 for g in by_formula),
        "as printed in the sheet": tuple(-n * g for g in by_formula),
    }
    run.progress(0.8, "how far the usual slips are off")
    distances = {name: [relative(a, b) for a, b in zip(slip, by_autograd, strict=True)] for name, slip in slips.items()}
    return Result(
        values={
            "inputs": {"X": x, "W1": w1, "W2": w2, "d": weights},
            "loss": value,
            "gradient_w1": by_formula[0],
            "gradient_w2": by_formula[1],
            "autograd_error": errors,
            **{
                f"{key}_gradient_w{i + 1}": slips[name][i]
                for key, name in (("wrong_sign", "sign"), ("unscaled", "no 1/n"), ("halved", "no 2"))
                for i in range(2)
            },
            "published_gradient_w1": slips["as printed in the sheet"][0],
            "published_gradient_w2": slips["as printed in the sheet"][1],
        },
        trace=(_gradient_step(params),),
        figures=(
            table(
                "errors",
                "Relative distance from autograd's gradient",
                ("formula", "∂W1", "∂W2"),
                [
                    ("right", *(f"{error:.1e}" for error in errors)),
                    *((name, *(f"{error:.3g}" for error in pair)) for name, pair in distances.items()),
                ],
                align="lrr",
                caption="The right formula agrees to rounding; each slip is off by half the gradient or more.",
            ),
        ),
    )


def relative(a: Tensor, b: Tensor) -> float:
    """|a - b| / |b|."""
    return float((a - b).norm() / b.norm())


def _gradient_step(params: Gradients) -> Step:
    formulas = {
        "plain": (
            r"W_1: -\frac{2}{n} W_2^\top (I - W_2 W_1) X X^\top",
            r"W_2: -\frac{2}{n} (I - W_2 W_1) X X^\top W_1^\top",
        ),
        "regularised": (
            r"W_1: -\frac{2}{n} W_2^\top (I - W_2 W_1) X X^\top + 2 \lambda W_1",
            r"W_2: -\frac{2}{n} (I - W_2 W_1) X X^\top W_1^\top + 2 \lambda W_2",
        ),
        "weighted": (
            r"W_1: -\frac{2}{n} W_2^\top D (I - W_2 W_1) X X^\top",
            r"W_2: -\frac{2}{n} D (I - W_2 W_1) X X^\top W_1^\top",
        ),
        "rows": (
            r"W_1: -\frac{2}{n} X^\top X (I - W_1 W_2) W_2^\top",
            r"W_2: -\frac{2}{n} W_1^\top X^\top X (I - W_1 W_2)",
        ),
    }
    first, second = formulas[params.objective]
    return Step(
        "gradients",
        "With $E$ the error matrix, the differential of $|E|_F^2 / n$ is $2 \\langle E, dE \\rangle / n$. Moving one "
        "weight matrix at a time and taking everything but its differential to the other side of the inner product "
        f"gives the derivative with respect to\n\n- ${first}$\n- ${second}$\n\n"
        "The sign and the factor $2/n$ do not change where they vanish, but they do belong to the gradient.",
    )


# -- critical points


@dataclass(frozen=True)
class Point:
    """A pair of weights looked at: |gradient|, loss, and the smallest eigenvalue of the Hessian."""

    w1: Tensor
    w2: Tensor
    gradient: float
    loss: float
    curvature: float

    @classmethod
    def at(cls, x: Tensor, w1: Tensor, w2: Tensor) -> Point:
        """With everything computed from X `(m, n)`."""
        g1, g2 = lin.gradients(x, w1, w2)
        h = lin.hessian(x @ x.T / x.shape[1], w1, w2)
        curvature = torch.linalg.eigvalsh(h)[0]
        gradient = (g1.square().sum() + g2.square().sum()).sqrt()
        return cls(w1, w2, float(gradient), float(lin.loss(x, w1, w2)), float(curvature))


@experiment(Conditions)
def conditions(params: Conditions, run: Run) -> Result:
    """The first-order conditions at principal components, at other eigenvectors, at 0, and at mixtures."""
    x, u, variances = exact_data(run, params.deviations, params.samples)
    m, k, n = len(u), params.bottleneck, params.samples
    first = u[:, :k]
    chosen = u[:, [i - 1 for i in params.subset]]
    # Far enough from singular that rounding does not decide what vanishes.
    mixing = torch.linalg.qr(run.randn("mixing", k, k)).Q * torch.linspace(0.5, 2, k, dtype=u.dtype, device=u.device)
    pairs = {
        "principal": (first.T, first),
        "subset": (chosen.T, chosen),
        "mixed": (torch.linalg.inv(mixing) @ first.T, first @ mixing),
        "zero": (torch.zeros_like(first.T), torch.zeros_like(first)),
        "random": (run.randn("W1", k, m) / m**0.5, run.randn("W2", m, k) / k**0.5),
    }
    points = {}
    for i, (name, pair) in enumerate(pairs.items()):
        points[name] = Point.at(x, *pair)
        run.progress((i + 1) / (len(pairs) + 1), f"gradient and curvature at {name}", _points_table(params, points))
    # In units of the largest eigenvalue, by how much rounding may lift what is 0.
    zero = 100 * math.sqrt(m * k) * torch.finfo(u.dtype).eps * float(variances[0]) * n**0.5
    critical = [name for name, point in points.items() if point.gradient <= zero]
    minima = [name for name in critical if points[name].curvature >= -zero]
    w1, w2 = pairs["random"]
    autograd = torch.autograd.grad(
        lin.loss(x, *(leaves := (w1.clone().requires_grad_(), w2.clone().requires_grad_()))), leaves
    )
    exact = lin.gradients(x, w1, w2)
    published = lin.published_gradients(x, w1, w2)
    residual = torch.eye(m, dtype=u.dtype, device=u.device) - first @ first.T
    block = torch.diag(torch.cat([torch.zeros(k), torch.ones(m - k)])).to(u)
    spread = (u * variances * n)[:, :k]  # U S² [I; 0], S² the squared singular values of X
    return Result(
        values={
            "gradients": {name: point.gradient for name, point in points.items()},
            "losses": {name: point.loss for name, point in points.items()},
            "curvatures": {name: point.curvature for name, point in points.items()},
            "critical": critical,
            "minima": minima,
            "tail": float(variances[k:].sum()),
            "autograd_error": [relative(a, b) for a, b in zip(exact, autograd, strict=True)],
            "published_over_true": [
                float((a * b).sum() / (b * b).sum()) for a, b in zip(published, autograd, strict=True)
            ],
            "scatter_residual": relative(x @ x.T @ first, n * first * variances[:k]),
            "projector_residuals": [float((residual @ first).norm()), float((first.T @ residual).norm())],
            "published_block_distance": float((residual - block).norm()),
            "block_distance": float((residual - u @ block @ u.T).norm()),
            "published_last_product": float((block @ spread).norm()),
            "last_product": float((u @ block @ u.T @ spread).norm()),
            "singular_values": torch.linalg.svdvals(x) / math.sqrt(n),
        },
        trace=_condition_steps(params, points),
        figures=(_points_table(params, points), _loss_bars(points, float(variances[k:].sum()))),
    )


def _label(params: Conditions, name: str) -> str:
    return {
        "principal": "W2 = U_k",
        "subset": "eigenvectors " + ", ".join(map(str, params.subset)),
        "mixed": "W2 = U_k G",
        "zero": "W1 = W2 = 0",
        "random": "random",
    }[name]


def _points_table(params: Conditions, points: dict[str, Point]) -> Table:
    return table(
        "points",
        "Where the gradient vanishes",
        ("at", "|gradient|", "loss", "least curvature"),
        [
            (_label(params, name), f"{p.gradient:.1e}", f"{p.loss:.6g}", f"{p.curvature:.3g}")
            for name, p in points.items()
        ],
        align="lrrr",
        caption="Gradients of 1e-12 are zeros. Where the least curvature is negative, a way leads down: a saddle.",
    )


def _loss_bars(points: dict[str, Point], tail: float) -> Bars:
    names = tuple(points)
    return Bars(
        "losses",
        "Loss at each point, and the least there is",
        names,
        ("loss", "least"),
        Array.of([[points[name].loss for name in names], [tail] * len(names)]),
        y_label="loss",
        caption="Every mixture of the principal components is as good as they are; other eigenvectors are not.",
    )


def _condition_steps(params: Conditions, points: dict[str, Point]) -> tuple[Step, ...]:
    subset = ", ".join(map(str, params.subset))
    return (
        Step(
            "principal",
            "Let $W_2 = U_k$ and $W_1 = U_k^\\top$. The columns of $U_k$ are eigenvectors: "
            "$X X^\\top U_k = n U_k S^2$ with $S = \\mathrm{diag}(\\sigma_1, \\dots, \\sigma_k)$.\n\n"
            "- For $W_2$: $(I - U_k U_k^\\top) X X^\\top U_k = n (I - U_k U_k^\\top) U_k S^2 = 0$, because "
            "$U_k^\\top U_k = I$.\n"
            "- For $W_1$: $U_k^\\top (I - U_k U_k^\\top) = 0$ for the same reason.\n\n"
            f"Measured: |gradient| = {points['principal'].gradient:.1e}. No block form is needed.",
        ),
        Step(
            "critical",
            "The argument used only that the columns are orthonormal eigenvectors, so every set of them will do. At "
            f"eigenvectors {subset} the gradient is {points['subset'].gradient:.1e}, but the loss is "
            f"{points['subset'].loss:.4g} instead of {points['principal'].loss:.4g}, and the least curvature is "
            f"{points['subset'].curvature:.4g}: a saddle. At 0 the gradient vanishes too.",
        ),
        Step(
            "minima",
            "The loss depends on the product $W_2 W_1$ alone. With any invertible $G$, $W_2 = U_k G$ and "
            f"$W_1 = G^{{-1}} U_k^\\top$ have the same one, and the loss {points['mixed'].loss:.4g}. Unique is the "
            "projector $U_k U_k^\\top$, and not the principal components up to their signs.",
        ),
    )


# -- fresh variants


def drawn_deviations(draws: Draws, count: int) -> tuple[float, ...]:
    """Falling σ with quotients of at least 1.2, in short decimals."""
    rng = draws.stream("deviations")
    values = [round(rng.uniform(0.3, 0.5), 1)]
    while len(values) < count:
        values.append(round(values[-1] * rng.uniform(1.25, 1.6) + 0.05, 1))
    return tuple(reversed(values))


@draws(Gradients)
def draw_gradients(draws: Draws) -> Gradients:
    """Another objective, and sizes that all differ, so that a transposed answer fails on its shape."""
    rng = draws.stream("sizes")
    m, k, n = sorted(rng.sample(range(2, 14), 3))[1], 0, 0
    k = rng.randint(1, m - 1)
    n = rng.choice([size for size in range(2, 16) if size not in (m, k)])
    return Gradients(
        objective=draws.stream("objective").choice(("plain", "regularised", "weighted", "rows")),
        features=m,
        bottleneck=k,
        samples=n,
        l2=draws.stream("l2").choice((0.05, 0.1, 0.2, 0.25, 0.5)),
    )


@draws(Conditions)
def draw_conditions(draws: Draws) -> Conditions:
    """Other eigenvalues, clearly apart, and another set of eigenvectors than the first."""
    rng = draws.stream("sizes")
    m = rng.randint(5, 8)
    k = rng.randint(2, m - 2)
    subset = tuple(range(1, k + 1))
    while subset == tuple(range(1, k + 1)):
        subset = tuple(sorted(rng.sample(range(1, m + 1), k)))
    return Conditions(
        deviations=drawn_deviations(draws, m), bottleneck=k, samples=rng.randrange(m + 4, 60, 2), subset=subset
    )
