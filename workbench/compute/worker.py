"""The process that computes: takes jobs one after the other, tells how they go, and can be stopped.

Forked from the nursery with one socket. What was asked and what became of it is kept by job, not by
connection: whoever attaches later can watch a job that an earlier screen submitted.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import queue
import socket
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench import paths
from workbench.compute.messages import (
    Cancel,
    Cancelled,
    Ending,
    Event,
    Failed,
    Finished,
    Hello,
    Job,
    Progress,
    Started,
    Submit,
    Watch,
    decode,
    encode,
)
from workbench.compute.results import Results
from workbench.compute.wire import BadFrame, Channel

if TYPE_CHECKING:
    from engines.figures import Figure

PROGRESS_SECONDS = 0.25
IDLE_SECONDS = 0.3
KEPT_ENDINGS = 64


class Desk:
    """Jobs by id: which wait, which one runs, and the last that each of them had to say."""

    def __init__(self) -> None:
        self.waiting: queue.SimpleQueue[Submit] = queue.SimpleQueue()
        self.cancelled: set[str] = set()
        self._last: dict[str, dict[type[Any], Event]] = {}
        self._lock = threading.Lock()
        self._outbox = _Outbox(None)

    def attach(self, channel: Channel) -> None:
        """From now on, tell what happens over this connection."""
        with self._lock:
            self._outbox.close()
            self._outbox = _Outbox(channel)

    def tell(self, event: Event) -> None:
        """Note an event and send it to whoever is attached."""
        with self._lock:
            if not isinstance(event, Hello):
                self._last.setdefault(event.job_id, {})[type(event)] = event
                if isinstance(event, Ending):
                    self._last[event.job_id].pop(Progress, None)
                    for old in list(self._last)[:-KEPT_ENDINGS]:
                        del self._last[old]
            self._outbox.put(event)

    def command(self, message: Submit | Cancel | Watch) -> None:
        """Take one command."""
        if isinstance(message, Submit):
            self.waiting.put(message)
        elif isinstance(message, Cancel):
            self.cancelled.add(message.job_id)
        else:
            with self._lock:
                for event in self._last.get(message.job_id, {}).values():
                    self._outbox.put(event)


class _Outbox(threading.Thread):
    """Sends events in a thread of its own, so that a slow reader never delays a computation.

    Of the progress that waits to be sent only the newest is kept.
    """

    def __init__(self, channel: Channel | None) -> None:
        super().__init__(name="outbox", daemon=True)
        self.channel = channel
        self.pending: list[Event] = []
        self.changed = threading.Condition()
        self.closed = channel is None
        if channel is not None:
            self.start()

    def put(self, event: Event) -> None:
        with self.changed:
            if self.closed:
                return
            if isinstance(event, Progress) and self.pending and isinstance(self.pending[-1], Progress):
                self.pending[-1] = event
            else:
                self.pending.append(event)
            self.changed.notify()

    def close(self) -> None:
        with self.changed:
            self.closed = True
            self.changed.notify()

    def run(self) -> None:
        assert self.channel is not None
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.pending or self.closed)
                if self.closed:
                    return
                event = self.pending.pop(0)
            try:
                self.channel.send(encode(event))
            except OSError:
                self.close()


def serve(descriptor: int) -> None:
    """Be a worker for whoever holds the other end of the socket, until it is closed."""
    channel = Channel(socket.socket(fileno=descriptor))
    desk = Desk()
    desk.attach(channel)
    threading.Thread(target=_listen, args=(channel, desk), name="listener", daemon=True).start()
    import torch

    desk.tell(Hello(os.getpid(), torch.__version__))
    work(desk)


def _listen(channel: Channel, desk: Desk) -> None:
    """Pass on commands; when nobody can ask or be told any more, end the process, even within a long kernel."""
    with contextlib.suppress(EOFError, OSError, BadFrame, ValueError):
        while True:
            desk.command(decode(channel.receive()))
    os._exit(0)


def work(desk: Desk) -> None:
    """Do one job after the other. While idle, import what the first training run would wait for."""
    idle: float | None = IDLE_SECONDS
    while True:
        try:
            order = desk.waiting.get(timeout=idle)
        except queue.Empty:
            idle = None
            with contextlib.suppress(Exception):  # a run that needs it will say what is wrong with it
                importlib.import_module("torch._dynamo")
            continue
        job = order.job
        ending = perform(job, desk)
        if isinstance(ending, Finished) and order.keep_in and job.task != "describe":
            Results(order.keep_in).keep(job, ending)
        desk.cancelled.discard(job.id)
        desk.tell(ending)


def perform(job: Job, desk: Desk) -> Ending:
    """Do one job; whatever goes wrong in it becomes an event."""
    from engines.run import Cancelled as Stopped

    began = time.monotonic()
    if job.id in desk.cancelled:
        return Cancelled(job.id)
    try:
        return _TASKS[job.task](job, desk, began)
    except Stopped:
        return Cancelled(job.id)
    except BaseException as error:  # noqa: BLE001  (a run must never take the worker with it)
        if not isinstance(error, Exception):
            traceback.print_exc()
        return _failure(job, error)


def _describe(job: Job, _desk: Desk, began: float) -> Finished:
    from workbench.compute import device

    return Finished(job.id, dict(device.describe()), time.monotonic() - began, "cpu", "")


def _draw(job: Job, _desk: Desk, began: float) -> Finished:
    import torch

    from engines import registry
    from engines.fields import plain

    torch.set_num_threads(1)
    drawn = registry.draw(job.engine, job.seed)
    return Finished(job.id, {"params": plain(drawn)}, time.monotonic() - began, "cpu", "")


def _run(job: Job, desk: Desk, began: float) -> Finished:
    import torch

    from engines import registry
    from engines.fields import BadData, Fault, describe, read
    from engines.run import Run
    from workbench.compute import device

    record = registry.parameters_of(job.engine)
    params = read(record, job.params)
    where = device.resolve(job.device)
    dtype = job.dtype or record.dtype
    if dtype not in record.dtypes:
        raise BadData(
            [Fault(("dtype",), f"{job.engine} runs in {' or '.join(record.dtypes)}, not in {describe(dtype)}")]
        )
    threads = job.threads or (device.idle_threads() if record.parallel else 1)
    torch.set_num_threads(threads)
    needed, free = params.peak_bytes(getattr(torch, dtype).itemsize), device.free_bytes(where)
    if needed > free:
        raise MemoryError(f"it needs {gibibytes(needed)}, and {gibibytes(free)} are free on {where}")
    desk.tell(Started(job.id, str(where), device.full_name(where), dtype, threads))
    run = Run(
        device=where,
        dtype=getattr(torch, dtype),
        seed=job.seed,
        report=_reporter(job, desk, began),
        cache=Path(paths.cache(), "engines"),
    )
    result = registry.execute(params, run)
    return Finished(job.id, result.to_plain(), time.monotonic() - began, str(where), dtype)


_TASKS: dict[str, Callable[[Job, Desk, float], Finished]] = {"run": _run, "draw": _draw, "describe": _describe}


def _reporter(job: Job, desk: Desk, began: float) -> Callable[[float, str, Figure | None], None]:
    """What `Run.progress` calls: stops the run when asked to, and thins what it says to a few times a second."""
    from engines.run import Cancelled as Stopped

    last = -PROGRESS_SECONDS
    figure_waiting: Figure | None = None

    def report(fraction: float, message: str, figure: Figure | None) -> None:
        nonlocal last, figure_waiting
        figure_waiting = figure or figure_waiting
        elapsed = time.monotonic() - began
        stop = job.id in desk.cancelled
        if elapsed - last >= PROGRESS_SECONDS or (stop and figure_waiting):
            desk.tell(Progress(job.id, min(max(fraction, 0.0), 1.0), message, elapsed, figure_waiting))
            last, figure_waiting = elapsed, None
        if stop:
            raise Stopped

    return report


def gibibytes(size: int) -> str:
    """A size of memory in words."""
    return f"{size / 2**30:.3g} GiB" if size >= 2**29 else f"{size / 2**20:.3g} MiB"


def _failure(job: Job, error: BaseException) -> Failed:
    """An exception as an event. The traceback goes to the log, where a developer looks for it."""
    import torch

    from engines.fields import BadData
    from engines.registry import UnknownEngine
    from workbench.compute.device import NoDevice

    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error):
        return _out_of_memory(job, error)
    if isinstance(error, UnknownEngine):
        return Failed(job.id, "unknown_engine", f"there is no engine {error}")
    if isinstance(error, BadData):
        return Failed(job.id, "bad_parameters", str(error))
    if isinstance(error, NoDevice):
        return Failed(job.id, "no_device", str(error))
    traceback.print_exception(error)
    text = str(error).strip().split("\n", maxsplit=1)[0] or type(error).__name__
    if not isinstance(error, ValueError):
        text = f"{type(error).__name__}: {text}"
    return Failed(job.id, "error", text)


def _out_of_memory(job: Job, error: BaseException) -> Failed:
    """Say which parameters make the run large, at what values they stand, and where else it might fit."""
    import torch

    from engines import registry
    from engines.fields import read

    message = str(error).strip().split("\n", maxsplit=1)[0].split(". GPU")[0] or "out of memory"
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    params = read(registry.parameters_of(job.engine), job.params)
    values = ((name, value if isinstance(value, tuple) else (value,)) for name, value in vars(params).items())
    sizes = {name: max(value) for name, value in values if value and all(type(item) is int for item in value)}
    sizes = {name: size for name, size in sizes.items() if size > 1}
    named = ", ".join(f"{name} = {value}" for name, value in sorted(sizes.items(), key=lambda item: -item[1])[:3])
    advice = f"make it smaller: {named}" if named else "choose a smaller exercise"
    if job.device != "cpu" and torch.cuda.is_available():
        advice += "; or run it with device cpu"
    return Failed(job.id, "out_of_memory", message, advice)
