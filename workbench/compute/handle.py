"""A job as whoever submitted it sees it."""

from __future__ import annotations

import queue
import threading
import traceback
from collections.abc import Callable

from engines.figures import Figure
from workbench.compute.log import open_log
from workbench.compute.messages import Cancelled, Ending, Event, Failed, Finished, Job, Progress


class ComputeError(Exception):
    """A job that did not finish; `.event` is how it ended."""

    def __init__(self, event: Failed | Cancelled) -> None:
        super().__init__(event.message if isinstance(event, Failed) else "cancelled")
        self.event = event


class Handle:
    """A submitted job: its events, and the way to stop it.

    Attributes:
        ending: how it ended, once it has.
        figure: the newest that it has shown on its way; it stays when the job is stopped.
    """

    def __init__(self, job: Job, on_event: Callable[[Event], None] | None, stop: Callable[[str], None]) -> None:
        self.job = job
        self.ending: Ending | None = None
        self.figure: Figure | None = None
        self._on_event = on_event
        self._stop = stop
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._ended = threading.Event()

    def emit(self, event: Event) -> None:
        """Pass an event on to whoever waits; the first ending is the last event."""
        if self.ending is not None:
            return
        if isinstance(event, Progress):
            self.figure = event.figure or self.figure
        if isinstance(event, Ending):
            self.ending = event
            self._ended.set()
        self._events.put(event)
        if self._on_event is not None:
            try:
                self._on_event(event)
            except Exception:  # noqa: BLE001  (a listener that fails must not take the loop with it)
                with open_log() as log:
                    log.write(traceback.format_exc().encode(errors="replace"))

    def cancel(self) -> None:
        """Ask the job to stop. It ends with `Cancelled`, within half a second whatever it is doing."""
        self._stop(self.job.id)

    def next_event(self, timeout: float | None = None) -> Event:
        """The next event, waiting for it; raises `queue.Empty` when none comes in time."""
        return self._events.get(timeout=timeout)

    def finished(self, timeout: float | None = None) -> Finished:
        """Wait for the end.

        Raises:
            ComputeError: if the job did not finish.
            TimeoutError: if it does not end in time.
        """
        if not self._ended.wait(timeout):
            raise TimeoutError
        assert self.ending is not None
        if not isinstance(self.ending, Finished):
            raise ComputeError(self.ending)
        return self.ending
