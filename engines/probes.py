"""Linear probes: multinomial logistic regression on frozen codes, many of them at once, trained until they converge.

What a probe minimises is mean cross-entropy + l2 · |W|², on codes that are standardised by their own mean and spread
(W holds one row a class and no bias). Codes are `(probes, n, k)`, labels `(n,)` or `(probes, n)`. With two classes
the rows of the optimum are -w/2 and w/2, and one logit w·x + b with the penalty l2/2 · |w|² is the same problem.

Three ways to the same classifier, fastest first: Newton's method for two classes and few features, where the Hessian
is cheap; L-BFGS for the rest; and for comparison the homework's own, a fixed number of epochs of Adam.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.lbfgs import minimise

# Above so many features the k × k systems of Newton's method cost more than the passes of L-BFGS.
NEWTON_FEATURES = 128
NEWTON_STEPS = 30
L_BFGS_STEPS = 200
# No entry of the gradient is larger at the end; losses are of the order of 0.1, and no accuracy moves any more.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Probe:
    """Linear classifiers: weights `(probes, classes, k)` and biases `(probes, 1, classes)`."""

    weights: Tensor
    biases: Tensor

    def logits(self, codes: Tensor) -> Tensor:
        """Codes `(probes, n, k)` to logits `(probes, n, classes)`."""
        return codes @ self.weights.mT + self.biases

    def accuracy(self, codes: Tensor, labels: Tensor) -> Tensor:
        """The share of codes whose largest logit is that of their label, for each probe: `(probes,)`."""
        return accuracy(self.logits(codes), labels)


def accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    """How often the largest logit is the label's: `(…, n, classes)`, `(n,)` or `(…, n)` → `(…,)`, float64."""
    return (logits.argmax(-1) == labels).double().mean(-1)


def fit(codes: Tensor, labels: Tensor, classes: int, l2: float = 1e-3) -> Probe:
    """Converged probes, by whichever method is faster at this size.

    Args:
        codes: `(probes, n, k)`.
        labels: whole numbers below `classes`, `(n,)` or `(probes, n)`.
        classes: at least 2.
        l2: weight of the penalty, above 0: without it the weights of a separable problem grow for ever.
    """
    if classes == 2 and codes.shape[-1] <= NEWTON_FEATURES:
        return fit_newton(codes, labels, l2)
    return fit_lbfgs(codes, labels, classes, l2)


# -- two classes by Newton's method


def fit_newton(codes: Tensor, labels: Tensor, l2: float, tolerance: float = TOLERANCE) -> Probe:
    """Two classes by Newton's method on one logit.

    Each step solves (Xᵀ diag(p (1 - p)) X / n + l2) δ = gradient, and is halved where it does not lower the loss.
    About 8 steps of n·k² operations.
    """
    mean, inverse = standardisation(codes)
    x = (codes - mean) * inverse
    x = torch.cat([x, torch.ones_like(x[..., :1])], -1)
    sign = (2 * labels - 1).to(x.dtype).expand(x.shape[:2])
    penalty = torch.full_like(x[0, 0], l2)
    penalty[-1] = 0.0
    # The bias carries no penalty; this keeps its row of the Hessian regular where every p has rounded to 0 or 1.
    ridge = torch.diag(penalty + 1e-7)
    w = torch.zeros_like(x[:, 0])

    def loss_at(w: Tensor) -> tuple[Tensor, Tensor]:
        margin = sign * (x @ w.unsqueeze(-1)).squeeze(-1)
        return F.softplus(-margin).mean(-1) + 0.5 * (penalty * w * w).sum(-1), margin

    loss, margin = loss_at(w)
    for _ in range(NEWTON_STEPS):
        miss = torch.sigmoid(-margin)
        gradient = penalty * w - ((sign * miss).unsqueeze(1) @ x).squeeze(1) / x.shape[1]
        if bool((gradient.abs().amax(-1) <= tolerance).all()):
            break
        hessian = (x * (miss * (1 - miss) / x.shape[1]).unsqueeze(-1)).mT @ x + ridge
        step = torch.linalg.solve(hessian, gradient.unsqueeze(-1)).squeeze(-1)
        length = torch.ones_like(loss)
        for _ in range(10):
            new_loss, new_margin = loss_at(w - length.unsqueeze(-1) * step)
            lower = new_loss <= loss + 1e-6
            if bool(lower.all()):
                break
            length = torch.where(lower, length, length / 2)
        w, loss, margin = w - length.unsqueeze(-1) * step, new_loss, new_margin
    return _two_classes(*_on_codes(w[:, :-1].unsqueeze(1), w[:, -1:].unsqueeze(1), mean, inverse))


# -- any number of classes by L-BFGS


def fit_lbfgs(codes: Tensor, labels: Tensor, classes: int, l2: float, tolerance: float = TOLERANCE) -> Probe:
    """Any number of classes by L-BFGS: about 30 steps of two passes over the codes, which are never copied."""
    count, n, k = codes.shape
    mean, inverse = standardisation(codes)
    labels = labels.expand(count, n)
    rows = 1 if classes == 2 else classes
    loss_of = _binary_loss if classes == 2 else _softmax_loss
    target = (labels.unsqueeze(-1) if classes == 2 else F.one_hot(labels, classes)).to(codes.dtype)
    penalty = l2 / 2 if classes == 2 else l2

    def objective(point: Tensor) -> tuple[Tensor, Tensor]:
        standard, bias = point.view(count, rows, k + 1).split([k, 1], -1)
        weight, offset = _on_codes(standard, bias.mT, mean, inverse)
        losses, error = loss_of(codes @ weight.mT + offset, target)
        total = error.sum(1).unsqueeze(-1)
        slope = (error.mT @ codes - total * mean) * inverse / n + 2 * penalty * standard
        loss = losses / n + penalty * (standard * standard).sum((1, 2))
        return loss, torch.cat([slope, total / n], -1).flatten(1)

    start = codes.new_zeros(count, rows * (k + 1))
    found = minimise(objective, start, steps=L_BFGS_STEPS, tolerance=tolerance).view(count, rows, k + 1)
    weight, bias = _on_codes(found[..., :-1], found[..., -1:].mT, mean, inverse)
    return _two_classes(weight, bias) if classes == 2 else Probe(weight, bias)


def _binary_loss(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy summed over examples, `(probes,)`, and its gradient: logits and targets `(probes, n, 1)`."""
    return (F.softplus(logits) - target * logits).sum((1, 2)), logits.sigmoid() - target


def _softmax_loss(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The same for several classes, targets one-hot: `(probes, n, classes)`."""
    log_p = logits.log_softmax(-1)
    return -(log_p * target).sum((1, 2)), log_p.exp() - target


# -- standardised codes, without copying them


def standardisation(codes: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and inverse spread of every feature, `(probes, 1, k)` each; a constant feature has the inverse 0."""
    mean = codes.mean(1, keepdim=True)
    centred = codes - mean
    spread = centred.square_().mean(1, keepdim=True).sqrt()
    usable = spread > 1e-6 * mean.abs().clamp(min=1e-6)
    return mean, torch.where(usable, 1 / spread, 0.0)


def _on_codes(standard: Tensor, bias: Tensor, mean: Tensor, inverse: Tensor) -> tuple[Tensor, Tensor]:
    """Weights `(probes, rows, k)` and biases `(probes, 1, rows)` for standardised codes, for the codes as they are."""
    weight = standard * inverse
    return weight, bias - mean @ weight.mT


def _two_classes(weight: Tensor, bias: Tensor) -> Probe:
    """One logit as two: those of the classes differ by it."""
    return Probe(torch.cat([-weight / 2, weight / 2], 1), torch.cat([-bias / 2, bias / 2], -1))


# -- the homework's probe


def fit_adam(
    codes: Tensor, labels: Tensor, classes: int, *, epochs: int = 50, batch: int = 200, learning_rate: float = 1e-3
) -> Probe:
    """One probe the way the homework's notebook trains it: codes `(n, k)`, minibatches in order, no penalty."""
    probe = nn.Linear(codes.shape[1], classes, device=codes.device, dtype=codes.dtype)
    optimizer = torch.optim.Adam(probe.parameters(), lr=learning_rate)
    for _ in range(epochs):
        for x, y in zip(codes.split(batch), labels.split(batch), strict=True):
            optimizer.zero_grad()
            F.cross_entropy(probe(x), y).backward()
            optimizer.step()
    return Probe(probe.weight.detach().unsqueeze(0), probe.bias.detach().view(1, 1, -1))
