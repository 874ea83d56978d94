"""Many autoencoders of one shape trained at once: their weights stacked, one batched product a layer.

A model with sizes (D, h, k, h, D) has four layers; sizes (D, k, D) is the smallest autoencoder. M models are stacked:
weights `(M, out, in)` as in `torch.nn.Linear`, biases `(M, 1, out)`, examples `(M, batch, features)`. The loss of a
model is the mean of the squared error over all entries of a batch; the models do not know of each other, so the
gradient of the summed losses holds each model's own. It is written out, in two forms:

- `Ensemble.gradients`, backpropagation through every layer;
- `Ensemble.product_gradients`, for two linear layers: they act through their product P = W₂W₁ alone, so everything
  that depends on the batch happens in D dimensions, whatever k is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from engines.parameters.autoencoders import Variant

VARIANTS: tuple[Variant, ...] = ("vanilla", "denoising", "masked")


def corrupted(x: Tensor, variant: Variant, noise: Tensor, mask: Tensor) -> Tensor:
    """What an autoencoder of this variant is shown instead of x.

    Vanilla: x itself. Denoising: x + noise. Masked: x with 0 where `mask` is true. The target is the clean x,
    whole, for all of them (EECS 182, homework 6 (fall 2022), question 4a).
    """
    if variant == "denoising":
        return x + noise
    return x.masked_fill(mask, 0.0) if variant == "masked" else x


@dataclass(frozen=True)
class Corruption:
    """How strongly inputs are corrupted: the noise's standard deviation, the chance that an entry is masked."""

    noise_std: float
    mask_ratio: float

    def draw(self, like: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Noise and mask in the shape of `like`, drawn on the CPU in float32 whatever that is."""
        noise = torch.randn(like.shape, generator=generator) * self.noise_std
        mask = torch.rand(like.shape, generator=generator) < self.mask_ratio
        return noise.to(like.device, like.dtype), mask.to(like.device)

    def shown(self, x: Tensor, variants: Sequence[Variant], generator: torch.Generator, models: int) -> Tensor:
        """What `models` models of each variant are shown of a batch `(batch, D)`: `(variants · models, batch, D)`.

        All models see the same noise and the same mask, so that they differ by nothing else.
        """
        noise, mask = self.draw(x, generator)
        return torch.stack([corrupted(x, v, noise, mask) for v in variants]).repeat_interleave(models, 0)


def symmetric(sizes: Sequence[int]) -> tuple[int, ...]:
    """Sizes of the whole autoencoder from those of its encoder: (D, h, k) → (D, h, k, h, D)."""
    return (*sizes, *reversed(sizes[:-1]))


@dataclass
class Ensemble:
    """M autoencoders of one shape, all linear or all with ReLU.

    Attributes:
        weights: `(M, out, in)` of each layer.
        biases: `(M, 1, out)` of each layer.
        rectified: whether ReLU follows the hidden layers. None follows the code or the output, unless the code
            is the only hidden layer there is.
    """

    weights: list[Tensor]
    biases: list[Tensor]
    rectified: bool = False

    @classmethod
    def drawn(
        cls, sizes: Sequence[int], generators: Iterable[torch.Generator], like: Tensor, *, rectified: bool = False
    ) -> Ensemble:
        """A model for each generator, its weights uniform in ±1/√fan_in as `torch.nn.Linear` draws them.

        Args:
            sizes: of the whole autoencoder, `symmetric(...)`.
            generators: on the CPU; models whose generators start alike start alike.
            like: a tensor of the device and dtype wanted.
            rectified: see the class.
        """
        models = [
            [
                (torch.rand(out, fan_in + 1, generator=g, dtype=torch.float64) * 2 - 1) / fan_in**0.5
                for fan_in, out in pairwise(sizes)
            ]
            for g in generators
        ]
        stacked = [torch.stack(layer).to(like.device, like.dtype) for layer in zip(*models, strict=True)]
        return cls(
            [layer[..., :-1].contiguous() for layer in stacked],
            [layer[..., -1].unsqueeze(1).contiguous() for layer in stacked],
            rectified,
        )

    @property
    def parameters(self) -> list[Tensor]:
        """All weights and biases, layer by layer: weight, bias, weight and so on."""
        return [tensor for layer in zip(self.weights, self.biases, strict=True) for tensor in layer]

    @property
    def bottleneck(self) -> int:
        """The number of layers of the encoder."""
        return len(self.weights) // 2

    def gated(self, layer: int) -> bool:
        """Whether ReLU follows a layer."""
        last = len(self.weights) - 1
        return self.rectified and layer != last and (layer != self.bottleneck - 1 or last == 1)

    def activations(self, x: Tensor) -> list[Tensor]:
        """X `(M, batch, D)` and the output of every layer, ReLU included."""
        out = [x]
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            hidden = torch.baddbmm(bias, out[-1], weight.mT)
            out.append(hidden.relu_() if self.gated(i) else hidden)
        return out

    def codes(self, x: Tensor) -> Tensor:
        """The codes of examples `(n, D)`: `(M, n, k)`."""
        hidden = x.expand(len(self.weights[0]), *x.shape)
        for i in range(self.bottleneck):
            hidden = torch.baddbmm(self.biases[i], hidden, self.weights[i].mT)
            hidden = hidden.relu_() if self.gated(i) else hidden
        return hidden

    def reconstructions(self, x: Tensor) -> Tensor:
        """What the models make of examples `(n, D)`: `(M, n, D)`."""
        return self.activations(x.expand(len(self.weights[0]), *x.shape))[-1]

    def errors(self, x: Tensor) -> Tensor:
        """Mean squared error of each model per entry of x `(n, D)`, in float64: `(M,)`."""
        return (self.reconstructions(x) - x).double().square().mean((1, 2))

    def gradients(self, x: Tensor, target: Tensor) -> list[Tensor]:
        """Gradients of each model's loss in the order of `parameters`, by backpropagation.

        Args:
            x: what the encoders see, `(M, batch, D)`.
            target: what they should answer, `(batch, D)` or `(M, batch, D)`.
        """
        outputs = self.activations(x)
        delta = outputs.pop().sub_(target).mul_(2 / x[0].numel())
        gradients: list[Tensor] = []
        for i in reversed(range(len(self.weights))):
            gradients[:0] = [delta.mT @ outputs[i], delta.sum(1, keepdim=True)]
            if i:
                delta = delta @ self.weights[i]
                if self.gated(i - 1):
                    delta.mul_(outputs[i].sign_())  # 0 or 1: what has passed ReLU is never negative
        return gradients

    def product_gradients(self, x: Tensor, target: Tensor) -> list[Tensor]:
        """The same for two linear layers, through P = W₂W₁: x̂ = Px + c with c = W₂b₁ + b₂.

        With δ the gradient at x̂ and G = δᵀx that at P: ∂W₁ = W₂ᵀG and ∂W₂ = GW₁ᵀ + (Σδ)ᵀb₁ᵀ. Three products of
        D²k operations and two of batch·D² instead of five of batch·D·k.
        """
        (first, second), (b1, b2) = self.weights, self.biases
        product = second @ first
        shift = b1 @ second.mT + b2
        delta = torch.baddbmm(shift, x, product.mT).sub_(target).mul_(2 / x[0].numel())
        moment, total = delta.mT @ x, delta.sum(1, keepdim=True)
        by_decoder = torch.baddbmm(total.mT @ b1, moment, first.mT)
        return [second.mT @ moment, total @ second, by_decoder, total]

    def cheapest_gradients(self, x: Tensor, target: Tensor) -> list[Tensor]:
        """Gradients by the form with fewer operations at this shape; they agree to rounding."""
        batch, features = x.shape[1:]
        code = self.weights[0].shape[1]
        fewer = features * (3 * code + 2 * batch) < 5 * batch * code
        if fewer and len(self.weights) == 2 and not self.rectified:
            return self.product_gradients(x, target)
        return self.gradients(x, target)

    def module(self, model: int) -> nn.Sequential:
        """One of the models as a module with its own copy of the weights."""
        layers: list[nn.Module] = []
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            out, fan_in = weight.shape[1:]
            linear = nn.Linear(fan_in, out, device=weight.device, dtype=weight.dtype)
            with torch.no_grad():
                linear.weight.copy_(weight[model])
                linear.bias.copy_(bias[model, 0])
            layers += [linear, nn.ReLU()] if self.gated(i) else [linear]
        return nn.Sequential(*layers)


class Trainer:
    """Adam on all parameters of some ensembles that see the same batches."""

    def __init__(self, ensembles: Sequence[Ensemble], learning_rate: float) -> None:
        self.ensembles = ensembles
        parameters = [tensor for ensemble in ensembles for tensor in ensemble.parameters]
        # One pass over weights, gradients and moments; the default takes about ten.
        self.optimizer = torch.optim.Adam(parameters, lr=learning_rate, fused=True)

    def set_rate(self, learning_rate: float) -> None:
        """Another learning rate from the next step on."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate

    @torch.no_grad()
    def step(self, inputs: Sequence[Tensor], target: Tensor) -> None:
        """One step of every model: `inputs[i]` `(M, batch, D)` for ensemble i, the clean batch `(batch, D)` for all."""
        for ensemble, x in zip(self.ensembles, inputs, strict=True):
            gradients = ensemble.cheapest_gradients(x, target)
            for parameter, gradient in zip(ensemble.parameters, gradients, strict=True):
                parameter.grad = gradient
        self.optimizer.step()
