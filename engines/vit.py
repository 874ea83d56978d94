"""Vision transformers: an image as a sequence of patches (Dosovitskiy et al. 2021).

NYU deep learning, homework 4, question 1.5. The patch embedding is a convolution with stride = kernel = patch; the
learned table of positions is added to it; a class token in front is what the class is read from.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.arrays import Array
from engines.datasets import digits
from engines.figures import Heatmap, Lines, line, table
from engines.parameters.vit import DigitsVit, PatchEmbedding
from engines.randomness import Draws
from engines.registry import draws, experiment
from engines.result import Result, Step
from engines.run import Run
from engines.transformer import Config, Record, Stack, initialise

TRAINED_ON = 1297  # of the 1 797 digits
EVERY = 10

# -- numerics


def patches(images: Tensor, size: int) -> Tensor:
    """Cut images `(batch, channels, height, width)` into patches, row by row: `(batch, n, channels · size²)`."""
    batch, channels, height, width = images.shape
    tiles = images.view(batch, channels, height // size, size, width // size, size)
    return tiles.permute(0, 2, 4, 1, 3, 5).reshape(batch, -1, channels * size * size)


def embed_unfolded(images: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Patches times one matrix: weight `(d, channels, size, size)` → `(batch, n, d)`."""
    return patches(images, weight.shape[-1]) @ weight.flatten(1).T + bias


def embed_convolved(images: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The same as one convolution whose stride is its kernel's size."""
    return F.conv2d(images, weight, bias, stride=weight.shape[-1]).flatten(2).mT


class VisionTransformer(nn.Module):
    """z = [class; patches] + positions, through pre-norm blocks; logits = head(LN(z)[0]).

    The blocks are those of an encoder; the normalisation is the stack's last one.
    """

    def __init__(
        self, config: Config, image_size: int, patch_size: int, channels: int, classes: int, *, positions: bool = True
    ) -> None:
        super().__init__()
        n = (image_size // patch_size) ** 2
        self.embed = nn.Conv2d(channels, config.d_model, patch_size, stride=patch_size)
        self.class_token = nn.Embedding(1, config.d_model)
        self.positions = nn.Embedding(n + 1, config.d_model) if positions else None
        self.stack = Stack(config)
        self.head = nn.Linear(config.d_model, classes)

    def forward(self, images: Tensor, record: Record | None = None) -> Tensor:
        """Images `(batch, channels, height, width)` → logits `(batch, classes)`."""
        z = self.embed(images).flatten(2).mT  # (batch, n, d)
        z = torch.cat([self.class_token.weight.expand(len(z), 1, -1), z], 1)  # (batch, 1 + n, d)
        if self.positions is not None:
            z = z + self.positions.weight
        return cast(Tensor, self.head(self.stack(z, record=record)[:, 0]))


# -- the embedding


@experiment(PatchEmbedding)
def patch_embedding(params: PatchEmbedding, run: Run) -> Result:
    """Both ways to embed one image, the length of the sequence, and the numbers of parameters."""
    size, channels, width, n = params.patch_size, params.channels, params.width, params.patches
    image = run.randn("image", 1, channels, params.image_size, params.image_size)
    fan_in = channels * size * size
    weight, bias = run.randn("weight", width, channels, size, size) / fan_in**0.5, run.randn("bias", width)
    run.progress(0.4, "cutting patches")
    unfolded = embed_unfolded(image, weight, bias)
    run.progress(0.7, "the convolution")
    difference = (unfolded - embed_convolved(image, weight, bias)).abs().max().item()
    values = {
        "difference": difference,
        "patches": n,
        "numbers_in_a_patch": fan_in,
        "length": n + 1,
        "positions": (n + 1) * width,
        "positions_without_class": n * width,
        "projection": width * fan_in + width,
        "pixels": params.image_size**2,
    }
    text = (
        f"An image of {params.image_size} × {params.image_size} has {params.image_size // size}² = {n} patches of "
        f"{size} · {size} · {channels} = {fan_in} numbers. Each goes through one matrix, {fan_in} → {width}, which "
        f"is a convolution with kernel {size} and stride {size} (largest difference {difference:.1e}). With the class "
        f"token the sequence has {n + 1} vectors, and the *learned* table of positions that is added has "
        f"{n + 1} × {width} = {values['positions']:,} numbers (the original transformer's sinusoids have none)."
    )
    rows = [
        ("patches N", f"{n:,}"),
        ("numbers in a patch", f"{fan_in:,}"),
        ("sequence with class token", f"{n + 1:,}"),
        ("projection, with bias", f"{values['projection']:,}"),
        ("class token", f"{width:,}"),
        ("positions", f"{values['positions']:,}"),
    ]
    figure = table(
        "sizes",
        "The embedding of an image",
        ("what", "number"),
        rows,
        align="lr",
        caption="Positions are learned, one vector for every patch and one for the class token.",
    )
    return Result(values=values, trace=(Step("embedding", text),), figures=(figure,))


@draws(PatchEmbedding)
def draw_patch_embedding(draws: Draws) -> PatchEmbedding:
    """Image sizes that the patch size divides."""
    rng = draws.stream("sizes")
    size = rng.choice((4, 8, 14, 16, 32))
    return PatchEmbedding(size * rng.randint(3, 384 // size), size, rng.choice((1, 3)), 64 * rng.randint(2, 16))


# -- digits


@experiment(DigitsVit)
def digits_vit(params: DigitsVit, run: Run) -> Result:
    """Train with positions, and without as a control; what the class token looks at."""
    data = digits()
    order = torch.randperm(len(data.y), generator=run.generator("split"))
    images = data.x[order].view(-1, 1, 8, 8).to(run.device, run.dtype)
    classes = data.y[order].to(run.device)
    curves: dict[str, dict[int, float]] = {}

    def trained(name: str, span: tuple[float, float], *, positions: bool) -> VisionTransformer:
        config = Config(10, params.width, 4, params.n_layers, d_ff=2 * params.width)
        model = VisionTransformer(config, 8, params.patch_size, 1, 10, positions=positions)
        initialise(model, run)
        optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, fused=True)
        curve = curves.setdefault(name, {})
        generator = run.generator("batches")
        for step in range(params.steps + 1):
            if step % EVERY == 0 or step == params.steps:
                curve[step] = _accuracy(model, images[TRAINED_ON:], classes[TRAINED_ON:])
                fraction = span[0] + (span[1] - span[0]) * step / params.steps
                run.progress(fraction, f"{name}: step {step}, accuracy {curve[step]:.3f}", _curves(curves))
            if step < params.steps:
                rows = torch.randint(TRAINED_ON, (params.batch_size,), generator=generator).to(run.device)
                loss = F.cross_entropy(model(images[rows]), classes[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return model

    model = trained("with positions", (0.0, 0.5 if params.control else 1.0), positions=True)
    values = {
        "accuracy": curves["with positions"][params.steps],
        "parameters": sum(p.numel() for p in model.parameters()),
        "length": (8 // params.patch_size) ** 2 + 1,
    }
    text = f"After {params.steps} steps {values['accuracy']:.3f} of 500 digits that were not trained on are right."
    if params.control:
        trained("without positions", (0.5, 1.0), positions=False)
        values["accuracy_without_positions"] = curves["without positions"][params.steps]
        text += (
            f" Without positions it is {values['accuracy_without_positions']:.3f}: the encoder is then blind to where "
            "a patch was, and has to tell a digit from its patches in any order."
        )
    return Result(
        values=values,
        trace=(Step("digits", text),),
        figures=(_curves(curves), _class_map(model, images[TRAINED_ON:], params)),
    )


@torch.no_grad()
def _accuracy(model: VisionTransformer, images: Tensor, classes: Tensor) -> float:
    right: Tensor = model(images).argmax(-1) == classes
    return right.double().mean().item()


def _curves(curves: dict[str, dict[int, float]]) -> Lines:
    return Lines(
        "accuracy",
        "Accuracy on digits not trained on",
        tuple(line(name, [float(step) for step in curve], list(curve.values())) for name, curve in curves.items()),
        x_label="training step",
        y_label="accuracy",
        caption="A transformer of a few layers learns digits from patches, once it is told where each patch was.",
    )


@torch.no_grad()
def _class_map(model: VisionTransformer, images: Tensor, params: DigitsVit) -> Heatmap:
    """Where the class token looks in the last layer, mean over heads and test images, as a picture."""
    record, side = Record(), 8 // params.patch_size
    model(images, record=record)
    looked = record.self_attention[-1].weights[:, :, 0, 1:].mean((0, 1)).view(side, side)
    return Heatmap(
        "class_token",
        "Where the class token looks, by patch (last layer)",
        Array.of(looked),
        caption="Mean over heads and test images: the rim, where digits of all kinds are empty, says least.",
    )
