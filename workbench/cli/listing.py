"""`workbench list`. Imports nothing that takes longer than the list itself."""

from __future__ import annotations

import os
import sys

from workbench import paths
from workbench.catalog import Catalog, UnknownExercise, near, shortened
from workbench.cli import FINE
from workbench.cli.output import is_unicode, print_json, print_line, width
from workbench.glyphs import sign
from workbench.progress.summary import solved, status_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from types import SimpleNamespace
    from typing import Any

    from workbench.catalog.index import Row


def main(options: Namespace | SimpleNamespace) -> int:
    """List exercises, by topic or in the order of an assignment, with what is done of each."""
    catalog = Catalog()
    shares, warning = solved(paths.progress_file())
    rows, lost = chosen(catalog, options.topic, options.assignment)
    warnings = [text for text in (warning, missing(catalog), *lost) if text]
    if options.json:
        print_json(
            {
                "exercises": [as_json(row, shares.get(row["id"], {})) for row in rows],
                "assignments": catalog.assignments,
                "warning": "; ".join(warnings),
            }
        )
        return FINE
    for text in warnings:
        print_line(f"warning: {text}", to=sys.stderr)
    topic = ""
    column = max((len(row["id"]) for row in rows), default=0)
    for row in rows:
        if row["topic"] != topic and not options.assignment:
            topic = row["topic"]
            print_line(topic)
        print_line(line(row, shares.get(row["id"], {}), column))
    return FINE


def chosen(catalog: Catalog, topic: str | None, assignment: str | None) -> tuple[list[Row], list[str]]:
    """The rows asked for, and a warning for each that an assignment names in vain: the others are shown all the same.

    Raises:
        UnknownExercise: if there is no such topic or assignment.
    """
    rows = catalog.rows
    lost: list[str] = []
    if assignment is not None:
        found = catalog.assignment(assignment)
        if found["broken"]:
            raise UnknownExercise(f"the assignment '{assignment}' cannot be used: {found['broken'][0]}")
        known = {row["id"]: row for row in rows}
        named = [item["exercise"] for item in found["exercises"]]
        rows = [known[name] for name in named if name in known]
        vain = [name for name in named if name not in known]
        lost = [f"{found['file']}: there is no exercise '{name}'{near(name, known)}" for name in vain]
    if topic is not None:
        if topic not in catalog.topics():
            raise UnknownExercise(f"there is no topic '{shortened(topic)}'{near(topic, catalog.topics())}")
        rows = [row for row in rows if row["topic"] == topic]
    return rows, lost


def missing(catalog: Catalog) -> str:
    """A warning if the pack is not there at all."""
    return "" if os.path.isdir(catalog.folder) else f"no exercises: {catalog.folder} is not a folder"


def as_json(row: Row, shares: dict[str, float]) -> dict[str, Any]:
    """A row with its progress."""
    out: dict[str, Any] = {**row, "status": status(row, shares)}
    out["parts"] = [{**part, "solved": shares.get(part["id"], 0.0) >= 1.0} for part in row["parts"]]
    return out


def status(row: Row, shares: dict[str, float]) -> str:
    """One of "done", "partly", "open" and "broken"."""
    return "broken" if row["broken"] else status_of([part["id"] for part in row["parts"]], shares)


def line(row: Row, shares: dict[str, float], column: int) -> str:
    """One row of the list, as wide as the terminal, its id in a column of that width; a fault is told to its end."""
    mark = sign(status(row, shares), ascii_only=not is_unicode())
    if row["broken"]:
        return f"  {mark} {row['id']:<{column}}  {row['broken'][0]}"
    done = sum(shares.get(part["id"], 0.0) >= 1.0 for part in row["parts"])
    facts = f"{done}/{len(row['parts'])}  {'*' * row['difficulty']:<5} {row['minutes']:>3} min"
    room = max(20, width() - column - len(facts) - 9)
    title = row["title"] if len(row["title"]) <= room else row["title"][: room - 3] + "..."
    return f"  {mark} {row['id']:<{column}}  {title:<{room}}  {facts}"
