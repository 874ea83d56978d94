"""What a process meets: readers that leave, disks that are full, homes that are none, terminals that cannot."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from tests.cli.cli_harness import Told, process
from tests.journeys.terminal import Terminal
from workbench import paths
from workbench.progress.store import Store

RIGHT = ("check", "attention/argmax", "scores", "--answer", "3 11 5 2")
PATCH = ("check", "debug/zero-grad", "patch")
# A right answer whose verdict is followed by a drawing, which rich writes.
DRAWN = ("check", "attention/argmax", "gradients", "--answer", "V")
NOWHERE = "/proc/nowhere"  # where not even root can make a folder
WORKBENCH = (sys.executable, "-m", "workbench")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A cache with the results that are needed here, so that most processes have no torch to wait for."""
    folder = str(tmp_path_factory.mktemp("cache"))
    for arguments in (RIGHT, ("list",)):
        assert process(*arguments, env={"XDG_CACHE_HOME": folder, "XDG_DATA_HOME": f"{folder}/data"}).status == 0
    return folder


@pytest.fixture(autouse=True)
def shared_cache(cache: str, own_folders: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", cache)


@contextlib.contextmanager
def nobody_reads() -> Iterator[int]:
    """A pipe whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@contextlib.contextmanager
def full() -> Iterator[IO[bytes]]:
    """A device on which there is never any room."""
    with Path("/dev/full").open("wb") as device:
        yield device


def recorded() -> list[str]:
    """The answers on disk."""
    store = Store(paths.progress_file())
    found = [attempt.answer for attempt in store.attempts()]
    store.close()
    return found


# -- standard output


@pytest.mark.parametrize("unbuffered", [None, "1"])
@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("list",), 0),
        (("list", "--json"), 0),
        (("show", "attention/argmax"), 0),
        (("schema",), 0),
        (("--help",), 0),
        (("show", "nothing", "--json"), 2),
    ],
)
def test_a_reader_that_has_gone_changes_nothing(
    arguments: tuple[str, ...], status: int, unbuffered: str | None
) -> None:
    with nobody_reads() as writer:
        told = process(*arguments, stdout=writer, env={"PYTHONUNBUFFERED": unbuffered})
    assert (told.status, told.err) == (status, "")


@pytest.mark.parametrize("arguments", [DRAWN, (*DRAWN, "--json")])
def test_a_right_answer_is_right_though_nobody_reads_that_it_is(arguments: tuple[str, ...]) -> None:
    """rich ends a program whose pipe breaks with status 1, which would mean a wrong answer."""
    with nobody_reads() as writer:
        assert process(*arguments, stdout=writer, env={"PYTHONUNBUFFERED": "1"}) == Told(0, "", "")
    assert recorded() == ["V"]


@pytest.mark.parametrize("arguments", [("list",), ("engines", "--json"), ("schema",), ("--help",)])
@pytest.mark.parametrize("unbuffered", [None, "1"])
def test_output_that_finds_no_room_is_told_elsewhere(arguments: tuple[str, ...], unbuffered: str | None) -> None:
    with full() as device:
        told = process(*arguments, stdout=device, env={"PYTHONUNBUFFERED": unbuffered})
    assert (told.status, told.err) == (4, "workbench: no space left on device\n")


@pytest.mark.parametrize("unbuffered", [None, "1"])
def test_an_error_that_finds_no_room_as_json_is_told_in_words(unbuffered: str | None) -> None:
    with full() as device:
        told = process("run", "nothing", "--json", stdout=device, env={"PYTHONUNBUFFERED": unbuffered})
    assert told.status == 2
    assert told.err.startswith("workbench: there is no engine 'nothing'")
    assert told.err.count("\n") == 1


CLOSED = """
import os, subprocess, sys
for number in map(int, sys.argv[1].split()):
    os.close(number)
os.execv(sys.executable, [sys.executable, "-m", "workbench", *sys.argv[2:]])
"""


@pytest.mark.parametrize("closed", ["0", "1", "2", "0 1 2"])
def test_streams_may_be_closed(closed: str) -> None:
    told = process(closed, *RIGHT, "--json", code=CLOSED)
    assert told.status == 0
    assert told.out == "" if "1" in closed else told.json["status"] == "correct"
    assert recorded() == ["3 11 5 2"]


def test_an_answer_from_a_closed_standard_input_is_empty() -> None:
    told = process("0", *RIGHT[:3], "--file", "-", code=CLOSED)
    assert (told.status, told.out) == (2, "unreadable: nothing is written here yet\n")


def test_a_pipe_that_takes_only_ascii_gets_ascii() -> None:
    for arguments in (("show", "attention/argmax"), ("list",), ("run", "--help"), ("engines", "attention.argmax")):
        told = process(*arguments, env={"PYTHONIOENCODING": "ascii"})
        assert told.status == 0
        assert told.out.isascii()
        assert "?" not in told.out.replace("?\n", "").replace("? ", "")
        # latin-1 could carry some of it, and a half of a drawing is none.
        assert process(*arguments, env={"PYTHONIOENCODING": "latin-1"}) == told


# -- homes


def no_home(tmp_path: Path, home: str | None) -> dict[str, str | None]:
    """An environment without a home directory; the makeshift one is the test's."""
    (tmp_path / "tmp").mkdir()
    xdg = ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")
    return {**dict.fromkeys(xdg), "HOME": home, "TMPDIR": str(tmp_path / "tmp")}


@pytest.mark.parametrize("home", ["", "/", "nowhere"])
def test_without_a_home_there_is_a_makeshift(tmp_path: Path, home: str) -> None:
    env = no_home(tmp_path, home)
    assert process(*RIGHT, "--json", env=env).json["warning"] == ""
    assert process("progress", "--json", env=env).json["attempts"] == 1
    makeshift = Path(process("progress", "--json", env=env).json["file"])
    assert makeshift.is_relative_to(tmp_path)
    assert makeshift.parent.stat().st_mode & 0o777 == 0o700


def test_a_home_that_cannot_be_made_costs_the_record_and_not_the_verdict(tmp_path: Path) -> None:
    env = no_home(tmp_path, NOWHERE) | {"XDG_CACHE_HOME": None}
    told = process(*RIGHT, "--json", env=env)
    assert (told.status, told.json["status"]) == (0, "correct")
    assert told.json["warning"].startswith("progress cannot be written (")
    assert NOWHERE in told.json["warning"]
    assert process("list", env=env).status == 0
    plain = process(*RIGHT, env=env)
    assert plain.err.startswith("warning: progress cannot be written")
    assert plain.err.count("\n") == 1
    assert "correct (1 of 1)" in plain.out


def test_a_full_home_costs_nothing_that_is_there() -> None:
    for answer in ("3 11 5 3", "3 11 5 2"):
        process(*RIGHT[:3], "--answer", answer)
    told = process(*DRAWN, "--json", file_size=0)
    assert (told.status, told.json["status"]) == (0, "correct")
    assert "progress cannot be written" in told.json["warning"]
    kept = process("progress", "--json", file_size=0).json
    assert kept["attempts"] == 2
    assert next(row["points"] for row in kept["exercises"] if row["id"] == "attention/argmax") == 1
    assert recorded() == ["3 11 5 3", "3 11 5 2"]
    assert process(*DRAWN, "--json").json["warning"] == ""
    assert recorded() == ["3 11 5 3", "3 11 5 2", "V"]


def test_a_home_that_has_always_been_full_leaves_no_warning_behind() -> None:
    assert process(*RIGHT, "--json", file_size=0).json["status"] == "correct"
    assert process("list", "--json").json["warning"] == ""
    assert process(*RIGHT, "--json").json["warning"] == ""
    assert recorded() == ["3 11 5 2"]


def test_a_program_of_the_student_needs_no_room_of_ours() -> None:
    told = process(*PATCH, "--answer", "train = 3", "--json", file_size=0)
    assert (told.status, told.json["note"]) == (1, "no-function")


def test_what_a_full_home_cannot_do_is_refused(tmp_path: Path) -> None:
    process(*RIGHT)
    reset = process("progress", "reset", "--json", file_size=0)
    assert (reset.status, reset.error["where"]) == (4, paths.progress_file())
    assert reset.error["message"].startswith("nothing was forgotten: progress cannot be written")
    assert recorded() == ["3 11 5 2"]
    target = tmp_path / "attempts.json"
    export = process("progress", "export", str(target), "--json", file_size=0)
    assert (export.status, export.error["where"]) == (4, str(target))
    saved = process("run", "attention.argmax", "--save", str(tmp_path / "figure.svg"), file_size=0)
    assert saved.status == 4
    assert "output = [1, 4, 3]" in saved.out
    assert saved.err == f"workbench: {tmp_path / 'figure.svg'}: file too large\n"
    assert [path.name for path in tmp_path.iterdir() if path.name != "xdg"] == []


def test_progress_that_is_damaged_is_set_aside_and_the_student_is_told() -> None:
    process(*RIGHT)
    file = Path(paths.progress_file())
    file.write_bytes(b"this is no database" * 100)
    assert "progress cannot be read" in process("list", "--json").json["warning"]
    told = process(*RIGHT)
    assert "correct (1 of 1)" in told.out
    assert told.err.startswith("warning: progress was damaged")
    assert [path.read_bytes()[:7] for path in file.parent.glob("progress.db.damaged-*[0-9]")] == [b"this is"]
    assert recorded() == ["3 11 5 2"]
    assert process(*RIGHT).err == ""


def test_a_folder_in_the_place_of_the_progress_file_is_left_alone() -> None:
    file = Path(paths.progress_file())
    (file / "precious").mkdir(parents=True)
    told = process(*RIGHT, "--json")
    assert (told.status, told.json["status"]) == (0, "correct")
    assert "progress cannot be written" in told.json["warning"]
    assert (file / "precious").is_dir()
    assert process("list").status == 0


# -- terminals


@pytest.mark.parametrize("term", ["xterm-256color", "dumb"])
def test_without_a_terminal_there_is_a_list(term: str) -> None:
    told = process(env={"TERM": term})
    assert told.status == 2
    assert "attention/argmax" in told.out
    assert told.err.startswith("workbench: the screen needs a terminal; `workbench list`, `show`, `check` and `run` ")
    assert told.err.count("\n") == 1


@pytest.mark.parametrize("term", ["dumb", "unknown", None])
def test_a_terminal_that_cannot_place_a_cursor_gets_a_list(term: str | None) -> None:
    with Terminal(env={"TERM": term}) as terminal:
        assert terminal.wait_for_end() == 2
        assert f"TERM={term or ''} cannot place a cursor" in terminal.raw.decode()
        assert "attention/argmax" in terminal.text
        assert b"\x1b" not in terminal.raw


def test_a_theme_that_is_none_is_told_before_the_screen_starts() -> None:
    with Terminal(*WORKBENCH, "--theme", "drak") as terminal:
        assert terminal.wait_for_end() == 2
        assert "there is no theme 'drak'; there are" in terminal.text
        assert b"\x1b" not in terminal.raw


def test_a_verdict_is_as_wide_as_the_terminal() -> None:
    for columns in (60, 100):
        with Terminal(*WORKBENCH, *DRAWN, columns=columns) as terminal:
            assert terminal.wait_for_end() == 0
            assert "correct (3 of 3)" in terminal.text
            # A drawing that were wider would be broken by the terminal.
            assert any("autograd" in line and "learns?" in line for line in terminal.text.splitlines()) or columns < 80


# -- the student's folder


FROM_FOLDER = """
import os, sys
os.chdir(sys.argv[1])
os.execv(sys.executable, [sys.executable, "-m", "workbench", *sys.argv[2:]])
"""


def test_files_of_the_student_are_not_imported(tmp_path: Path) -> None:
    for name in ("json", "torch", "random", "yaml", "numpy"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')")
    # A variant is drawn by a worker, which is started from here as well.
    told = process(str(tmp_path), "show", "attention/argmax", "--variant", "1", "--json", code=FROM_FOLDER)
    assert (told.status, told.json["variant"]) == (0, 1)
