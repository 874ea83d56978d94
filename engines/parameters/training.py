"""What the engines on broken training loops may be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engines.fields import field
from engines.parameters import Parameters

ZeroGradBug = Literal["missing", "once", "first-step", "too-late"]


@dataclass(frozen=True)
class ZeroGrad(
    Parameters,
    engine="training.zero_grad",
    summary="A training loop that forgets to clear its gradients, beside the loop that does not",
    dtype="float64",
):
    """A two-layer classifier trained by plain SGD, with zero_grad in the wrong place."""

    bug: ZeroGradBug = field("missing", help="where zero_grad went wrong in the broken loop")
    learning_rate: float = field(0.05, low=1e-5, high=1.0, help="step size of SGD")
    steps: int = field(200, low=5, high=5000, help="training steps")
    batch_size: int = field(50, low=1, high=1024, help="examples a batch")
    width: int = field(32, low=2, high=512, help="hidden units")
