"""What the engines on recurrent gradients may be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engines.fields import field
from engines.parameters import SMALL, Parameters

Activation = Literal["linear", "tanh", "sigmoid", "relu", "2tanh(x/2)", "tanh(2x)"]
Kind = Literal["orthogonal", "diagonal", "nilpotent", "gaussian"]

ACTIVATION_HELP = "the non-linearity"
SIZE_HELP = "hidden units"
STEPS_HELP = "steps of time, T"


@dataclass(frozen=True)
class Conventions(
    Parameters,
    engine="recurrent.conventions",
    summary="The two ways to write a recurrent network, side by side",
    dtype="float64",
):
    """h_t = W σ(h_(t-1)) + U x_t + b beside g_t = σ(W g_(t-1) + U x_t + b)."""

    activation: Activation = field("tanh", help=ACTIVATION_HELP)
    size: int = field(6, low=1, high=64, help=SIZE_HELP)
    inputs: int = field(4, low=1, high=64, help="numbers an input")
    steps: int = field(40, low=1, high=1000, help=STEPS_HELP)


@dataclass(frozen=True)
class Vanishing(
    Parameters,
    engine="recurrent.vanishing",
    summary="The gradient over time under its bound, when the largest singular value of W is small",
    dtype="float64",
):
    """‖∂h_T/∂h_0‖ with ‖W‖ = δ/γ, γ the largest slope of the activation, beside δ^T."""

    activation: Activation = field("tanh", help=ACTIVATION_HELP)
    delta: float = field(0.9, low=0.05, high=0.99, help="δ: the bound on one step")
    size: int = field(6, low=1, high=64, help=SIZE_HELP)
    steps: int = field(60, low=2, high=1000, help=STEPS_HELP)
    drive: float = field(0.3, low=0.0, high=10.0, help="strength of the inputs")


@dataclass(frozen=True)
class Exploding(
    Parameters,
    engine="recurrent.exploding",
    summary="When gradients explode: the condition on the largest eigenvalue of WᵀW is necessary, not sufficient",
    dtype="float64",
):
    """Gradients over time for W of several kinds, and for many random W over the condition's range."""

    kind: Kind = field("gaussian", help="the kind of W that is asked about")
    scale: float = field(1.3, low=0.1, high=5.0, help="its largest singular value")
    activation: Activation = field("linear", help=ACTIVATION_HELP)
    delta: float = field(0.9, low=0.05, high=0.99, help="δ of the sheet's condition")
    size: int = field(6, low=2, high=64, help=SIZE_HELP)
    steps: int = field(200, low=10, high=1000, help=STEPS_HELP)
    drive: float = field(3.0, low=0.0, high=10.0, help="strength of the inputs")
    matrices: int = field(200, low=20, high=2000, help="random matrices in the scatter plot")

    def peak_bytes(self, itemsize: int) -> int:
        """A few n × n products of Jacobians for each of the random matrices."""
        return SMALL + 8 * itemsize * self.matrices * self.size**2
