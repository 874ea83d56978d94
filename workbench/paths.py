"""Where things are kept: the XDG base directories, and the data that came with the package.

Nothing here touches the disk, and nothing heavy is imported: the list must be on screen in a few milliseconds.
"""

from __future__ import annotations

import os

APP = "workbench"

# The folder of a pack that holds assignments; the others are topics.
ASSIGNMENTS = "assignments"

_DEFAULTS = {
    "XDG_CONFIG_HOME": ".config",
    "XDG_DATA_HOME": ".local/share",
    "XDG_STATE_HOME": ".local/state",
    "XDG_CACHE_HOME": ".cache",
}


def home() -> str:
    """The user's home directory, or a place below the system's temporary folder where there is none."""
    found = os.path.expanduser("~")
    if os.path.isabs(found) and found != "/":
        return found
    import tempfile

    return os.path.join(tempfile.gettempdir(), f"{APP}-{os.getuid()}")


def has_home() -> bool:
    """Whether `home` is a home directory and not the makeshift that is lost with the machine's next start."""
    found = os.path.expanduser("~")
    return os.path.isabs(found) and found != "/"


def _base(variable: str) -> str:
    # A relative path in these variables is invalid by the XDG specification and is ignored.
    value = os.environ.get(variable, "")
    base = value if os.path.isabs(value) and "\0" not in value else os.path.join(home(), _DEFAULTS[variable])
    return os.path.join(base, APP)


def config() -> str:
    """Settings and own themes."""
    return _base("XDG_CONFIG_HOME")


def data() -> str:
    """Progress."""
    return _base("XDG_DATA_HOME")


def state() -> str:
    """Logs, and what may be lost without harm but should survive a restart."""
    return _base("XDG_STATE_HOME")


def cache() -> str:
    """What can be made again: the compiled catalogue, results of runs."""
    return _base("XDG_CACHE_HOME")


def progress_file() -> str:
    """The database of attempts and drafts."""
    return os.path.join(data(), "progress.db")


def _shipped(name: str) -> str:
    """A folder that travels inside the package, or stands beside it in a checkout."""
    package = os.path.dirname(os.path.abspath(__file__))
    inside = os.path.join(package, "data", name)
    return inside if os.path.isdir(inside) else os.path.join(os.path.dirname(package), name)


def exercises() -> str:
    """The built-in pack."""
    return _shipped("exercises")


def themes() -> str:
    """The built-in themes."""
    return _shipped("themes")
