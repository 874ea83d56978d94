"""The trusted side of the sandbox: starts a run, watches it, ends it, and hands back plain arrays."""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import signal
import socket
import time
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from typing import Any, Literal

from engines.arrays import Array
from workbench.compute.crew import signal_name
from workbench.compute.local import Child, LocalCompute
from workbench.compute.wire import HEAD_SIZE, BadFrame, Bounds, lengths, pack, unpack
from workbench.files import scratch_folder

# The isolation that a run has. Named wherever a result of student code is shown.
LEVEL = 0
LEVEL_NAME = "0 limits only (time, memory, output; files and network are not protected)"

TARGET = "workbench.sandbox.child:serve"
BOUNDS = Bounds(header=1 << 20, arrays=64 << 20, count=256)
MAX_PRINTED = 64 << 10
WATCH_SECONDS = 0.05
LARGEST = 2**63 - 1  # what an array can hold
START_SECONDS = 60.0
END_SECONDS = 5.0

Status = Literal["ok", "error", "timeout", "out_of_memory", "crashed", "cancelled"]


@dataclass(frozen=True)
class Program:
    """What is to be run: the student's `code`, which defines `entry`, and the `harness` that tries it out."""

    code: str
    entry: str
    harness: str
    inputs: dict[str, Any]
    seconds: float = 20.0
    megabytes: int = 2048


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        status: "ok" if the harness returned something.
        outputs: what it returned: arrays, numbers and texts by name.
        message: for anything but ok, what happened, in a sentence.
        line: the line of the student's code where an error arose, 0 if there is none.
        printed: the end of what it printed.
        seconds: wall-clock time from the start of the student's code.
        level: the isolation it ran under.
    """

    status: Status
    outputs: dict[str, Any] = field(default_factory=dict)
    message: str = ""
    line: int = 0
    printed: str = ""
    seconds: float = 0.0
    level: str = LEVEL_NAME


def run(program: Program, compute: LocalCompute) -> Outcome:
    """Run a program in a fresh process forked from the nursery, and wait for its end.

    Raises:
        OSError: if no process can be started, or there is no room for its scratch folder.
    """
    with scratch_folder() as scratch:
        return _Watch(program, compute, scratch).outcome()


class _Watch:
    """One run from fork to end."""

    def __init__(self, program: Program, compute: LocalCompute, scratch: str) -> None:
        self.program = program
        self.compute = compute
        self.scratch = scratch
        self.frame = bytearray()
        self.printed = bytearray()
        self.status: Status | None = None

    def outcome(self) -> Outcome:
        ours, theirs = socket.socketpair()
        reader, writer = os.pipe()
        child = self.compute.spawn(TARGET, [theirs.detach(), writer])
        with ours, os.fdopen(reader, "rb", buffering=0) as printed:
            try:
                pid = child.pid.result(START_SECONDS)
                if not pid:
                    raise OSError(errno.EAGAIN, "no process could be started for the program")
                began = self.send(ours)
                self.watch(pid, ours, printed, began)
                seconds = time.monotonic() - began
            finally:
                self.compute.kill(child)
                with contextlib.suppress(FutureTimeout):  # gone, with all it had started, before its folder goes
                    child.exit.result(END_SECONDS)
        return self.judge(child, seconds)

    def send(self, ours: socket.socket) -> float:
        """Hand over the program; returns when the student's clock starts."""
        with contextlib.suppress(OSError):  # a child that is gone already is noticed by `watch`
            ours.sendall(
                pack(
                    {
                        "code": self.program.code,
                        "entry": self.program.entry,
                        "harness": self.program.harness,
                        "inputs": self.program.inputs,
                        "seconds": self.program.seconds,
                        "megabytes": self.program.megabytes,
                        "scratch": self.scratch,
                    }
                )
            )
        ours.setblocking(False)
        return time.monotonic()

    def watch(self, pid: int, ours: socket.socket, printed: Any, began: float) -> None:
        """Read what the child sends and prints until it closes its socket or breaks a limit."""
        deadline = began + self.program.seconds
        with selectors.DefaultSelector() as selector:
            selector.register(ours, selectors.EVENT_READ)
            selector.register(printed, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select(WATCH_SECONDS):
                    if key.fileobj is ours:
                        if not self.read_frame(ours):
                            self.read_printed(printed)
                            return
                    elif not self.read_printed(printed):
                        selector.unregister(printed)
                if time.monotonic() > deadline:
                    self.status = "timeout"
                    return
                if resident_bytes(pid) > self.program.megabytes << 20:
                    self.status = "out_of_memory"
                    return

    def read_frame(self, ours: socket.socket) -> bool:
        """Take what has come of the answer; False at its end, or as soon as it breaks a bound."""
        try:
            data = ours.recv(1 << 20)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self.frame += data
        if len(self.frame) < HEAD_SIZE:
            return bool(data)
        try:
            wanted = HEAD_SIZE + sum(lengths(bytes(self.frame[:HEAD_SIZE]), BOUNDS))
        except BadFrame:
            return False
        return bool(data) and len(self.frame) < wanted

    def read_printed(self, printed: Any) -> bool:
        """Take what was printed, keeping the end of it; False when the child has closed it."""
        if not select_readable(printed):
            return True
        data = printed.read(1 << 16)
        self.printed += data
        del self.printed[:-MAX_PRINTED]
        return bool(data)

    def judge(self, child: Child, seconds: float) -> Outcome:
        """What the run amounts to."""
        text = self.printed.decode("utf-8", "replace")
        if self.status == "timeout":
            message = f"was still running after {self.program.seconds:g} s and was stopped"
            return Outcome("timeout", message=message, printed=text, seconds=seconds)
        if self.status == "out_of_memory":
            message = f"took more than {self.program.megabytes} MB and was stopped"
            return Outcome("out_of_memory", message=message, printed=text, seconds=seconds)
        try:
            return self.answer(text, seconds)
        except BadFrame:
            return Outcome("crashed", message=_crash(child), printed=text, seconds=seconds)

    def answer(self, text: str, seconds: float) -> Outcome:
        """The outcome that the child itself reports.

        Raises:
            BadFrame: if it reported nothing, or nothing that could be a report.
        """
        if len(self.frame) < HEAD_SIZE:
            raise BadFrame("no answer")
        header, arrays = lengths(bytes(self.frame[:HEAD_SIZE]), BOUNDS)
        body = bytes(self.frame[HEAD_SIZE:])
        if len(body) != header + arrays:
            raise BadFrame("cut short")
        report = unpack(body[:header], body[header:], BOUNDS)
        if report.get("status") == "ok" and isinstance(report.get("outputs"), dict):
            return Outcome("ok", outputs=_plain_outputs(report["outputs"]), printed=text, seconds=seconds)
        status: Status = "out_of_memory" if report.get("status") == "out_of_memory" else "error"
        line = report.get("line")
        return Outcome(
            status,
            message=str(report.get("message", ""))[:2000],
            line=line if type(line) is int else 0,
            printed=text,
            seconds=seconds,
        )


def _plain_outputs(outputs: dict[str, Any]) -> dict[str, Any]:
    """Arrays, numbers and texts; anything else is left out, and is missed by whoever expects it."""
    return {
        name: value
        for name, value in outputs.items()
        if isinstance(value, Array | bool | float | str) or (isinstance(value, int) and -LARGEST <= value <= LARGEST)
    }


def _crash(child: Child) -> str:
    """How a process that gave no answer ended."""
    if not child.exit.done():
        return "ended before it gave an answer"
    exit_status = child.exit.result()
    if -exit_status == signal.SIGXCPU:
        return "used up its processor time and was stopped"
    if exit_status < 0:
        return f"was ended by {signal_name(-exit_status)} before it gave an answer"
    return "ended before it gave an answer (does it call exit?)"


def select_readable(file: Any) -> bool:
    """Whether reading would not block."""
    import select

    return bool(select.select([file], [], [], 0)[0])


def resident_bytes(pid: int) -> int:
    """Memory in use by a process and those below it; 0 for what is gone."""
    total = 0
    todo = [pid]
    while todo:
        current = todo.pop()
        try:
            with open(f"/proc/{current}/statm", "rb") as file:
                total += int(file.read().split()[1]) * PAGE
            for thread in os.listdir(f"/proc/{current}/task"):  # a process belongs to the thread that made it
                with open(f"/proc/{current}/task/{thread}/children", "rb") as file:
                    todo += map(int, file.read().split())
        except (OSError, IndexError, ValueError):
            continue
    return total


PAGE = os.sysconf("SC_PAGE_SIZE")
