"""One key of a memory changes, by noise or by a factor: what that does to the attention on it.

Tokens as columns, as in `engines.softargmax`: `Q (d, n)`, `K (d, m)`, `V (t, m)`, weights `A (m, n)`. Sheets: NYU
deep learning, homework 4 (2023), question 1.1(e) and (f).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engines.attention import shown
from engines.figures import Lines, Table, line, table
from engines.parameters.attention_weights import Matrix, Vector
from engines.parameters.key_changes import Elongate, Perturb
from engines.parameters.softargmax import scale_of
from engines.randomness import Draws
from engines.registry import draws, experiment
from engines.result import Result, Step
from engines.run import Run
from engines.softargmax import columns, dot, draw_memory, softargmax

# -- numerics


def key_noise_effect(A: Tensor, Q: Tensor, V: Tensor, H: Tensor, key: int, noise: Tensor, beta: float) -> Tensor:
    """First order of the change of H when `noise` is added to a key: β A_ai (ε·qᵢ) (v_a − hᵢ).

    Args:
        A: weights `(m, n)`.
        Q: queries `(d, n)`.
        V: values `(t, m)`.
        H: output `(t, n)`.
        key: which key a.
        noise: ε, `(..., d)`.
        beta: the scale.

    Returns:
        `(..., t, n)`.
    """
    score_change = beta * A[key] * (noise @ Q)  # (..., n)
    return score_change.unsqueeze(-2) * (V[:, [key]] - H)


def elongated_weights(A: Tensor, products: Tensor, key: int, alpha: float, beta: float) -> Tensor:
    """The weights after key a is multiplied by α, from the weights before; exact.

    With r = exp(β(α − 1) k_a·q): A_a r / (1 − A_a + A_a r) for the key itself, A_j / (1 − A_a + A_a r) for the others.

    Args:
        A: weights before, `(m, n)`.
        products: k_a·qᵢ of the key that is made longer, `(n,)`.
        key: which key a.
        alpha: the factor.
        beta: the scale.
    """
    # Divided by the larger of 1 and r, so that neither overflows.
    exponent = beta * (alpha - 1) * products
    grown, kept = (exponent - exponent.clamp(min=0)).exp(), (-exponent.clamp(min=0)).exp()
    after = A * kept
    after[key] = A[key] * grown
    return after / ((1 - A[key]) * kept + A[key] * grown)


# -- noise on a key


@experiment(Perturb)
def perturb(params: Perturb, run: Run) -> Result:
    """Changes of the output under noise on one key: by the linear formula, and measured."""
    q, K, V = columns(params, run)
    beta, a = scale_of(params), params.key
    z = K.T @ q
    A = softargmax(z, beta)
    h = V @ A
    noise = params.sigma * run.randn("noise", params.samples, len(q))
    linear = key_noise_effect(A, q, V, h, a, noise, beta).squeeze(-1)  # (samples, t)
    run.progress(0.3, "the linear formula")
    moved, after = _with_noise(z, V, noise @ q, a, beta)
    change = after - h.T
    run.progress(0.7, "the true change")
    predicted = beta * A[a, 0] * params.sigma * q.norm() * (V[:, [a]] - h).norm()
    measured = change.square().sum(1).mean().sqrt()
    up = (moved > A[a, 0]).double().mean()
    sigmas, errors = _errors_by_sigma(params, q, z, V, A, h, noise / params.sigma, run)
    return Result(
        values={
            "weights": A.squeeze(1),
            "output": h.squeeze(1),
            "predicted_sd": predicted,
            "measured_sd": measured,
            "sd_ratio": float(measured / predicted) if predicted > 0 else None,
            "mean_change": change.mean(0),
            "mean_change_error": change.std(0) / math.sqrt(params.samples),
            "share_up": float(up),
            "linear_error": float((change - linear).norm() / change.norm()) if predicted > 0 else None,
            "change_formula": "beta*A[a,i]*(eps@q_i)*(v_a - h_i)",
            "sd_formula": "beta*A*sigma*norm(q)*norm(v - h)",
            # What comes out of the usual slips: no query, no weight, no difference to the output.
            "sd_without_query": beta * A[a, 0] * params.sigma * (V[:, [a]] - h).norm(),
            "sd_without_weight": beta * params.sigma * q.norm() * (V[:, [a]] - h).norm(),
            "sd_without_output": beta * A[a, 0] * params.sigma * q.norm() * V[:, a].norm(),
        },
        trace=_perturb_steps(params, A, h, V, q, float(predicted), float(measured), float(up)),
        figures=(_histogram(change, linear, V[:, a] - h[:, 0]), _error_figure(sigmas, errors, params.sigma)),
    )


def _with_noise(z: Tensor, V: Tensor, shift: Tensor, key: int, beta: float) -> tuple[Tensor, Tensor]:
    """Weight of the key, and outputs `(samples, t)`, after its score has moved by `shift (samples, 1)`."""
    moved = z.T.repeat(len(shift), 1)
    moved[:, key] += shift[:, 0]
    weights = (beta * moved).softmax(1)
    return weights[:, key], weights @ V.T


def _errors_by_sigma(
    params: Perturb, q: Tensor, z: Tensor, V: Tensor, A: Tensor, h: Tensor, standard: Tensor, run: Run
) -> tuple[list[float], list[float]]:
    """Relative error of the linear formula at other sizes of the noise: it must fall in proportion to σ."""
    sigmas = [params.sigma * factor for factor in (0.1, 0.3, 1, 3, 10, 30, 100)]
    errors = []
    for i, sigma in enumerate(sigmas):
        noise = sigma * standard[:2000]
        change = _with_noise(z, V, noise @ q, params.key, scale_of(params))[1] - h.T
        linear = key_noise_effect(A, q, V, h, params.key, noise, scale_of(params)).squeeze(-1)
        errors.append(float((change - linear).norm() / change.norm().clamp(min=1e-300)))
        run.progress(0.7 + 0.3 * (i + 1) / len(sigmas), f"σ = {sigma:.3g}")
    return sigmas, errors


def _histogram(change: Tensor, linear: Tensor, direction: Tensor) -> Lines:
    """Distribution of the change along v_a − h, measured and by the formula, as shares of bins."""
    axis = direction / direction.norm().clamp(min=1e-300)
    along = [(x @ axis).double().cpu() for x in (change, linear)]
    reach = max(float(along[1].std()) * 4, 1e-300)
    edges = torch.linspace(-reach, reach, 42, dtype=torch.float64)
    shares = [torch.histogram(x.contiguous(), edges).hist / len(x) for x in along]
    middle = (edges[1:] + edges[:-1]) / 2
    return Lines(
        "histogram",
        "Change of the output along v_a − h",
        (line("measured", middle, shares[0]), line("linear formula", middle, shares[1])),
        "change",
        "share of draws",
        caption="Symmetric around 0: small noise moves the output either way, it does not scale attention down.",
    )


def _error_figure(sigmas: list[float], errors: list[float], sigma: float) -> Lines:
    return Lines(
        "linear",
        "Relative error of the linear formula",
        (
            line("measured", sigmas, errors, points=True),
            line("in proportion to σ", sigmas, [errors[0] * s / sigmas[0] for s in sigmas]),
        ),
        "σ",
        "relative error",
        "log",
        "log",
        caption=f"First order is good for small noise only; this question has σ = {sigma:.3g}.",
    )


def _perturb_steps(
    params: Perturb, A: Tensor, h: Tensor, V: Tensor, q: Tensor, predicted: float, measured: float, up: float
) -> tuple[Step, ...]:
    a = params.key
    return (
        Step(
            "score",
            "Only the score of the perturbed key $a$ moves, by $\\epsilon^\\top q$. With $h = \\sum_j A_j v_j$ the "
            "derivative of $h$ by score $a$ is $\\beta A_a (v_a - h)$.",
        ),
        Step(
            "change",
            "So $dh \\approx \\beta A_a (\\epsilon^\\top q)(v_a - h)$: a multiple of the fixed direction "
            f"$v_a - h$ = {shown(V[:, a] - h[:, 0])}. Its mean is 0, and its size has standard deviation $\\beta A_a "
            f"\\sigma \\|q\\| \\|v_a - h\\|$ = {scale_of(params):.4g} · {A[a, 0]:.4g} · {params.sigma:.4g} · "
            f"{q.norm():.4g} · {(V[:, [a]] - h).norm():.4g} = {predicted:.6g}. Measured: {measured:.6g}.",
        ),
        Step(
            "direction",
            f"The attention on the key rose in {up:.3f} of {params.samples} draws: up and down are equally "
            "likely, since $\\epsilon^\\top q$ is symmetric around 0.",
        ),
    )


# -- a longer key


@experiment(Elongate)
def elongate(params: Elongate, run: Run) -> Result:
    """All weights before and after one key is multiplied by α, by recomputing and by the closed form."""
    q, K, V = columns(params, run)
    beta, a, alpha = scale_of(params), params.key, params.alpha
    k = K[:, [a]]
    # The query, its part orthogonal to the key, and its opposite: one of each sign.
    level = q - k * (k * q).sum() / (k * k).sum().clamp(min=torch.finfo(q.dtype).tiny)
    Q = torch.cat([q, level, -q], dim=1)
    before = softargmax(K.T @ Q, beta)
    stretched = K.clone()
    stretched[:, a] *= alpha
    after = softargmax(stretched.T @ Q, beta)
    products = (k * Q).sum(0)
    closed = elongated_weights(before, products, a, alpha, beta)
    alphas = torch.linspace(0, max(2 * alpha, 4.0), 61).tolist()
    curves = []
    for i, factor in enumerate(alphas):
        curves.append(elongated_weights(before, products, a, factor, beta)[a])
        run.progress((i + 1) / len(alphas), f"α = {factor:.3g}")
    others = [j for j in range(K.shape[1]) if j != a]
    product = float(products[0])
    return Result(
        values={
            "product": product,
            "ratio": math.exp(min(beta * (alpha - 1) * product, 700.0)),
            "weight_before": before[a, 0],
            "weight_after": after[a, 0],
            "weights_before": before[:, 0],
            "weights_after": after[:, 0],
            "output_before": V @ before[:, 0],
            "output_after": V @ after[:, 0],
            "others_factor": closed[others[0], 0] / before[others[0], 0],
            "direction": ("stays", "rises", "falls")[_sign((alpha - 1) * product)],
            "limit": 1.0 if product > 0 else 0.0 if product < 0 else float(before[a, 0]),
            "formula_error": (closed - after).abs().max(),
            "weight_formula": "A*r/(1 - A + A*r)",
            "ratio_formula": "exp(beta*(alpha - 1)*p)",
            # The usual slips.
            "weight_divided_by_alpha": before[a, 0] / alpha if alpha else None,
            "weight_times_alpha": before[a, 0] * alpha,
            "slip_column_sum": before[a, 0] / alpha + before[others, 0].sum() * alpha / len(others) if alpha else None,
        },
        trace=_elongate_steps(params, product, before, after, V),
        figures=(
            _alpha_figure(alphas, torch.stack(curves), alpha),
            _elongate_table(products, before, after, closed, a),
        ),
    )


def _sign(x: float) -> int:
    return (x > 0) - (x < 0)


QUERIES = ("q", "q without its part along k", "−q")


def _alpha_figure(alphas: list[float], curves: Tensor, alpha: float) -> Lines:
    return Lines(
        "weight",
        "Weight of the key that is made longer",
        tuple(line(name, alphas, curves[:, i]) for i, name in enumerate(QUERIES)),
        "α",
        "weight",
        caption=f"The sign of k·q decides: up to 1, down to 0, or no change at all; this question has α = {alpha:.3g}.",
    )


def _elongate_table(products: Tensor, before: Tensor, after: Tensor, closed: Tensor, a: int) -> Table:
    rows = [
        (name, *(f"{float(x[i]):.4f}" for x in (products, before[a], after[a], closed[a])))
        for i, name in enumerate(QUERIES)
    ]
    return table(
        "elongated",
        "The weight before and after",
        ("query", "k·q", "before", "after", "closed form"),
        rows,
        align="lrrrr",
        caption="Recomputed from the longer key and by A r / (1 − A + A r), r = exp(β(α − 1) k·q): the same.",
    )


def _elongate_steps(params: Elongate, product: float, before: Tensor, after: Tensor, V: Tensor) -> tuple[Step, ...]:
    a, beta, alpha = params.key, scale_of(params), params.alpha
    return (
        Step(
            "ratio",
            f"The score of the key is $k^\\top q$ = {product:.4g} and becomes $\\alpha\\, k^\\top q$; its "
            f"exponential is multiplied by $r = e^{{\\beta (\\alpha - 1) k^\\top q}}$ with $\\beta (\\alpha - 1)$ = "
            f"{beta * (alpha - 1):.4g}.",
        ),
        Step(
            "weight",
            "The others keep theirs, and the sum changes from 1 to $1 - A + A r$ (in units of the old sum). So "
            f"$A' = A r / (1 - A + A r)$: {before[a, 0]:.4g} becomes {after[a, 0]:.4g}, and all others are divided by "
            "the same $1 - A + A r$.",
        ),
        Step(
            "output",
            f"The output moves from {shown(V @ before[:, 0])} to {shown(V @ after[:, 0])}, towards or away "
            f"from $v$ = {shown(V[:, a])}.",
        ),
        Step(
            "sign",
            "For $\\alpha > 1$ the weight rises if $k^\\top q > 0$, falls if it is negative and stays if it is 0; as "
            "$\\alpha \\to \\infty$ it goes to 1 or to 0.",
        ),
    )


# -- fresh variants


def _weights(keys: Matrix, query: Vector, beta: float) -> list[float]:
    exponentials = [math.exp(beta * dot(key, query)) for key in keys]
    return [x / sum(exponentials) for x in exponentials]


@draws(Perturb)
def draw_perturb(draws: Draws) -> Perturb:
    """σβ‖q‖ ≤ 0.05, so that first order is good, and a key whose value differs from the output."""
    for attempt in range(10_000):
        again = draws.again(attempt)
        shape = again.stream("shape")
        m, d = shape.randint(3, 5), shape.randint(2, 4)
        keys, values, query = draw_memory(again, m, d)
        beta, key = shape.choice((None, 0.5, 1.0)), shape.randrange(m)
        scale = 1 / math.sqrt(d) if beta is None else beta
        sigma = shape.choice((0.005, 0.01, 0.02))
        weight = _weights(keys, query, scale)[key]
        if 0.1 <= weight <= 0.8 and sigma * scale * math.hypot(*query) <= 0.05 and len(set(values)) == m:
            return Perturb(keys=keys, values=values, query=query, beta=beta, key=key, sigma=sigma)
    raise RuntimeError("no well-posed variant in 10 000 draws")


@draws(Elongate)
def draw_elongate(draws: Draws) -> Elongate:
    """|k·q| ≥ 0.5 and a weight that has room to move, 0.05 to 0.9; rises and falls are equally likely."""
    rises = draws.stream("sign").random() < 0.5
    for attempt in range(10_000):
        again = draws.again(attempt)
        shape = again.stream("shape")
        m, d = shape.randint(3, 5), shape.randint(2, 4)
        keys, values, query = draw_memory(again, m, d)
        key, alpha = shape.randrange(m), shape.choice((1.5, 2.0, 3.0, 4.0))
        product = dot(keys[key], query)
        weight = _weights(keys, query, 1 / math.sqrt(d))[key]
        fair = 0.05 <= weight <= 0.9 and abs(product) >= 0.5 and (product > 0) == rises
        if fair and len(set(values)) == m:
            return Elongate(keys=keys, values=values, query=query, key=key, alpha=alpha)
    raise RuntimeError("no well-posed variant in 10 000 draws")
