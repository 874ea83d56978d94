"""The compiled catalogue: what a list of exercises needs, as JSON in the cache, rebuilt when a file changes.

Only `os` and `json` here: `workbench list` and the first frame wait for this module. Rows are plain
mappings (see `Row`), because records would cost more to import than the rest of the list takes.
"""

from __future__ import annotations

import json
import os

import workbench
from workbench import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypedDict

    class PartRow(TypedDict):
        """What the list knows of a part."""

        id: str
        kind: str
        points: float
        covers: list[str]

    class Row(TypedDict):
        """One exercise in the list. `broken` holds its problems; then there is little else."""

        id: str
        file: str
        topic: str
        title: str
        minutes: int
        difficulty: int
        points: float
        tags: list[str]
        needs: list[str]
        engine: str
        variants: bool
        source: list[str]
        erratum: bool
        parts: list[PartRow]
        search: str
        broken: list[str]

    class AssignedRow(TypedDict):
        """One exercise of an assignment."""

        exercise: str
        parts: list[str]
        points: float | None

    class AssignmentRow(TypedDict):
        """One assignment in the list."""

        id: str
        file: str
        title: str
        sheet: str
        exercises: list[AssignedRow]
        broken: list[str]

    class Index(TypedDict):
        """A whole pack."""

        exercises: list[Row]
        assignments: list[AssignmentRow]

    Stamp = list[int]


FORMAT = 1


def load(folder: str) -> Index:
    """The index of the pack in `folder`: from the cache where no file has changed, else compiled again."""
    stamps, stored = sweep(folder), read_stored(folder)
    if stored and stored["stamps"] == stamps and stored["files"].keys() == stamps.keys():
        return order(stored["files"])
    from workbench.catalog import build

    known = stored["files"] if stored else {}
    old = stored["stamps"] if stored else {}
    files = {
        name: known[name] if name in known and stamp == old.get(name) else build.row(folder, name)
        for name, stamp in stamps.items()
    }
    write_cache(cache_path(folder), {"folder": folder, "program": program_stamp(), "stamps": stamps, "files": files})
    return order(files)


def is_fresh(folder: str) -> bool:
    """Whether `load` will be a matter of milliseconds."""
    stored = read_stored(folder)
    return bool(stored) and stored["stamps"] == sweep(folder)


def read_stored(folder: str) -> dict[str, Any]:
    """The stored index of a pack; empty if there is none, or one that was made by other rules."""
    stored = read_cache(cache_path(folder))
    if stored.get("folder") != folder or stored.get("program") != program_stamp():
        return {}
    return stored if isinstance(stored.get("files"), dict) and isinstance(stored.get("stamps"), dict) else {}


def sweep(folder: str) -> dict[str, Stamp]:
    """Every YAML file of a pack, `topic/name.yaml`, with what changes when its content does.

    A file is judged by size and by both of its times: tools that put back the modification time cannot put
    back the other.
    """
    found: dict[str, Stamp] = {}
    try:
        topics = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and entry.name[0] not in "._")
    except OSError:
        return found
    for topic in topics:
        try:
            entries = sorted(os.scandir(os.path.join(folder, topic)), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            if entry.name.endswith((".yaml", ".yml")) and entry.name[0] not in "._":
                found[f"{topic}/{entry.name}"] = stamp_of(entry.path)
    return found


def stamp_of(path: str) -> Stamp:
    """Size and times of a file; zeros for one that cannot be looked at."""
    try:
        status = os.stat(path)
    except OSError:
        return [0, 0, 0]
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def program_stamp() -> list[Any]:
    """What a stored index must agree with besides the files: the rules that they were read by."""
    package = os.path.dirname(os.path.abspath(workbench.__file__))
    engines = os.path.join(os.path.dirname(package), "engines")
    sources = [os.path.join(package, "spec"), os.path.join(package, "catalog"), os.path.join(engines, "parameters")]
    newest = max((stamp_of(entry.path)[1] for folder in sources for entry in _scan(folder)), default=0)
    return [FORMAT, workbench.__version__, newest, stamp_of(os.path.join(engines, "fields.py"))[1]]


def _scan(folder: str) -> list[os.DirEntry[str]]:
    try:
        return [entry for entry in os.scandir(folder) if entry.name.endswith(".py")]
    except OSError:
        return []


def order(files: dict[str, Any]) -> Index:
    """Rows in the order of the list: by topic, then from easy to hard; assignments by name."""
    exercises = [row for name, row in files.items() if not name.startswith(paths.ASSIGNMENTS + "/")]
    assignments = [row for name, row in files.items() if name.startswith(paths.ASSIGNMENTS + "/")]
    exercises.sort(key=lambda row: (row["topic"], row["difficulty"], row["id"]))
    assignments.sort(key=lambda row: str(row["id"]))
    return {"exercises": exercises, "assignments": assignments}


def cache_path(folder: str) -> str:
    """Where the index of a pack is stored. Two packs at one name would only compile each other's index again."""
    digest = int.from_bytes(os.fsencode(folder), "little") % (2**61 - 1)
    return os.path.join(paths.cache(), f"catalog-{digest:x}.json")


def read_cache(path: str) -> dict[str, Any]:
    """A stored index; empty if there is none that can be read."""
    try:
        with open(path, "rb") as file:
            stored = json.loads(file.read())
    except (OSError, ValueError, RecursionError):
        return {}
    return stored if isinstance(stored, dict) else {}


def write_cache(path: str, content: dict[str, Any]) -> None:
    """Store an index. Where that is impossible the next start compiles it again, and nothing else happens."""
    import contextlib

    from workbench.files import write_atomically

    with contextlib.suppress(OSError):
        write_atomically(path, json.dumps(content, separators=(",", ":")).encode())
