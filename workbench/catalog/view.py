"""What a list of exercises shows: which rows, in which groups, after searching and filtering. No screen in it.

Its records are named tuples: a dataclass takes a millisecond to make, and the first frame waits for this module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Literal, NamedTuple

from workbench.progress.summary import status_of

if TYPE_CHECKING:
    from workbench.catalog import Catalog
    from workbench.catalog.index import Row

Status = Literal["done", "partly", "open", "broken"]
Grouping = Literal["topic", "assignment"]
Only = Literal["all", "open", "partly", "done"]

GROUPINGS: tuple[Grouping, ...] = ("topic", "assignment")
FILTERS: tuple[Only, ...] = ("all", "open", "partly", "done")


class Entry(NamedTuple):
    """One line of the list: a heading (no row), or an exercise with its progress."""

    heading: str = ""
    row: Row | None = None
    status: Status = "open"
    solved: int = 0

    @property
    def exercise_id(self) -> str:
        """The exercise of the line, "" for a heading."""
        return self.row["id"] if self.row else ""


class View(NamedTuple):
    """How the list is looked at."""

    grouping: Grouping = "topic"
    only: Only = "all"
    query: str = ""

    def next_grouping(self) -> View:
        """The same with the other grouping."""
        return self._replace(grouping=GROUPINGS[(GROUPINGS.index(self.grouping) + 1) % len(GROUPINGS)])

    def next_filter(self) -> View:
        """The same with the next filter."""
        return self._replace(only=FILTERS[(FILTERS.index(self.only) + 1) % len(FILTERS)])


Shares = Mapping[str, Mapping[str, float]]


def entries(catalog: Catalog, shares: Shares, view: View) -> list[Entry]:
    """The lines of the list. Groups without a line that passes the filters are left out."""
    out: list[Entry] = []
    words = view.query.lower().split()
    for heading, rows in _groups(catalog, view.grouping):
        found = [row for row in rows if matches(row, words, catalog.texts)] if words else rows
        lines = [_entry(row, shares.get(row["id"], {})) for row in found]
        lines = [line for line in lines if view.only in ("all", line.status)]
        if lines:
            out += [Entry(heading), *lines]
    return out


def _groups(catalog: Catalog, grouping: Grouping) -> list[tuple[str, list[Row]]]:
    if grouping == "topic":
        return [(topic, list(rows)) for topic, rows in groupby(catalog.rows, lambda row: row["topic"])]
    rows = {row["id"]: row for row in catalog.rows}
    groups = []
    for assignment in catalog.assignments:
        named = [item["exercise"] for item in assignment["exercises"]]
        heading = assignment["title"] + (f"  (broken: {assignment['broken'][0]})" if assignment["broken"] else "")
        groups.append((heading, [rows[name] for name in named if name in rows]))
    return groups


def _entry(row: Row, done: Mapping[str, float]) -> Entry:
    if not done or row["broken"]:
        return Entry("", row, "broken" if row["broken"] else "open")
    parts = [part["id"] for part in row["parts"]]
    status = status_of(parts, done)
    return Entry("", row, status, sum(done.get(part, 0.0) >= 1.0 for part in parts))  # type: ignore[arg-type]


def matches(row: Row, words: Sequence[str], texts: Mapping[str, str]) -> bool:
    """Whether every one of these words occurs in an exercise's names, tags, statement or questions."""
    text = texts.get(row["id"], "")
    return all(word in text or word in row["id"] for word in words)


def counts(lines: Sequence[Entry]) -> dict[str, int]:
    """How many exercises of a list there are in each status."""
    out = {"done": 0, "partly": 0, "open": 0, "broken": 0}
    seen: set[str] = set()
    for line in lines:
        if line.row is not None and line.exercise_id not in seen:
            seen.add(line.exercise_id)
            out[line.status] += 1
    return out
