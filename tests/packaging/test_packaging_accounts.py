"""The built wheel at work: unpacked in an empty folder, read-only, used by accounts that own nothing of it."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from tests.journeys.terminal import Terminal
from tests.packaging.accounts import MENDED, ROOT, Account, snapshot

# Folders of a checkout that Python, git and the tools of developers write to.
MADE_BY_TOOLS = ("__pycache__", ".git", ".venv", ".pytest_cache", ".hypothesis", ".mypy_cache", ".ruff_cache")


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory, installation: Path) -> Account:
    """An account that can read the installation and not write it."""
    account = Account(tmp_path_factory.mktemp("second"), installation)
    if not account.python("-c", f"open({str(installation / 'new')!r}, 'w')").returncode:
        pytest.skip("nothing can be forbidden to who runs the tests")
    account.log.unlink()
    return account


@pytest.fixture(scope="module")
def used(second: Account) -> Account:
    """The same after it has done everything once, in the shell and on the screen; what was said is checked here."""
    before = snapshot(second.installation, without=())
    program = second.here / "answer.py"
    program.write_text(MENDED, encoding="utf-8")

    assert [row["id"] for row in second.asked("list")["exercises"]].count("attention/argmax") == 1
    assert "An attention layer reads" in second.workbench("show", "attention/argmax").stdout
    assert second.asked("check", "attention/argmax", "scores", "--answer", "3 11 5 2")["status"] == "correct"
    assert second.asked("check", "debug/zero-grad", "patch", "--file", "answer.py")["status"] == "correct"
    run = second.workbench("run", "attention.argmax", "--save", "figure.svg")
    assert "output = [1, 4, 3]" in run.stdout
    pack = second.installation / "workbench" / "data" / "exercises"
    lint = second.workbench("lint", str(pack / "attention" / "argmax.yaml"), "--variants", "1")
    assert "all as promised" in lint.stdout
    with Terminal(*second.command, env=second.login(), cwd=second.here) as terminal:
        terminal.wait_for("of 5 done")
        terminal.press("t", "enter")  # another theme is a choice that is kept
        terminal.wait_for("What weights does the layer give")
        terminal.type("0 1 0 1")
        terminal.press("f5")
        terminal.wait_for("kept from")
        terminal.press("ctrl+q")
        assert terminal.wait_for_end() == 0

    assert snapshot(second.installation, without=()) == before
    program.unlink()
    (second.here / "figure.svg").unlink()
    return second


def test_the_modules_are_those_of_the_wheel(second: Account) -> None:
    script = "import engines, sys, workbench; print(engines.__file__, workbench.__file__, *sys.path, sep='\\n')"
    engines, workbench, *path = second.python("-c", script).stdout.splitlines()
    assert Path(engines).parent == second.installation / "engines"
    assert Path(workbench).parent == second.installation / "workbench"
    places = [Path(place) for place in path if (Path(place) / "workbench" / "__init__.py").exists()]
    assert places == [second.installation]


def test_exercises_and_themes_travel_inside(second: Account) -> None:
    found = second.asked("doctor")
    assert found["pack"] == {
        "path": str(second.installation / "workbench" / "data" / "exercises"),
        "exercises": 5,
        "broken": [],
    }
    assert found["compute"]["works"]
    assert {name: place["path"] for name, place in found["paths"].items() if name != "home"} == {
        name: str(path) for name, path in second.kept.items()
    }
    assert all(place.get("writable", True) for place in found["paths"].values())


def test_nothing_is_written_outside_the_xdg_folders(used: Account) -> None:
    # The watch sees the program itself, and workers forked from the nursery.
    assert used.kept["data"] / "progress.db" in used.written()
    assert used.kept["cache"] / "runs" in used.written()
    assert {path.parent for path in used.outside()} == {used.here}  # the figure, which was asked for
    assert list(used.temporary.iterdir()) == []
    assert list(used.here.iterdir()) == []
    in_home = {path for path in used.home.rglob("*") if path.is_file()}
    assert in_home
    assert {path for path in in_home if not any(path.is_relative_to(folder) for folder in used.kept.values())} == set()


def test_what_an_account_keeps_is_its_own(used: Account) -> None:
    for path in used.home.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert (used.kept["data"] / "progress.db").exists()
    assert (used.kept["state"] / "settings.json").exists()


def test_another_account_with_the_same_installation_starts_from_nothing(
    used: Account, tmp_path: Path, installation: Path
) -> None:
    first = Account(tmp_path / "first", installation)
    solved = {row["id"]: row["status"] for row in first.asked("list")["exercises"]}
    assert set(solved.values()) == {"open"}
    theirs = {row["id"]: row["status"] for row in used.asked("list")["exercises"]}
    assert (theirs["attention/argmax"], theirs["debug/zero-grad"]) == ("partly", "done")


def test_a_home_that_cannot_be_written_stops_neither_runs_nor_programs(second: Account, tmp_path: Path) -> None:
    locked = Account(tmp_path, second.installation)
    locked.home.chmod(0o500)
    (locked.here / "answer.py").write_text(MENDED, encoding="utf-8")
    done = locked.workbench("check", "debug/zero-grad", "patch", "--file", "answer.py", "--json")
    assert json.loads(done.stdout)["status"] == "correct"
    assert locked.workbench("run", "attention.argmax").returncode == 0
    assert list(locked.home.iterdir()) == []


def test_a_checkout_is_left_as_it_is(tmp_path: Path) -> None:
    account = Account(tmp_path, ROOT)
    before = snapshot(ROOT, without=MADE_BY_TOOLS)
    assert account.asked("check", "attention/argmax", "scores", "--answer", "3 11 5 2")["status"] == "correct"
    assert account.outside() == []
    assert snapshot(ROOT, without=MADE_BY_TOOLS) == before


def test_the_xdg_variables_move_what_is_kept(tmp_path: Path, installation: Path) -> None:
    class Moved(Account):
        @property
        def environment(self) -> dict[str, str]:
            return super().environment | {
                f"XDG_{name}_HOME": str(tmp_path / "elsewhere" / name.lower())
                for name in ("DATA", "CACHE", "STATE", "CONFIG")
            }

    moved = Moved(tmp_path, installation)
    assert moved.asked("check", "attention/argmax", "scores", "--answer", "3 11 5 2")["status"] == "correct"
    assert list(moved.home.iterdir()) == []
    assert list(moved.temporary.iterdir()) == []
    assert sorted(path.parent.name for path in (tmp_path / "elsewhere").glob("*/workbench")) == [
        "cache",
        "data",
        "state",
    ]
