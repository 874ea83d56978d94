"""What the worker process costs beside computing in place, and how soon a lost one is replaced."""

from __future__ import annotations

import os
import signal
import statistics
import time
from collections.abc import Iterator

import pytest
import torch

from engines.arrays import Array
from engines.figures import Heatmap
from engines.parameters.argmax import Argmax
from engines.registry import execute
from engines.run import Run
from tests.benchmarks.conftest import Report
from tests.benchmarks.contest import contest
from workbench.compute.local import LocalCompute
from workbench.compute.messages import Progress, decode, encode
from workbench.compute.results import Results
from workbench.compute.wire import pack, unpack_frame

GUARD = 60.0


@pytest.fixture
def compute(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCompute]:
    made = LocalCompute(Results(str(tmp_path_factory.mktemp("results"))))
    for _ in range(5):
        small(made)
    yield made
    made.close()


def small(compute: LocalCompute) -> None:
    """A run of a few milliseconds, through the worker; nothing is stored, so nothing is written."""
    compute.ask(task="run", engine="attention.argmax", device="cpu", threads=1, reuse=False, timeout=GUARD)


def test_a_small_job(report: Report, compute: LocalCompute, monkeypatch: pytest.MonkeyPatch) -> None:
    """Target: 1 ms more than calling the engine here. Storing the result (fsync) is the disk's and left out."""
    monkeypatch.setattr(compute._crew, "results_folder", "")

    def here() -> None:
        execute(Argmax(), Run(dtype=torch.float64)).to_plain()

    found = contest({"here": here, "worker": lambda: small(compute)}, rounds=21, clock="wall")
    added = statistics.median(
        worker - call for worker, call in zip(found.seconds["worker"], found.seconds["here"], strict=True)
    )
    report.row("small job through the worker", f"{added * 1000:.2f} ms added", "1 ms", f"{found.median('here'):.4f} s")
    assert added <= 1e-3


def test_a_megabyte_of_figure(report: Report) -> None:
    """A figure of 1 MB from the worker's data to the screen's: packed, unpacked, checked. Target: 5 ms."""
    matrix = Array.of(torch.rand(512, 256, dtype=torch.float64))
    figure = Heatmap("attention", "One megabyte", matrix, caption="Numbers.")

    def crossing() -> None:
        assert isinstance(decode(unpack_frame(pack(encode(Progress("job", 0.5, "half", 1.0, figure))))), Progress)

    seconds = contest({"crossing": crossing}).median("crossing")
    report.row("1 MB of figure", f"{seconds * 1000:.2f} ms", "5 ms")
    assert seconds <= 5e-3


def test_a_killed_worker(report: Report, compute: LocalCompute) -> None:
    """From the kill until another worker has answered a small job. Target: 0.1 s."""
    times = []
    for _ in range(9):
        (worker,) = compute._crew.workers
        began = time.perf_counter()
        os.kill(worker.child.pid.result(timeout=GUARD), signal.SIGKILL)
        worker.child.exit.result(timeout=GUARD)
        while worker in compute._crew.workers:
            time.sleep(0.0005)
        small(compute)
        times.append(time.perf_counter() - began)
    seconds = statistics.median(times)
    report.row("a killed worker replaced", f"{seconds * 1000:.0f} ms", "100 ms", "to the end of a job")
    assert seconds <= 0.1
