"""Imported by every Python that has this folder on its path: notes which files it makes or opens to write.

Forked children inherit the watch. What is written in C (by SQLite, by torch) is not seen here; the tests compare
folders before and after as well. Any other workbench, such as the checkout that an editable installation has put
there, is taken off the path.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

LOG = os.environ.get("WATCH_LOG", "")
ONLY = os.environ.get("WATCH_ONLY", "")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT

# What makes something, and which of its arguments says where.
MAKERS = {"os.mkdir": 0, "os.rename": 1, "os.link": 1, "os.symlink": 1}


def made(event: str, arguments: tuple[Any, ...]) -> Any:
    """The path that an event makes or writes, None if there is none."""
    if event == "open":
        return arguments[0] if isinstance(arguments[2], int) and arguments[2] & WRITING else None
    return arguments[MAKERS[event]] if event in MAKERS else None


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    """Note a path. Under a descriptor of its own number, so that nothing the program closes is ours."""
    path = made(event, arguments)
    if isinstance(path, str | bytes) and os.fsdecode(path) != LOG:
        log = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(log, os.fsencode(f"{Path(os.fsdecode(path)).absolute()}\n"))
        os.close(log)


if ONLY:
    sys.path[:] = [place for place in sys.path if place == ONLY or not Path(place, "workbench/__init__.py").exists()]
if LOG:
    sys.addaudithook(watch)
