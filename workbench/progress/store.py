"""Attempts and drafts in SQLite, safe on a network home and when the power goes.

An attempt is on disk before `record` returns. Two workbenches may use one file. A home that is read-only or
full turns the store into one in memory, with a `warning`; a damaged file is set aside, never overwritten, and
the newest backup takes its place.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from workbench.files import make_file
from workbench.progress.database import (
    APPLICATION_ID,
    TABLES,
    Damaged,
    Newer,
    connect,
    copy_to,
    free_name,
    is_damage,
    is_whole,
    migrate,
    salvage,
)
from workbench.progress.summary import solved_in, uri

T = TypeVar("T")

BACKUPS = 3
BACKUP_SECONDS = 6 * 3600.0


@dataclass(frozen=True)
class Attempt:
    """One answer given to one part of one variant, with its verdict.

    `hints` counts the hints seen before it; `seen` is whether the solution or a revealing run was.
    """

    exercise: str
    variant: int
    part: str
    answer: str
    status: str
    score: float
    max_score: float
    note: str = ""
    message: str = ""
    witness: dict[str, Any] = field(default_factory=dict)
    hints: int = 0
    seen: bool = False
    at: float = 0.0
    id: str = ""


class Store:
    """The file of one student. Every method may be called from any thread."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.warning = ""  # why nothing is kept, while that is so
        self.notice = ""  # what happened to a damaged file
        self._lock = threading.RLock()
        self._db = self._open()

    # -- what was done

    def record(self, attempt: Attempt) -> Attempt:
        """Put an attempt on disk; returns it with its id and time."""
        full = Attempt(**{**asdict(attempt), "id": uuid.uuid4().hex, "at": attempt.at or time.time()})
        row = {**asdict(full), "witness": json.dumps(full.witness), "seen": int(full.seen)}
        self._write(
            "INSERT INTO attempts VALUES (:id, :exercise, :variant, :part, :answer, :status, :score, :max_score,"
            " :note, :message, :witness, :at, :hints, :seen)",
            row,
        )
        return full

    def attempts(self, exercise: str | None = None, variant: int | None = None) -> list[Attempt]:
        """Attempts in the order in which they were made."""
        where, values = _where(exercise=exercise, variant=variant)
        rows = self._read(f"SELECT * FROM attempts {where} ORDER BY at, rowid", values)
        return [
            Attempt(**{**dict(row), "witness": _witness(row["witness"]), "seen": bool(row["seen"])}) for row in rows
        ]

    def note(self, kind: str, exercise: str, variant: int, part: str = "") -> None:
        """Note that something happened: "hint", "solution" or "run"."""
        row = (uuid.uuid4().hex, exercise, variant, part, kind, time.time())
        self._write("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", row)

    def noted(self, kind: str, exercise: str, variant: int) -> dict[str, int]:
        """How often it happened, by part ("" is the exercise as a whole)."""
        rows = self._read(
            "SELECT part, COUNT(*) FROM events WHERE kind = ? AND exercise = ? AND variant = ? GROUP BY part",
            (kind, exercise, variant),
        )
        return {row[0]: row[1] for row in rows}

    # -- what is being done

    def save_draft(self, exercise: str, variant: int, part: str, text: str) -> None:
        """Keep what stands in an input; an empty text removes it."""
        if text:
            row = (exercise, variant, part, text, time.time())
            self._write("INSERT OR REPLACE INTO drafts VALUES (?, ?, ?, ?, ?)", row)
        else:
            self._write("DELETE FROM drafts WHERE exercise = ? AND variant = ? AND part = ?", (exercise, variant, part))

    def drafts(self, exercise: str, variant: int) -> dict[str, str]:
        """What stands in the inputs, by part."""
        rows = self._read("SELECT part, text FROM drafts WHERE exercise = ? AND variant = ?", (exercise, variant))
        return {row[0]: row[1] for row in rows}

    def visit(self, exercise: str, variant: int, part: str) -> None:
        """Remember where the student is."""
        self._write("INSERT OR REPLACE INTO visits VALUES (?, ?, ?, ?)", (exercise, variant, part, time.time()))

    def last_visit(self, exercise: str | None = None) -> tuple[str, int, str] | None:
        """Where the student was last: (exercise, variant, part), of one exercise or of all."""
        where, values = _where(exercise=exercise)
        rows = self._read(f"SELECT exercise, variant, part FROM visits {where} ORDER BY at DESC LIMIT 1", values)
        return tuple(rows[0]) if rows else None

    def solved(self) -> dict[str, dict[str, float]]:
        """`{exercise: {part: best share of the points}}`."""
        return solved_in(lambda query: self._read(query, ()))

    # -- the file

    def reset(self, exercise: str | None = None) -> str:
        """Forget all attempts, drafts and hints, or those of one exercise.

        Returns:
            The path of the copy of the file that was made before, "" if there is no file.

        Raises:
            OSError: if no copy can be made; nothing is forgotten then.
        """
        where, values = _where(exercise=exercise)
        kept = "" if self.warning else free_name(f"{self.path}.before-reset-{time.strftime('%Y%m%d-%H%M%S')}")
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                if kept:
                    # A connection of its own: one that is in a transaction would wait for itself.
                    with contextlib.closing(sqlite3.connect(self.path)) as source:
                        copy_to(source, kept)
                for table in TABLES:
                    self._db.execute(f"DELETE FROM {table} {where}", values)
                self._db.execute("COMMIT")
            except (OSError, sqlite3.Error) as error:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise OSError(
                    errno.EIO, f"nothing was forgotten, for it cannot be done safely: {error}", self.path
                ) from None
            return kept

    def back_up(self) -> None:
        """Rotate the backups if the newest is old; meant for a quiet moment after the start."""
        with self._lock, contextlib.suppress(OSError, sqlite3.Error):
            newest = f"{self.path}.backup-1"
            if self.warning or (os.path.exists(newest) and time.time() - os.stat(newest).st_mtime < BACKUP_SECONDS):
                return
            if self._db.execute("PRAGMA quick_check").fetchone()[0] != "ok":
                return
            temporary = f"{newest}.{os.getpid()}.tmp"
            copy_to(self._db, temporary)
            for i in range(BACKUPS, 1, -1):
                older = f"{self.path}.backup-{i - 1}"
                if os.path.exists(older):
                    os.replace(older, f"{self.path}.backup-{i}")
            os.replace(temporary, newest)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    # -- opening

    def _open(self) -> sqlite3.Connection:
        try:
            return self._open_file()
        except Newer:
            return self._in_memory("progress was written by a newer workbench; update this one")
        except sqlite3.Error as error:
            if is_damage(error):
                return self._replace_damaged(str(error))
            return self._in_memory(f"progress cannot be written ({error})")
        except OSError as error:
            return self._in_memory(f"progress cannot be written ({error.strerror})")

    def _open_file(self) -> sqlite3.Connection:
        """Open or make the file.

        Raises:
            OSError: if there is no file and none can be made.
            sqlite3.Error: if the place cannot be written, or the file is damaged, somebody else's, or too new.
        """
        truncated = os.path.exists(self.path) and not os.path.getsize(self.path)
        make_file(self.path)
        db = connect(self.path)
        try:
            db.execute("BEGIN IMMEDIATE")
            tables = {row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
            owner = db.execute("PRAGMA application_id").fetchone()[0]
            if tables and owner != APPLICATION_ID:
                raise Damaged("it is not a workbench file")
            if not tables and truncated and any(map(os.path.exists, self._backups())):
                raise Damaged("it has been emptied")
            # Written every time: a place where nothing can be kept is noticed here, and not after an hour's work.
            migrate(db)
            db.execute("COMMIT")
            if tables and not tables.issuperset(TABLES):
                raise Damaged("tables are missing")
        except sqlite3.Error:
            db.close()
            raise
        return db

    def _backups(self) -> list[str]:
        """Where backups are, the newest first."""
        return [f"{self.path}.backup-{i}" for i in range(1, BACKUPS + 1)]

    def _replace_damaged(self, reason: str) -> sqlite3.Connection:
        """Set the file aside and go on from the newest backup that is whole, with what can be saved of the rest."""
        try:
            return self._mended(reason)
        except (OSError, sqlite3.Error) as error:
            return self._in_memory(f"progress is damaged ({reason}) and cannot be mended here ({error})")

    def _mended(self, reason: str) -> sqlite3.Connection:
        newest = next(filter(is_whole, self._backups()), None)
        fresh = f"{self.path}.{os.getpid()}.tmp"
        restored = ""
        if newest is not None:  # copied first: where there is no room for it the file stays where it is
            when = time.strftime("%d %B, %H:%M", time.localtime(os.path.getmtime(newest)))
            restored = f"; the backup of {when} is in its place"
            try:
                make_file(fresh)
                shutil.copyfile(newest, fresh)
            except OSError:
                with contextlib.suppress(OSError):
                    os.unlink(fresh)
                raise
        aside = free_name(f"{self.path}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
        os.replace(self.path, aside)
        with contextlib.suppress(OSError):
            os.replace(f"{self.path}-journal", f"{aside}-journal")
        if newest is not None:
            os.replace(fresh, self.path)
        db = self._open_file()
        saved = salvage(aside, db)
        more = f", with {saved} newer entries saved from it" if saved else ""
        self.notice = f"progress was damaged ({reason}) and is kept as {aside}{restored}{more}"
        return db

    def _in_memory(self, reason: str) -> sqlite3.Connection:
        """A store that lasts as long as the program, filled with what the file still gives."""
        self.warning = f"{reason}: {self.path}. The session goes on, but what you do now is lost when it ends."
        copy = connect(":memory:")
        try:
            with contextlib.closing(sqlite3.connect(uri(self.path), uri=True, timeout=1)) as source:
                whole = source.execute("PRAGMA quick_check").fetchone()[0] == "ok"
                if whole:
                    source.backup(copy)
            migrate(copy)
            if not whole:
                salvage(self.path, copy)
        except sqlite3.Error:
            copy.close()
            copy = connect(":memory:")
            migrate(copy)
        return copy

    # -- reading and writing

    def _read(self, query: str, values: Any) -> list[sqlite3.Row]:
        with self._lock:
            return self._trying(lambda: self._db.execute(query, values).fetchall())

    def _write(self, statement: str, values: Any) -> None:
        with self._lock:
            self._trying(lambda: self._transaction(statement, values))

    def _transaction(self, statement: str, values: Any) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.execute(statement, values)
            self._db.execute("COMMIT")
        except BaseException:  # also what Python refuses to hand over: the file must not stay locked
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise

    def _trying(self, action: Callable[[], T]) -> T:
        """Do it on the file; if the file cannot be used any more, do it in memory and warn.

        Raises:
            sqlite3.Error: if what was asked for is at fault and not the file.
        """
        try:
            return action()
        except sqlite3.DatabaseError as error:
            damaged = is_damage(error)
            if self.warning or not (damaged or isinstance(error, sqlite3.OperationalError)):
                raise
            with contextlib.suppress(sqlite3.Error):
                self._db.close()
            self._db = self._replace_damaged(str(error)) if damaged else self._in_memory(str(error))
            return action()


def _witness(text: str) -> dict[str, Any]:
    """A stored witness; empty where the file has suffered."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _where(**columns: Any) -> tuple[str, list[Any]]:
    given = {name: value for name, value in columns.items() if value is not None}
    clause = " AND ".join(f"{name} = ?" for name in given)
    return (f"WHERE {clause}" if given else ""), list(given.values())
