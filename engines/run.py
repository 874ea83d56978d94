"""One execution of an engine: where it runs, what it draws from, and whom it tells."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from engines.figures import Figure
from engines.randomness import seed_for

Report = Callable[[float, str, Figure | None], None]


class Cancelled(Exception):
    """Raised out of `Run.progress` when the user has asked to stop."""


class Run:
    """The device, dtype and seed of a run, and the way to report from it.

    Args:
        device: where tensors live.
        dtype: the floating-point type of the computation.
        seed: the seed that every named generator of this run derives from.
        report: called with (fraction, message, figure); may raise `Cancelled`.
        cache: a folder where an engine may keep what takes long to make and is the same for every run.
    """

    def __init__(
        self,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        seed: int = 0,
        report: Report | None = None,
        cache: Path | None = None,
    ) -> None:
        self.device = torch.device(device)
        self.dtype = dtype
        self.seed = seed
        self.cache = cache
        self._report = report

    def progress(self, fraction: float, message: str = "", figure: Figure | None = None) -> None:
        """Say how far the run is, in [0, 1], and perhaps show a figure of what there is so far.

        Call it at every step of a loop: reports are thinned on their way, and this is where a run stops.

        Raises:
            Cancelled: when the user has asked to stop.
        """
        if self._report is not None:
            self._report(fraction, message, figure)

    def generator(self, name: str) -> torch.Generator:
        """A generator that depends on (seed, name) only. It draws on the CPU: devices see equal numbers."""
        return torch.Generator().manual_seed(seed_for(self.seed, name))

    def randn(self, name: str, *shape: int) -> Tensor:
        """Standard normal numbers of the given shape, on the run's device and in its dtype."""
        return torch.randn(shape, generator=self.generator(name), dtype=torch.float64).to(self.device, self.dtype)

    def randint(self, name: str, high: int, *shape: int) -> Tensor:
        """Whole numbers in [0, high), int64, on the run's device."""
        return torch.randint(high, shape, generator=self.generator(name)).to(self.device)

    def tensor(self, data: object) -> Tensor:
        """Plain numbers as a tensor on the run's device and in its dtype."""
        return torch.tensor(data, device=self.device, dtype=self.dtype)
