"""Writing to a terminal, a pipe or a script, each as it can take it."""

from __future__ import annotations

import json
import os
import sys

from workbench.glyphs import to_ascii

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TextIO

    from rich.console import Console


def is_unicode(stream: TextIO | None = None) -> bool:
    """Whether a stream can carry more than ASCII."""
    return ((stream or sys.stdout).encoding or "").lower().replace("-", "").startswith("utf")


def write(text: str, to: TextIO | None = None) -> None:
    """Write as it stands. Where the reader has gone, to nowhere: what was asked for is done all the same."""
    stream = to or sys.stdout
    try:
        stream.write(text)
    except BrokenPipeError:
        discard(stream)


def discard(stream: TextIO) -> None:
    """From now on, send what is written to a stream to the null device."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def print_json(value: dict[str, Any]) -> None:
    """One JSON object, and nothing else, on standard output."""
    write(json.dumps(value, allow_nan=False) + "\n")


def print_line(text: str = "", to: TextIO | None = None) -> None:
    """A line of text, in ASCII where the stream can take no more, and without what a terminal would act upon."""
    stream = to or sys.stdout
    shown = text if text.isprintable() else "".join(map(_shown, text))
    write((shown if is_unicode(stream) else to_ascii(shown)) + "\n", stream)


def _shown(char: str) -> str:
    harmless = char.isprintable() or char == "\n" or (char.isspace() and not char.isascii() and char != "\x85")
    return char if harmless else "?"


def width(default: int = 80) -> int:
    """Columns of the terminal, or a default where there is none."""
    try:
        columns = os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError):
        columns = 0
    return columns if columns > 0 else default


def console() -> Console:
    """A rich console on standard output, for text that carries styles."""
    from rich.console import Console

    class Patient(Console):
        """Goes on without a reader, as `write` does; rich would end the program, as if the answer were wrong."""

        def on_broken_pipe(self) -> None:
            self.quiet = True
            discard(sys.stdout)

    return Patient(highlight=False, soft_wrap=False, width=min(width(), 120), emoji=False, markup=False)
