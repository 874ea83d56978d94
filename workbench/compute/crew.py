"""The worker processes and the nursery that forks them, as one event loop sees them.

A run that is asked to stop and does not is killed with its worker, which is replaced.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field

from workbench import paths
from workbench.compute.handle import Handle
from workbench.compute.log import log_file, open_log
from workbench.compute.messages import (
    Cancel,
    Cancelled,
    Ending,
    Event,
    Failed,
    Hello,
    Submit,
    decode,
    encode,
)
from workbench.compute.wire import HEAD_SIZE, BadFrame, lengths, pack, unpack
from workbench.files import make_folder

# One for the run on the screen, one for the checks that must not wait for it.
MAX_WORKERS = 2
WORKER = "workbench.compute.worker:serve"
GRACE_SECONDS = 0.3
# How long the nursery may take at the end to find what student code has left behind.
FAREWELL_SECONDS = 1.0
# Workers in a row that may end before they are ready, before jobs are refused.
MAX_STARTS = 2


@dataclass
class Child:
    """A process forked by the nursery: futures of its pid and of its exit status.

    One that could not be born has the pid 0; one whose end nobody saw was killed.
    """

    pid: Future[int] = field(default_factory=Future)
    exit: Future[int] = field(default_factory=Future)

    def lose(self) -> None:
        """There is nobody any more who could tell of it."""
        if not self.pid.done():
            self.pid.set_result(0)
        if not self.exit.done():
            self.exit.set_result(-signal.SIGKILL)


@dataclass(eq=False)
class _Worker:
    child: Child
    socket: socket.socket
    ready: bool = False
    handle: Handle | None = None
    cancelling: bool = False


class Crew:
    """The nursery, the workers, and the jobs that wait for one. Lives in the loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, results_folder: str) -> None:
        self.loop = loop
        self.results_folder = results_folder
        self.nursery: subprocess.Popen[bytes] | None = None
        self.control: socket.socket | None = None
        self.failed_starts = 0
        self.born: deque[Child] = deque()
        self.living: dict[int, Child] = {}
        self.workers: list[_Worker] = []
        self.waiting: deque[Handle] = deque()
        self.readers: set[asyncio.Task[None]] = set()
        self.last_task: asyncio.Task[None] | None = None

    # -- jobs

    def warm(self) -> None:
        """Have at least one worker."""
        if not self.workers:
            with contextlib.suppress(OSError):  # tried again for the next job, which is told if it fails
                self.hire()

    def submit(self, handle: Handle) -> None:
        """Take a job in."""
        self.waiting.append(handle)
        self.assign()

    def assign(self) -> None:
        """Give waiting jobs to idle workers; start another worker if all are busy and there may be more."""
        for worker in self.workers:
            if self.waiting and worker.ready and worker.handle is None:
                worker.handle = self.waiting.popleft()
                self.say(worker, Submit(worker.handle.job, self.results_folder))
        starting = sum(not worker.ready for worker in self.workers)
        if len(self.waiting) > starting and len(self.workers) < MAX_WORKERS:
            try:
                self.hire()
            except OSError as error:
                if not self.workers:
                    self.refuse_all(str(error))

    def cancel(self, job_id: str) -> None:
        """Stop a job: at once if it waits, by its worker if it runs, and by force if that does not help."""
        for handle in list(self.waiting):
            if handle.job.id == job_id:
                self.waiting.remove(handle)
                handle.emit(Cancelled(job_id))
        for worker in self.workers:
            if worker.handle is not None and worker.handle.job.id == job_id:
                worker.cancelling = True
                self.say(worker, Cancel(job_id))
                self.loop.call_later(GRACE_SECONDS, self.lose_patience, worker, worker.handle)

    def lose_patience(self, worker: _Worker, handle: Handle) -> None:
        """Kill a worker whose job was asked to stop and still has not."""
        if worker.handle is handle and handle.ending is None:
            self.kill(worker.child)
            handle.emit(Cancelled(handle.job.id))

    # -- workers

    def hire(self) -> None:
        """Fork another worker."""
        ours, theirs = socket.socketpair()
        worker = _Worker(Child(), ours)
        self.workers.append(worker)
        self.spawn(WORKER, [theirs.detach()], worker.child)
        task = self.loop.create_task(self.listen(worker))
        self.readers.add(task)
        task.add_done_callback(self.readers.discard)

    async def listen(self, worker: _Worker) -> None:
        """Read a worker's events until it is gone."""
        reason = "the worker process ended"
        writer = None
        try:
            reader, writer = await asyncio.open_connection(sock=worker.socket, limit=1 << 22)
            while True:
                header, arrays = lengths(await reader.readexactly(HEAD_SIZE))
                self.hear(worker, decode(unpack(await reader.readexactly(header), await reader.readexactly(arrays))))
        except (asyncio.IncompleteReadError, OSError):
            pass
        except (BadFrame, ValueError) as error:
            reason = f"the worker process sent what is no message ({error})"
            self.kill(worker.child)
        finally:
            if writer is not None:
                writer.close()
        with contextlib.suppress(TimeoutError):
            # Shielded: giving up waiting must not cancel the future that others look at.
            status = await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(worker.child.exit)), 1.0)
            reason = ending_in_words(status)
        self.bury(worker, reason)

    def hear(self, worker: _Worker, event: Event) -> None:
        """Pass on what a worker says."""
        if isinstance(event, Hello):
            worker.ready = True
            self.failed_starts = 0
        elif worker.handle is not None and event.job_id == worker.handle.job.id:
            worker.handle.emit(event)
            if isinstance(event, Ending):
                worker.handle, worker.cancelling = None, False
        self.assign()

    def bury(self, worker: _Worker, reason: str) -> None:
        """A worker is gone: report what it was doing, and replace it."""
        self.workers.remove(worker)
        if worker.handle is not None:
            job_id = worker.handle.job.id
            if worker.cancelling:
                worker.handle.emit(Cancelled(job_id))
            else:
                advice = "it has been replaced: run it again; if it dies again, make the run smaller"
                worker.handle.emit(Failed(job_id, "worker_died", reason, advice))
        self.failed_starts += not worker.ready
        if self.failed_starts < MAX_STARTS:
            self.warm()
            self.assign()
        elif not self.workers:
            self.refuse_all(reason)

    def refuse_all(self, reason: str) -> None:
        """No worker can be started: say so to everybody who waits for one."""
        self.failed_starts = 0  # the next job may try again
        message = f"no worker process could be started ({reason})"
        while self.waiting:
            handle = self.waiting.popleft()
            handle.emit(Failed(handle.job.id, "worker_died", message, f"see {log_file()}"))

    def say(self, worker: _Worker, message: Submit | Cancel) -> None:
        """Tell a worker something."""
        with contextlib.suppress(OSError):  # a worker that is gone is buried by its reader
            worker.socket.setblocking(True)
            worker.socket.sendall(pack(encode(message)))
            worker.socket.setblocking(False)

    # -- the nursery

    def spawn(self, target: str, descriptors: list[int], child: Child) -> None:
        """Have a child forked that calls `target` with the descriptors, which are closed here."""
        request = json.dumps({"spawn": target}).encode()
        try:
            try:
                socket.send_fds(self.control or self.start_nursery(), [request], descriptors)
            except (BrokenPipeError, ConnectionResetError):  # it has just died, and nobody has noticed yet
                self.lose_nursery()
                socket.send_fds(self.start_nursery(), [request], descriptors)
            self.born.append(child)
        except OSError:
            child.lose()
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def kill(self, child: Child) -> None:
        """Kill a child, and with it whatever it has started: it leads a session of its own."""
        if not child.pid.done():
            child.pid.add_done_callback(lambda _: self.loop.call_soon_threadsafe(self.kill, child))
        elif not child.exit.done() and child.pid.result():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid.result(), signal.SIGKILL)

    def start_nursery(self) -> socket.socket:
        """Start the nursery, in a session of its own; returns the socket to ask it over.

        Raises:
            OSError: if the system has no room for another process.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with open_log() as log:
                self.nursery = subprocess.Popen(
                    # -P: a file of the student's called torch.py in the current folder is not ours to import.
                    [sys.executable, "-P", "-c", BOOT, str(theirs.fileno()), os.path.dirname(PACKAGE)],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=os.environ | ENVIRONMENT | library_caches(),
                    start_new_session=True,  # the terminal's signals are for the screen
                )
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)
        self.control = ours
        self.loop.add_reader(ours, self.hear_nursery)
        return ours

    def hear_nursery(self) -> None:
        """Note who was born and who has died."""
        assert self.control is not None
        try:
            raw = self.control.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            raw = b""
        if not raw:
            self.lose_nursery()
            return
        message = json.loads(raw)
        if "pid" in message:
            child = self.born.popleft()
            self.living[message["pid"]] = child
            child.pid.set_result(message["pid"])
        elif "exit" in message:
            self.living.pop(message["exit"]).exit.set_result(message["status"])

    def lose_nursery(self, patience: float = 0.0) -> None:
        """The nursery is gone, or goes now; and by its own hand or the kernel's all its children with it."""
        assert self.control is not None
        assert self.nursery is not None
        self.loop.remove_reader(self.control)
        self.control.close()
        self.control = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.nursery.wait(patience)
        self.nursery.kill()
        self.nursery.wait()
        for child in [*self.born, *self.living.values()]:
            child.lose()
        self.born.clear()
        self.living.clear()

    def stop(self) -> None:
        """End everything. Closing the control socket ends the nursery, and its end ends its children."""
        for handle in [*self.waiting, *(worker.handle for worker in self.workers if worker.handle)]:
            handle.emit(Cancelled(handle.job.id))
        if self.control is not None:
            # Only the nursery can find what student code has left behind. Workers leave nothing.
            workers = [worker.child for worker in self.workers]
            strangers = any(child not in workers for child in self.living.values())
            self.lose_nursery(FAREWELL_SECONDS if strangers else 0.0)
        self.last_task = self.loop.create_task(self.hang_up())

    async def hang_up(self) -> None:
        """Close what is still open to workers, and leave the loop."""
        readers = [*self.readers]
        for task in readers:
            task.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        for worker in self.workers:
            worker.socket.close()
        self.loop.stop()


# The package as it runs here. It need not be installed: the nursery finds it where it was found before.
PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BOOT = (
    "import sys; sys.argv[2] in sys.path or sys.path.insert(0, sys.argv[2]);"
    "from workbench.compute.nursery import main; main()"
)

# The environment of the nursery and so of every worker; none of it can be set later.
ENVIRONMENT = {
    # The nursery must stay single-threaded; workers choose their threads for each job.
    "OPENBLAS_NUM_THREADS": "1",
    # Large blocks are kept instead of being given back after each operation: half the time of a large softmax.
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "8589934592",
    "MALLOC_TOP_PAD_": "67108864",
    # cuda:0 here is GPU 0 of nvidia-smi; looking for GPUs makes no context; matrix products repeat to the bit.
    "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
}


def library_caches() -> dict[str, str]:
    """Where torch and the CUDA driver keep what they compile: not in the system's temporary folder, nor in ~/.nv.

    Where the cache cannot be written they stay with their own places: torch would not start without one.
    """
    torch, cuda = (os.path.join(paths.cache(), name) for name in ("torch", "cuda"))
    try:
        make_folder(torch)
    except OSError:
        return {}
    return {"TORCHINDUCTOR_CACHE_DIR": torch, "CUDA_CACHE_PATH": cuda}


def ending_in_words(status: int) -> str:
    """An exit status as a sentence."""
    if status >= 0:
        return f"the worker process ended with status {status}; {log_file()} may say why"
    perhaps = ", perhaps by the system for lack of memory" if -status == signal.SIGKILL else ""
    return f"the worker process was killed ({signal_name(-status)}{perhaps})"


def signal_name(number: int) -> str:
    """What a signal is called; most of the real-time signals have no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
