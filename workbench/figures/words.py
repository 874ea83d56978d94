"""Text in cells: cleaned, shortened, padded and wrapped to the room that a figure has."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, Literal, TypeVar

from rich.cells import cell_len

from workbench.figures.look import Look
from workbench.glyphs import to_ascii

T = TypeVar("T")
Align = Literal["l", "r", "c"]

# They ask for another form of the character before them and make its width a matter of opinion.
_SELECTORS = dict.fromkeys(range(0xFE00, 0xFE10))


def width_of(text: str) -> int:
    """How many cells a text takes."""
    return len(text) if text.isascii() else cell_len(text)


def readable(value: T, look: Look) -> T:
    """A figure, or part of one, whose texts may all be put on the screen as they are."""
    ready: T = _readable(value, look)
    return ready


def _readable(value: Any, look: Look) -> Any:
    if isinstance(value, str):
        return clean(value, look)
    if isinstance(value, tuple):
        return tuple(_readable(item, look) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type) and hasattr(value, "__dict__"):
        changes = {name: _readable(item, look) for name, item in vars(value).items()}
        return dataclasses.replace(value, **changes)
    return value


def clean(text: str, look: Look) -> str:
    """Text in one line, without control characters, and in ASCII where nothing else may be shown."""
    if not text.isprintable():
        text = "".join(char if char.isprintable() else " " for char in text)
    if not text.isascii():
        text = to_ascii(text) if look.ascii_only else text.translate(_SELECTORS)
    return text.strip()


def shorten(text: str, room: int, look: Look) -> str:
    """Text of at most `room` cells; what was cut is marked."""
    if width_of(text) <= room:
        return text
    if room <= 0:
        return ""
    mark = look.sign("more")
    if look.ascii_only and room >= 8:
        mark *= 3
    # No character is wider than the cells asked for, so that a first cut keeps the loop short.
    text = text[: 4 * room]
    while width_of(text) > room - len(mark):
        text = text[:-1]
    return text.rstrip() + mark


def shorten_all(labels: Iterable[str], room: int, look: Look) -> list[str]:
    """Labels of at most `room` cells; cut in the middle if they would be the same without their ends."""
    labels = list(labels)
    short = [shorten(label, room, look) for label in labels]
    if len(set(short)) == len(set(labels)):
        return short
    return [_without_middle(label, room, look) for label in labels]


def _without_middle(text: str, room: int, look: Look) -> str:
    mark = look.sign("more")
    if width_of(text) <= room or room < 3:
        return shorten(text, room, look)
    head, tail = text[:room], text[-room:]
    while width_of(tail) > room // 2:
        tail = tail[1:]
    while width_of(head) > room - width_of(tail) - len(mark):
        head = head[:-1]
    return head + mark + tail


def pad(text: str, room: int, align: Align = "l") -> str:
    """Text filled up with spaces to `room` cells."""
    spare = max(0, room - width_of(text))
    left = {"l": 0, "r": spare, "c": spare // 2}[align]
    return " " * left + text + " " * (spare - left)


def fit(text: str, room: int, look: Look, align: Align = "l") -> str:
    """Text of exactly `room` cells."""
    return pad(shorten(text, room, look), room, align)


def wrap(text: str, room: int, limit: int, look: Look) -> list[str]:
    """Text as at most `limit` lines of at most `room` cells, broken between words."""
    lines: list[str] = []
    line = ""
    words = text.split()
    for index, word in enumerate(words):
        if line and width_of(line) + 1 + width_of(word) > room:
            if len(lines) == limit - 1:
                return [*lines, shorten(" ".join([line, *words[index:]]), room, look)]
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
        line = shorten(line, room, look)
    return [*lines, line] if line else lines
