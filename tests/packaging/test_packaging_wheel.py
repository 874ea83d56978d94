"""What the built wheel and the source distribution hold."""

from __future__ import annotations

import email
import email.message
import importlib
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.packaging.accounts import ROOT
from tests.packaging.conftest import built
from workbench import __version__

INFO = f"deep_learning_workbench-{__version__}.dist-info"


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    """Every file of the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> email.message.Message:
    """What the wheel says of itself."""
    with zipfile.ZipFile(wheel) as archive:
        return email.message_from_bytes(archive.read(f"{INFO}/METADATA"))


def files(folder: str, pattern: str) -> set[str]:
    """Files of the checkout, by their path in it."""
    return {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob(pattern)}


def test_the_wheel_holds_the_two_packages_with_their_data_no_tests_and_no_caches(names: set[str]) -> None:
    code = {*files("workbench", "*.py"), *files("engines", "*.py"), *files("engines", "*.csv"), "engines/py.typed"}
    data = {f"workbench/data/{name}" for name in (*files("exercises", "*.yaml"), *files("themes", "*.yaml"))}
    info = {f"{INFO}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")}
    assert len(code) > 100
    assert len(data) > 10
    assert names == code | data | info


def test_the_wheel_fits_every_machine_with_a_new_enough_python(wheel: Path, metadata: email.message.Message) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "MIT"
    needed = [need.split(";")[0].strip() for need in metadata.get_all("Requires-Dist", []) if "extra ==" not in need]
    assert "textual==8.2.8" in needed
    assert "torch<2.14,>=2.6" in needed
    assert len(needed) == 7


def test_the_command_is_called_workbench(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(f"{INFO}/entry_points.txt").decode()
    assert text.split() == ["[console_scripts]", "workbench", "=", "workbench.cli:main"]
    assert callable(importlib.import_module("workbench.cli").main)


def test_the_wheel_of_the_source_distribution_is_the_same(sdist: Path, names: set[str], tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()
    for name in ("Makefile", "constraints.txt", ".ci/run", "tests/conftest.py"):  # what the tests need
        assert (source / name).exists(), name
    with zipfile.ZipFile(built("wheel", source, tmp_path / "out")) as archive:
        assert set(archive.namelist()) == names
