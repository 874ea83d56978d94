"""What the engines on optimisers may be asked."""

from __future__ import annotations

from dataclasses import dataclass

from engines.fields import field
from engines.parameters import SMALL, Parameters


@dataclass(frozen=True)
class Momentum(
    Parameters,
    engine="optimisers.momentum",
    summary="Momentum as a running average of gradients: the same steps under other names",
    dtype="float64",
):
    """Δθ = −v with v = α v + ε g, beside Δθ = −δ v with v = β v + (1 − β) g."""

    gradients: tuple[float, ...] = field(
        (1.0, -2.0, 0.5, 3.0, 1.0), low=-100, high=100, min_length=1, max_length=1000, help="g_1, g_2, …"
    )
    beta: float = field(0.9, low=0.0, high=0.999, help="β of the running average")
    delta: float = field(0.1, low=1e-6, high=10.0, help="δ, the step size beside the running average")


@dataclass(frozen=True)
class Bias(
    Parameters,
    engine="optimisers.bias",
    summary="A running average that begins at zero is too small at first, and by how much",
):
    """Means and variances of v_t over many runs with random gradients, beside the theory."""

    beta: float = field(0.9, low=0.0, high=0.999, help="β of the running average")
    mean: float = field(2.0, low=-100, high=100, help="mean of the gradients")
    deviation: float = field(1.0, low=0.0, high=100, help="standard deviation of the gradients")
    steps: int = field(50, low=2, high=1000, help="steps")
    runs: int = field(20_000, low=100, high=1_000_000, help="runs that are averaged over")

    def peak_bytes(self, itemsize: int) -> int:
        """A few numbers a run."""
        return SMALL + 6 * max(itemsize, 8) * self.runs
