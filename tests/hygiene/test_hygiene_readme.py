"""What README, CONTRIBUTING and CHANGELOG say of the program is so."""

from __future__ import annotations

import argparse
import importlib
import os
import re
from pathlib import Path

import pytest
from textual.binding import Binding
from textual.dom import DOMNode

from engines import parameters
from tests.hygiene.sources import ROOT, modules
from workbench import answers, cli, paths, sandbox, themes
from workbench.catalog import Catalog
from workbench.cli.arguments import COMMANDS, parser
from workbench.figures.export import SUFFIXES
from workbench.progress import store
from workbench.tui import compositor
from workbench.tui.app import WorkbenchApp
from workbench.tui.catalog_screen import CatalogScreen
from workbench.tui.exercise_screen import ExerciseScreen
from workbench.tui.figure_screen import FigureScreen
from workbench.tui.run_screen import RunScreen
from workbench.tui.screens import WorkbenchScreen
from workbench.tui.text_screen import TextScreen
from workbench.tui.widgets.editor import Editor
from workbench.tui.widgets.listing import ExerciseList
from workbench.tui.widgets.options import Options
from workbench.tui.widgets.pager import Pager
from workbench.tui.widgets.parts import PartsPane

README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
PAGES = {"README.md": README, "CONTRIBUTING.md": CONTRIBUTING, "CHANGELOG.md": CHANGELOG}


def section(heading: str, page: str = README) -> str:
    """What stands below a heading."""
    return page.split(f"\n## {heading}\n")[1].partition("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    """The cells of a table, without its head."""
    return [re.split(r" +\| +", line.strip("| ")) for line in text.splitlines() if line.startswith("|")][2:]


def quoted(text: str) -> list[str]:
    """What stands in backticks, word by word."""
    return [word for words in re.findall(r"`([^`]+)`", text) for word in words.split()]


# -- commands


def usages() -> dict[str, str]:
    """What the README says can stand behind each command; "" is the screen."""
    lines = re.findall(r"^    workbench(?: ([a-z]+))?(.*)$", section("The command line"), re.MULTILINE)
    return {name: usage for name, usage in lines if not usage.startswith("$")}


def actions(command: str) -> list[argparse.Action]:
    """The arguments of a command as they are read; of the screen for ""."""
    top = parser()
    if not command:
        return [action for action in top._actions if action.option_strings]
    (commands,) = (action for action in top._actions if isinstance(action, argparse._SubParsersAction))
    return list(commands.choices[command]._actions)


def test_the_readme_lists_every_command() -> None:
    assert usages().keys() == {"", *COMMANDS}


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_argument_of_a_command_is_in_its_line_and_no_other(command: str) -> None:
    usage = usages()[command]
    options = {option for action in actions(command) for option in action.option_strings if option.startswith("--")}
    assert set(re.findall(r"--[a-z]+", usage)) == options - {"--json", "--help", "--version"}
    assert ("--json" in options) == (command not in ("", "schema"))
    places = {str(action.metavar) for action in actions(command) if not action.option_strings}
    assert places - {"ACTION", "TARGET"} <= set(re.findall(r"[A-Z]+", usage))


def test_exit_statuses_are_those_of_the_program() -> None:
    text = " ".join(section("The command line").split())
    for status, meaning in (
        (cli.FINE, "correct or fine"),
        (cli.WRONG, "wrong or partly right, or lint found faults"),
        (cli.UNUSABLE, "unusable arguments or an unreadable answer"),
        (cli.UNDECIDED, "undecided"),
        (cli.FAILED, "a run failed, timed out, ran out of memory or was cancelled"),
    ):
        assert f"{status} {meaning}" in text
        assert f"{status} {meaning}" in " ".join((cli.__doc__ or "").split())


def test_figures_are_saved_in_the_formats_that_are_named() -> None:
    (sentence,) = re.findall(r"`--save` writes (.*?), as the name says", section("The command line"))
    assert set(quoted(sentence)) == {*SUFFIXES}


# -- keys

# What a key is called on a page and in the help, by the name it is bound under.
NAMES = {"esc": "escape", "pgup": "pageup", "pgdn": "pagedown", "/": "slash", "?": "question_mark"}
SCREENS: dict[type[WorkbenchScreen], tuple[type[DOMNode], ...]] = {
    CatalogScreen: (ExerciseList,),
    ExerciseScreen: (PartsPane, Editor, Options, Pager),
    RunScreen: (),
    FigureScreen: (),
    TextScreen: (Pager,),
}


def bound(*classes: type[DOMNode]) -> dict[str, Binding]:
    """Keys that are bound in classes, their own bindings first."""
    found: dict[str, Binding] = {}
    for cls in classes:
        for base in cls.__mro__:
            for given in vars(base).get("BINDINGS", ()):
                binding = given if isinstance(given, Binding) else Binding(*given)
                for key in binding.key.split(","):
                    found.setdefault(key.strip(), binding)
    return found


def key_named(name: str) -> str:
    """The key of a name on a page."""
    return NAMES.get(name, name.lower() if re.fullmatch(r"F\d+", name) else name)


def test_every_key_of_the_readme_does_something() -> None:
    everywhere = bound(WorkbenchApp, *SCREENS, *(widget for widgets in SCREENS.values() for widget in widgets))
    keys = [key for row in rows(section("Keys")) for key in quoted(" ".join(row)) if key != "$EDITOR"]
    assert len(keys) > 25
    # Enter in a line of text is the input's own event, and no binding.
    assert [key for key in keys if key_named(key) not in everywhere] == []


def test_function_keys_do_what_the_readme_says_in_its_order() -> None:
    (row,) = (row for row in rows(section("Keys")) if "`F4`" in row[0])
    bindings = bound(ExerciseScreen)
    for key, said in zip(quoted(row[0]), row[1].split(", "), strict=True):
        assert bindings[key_named(key)].action.partition("(")[0] in said
    assert {key for key in bindings if re.fullmatch(r"f\d+", key)} == set(map(str.lower, quoted(row[0])))
    (letters,) = (quoted(row[1]) for row in rows(section("Keys")) if "like the function keys" in row[1])
    same = {binding.action for key, binding in bindings.items() if key in map(str.lower, quoted(row[0]))}
    assert same <= {bindings[key].action for key in letters}


@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: screen.__name__)
def test_every_key_of_the_help_and_of_a_key_bar_does_something(screen: type[WorkbenchScreen]) -> None:
    bindings = bound(screen, *SCREENS[screen], WorkbenchApp)
    bars = [
        value for name, value in vars(screen).items() if name.isupper() and isinstance(value, tuple) and name != "KEYS"
    ]
    shown = [key for _, group in screen.KEYS for key, _ in group] + [key for bar in bars for key, _ in bar]
    keys = {key for keys in shown for key in keys.split()} - {"type"}
    assert keys
    assert {key for key in keys if key_named(key) not in bindings} == set()


# -- places, variables, numbers


def test_things_are_kept_where_the_readme_says(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = [paths.progress_file(), f"{paths.cache()}/", f"{paths.state()}/", f"{paths.config()}/themes/"]
    table = rows(section("Where things are kept"))
    assert len(table) == len(kept)
    for row, path in zip(table, kept, strict=True):
        place, default = quoted(row[1])
        assert os.path.expandvars(place) == path
        variable = place[1:].partition("/")[0]
        monkeypatch.delenv(variable)
        assert paths._base(variable) == str(Path(default, "workbench").expanduser())
    assert store.BACKUPS == 3
    assert "three backups" in section("Where things are kept")


def test_the_environment_is_the_programs() -> None:
    text = section("Environment")
    named = set(re.findall(r"`([A-Z_]{3,})(?:=\d)?`", text))
    assert named == {"NO_COLOR", compositor.SWITCH}
    listed = re.findall(r"`([a-z]+)`", text.split("Themes:")[1])
    assert {*listed} == {*themes.load_all([paths.themes()])[0]}


def test_the_isolation_is_the_one_there_is() -> None:
    words = sandbox.LEVEL_NAME.partition(" (")[0].replace(" ", ", ", 1)
    assert words.startswith(f"{sandbox.LEVEL}, ")
    assert f"*{words}*" in README


# -- what there is


def test_every_exercise_is_in_the_readme_with_where_it_comes_from() -> None:
    catalog = Catalog()
    sheets = {row["sheet"]: row["title"].removeprefix("EECS 182, ") for row in catalog.assignments}
    wanted = {row["id"]: f"{sheets[row['source'][0]]}: {row['source'][1]}" for row in catalog.rows}
    assert {row[0].strip("`"): row[1] for row in rows(section("What there is"))} == wanted


def test_the_import_that_is_shown_works() -> None:
    (module, name) = re.search(r"`from ([\w.]+) import\s+(\w+)`", README).groups()  # type: ignore[union-attr]
    assert callable(getattr(importlib.import_module(module), name))


def test_the_changelog_names_every_exercise_engine_kind_and_command() -> None:
    unreleased = section("Unreleased", CHANGELOG)
    for name in (*(row["id"] for row in Catalog().rows), *parameters.declared(), *COMMANDS, *SUFFIXES):
        assert f"`{name}`" in unreleased, name
    for name in answers.kind_names():
        assert re.search(rf"\b{name}\b", unreleased), name


def test_every_package_has_its_line_in_the_table_of_the_house() -> None:
    cells = [cell for row in rows(CONTRIBUTING) for cell in quoted(row[0])]
    named = {cell.strip("/").removeprefix("workbench/") for cell in cells}
    packages = {path.parent.name for path in modules("workbench") if path.name == "__init__.py"} - {"workbench"}
    top = {name for name in packages if (ROOT / "workbench" / name / "__init__.py").exists()}
    assert top | {"engines"} <= named
    for cell in cells:
        place = ROOT / (cell if cell.startswith(("engines", "workbench")) else f"workbench/{cell}")
        assert place.is_dir() or place.with_suffix(".py").exists(), cell


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = PAGES[page]
    anchors = {
        re.sub(r"[^\w -]", "", title).lower().replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        elif "://" not in target:
            assert (ROOT / target).exists(), target


@pytest.mark.parametrize("page", PAGES)
def test_files_and_targets_that_a_page_names_are_there(page: str) -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for words in re.findall(r"`([^`\n]+)`", PAGES[page]):
        if words.startswith("make "):
            assert words.split()[1] in targets, words
    for name in re.findall(r"(?:engines|workbench|tests|tui)/[\w/]+\.py\b", PAGES[page]):
        made_up = ("AREA.py", "products.py", "interval.py")
        there = any((ROOT / above / name).exists() for above in ("", "workbench"))
        assert there or name.endswith(made_up), name


def test_the_three_lines_without_make_install_what_make_does() -> None:
    lines = re.findall(r"^    (\S.*)$", section("Installing"), re.MULTILINE)
    assert lines == [
        "python3 -m venv .venv",
        ".venv/bin/pip install -c constraints.txt .",
        ".venv/bin/workbench",
    ]
    assert "install --quiet -c constraints.txt\n" in (ROOT / "Makefile").read_text(encoding="utf-8")
