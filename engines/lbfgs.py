"""Limited-memory BFGS on many small smooth problems at once: the same steps for each, one call for all.

A batch of problems of one size is one tensor `(problems, n)`. Every problem keeps its own curvature pairs, its own
step length and its own verdict on whether it is done; only the arithmetic is shared. For the method see Nocedal and
Wright, Numerical Optimization (2006), algorithms 7.4 and 3.1.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import torch
from torch import Tensor

# Points `(problems, n)` to losses `(problems,)` and gradients `(problems, n)`.
Objective = Callable[[Tensor], tuple[Tensor, Tensor]]

ARMIJO = 1e-4
HALVINGS = 20


def minimise(
    objective: Objective,
    start: Tensor,
    *,
    steps: int = 200,
    tolerance: float = 1e-6,
    history: int = 20,
    on_step: Callable[[int, Tensor], None] = lambda *_: None,
) -> Tensor:
    """The points at which every problem's gradient is small, from `start`.

    Args:
        objective: losses and gradients at `(problems, n)`; may be called at points that are not kept.
        start: `(problems, n)`.
        steps: at most so many.
        tolerance: a problem is done when no entry of its gradient exceeds this.
        history: curvature pairs kept.
        on_step: told the number of each step and the points before it.

    Returns:
        `(problems, n)`. A problem whose loss no step length lowers any further stays where it is: it has reached
        what rounding allows, or its loss is not a number.
    """
    point = start
    loss, gradient = objective(point)
    pairs: deque[tuple[Tensor, Tensor, Tensor]] = deque(maxlen=history)
    stuck = torch.zeros_like(loss, dtype=torch.bool)
    for step in range(steps):
        on_step(step, point)
        done = stuck | (gradient.abs().amax(-1) <= tolerance)
        if bool(done.all()):
            break
        direction = _direction(gradient, pairs)
        slope = (gradient * direction).sum(-1)
        first = 1 / gradient.norm(dim=-1).clamp(min=1.0) if not pairs else torch.ones_like(loss)
        length = first.masked_fill(done | ~(slope < 0), 0.0)
        moved, new_loss, new_gradient = _search(objective, point, loss, direction, slope, length)
        stuck = stuck | ~(moved != point).any(-1)
        change, bend = moved - point, new_gradient - gradient
        curvature = (change * bend).sum(-1)
        # Without positive curvature a pair says nothing; an inverse of 0 leaves it out for that problem alone.
        useful = curvature > torch.finfo(curvature.dtype).eps * (bend * bend).sum(-1)
        pairs.append((change, bend, torch.where(useful, 1 / curvature, 0.0)))
        point, loss, gradient = moved, new_loss, new_gradient
    return point


def _direction(gradient: Tensor, pairs: deque[tuple[Tensor, Tensor, Tensor]]) -> Tensor:
    """Minus the approximate inverse Hessian times the gradient, by the two-loop recursion."""
    q = -gradient
    weights = []
    for change, bend, inverse in reversed(pairs):
        weight = inverse * (change * q).sum(-1)
        q = q - weight.unsqueeze(-1) * bend
        weights.append(weight)
    if pairs:
        change, bend, inverse = pairs[-1]
        scale = (change * bend).sum(-1) / (bend * bend).sum(-1)
        q = q * torch.where(inverse > 0, scale, 1.0).unsqueeze(-1)
    for (change, bend, inverse), weight in zip(pairs, reversed(weights), strict=True):
        q = q + change * (weight - inverse * (bend * q).sum(-1)).unsqueeze(-1)
    return q


def _search(
    objective: Objective, point: Tensor, loss: Tensor, direction: Tensor, slope: Tensor, length: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Halve each problem's step length until its loss falls enough; a length of 0 keeps a problem in its place."""
    slack = torch.finfo(loss.dtype).eps * loss.abs()  # near the end the loss changes by less than it is known to
    for _ in range(HALVINGS):
        moved = torch.where(length.unsqueeze(-1) > 0, point + length.unsqueeze(-1) * direction, point)
        new_loss, new_gradient = objective(moved)
        enough = (new_loss <= loss + ARMIJO * length * slope + slack) | (length == 0)
        if bool(enough.all()):
            return moved, new_loss, new_gradient
        length = torch.where(enough, length, length / 2)
    length = length.masked_fill(~enough, 0.0)
    moved = torch.where(length.unsqueeze(-1) > 0, point + length.unsqueeze(-1) * direction, point)
    return moved, *objective(moved)
