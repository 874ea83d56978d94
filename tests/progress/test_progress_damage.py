"""A progress file that is broken, foreign, too new, locked, or lies where nothing can be written."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from workbench.progress import database, summary
from workbench.progress.store import Attempt, Store


def attempt(answer: str, status: str = "wrong") -> Attempt:
    return Attempt("e/x", 0, "a", answer, status, 0.0, 1.0)


def answers(store: Store) -> list[str]:
    return [a.answer for a in store.attempts()]


def fill(path: str, count: int = 300, *, backed_up: int = 0) -> None:
    """A file with so many attempts, the first of them also in a backup."""
    store = Store(path)
    for i in range(count):
        if i == backed_up and i:
            store.back_up()
        store.record(attempt(f"{i} " + "x" * 200))
    store.save_draft("e/x", 0, "a", "typed after the backup")
    store.close()


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "data" / "progress.db")


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of attempts are made here, and nobody pulls a plug."""
    connect = database.connect

    def quick(path: str) -> sqlite3.Connection:
        db = connect(path)
        db.execute("PRAGMA synchronous = OFF")
        return db

    monkeypatch.setattr("workbench.progress.store.connect", quick)


def aside(path: str) -> list[Path]:
    found = Path(path).parent.glob("progress.db.damaged-*")
    return sorted(file for file in found if not file.name.endswith("-journal"))


def content(path: str | Path) -> bytes:
    """A file without its head, where SQLite counts how often it was opened."""
    return Path(path).read_bytes()[100:]


# -- damage


def garbage(raw: bytes) -> bytes:
    return random.Random(1).randbytes(len(raw))


def half(raw: bytes) -> bytes:
    """The second half overwritten, as by a copy that went wrong."""
    middle = len(raw) // 2
    return raw[:middle] + garbage(raw[middle:])


def cut(raw: bytes) -> bytes:
    return raw[: len(raw) // 2]


def beginning(raw: bytes) -> bytes:
    return garbage(raw[:512]) + raw[512:]


def nothing(_: bytes) -> bytes:
    return b""


def text(_: bytes) -> bytes:
    return b"<html>Please sign in to the network</html>" * 100


DAMAGE = [garbage, half, cut, beginning, nothing, text]


@pytest.mark.parametrize("harm", DAMAGE)
def test_a_damaged_file_is_set_aside_and_the_backup_takes_its_place(harm: Callable[[bytes], bytes], path: str) -> None:
    fill(path, 60, backed_up=20)
    broken = harm(Path(path).read_bytes())
    Path(path).write_bytes(broken)
    _, warning = summary.solved(path)
    assert warning or harm in (nothing, half, cut), "the list says so, or can still read it"
    store = Store(path)
    found = answers(store)
    assert [f"{i} " + "x" * 200 for i in range(20)] == found[:20]
    assert not store.warning
    assert "is kept as" in store.notice
    assert "; the backup of" in store.notice
    (kept,) = aside(path)
    assert str(kept) in store.notice
    assert content(kept) == broken[100:], "never overwritten"
    store.record(attempt("afterwards"))
    store.close()
    again = Store(path)
    assert answers(again) == [*found, "afterwards"]
    assert not again.notice
    assert not again.warning
    again.close()


@pytest.mark.parametrize("harm", [garbage, beginning, text])
def test_without_a_backup_one_starts_anew_and_is_told(harm: Callable[[bytes], bytes], path: str) -> None:
    fill(path, 5)
    broken = harm(Path(path).read_bytes())
    Path(path).write_bytes(broken)
    store = Store(path)
    assert answers(store) == []
    assert "damaged" in store.notice
    assert "; the backup of" not in store.notice
    assert content(aside(path)[0]) == broken[100:]
    store.record(attempt("afterwards"))
    store.close()


def test_what_came_after_the_backup_is_saved_from_a_file_with_a_hole(path: str) -> None:
    fill(path, 300, backed_up=100)
    db = sqlite3.connect(path)
    (root,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'attempts'").fetchone()
    (size,) = db.execute("PRAGMA page_size").fetchone()
    db.close()
    raw = bytearray(Path(path).read_bytes())
    leaf = next(
        page
        for page in range(len(raw) // size // 2, len(raw) // size)
        if page + 1 != root and raw[page * size] == 13 and b"150 xxx" in raw[page * size : (page + 1) * size]
    )
    raw[leaf * size : (leaf + 1) * size] = garbage(bytes(size))
    Path(path).write_bytes(raw)
    store = Store(path)
    found = answers(store)  # the hole is met here at the latest
    lost = {f"{i} " + "x" * 200 for i in range(300)} - set(found)
    assert 0 < len(lost) < 40, "what stood in the hole, and nothing before or behind it"
    assert "saved from it" in store.notice
    assert store.drafts("e/x", 0) == {"a": "typed after the backup"}
    store.close()


def test_damage_that_comes_while_the_program_runs_is_mended_at_the_next_use(path: str) -> None:
    fill(path, 300, backed_up=100)
    store = Store(path)
    size = Path(path).stat().st_size
    with Path(path).open("r+b") as file:
        file.seek(1024)
        file.write(garbage(bytes(size - 1024)))
    other = sqlite3.connect(path)  # somebody else's write makes the open store look at the file again
    with closing(other), pytest.raises(sqlite3.DatabaseError):
        other.execute("SELECT * FROM attempts").fetchall()
    with Path(path).open("r+b") as file:  # the counter by which SQLite sees that its cache is old
        file.seek(24)
        file.write(b"\x7f\x00\x00\x01")
    assert len(answers(store)) >= 100
    store.record(attempt("afterwards"))
    assert "afterwards" in answers(store)
    assert "damaged" in store.notice
    store.close()


def test_the_newest_backup_that_is_whole_is_taken(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.progress.store.BACKUP_SECONDS", -1.0)
    store = Store(path)
    for i in range(3):
        store.record(attempt(str(i)))
        store.back_up()
    store.close()
    Path(path).write_bytes(b"broken")
    Path(f"{path}.backup-1").write_bytes(b"broken too")
    again = Store(path)
    assert answers(again) == ["0", "1"]
    again.close()


def test_an_emptied_file_is_noticed_by_any_of_its_backups(path: str) -> None:
    fill(path, 5, backed_up=3)
    Path(f"{path}.backup-1").rename(f"{path}.backup-2")
    Path(path).write_bytes(b"")
    store = Store(path)
    assert len(answers(store)) == 3
    assert "emptied" in store.notice
    store.close()


def test_somebody_elses_database_is_kept(path: str) -> None:
    Path(path).parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE recipes (name TEXT)")
        db.execute("INSERT INTO recipes VALUES ('soup')")
        db.commit()
    store = Store(path)
    assert "not a workbench file" in store.notice
    assert answers(store) == []
    store.close()
    with closing(sqlite3.connect(aside(path)[0])) as db:
        assert db.execute("SELECT name FROM recipes").fetchall() == [("soup",)]


def test_a_file_without_one_of_its_tables_is_damaged(path: str) -> None:
    fill(path, 3)
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE visits")
    store = Store(path)
    assert len(answers(store)) == 3, "saved from the rest"
    store.visit("e/x", 0, "a")
    assert "tables are missing" in store.notice
    store.close()


def test_two_damages_in_one_second_are_kept_apart(path: str) -> None:
    for content in (b"first" * 200, b"second" * 200):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(content)
        Store(path).close()
    assert sorted(file.read_bytes()[:5] for file in aside(path)) == [b"first", b"secon"]


# -- versions


def test_a_file_of_version_0_is_brought_forward(path: str) -> None:
    Path(path).parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as db:
        db.execute("VACUUM")  # a header, no tables, user_version 0
    assert Path(path).stat().st_size > 0
    store = Store(path)
    assert not store.warning
    assert not store.notice
    store.record(attempt("1"))
    store.close()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] == len(database.MIGRATIONS)
        assert db.execute("PRAGMA application_id").fetchone()[0] == database.APPLICATION_ID


def test_a_new_version_changes_an_old_file_and_loses_nothing(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(path, 3)
    later = (*database.MIGRATIONS, ("CREATE TABLE stars (exercise TEXT) STRICT", "INSERT INTO stars VALUES ('e/x')"))
    monkeypatch.setattr(database, "MIGRATIONS", later)
    for _ in range(2):
        store = Store(path)
        assert len(answers(store)) == 3
        store.close()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT COUNT(*) FROM stars").fetchone()[0] == 1, "once"


def test_a_change_of_version_that_fails_leaves_the_old_file(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(path, 3)
    before = content(path)
    own = database.MIGRATIONS
    monkeypatch.setattr(database, "MIGRATIONS", (*own, ("DROP TABLE drafts", "NO SUCH STATEMENT")))
    with pytest.raises(sqlite3.OperationalError):
        Store(path)
    assert content(path) == before
    monkeypatch.setattr(database, "MIGRATIONS", own)
    store = Store(path)
    assert store.drafts("e/x", 0)
    store.close()


def test_a_newer_file_is_not_touched(path: str) -> None:
    fill(path, 3)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("ALTER TABLE attempts ADD COLUMN mood TEXT NOT NULL DEFAULT 'fine'")
        db.execute("PRAGMA user_version = 99")
    before = Path(path).read_bytes()
    store = Store(path)
    assert "newer workbench" in store.warning
    assert "lost when it ends" in store.warning
    store.record(attempt("1"))
    assert "1" in answers(store)
    assert store.reset() == ""
    store.close()
    assert Path(path).read_bytes() == before
    assert aside(path) == []


# -- where nothing can be written


def below_a_file(tmp_path: Path) -> str:
    (tmp_path / "file").write_text("no folder")
    return str(tmp_path / "file" / "data" / "progress.db")


def in_the_kernel(_: Path) -> str:
    return "/proc/nobody/progress.db"


def a_folder(tmp_path: Path) -> str:
    (tmp_path / "progress.db").mkdir()
    return str(tmp_path / "progress.db")


def below_a_loop(tmp_path: Path) -> str:
    (tmp_path / "loop").symlink_to("loop")
    return str(tmp_path / "loop" / "progress.db")


@pytest.mark.parametrize("place", [below_a_file, in_the_kernel, a_folder, below_a_loop])
def test_where_nothing_can_be_kept_the_session_goes_on(place: Callable[[Path], str], tmp_path: Path) -> None:
    path = place(tmp_path)
    store = Store(path)
    assert path in store.warning
    assert "lost when it ends" in store.warning
    store.record(attempt("1", "correct"))
    store.save_draft("e/x", 0, "a", "text")
    store.note("hint", "e/x", 0, "a")
    store.visit("e/x", 0, "a")
    store.back_up()
    assert answers(store) == ["1"]
    assert store.drafts("e/x", 0) == {"a": "text"}
    assert store.solved() == {"e/x": {"a": 1.0}}
    assert store.reset() == ""
    assert answers(store) == []
    store.close()


@pytest.fixture
def read_only(path: str) -> Iterator[str]:
    """A folder that can be read and not written; permissions do not stop root, a mount does."""
    folder = Path(path).parent
    fill(path, 3)
    if os.geteuid():
        Path(path).chmod(0o400)
        folder.chmod(0o500)
        yield path
        folder.chmod(0o700)
        return
    bound = subprocess.run(["mount", "--bind", folder, folder], check=False, capture_output=True).returncode == 0
    if not bound or subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=False).returncode:
        pytest.skip("nothing can be mounted here")
    yield path
    subprocess.run(["umount", folder], check=True)


def test_a_read_only_home_shows_what_was_done_and_warns(read_only: str) -> None:
    store = Store(read_only)
    assert len(answers(store)) == 3
    assert "cannot be written" in store.warning
    store.record(attempt("more"))
    assert len(answers(store)) == 4
    store.close()
    assert summary.solved(read_only) == ({"e/x": {"a": 0.0}}, "")
    assert not aside(read_only)


def test_a_damaged_file_in_a_read_only_home_stays_and_is_told(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(path, 60, backed_up=20)
    broken = half(Path(path).read_bytes())
    Path(path).write_bytes(broken)

    def read_only(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "replace", read_only)
    store = Store(path)
    answers(store)
    assert "damaged" in store.warning
    assert "cannot be mended here" in store.warning
    store.record(attempt("1"))
    store.close()
    assert content(path) == broken[100:]


def test_without_room_for_the_backup_the_damaged_file_stays(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(path, 5, backed_up=3)
    Path(path).write_bytes(b"broken")

    def full(_: str, target: str) -> None:
        Path(target).write_bytes(b"half a ba")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("workbench.progress.store.shutil.copyfile", full)
    store = Store(path)
    assert "cannot be mended here" in store.warning
    store.close()
    assert Path(path).read_bytes() == b"broken"
    assert not [file for file in Path(path).parent.iterdir() if file.suffix == ".tmp"]
    monkeypatch.undo()
    again = Store(path)
    assert len(answers(again)) == 3, "with room again, nothing is lost"
    again.close()


def test_a_disk_that_fills_up_is_told_and_the_session_goes_on(path: str) -> None:
    fill(path, 3)
    store = Store(path)
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count = {pages}")  # SQLite then says what it says on a full disk
    for i in range(200):
        store.record(attempt(f"{i} " + "y" * 500))
    assert "full" in store.warning
    assert len(answers(store)) == 203, "what was kept before is still shown"
    store.close()
    again = Store(path)
    kept = len(answers(again))
    assert 3 <= kept < 203
    assert not again.warning
    again.close()


def test_a_file_that_another_program_holds_is_waited_for_and_then_done_without(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    fill(path, 3)
    store = Store(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        store.record(attempt("1"))
        late = Store(path)
        other.execute("ROLLBACK")
    for opened in (store, late):
        assert "locked" in opened.warning
        assert len(answers(opened)) >= 3, "what was there is still shown"
        opened.close()
    again = Store(path)
    assert len(answers(again)) == 3
    assert not again.warning
    again.close()


def test_a_short_lock_is_waited_for(path: str) -> None:
    store = Store(path)
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    waiting = threading.Thread(target=lambda: store.record(attempt("1")))
    waiting.start()
    other.execute("ROLLBACK")
    waiting.join(timeout=30)
    other.close()
    assert answers(store) == ["1"]
    assert not store.warning
    store.close()


def test_the_list_warns_of_what_it_cannot_read(path: str) -> None:
    Path(path).parent.mkdir(parents=True)
    Path(path).write_bytes(b"no database " * 100)
    found, warning = summary.solved(path)
    assert found == {}
    assert path in warning
    assert summary.last_exercise(path) == ""
    assert Path(path).read_bytes() == b"no database " * 100
