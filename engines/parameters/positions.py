"""What the engine on positions may be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engines.fields import BadData, Fault, field
from engines.parameters import Parameters


@dataclass(frozen=True)
class ShiftMatrix(
    Parameters,
    engine="positions.shift_matrix",
    summary="Sinusoidal positions and the matrix M with p(t + n) = M p(t)",
    dtype="float64",
    dtypes=("float64",),
):
    """Pairs (sin, cos) or (cos, sin) of d/2 frequencies; the order decides the sign in M."""

    d_model: int = field(8, low=2, high=128, help="width d, an even number")
    base: float = field(10_000.0, low=2.0, high=1e6, help="base of the frequencies base^(−2k/d)")
    shift: int = field(1, low=1, high=100, help="how many positions n to move on")
    order: Literal["sin-cos", "cos-sin"] = field("sin-cos", help="which of a pair comes first")
    positions: int = field(50, low=2, high=500, help="positions drawn and compared")

    def __post_init__(self) -> None:
        if self.d_model % 2:
            raise BadData([Fault(("d_model",), f"{self.d_model} is odd: positions turn in pairs")])
