"""The file below the store: its tables, how it is opened, and what is done when it is broken."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from typing import Any

from workbench.files import make_file
from workbench.progress.summary import uri

APPLICATION_ID = 0x776B6268  # "wkbh"
BUSY_SECONDS = 10.0
TABLES = ("attempts", "drafts", "events", "visits")

# One list of statements a version; a file of an older version is brought forward by those after it.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE attempts (
            id TEXT PRIMARY KEY, exercise TEXT NOT NULL, variant INTEGER NOT NULL, part TEXT NOT NULL,
            answer TEXT NOT NULL, status TEXT NOT NULL, score REAL NOT NULL, max_score REAL NOT NULL,
            note TEXT NOT NULL, message TEXT NOT NULL, witness TEXT NOT NULL, at REAL NOT NULL,
            hints INTEGER NOT NULL, seen INTEGER NOT NULL
        ) STRICT""",
        "CREATE INDEX attempts_by_exercise ON attempts (exercise, variant, part, at)",
        """CREATE TABLE drafts (
            exercise TEXT NOT NULL, variant INTEGER NOT NULL, part TEXT NOT NULL, text TEXT NOT NULL,
            at REAL NOT NULL, PRIMARY KEY (exercise, variant, part)
        ) STRICT""",
        """CREATE TABLE events (
            id TEXT PRIMARY KEY, exercise TEXT NOT NULL, variant INTEGER NOT NULL, part TEXT NOT NULL,
            kind TEXT NOT NULL, at REAL NOT NULL
        ) STRICT""",
        "CREATE INDEX events_by_exercise ON events (exercise, variant, part)",
        """CREATE TABLE visits (
            exercise TEXT PRIMARY KEY, variant INTEGER NOT NULL, part TEXT NOT NULL, at REAL NOT NULL
        ) STRICT""",
    ),
)


class Damaged(sqlite3.DatabaseError):
    """A file that SQLite can read and that is not what was kept there."""


class Newer(sqlite3.DatabaseError):
    """A file with tables that this program does not know."""


def connect(path: str) -> sqlite3.Connection:
    """Open a database for a program that may be killed at any time, beside others that use the same file."""
    # WAL is unsafe on network file systems and cannot even be opened on a read-only one.
    db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    db.row_factory = sqlite3.Row
    for pragma in (
        f"busy_timeout = {int(BUSY_SECONDS * 1000)}",
        "journal_mode = TRUNCATE",
        "synchronous = FULL",
        "foreign_keys = ON",
        "trusted_schema = OFF",
    ):
        try:
            db.execute(f"PRAGMA {pragma}")
        except sqlite3.Error:
            db.close()
            raise
    return db


def migrate(db: sqlite3.Connection) -> None:
    """Bring tables forward to this program's version.

    Raises:
        Newer: if they are beyond it.
    """
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise Newer
    for statements in MIGRATIONS[version:]:
        for statement in statements:
            db.execute(statement)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def is_damage(error: sqlite3.Error) -> bool:
    """Whether an error says that the file is broken, and not that it is busy, full, or asked the wrong thing."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return isinstance(error, Damaged) or code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def copy_to(source: sqlite3.Connection, path: str) -> None:
    """Copy a whole database to a file, or leave no file.

    Raises:
        OSError: if no file can be made.
        sqlite3.Error: if it cannot be written.
    """
    make_file(path)
    try:
        with contextlib.closing(sqlite3.connect(path)) as copy:
            source.backup(copy)
    except sqlite3.Error:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise


def free_name(path: str) -> str:
    """The path, or the first with a number behind it that is not taken."""
    number = 1
    free = path
    while os.path.exists(free):
        number += 1
        free = f"{path}-{number}"
    return free


def is_whole(path: str) -> bool:
    """Whether there is a database without a fault in it."""
    if not os.path.exists(path) or not os.path.getsize(path):
        return False
    try:
        with contextlib.closing(sqlite3.connect(uri(path), uri=True)) as db:
            return bool(db.execute("PRAGMA quick_check").fetchone()[0] == "ok")
    except sqlite3.Error:
        return False


def salvage(damaged: str, db: sqlite3.Connection) -> int:
    """Copy what can still be read of a damaged file and is not there already; how many rows that were.

    Of a draft or a visit that is in both, the damaged file has the newer one: the backup was made from it.
    """
    before = db.total_changes
    db.execute("BEGIN IMMEDIATE")
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(uri(damaged), uri=True)) as source:
        for table in TABLES:
            rule = "REPLACE" if table in ("drafts", "visits") else "IGNORE"
            for row in _rows(source, table):
                marks = ", ".join("?" * len(row))
                with contextlib.suppress(sqlite3.Error):
                    db.execute(f"INSERT OR {rule} INTO {table} VALUES ({marks})", row)
    db.execute("COMMIT")
    return db.total_changes - before


def _rows(source: sqlite3.Connection, table: str) -> list[list[Any]]:
    """The rows of a table before the first that cannot be read, and, read from the end, those behind the last."""
    found: dict[int, list[Any]] = {}
    for order in ("ASC", "DESC"):
        with contextlib.suppress(sqlite3.Error):
            for rowid, *row in source.execute(f"SELECT rowid, * FROM {table} ORDER BY rowid {order}"):
                if rowid in found:
                    break
                found[rowid] = row
    return list(found.values())
