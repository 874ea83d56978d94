"""What every test has: folders of its own, one thread for torch, and a worker shared by all."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.compute.local import LocalCompute
from workbench.compute.results import Results

XDG = ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that a test keeps is seen by another, or by whoever runs them."""
    for name in XDG:
        monkeypatch.setenv(name, str(tmp_path / "xdg" / name.lower()))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Results repeat to the bit, and a busy machine does not slow small matrices down."""
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared_compute(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCompute]:
    """Workers that are started once."""
    shared = LocalCompute(Results(str(tmp_path_factory.mktemp("results"))))
    yield shared
    shared.close()


@pytest.fixture
def compute(shared_compute: LocalCompute) -> LocalCompute:
    """The workers, without the results of another test."""
    shutil.rmtree(shared_compute.results.folder, ignore_errors=True)
    return shared_compute


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a GPU, and say so."""
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")
