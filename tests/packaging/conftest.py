"""The wheel, built once from the checkout, and unpacked where others can read it and nobody can write."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging.accounts import ROOT


def built(target: str, source: Path, out: Path) -> Path:
    """What hatchling makes of a source tree: "wheel" or "sdist"."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling is not installed: nothing can be built")
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(out)]
    out.mkdir(exist_ok=True)
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (file,) = out.iterdir()
    return file


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel."""
    return built("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built source distribution."""
    return built("sdist", ROOT, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="session")
def installation(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The wheel unpacked in an otherwise empty folder; read-only."""
    folder = tmp_path_factory.mktemp("installation")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    inside = [folder, *folder.rglob("*")]
    for path in inside:
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield folder
    for path in inside:
        path.chmod(0o755)  # so that whoever sweeps can
