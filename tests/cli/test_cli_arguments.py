"""Arguments that cannot be used: one clear line or one JSON object, and status 2."""

from __future__ import annotations

import pytest

from tests.cli.cli_harness import Workbench

CHECK = ("check", "attention/argmax", "scores")


@pytest.mark.parametrize(
    ("arguments", "kind", "says"),
    [
        (("show", "attention/argmx"), "unknown", "did you mean attention/argmax?"),
        (("show", "argmax"), "unknown", "did you mean attention/argmax?"),
        (("show", ""), "unknown", "there is no exercise ''"),
        (("show", "../../etc/passwd"), "unknown", "there is no exercise '../../etc/passwd'"),
        (("check", "beam/two-wrds", "t1", "--answer", "x"), "unknown", "did you mean beam/two-words?"),
        (("check", "attention/argmax", "scors", "--answer", "1"), "unknown", "did you mean scores?"),
        (("check", "attention/argmax", "", "--answer", "1"), "unknown", "there are scores, weights, output, gradients"),
        (("list", "--topic", "atention"), "unknown", "did you mean attention?"),
        (("list", "--topic", ""), "unknown", "there are attention, beam, debug, kernel-attn"),
        (("list", "--assignment", "hw7"), "unknown", "did you mean eecs182-sp23-hw7?"),
        (("run", "attention.argmx"), "unknown", "did you mean attention.argmax?"),
        (("engines", "list"), "unknown", "there is no engine 'list'; `workbench engines` shows what there is"),
        (("progress", "reset", "beam"), "unknown", "did you mean beam/two-words?"),
        (("run", "attention.argmax", "--set", "quary=1"), "bad_parameters", "did you mean 'query'?"),
        (("run", "attention.argmax", "--set", "query=1"), "bad_parameters", "expected a list of numbers, got 1"),
        (("run", "attention.argmax", "--set", "query=[1"), "bad_parameters", "did not find expected ',' or ']'"),
        (("run", "attention.argmax", "--set", "query=!!python/name:os.system"), "bad_parameters", "not read here"),
        (("run", "attention.argmax", "--set", "query=[1, 1]"), "bad_parameters", "keys[0]: has 3 numbers"),
        (("run", "decoding.beam", "--set", "beam_size=0"), "bad_parameters", "0 is too small: write 1 to 64"),
        (("run", "decoding.beam", "--set", "beam_size"), "usage", "write NAME=VALUE"),
        (("run", "decoding.beam", "--set", "=3"), "usage", "write NAME=VALUE"),
        (("run", "decoding.beam", "--seed", "-1"), "usage", "'-1' is not a whole number of 0 or more"),
        (("run", "decoding.beam", "--seed", "1.5"), "usage", "'1.5' is not a whole number of 0 or more"),
        (("run", "decoding.beam", "--seed", "٣"), "usage", "'٣' is not a whole number of 0 or more"),
        (("run", "decoding.beam", "--seed", "9" * 20), "usage", "a number of 20 digits is too large"),
        (("run", "decoding.beam", "--device", "cuda:99"), "no_device", "there is no device 'cuda:99'"),
        (("run", "decoding.beam", "--device", "gpu"), "no_device", "there is no device 'gpu'"),
        (("run", "decoding.beam", "--save", "figure.png"), "usage", "has to end in .json, .csv, .txt, .svg"),
        (
            ("run", "decoding.beam", "--save", "/nowhere/figure.svg"),
            "usage",
            "is in a folder that does not exist",
        ),
        (("show", "beam/two-words", "--variant", "-1"), "usage", "'-1' is not a whole number of 0 or more"),
        (("show", "beam/two-words", "--variant", str(2**31)), "unknown", "variants are numbered 0 to 2147483647"),
        (("show", "beam/two-words", "--variant", "1" * 300), "usage", "a number of 300 digits is too large"),
        (CHECK, "usage", "one of the arguments --answer --file is required"),
        ((*CHECK, "--answer", "1", "--file", "x"), "usage", "not allowed with argument --answer"),
        (("progress", "export"), "usage", "name the file to write"),
        (("progress", "forget"), "usage", "invalid choice: 'forget'"),
        (("frobnicate",), "usage", "invalid choice: 'frobnicate'"),
        (("list", "--jso"), "usage", "unrecognized arguments: --jso"),
        (("lint", "/nowhere"), "system", "no such file or directory"),
    ],
)
def test_what_cannot_be_used_is_told(workbench: Workbench, arguments: tuple[str, ...], kind: str, says: str) -> None:
    as_json = workbench(*arguments, "--json")
    assert (as_json.status, as_json.err, as_json.error["kind"]) == (2, "", kind)
    assert says in as_json.error["message"]
    assert len(as_json.error["message"]) < 600
    plain = workbench(*arguments)
    assert (plain.status, plain.out) == (2, "")
    assert plain.err.startswith("workbench: ")
    assert says in plain.err
    # A usage error ends with how the command is used.
    assert plain.err.count("\n") == 1 or "\nusage: workbench" in plain.err


def test_where_a_fault_is(workbench: Workbench) -> None:
    assert workbench("run", "decoding.beam", "--set", "beam_size=0", "--json").error["where"] == "beam_size"
    assert workbench("lint", "/nowhere", "--json").error["where"] == "/nowhere"
    assert workbench(*CHECK, "--file", "/nowhere", "--json").error["where"] == "/nowhere"


def test_what_was_typed_is_quoted_without_what_a_terminal_would_act_upon(workbench: Workbench) -> None:
    for arguments in (("show", "\x1b[2J/x\udcff"), ("run", "\x1b[2J"), ("list", "--topic", "\x1b[2J"), ("\x1b[2J",)):
        told = workbench(*arguments)
        assert told.status == 2
        assert "\x1b" not in told.err
        assert told.err.isascii()


@pytest.mark.parametrize("arguments", [(), ("check",), ("run",), ("list",), ("progress",), ("lint",), ("doctor",)])
def test_help_is_help(workbench: Workbench, arguments: tuple[str, ...]) -> None:
    told = workbench(*arguments, "--help")
    assert (told.status, told.err) == (0, "")
    assert told.out.startswith(f"usage: {' '.join(('workbench', *arguments))}")


def test_the_version_is_one_line(workbench: Workbench) -> None:
    told = workbench("--version")
    assert told.status == 0
    assert told.out.startswith("workbench ")
    assert told.out.count("\n") == 1
