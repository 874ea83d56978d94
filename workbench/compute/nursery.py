"""The process that has imported torch and forks children that start with it: 30 ms instead of a second.

It runs nothing itself, has one thread, and touches no GPU: neither threads nor a CUDA context survive a fork.
It is asked over a datagram socket and answers over the same; when that socket closes, it ends and all its
children with it. Its argument is the descriptor of that socket.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import select
import signal
import socket
import sys
from typing import Any

# The first use of an optimizer imports this, a second that is better spent while nobody waits.
LAZY = "torch._dynamo"
IDLE_SECONDS = 0.3
MAX_MESSAGE = 4096

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def prctl(option: int, value: int) -> None:
    """The system call of that name, for options that take one number."""
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl({option})")


class Nursery:
    """Forks children on request, and tells how each of them ended.

    A request is a JSON datagram, `{"spawn": "module:function"}`, with one or more descriptors, which the child
    gets as arguments. Answers are `{"pid": n}` and, when that child has ended, `{"exit": pid, "status": n}`.
    """

    def __init__(self, control: socket.socket) -> None:
        self.control = control
        self.children: set[int] = set()
        self.preloaded = False

    def serve(self) -> None:
        """Answer requests until the other side is gone."""
        wake, wake_writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        poll = select.poll()
        poll.register(self.control, select.POLLIN)
        poll.register(wake, select.POLLIN)
        while True:
            timeout = None if self.preloaded else IDLE_SECONDS * 1000
            ready = {descriptor for descriptor, _ in poll.poll(timeout)}
            if wake in ready:
                os.read(wake, 4096)
            self.reap()
            if self.control.fileno() in ready and not self.answer():
                return
            if not ready:
                self.preloaded = True
                with contextlib.suppress(Exception):  # whoever needs it will say what is wrong with it
                    importlib.import_module(LAZY)

    def answer(self) -> bool:
        """Deal with one request; False when the other side is gone."""
        raw, descriptors, _, _ = socket.recv_fds(self.control, MAX_MESSAGE, 8)
        if not raw:
            return False
        self.say({"pid": self.spawn(json.loads(raw)["spawn"], descriptors)})
        return True

    def spawn(self, target: str, descriptors: list[int]) -> int:
        """Fork a child that calls `target` with the descriptors."""
        pid = os.fork()
        if not pid:
            _child(target, descriptors, self.control)
        self.children.add(pid)
        for descriptor in descriptors:
            os.close(descriptor)
        return pid

    def reap(self) -> None:
        """Collect children that ended, kill the orphans that they left behind, and only then tell."""
        ended = []
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    break
                if pid in self.children:
                    self.children.discard(pid)
                    ended.append({"exit": pid, "status": os.waitstatus_to_exitcode(status)})
        _kill(_own_children() - self.children)
        for message in ended:
            self.say(message)

    def end(self) -> None:
        """Kill what is below, however deep: what a killed process leaves behind is adopted here, and killed next."""
        with contextlib.suppress(ChildProcessError):
            while children := self.children | _own_children():
                _kill(children)
                self.children.discard(os.waitpid(-1, 0)[0])

    def say(self, message: dict[str, Any]) -> None:
        """Send one answer."""
        self.control.send(json.dumps(message).encode())


def _own_children() -> set[int]:
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            return {int(pid) for pid in file.read().split()}
    except OSError:  # a kernel without that list: orphans are then left to their own limits
        return set()


def _kill(pids: set[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _child(target: str, descriptors: list[int], control: socket.socket) -> None:
    """The life of a forked child; does not return."""
    status = 70
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        control.close()
        os.setsid()
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        module, _, function = target.partition(":")
        getattr(importlib.import_module(module), function)(*descriptors)
        status = 0
    except BaseException:  # noqa: BLE001  (the last frame of this process: whatever it is goes to the log)
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def main() -> None:
    """Import torch, say that it is done, and serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl+c is for the screen
    control = socket.socket(fileno=int(sys.argv[1]))
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    import torch

    nursery = Nursery(control)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        nursery.say({"ready": torch.__version__})
        nursery.serve()
    nursery.end()
