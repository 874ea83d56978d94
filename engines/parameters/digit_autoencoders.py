"""What the engine on autoencoders of digit images may be asked."""

from __future__ import annotations

from dataclasses import dataclass

from engines.fields import BadData, Fault, field
from engines.parameters import Parameters
from engines.parameters.autoencoders import models_bytes

SHIPPED = 1797


@dataclass(frozen=True)
class Digits(
    Parameters,
    engine="autoencoders.digits",
    summary="Few labels on images of digits: probes on codes of autoencoders against probes on pixels",
):
    """One-hidden-layer ReLU autoencoders trained without labels; then a linear probe with few labels on each code."""

    bottleneck: int = field(64, low=1, high=512, help="code size k")
    hidden: int = field(128, low=8, high=1024, help="width of the hidden layers")
    noise_std: float = field(0.3, low=0.0, high=10.0, help="standard deviation of the noise; pixels are in [0, 1]")
    mask_ratio: float = field(0.5, low=0.0, high=0.95, help="chance that a pixel is set to 0")
    budgets: tuple[int, ...] = field(
        (20, 50, 200), min_length=1, max_length=4, low=10, high=1000, help="numbers of labels, rising"
    )
    draws: int = field(5, low=1, high=20, help="disjoint draws of the labels for each number")
    images: int = field(1297, low=200, high=20_000, help="images trained on (of the 1797, or from the start of MNIST)")
    tested: int = field(500, low=50, high=10_000, help="images tested on")
    steps: int = field(2000, low=1, high=50_000, help="training steps of 64 images")
    learning_rate: float = field(2e-3, low=1e-5, high=0.1, help="of Adam")
    mnist: str = field("", max_length=400, help="folder with MNIST's IDX files; empty for the digits that are shipped")

    def __post_init__(self) -> None:
        faults = []
        if not self.mnist and self.images + self.tested > SHIPPED:
            faults.append(
                Fault(("images",), f"{self.images} + {self.tested} tested are more than the {SHIPPED} there are")
            )
        if list(self.budgets) != sorted(set(self.budgets)):
            faults.append(Fault(("budgets",), "must rise"))
        if max(self.budgets, default=0) * self.draws > self.images:
            faults.append(Fault(("draws",), f"{self.draws} draws of {max(self.budgets)} labels need more images"))
        if faults:
            raise BadData(faults)

    def peak_bytes(self, itemsize: int) -> int:
        """Images as read and as kept, activations of all of them, and stacked models; MNIST has 784 pixels."""
        pixels = 784 if self.mnist else 64
        rows = self.images + self.tested
        widest = max(pixels, self.hidden, self.bottleneck)
        activations = 3 * rows * (2 * pixels + 2 * self.hidden + self.bottleneck) * itemsize
        probes = self.draws * max(self.budgets) * widest * 4 * itemsize
        models = models_bytes(4, [pixels, self.hidden, self.bottleneck], itemsize)
        read = rows * pixels * (2 * 8 + 4 + itemsize) + SHIPPED * 65 * 8 * 3
        return super().peak_bytes(itemsize) + read + 2 * activations + probes + models
