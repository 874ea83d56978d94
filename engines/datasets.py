"""Data sets by name. Nothing is downloaded: what is not made here is shipped, or is the user's own file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Labelled:
    """Examples `x (n, features)`, float64, with their classes `y (n,)`, int64."""

    x: Tensor
    y: Tensor


@cache
def digits() -> Labelled:
    """1 797 handwritten digits of 8 × 8 pixels in [0, 1], in the order of the source: x `(1797, 64)`.

    The test part of the optical recognition of handwritten digits data set (Alpaydin and Kaynak 1998, UCI
    Machine Learning Repository, CC BY 4.0); the same that scikit-learn ships.
    """
    lines = (DATA / "digits.csv").read_text(encoding="ascii").splitlines()
    rows = torch.tensor([[float(cell) for cell in line.split(",")] for line in lines], dtype=torch.float64)
    return Labelled(rows[:, :64] / 16, rows[:, 64].long())
