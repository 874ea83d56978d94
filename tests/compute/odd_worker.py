"""A worker whose engines do what the seed of the job says, for whatever can go wrong in one."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from typing import Any

WORKER = "tests.compute.odd_worker:serve"


def report_for_ever(run: Any) -> None:
    """A long run that behaves."""
    while True:
        run.progress(0.5, "on its way")
        time.sleep(0.001)


def never_report(run: Any) -> None:
    """A long run that cannot be asked."""
    while True:
        time.sleep(0.001)


def never_listen(run: Any) -> None:
    """A long run that catches whatever is thrown at it."""
    while True:
        try:
            report_for_ever(run)
        except BaseException:  # noqa: BLE001
            continue


def die(run: Any) -> None:
    """What the system does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_oddly(run: Any) -> None:
    """A signal without a name."""
    os.kill(os.getpid(), signal.SIGRTMIN + 6)


def leave(run: Any) -> None:
    """An end without a signal."""
    os._exit(3)


def fail(run: Any) -> None:
    """A fault of the engine."""
    raise ZeroDivisionError("division by zero\nin the middle")


def refuse(run: Any) -> None:
    """A question that cannot be answered."""
    raise ValueError("two keys share the largest score: change one")


def exhaust(run: Any) -> None:
    """Too large a tensor."""
    import torch

    torch.empty(1 << 60)


def exit_quietly(run: Any) -> None:
    """What no engine should do."""
    raise SystemExit(0)


def babble(run: Any) -> None:
    """Bytes that are no message, on every socket there is."""
    for number in range(3, 64):
        if os.path.realpath(f"/proc/self/fd/{number}").startswith("/proc"):
            with contextlib.suppress(OSError):
                os.write(number, b"\xff" * 64)
    time.sleep(1000)


def return_something_else(run: Any) -> Any:
    """No result."""
    return 3


BEHAVIOUR: list[Callable[[Any], Any]] = [
    report_for_ever,
    never_report,
    never_listen,
    die,
    die_oddly,
    leave,
    fail,
    refuse,
    exhaust,
    exit_quietly,
    babble,
    return_something_else,
]


def seed_of(behaviour: Callable[[Any], Any]) -> int:
    """The seed of a job that shall do this."""
    return BEHAVIOUR.index(behaviour) + 1


def serve(descriptor: int) -> None:
    """A worker; with seed 0 it computes what it is asked."""
    from engines import registry
    from workbench.compute import worker

    execute = registry.execute

    def odd(parameters: Any, run: Any) -> Any:
        return BEHAVIOUR[run.seed - 1](run) if run.seed else execute(parameters, run)

    registry.execute = odd
    worker.serve(descriptor)
