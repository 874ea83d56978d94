"""Results of runs on disk, so that what was computed once is there at once the next time.

A result is known by (engine, version of the engines' sources, task, parameters, seed, dtype, device asked
for). The store is a cache: bounded, and safe to delete.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from typing import Any

from engines import registry
from workbench import paths
from workbench.compute.messages import Finished, Job, decode, encode
from workbench.compute.wire import BadFrame, pack, unpack_frame
from workbench.files import write_atomically

MAX_BYTES = 256 << 20
MAX_FILES = 4000
DIGEST_SIZE = 16


def _digest(content: bytes) -> bytes:
    """Stands before what is stored: answers are checked against it, so a flipped bit must not pass for a number."""
    return hashlib.blake2b(content, digest_size=DIGEST_SIZE).digest()


def key_of(job: Job) -> str:
    """What a job's result depends on, as one line of JSON."""
    parts = [job.engine, registry.version(), job.task, job.params, job.seed, job.dtype, job.device]
    return json.dumps(parts, sort_keys=True, separators=(",", ":"))


class Results:
    """The store below one folder."""

    def __init__(self, folder: str | None = None) -> None:
        self.folder = folder or os.path.join(paths.cache(), "runs")

    def _path(self, key: str) -> str:
        return os.path.join(self.folder, hashlib.blake2b(key.encode(), digest_size=16).hexdigest())

    def find(self, job: Job) -> Finished | None:
        """What the job gave when it was last done, or None. A damaged file is removed."""
        key = key_of(job)
        path = self._path(key)
        try:
            with open(path, "rb") as file:
                digest, frame = file.read(DIGEST_SIZE), file.read(MAX_BYTES)
            if digest != _digest(frame):
                raise BadFrame("damaged")
            stored = unpack_frame(frame)
            if stored.get("key") != key:
                return None
            found = decode({**stored["event"], "job_id": job.id})
        except OSError:
            return None
        except (BadFrame, ValueError, KeyError, TypeError):
            with contextlib.suppress(OSError):
                os.unlink(path)
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # used: it goes last when room is made
        return found if isinstance(found, Finished) else None

    def keep(self, job: Job, event: Finished) -> None:
        """Store what a job gave. A full or read-only disk loses the copy and nothing else."""
        key = key_of(job)
        stored: dict[str, Any] = {"key": key, "event": {**encode(event), "stored_at": time.time()}}
        with contextlib.suppress(OSError):
            frame = pack(stored)
            write_atomically(self._path(key), _digest(frame) + frame)
            self._make_room()

    def _make_room(self) -> None:
        """Remove the results longest unused until the rest is within the bounds."""
        files = []
        with os.scandir(self.folder) as entries:
            for entry in entries:
                status = entry.stat()
                files.append((status.st_mtime, status.st_size, entry.path))
        total = sum(size for _, size, _ in files)
        count = len(files)
        for _, size, path in sorted(files):
            if total <= MAX_BYTES and count <= MAX_FILES:
                return
            os.unlink(path)
            total, count = total - size, count - 1
