"""People who use one installation of the built wheel, each with a home of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
WATCH = Path(__file__).parent / "watch"
PATIENCE = 120.0

MENDED = """\
def train(model, optimizer, loss_function, batches):
    for x, y in batches:
        optimizer.zero_grad()
        loss_function(model(x), y).backward()
        optimizer.step()
"""


# Permissions stop nobody who is root, unless root gives up, for good, what puts it above them: the capabilities
# DAC_OVERRIDE, DAC_READ_SEARCH and FOWNER (24 is PR_CAPBSET_DROP).
HUMBLE = """
import ctypes, os, sys
for capability in (1, 2, 3):
    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def humbly(*command: str) -> list[str]:
    """A command for which permissions hold, whoever runs the tests."""
    return [*command] if os.geteuid() else [sys.executable, "-I", "-S", "-c", HUMBLE, *command]


class Account:
    """Somebody with a home, a temporary folder and a folder to stand in, all below `base` and empty at first."""

    def __init__(self, base: Path, installation: Path) -> None:
        self.installation = installation
        self.home, self.temporary, self.here = base / "home", base / "tmp", base / "here"
        self.log = base / "log"
        for folder in (base, self.home, self.temporary, self.here):
            folder.mkdir(exist_ok=True)
        self.kept = {
            "data": self.home / ".local" / "share" / "workbench",
            "cache": self.home / ".cache" / "workbench",
            "state": self.home / ".local" / "state" / "workbench",
            "config": self.home / ".config" / "workbench",
        }

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of ours but what a login gives."""
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "LANG": "C.UTF-8",
            "PYTHONPATH": f"{self.installation}{os.pathsep}{WATCH}",
            "WATCH_LOG": str(self.log),
            "WATCH_ONLY": str(self.installation),
        }

    def login(self) -> dict[str, str | None]:
        """The same for a terminal, which begins with the environment of the tests."""
        ours = {name: None for name in os.environ if name not in ("TERM", "COLORTERM")}
        return ours | self.environment

    @property
    def command(self) -> list[str]:
        """What stands for `workbench`; -P keeps the current folder off the path."""
        return humbly(sys.executable, "-P", "-m", "workbench")

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Python as this account has it."""
        return self._run(humbly(sys.executable, "-P", *arguments))

    def workbench(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """One command."""
        return self._run([*self.command, *arguments], given)

    def asked(self, *arguments: str, given: str = "") -> Any:
        """One command's JSON."""
        done = self.workbench(*arguments, "--json", given=given)
        assert done.stderr == ""
        return json.loads(done.stdout)

    def _run(self, command: Sequence[str], given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.here,
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def written(self) -> list[Path]:
        """What Python has made or opened to write, as far as it is a file of any file system."""
        paths = {Path(line) for line in self.log.read_text().splitlines()}
        return sorted(
            path for path in paths if path.parts[1] not in ("dev", "proc") and "__pycache__" not in path.parts
        )

    def outside(self) -> list[Path]:
        """What of it lies outside this account's folders for the workbench, and is not one of those above them."""
        ours = self.kept.values()
        return [
            path
            for path in self.written()
            if not any(path.is_relative_to(folder) or folder.is_relative_to(path) for folder in ours)
        ]


def snapshot(folder: Path, *, without: Sequence[str] = ("__pycache__",)) -> dict[str, tuple[int, int, int]]:
    """Mode, size and time of everything below a folder; folders have no size."""
    found = {}
    for above, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in without]
        for name in [*folders, *files]:
            path = f"{above}/{name}"
            status = os.lstat(path)
            is_file = name in files
            found[path] = (status.st_mode, status.st_size * is_file, status.st_mtime_ns * is_file)
    return found
