"""`make run` and its fellows, with a Python that only notes what it is asked to do."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.packaging.accounts import ROOT

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")

# Python, and every program of a virtual environment. What it is told to fail at, it fails at.
FAKE = """\
#!/bin/sh
set -e
echo "$(basename "$0") $*" >> "$LOG"
case "$*" in ${FAILS:-nothing}) exit 1;; esac
if [ "$1 $2" = "-m venv" ]; then
    for folder in "$@"; do :; done
    mkdir -p "$folder/bin"
    for program in python workbench ruff mypy lint-imports; do cp "$0" "$folder/bin/$program"; done
fi
"""

Make = Callable[..., list[str]]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """As much of a checkout as make looks at, in a folder with a blank in its name."""
    folder = tmp_path / "my checkout"
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    python = folder / "python3"
    python.write_text(FAKE, encoding="utf-8")
    python.chmod(0o755)
    return folder


@pytest.fixture
def make(checkout: Path) -> Make:
    """Runs make; returns what was called."""

    def run(*arguments: str, fails: str = "", status: int = 0) -> list[str]:
        log = checkout / "log"
        log.write_text("", encoding="utf-8")
        environment = {"PATH": f"{checkout}:{os.environ['PATH']}", "LOG": str(log), "FAILS": fails or "nothing"}
        done = subprocess.run(
            ["make", *arguments], cwd=checkout, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == status, done.stderr
        return log.read_text(encoding="utf-8").splitlines()

    return run


def installs(calls: list[str]) -> list[str]:
    """What pip was asked to install."""
    return [call.rpartition(" -c constraints.txt ")[2] for call in calls if " pip " in call]


def test_the_first_run_installs_compiles_and_starts(make: Make) -> None:
    calls = make("run")
    assert calls[1] == "python3 -m venv .venv"
    assert installs(calls) == ["torch>=2.6,<2.14", "--editable ."]
    assert calls[-2:] == ["python -m compileall -q workbench engines", "workbench "]


def test_the_second_run_only_starts(make: Make) -> None:
    make("run")
    assert make("run") == ["workbench "]


def test_another_torch_is_installed_when_it_is_asked_for_and_only_then(make: Make) -> None:
    make("run")
    assert installs(make("run", "TORCH=torch==2.9.1")) == ["torch==2.9.1", "--editable ."]
    assert make("run", "TORCH=torch==2.9.1") == ["workbench "]


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_what_is_asked_for_having_changed_it_is_installed_again(make: Make, checkout: Path, name: str) -> None:
    make("run")
    later = (checkout / ".venv" / ".run").stat().st_mtime + 10
    os.utime(checkout / name, (later, later))
    assert installs(make("run")) == ["torch>=2.6,<2.14", "--editable ."]


def test_an_installation_that_failed_is_tried_again(make: Make) -> None:
    assert "workbench " not in make("run", fails="*torch*", status=2)
    assert installs(make("run")) == ["torch>=2.6,<2.14", "--editable ."]


def test_a_python_without_pip_installs_it_from_outside(make: Make) -> None:
    calls = make("run", fails="-m?venv?.venv")
    assert "python3 -m venv --without-pip .venv" in calls
    assert "python3 -m pip --python .venv/bin/python install --quiet pip" in calls
    assert calls[-1] == "workbench "


def test_an_old_python_is_refused_before_anything_is_fetched(make: Make) -> None:
    calls = make("run", fails="*version_info*", status=2)
    assert len(calls) == 1
    assert "3, 11" in calls[0]


def test_the_tests_install_what_they_need_once(make: Make) -> None:
    assert installs(make("test")) == ["torch>=2.6,<2.14", "--editable .", "--editable .[test]"]
    assert make("test") == ["python -m pytest"]
    assert make("bench") == ["python -m pytest tests/benchmarks -o addopts= -s -q"]


def test_check_is_lint_format_types_imports_and_exercises(make: Make) -> None:
    make("test")
    assert installs(make("check")) == ["--editable .[test,check]"]
    assert make("check") == [
        "ruff check .",
        "ruff format --check .",
        "mypy ",
        "lint-imports --no-cache",
        "workbench lint",
    ]
    assert make("check", fails="check?.", status=2) == ["ruff check ."]


def test_clean_leaves_a_fresh_checkout(make: Make, checkout: Path) -> None:
    before = {path.name for path in checkout.iterdir()}
    make("test")
    (checkout / "workbench" / "__pycache__").mkdir(parents=True)
    (checkout / "workbench" / "kept.py").touch()
    make("clean")
    assert {path.name for path in checkout.iterdir()} == before | {"log", "workbench"}
    assert [path.name for path in (checkout / "workbench").iterdir()] == ["kept.py"]


def test_another_account_starts_an_installed_checkout_without_writing_to_it(make: Make, checkout: Path) -> None:
    make("run")
    before = {path: path.stat().st_mtime_ns for path in checkout.rglob("*") if path.name != "log"}
    make("run")
    assert {path: path.stat().st_mtime_ns for path in checkout.rglob("*") if path.name != "log"} == before


@pytest.mark.parametrize("fails", ["", "test", "check"])
def test_continuous_integration_is_the_tests_and_then_the_checks(tmp_path: Path, fails: str) -> None:
    program = tmp_path / "make"
    program.write_text(f'#!/bin/sh\necho "$PWD $*" >> "{tmp_path}/log"\n[ "$*" != "{fails}" ]\n', encoding="utf-8")
    program.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run([ROOT / ".ci" / "run"], cwd=tmp_path, env=environment, check=False)
    assert bool(done.returncode) == bool(fails)
    wanted = ["test"] if fails == "test" else ["test", "check"]
    assert (tmp_path / "log").read_text(encoding="utf-8").splitlines() == [f"{ROOT} {target}" for target in wanted]
