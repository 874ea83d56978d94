"""`workbench check`: from a text, wherever it comes from, to a status, a verdict and an attempt that is kept."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.cli.cli_harness import Workbench
from workbench import paths
from workbench.progress.store import Attempt, Store
from workbench.session import MAX_ANSWER

SCORES = ("check", "attention/argmax", "scores")
TIME = ("check", "kernel-attn/cost", "softmax-time")
PATCH = ("check", "debug/zero-grad", "patch")


def attempts() -> list[Attempt]:
    """What is on disk."""
    store = Store(paths.progress_file())
    found = store.attempts()
    store.close()
    return found


# -- the status


@pytest.mark.parametrize(
    ("command", "answer", "status", "verdict"),
    [
        (SCORES, "3 11 5 2", 0, "correct"),
        (SCORES, "3 11 5 3", 1, "wrong"),
        (("check", "beam/two-words", "t2"), "network neural; neural network", 1, "partial"),
        (SCORES, "three", 2, "unreadable"),
        (TIME, "2^N", 3, "undecided"),
        (PATCH, "import os; os._exit(0)", 4, "crashed"),
        (PATCH, "x = bytearray(1 << 33)", 4, "out_of_memory"),
    ],
)
def test_the_exit_status_says_how_it_went(
    workbench: Workbench, command: tuple[str, ...], answer: str, status: int, verdict: str
) -> None:
    told = workbench(*command, "--answer", answer, "--json")
    assert (told.status, told.json["status"]) == (status, verdict)
    assert told.json["message"]
    plain = workbench(*command, "--answer", answer)
    assert plain.status == status
    assert verdict in plain.out


def test_a_program_that_does_not_end_is_stopped(workbench: Workbench, own_pack: Path) -> None:
    file = own_pack / "debug" / "zero-grad.yaml"
    file.write_text(file.read_text().replace("    entry: train\n", "    entry: train\n    seconds: 0.3\n"))
    told = workbench(*PATCH, "--answer", "while True: pass", "--json")
    assert (told.status, told.json["status"], told.json["note"]) == (4, "timeout", "timeout")
    assert told.json["message"] == "Your program was still running after 0.3 s and was stopped."
    assert [attempt.status for attempt in attempts()] == ["timeout"]


# -- what is kept


def test_an_attempt_is_kept_with_its_verdict(workbench: Workbench) -> None:
    workbench(*SCORES, "--answer", "3 11 5 3")
    workbench(*SCORES, "--answer", "3 11 5 2", "--json")
    wrong, right = attempts()
    assert (wrong.answer, wrong.status, wrong.score, wrong.note) == ("3 11 5 3", "wrong", 0, "wrong-entries")
    assert wrong.witness["index"] == [3]
    assert (right.answer, right.status, right.score, right.max_score) == ("3 11 5 2", "correct", 1, 1)
    assert not right.seen


def test_what_cannot_be_read_is_no_attempt(workbench: Workbench) -> None:
    for answer in ("three", "", " ", "[1", "1,,2"):
        assert workbench(*SCORES, f"--answer={answer}").status == 2
    assert attempts() == []


def test_what_cannot_be_read_is_told_in_the_same_keys(workbench: Workbench) -> None:
    unreadable, wrong = (workbench(*SCORES, "--answer", answer, "--json").json for answer in ("3 x", "3"))
    assert unreadable.keys() == wrong.keys()
    assert unreadable["note"] == "unreadable"
    assert (unreadable["score"], unreadable["max_score"], unreadable["understood"]) == (0, 1, "")
    assert unreadable["witness"] == {"position": 2, "length": 1}


def test_a_caret_stands_below_what_cannot_be_read(workbench: Workbench) -> None:
    first, text, marks = workbench(*SCORES, "--answer", "3 11 5,, 2").out.splitlines()
    assert first == "unreadable: a number is missing between two commas"
    assert text == "3 11 5,, 2"
    assert marks.index("^") == text.index(",,") + 1


# -- where the answer comes from


def test_an_answer_may_begin_with_a_minus(workbench: Workbench) -> None:
    assert workbench(*SCORES, "--answer", "-3/4", "--json").json["understood"] == "-0.75"
    assert workbench(*SCORES, "--answer", "-inf 1", "--json").json["understood"] == "[-inf, 1]"
    assert workbench(*SCORES, "--answer", "-1 -2", "--json").json["understood"] == "[-1, -2]"
    assert workbench(*SCORES, "--answer", "--json").error["kind"] == "usage"


@pytest.mark.parametrize("content", [b"3 11 5 2", b"3 11 5 2\r\n", b"\xef\xbb\xbf3 11 5 2\n", b"3;11;5;2"])
def test_an_answer_from_a_file_and_from_standard_input(workbench: Workbench, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "answer.txt"
    file.write_bytes(content)
    assert workbench(*SCORES, "--file", str(file)).status == 0
    assert workbench(*SCORES, "--file", "-", stdin=content).status == 0


def test_a_program_with_line_ends_from_elsewhere_is_read(workbench: Workbench) -> None:
    program = (
        b"def train(model, optimizer, loss_function, batches):\r\n    for x, y in batches:\r\n"
        b"        optimizer.zero_grad()\r\n"
        b"        loss_function(model(x), y).backward()\r\n        optimizer.step()\r\n"
    )
    assert workbench(*PATCH, "--file", "-", stdin=program).status == 0


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "name a file"),
        ("nowhere", "no such file"),
        ("folder", "is a directory"),
        ("pipe", "no regular file"),
        ("a\0b", "name a file"),
    ],
)
def test_a_file_that_is_none_is_named(workbench: Workbench, tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    path = str(tmp_path / name) if name else ""
    told = workbench(*SCORES, "--file", path, "--json")
    assert told.status == 2
    assert says in told.error["message"]
    plain = workbench(*SCORES, "--file", path)
    assert (plain.status, plain.out) == (2, "")
    assert says in plain.err
    if name.isalpha():
        assert path in plain.err
    assert plain.err.count("\n") == 1


@pytest.mark.parametrize("where", ["file", "stdin"])
def test_bytes_that_are_no_text_are_counted(workbench: Workbench, tmp_path: Path, where: str) -> None:
    (tmp_path / "answer").write_bytes(b"3 \xff 5")
    source = "-" if where == "stdin" else str(tmp_path / "answer")
    told = workbench(*SCORES, "--file", source, "--json", stdin=b"3 \xff 5")
    assert told.status == 2
    assert told.error["message"] == "--file: the answer is not UTF-8 text (byte 3)"


def test_an_answer_of_ten_megabytes_is_refused_and_not_kept(workbench: Workbench, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"1 " * 5_000_000)
    for source, stdin in ((str(tmp_path / "big"), b""), ("-", b"1 " * 5_000_000)):
        told = workbench(*SCORES, "--file", source, "--json", stdin=stdin)
        assert (told.status, told.json["status"]) == (2, "unreadable")
        assert told.json["message"] == "the answer is too long: at most 100000 characters are read"
        assert len(workbench(*SCORES, "--file", source, stdin=stdin).out) < 400
    assert attempts() == []


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_the_longest_answer_is_not_cut_short(workbench: Workbench, start: bytes) -> None:
    """Four bytes each: one character more than is read must not pass for one that is not there."""
    for count, too_long in ((MAX_ANSWER, False), (MAX_ANSWER + 1, True), (2 * MAX_ANSWER, True)):
        told = workbench(*SCORES, "--file", "-", "--json", stdin=start + "𝟙".encode() * count)
        assert told.status == 2
        assert ("too long" in told.json["message"]) is too_long


def test_a_nul_byte_is_found_at_its_place(workbench: Workbench) -> None:
    told = workbench(*SCORES, "--file", "-", "--json", stdin=b"3 11\0 5 2")
    assert (told.status, told.json["status"], told.json["witness"]["position"]) == (2, "unreadable", 4)
    assert "\0" not in workbench(*SCORES, "--file", "-", stdin=b"3 11\0 5 2").out


@pytest.mark.parametrize("part", [SCORES, TIME, ("check", "kernel-attn/cost", "linear-space")])
@pytest.mark.parametrize("answer", ["9^9^9^9", "(9^9)^(9^9)", "10^10^10", "(" * 5000, "N" + "^2" * 3000, "9" * 90_000])
def test_towers_and_depths_are_refused_at_once(workbench: Workbench, part: tuple[str, ...], answer: str) -> None:
    told = workbench(*part, "--answer", answer, "--json")
    assert told.status in (1, 2, 3)
    assert told.json["status"] != "correct"
    assert len(told.json["message"]) < 400


def test_a_tower_has_no_value(workbench: Workbench) -> None:
    assert workbench(*SCORES, "--answer", "9^9^9^9", "--json").json["status"] == "unreadable"
    assert workbench(*TIME, "--answer", "9^9^9^9", "--json").json["status"] == "unreadable"


# -- in words


def test_a_verdict_in_words(workbench: Workbench) -> None:
    told = workbench(*SCORES, "--answer", "3 11 6 2")
    assert told.err == ""
    assert told.out.splitlines()[:3] == [
        "understood: [3, 11, 6, 2]",
        "wrong (0 of 1): Entry 3 should be 5, not 6. 3 of 4 entries are right.",
        "compared within 1e-09",
    ]
    assert "Right entries are 1, wrong ones 0" in told.out


def test_the_isolation_of_a_program_is_told(workbench: Workbench) -> None:
    assert re.search(r"^isolation: 0 limits only", workbench(*PATCH, "--answer", "train = 3").out, re.MULTILINE)


def test_what_a_program_says_stands_there_as_it_said_it(workbench: Workbench) -> None:
    """Neither read as Markdown nor acted upon by the terminal."""
    program = "def train(*a): raise ValueError('__init__ *x* $y$ <b> &amp; `z` my_name \\x1b]0;title\\x07')"
    told = workbench(*PATCH, "--answer", program)
    assert told.status == 1
    assert "ValueError: __init__ *x* $y$ <b> &amp; `z` my_name ?]0;title?" in " ".join(told.out.split())
    assert "\x1b" not in told.out


def test_a_program_cannot_pretend_to_have_no_function(workbench: Workbench) -> None:
    program = "def train(*a): raise ValueError('the program defines no function train')"
    assert workbench(*PATCH, "--answer", program, "--json").json["note"] == "error"
    assert workbench(*PATCH, "--answer", "train = 3", "--json").json["note"] == "no-function"
