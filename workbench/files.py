"""Writing a file whole or not at all."""

from __future__ import annotations

import contextlib
import os


def write_atomically(path: str, content: bytes, *, mode: int = 0o600) -> None:
    """Replace the file at `path`, making the folders above it; a reader sees the old or the new, never half.

    Raises:
        OSError: if it cannot be written; nothing is left behind then.
    """
    os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
    temporary = f"{path}.{os.urandom(4).hex()}.tmp"  # two threads may write one file
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        error.filename, error.filename2 = path, None  # the name that means something to whoever reads it
        raise


def not_replaceable(path: str) -> str:
    """Why no file may be put at `path`, as the end of a sentence; "" if nothing stands against it."""
    if "\0" in path:
        return "has a NUL byte in it"
    if os.path.isdir(path) or not os.path.basename(path):
        return "is a directory"
    if os.path.exists(path) and not os.path.isfile(path):
        return "is no regular file"  # a device or a pipe, which would be gone
    return ""
