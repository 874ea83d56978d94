"""Exercise and assignment files: read strictly, with every fault at its line and column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engines.fields import BadData, Fault, json_schema, read
from workbench.paths import ASSIGNMENTS
from workbench.spec.exercise import AnyPart, Assignment, Exercise, Part
from workbench.spec.source import BadFile, Document, Problem, load

__all__ = [
    "AnyPart",
    "Assignment",
    "BadFile",
    "Document",
    "Exercise",
    "Part",
    "Problem",
    "exercise_schema",
    "load_from_pack",
]


def load_from_pack(folder: str, name: str, shown: str) -> tuple[Exercise | Assignment, Document]:
    """One file of a pack, `topic/name.yaml` or `assignments/name.yaml`, and the places of what stands in it.

    Args:
        folder: the pack.
        name: the file within it; what it holds is told by its folder.
        shown: how messages call the file.

    Raises:
        BadFile: with every fault found, among them a file that does not lie where its id says.
    """
    path = Path(folder, name)
    if path.suffix != ".yaml":
        raise BadFile([Problem(shown, 0, 0, f"ends in {path.suffix}; rename it to .yaml")])
    document = load(path, shown)
    is_assignment = path.parent.name == ASSIGNMENTS
    try:
        found: Exercise | Assignment = (
            read(Assignment, document.data) if is_assignment else read(Exercise, document.data)
        )
    except BadData as bad:
        raise BadFile([document.problem(fault) for fault in bad.faults]) from None
    actual = path.stem if is_assignment else f"{path.parent.name}/{path.stem}"
    if found.id != actual:
        message = f"'{found.id}' does not fit where the file lies; write '{actual}' or move the file"
        raise BadFile([document.problem(Fault(("id",), message))])
    return found, document


def exercise_schema() -> dict[str, Any]:
    """The JSON Schema of an exercise file, for editors."""
    return json_schema(Exercise, title="Workbench exercise")
