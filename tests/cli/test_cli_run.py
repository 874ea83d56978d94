"""`workbench run`: an engine with parameters of one's own, and its figures in files."""

from __future__ import annotations

import csv
import json
import signal
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from tests.cli.cli_harness import Workbench
from workbench.compute.handle import Handle
from workbench.compute.local import LocalCompute
from workbench.compute.messages import Event, Progress, Started

KEYS = "[[1, 0], [0, 2], [3, 1]]"
VALUES = "[[1], [10], [100]]"
OWN = ("--set", f"keys={KEYS}", "--set", f"values={VALUES}", "--set", "query=[1, 1e1]", "--device", "cpu")


def test_parameters_are_set_and_the_values_are_those_of_numpy(workbench: Workbench) -> None:
    told = workbench("run", "attention.argmax", *OWN, "--json")
    assert (told.status, told.err) == (0, "")
    found = told.json
    keys, query = np.array(json.loads(KEYS)), np.array([1, 10])
    assert found["values"]["scores"] == (keys @ query).tolist()
    assert found["values"]["output"] == [10]
    scores = keys @ query
    soft = np.exp(scores - scores.max())
    np.testing.assert_allclose(found["values"]["softmax_weights"], soft / soft.sum(), rtol=1e-12)
    assert found["engine"] == "attention.argmax"
    assert found["params"] == {"keys": json.loads(KEYS), "values": json.loads(VALUES), "query": [1, 10]}
    assert (found["seed"], found["device"], found["dtype"]) == (0, "cpu", "float64")
    assert found["threads"] >= 1
    assert found["trace"]
    assert found["figures"]


def test_the_same_seed_gives_the_same_numbers_and_another_one_others(workbench: Workbench) -> None:
    def losses(seed: str) -> list[float]:
        settings = ("--set", "steps=5", "--set", "width=2", "--set", "batch_size=2", "--device", "cpu")
        found = workbench("run", "training.zero_grad", *settings, "--seed", seed, "--json").json
        assert found["seed"] == int(seed)
        return list(found["values"]["losses"])

    assert losses("7") == losses("7") != losses("8")
    assert len(losses(str(10**18 - 1))) == 5


def test_a_run_in_words(workbench: Workbench) -> None:
    told = workbench("run", "attention.argmax", *OWN)
    assert told.status == 0
    assert told.out.startswith("on cpu (")
    assert "  output = [10]" in told.out.splitlines()
    assert "Weights over the keys" in told.out
    assert "\x1b" not in told.out


def test_figures_are_saved_in_four_formats(workbench: Workbench, tmp_path: Path) -> None:
    for suffix in (".json", ".csv", ".txt", ".svg"):
        target = tmp_path / f"figure{suffix}"
        told = workbench("run", "attention.argmax", "--save", str(target), "--json")
        assert told.status == 0
        content = target.read_text(encoding="utf-8")
        if suffix == ".json":
            assert json.loads(content) == told.json["figures"]
        elif suffix == ".csv":
            rows = list(csv.reader(content.splitlines()))
            assert rows[0] == ["figure", "row", "column", "value"]
            assert {row[0] for row in rows[1:] if row} > {figure["name"] for figure in told.json["figures"]}
        elif suffix == ".svg":
            assert ET.fromstring(content).tag.endswith("svg")
        else:
            assert told.json["figures"][0]["title"] in content
    assert (
        f"figures saved in {tmp_path / 'figure.svg'}"
        in workbench("run", "attention.argmax", "--save", str(tmp_path / "figure.svg")).out
    )
    assert len(list(tmp_path.glob("figure.*"))) == 4


def test_a_target_that_cannot_be_written_is_refused_before_the_run(
    workbench: Workbench, compute: LocalCompute, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalCompute, "submit", None)
    (tmp_path / "figure.svg").mkdir()
    for target in ("figure.svg", "nowhere/figure.svg", "figure", "figure.svg/"):
        told = workbench("run", "attention.argmax", "--save", f"{tmp_path}/{target}", "--json")
        assert (told.status, told.error["kind"]) == (2, "usage")


def test_a_full_disk_costs_the_figures_and_not_the_result(
    workbench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    target = tmp_path / "figure.svg"
    told = workbench("run", "attention.argmax", *OWN, "--save", str(target))
    assert told.status == 4
    assert "  output = [10]" in told.out.splitlines()
    assert "saved" not in told.out
    assert told.err == f"workbench: {target}: no space left on device\n"
    as_json = workbench("run", "attention.argmax", *OWN, "--save", str(target), "--json")
    assert as_json.error == {"kind": "system", "message": "no space left on device", "where": str(target)}
    assert not target.exists()


def test_an_engine_that_fails_says_why(workbench: Workbench) -> None:
    told = workbench("run", "attention.argmax", "--set", "keys=[[1], [1]]", "--set", "values=[[1], [2]]", "--set",
                     "query=[1]", "--json")  # fmt: skip
    assert told.status == 4
    assert told.error["message"] == "two keys share the largest score, so the argmax is not defined: change a key or q"


def test_ctrl_c_ends_a_long_run_with_one_line(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Handle.next_event

    def next_event(handle: Handle, timeout: float | None = None) -> Event:
        event = real(handle, timeout)
        if isinstance(event, Started):
            signal.raise_signal(signal.SIGINT)
        return event

    monkeypatch.setattr(Handle, "next_event", next_event)
    long = ("training.zero_grad", "--set", "steps=5000", "--set", "width=512", "--set", "batch_size=1024")
    told = workbench("run", *long, "--json")
    assert (told.status, told.error["kind"]) == (4, "cancelled")
    plain = workbench("run", *long)
    assert (plain.status, plain.out, plain.err) == (4, "", "workbench: cancelled\n")


def test_ctrl_c_keeps_what_was_drawn(workbench: Workbench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = Handle.next_event

    def next_event(handle: Handle, timeout: float | None = None) -> Event:
        event = real(handle, timeout)
        if isinstance(event, Progress) and event.figure is not None:
            signal.raise_signal(signal.SIGINT)
        return event

    monkeypatch.setattr(Handle, "next_event", next_event)
    target = tmp_path / "so-far.csv"
    stopped = workbench("run", "training.zero_grad", "--set", "steps=5000", "--save", str(target))
    assert (stopped.status, stopped.err) == (4, "workbench: cancelled\n")
    assert "Training loss" in stopped.out
    assert stopped.out.endswith(f"what was drawn so far is saved in {target}\n")
    assert "broken" in target.read_text(encoding="utf-8")


def test_a_run_in_another_type(workbench: Workbench) -> None:
    settings = ("training.zero_grad", "--set", "steps=5", "--device", "cpu", "--json")
    single, double = (workbench("run", *settings, "--dtype", name).json for name in ("float32", "float64"))
    assert (single["dtype"], double["dtype"]) == ("float32", "float64")
    assert single["values"]["losses"] == pytest.approx(double["values"]["losses"], rel=1e-4)
    assert single["values"]["losses"] != double["values"]["losses"]
    told = workbench("run", *settings, "--dtype", "float8")
    assert (told.status, told.error["kind"]) == (2, "bad_parameters")
    assert told.error["message"] == "dtype: training.zero_grad runs in float32 or float64, not in 'float8'"


def test_ctrl_c_before_a_run_ends_with_one_line_as_well(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    def submit(*_: object, **__: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(LocalCompute, "submit", submit)
    assert workbench("run", "attention.argmax").err == "workbench: cancelled\n"
    assert workbench("check", "attention/argmax", "scores", "--answer", "1", "--json").error["kind"] == "cancelled"
