"""The compiled catalogue: what a list of exercises needs, as lines of JSON in the cache, rebuilt when a file changes.

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


FORMAT = 2


def load(folder: str) -> Index:
    """The index of the pack in `folder`: from the cache where no file has changed, else compiled again."""
    stamps = sweep(folder)
    found = _read(folder, "rows", "stamps")
    current = found and found[1] == stamps and _is_index(found[0])
    rows: Index = found[0] if current else _compile(folder, stamps)
    return rows


def stored(folder: str) -> Index | None:
    """The index as it was compiled last, without a look at the files; None if there is none to go by."""
    found = _read(folder, "rows")
    return found[0] if found and _is_index(found[0]) else None


def is_fresh(folder: str) -> bool:
    """Whether the stored index is what the files say."""
    found = _read(folder, "stamps")
    return bool(found) and found[0] == sweep(folder)


def texts(folder: str) -> dict[str, str]:
    """What a search looks through, by exercise: its names, tags, statement and questions in small letters."""
    found = _read(folder, "texts")
    return found[0] if found else {}


# The lines of a stored index after the first, which names what it was made from. Each is parsed only when it is
# needed: of a large pack, the list needs a fraction.
LINES = ("rows", "stamps", "texts")


def _read(folder: str, *wanted: str) -> list[Any]:
    """The lines asked for, in the order in which they stand; nothing if they cannot be believed."""
    found = []
    try:
        with open(cache_path(folder), "rb") as file:
            if json.loads(file.readline()) != _head(folder):
                return []
            for name in LINES:
                line = file.readline()
                if name in wanted:
                    found.append(json.loads(line))
                if len(found) == len(wanted):
                    break
    except (OSError, ValueError, RecursionError):
        return []
    return found if all(isinstance(content, dict) for content in found) else []


def _head(folder: str) -> dict[str, Any]:
    return {"folder": folder, "program": program_stamp()}


def _is_index(rows: dict[str, Any]) -> bool:
    return rows.keys() == {"exercises", "assignments"} and all(
        isinstance(group, list) and all("file" in row for row in group) for group in rows.values()
    )


def _compile(folder: str, stamps: dict[str, Stamp]) -> Index:
    """Read the files that changed, and store the index."""
    from workbench.catalog import build

    rows, old, known_texts = _read(folder, *LINES) or [{}, {}, {}]
    known = {row["file"]: row for group in rows.values() for row in group} if _is_index(rows) else {}
    files: dict[str, Any] = {}
    words: dict[str, str] = {}
    for name, stamp in stamps.items():
        if name in known and stamp == old.get(name):
            files[name], text = known[name], known_texts.get(known[name]["id"], "")
        else:
            files[name], text = build.row(folder, name)
        words[files[name]["id"]] = text
    found = order(files)
    write_cache(cache_path(folder), _head(folder), found, stamps, words)
    return found


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
    """A stored value; empty if there is none that can be read."""
    try:
        with open(path, "rb") as file:
            found = json.loads(file.read())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def write_cache(path: str, *lines: object) -> None:
    """Store values, one a line. Where that is impossible they are made again next time, and nothing else happens."""
    import contextlib

    from workbench.files import write_atomically

    with contextlib.suppress(OSError):
        write_atomically(path, "\n".join(json.dumps(line, separators=(",", ":")) for line in lines).encode())
