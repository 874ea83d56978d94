"""YAML as data with places: what is no honest file is refused soon, at its line and column."""

from __future__ import annotations

import math
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.fields import Fault
from workbench.spec.source import MAX_BYTES, MAX_DEPTH, MAX_NODES, BadFile, Problem, load, parse


def problem(raw: bytes | str) -> Problem:
    with pytest.raises(BadFile) as caught:
        parse(raw.encode() if isinstance(raw, str) else raw, "file.yaml")
    assert len(caught.value.problems) == 1
    found = caught.value.problems[0]
    assert str(found).isprintable()
    assert len(str(found)) < 200
    return found


def data(text: str) -> Any:
    return parse(text.encode(), "file.yaml").data


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)
)


@pytest.mark.parametrize(
    ("raw", "line", "column", "words"),
    [
        pytest.param("[" * 100_000, 1, MAX_DEPTH + 1, "nested more than 32 deep", id="deep lists"),
        pytest.param("{a: " * 100_000, 1, 4 * MAX_DEPTH + 1, "nested more than 32 deep", id="deep mappings"),
        pytest.param("- " * 100_000, 1, 2 * MAX_DEPTH + 1, "nested more than 32 deep", id="deep dashes"),
        pytest.param("".join(" " * i + "a:\n" for i in range(500)), 33, 33, "nested more than", id="deep blocks"),
        pytest.param("a: &x [*x]", 1, 4, "grows beyond", id="an alias of itself"),
        pytest.param("a: &x {b: *x}", 1, 4, "grows beyond", id="a mapping in itself"),
        pytest.param("a: 1\nb: *nobody", 2, 4, "undefined alias", id="an alias of nothing"),
        pytest.param("".join(f"k{i}: 1\n" for i in range(MAX_NODES + 1)), MAX_NODES, 9, "grows", id="many values"),
        pytest.param("a: 1\nb: 2\na: 3", 3, 1, "'a' stands here twice", id="a key twice"),
        pytest.param("a:\n  x: 1\n  'x': 2", 3, 3, "'x' stands here twice", id="a key twice, quoted"),
        pytest.param("a: {b: 1, 'b': 2}", 1, 11, "'b' stands here twice", id="a key twice in braces"),
        pytest.param("1: a\n0x1: b", 2, 1, "1 stands here twice", id="a number as key twice"),
        pytest.param("a:\n\tb: 1", 2, 1, "indent with blanks, not tabs", id="tab"),
        pytest.param(b"a: 1\nb: caf\xe9", 2, 7, "not UTF-8: byte 0xe9", id="latin-1"),
        pytest.param("a: 1".encode("utf-16"), 1, 1, "not UTF-8: byte 0xff", id="utf-16"),
        pytest.param(b"\xef\xbb\xbfa: \xff", 1, 4, "not UTF-8", id="bad byte after a mark"),
        pytest.param("a: 1\nb: 'x\0y'", 2, 6, "control character here (U+0000)", id="NUL"),
        pytest.param("a: \x1b[2J", 1, 4, "control character here (U+001B)", id="escape"),
        pytest.param("a: \x7f", 1, 4, "control character", id="delete"),
        pytest.param("", 0, 0, "is empty", id="nothing"),
        pytest.param("# a comment\n\n", 0, 0, "is empty", id="a comment only"),
        pytest.param(b"\xef\xbb\xbf", 0, 0, "is empty", id="a byte order mark only"),
        pytest.param("a: !!python/object/apply:os.system [ls]", 1, 4, "tag python/object/apply:os.system", id="code"),
        pytest.param("a: !mine x", 1, 4, "the tag !mine is not read here", id="a tag of one's own"),
        pytest.param("a: !!set {x, y}", 1, 4, "the tag set", id="a set"),
        pytest.param("a: !!binary aGk=", 1, 4, "the tag binary", id="binary"),
        pytest.param("a: !!timestamp 2020-01-01", 1, 4, "the tag timestamp", id="a date by its tag"),
        pytest.param("a: !!int abc", 1, 4, "'abc' is no int", id="no int"),
        pytest.param("a: !!float 1_0", 1, 4, "'1_0' is no float", id="no float"),
        pytest.param("a: !!bool yes", 1, 4, "'yes' is no bool", id="no bool"),
        pytest.param("a: !!null x", 1, 4, "'x' is no null", id="no null"),
        pytest.param("a: 0x" + "f" * 60, 1, 4, "so many digits", id="a long hexadecimal"),
        pytest.param("? [a]\n: 1", 1, 3, "a key is a piece of text", id="a list as key"),
        pytest.param("a: 1\n---\nb: 2", 2, 1, "a second document begins here", id="two documents"),
        pytest.param("a: b: c", 1, 5, "needs quotes", id="a colon"),
        pytest.param("a: @x", 1, 4, "a text that starts with @ needs quotes", id="an at sign"),
        pytest.param("a: `x`", 1, 4, "a text that starts with ` needs quotes", id="a backtick"),
        pytest.param("a: 1\nb: 'x\nc: 2", 2, 4, "the quote that opens here is not closed", id="an open quote"),
        pytest.param("a: [1, 2\nb: 3", 2, 2, "',' or ']'", id="an open bracket"),
        pytest.param("a:\n  - x\n - y", 3, 2, "check the indentation", id="indentation"),
        pytest.param('a: "\\ud800"', 1, 7, "Unicode", id="half a character"),
        pytest.param('a: "\\q"', 1, 5, "escape", id="no escape"),
        pytest.param("%YAML 3.0\n---\na: 1", 1, 1, "YAML", id="another version"),
    ],
)
def test_what_is_refused(raw: bytes | str, line: int, column: int, words: str) -> None:
    found = problem(raw)
    assert (found.line, found.column) == (line, column)
    assert words in found.message
    assert str(found) == (f"file.yaml:{line}:{column}: " if line else "file.yaml: ") + found.message


def test_a_few_lines_of_aliases_that_stand_for_ten_thousand_million_values() -> None:
    found = problem(f"x: 1\n{BOMB}")
    assert found.line == 2
    assert "grows beyond 50000 values" in found.message


def test_yaml_is_read_by_the_rules_of_1_2() -> None:
    texts = ["no", "yes", "on", "off", "y", "n", "12:30", "2001-01-01", "1_000", "0o17", "=", "<<", "1.2.3", "1e", "--"]
    assert data(f"[{', '.join(texts)}]") == texts
    assert data("[true, True, TRUE, false, False, FALSE]") == [True] * 3 + [False] * 3
    assert data("[null, Null, NULL, ~, ]") == [None] * 4
    assert data("a:\nb: 1") == {"a": None, "b": 1}
    assert data("[010, +1, -0, 0x1F, 12]") == [10, 1, 0, 31, 12]
    assert data("[1e-3, 1E3, 1.5e3, .5, 1., -1.5, 1e5]") == [1e-3, 1e3, 1.5e3, 0.5, 1.0, -1.5, 1e5]
    assert all(type(item) is float for item in data("[1e-3, 1E3, 1., 1e5]"))
    assert data("[.inf, -.INF, +.Inf]") == [math.inf, -math.inf, math.inf]
    assert math.isnan(data(".nan"))
    assert data("['1', \"no\", !!str 5]") == ["1", "no", "5"]
    assert data("!!float 3") == 3.0


def test_numbers_too_long_to_be_meant_are_floats() -> None:
    assert data("9" * 40) == int("9" * 40)
    assert data("9" * 41) == pytest.approx(1e41)
    assert data("9" * 100_000) == math.inf


def test_a_merge_is_no_merge() -> None:
    assert data("a: &x {p: 1}\nb:\n  <<: *x") == {"a": {"p": 1}, "b": {"<<": {"p": 1}}}


def test_honest_aliases_are_read() -> None:
    assert data("a: &x [1, 2]\nb: *x\nc: [*x, *x]") == {"a": [1, 2], "b": [1, 2], "c": [[1, 2], [1, 2]]}


@pytest.mark.parametrize("text", ["a: 1\nb: [x, y]\n", "a: 1\r\nb: [x, y]\r\n", "\ufeffa: 1\nb: [x, y]"])
def test_line_ends_and_a_byte_order_mark(text: str) -> None:
    document = parse(text.encode(), "f")
    assert document.data == {"a": 1, "b": ["x", "y"]}
    assert document.values["b", 1] == (2, 8)


def test_every_value_and_key_has_its_place() -> None:
    document = parse(b"a: 1\nlist:\n  - x\n  - {k: v, l: [1, 2]}\n'q': |\n  text\n", "f")
    assert document.values == {
        (): (1, 1),
        ("a",): (1, 4),
        ("list",): (3, 3),
        ("list", 0): (3, 5),
        ("list", 1): (4, 5),
        ("list", 1, "k"): (4, 9),
        ("list", 1, "l"): (4, 15),
        ("list", 1, "l", 0): (4, 16),
        ("list", 1, "l", 1): (4, 19),
        ("q",): (5, 6),
    }
    assert document.keys == {
        ("a",): (1, 1),
        ("list",): (2, 1),
        ("list", 1, "k"): (4, 6),
        ("list", 1, "l"): (4, 12),
        ("q",): (5, 1),
    }


@pytest.mark.parametrize(
    ("fault", "shown"),
    [
        (Fault(("b", "c"), "is wrong"), "f:2:6: b.c: is wrong"),
        (Fault(("b", "c"), "is wrong", at_key=True), "f:2:3: b: is wrong"),
        (Fault(("b",), "'x' is missing"), "f:2:3: b: 'x' is missing"),
        (Fault(("b", "gone", 3), "is wrong"), "f:2:3: b.gone[3]: is wrong"),
        (Fault(("b", "gone"), "is wrong", at_key=True), "f:1:1: b: is wrong"),
        (Fault((), "is wrong"), "f:1:1: is wrong"),
        (Fault(("nowhere",), "is wrong", at_key=True), "f:1:1: is wrong"),
    ],
)
def test_where_a_fault_is_shown(fault: Fault, shown: str) -> None:
    assert str(parse(b"b:\n  c: 1\n", "f").problem(fault)) == shown


# -- what is no file


def refused(path: Path, words: str) -> None:
    with pytest.raises(BadFile, match=words) as caught:
        load(path, "it")
    assert caught.value.problems[0].line == 0


def test_no_file_at_all(tmp_path: Path) -> None:
    refused(tmp_path / "gone.yaml", "it: cannot be read: No such file")
    refused(tmp_path, "it: is a directory|it: is not a regular file")
    refused(tmp_path / ("x" * 300), "cannot be read")
    refused(tmp_path / "nul\0", "cannot be read")
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    refused(tmp_path / "loop.yaml", "cannot be read")


def test_a_pipe_does_not_make_us_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    refused(tmp_path / "pipe.yaml", "it: is not a regular file")


def test_a_device_and_a_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused(Path("/dev/zero"), "it: is not a regular file")
    monkeypatch.chdir(tmp_path)  # the path of a socket has to be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s.yaml")
        refused(Path("s.yaml"), "cannot be read")


def test_a_large_file_is_refused_and_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_bytes(b"a: " + b"x" * 10_000_000)
    refused(path, f"it: is larger than {MAX_BYTES // 1000} kB")
    path.write_bytes(b"a: " + b"x" * (MAX_BYTES - 3))
    assert len(load(path).data["a"]) == MAX_BYTES - 3


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "secret.yaml"
    path.write_text("a: 1")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    refused(path, "Permission denied")


# -- anything


SNIPPETS = """a b:_ :_ _ - [ ] { } , &x_ *x !t_ ' " | > # ? 1 1e3 null \\ % @ --- ... <<:_ é 0x !!int_""".replace(
    "_", " "
)
snippets = st.sampled_from([*SNIPPETS.split(), *SNIPPETS.split(" "), "\n", "  ", "\t", "\x85", "\u2028", "\r"])


@settings(max_examples=400, deadline=None)
@given(st.lists(snippets, max_size=25).map("".join))
def test_any_text_is_read_or_refused_at_a_place_in_it(text: str) -> None:
    try:
        document = parse(text.encode(), "f")
    except BadFile as bad:
        problems = bad.problems
    else:
        assert () in document.values
        return
    lines = 1 + sum(text.count(end) for end in "\n\r\x85\u2028")
    for found in problems:
        assert 0 <= found.line <= lines
        assert 0 <= found.column <= len(text) + 1
        assert found.message.isprintable()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    try:
        parse(raw, "f")
    except BadFile as bad:
        found = str(bad)
    else:
        return
    assert found.startswith("f:")
