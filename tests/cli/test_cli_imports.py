"""What each command imports, which is most of what it costs; and what is there before the first frame."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli.cli_harness import process
from tests.journeys.terminal import Terminal

TELL = """
import sys
from workbench.cli import main
status = main(sys.argv[1:])
sys.stdout.flush()
print(*sys.modules, file=sys.stderr)
sys.exit(status)
"""

# What nothing may import but the processes that compute.
COMPUTING = {"torch", "numpy", "sympy", "engines.attention", "engines.training"}
# What takes longer than a list of exercises.
SLOW = {"yaml", "textual", "rich", "plotext", "markdown_it", "pydantic", "asyncio", "dataclasses", "inspect", "pathlib"}


def imported(*arguments: str) -> set[str]:
    """The modules that a command has imported at its end."""
    told = process(*arguments, code=TELL)
    assert told.status == 0
    return set(told.err.split())


@pytest.fixture(autouse=True)
def compiled(own_folders: None) -> None:
    """A second start: the first one compiles the catalogue, and needs YAML for it."""
    assert process("list").status == 0


def test_a_list_imports_nothing_slower_than_itself() -> None:
    found = imported("list", "--json")
    assert found & (COMPUTING | SLOW | {"sqlite3"}) == set()
    assert not {name for name in found if name.startswith("workbench.") and "answers" in name}


@pytest.mark.parametrize("arguments", [("--help",), ("check", "--help"), ("--version",)])
def test_help_imports_no_more(arguments: tuple[str, ...]) -> None:
    assert imported(*arguments) & (COMPUTING | SLOW | {"sqlite3"}) == set()


@pytest.mark.parametrize("arguments", [("engines", "--json"), ("engines", "decoding.beam"), ("schema",)])
def test_engines_and_schema_need_no_worker(arguments: tuple[str, ...]) -> None:
    found = imported(*arguments)
    assert found & (COMPUTING | {"yaml", "textual", "rich", "plotext", "markdown_it", "asyncio"}) == set()


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "beam/two-words"),
        ("check", "attention/argmax", "gradients", "--answer", "V"),
        ("run", "attention.argmax", "--set", "query=[1, 1, 2]"),
        ("progress",),
    ],
)
def test_no_command_computes_by_itself(arguments: tuple[str, ...]) -> None:
    assert imported(*arguments) & (COMPUTING | {"textual"}) == set()


FIRST_FRAME = """
import sys
from workbench.tui.app import WorkbenchApp

def at_the_first_frame(self):
    with open(sys.argv[1], "w") as file:
        file.write(" ".join(sys.modules))
    self.exit()

WorkbenchApp.warm_up = at_the_first_frame
from workbench.cli import main
sys.exit(main([]))
"""


def test_what_is_imported_at_the_first_frame(tmp_path: Path) -> None:
    """At every start but the very first, which compiles themes and exercises."""
    seen = tmp_path / "modules"
    for _ in range(2):
        with Terminal(sys.executable, "-c", FIRST_FRAME, str(seen)) as terminal:
            assert terminal.wait_for_end() == 0
    found = set(seen.read_text().split())
    assert "workbench.tui.catalog_screen" in found
    assert found & COMPUTING == set()
    assert found & {"yaml", "plotext", "markdown_it", "pydantic", "sqlite3"} == set()
    assert not {name for name in found if name.startswith(("workbench.answers", "workbench.session", "workbench.spec"))}
