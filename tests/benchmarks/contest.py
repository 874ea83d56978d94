"""Fair contests on a machine that others use too: interleaved rounds, and quotients within a round.

Two clocks. `wall` is what a user waits for; on a busy machine it says little. `cpu` is the time this process
computed, on one thread: it compares the work done, whoever else computes meanwhile.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch

from engines.counting import Watch

Contestant = Callable[[], Any]


@dataclass(frozen=True)
class Outcome:
    """Seconds of every round by contestant; contestants are as they were named."""

    seconds: dict[str, list[float]]

    def median(self, name: str) -> float:
        """Median seconds of a contestant."""
        return statistics.median(self.seconds[name])

    def speedup(self, ours: str, theirs: str) -> float:
        """How many times faster ours is than theirs: the median of the quotients of each round."""
        pairs = zip(self.seconds[ours], self.seconds[theirs], strict=True)
        return statistics.median(b / a for a, b in pairs)


def contest(
    contestants: Mapping[str, Contestant],
    *,
    rounds: int = 9,
    clock: Literal["wall", "cpu"] = "cpu",
    threads: int = 1,
    warm_up: int = 1,
) -> Outcome:
    """Run every contestant once a round, in an order that rotates, and time each.

    A contestant that takes less than 20 ms is repeated within a round until it has taken that long.
    """
    now = time.process_time if clock == "cpu" else time.perf_counter
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with _limited(threads):
            return _rounds(contestants, rounds, now, warm_up)
    finally:
        torch.set_num_threads(before)


def _limited(threads: int) -> AbstractContextManager[Any]:
    """Keeps numpy and scipy to as many threads as torch: their time would count as this process's, or be won by it."""
    try:
        from threadpoolctl import threadpool_limits  # comes with scikit-learn, the one peer that computes with them
    except ImportError:
        return nullcontext()
    limits: AbstractContextManager[Any] = threadpool_limits(threads)
    return limits


def _rounds(contestants: Mapping[str, Contestant], rounds: int, now: Callable[[], float], warm_up: int) -> Outcome:
    repeats = {}
    for name, contestant in contestants.items():
        for _ in range(warm_up):
            contestant()
        began = now()
        contestant()
        repeats[name] = max(1, min(1000, int(0.02 / max(now() - began, 1e-6))))
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    names = list(contestants)
    for i in range(rounds):
        for name in names[i % len(names) :] + names[: i % len(names)]:
            began = now()
            for _ in range(repeats[name]):
                contestants[name]()
            seconds[name].append((now() - began) / repeats[name])
    return Outcome(seconds)


def peak_bytes(contestant: Contestant, *inputs: torch.Tensor) -> int:
    """The most bytes of tensors alive at once during a call, inputs included, counted exactly."""
    with Watch(inputs) as watch:
        contestant()
    return int(watch.peak_bytes)
