"""Deep plain and residual networks: why more layers can train worse, and what mends it (He et al. 2016, figure 1).

Many networks of one shape are trained at once: weights of a layer are `(R, in, out)` for R seeds, activations
`(R, batch, width)`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.datasets import digits
from engines.figures import Lines, Table, line, table
from engines.parameters.depth import Degradation, Gradients, Init, Norm
from engines.randomness import Draws
from engines.registry import draws, experiment
from engines.result import Result, Step
from engines.run import Run

PIXELS, CLASSES = 64, 10
# Images that are kept for the test.
HELD_OUT = 1797 // 8

# -- numerics


@dataclass(frozen=True)
class Net:
    """R networks of one shape.

    First layer `(R, 64, w)`, hidden layers `(L, R, w, w)` with their biases `(L, R, 1, w)`, last layer `(R, w, 10)`.
    """

    first: Tensor
    hidden: Tensor
    biases: Tensor
    last: Tensor
    residual: bool
    norm: Norm = "none"

    @property
    def weights(self) -> list[Tensor]:
        """What is trained."""
        return [self.first, self.hidden, self.biases, self.last]

    def with_weights(self, weights: list[Tensor]) -> Net:
        """The same shape with other weights."""
        first, hidden, biases, last = weights
        return Net(first, hidden, biases, last, self.residual, self.norm)


def init_net(run: Run, depth: int, width: int, seeds: int, init: Init, norm: Norm, *, residual: bool) -> Net:
    """Weights that depend on the run's seed, the depth and the number of the network alone.

    "he" has variance 2/fan_in and biases 0, "default" has the variance 1/(3 fan_in) of `torch.nn.Linear` in both.
    Residual branches without
    normalisation start 1/√L smaller, or the sum of L of them would begin too large (Zhang et al. 2019).
    """

    def normal(name: str, a: int, b: int) -> Tensor:
        return torch.stack([run.randn(f"{name}/{depth}/{i}", a, b) for i in range(seeds)])

    scale = math.sqrt(2 / width if init == "he" else 1 / (3 * width))
    if residual and norm == "none":
        scale /= math.sqrt(depth)
    hidden = torch.stack([normal(f"hidden {layer}", width, width) for layer in range(depth)]) * scale
    biases = torch.stack([normal(f"biases {layer}", 1, width) for layer in range(depth)]) * (init == "default") * scale
    first = normal("first", PIXELS, width) * math.sqrt(2 / PIXELS)
    return Net(first, hidden, biases, normal("last", width, CLASSES) / math.sqrt(width), residual, norm)


def normalise(x: Tensor, norm: Norm, eps: float = 1e-5) -> Tensor:
    """Over the batch ("batch", in training mode), over the units ("layer"), or not at all; no gain and no bias."""
    if norm == "none":
        return x
    axis = 1 if norm == "batch" else 2
    mean = x.mean(axis, keepdim=True)
    return (x - mean) * (x.var(axis, unbiased=False, keepdim=True) + eps).rsqrt()


def forward(net: Net, x: Tensor) -> Tensor:
    """Images `(batch, 64)`, or `(R, batch, 64)`, to logits `(R, batch, 10)`.

    Every layer is relu(norm(x)) W + b, in a residual network added to its input x (He et al. 2016b).
    """
    h = x @ net.first
    for w, b in zip(net.hidden.unbind(), net.biases.unbind(), strict=True):
        branch = torch.baddbmm(b, torch.relu(normalise(h, net.norm)), w)
        h = h + branch if net.residual else branch
    logits: Tensor = h @ net.last
    return logits


def loss_of(net: Net, x: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy of each network, `(R,)`."""
    logits = forward(net, x)
    losses = F.cross_entropy(logits.flatten(0, 1), y.expand(len(logits), -1).flatten(), reduction="none")
    per_network: Tensor = losses.view(len(logits), -1).mean(1)
    return per_network


def train(
    net: Net, x: Tensor, y: Tensor, learning_rate: float, on_step: Callable[[int, Tensor], None] = lambda *_: None
) -> tuple[Net, Tensor]:
    """R networks by SGD on batches x `(steps, batch, 64)`, y `(steps, batch)`.

    Losses are added up over the networks, so each gets the gradient that it would get alone.

    Returns:
        The trained networks, and their losses before each step, `(steps, R)`.
    """
    weights = [w.clone().requires_grad_() for w in net.weights]
    trained = net.with_weights(weights)
    optimizer = torch.optim.SGD(weights, lr=learning_rate)
    losses = []
    for step, (images, labels) in enumerate(zip(x, y, strict=True)):
        loss = loss_of(trained, images, labels)
        losses.append(loss.detach())
        on_step(step, loss.detach())
        optimizer.zero_grad()
        loss.sum().backward()
        optimizer.step()
    return net.with_weights([w.detach() for w in weights]), torch.stack(losses)


def gradient_norms(net: Net, x: Tensor, y: Tensor) -> Tensor:
    """Norm of the loss gradient w.r.t. the weights of every hidden layer, `(L, R)`, first layer first."""
    hidden = net.hidden.clone().requires_grad_()
    loss = loss_of(net.with_weights([net.first, hidden, net.biases, net.last]), x, y)
    (gradient,) = torch.autograd.grad(loss.sum(), hidden)
    norms: Tensor = gradient.flatten(2).norm(dim=2)
    return norms


# -- experiments


@experiment(Degradation)
def degradation(params: Degradation, run: Run) -> Result:
    """Training losses of plain and of residual networks of every depth, on the same images."""
    data = digits()
    order = torch.randperm(len(data.x), generator=run.generator("split"))
    x, y = data.x[order].to(run.device, run.dtype), data.y[order].to(run.device)
    batches = run.randint("batches", len(x) - HELD_OUT, params.steps, params.batch_size) + HELD_OUT
    kinds = [(depth, residual) for residual in (False, True) for depth in params.depths]
    curves: dict[str, Tensor] = {}
    accuracies: dict[str, float] = {}
    every = max(1, params.steps // 20)
    for i, (depth, residual) in enumerate(kinds):
        name = f"{'residual' if residual else 'plain'} {depth}"
        so_far: list[Tensor] = []

        def on_step(step: int, loss: Tensor, start: float = i / len(kinds), kind: str = name) -> None:
            so_far.append(loss)  # noqa: B023  (the list of this kind: it is called while this kind is trained)
            figure = None
            if step % every == every - 1:
                figure = _losses_figure({**curves, kind: torch.stack(so_far)}, params)  # noqa: B023
            run.progress(start + step / params.steps / len(kinds), f"{kind}: step {step}", figure)

        net = init_net(run, depth, params.width, params.seeds, params.init, params.norm, residual=residual)
        net, curves[name] = train(net, x[batches], y[batches], params.learning_rate, on_step)
        with torch.no_grad():
            right = forward(net, x[:HELD_OUT]).argmax(-1) == y[:HELD_OUT]
        accuracies[name] = right.double().mean().item()
    final = {name: losses[-10:].mean(0) for name, losses in curves.items()}
    shallow, deep = min(params.depths), max(params.depths)
    return Result(
        values={
            "losses": {name: losses.mean().item() for name, losses in final.items()},
            "losses_by_seed": final,
            "test_accuracies": accuracies,
            "deeper_is_worse": int((final[f"plain {deep}"] > final[f"plain {shallow}"]).sum()),
            "skips_help": int((final[f"residual {deep}"] < final[f"plain {deep}"]).sum()),
            "seeds": params.seeds,
        },
        trace=_degradation_steps(final, accuracies, shallow, deep),
        figures=(_losses_figure(curves, params), _ends_table(final, accuracies)),
    )


def _losses_figure(curves: dict[str, Tensor], params: Degradation) -> Lines:
    series = []
    window = max(1, params.steps // 40)
    for name, losses in curves.items():
        count = len(losses) // window
        if count:
            smooth = losses[: count * window].view(count, window, -1).mean(1)
            steps = [float((i + 1) * window) for i in range(count)]
            series.append(line(name, steps, smooth.mean(1), low=smooth.amin(1), high=smooth.amax(1)))
    return Lines(
        "losses",
        f"Training loss, mean and range over {params.seeds} seeds",
        tuple(series),
        x_label="step",
        y_label="loss",
        y_scale="log",
        caption="The deep plain network is worse in training already, so it does not overfit; with skips it is not.",
    )


def _ends_table(final: dict[str, Tensor], accuracies: dict[str, float]) -> Table:
    rows = [
        (name, f"{losses.mean():.3f}", f"{losses.min():.3f} to {losses.max():.3f}", f"{accuracies[name]:.3f}")
        for name, losses in final.items()
    ]
    return table(
        "ends",
        "At the end",
        ("network", "training loss", "over the seeds", "test accuracy"),
        rows,
        align="lrrr",
        caption="Training loss is the mean over the last ten steps; the test images were never trained on.",
    )


def _degradation_steps(
    final: dict[str, Tensor], accuracies: dict[str, float], shallow: int, deep: int
) -> tuple[Step, ...]:
    mean = {name: losses.mean().item() for name, losses in final.items()}
    return (
        Step(
            "causes",
            f"With {deep} layers the plain network ends at a *training* loss of {mean[f'plain {deep}']:.3g}, with "
            f"{shallow} at {mean[f'plain {shallow}']:.3g}. Overfitting would show in the test only, and the deep "
            "network could copy the shallow one and pass its output on: it has the capacity. What fails is "
            "the optimisation.",
        ),
        Step(
            "fixes",
            f"A skip connection passes the input on by itself, and the layer learns what to add. With it the "
            f"{deep}-layer network ends at {mean[f'residual {deep}']:.3g} (test accuracy "
            f"{accuracies[f'residual {deep}']:.3f}). Normalisation and initialisation help a signal through, but do "
            "not mend it alone.",
        ),
    )


KINDS: dict[str, tuple[Init, Norm, bool]] = {
    "default": ("default", "none", False),
    "He": ("he", "none", False),
    "He, batch norm": ("he", "batch", False),
    "He, layer norm": ("he", "layer", False),
    "He, residual": ("he", "none", True),
}


@experiment(Gradients)
def gradients(params: Gradients, run: Run) -> Result:
    """Gradient norms by layer for five kinds of network, before any training."""
    data = digits()
    chosen = run.randint("images", len(data.x), params.batch_size).cpu()
    x, y = data.x[chosen].to(run.device, run.dtype), data.y[chosen].to(run.device)
    by_layer: dict[str, Tensor] = {}
    for i, (name, (init, norm, residual)) in enumerate(KINDS.items()):
        net = init_net(run, params.depth, params.width, params.seeds, init, norm, residual=residual)
        tiny = torch.finfo(run.dtype).tiny
        by_layer[name] = gradient_norms(net, x, y).clamp_min(tiny).log().mean(1).exp()
        run.progress((i + 1) / len(KINDS), name, _gradients_figure(by_layer, params))
    ratios = {name: (norms[0] / norms[-1]).item() for name, norms in by_layer.items()}
    return Result(
        values={"norms": by_layer, "ratios": ratios},
        trace=(
            Step(
                "gradients",
                "First layer's gradient over the last one's: "
                + ", ".join(f"{name} {ratio:.1e}" for name, ratio in ratios.items())
                + ". With the default scale the signal shrinks in every layer and its gradient vanishes. He's scale "
                "keeps its size, and the deep plain network still trains badly: a vanishing gradient is not the "
                "whole cause. With batch normalisation it even grows towards the first layers.",
            ),
        ),
        figures=(_gradients_figure(by_layer, params),),
    )


def _gradients_figure(by_layer: dict[str, Tensor], params: Gradients) -> Lines:
    layers = [float(i) for i in range(1, params.depth + 1)]
    return Lines(
        "gradients",
        f"Gradient of each layer's weights before training ({params.depth} layers)",
        tuple(line(name, layers, norms) for name, norms in by_layer.items()),
        x_label="layer",
        y_label="norm",
        y_scale="log",
        caption="Read from the right, where the loss is: default vanishes, batch norm grows, He and skips keep level.",
    )


# -- fresh variants


@draws(Gradients)
def draw_gradients(draws: Draws) -> Gradients:
    """Another depth and width."""
    rng = draws.stream("sizes")
    return Gradients(depth=rng.randint(12, 60), width=rng.choice([16, 24, 32, 48]), batch_size=rng.randint(32, 128))
