"""Ways to train a linear autoencoder, each as a stream of weights; all but one see the data through C = XXᵀ/n.

A step costs O(m²k), whatever n is. Learning rates are in units of 1/λ₁, the inverse of C's largest eigenvalue, so
that the same ones serve any data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from engines.lbfgs import minimise
from engines.linear_objectives import covariance_gradients, covariance_loss

Weights = tuple[Tensor, Tensor]


def alternating(c: Tensor, w1: Tensor, w2: Tensor, steps: int) -> Iterator[Weights]:
    """Least squares for W1 with W2 held, then for W2 with W1 held: W1 = W2⁺, W2 = CW1ᵀ(W1CW1ᵀ)⁻¹.

    The span of W2 becomes C times itself, so this is orthogonal iteration: the angle shrinks by λ_(k+1)/λ_k a step.
    """
    for _ in range(steps):
        w2 = torch.linalg.qr(w2).Q  # another basis of the same span, and a pseudo-inverse for nothing
        w1 = w2.T
        w2 = torch.linalg.solve(w1 @ c @ w1.T, w1 @ c).T
        yield w1, w2


def descent(c: Tensor, w1: Tensor, w2: Tensor, steps: int, *, momentum: float, rate: float = 0.1) -> Iterator[Weights]:
    """Gradient descent with heavy-ball momentum, rate in units of 1/λ₁."""
    rate = rate / float(torch.linalg.eigvalsh(c)[-1])
    v1, v2 = torch.zeros_like(w1), torch.zeros_like(w2)
    for _ in range(steps):
        g1, g2 = covariance_gradients(c, w1, w2)
        v1, v2 = momentum * v1 + g1, momentum * v2 + g2
        w1, w2 = w1 - rate * v1, w2 - rate * v2
        yield w1, w2


def adam(
    gradients: Callable[[Tensor, Tensor], Weights], w1: Tensor, w2: Tensor, steps: int, *, rate: float = 0.02
) -> Iterator[Weights]:
    """Adam (Kingma and Ba 2015) on a gradient function, its rate falling to 0 along half a cosine."""
    w = torch.cat([w1.flatten(), w2.flatten()])
    first, second = torch.zeros_like(w), torch.zeros_like(w)
    for t in range(1, steps + 1):
        at = w[: w1.numel()].view_as(w1), w[w1.numel() :].view_as(w2)
        g = torch.cat([part.flatten() for part in gradients(*at)])
        first = 0.9 * first + 0.1 * g
        second = 0.999 * second + 0.001 * g * g
        now = rate * (1 + torch.cos(torch.tensor(torch.pi * (t - 1) / steps, dtype=torch.float64)).item()) / 2
        w = w - now * (first / (1 - 0.9**t)) / ((second / (1 - 0.999**t)).sqrt() + 1e-8)
        yield w[: w1.numel()].view_as(w1), w[w1.numel() :].view_as(w2)


def quasi_newton(
    c: Tensor, w1: Tensor, w2: Tensor, steps: int, on_step: Callable[[int], None] = lambda _: None
) -> Iterator[Weights]:
    """L-BFGS on the whole loss; it runs to its end before the first weights come, `on_step` is told how far it is."""
    points: list[Tensor] = []

    def split(point: Tensor) -> Weights:
        return point[:, : w1.numel()].view(-1, *w1.shape), point[:, w1.numel() :].view(-1, *w2.shape)

    def evaluate(point: Tensor) -> tuple[Tensor, Tensor]:
        at = split(point)
        return covariance_loss(c, *at), torch.cat([g.flatten(1) for g in covariance_gradients(c, *at)], 1)

    def watch(step: int, point: Tensor) -> None:
        points.append(point)
        on_step(step)

    start = torch.cat([w1.flatten(), w2.flatten()]).unsqueeze(0)
    end = minimise(evaluate, start, steps=steps, tolerance=1e-10, on_step=watch)
    for point in [*points[1:], end]:
        a, b = split(point)
        yield a[0], b[0]


def minibatches(x: Tensor, batch: int, generator: torch.Generator) -> Callable[[Tensor, Tensor], Weights]:
    """A gradient function that looks at the next `batch` examples (columns of x) each time it is asked."""
    order = torch.empty(0, dtype=torch.int64)

    def gradients(w1: Tensor, w2: Tensor) -> Weights:
        nonlocal order
        if len(order) < batch:
            order = torch.cat([order, torch.randperm(x.shape[1], generator=generator)])
        rows, order = order[:batch], order[batch:]
        part = x[:, rows.to(x.device)]
        return covariance_gradients(part @ part.T / batch, w1, w2)

    return gradients
