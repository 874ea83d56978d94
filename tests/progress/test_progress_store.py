"""What is kept of a student's work, and that it stays kept: killed writers, two writers, drafts, hints, visits."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.progress import summary
from workbench.progress.store import Attempt, Store

ROOT = Path(__file__).parents[2]


def attempt(part: str = "output", status: str = "wrong", score: float = 0.0, **more: object) -> Attempt:
    values = {"exercise": "attention/argmax", "variant": 0, "answer": "1 2", "max_score": 2.0} | more
    return Attempt(part=part, status=status, score=score, **values)  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "data" / "progress.db")


@pytest.fixture
def store(path: str) -> Iterator[Store]:
    opened = Store(path)
    yield opened
    opened.close()


def test_an_attempt_comes_back_as_it_was(store: Store, path: str) -> None:
    given_one = attempt(
        answer="[1, −4]\nσ² \U0001f600",
        status="partial",
        score=1.5,
        note="wrong-entries",
        message="Entry 2 is −4.",
        witness={"index": [1], "got": -4.0, "nested": {"list": [1, None, True]}},
        hints=2,
        seen=True,
    )
    kept = store.record(given_one)
    assert kept.id
    assert kept.at > 0
    store.close()
    again = Store(path)
    assert again.attempts() == [kept]
    assert not again.warning
    assert not again.notice
    again.close()


def test_attempts_come_in_the_order_in_which_they_were_made(store: Store) -> None:
    for i in range(5):
        store.record(attempt(answer=str(i), at=100.0))
    store.record(attempt(answer="earlier", at=50.0))
    store.record(attempt(answer="other", exercise="beam/two-words"))
    store.record(attempt(answer="variant", variant=3))
    assert [a.answer for a in store.attempts("attention/argmax", 0)] == ["earlier", "0", "1", "2", "3", "4"]
    assert [a.answer for a in store.attempts("attention/argmax", 3)] == ["variant"]
    assert len(store.attempts()) == 8


def test_drafts_are_kept_by_part_and_variant_and_an_empty_one_is_gone(store: Store) -> None:
    store.save_draft("e/x", 0, "a", "first")
    store.save_draft("e/x", 0, "a", "second")
    store.save_draft("e/x", 0, "b", "other part")
    store.save_draft("e/x", 1, "a", "other variant")
    assert store.drafts("e/x", 0) == {"a": "second", "b": "other part"}
    store.save_draft("e/x", 0, "a", "")
    assert store.drafts("e/x", 0) == {"b": "other part"}
    assert store.drafts("e/x", 1) == {"a": "other variant"}
    assert store.drafts("e/y", 0) == {}


def test_hints_and_runs_are_counted_by_part(store: Store) -> None:
    store.note("hint", "e/x", 0, "a")
    store.note("hint", "e/x", 0, "a")
    store.note("hint", "e/x", 0, "b")
    store.note("hint", "e/x", 1, "a")
    store.note("run", "e/x", 0)
    assert store.noted("hint", "e/x", 0) == {"a": 2, "b": 1}
    assert store.noted("run", "e/x", 0) == {"": 1}
    assert store.noted("solution", "e/x", 0) == {}


def test_the_last_visit_is_the_last(store: Store, path: str) -> None:
    assert store.last_visit() is None
    assert summary.last_exercise(path) == ""
    store.visit("e/x", 0, "a")
    store.visit("e/y", 2, "b")
    store.visit("e/x", 4, "c")
    assert store.last_visit() == ("e/x", 4, "c")
    assert store.last_visit("e/y") == ("e/y", 2, "b")
    assert store.last_visit("e/z") is None
    assert summary.last_exercise(path) == "e/x"


# -- what the list shows


@settings(max_examples=20, deadline=None)
@given(
    made=st.lists(
        st.tuples(
            st.sampled_from(["e/x", "e/y"]),
            st.sampled_from(["a", "b"]),
            st.sampled_from(["correct", "partial", "wrong", "undecided", "timeout"]),
            st.sampled_from([0.0, 0.5, 1.0, 2.0]),
        ),
        max_size=12,
    )
)
def test_the_list_and_the_store_agree_on_what_is_solved(
    made: list[tuple[str, str, str, float]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = str(tmp_path_factory.mktemp("agree") / "progress.db")
    store = Store(path)
    for exercise, part, status, score in made:
        store.record(attempt(part, status, 2.0 if status == "correct" else min(score, 1.0), exercise=exercise))
    whole = {(exercise, part) for exercise, part, status, _ in made if status == "correct"}
    solved = store.solved()
    store.close()
    assert summary.solved(path) == (solved, "")
    assert {(e, p) for e, parts in solved.items() for p, share in parts.items() if share >= 1.0} == whole
    assert {(e, p) for e, parts in solved.items() for p in parts} == {(e, p) for e, p, _, _ in made}


def test_full_marks_without_a_right_answer_do_not_solve_a_part(store: Store) -> None:
    store.record(attempt("a", "partial", 2.0))
    assert 0.9 < store.solved()["attention/argmax"]["a"] < 1.0


def test_a_part_worth_nothing_does_not_break_the_list(store: Store, path: str) -> None:
    store.record(attempt("a", "wrong", 0.0, max_score=0.0))
    assert summary.solved(path) == ({"attention/argmax": {"a": 0.0}}, "")


@pytest.mark.parametrize(
    ("shares", "status"),
    [
        ({}, "open"),
        ({"a": 0.0}, "partly"),
        ({"a": 1.0}, "partly"),
        ({"a": 1.0, "b": 1.0}, "done"),
        ({"z": 1.0}, "open"),
    ],
)
def test_an_exercise_is_done_when_all_its_parts_are(shares: dict[str, float], status: str) -> None:
    assert summary.status_of(["a", "b"], shares) == status


def test_a_file_that_is_not_there_is_an_empty_history(tmp_path: Path) -> None:
    assert summary.solved(str(tmp_path / "none.db")) == ({}, "")
    assert not (tmp_path / "none.db").exists()


# -- killed in the middle

WRITER = """
import sys
from workbench.progress.store import Attempt, Store
store = Store(sys.argv[1])
assert not store.warning, store.warning
for i in range(int(sys.argv[2])):
    kept = store.record(Attempt("e/x", 0, "a", "answer " * 50, "wrong", 0.0, 1.0, witness={"i": i}))
    print(kept.id, flush=True)
"""


def writer(path: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, path, str(count)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )


def test_what_was_acknowledged_survives_the_death_of_its_writer(path: str) -> None:
    acknowledged: list[str] = []
    for count in range(1, 8):
        process = writer(path, 10_000)
        assert process.stdout is not None
        acknowledged += [process.stdout.readline().strip() for _ in range(count)]
        process.send_signal(signal.SIGKILL)
        acknowledged += [line.strip() for line in process.stdout if line.endswith("\n")]
        process.stdout.close()
        process.wait()
    listed, warning = summary.solved(path)
    assert warning == ""
    assert listed == {"e/x": {"a": 0.0}}
    store = Store(path)
    assert not store.notice
    kept = [a.id for a in store.attempts()]
    store.close()
    assert all(acknowledged)
    # At most the one that was being written when the signal came may be there without having been told.
    assert set(acknowledged) <= set(kept)
    assert len(kept) <= len(acknowledged) + 7


def test_two_processes_may_write_at_once(path: str) -> None:
    writers = [writer(path, 30) for _ in range(2)]
    told = [process.communicate(timeout=60)[0].split() for process in writers]
    assert [process.returncode for process in writers] == [0, 0]
    store = Store(path)
    assert sorted(a.id for a in store.attempts()) == sorted(told[0] + told[1])
    store.close()


def test_every_method_may_be_called_from_any_thread(store: Store) -> None:
    def work(number: int) -> None:
        for i in range(10):
            store.record(attempt(answer=f"{number} {i}"))
            store.save_draft("e/x", 0, str(number), str(i))
            store.attempts()
            store.solved()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.attempts()) == 40
    assert store.drafts("e/x", 0) == dict.fromkeys("0123", "9")
    assert not store.warning


def test_half_a_transaction_left_by_a_killed_program_is_undone_for_the_list_too(path: str, tmp_path: Path) -> None:
    store = Store(path)
    for i in range(40):
        store.record(attempt(answer=str(i) * 1000))
    store.close()
    db = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = TRUNCATE", "cache_size = 2"):  # so that pages reach the file before the end
        db.execute(f"PRAGMA {pragma}")
    db.execute("BEGIN IMMEDIATE")
    db.execute("UPDATE attempts SET status = 'correct', answer = answer || 'x'")
    left = str(tmp_path / "left.db")
    shutil.copy(path, left)
    shutil.copy(f"{path}-journal", f"{left}-journal")
    assert Path(f"{left}-journal").stat().st_size > 0
    db.execute("ROLLBACK")
    db.close()
    assert summary.solved(left) == ({"attention/argmax": {"output": 0.0}}, "")
    opened = Store(left)
    assert {a.status for a in opened.attempts()} == {"wrong"}
    assert len(opened.attempts()) == 40
    opened.close()


# -- forgetting, and copies


def test_a_reset_of_one_exercise_leaves_the_others_and_keeps_a_copy(store: Store) -> None:
    for exercise in ("e/x", "e/y"):
        store.record(attempt(exercise=exercise))
        store.save_draft(exercise, 0, "a", "text")
        store.note("hint", exercise, 0, "a")
        store.visit(exercise, 0, "a")
    kept = store.reset("e/x")
    assert [a.exercise for a in store.attempts()] == ["e/y"]
    assert store.drafts("e/x", 0) == {}
    assert store.noted("hint", "e/x", 0) == {}
    assert store.last_visit("e/x") is None
    assert store.drafts("e/y", 0) == {"a": "text"}
    copy = Store(kept)
    assert {a.exercise for a in copy.attempts()} == {"e/x", "e/y"}
    assert copy.drafts("e/x", 0) == {"a": "text"}
    copy.close()


def test_two_resets_in_one_second_keep_two_copies(store: Store) -> None:
    store.record(attempt(answer="the first"))
    first = store.reset()
    store.record(attempt(answer="the second"))
    second = store.reset()
    assert store.attempts() == []
    for kept, answer in ((first, "the first"), (second, "the second")):
        copy = Store(kept)
        assert [a.answer for a in copy.attempts()] == [answer]
        copy.close()


def test_nothing_is_forgotten_where_no_copy_can_be_made(
    store: Store, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    store.record(attempt())
    monkeypatch.setattr("workbench.progress.store.copy_to", full)
    with pytest.raises(OSError, match=r"nothing was forgotten.*full"):
        store.reset()
    assert len(store.attempts()) == 1
    store.record(attempt())
    store.close()
    again = Store(path)
    assert len(again.attempts()) == 2
    again.close()


def test_backups_rotate_and_the_newest_is_whole(store: Store, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store.record(attempt(answer="0"))
    store.back_up()
    store.record(attempt(answer="1"))
    store.back_up()
    backups = sorted(Path(path).parent.glob("*.backup-*"))
    assert [file.name for file in backups] == ["progress.db.backup-1"], "a young backup is enough"
    monkeypatch.setattr("workbench.progress.store.BACKUP_SECONDS", -1.0)
    for i in range(2, 6):
        store.record(attempt(answer=str(i)))
        store.back_up()
    backups = sorted(Path(path).parent.glob("*.backup-*"))
    assert [file.name for file in backups] == [f"progress.db.backup-{i}" for i in (1, 2, 3)]
    for file, count in zip(backups, (6, 5, 4), strict=True):
        copy = Store(str(file))
        assert len(copy.attempts()) == count
        copy.close()


def test_a_backup_that_fails_costs_no_older_one(store: Store, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store.record(attempt())
    store.back_up()
    monkeypatch.setattr("workbench.progress.store.BACKUP_SECONDS", -1.0)
    before = Path(f"{path}.backup-1").read_bytes()

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("workbench.progress.store.copy_to", full)
    store.back_up()
    assert Path(f"{path}.backup-1").read_bytes() == before
    assert not store.warning


# -- the program's own mistakes are no damage


def test_a_store_used_after_its_end_leaves_the_file_alone(store: Store, path: str) -> None:
    store.record(attempt())
    store.close()
    with pytest.raises(sqlite3.ProgrammingError):
        store.record(attempt())
    with pytest.raises(sqlite3.ProgrammingError):
        store.attempts()
    assert [file.name for file in Path(path).parent.iterdir() if "damaged" in file.name] == []
    again = Store(path)
    assert len(again.attempts()) == 1
    again.close()


@pytest.mark.parametrize("harm", [{"score": float("nan")}, {"answer": "\udc80"}, {"variant": 2**70}])
def test_a_row_that_cannot_be_kept_harms_nothing_else(harm: dict[str, object], store: Store, path: str) -> None:
    with pytest.raises((sqlite3.IntegrityError, UnicodeEncodeError, OverflowError)):
        store.record(attempt(**harm))  # type: ignore[arg-type]
    store.record(attempt())
    other = Store(path)
    other.record(attempt())
    assert len(store.attempts()) == 2
    assert not store.warning + store.notice + other.warning + other.notice
    other.close()


def test_a_witness_that_has_suffered_costs_only_itself(store: Store, path: str) -> None:
    store.record(attempt(witness={"index": [1]}))
    db = sqlite3.connect(path)
    db.execute("UPDATE attempts SET witness = '{\"ind'")
    db.commit()
    db.close()
    assert [a.witness for a in store.attempts()] == [{}]


@pytest.mark.parametrize("name", ["with space", "per%20cent", "what?", "a#b", "ünï", os.fsdecode(b"\xff\xfe")])
def test_the_folder_may_have_any_name(name: str, tmp_path: Path) -> None:
    path = str(tmp_path / name / "progress.db")
    store = Store(path)
    assert not store.warning
    store.record(attempt("a", "correct", 2.0))
    store.back_up()
    kept = store.reset()
    store.close()
    assert Path(kept).exists()
    assert Path(f"{path}.backup-1").exists()
    Path(path).unlink()
    Path(kept).rename(path)
    assert summary.solved(path) == ({"attention/argmax": {"a": 1.0}}, "")


def test_what_is_kept_is_private_whatever_the_umask(path: str) -> None:
    before = os.umask(0o022)
    try:
        store = Store(path)
        store.record(attempt())
        store.back_up()
        store.reset()
        store.close()
        Path(path).write_bytes(b"no database")
        store = Store(path)  # the file is set aside, and the backup copied to its place
        store.close()
    finally:
        os.umask(before)
    folder = Path(path).parent
    assert folder.stat().st_mode & 0o777 == 0o700
    kept = {file.name: oct(file.stat().st_mode & 0o777) for file in folder.iterdir()}
    assert len(kept) >= 4
    assert set(kept.values()) == {"0o600"}, kept


def test_times_are_those_of_the_attempts(store: Store) -> None:
    before = time.time()
    kept = store.record(attempt())
    assert before <= kept.at <= time.time()
