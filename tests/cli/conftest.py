"""`workbench` in this process, with the workers of the test session."""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

import pytest

from tests.cli.cli_harness import Told, Workbench
from workbench import paths
from workbench.cli import main
from workbench.compute.local import LocalCompute
from workbench.session import Workplace


@pytest.fixture
def workbench(
    compute: LocalCompute, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> Workbench:
    """Run commands one after the other."""
    # Every command takes its workers from a workplace, which leaves alone what it has not made.
    monkeypatch.setattr(Workplace, "compute", compute)

    def run(*arguments: str, stdin: bytes = b"") -> Told:
        capsysbinary.readouterr()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        status = main(arguments)
        out, err = capsysbinary.readouterr()
        return Told(status, out.decode(), err.decode()).without_traceback()

    return run


@pytest.fixture
def own_pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the shipped exercises that a test may break, in place of them."""
    pack = tmp_path / "pack"
    shutil.copytree(paths.exercises(), pack)
    monkeypatch.setattr(paths, "exercises", lambda: str(pack))
    return pack
