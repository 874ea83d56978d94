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


def print_json(value: dict[str, Any]) -> None:
    """One JSON object, and nothing else, on standard output."""
    sys.stdout.write(json.dumps(value, allow_nan=False) + "\n")


def print_line(text: str = "", to: TextIO | None = None) -> None:
    """A line of text, in ASCII where the stream can take no more."""
    stream = to or sys.stdout
    stream.write((text if is_unicode(stream) else to_ascii(text)) + "\n")


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

    return Console(highlight=False, soft_wrap=False, width=min(width(), 120), emoji=False, markup=False)
