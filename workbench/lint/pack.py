"""What can be told about a pack without running anything."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from engines.fields import Fault
from engines.fields import Path as DataPath
from workbench.catalog import index, near
from workbench.maths import Unsupported, layout
from workbench.spec import Assignment, BadFile, Document, Exercise, Problem, load_from_pack
from workbench.spec.exercise import PLACEHOLDER

FORMULA = re.compile(r"\$\$(.+?)\$\$|(?<!\\)\$(?!\s)([^$]+?)(?<!\s)\$", re.DOTALL)
# A formula wider than this does not fit beside anything at 80 columns.
WIDEST = 76


@dataclass
class Pack:
    """The exercises of a pack that can be used, and what is wrong with the rest."""

    exercises: list[tuple[Exercise, Document]] = field(default_factory=list)
    assignments: int = 0
    problems: list[Problem] = field(default_factory=list)


def read(folder: str, names: list[str] | None) -> Pack:
    """Read a pack, or some files of it, checking what refers to what."""
    found = Pack()
    known: dict[str, Exercise] = {}
    assignments: list[tuple[Assignment, Document]] = []
    swept = index.sweep(folder)
    found.problems += [_overlooked(folder, name) for name in names or () if name not in swept]
    for name in swept:
        wanted = names is None or name in names
        try:
            record, document = load_from_pack(folder, name, _shown(folder, name))
        except BadFile as bad:
            if wanted:
                found.problems += bad.problems
            continue
        if isinstance(record, Exercise):
            known[record.id] = record
            if wanted:
                found.exercises.append((record, document))
        elif wanted:
            assignments.append((record, document))
    for exercise, document in found.exercises:
        found.problems += [document.problem(fault) for fault in _faults(exercise, known)]
    for assignment, document in assignments:
        found.problems += [document.problem(fault) for fault in _dangling(assignment, known)]
    found.assignments = len(assignments)
    return found


def _overlooked(folder: str, name: str) -> Problem:
    """A file that was named to be looked at, and that no catalogue will look at."""
    message = "is no file of a pack: those end in .yaml and begin neither with '.' nor with '_'"
    return Problem(_shown(folder, name), 0, 0, message)


def _shown(folder: str, name: str) -> str:
    """A path as the author would type it from here."""
    path = os.path.join(folder, name)
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative


def _faults(exercise: Exercise, known: dict[str, Exercise]) -> Iterator[Fault]:
    for i, needed in enumerate(exercise.needs):
        if needed not in known:
            yield Fault(("needs", i), f"there is no exercise '{needed}'{near(needed, known)}")
        elif exercise.id in _all_needs(needed, known):
            yield Fault(("needs", i), f"'{needed}' needs this exercise in its turn")
    for path, text in _texts(exercise):
        for match in FORMULA.finditer(PLACEHOLDER.sub("x", text)):
            yield from _formula_faults(path, (match.group(1) or match.group(2)).strip())
    for i, part in enumerate(exercise.parts):
        if not part.hints:
            yield Fault(("parts", i), "has no hints: give one that leads, or say in a hint why none is needed")
        if not part.accepts:
            yield Fault(("parts", i), "has no sample under 'accepts'")
        if not part.rejects and not getattr(part, "mutants", ()):
            yield Fault(("parts", i), "has no sample under 'rejects'")


def _all_needs(start: str, known: dict[str, Exercise]) -> set[str]:
    """Everything that has to be done before an exercise, directly or not."""
    found: set[str] = set()
    todo = [start]
    while todo:
        current = todo.pop()
        for needed in known[current].needs if current in known else ():
            if needed not in found:
                found.add(needed)
                todo.append(needed)
    return found


def _texts(exercise: Exercise) -> Iterator[tuple[DataPath, str]]:
    """Every text that is drawn as Markdown."""
    yield ("statement",), exercise.statement
    for i, part in enumerate(exercise.parts):
        yield ("parts", i, "ask"), part.ask
        for j, hint in enumerate(part.hints):
            yield ("parts", i, "hints", j), hint
        for j, option in enumerate(getattr(part, "options", ())):
            yield ("parts", i, "options", j, "text"), option.text


def _formula_faults(path: DataPath, source: str) -> Iterator[Fault]:
    for ascii_only in (False, True):
        try:
            box = layout(source, ascii_only=ascii_only)
        except Unsupported as error:
            yield Fault(path, f"the formula ${source}$ cannot be drawn: {error}")
            return
        if box.width > WIDEST and not ascii_only:
            yield Fault(path, f"the formula ${source[:40]}…$ is {box.width} cells wide; break it below {WIDEST}")


def _dangling(assignment: Assignment, known: dict[str, Exercise]) -> Iterator[Fault]:
    for i, item in enumerate(assignment.exercises):
        exercise = known.get(item.exercise)
        if exercise is None:
            yield Fault(
                ("exercises", i, "exercise"), f"there is no exercise '{item.exercise}'{near(item.exercise, known)}"
            )
            continue
        for j, part in enumerate(item.parts):
            if exercise.part(part) is None:
                parts = {known_part.id: known_part for known_part in exercise.parts}
                yield Fault(("exercises", i, "parts", j), f"{exercise.id} has no part '{part}'{near(part, parts)}")
