"""What the engine on gradient accumulation may be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engines.fields import BadData, Fault, field
from engines.parameters import Parameters

AccumulationBug = Literal["no-division", "step-every-batch", "zero-every-batch", "zero-never"]


@dataclass(frozen=True)
class Accumulation(
    Parameters,
    engine="training.accumulation",
    summary="Gradient accumulation: which normalisation survives it, and a loop that does it wrongly",
    dtype="float64",
):
    """One effective batch cut into micro-batches in every way; and a loop that accumulates over them."""

    bug: AccumulationBug = field("no-division", help="what is wrong in the broken loop")
    mode: Literal["train", "eval"] = field("train", help="the mode of the networks during the equality test")
    effective_batch: int = field(32, low=4, high=128, help="examples an update, a power of two")
    accumulation_steps: int = field(4, low=2, high=64, help="micro-batches an update in the broken loop")
    updates: int = field(40, low=3, high=2000, help="updates of the parameters")
    learning_rate: float = field(0.2, low=1e-5, high=1.0, help="step size of SGD")
    width: int = field(16, low=4, high=64, help="channels and hidden units")

    def __post_init__(self) -> None:
        if self.effective_batch & (self.effective_batch - 1):
            raise BadData([Fault(("effective_batch",), f"{self.effective_batch} is not a power of two")])
        if self.effective_batch % self.accumulation_steps:
            mend = f"does not divide the effective batch of {self.effective_batch}"
            raise BadData([Fault(("accumulation_steps",), f"{self.accumulation_steps} {mend}")])
