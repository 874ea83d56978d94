"""`workbench doctor`: what the workbench found on this machine."""

from __future__ import annotations

import contextlib
import importlib.util
import locale
import os
import platform
import sys
from argparse import Namespace
from typing import Any

from workbench import __version__, paths
from workbench.catalog import Catalog
from workbench.cli import FAILED, FINE
from workbench.cli.output import is_unicode, print_json, print_line, width
from workbench.compute.log import log_file
from workbench.sandbox import LEVEL, LEVEL_NAME
from workbench.session import ComputeError, Workplace

START_SECONDS = 120.0
# Facts that say themselves what they are.
PLAIN = ("path", "device", "name")


def main(options: Namespace) -> int:
    """Look around and tell; status 4 if nothing can be computed here."""
    found = look_around()
    if options.json:
        print_json(found)
    else:
        for heading, facts in found.items():
            if isinstance(facts, dict):
                print_line(heading)
                for name, value in facts.items():
                    print_line(f"  {name:<12} {_words(value)}")
            else:
                print_line(f"{heading:<14} {_words(facts)}")
    return FINE if found["compute"]["works"] else FAILED


def look_around() -> dict[str, Any]:
    """Everything that could explain why something does not work."""
    return {
        "workbench": __version__,
        "python": f"{platform.python_version()} at {sys.executable}",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "compute": compute(),
        "memory": memory(),
        "terminal": terminal(),
        "isolation": {"level": LEVEL, "name": LEVEL_NAME},
        "paths": places(),
        "pack": pack(),
    }


def compute() -> dict[str, Any]:
    """Torch and the devices, asked of a worker as any run would be."""
    if importlib.util.find_spec("torch") is None:
        return {"works": False, "problem": "torch is not installed for this Python"}
    with contextlib.closing(Workplace()) as workplace:
        try:
            found = workplace.compute.ask(task="describe", reuse=False, timeout=START_SECONDS).output
        except (ComputeError, TimeoutError) as error:
            return {"works": False, "problem": str(error) or "no worker was ready in time", "log": log_file()}
    return {"works": True, **found}


def memory() -> dict[str, Any]:
    """Main memory, in bytes."""
    found = {}
    try:
        with open("/proc/meminfo") as file:
            for line in file:
                name, _, rest = line.partition(":")
                if name in ("MemTotal", "MemAvailable"):
                    found[{"MemTotal": "total", "MemAvailable": "available"}[name]] = int(rest.split()[0]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return found


def terminal() -> dict[str, Any]:
    """What the terminal says of itself."""
    return {
        "tty": sys.stdout.isatty(),
        "TERM": os.environ.get("TERM", ""),
        "COLORTERM": os.environ.get("COLORTERM", ""),
        "NO_COLOR": "NO_COLOR" in os.environ,
        "columns": width(),
        "tmux": "TMUX" in os.environ,
        "ssh": "SSH_CONNECTION" in os.environ,
        "encoding": sys.stdout.encoding or "",
        "unicode": is_unicode(),
        "locale": locale.setlocale(locale.LC_CTYPE, None),
    }


def places() -> dict[str, Any]:
    """Where things are kept, and whether they can be."""
    folders = {"config": paths.config(), "data": paths.data(), "state": paths.state(), "cache": paths.cache()}
    return {name: {"path": path, "writable": _writable(path)} for name, path in folders.items()} | {
        "home": {"path": paths.home(), "real": paths.has_home()}
    }


def pack() -> dict[str, Any]:
    """The built-in exercises."""
    catalog = Catalog()
    broken = [row["id"] for row in catalog.rows if row["broken"]]
    return {"path": catalog.folder, "exercises": len(catalog.rows) - len(broken), "broken": broken}


def _writable(path: str) -> bool:
    """Whether a folder could be written, or made: what stands in its place or above it is a folder that can be."""
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    return os.path.isdir(path) and os.access(path, os.W_OK | os.X_OK)


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and value > 1 << 24:
        return f"{value / 2**30:.1f} GiB"
    if isinstance(value, dict):
        return ", ".join(str(item) if name in PLAIN else f"{name} {_words(item)}" for name, item in value.items())
    if isinstance(value, list):
        return "; ".join(map(_words, value)) or "none"
    return str(value) or "none"
