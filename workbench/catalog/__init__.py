"""Packs of exercises: the list of what there is, and the exercises themselves."""

from __future__ import annotations

from workbench import paths
from workbench.catalog import index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from workbench.catalog.index import AssignmentRow, Index, Row
    from workbench.spec import Exercise


class UnknownExercise(LookupError):
    """No exercise, part or assignment has that name; the message says what is near it."""


class Catalog:
    """The exercises of one pack. Files are looked at when the catalogue is made and when one is opened.

    Args:
        folder: the pack; the built-in one by default.
        found: its index, where that is known already.
    """

    def __init__(self, folder: str | None = None, found: Index | None = None) -> None:
        self.folder = folder or paths.exercises()
        found = found or index.load(self.folder)
        self.rows: list[Row] = found["exercises"]
        self.assignments: list[AssignmentRow] = found["assignments"]
        self._by_id = {row["id"]: row for row in self.rows}
        self._texts: dict[str, str] | None = None

    @classmethod
    def as_stored(cls, folder: str | None = None) -> Catalog | None:
        """The catalogue as it was compiled last, at once; None if it has to be compiled first."""
        folder = folder or paths.exercises()
        found = index.stored(folder)
        return cls(folder, found) if found else None

    def is_fresh(self) -> bool:
        """Whether no file has changed since the catalogue was compiled."""
        return index.is_fresh(self.folder)

    @property
    def texts(self) -> dict[str, str]:
        """What a search looks through, by exercise."""
        if self._texts is None:
            self._texts = index.texts(self.folder)
        return self._texts

    def row(self, exercise_id: str) -> Row:
        """What the list knows of an exercise.

        Raises:
            UnknownExercise: if there is none of that id.
        """
        if exercise_id not in self._by_id:
            raise UnknownExercise(f"there is no exercise '{shortened(exercise_id)}'{near(exercise_id, self._by_id)}")
        return self._by_id[exercise_id]

    def exercise(self, exercise_id: str) -> Exercise:
        """The exercise itself, read from its file as it stands now.

        Raises:
            UnknownExercise: if there is none of that id.
            BadFile: if its file cannot be used.
        """
        from workbench.catalog import build
        from workbench.spec import Exercise

        found = build.read(self.folder, self.row(exercise_id)["file"])
        assert isinstance(found, Exercise)
        return found

    def assignment(self, assignment_id: str) -> AssignmentRow:
        """An assignment.

        Raises:
            UnknownExercise: if there is none of that id.
        """
        for row in self.assignments:
            if row["id"] == assignment_id:
                return row
        names = {row["id"]: row for row in self.assignments}
        raise UnknownExercise(f"there is no assignment '{shortened(assignment_id)}'{near(assignment_id, names)}")

    def origin(self, row: Row) -> str:
        """Where an exercise comes from: the assignment made of its sheet, or the sheet's file; "" if not told."""
        if not row["source"]:
            return ""
        sheet, question = row["source"]
        titles = (assignment["title"] for assignment in self.assignments if assignment["sheet"] == sheet)
        return f"{next(titles, sheet)}, question {question}"

    def topics(self) -> list[str]:
        """The topics, in the order of the list."""
        return list(dict.fromkeys(row["topic"] for row in self.rows))


def near(name: str, known: object, shown_by: str = "workbench list") -> str:
    """The end of a sentence that says what was perhaps meant, or what there is; `shown_by` is where all are shown."""
    import difflib

    names = list(known)  # type: ignore[call-overload]
    close = difflib.get_close_matches(name, names, 1)
    if not close and "/" in name:
        close = [known_name for known_name in names if known_name.endswith("/" + name.rpartition("/")[2])][:1]
    if not close and "/" not in name:
        close = [known_name for known_name in names if name and name in known_name][:1]
    if close:
        return f"; did you mean {close[0]}?"
    return f"; there are {', '.join(names)}" if 0 < len(names) <= 6 else f"; `{shown_by}` shows what there is"


def shortened(name: str) -> str:
    """A name as typed, cut where it gets long, and without characters that a terminal would act upon."""
    plain = "".join(char if char.isprintable() else "?" for char in name)
    return plain if len(plain) <= 60 else plain[:57] + "..."
