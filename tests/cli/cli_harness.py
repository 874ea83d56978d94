"""The command line as a script sees it: in this process where that is enough, as a process where it matters."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple, Protocol

ROOT = Path(__file__).parents[2]


class Told(NamedTuple):
    """How a command ended and what it wrote."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """Standard output, which is one JSON object and nothing else."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        assert "error" not in found, found
        return found

    @property
    def error(self) -> dict[str, str]:
        """The error that is the one JSON object on standard output: kind, message and where."""
        found = json.loads(self.out)
        assert set(found) == {"error"}
        assert set(found["error"]) == {"kind", "message", "where"}
        assert all(isinstance(text, str) for text in found["error"].values())
        assert found["error"]["kind"]
        assert found["error"]["message"]
        return dict(found["error"])

    def without_traceback(self) -> Told:
        """The same, after a look whether it shows what is of no use to a student."""
        for text in (self.out, self.err):
            assert "Traceback" not in text
            assert "internal error" not in text
        return self


class Workbench(Protocol):
    """`workbench ARGUMENTS`."""

    def __call__(self, *arguments: str, stdin: bytes = b"") -> Told:
        """Run a command to its end."""


def process(
    *arguments: str,
    code: str = "",
    env: dict[str, str | None] | None = None,
    stdin: Any = subprocess.DEVNULL,
    stdout: Any = subprocess.PIPE,
    file_size: int | None = None,
) -> Told:
    """The same in a process of its own: `workbench`, or a program that gets the arguments.

    Args:
        arguments: of the command line.
        code: a Python program to run in place of `workbench`.
        env: changes of the environment; None removes a variable.
        stdin: as `subprocess` takes it.
        stdout: likewise.
        file_size: how many bytes the largest file may have that it writes: 0 is a disk that is full.
    """
    settings = os.environ | {"PYTHONUNBUFFERED": None, "PYTHONPATH": str(ROOT)} | (env or {})
    program = ["-c", code] if code else ["-m", "workbench"]
    full = () if file_size is None else ("sh", "-c", f'ulimit -f {file_size}; exec "$@"', "sh")
    done = subprocess.run(
        [*full, sys.executable, *program, *arguments],
        env={name: value for name, value in settings.items() if value is not None},
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        check=False,
    )
    out, err = ((text or b"").decode() for text in (done.stdout, done.stderr))
    return Told(done.returncode, out, err).without_traceback()
