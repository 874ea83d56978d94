"""What the engines on vision transformers may be asked."""

from __future__ import annotations

from dataclasses import dataclass

from engines.fields import BadData, Fault, field
from engines.parameters import Parameters


@dataclass(frozen=True)
class PatchEmbedding(
    Parameters,
    engine="vit.embedding",
    summary="Patches cut out and projected, against one strided convolution; lengths and parameter counts",
    dtype="float64",
):
    """Square images cut into square patches, a class token, a learned table of positions."""

    image_size: int = field(224, low=2, high=384, help="height and width of an image")
    patch_size: int = field(16, low=1, high=64, help="height and width of a patch")
    channels: int = field(3, low=1, high=4, help="colours")
    width: int = field(768, low=1, high=1024, help="d_model")

    def __post_init__(self) -> None:
        if self.image_size % self.patch_size:
            fault = f"{self.image_size} pixels are no whole number of patches of {self.patch_size}"
            raise BadData([Fault(("patch_size",), fault)])

    @property
    def patches(self) -> int:
        """How many patches an image has."""
        return (self.image_size // self.patch_size) ** 2

    def peak_bytes(self, itemsize: int) -> int:
        """One image, its patches, both embeddings, and the projection; each drawn in float64."""
        numbers = 6 * self.channels * self.image_size**2 + 6 * self.patches * self.width
        return (8 << 20) + 8 * (numbers + 4 * self.channels * self.patch_size**2 * self.width)


@dataclass(frozen=True)
class DigitsVit(
    Parameters,
    engine="vit.digits",
    summary="A small vision transformer learns 8 × 8 digits, with positions and without",
):
    """Patches, class token, learned positions, pre-norm blocks; a head on the class token."""

    patch_size: int = field(2, low=1, high=4, help="height and width of a patch: 1, 2 or 4")
    width: int = field(32, low=8, high=128, help="d_model, with 4 heads")
    n_layers: int = field(2, low=1, high=6, help="layers")
    steps: int = field(250, low=1, high=5000, help="training steps")
    batch_size: int = field(64, low=1, high=256, help="images a step")
    control: bool = field(True, help="train a second model without positions")

    def __post_init__(self) -> None:
        if 8 % self.patch_size:
            raise BadData([Fault(("patch_size",), f"8 pixels are no whole number of patches of {self.patch_size}")])
        if self.width % 4:
            raise BadData([Fault(("width",), f"{self.width} is no multiple of 4 heads")])

    def peak_bytes(self, itemsize: int) -> int:
        """What is kept of every layer for the backward pass, or the test set's pass without."""
        tokens = ((8 // self.patch_size) ** 2 + 1) * max(self.batch_size * self.n_layers, 500)
        return (24 << 20) + tokens * itemsize * (20 * self.width + 8 * 65)
