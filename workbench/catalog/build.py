"""From exercise files to the rows of the index: reads and checks each of them. Imports the YAML reader."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.paths import ASSIGNMENTS
from workbench.spec import Assignment, BadFile, Exercise, load_from_pack

if TYPE_CHECKING:
    from workbench.catalog.index import AssignmentRow, Row

# Of a long statement, a search looks at the beginning.
MAX_TEXT = 2000


def row(folder: str, name: str) -> tuple[Any, str]:
    """The row of one file of a pack, `topic/name.yaml`, and the text that a search looks through.

    A file that cannot be used gives a row that says why.
    """
    is_assignment = name.startswith(ASSIGNMENTS + "/")
    try:
        found = read(folder, name)
    except BadFile as bad:
        problems = [str(problem) for problem in bad.problems]
        return (_broken_assignment(name, problems) if is_assignment else _broken(name, problems)), ""
    return (_assignment(found, name), "") if isinstance(found, Assignment) else (_exercise(found, name), text(found))


def read(folder: str, name: str) -> Exercise | Assignment:
    """The exercise or assignment in one file of a pack, called by the pack's own name in messages.

    Raises:
        BadFile: with every fault found.
    """
    return load_from_pack(folder, name, os.path.join(os.path.basename(folder.rstrip("/")), name))[0]


def text(exercise: Exercise) -> str:
    """What a search looks through, in small letters."""
    words = [exercise.id, exercise.title, *exercise.tags, exercise.statement, *(part.ask for part in exercise.parts)]
    return " ".join(" ".join(words).lower().split())[:MAX_TEXT]


def _exercise(exercise: Exercise, name: str) -> Row:
    return {
        "id": exercise.id,
        "file": name,
        "topic": exercise.topic,
        "title": exercise.title,
        "minutes": exercise.minutes,
        "difficulty": exercise.difficulty,
        "points": exercise.points,
        "tags": list(exercise.tags),
        "needs": list(exercise.needs),
        "engine": exercise.engine,
        "variants": exercise.variants,
        "source": [exercise.source.sheet, exercise.source.question] if exercise.source else [],
        "erratum": bool(exercise.errata),
        "parts": [
            {"id": part.id, "kind": part.kind, "points": part.points, "covers": list(part.covers)}
            for part in exercise.parts
        ],
        "broken": [],
    }


def _broken(name: str, problems: list[str]) -> Row:
    stem = name.rpartition(".")[0]
    return {
        "id": stem,
        "file": name,
        "topic": stem.partition("/")[0],
        "title": stem.partition("/")[2],
        "minutes": 0,
        "difficulty": 0,
        "points": 0.0,
        "tags": [],
        "needs": [],
        "engine": "",
        "variants": False,
        "source": [],
        "erratum": False,
        "parts": [],
        "broken": problems,
    }


def _assignment(assignment: Assignment, name: str) -> AssignmentRow:
    return {
        "id": assignment.id,
        "file": name,
        "title": assignment.title,
        "sheet": assignment.sheet,
        "exercises": [
            {"exercise": item.exercise, "parts": list(item.parts), "points": item.points}
            for item in assignment.exercises
        ],
        "broken": [],
    }


def _broken_assignment(name: str, problems: list[str]) -> AssignmentRow:
    stem = Path(name).stem
    return {"id": stem, "file": name, "title": stem, "sheet": "", "exercises": [], "broken": problems}
