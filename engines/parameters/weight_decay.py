"""What the engine on weight decay may be asked."""

from __future__ import annotations

from dataclasses import dataclass

from engines.fields import BadData, Fault, field
from engines.parameters import SMALL, Parameters


@dataclass(frozen=True)
class Decay(
    Parameters,
    engine="weight_decay.groups",
    summary="The L2 penalty and decoupled weight decay, under SGD and under Adam",
    dtype="float64",
):
    """Weights under noisy gradients of two sizes: how much of them is left, step by step."""

    gamma: float = field(1e-3, low=1e-6, high=1.0, help="γ of the penalty γ‖θ‖²")
    decay: float = field(1e-4, low=1e-6, high=0.1, help="λ: the share of itself that a weight loses in every step")
    step_size: float = field(1e-3, low=1e-6, high=0.1, help="ε of Adam")
    sgd_step_size: float = field(0.1, low=1e-6, high=1.0, help="η of SGD, for which both are compared")
    small: float = field(0.01, low=1e-8, high=100, help="standard deviation of the small gradients")
    large: float = field(1.0, low=1e-8, high=100, help="standard deviation of the large gradients")
    steps: int = field(4000, low=10, high=20_000, help="steps")
    copies: int = field(64, low=1, high=512, help="weights of each kind that are averaged over")

    def __post_init__(self) -> None:
        if self.small >= self.large:
            raise BadData([Fault(("small",), f"{self.small:g} is not below 'large', {self.large:g}")])

    def peak_bytes(self, itemsize: int) -> int:
        """The noise of all steps, drawn beforehand in float64, and the curves."""
        return SMALL + 2 * max(itemsize, 8) * self.steps * (self.copies + 16)
