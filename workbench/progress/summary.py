"""Which parts are solved, read straight from the file: what the list needs, in a few milliseconds.

Kept apart from the store and free of heavy imports, because `workbench list` waits for it.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

QUERY = """
    SELECT exercise, part, MAX(status = 'correct'), MAX(score / max_score)
    FROM attempts GROUP BY exercise, part
"""


def solved(path: str) -> tuple[dict[str, dict[str, float]], str]:
    """`{exercise: {part: best share of the points}}`, and a warning ("" if there is none).

    A missing file is an empty history; an unreadable one is an empty history and a warning.
    """
    rows, warning = _rows(path, QUERY)
    return solved_in(lambda _: rows), warning


def solved_in(ask: Callable[[str], Iterable[Any]]) -> dict[str, dict[str, float]]:
    """The same from whatever can be asked a query; only a right answer makes a part whole."""
    found: dict[str, dict[str, float]] = {}
    for exercise, part, correct, share in ask(QUERY):
        found.setdefault(exercise, {})[part] = 1.0 if correct else min(share or 0.0, 0.99)
    return found


def last_exercise(path: str) -> str:
    """The exercise that was open last, "" if none was."""
    rows, _ = _rows(path, "SELECT exercise FROM visits ORDER BY at DESC LIMIT 1")
    return str(rows[0][0]) if rows else ""


def _rows(path: str, query: str) -> tuple[list[tuple[Any, ...]], str]:
    """What a query finds in the file, and a warning if it cannot be asked."""
    if not os.path.exists(path) or _never_used(path):
        return [], ""
    import sqlite3

    problem = ""
    # The second way finishes what a program that was killed in the middle of a transaction has left.
    for mode in ("ro", "rw"):
        try:
            connection = sqlite3.connect(uri(path, mode), uri=True, timeout=2)
            try:
                return connection.execute(query).fetchall(), ""
            finally:
                connection.close()
        except sqlite3.Error as error:
            problem = problem or str(error)
    return [], f"progress cannot be read ({problem}); {path}"


def _never_used(path: str) -> bool:
    """Whether a file is one that could be made on a full disk but not be written to, and no remains of another one."""
    return not os.path.getsize(path) and not os.path.exists(f"{path}.backup-1")


def uri(path: str, mode: str = "ro") -> str:
    """The path of a database as SQLite wants it where a mode is given."""
    return f"file:{path.replace('%', '%25').replace('?', '%3f').replace('#', '%23')}?mode={mode}"


def status_of(parts: list[str], shares: Mapping[str, float]) -> str:
    """One of "done", "partly" and "open", from the parts an exercise has and how much of each is solved."""
    if not shares:
        return "open"
    best = [shares.get(part, 0.0) for part in parts]
    if best and all(share >= 1.0 for share in best):
        return "done"
    return "partly" if any(part in shares for part in parts) else "open"
