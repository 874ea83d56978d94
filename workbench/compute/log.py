"""Where the words of processes without a terminal go."""

from __future__ import annotations

import os
from typing import IO

from workbench import paths
from workbench.files import make_file

MAX_LOG = 1_000_000


def log_file() -> str:
    """The file."""
    return os.path.join(paths.state(), "worker.log")


def open_log() -> IO[bytes]:
    """The log, open for adding to it: begun again when it has grown long, and nowhere if it cannot be written."""
    path = log_file()
    try:
        make_file(path)
        log = open(path, "ab")  # noqa: SIM115  (the caller closes it)
        if log.tell() > MAX_LOG:
            log.truncate(0)
    except OSError:
        return open(os.devnull, "ab")
    return log
