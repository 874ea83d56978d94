"""Seconds on the machine at hand: side by side in rounds, so that what slows one contestant slows the others too.

Times are never the same twice. An experiment takes them only when it is asked to, and says so.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

from engines.run import Run

# A contestant quicker than this is repeated until it has taken as long; the clock's grain is then no matter.
LEAST = 0.005


def seconds(contestants: Mapping[str, Callable[[], Any]], run: Run, rounds: int = 5) -> dict[str, float]:
    """Median seconds of each contestant: of computing time on a processor, of the clock on another device."""
    repeats = {}
    for name, contestant in contestants.items():
        _clock(contestant, 1, run)  # what happens once, such as choosing a kernel, is not counted
        repeats[name] = max(1, min(200, int(LEAST / max(_clock(contestant, 1, run), 1e-7))))
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, contestant in contestants.items():
            taken[name].append(_clock(contestant, repeats[name], run))
    return {name: statistics.median(values) for name, values in taken.items()}


def _clock(contestant: Callable[[], Any], times: int, run: Run) -> float:
    """Seconds of one call, from several."""
    on_cpu = run.device.type == "cpu"
    now = time.process_time if on_cpu else time.perf_counter
    _wait(run)
    began = now()
    with torch.no_grad():
        for _ in range(times):
            contestant()
    _wait(run)
    return (now() - began) / times


def _wait(run: Run) -> None:
    if run.device.type == "cuda":
        torch.cuda.synchronize(run.device)
