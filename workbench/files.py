"""Files and folders that are their owner's alone, writing a file whole or not at all, and folders for a moment."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from workbench import paths

# What a killed program has left in the scratch folder goes when it is this old.
STALE_SECONDS = 24 * 3600.0


def make_folder(path: str) -> None:
    """Make a folder, and those above it that are missing, as the XDG specification wants them: the user's alone.

    Raises:
        OSError: if it cannot be made.
    """
    missing = []
    while path and not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for folder in reversed(missing):
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            if not os.path.isdir(folder):  # else another workbench has just made it
                raise


def make_file(path: str) -> None:
    """Make an empty file that only its owner may read, and the folders above it; one that is there is left alone.

    Raises:
        OSError: if it cannot be made.
    """
    if not os.path.exists(path):
        make_folder(os.path.dirname(path))
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def write_atomically(path: str, content: bytes) -> None:
    """Replace the file at `path`, making the folders above it; a reader sees the old or the new, never half.

    Raises:
        OSError: if it cannot be written; nothing is left behind then.
    """
    make_folder(os.path.dirname(path))
    temporary = f"{path}.{os.urandom(4).hex()}.tmp"  # two threads may write one file
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise OSError(error.errno, error.strerror, path) from None  # the name that means something to a reader


@contextlib.contextmanager
def scratch_folder() -> Iterator[str]:
    """A folder for a moment, below the cache directory, or the system's temporary one if that cannot be written.

    Raises:
        OSError: if there is no room for one anywhere.
    """
    import tempfile

    base = os.path.join(paths.cache(), "scratch")
    try:
        make_folder(base)
        _sweep(base)
        folder = tempfile.mkdtemp(dir=base)
    except OSError:
        folder = tempfile.mkdtemp(prefix=f"{paths.APP}-")
    try:
        yield folder
    finally:
        _remove(folder)


def _remove(folder: str) -> None:
    """Remove a folder and what is below, also where somebody has forbidden to look."""
    import shutil

    for above, names, _ in os.walk(folder):
        for name in names:
            if not os.path.islink(path := os.path.join(above, name)):
                os.chmod(path, 0o700)
    shutil.rmtree(folder, ignore_errors=True)


def _sweep(base: str) -> None:
    import time

    with os.scandir(base) as entries:
        for entry in entries:
            if entry.stat(follow_symlinks=False).st_mtime < time.time() - STALE_SECONDS:
                _remove(entry.path)


def not_replaceable(path: str) -> str:
    """Why no file may be put at `path`, as the end of a sentence; "" if nothing stands against it."""
    if "\0" in path:
        return "has a NUL byte in it"
    if os.path.isdir(path) or not os.path.basename(path):
        return "is a directory"
    if not os.path.isdir(os.path.dirname(path) or "."):
        return "is in a folder that does not exist"
    if os.path.exists(path) and not os.path.isfile(path):
        return "is no regular file"  # a device or a pipe, which would be gone
    return ""
