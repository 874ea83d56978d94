"""Training a linear autoencoder: how its subspace nears the principal one, by method.

The ways to train stand in `subspace_descent`, principal components and angles in `principal`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from engines import linear_objectives as lin
from engines import subspace_descent as descent
from engines.datasets import StrongDirections, digits
from engines.figures import Lines, line
from engines.parameters.linear_training import Training
from engines.principal import Principal, principal_components, subspace_angle
from engines.registry import experiment
from engines.result import Result, Step
from engines.run import Run

NEAR = 1e-3  # radians
LOOKS = 60
# Nearer eigenvalues than by this factor leave the principal subspace to chance.
IDENTIFIED = 1.05
METHODS = ("alternating", "momentum", "Adam", "gradient descent", "L-BFGS", "minibatch Adam")


@dataclass
class Curve:
    """What was seen of one method: steps, angles to the principal subspace, and excess of the loss over PCA's."""

    steps: list[float]
    angles: list[float]
    excess: list[float]


@experiment(Training)
def training(params: Training, run: Run) -> Result:
    """Every method from the same start; angle to the principal subspace and excess loss on the way."""
    x = _training_data(params, run)
    x = x - x.mean(0)
    pca = principal_components(x)
    c = x.T @ x / len(x)
    m, k = len(c), params.bottleneck
    gap = float(pca.variances[k - 1] / pca.variances[k])
    w1, w2 = run.randn("W1", k, m) / m**0.5, run.randn("W2", m, k) / m**0.5
    batches = descent.minibatches(x.T, min(params.batch_size, len(x)), run.generator("batches"))

    def tick(step: int) -> None:
        run.progress((METHODS.index("L-BFGS") + 0.5 * step / params.steps) / len(METHODS), f"L-BFGS: step {step}")

    def exact(a: Tensor, b: Tensor) -> descent.Weights:
        return lin.covariance_gradients(c, a, b)

    streams: dict[str, Callable[[], Iterator[descent.Weights]]] = {
        "alternating": lambda: descent.alternating(c, w1, w2, params.steps),
        "momentum": lambda: descent.descent(c, w1, w2, params.steps, momentum=0.9),
        "Adam": lambda: descent.adam(exact, w1, w2, params.steps),
        "gradient descent": lambda: descent.descent(c, w1, w2, params.steps, momentum=0.0, rate=0.25),
        "L-BFGS": lambda: descent.quasi_newton(c, w1, w2, params.steps, tick),
        "minibatch Adam": lambda: descent.adam(batches, w1, w2, params.steps),
    }
    # Evenly spaced in the logarithm: an angle costs as much as several steps.
    looks = {round(params.steps ** (i / LOOKS)) for i in range(LOOKS + 1)}
    curves: dict[str, Curve] = {}
    for i, name in enumerate(METHODS):
        curves[name] = Curve([], [], [])
        begun = i + 0.5 if name == "L-BFGS" else float(i)
        for step, weights in enumerate(streams[name](), 1):
            if step in looks:
                _look(curves[name], step, weights, c, pca)
                fraction = (begun + (i + 1 - begun) * step / params.steps) / len(METHODS)
                figure = _angle_figure(curves, gap)
                run.progress(min(fraction, (i + 1) / len(METHODS)), f"{name}: step {step}", figure)
    reached = {
        name: next((int(s) for s, a in zip(curve.steps, curve.angles, strict=True) if a <= NEAR), None)
        for name, curve in curves.items()
    }
    return Result(
        values={
            "angles": {name: curve.angles[-1] for name, curve in curves.items()},
            "excess": {name: curve.excess[-1] for name, curve in curves.items()},
            "reached": reached,
            "gap": gap,
            "identified": gap >= IDENTIFIED,
            "variances": pca.variances,
            "floor": pca.floor(k),
        },
        trace=(_training_step(params, curves, reached, gap),),
        figures=(_angle_figure(curves, gap), _excess_figure(curves)),
        notes=() if gap >= IDENTIFIED else (_unidentified(k, gap),),
    )


def _unidentified(k: int, gap: float) -> str:
    return (
        f"Eigenvalues {k} and {k + 1} differ by a factor of {gap:.3f} only: the first {k} principal directions "
        "are not determined by the data, and no angle to them means anything. Look at the excess loss."
    )


def _training_data(params: Training, run: Run) -> Tensor:
    if params.spectrum == "digits":
        return digits().x.to(run.device, run.dtype)
    if params.spectrum == "strong":
        source = StrongDirections.drawn(100, 20, 10.0, run.generator("basis"))
        return source.sample(params.samples, run.generator("data")).x.to(run.device, run.dtype)
    m = 100
    deviations: Tensor = params.ratio ** (-torch.arange(m, dtype=torch.float64) / 2)
    basis = torch.linalg.qr(torch.randn(m, m, generator=run.generator("basis"), dtype=torch.float64)).Q
    drawn = torch.randn(params.samples, m, generator=run.generator("data"), dtype=torch.float64)
    turned: Tensor = (drawn * deviations) @ basis
    return turned.to(run.device, run.dtype)


def _look(curve: Curve, step: int, weights: descent.Weights, c: Tensor, pca: Principal) -> None:
    w1, w2 = weights
    k = w1.shape[0]
    floor = pca.floor(k)
    curve.steps.append(float(step))
    curve.angles.append(float(subspace_angle(pca.subspace(k), w2)))
    curve.excess.append(
        float(lin.covariance_loss(c, w1, w2)) / floor - 1 if floor else float(lin.covariance_loss(c, w1, w2))
    )


def _angle_figure(curves: dict[str, Curve], gap: float) -> Lines:
    shown = {name: curve for name, curve in curves.items() if curve.steps}
    last = max(curve.steps[-1] for curve in shown.values())
    return Lines(
        "angle",
        "Largest angle between the decoder's span and the principal subspace",
        (
            *(line(name, curve.steps, [max(a, 1e-16) for a in curve.angles]) for name, curve in shown.items()),
            line("1e-3 rad", [1.0, last], [NEAR, NEAR]),
        ),
        x_label="step",
        x_scale="log",
        y_label="angle, rad",
        y_scale="log",
        caption=f"λ_k/λ_(k+1) = {gap:.3g}. Least squares in turn is quickest; minibatches end at a noise floor.",
    )


def _excess_figure(curves: dict[str, Curve]) -> Lines:
    return Lines(
        "excess",
        "Excess of the loss over that of PCA, relative",
        tuple(line(name, curve.steps, [max(e, 1e-16) for e in curve.excess]) for name, curve in curves.items()),
        x_label="step",
        x_scale="log",
        y_label="loss / PCA - 1",
        y_scale="log",
        caption="The loss is near its least long before the subspace is: the excess goes with the angle squared.",
    )


def _training_step(params: Training, curves: dict[str, Curve], reached: dict[str, int | None], gap: float) -> Step:
    rows = "\n".join(
        f"- {name}: {'step ' + str(reached[name]) if reached[name] else 'not within ' + str(params.steps) + ' steps'}, "
        f"angle at the end {curve.angles[-1]:.1e}, excess loss {curve.excess[-1]:.1e}"
        for name, curve in curves.items()
    )
    return Step(
        "training",
        f"Steps until the largest angle is below {NEAR:g} rad:\n\n{rows}\n\n"
        "Solving for $W_1$ and $W_2$ in turn maps the span of $W_2$ to $C$ times itself, which shrinks the angle by "
        f"$\\lambda_{{k+1}}/\\lambda_k$ = {1 / gap:.3f} a step. With minibatches every step follows another sample's "
        "covariance, and at a fixed batch size the angle stays at the size of that noise.",
    )
