"""A program in a real pseudo-terminal: what it writes, byte by byte, and what that looks like."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pyte

# A guard against waiting for ever, not a time to wait.
PATIENCE = 60.0
# Silence that means that nothing more is coming.
SETTLED = 0.6

KEYS = {
    "enter": "\r", "tab": "\t", "escape": "\x1b", "backspace": "\x7f", "up": "\x1b[A", "down": "\x1b[B",
    "right": "\x1b[C", "left": "\x1b[D", "shift+tab": "\x1b[Z", "f1": "\x1bOP", "f2": "\x1bOQ", "f3": "\x1bOR",
    "f4": "\x1bOS", "f5": "\x1b[15~", "f6": "\x1b[17~", "f7": "\x1b[18~", "ctrl+q": "\x11", "ctrl+s": "\x13",
    "ctrl+l": "\x0c",
}  # fmt: skip


class Terminal:
    """A child on a terminal of `columns` by `rows`."""

    def __init__(
        self,
        *command: str,
        columns: int = 80,
        rows: int = 24,
        env: dict[str, str | None] | None = None,
        **process: Any,
    ) -> None:
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = bytearray()
        ours, theirs = pty.openpty()
        self.fd = ours
        self._size(columns, rows)
        settings = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", **(env or {})}
        self.process = subprocess.Popen(
            command or [sys.executable, "-m", "workbench"],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={name: value for name, value in settings.items() if value is not None},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509  (no threads are started before)
            **process,
        )
        os.close(theirs)

    def _size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns: int, rows: int) -> None:
        """As a terminal does: the size, then the signal."""
        self.screen.resize(rows, columns)
        self._size(columns, rows)
        os.kill(self.process.pid, signal.SIGWINCH)

    # -- reading

    def read(self, timeout: float) -> bytes:
        """What the program writes next, b"" if nothing comes in time or it has ended."""
        if not select.select([self.fd], [], [], timeout)[0]:
            return b""
        try:
            data = os.read(self.fd, 1 << 16)
        except OSError:  # the other side is closed
            return b""
        self.raw += data
        # pyte takes "\x1b[>..." for something else than the private question it is.
        self.stream.feed(data.replace(b"\x1b[>25u", b"").replace(b"\x1b[?2026$p", b"").replace(b"\x1b[?2048$p", b""))
        return data

    @property
    def text(self) -> str:
        """What the terminal shows."""
        return "\n".join(row.rstrip() for row in self.screen.display)

    def wait_for(self, text: str | Callable[[str], bool]) -> None:
        """Read until a text is on the screen."""
        found = text if callable(text) else lambda shown: text in shown
        deadline = time.monotonic() + PATIENCE
        while not found(self.text):
            if time.monotonic() > deadline or (not self.read(0.2) and self.process.poll() is not None):
                raise AssertionError(f"never saw {text!r}:\n{self.text}\n{self.raw[-2000:]!r}")

    def settle(self) -> int:
        """Read until nothing more comes; how many bytes that were."""
        before = len(self.raw)
        while self.read(SETTLED):
            pass
        return len(self.raw) - before

    def wait_for_end(self) -> int:
        """Read until the program has ended; its exit status."""
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            self.read(0.05)
            assert time.monotonic() < deadline, f"it does not end:\n{self.text}"
        while self.read(0.1):
            pass
        return self.process.returncode

    # -- typing

    def press(self, *keys: str) -> None:
        """Keys by name, or single characters; each is taken before the next is sent."""
        for key in keys:
            os.write(self.fd, KEYS.get(key, key).encode())
            self.read(0.3)
            if key == "escape":
                self.read(0.3)  # a lone escape is told from a sequence by what does not follow it

    def type(self, text: str) -> None:
        """A text in one piece, as one pastes it."""
        os.write(self.fd, text.encode())

    # -- ending

    def hang_up(self) -> None:
        """Close the terminal, as a lost connection does."""
        os.close(self.fd)
        self.fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        if self.fd >= 0:
            os.close(self.fd)


def below(pid: int) -> list[int]:
    """The processes that a process has started, and those that they have."""
    found: list[int] = []
    todo = [pid]
    while todo:
        children: list[int] = []
        for thread in Path(f"/proc/{todo.pop()}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                children += map(int, thread.read_text().split())
        found += children
        todo += children
    return found


def gone(pids: list[int]) -> bool:
    """Whether none of the processes lives any more (a zombie does not)."""
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state != "Z":
            return False
    return True


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something outside the terminal."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
