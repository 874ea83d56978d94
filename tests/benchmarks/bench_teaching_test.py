"""Runs that a lesson waits for: how long they take on one thread."""

from __future__ import annotations

import time

import torch

from engines.parameters import Parameters
from engines.parameters.depth import Degradation
from engines.registry import execute
from engines.result import Result
from engines.run import Run
from tests.benchmarks.conftest import Report


def timed(params: Parameters) -> tuple[float, Result]:
    """Seconds of computing on one thread, and the result; optimizers have been imported before."""
    torch.set_num_threads(1)
    torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    began = time.process_time()
    result = execute(params, Run(dtype=getattr(torch, params.dtype)))
    return time.process_time() - began, result


def test_depth_degradation(report: Report) -> None:
    """Four kinds of network on five seeds; target 5 s."""
    seconds, result = timed(Degradation())
    assert result.values["deeper_is_worse"] == 5
    assert result.values["skips_help"] == 5
    report.row("depth degradation, five seeds", f"{seconds:.1f} s", "5 s")
    assert seconds <= 5
