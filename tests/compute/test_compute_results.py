"""The store of results: what it finds, what it must not mistake for it, and that it may be damaged or full."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines import registry
from engines.arrays import Array
from engines.result import Result
from workbench.compute import results as module
from workbench.compute.local import LocalCompute
from workbench.compute.messages import Finished, Job
from workbench.compute.results import Results
from workbench.compute.wire import pack

JOB = Job("one", engine="attention.argmax", params={"query": [1.0, 2.0]}, seed=3, dtype="float64", device="cpu")
OUTPUT = {"values": {"x": Array.of([[1.0, 2.0], [3.0, 4.0]]), "n": 3}, "notes": ["σ"]}
DONE = Finished("one", OUTPUT, 0.5, "cpu", "float64")


@pytest.fixture
def store(tmp_path: Path) -> Results:
    return Results(str(tmp_path / "runs"))


def files(store: Results) -> list[Path]:
    return sorted(Path(store.folder).iterdir())


def changed(job: Job = JOB, **more: Any) -> Job:
    return Job(**{**vars(job), **more})


def test_a_result_is_found_again_under_the_job_that_asks(store: Results) -> None:
    assert store.find(JOB) is None
    store.keep(JOB, DONE)
    found = store.find(changed(id="two"))
    assert found is not None
    assert (found.job_id, found.output, found.elapsed, found.device) == ("two", OUTPUT, 0.5, "cpu")
    assert found.stored_at is not None
    assert Results(store.folder).find(JOB) is not None, "also by another program"


@pytest.mark.parametrize(
    "other",
    [
        {"params": {"query": [1.0, 3.0]}},
        {"params": {}},
        {"seed": 4},
        {"dtype": "float32"},
        {"dtype": ""},
        {"device": "auto"},
        {"device": "cuda:0"},
        {"engine": "decoding.beam"},
        {"task": "draw"},
    ],
    ids=str,
)
def test_another_job_does_not_find_it(other: dict[str, Any], store: Results) -> None:
    store.keep(JOB, DONE)
    assert store.find(changed(**other)) is None
    assert store.find(JOB) is not None


def test_other_sources_of_the_engines_do_not_find_it(store: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    store.keep(JOB, DONE)
    monkeypatch.setattr(registry, "version", lambda: "another")
    assert store.find(JOB) is None


def test_the_order_of_parameters_does_not_matter(store: Results) -> None:
    store.keep(changed(params={"a": 1, "b": [2.0]}), DONE)
    assert store.find(changed(params={"b": [2.0], "a": 1})) is not None


def test_a_device_is_never_shown_as_another(store: Results) -> None:
    store.keep(changed(device="auto"), Finished("one", OUTPUT, 0.5, "cuda:0", "float64"))
    assert store.find(changed(device="cpu")) is None
    found = store.find(changed(device="auto"))
    assert found is not None
    assert found.device == "cuda:0", "where it ran, not where it would run now"


@settings(max_examples=150, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_no_changed_byte_passes_for_a_result(place: float, flip: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    store = Results(str(tmp_path_factory.getbasetemp() / "flipped"))
    store.keep(JOB, DONE)
    (file,) = files(store)
    raw = bytearray(file.read_bytes())
    raw[int(place * len(raw))] ^= flip
    file.write_bytes(raw)
    assert store.find(JOB) is None
    assert not file.exists(), "so that it is computed and stored again"
    store.keep(JOB, DONE)
    assert store.find(JOB) is not None


@pytest.mark.parametrize(
    "harm",
    [
        lambda raw: b"",
        lambda raw: raw[:10],
        lambda raw: raw[:-1],
        lambda raw: raw + b"x",
        lambda raw: bytes(len(raw)),
        lambda raw: raw[: len(raw) // 2] + bytes(len(raw) - len(raw) // 2),
    ],
)
def test_a_damaged_file_is_removed(harm: Callable[[bytes], bytes], store: Results) -> None:
    store.keep(JOB, DONE)
    (file,) = files(store)
    file.write_bytes(harm(file.read_bytes()))
    assert store.find(JOB) is None
    assert files(store) == []


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"key": 3},
        {"event": {}},
        {"event": []},
        {"event": {"type": "Cancelled", "job_id": "x"}},
        {"event": {"type": "Hello", "pid": 1, "torch": ""}},
        {"event": {"type": "Finished", "output": {}}},
    ],
)
def test_a_whole_file_with_something_else_in_it_is_no_result(content: dict[str, Any], store: Results) -> None:
    store.keep(JOB, DONE)
    (file,) = files(store)
    frame = pack({"key": module.key_of(JOB), **content})
    file.write_bytes(module._digest(frame) + frame)
    assert store.find(JOB) is None


def test_a_damaged_result_is_computed_again(tmp_path: Path) -> None:
    kept = Results(str(tmp_path / "runs"))
    local = LocalCompute(kept)
    try:
        first = local.ask(engine="attention.argmax", device="cpu")
        (file,) = files(kept)
        file.write_bytes(file.read_bytes()[:-8])
        again = local.ask(engine="attention.argmax", device="cpu")
        assert again.stored_at is None
        assert Result.from_plain(again.output) == Result.from_plain(first.output)
        assert local.ask(engine="attention.argmax", device="cpu").stored_at is not None
    finally:
        local.close()


def test_a_folder_that_cannot_be_written_loses_the_copy_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    for folder in (str(tmp_path / "file" / "runs"), "/proc/nobody/runs"):
        store = Results(folder)
        store.keep(JOB, DONE)
        assert store.find(JOB) is None


def test_a_full_disk_leaves_no_half_of_a_result(store: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    store.keep(JOB, DONE)
    assert files(store) == []


def test_the_store_is_bounded_by_number_and_by_size(store: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_FILES", 5)
    for i in range(12):
        store.keep(changed(seed=i), DONE)
        for age, file in enumerate(sorted(files(store), key=lambda file: file.stat().st_mtime_ns)):
            os.utime(file, (1000 + age, 1000 + age))  # one after the other, whatever the clock can tell apart
    assert len(files(store)) == 5
    assert store.find(changed(seed=11)) is not None
    assert store.find(changed(seed=0)) is None
    size = files(store)[0].stat().st_size
    monkeypatch.setattr(module, "MAX_BYTES", int(2.5 * size))
    store.keep(changed(seed=99), DONE)
    assert len(files(store)) == 2
    assert store.find(changed(seed=99)) is not None


def test_what_is_used_stays_longer(store: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_FILES", 3)
    for i in range(3):
        store.keep(changed(seed=i), DONE)
    for file in files(store):
        os.utime(file, (1000, 1000))
    assert store.find(changed(seed=1)) is not None
    store.keep(changed(seed=3), DONE)
    store.keep(changed(seed=4), DONE)
    assert store.find(changed(seed=1)) is not None
    assert len(files(store)) == 3
