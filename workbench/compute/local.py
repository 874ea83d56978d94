"""Runs on this machine: a few warm worker processes, and what happens when one of them dies.

`LocalCompute` may be used from any thread. It lives in a thread of its own, with an event loop that owns the
nursery and the workers; callers hand over jobs and get events.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import uuid
from collections.abc import Callable
from contextvars import Context
from typing import Any

from workbench.compute.crew import Child, Crew
from workbench.compute.handle import ComputeError, Handle
from workbench.compute.messages import Event, Finished, Job
from workbench.compute.results import Results

__all__ = ["Child", "ComputeError", "Handle", "LocalCompute"]


class LocalCompute:
    """Jobs on this machine."""

    def __init__(self, results: Results | None = None) -> None:
        self.results = results or Results()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._closed = False

    # -- for any thread

    def start(self) -> None:
        """Start a warm worker in the background."""
        self._call(lambda crew: crew.warm())

    def submit(self, job: Job, on_event: Callable[[Event], None] | None = None, *, reuse: bool = False) -> Handle:
        """Hand over a job. `on_event` is called from another thread.

        Args:
            job: what to compute.
            on_event: told every event.
            reuse: take a stored result of the same job if there is one.
        """
        handle = Handle(job, on_event, self._cancel)
        stored = self.results.find(job) if reuse else None
        if stored is not None:
            handle.emit(stored)
        else:
            self._call(lambda crew: crew.submit(handle))
        return handle

    def ask(self, *, reuse: bool = True, timeout: float | None = None, **job: Any) -> Finished:
        """Submit a job and wait for its end.

        Raises:
            ComputeError: if it did not finish.
            TimeoutError: if it takes longer than `timeout` seconds; it is cancelled then.
        """
        handle = self.submit(Job(id=uuid.uuid4().hex, **job), reuse=reuse)
        try:
            return handle.finished(timeout)
        except TimeoutError:
            handle.cancel()
            raise

    def spawn(self, target: str, descriptors: list[int]) -> Child:
        """Fork a process from the nursery; the descriptors are its from then on, and closed here."""
        child = Child()
        self._call(lambda crew: crew.spawn(target, descriptors, child))
        return child

    def kill(self, child: Child) -> None:
        """Kill a process that `spawn` made."""
        self._stop(lambda crew: crew.kill(child))

    def close(self) -> None:
        """End all workers, and with them whatever runs."""
        with self._lock:
            self._closed = True
            loop, thread = self._loop, self._thread
        if loop is not None and thread is not None and thread.is_alive():
            loop.call_soon_threadsafe(self._crew.stop)
            thread.join(timeout=5)

    def _cancel(self, job_id: str) -> None:
        self._stop(lambda crew: crew.cancel(job_id))

    def _stop(self, action: Callable[[Crew], None]) -> None:
        """End something, unless everything is being ended already."""
        with contextlib.suppress(RuntimeError):
            self._call(action)

    def _call(self, action: Callable[[Crew], None]) -> None:
        """Run an action in the loop's thread, which is started by the first one."""
        with self._lock:
            if self._closed:
                raise RuntimeError("the workbench is closing")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._crew = Crew(self._loop, self.results.folder)
                self._thread = threading.Thread(target=self._live, name="compute", daemon=True)
                self._thread.start()
            # In a context of its own: a worker outlives the caller that happened to start it, and must not tell others
            # what it has to say in that caller's context variables (Textual keeps the app in one).
            self._loop.call_soon_threadsafe(action, self._crew, context=Context())

    def _live(self) -> None:
        assert self._loop is not None
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()
