"""The commands that tell what there is: exercises, engines, progress, the machine, the form of a file."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from engines.parameters import declared
from tests.cli.cli_harness import Workbench
from workbench import paths
from workbench.progress.store import Store

SHIPPED = {"attention/argmax", "beam/two-words", "debug/accumulation", "debug/zero-grad", "kernel-attn/cost"}


def ids(workbench: Workbench, *arguments: str) -> list[str]:
    return [row["id"] for row in workbench("list", *arguments, "--json").json["exercises"]]


# -- list


def test_the_list_has_every_exercise_with_its_parts(workbench: Workbench) -> None:
    found = workbench("list", "--json").json
    assert found["warning"] == ""
    assert {row["id"] for row in found["exercises"]} >= SHIPPED
    for row in found["exercises"]:
        assert row["status"] == "open"
        assert row["broken"] == []
        assert row["points"] == sum(part["points"] for part in row["parts"])
        assert not any(part["solved"] for part in row["parts"])
    plain = workbench("list").out
    assert all(name in plain for name in SHIPPED)


def test_the_list_of_a_topic_and_of_an_assignment(workbench: Workbench) -> None:
    assert set(ids(workbench, "--topic", "debug")) >= {"debug/zero-grad", "debug/accumulation"}
    assert all(name.startswith("debug/") for name in ids(workbench, "--topic", "debug"))
    sheet = ids(workbench, "--assignment", "eecs182-sp23-hw7")
    assert sheet[:2] == ["attention/argmax", "kernel-attn/cost"]  # its own order, not that of the topics
    both = ids(workbench, "--assignment", "eecs182-sp23-hw7", "--topic", "debug")
    assert both == [name for name in sheet if name.startswith("debug/")]


def test_the_list_knows_what_is_done(workbench: Workbench) -> None:
    workbench("check", "attention/argmax", "scores", "--answer", "3 11 5 2")
    workbench("check", "beam/two-words", "t2", "--answer", "network neural; neural network")
    rows = {row["id"]: row for row in workbench("list", "--json").json["exercises"]}
    assert rows["attention/argmax"]["status"] == rows["beam/two-words"]["status"] == "partly"
    assert [part["id"] for part in rows["attention/argmax"]["parts"] if part["solved"]] == ["scores"]
    assert not any(part["solved"] for part in rows["beam/two-words"]["parts"])
    assert " 1/4 " in workbench("list").out


def test_an_assignment_that_names_a_missing_exercise_shows_the_others(workbench: Workbench, own_pack: Path) -> None:
    (own_pack / "beam" / "two-words.yaml").unlink()
    told = workbench("list", "--assignment", "eecs182-fa22-hw6", "--json")
    assert told.status == 0
    assert [row["id"] for row in told.json["exercises"]] == ["kernel-attn/cost"]
    assert "there is no exercise 'beam/two-words'" in told.json["warning"]
    plain = workbench("list", "--assignment", "eecs182-fa22-hw6")
    assert "kernel-attn/cost" in plain.out
    assert plain.err.startswith("warning: assignments/eecs182-fa22-hw6.yaml: there is no exercise")


def test_without_a_pack_the_list_says_so(workbench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "exercises", lambda: str(tmp_path / "nowhere"))
    told = workbench("list", "--json")
    assert (told.status, told.json["exercises"]) == (0, [])
    assert "nowhere is not a folder" in told.json["warning"]


# -- one bad file


BROKEN = {
    "not YAML": "format_version: 1\nid: [\n",
    "a tab": "format_version: 1\n\tid: x\n",
    "no text": "\0\0\0",
    "a word": "hello\n",
    "a bomb": "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True)),
    "deep": "[" * 5000,
    "a class": "!!python/object/apply:os.system ['true']\n",
    "empty": "",
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_hides_no_other(workbench: Workbench, own_pack: Path, content: str) -> None:
    (own_pack / "beam" / "two-words.yaml").write_text(content)
    listed = workbench("list", "--json")
    assert listed.status == 0
    rows = {row["id"]: row for row in listed.json["exercises"]}
    assert rows.keys() >= SHIPPED
    assert [name for name, row in rows.items() if row["status"] == "broken"] == ["beam/two-words"]
    (reason, *_) = rows["beam/two-words"]["broken"]
    assert reason.startswith("pack/beam/two-words.yaml:")
    assert len(reason) < 300
    for command in (("show", "beam/two-words"), ("check", "beam/two-words", "t1", "--answer", "x")):
        told = workbench(*command, "--json")
        assert (told.status, told.error["kind"]) == (2, "broken_file")
        assert told.error["where"].startswith("pack/beam/two-words.yaml")
    plain = workbench("show", "beam/two-words")
    assert (plain.out, plain.err.count("\n")) == ("", 1)
    assert workbench("check", "attention/argmax", "scores", "--answer", "3 11 5 2").status == 0
    assert "beam/two-words" in workbench("list").out


def test_several_faults_of_a_file_are_counted(workbench: Workbench, own_pack: Path) -> None:
    file = own_pack / "beam" / "two-words.yaml"
    file.write_text(file.read_text().replace("title:", "titel:").replace("minutes: 20", "minutes: soon"))
    error = workbench("show", "beam/two-words", "--json").error
    assert error["where"] == "pack/beam/two-words.yaml:3:1"
    assert error["message"].startswith("unknown key 'titel'; did you mean 'title'?")
    assert "`workbench lint` lists them" in error["message"]


def test_the_name_of_a_file_does_nothing_to_the_terminal(workbench: Workbench, own_pack: Path) -> None:
    (own_pack / "beam" / "a\x1b[2Jb.yaml").touch()
    (own_pack / "beam" / "a\udcffb.yaml").touch()
    told = workbench("list")
    assert told.status == 0
    assert len([line for line in told.out.splitlines() if "beam/a?" in line]) == 2
    assert "\x1b" not in told.out
    assert len([name for name in ids(workbench) if name.startswith("beam/a")]) == 2


# -- engines


def test_the_engines_with_their_parameters(workbench: Workbench) -> None:
    found = {engine["name"]: engine for engine in workbench("engines", "--json").json["engines"]}
    assert found.keys() == declared().keys()
    for engine in found.values():
        assert engine["summary"]
        assert engine["dtype"] in engine["dtypes"]
        assert engine["peak_bytes"] > 0
        for parameter in engine["parameters"]:
            assert parameter.keys() == {"name", "type", "default", "low", "high", "help"}
            assert parameter["help"]
    (size,) = (item for item in found["decoding.beam"]["parameters"] if item["name"] == "beam_size")
    assert size == {
        "name": "beam_size",
        "type": "a whole number",
        "default": 2,
        "low": 1,
        "high": 64,
        "help": "hypotheses kept after each step, k",
    }


def test_one_engine_in_words(workbench: Workbench) -> None:
    (only,) = workbench("engines", "decoding.beam", "--json").json["engines"]
    assert only["name"] == "decoding.beam"
    words = workbench("engines", "decoding.beam").out
    assert "beam_size: a whole number, 1 to 64, default 2" in words
    assert "in float32 or float64 (float64 by default), one thread on a CPU" in words
    assert "at its defaults it takes at most 32 MiB" in words
    assert len(workbench("engines").out.splitlines()) == len(declared())


# -- schema


def test_the_schema_describes_the_files_that_are_shipped(workbench: Workbench) -> None:
    schema = workbench("schema").json
    exercise = schema["$defs"]["Exercise"]
    assert "id" in exercise["properties"]
    assert set(exercise["required"]) >= {"format_version", "id", "title", "engine", "statement", "parts"}


# -- progress


def test_progress_counts_points_and_attempts(workbench: Workbench) -> None:
    assert workbench("progress", "--json").json["attempts"] == 0
    workbench("check", "attention/argmax", "scores", "--answer", "3 11 5 2")
    workbench("check", "attention/argmax", "output", "--answer", "1 4")
    found = workbench("progress", "--json").json
    assert (found["attempts"], found["file"], found["warning"]) == (2, paths.progress_file(), "")
    (row,) = (row for row in found["exercises"] if row["id"] == "attention/argmax")
    assert (row["status"], row["points"], row["max_points"]) == ("partly", 1, 7)
    assert row["parts"] == {"scores": 1, "output": 0}
    assert "2 attempts" in workbench("progress").out


def test_a_reset_forgets_one_exercise_or_all_and_keeps_a_copy(workbench: Workbench) -> None:
    workbench("check", "attention/argmax", "scores", "--answer", "3 11 5 2")
    workbench("check", "beam/two-words", "t1", "--answer", "neural")
    told = workbench("progress", "reset", "attention/argmax", "--json").json
    assert (told["reset"], told["warning"]) == ("attention/argmax", "")
    assert workbench("progress", "--json").json["attempts"] == 1
    copy = Store(told["kept"])
    assert len(copy.attempts()) == 2
    copy.close()
    assert "forgotten: everything; a copy of the file as it was is" in workbench("progress", "reset").out
    assert workbench("progress", "--json").json["attempts"] == 0


def test_an_export_has_every_attempt(workbench: Workbench, tmp_path: Path) -> None:
    for answer in ("3 11 5 3", "3 11 5 2"):
        workbench("check", "attention/argmax", "scores", "--answer", answer)
    target = tmp_path / "attempts.json"
    assert workbench("progress", "export", str(target), "--json").json == {
        "exported": str(target),
        "attempts": 2,
        "warning": "",
    }
    content = json.loads(target.read_text())
    assert content["format_version"] == 1
    assert [(attempt["answer"], attempt["status"]) for attempt in content["attempts"]] == [
        ("3 11 5 3", "wrong"),
        ("3 11 5 2", "correct"),
    ]
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert "2 attempts written to" in workbench("progress", "export", str(target)).out


def test_an_export_to_a_name_that_is_no_text_is_told(workbench: Workbench, tmp_path: Path) -> None:
    told = workbench("progress", "export", str(tmp_path / "a\udcffb"))
    assert told.status == 0
    assert "a?b" in told.out
    assert len(list(tmp_path.glob("a*b"))) == 1


@pytest.mark.parametrize("name", ["folder", "file/attempts", "nowhere/attempts", "folder/"])
def test_an_export_that_has_no_place_is_refused(workbench: Workbench, tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    told = workbench("progress", "export", f"{tmp_path}/{name}", "--json")
    assert told.status == 2
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "xdg") == ["file", "folder"]


# -- lint


def test_a_lint_that_finds_nothing_and_one_that_does(workbench: Workbench, own_pack: Path) -> None:
    file = own_pack / "attention" / "argmax.yaml"
    told = workbench("lint", str(file), "--variants", "2", "--json")
    assert (told.status, told.json["faults"], told.json["exercises"], told.json["variants"]) == (0, [], 1, 3)
    assert told.json["answers"] > 40
    file.write_text(file.read_text().replace('accepts: ["[3, 11, 5, 2]"', 'accepts: ["[3, 11, 5, 3]"'))
    told = workbench("lint", str(file), "--variants", "0", "--json")
    assert told.status == 1
    (fault,) = told.json["faults"]
    assert fault.keys() == {"file", "line", "column", "message"}
    assert "must be accepted, but is wrong" in fault["message"]
    plain = workbench("lint", str(file), "--variants", "0")
    assert plain.status == 1
    assert f"{fault['file']}:{fault['line']}:{fault['column']}: " in plain.out
    assert plain.out.rstrip().endswith("1 fault")


# -- doctor


def test_the_doctor_tells_what_is_here(workbench: Workbench) -> None:
    told = workbench("doctor", "--json")
    assert told.status == 0
    found = told.json
    assert found.keys() >= {"workbench", "python", "system", "memory"}
    assert found["compute"]["works"] is True
    assert found["compute"]["devices"][0]["device"]
    assert found["isolation"]["level"] == 0
    assert found["paths"]["data"] == {"path": paths.data(), "writable": True}
    assert found["terminal"]["tty"] is False
    assert found["pack"]["broken"] == []
    plain = workbench("doctor").out
    assert paths.data() in plain


def test_the_doctor_finds_what_is_broken(
    workbench: Workbench, own_pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (own_pack / "beam" / "two-words.yaml").write_text("hello")
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    found = workbench("doctor", "--json").json
    assert found["pack"]["broken"] == ["beam/two-words"]
    assert found["paths"]["data"]["writable"] is False
