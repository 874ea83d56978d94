"""What a student has chosen for the screen, kept between sessions."""

from __future__ import annotations

import contextlib
import json
import os
from typing import NamedTuple

from workbench import paths
from workbench.files import write_atomically


class Settings(NamedTuple):
    """Choices, each with its default."""

    theme: str = "dark"
    grouping: str = "topic"

    @classmethod
    def load(cls) -> Settings:
        """The stored choices; the defaults where there are none, or none that can be read."""
        try:
            with open(_file(), encoding="utf-8") as file:
                stored = json.load(file)
        except (OSError, ValueError, RecursionError):
            return cls()
        if not isinstance(stored, dict):
            return cls()
        return cls(**{name: value for name, value in stored.items() if name in cls._fields and isinstance(value, str)})

    def with_theme(self, name: str) -> Settings:
        """The same with another theme."""
        return self._replace(theme=name)

    def with_grouping(self, grouping: str) -> Settings:
        """The same with another grouping of the list."""
        return self._replace(grouping=grouping)

    def save(self) -> None:
        """Keep them; where that is impossible they hold for this session."""
        with contextlib.suppress(OSError):
            write_atomically(_file(), json.dumps(self._asdict()).encode())


def _file() -> str:
    return os.path.join(paths.state(), "settings.json")
