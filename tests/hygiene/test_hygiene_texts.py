"""What no file of the project says, and that every test can fail."""

from __future__ import annotations

import ast
import re

import pytest

from tests.hygiene.sources import modules, name_of, texts, tree_of

# Spelled in pieces, so that this file does not say them either.
MACHINE = re.compile(r"(?<![\w.$~}/-])/(?:" + "wo" + "rk|t" + "mp|ro" + r"ot|home|mnt|Users)/[\w.]+")
UNFINISHED = re.compile(r"\b(?:TO" + "DO|FIX" + "ME|X" + r"XX)\b")
ADDRESS = re.compile(r"https?://([^\s/\"'`)>]+)")
# Hosts that may be named: the standards that files follow.
HOSTS = {"keepachangelog.com", "json-schema.org", "www.w3.org"}


def found(pattern: re.Pattern[str]) -> list[str]:
    """Where a pattern occurs."""
    places = []
    for name, text in texts():
        for number, line in enumerate(text.splitlines(), 1):
            places += [f"{name}:{number}: {match.group()}" for match in pattern.finditer(line)]
    return places


@pytest.mark.parametrize(
    ("pattern", "text", "says"),
    [
        (MACHINE, "cd /ho" + "me/me/thing", True),
        (MACHINE, "in /t" + "mp/x", True),
        (MACHINE, "https:" + "//host/t" + "mp/x and ~/work/x and $HOME/t" + "mp/y and /usr/bin", False),
        (UNFINISHED, "# TO" + "DO: later", True),
        (ADDRESS, "see http" + "s://example.org/x", True),
    ],
)
def test_the_patterns_find_what_they_look_for(pattern: re.Pattern[str], text: str, says: bool) -> None:
    assert bool(pattern.search(text)) == says


def test_no_file_names_a_place_of_one_machine() -> None:
    assert found(MACHINE) == []


def test_nothing_is_left_to_be_done_later() -> None:
    assert found(UNFINISHED) == []


def test_no_file_names_a_host_that_is_not_that_of_a_standard() -> None:
    assert [place for place in found(ADDRESS) if place.rpartition("/")[2] not in HOSTS] == []


def test_every_file_is_plain_text_without_trailing_blanks() -> None:
    for name, text in texts():
        assert "\r" not in text, name
        assert "\t" not in text or name == "Makefile", name
        if text:
            assert text.endswith("\n"), name
        if "golden" not in name:
            assert not re.search(r"[ \t]$", text, re.MULTILINE), name


# -- tests

ASSERTING = {"raises", "warns", "skip", "fail", "run_state_machine_as_test", "assert_close", "assert_allclose"}


def asserts(node: ast.AST, helpers: set[str]) -> bool:
    """Whether a function asserts something, itself or by calling a helper that does."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Assert) or (isinstance(inner, ast.Raise) and "AssertionError" in ast.unparse(inner)):
            return True
        if isinstance(inner, ast.Call):
            name = ast.unparse(inner.func).rpartition(".")[2]
            if name in ASSERTING | helpers:
                return True
    return False


def functions(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method of a module."""
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def helpers() -> set[str]:
    """Functions below `tests` that are no tests and assert something."""
    every = [
        node for path in modules("tests") for node in functions(tree_of(path)) if not node.name.startswith("test_")
    ]
    found: set[str] = set()
    while True:
        more = {node.name for node in every if asserts(node, found)}
        if more == found:
            return found
        found = more


def test_every_test_asserts_something() -> None:
    known = helpers()
    idle = [
        f"{name_of(path)}: {node.name}"
        for path in modules("tests")
        for node in functions(tree_of(path))
        if node.name.startswith("test_") and not asserts(node, known)
    ]
    assert idle == []


def test_every_file_of_tests_has_tests_and_is_collected_under_a_name_of_its_own() -> None:
    files = [path for path in modules("tests") if path.name.startswith("test_") or path.name.endswith("_test.py")]
    assert len({path.name for path in files}) == len(files)
    for path in files:
        assert any(node.name.startswith("test_") for node in functions(tree_of(path))), name_of(path)
