"""The named values of a result, as a person reads them: the same on the screen and on the command line."""

from __future__ import annotations

from typing import Any

from engines.arrays import Array
from workbench.answers.tensor import written

# Entries of an array that are written out; of a larger one only its shape is told.
MOST_ENTRIES = 64


def in_words(value: Any) -> str:
    """A value as it would be typed as an answer; of what is larger than that, what it is."""
    if isinstance(value, Array):
        return written(value) if value.size <= MOST_ENTRIES else f"{value.dtype} of shape {list(value.shape)}"
    if isinstance(value, dict):
        return f"{{{', '.join(value)}}}"
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    if isinstance(value, list) and value and all(_is_sequence(item) for item in value):
        return "; ".join(" ".join(item) for item in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _is_sequence(value: Any) -> bool:
    """Whether a value is a sequence of tokens."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
