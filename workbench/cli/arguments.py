"""The arguments of the command line. argparse and what it imports take 8 ms: only here."""

from __future__ import annotations

import argparse
import os

from workbench.cli import UsageError
from workbench.cli.output import print_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn


class _Formatter(argparse.HelpFormatter):
    """Told its width, argparse does not import shutil to find it, with every decompressor that has."""

    def __init__(self, prog: str) -> None:
        try:
            columns = os.get_terminal_size().columns
        except OSError:
            columns = 80
        super().__init__(prog, width=max(40, min(columns, 110) - 2))


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options: Any) -> None:
        # Scripts rely on the names as they stand here: an abbreviation that works today may be ambiguous tomorrow.
        super().__init__(**options, formatter_class=_Formatter, allow_abbrev=False)

    def print_help(self, file: Any = None) -> None:
        print_line(self.format_help().rstrip(), file)

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}\n{self.format_usage().strip()}")


def parser(only: str = "") -> argparse.ArgumentParser:
    """The command line: all of it, or just one command of it, which is quicker to make."""
    top = _Parser(prog="workbench", description="A terminal workbench for deep-learning homework.")
    top.add_argument("--version", action="store_true", help="print the version and stop")
    top.add_argument("--theme", metavar="NAME", help="colours of the screen (t on the screen shows them)")
    top.add_argument("--ascii", action="store_true", help="draw with ASCII characters only")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", prog="workbench", parser_class=_Parser)
    for name, (text, _, arguments) in COMMANDS.items():
        if name == only or only not in COMMANDS:
            arguments(commands.add_parser(name, help=text, description=text))
    return top


def _json(to: argparse.ArgumentParser) -> None:
    to.add_argument("--json", action="store_true", help="one JSON object on standard output")


def _exercise(to: argparse.ArgumentParser) -> None:
    to.add_argument("exercise", metavar="EXERCISE", help="topic/name")
    to.add_argument("--variant", metavar="N", type=_whole, default=0, help="0 is the published one (default)")
    _json(to)


def _list(to: argparse.ArgumentParser) -> None:
    to.add_argument("--topic", metavar="T", help="only this topic")
    to.add_argument("--assignment", metavar="A", help="only this assignment, in its order")
    _json(to)


def _check(to: argparse.ArgumentParser) -> None:
    _exercise(to)
    to.add_argument("part", metavar="PART", help="which question of it")
    answer = to.add_mutually_exclusive_group(required=True)
    answer.add_argument("--answer", metavar="TEXT", help="the answer")
    answer.add_argument("--file", metavar="PATH", help="a file with the answer; - is standard input")


def _run(to: argparse.ArgumentParser) -> None:
    to.add_argument("engine", metavar="ENGINE", help="area.experiment, as `workbench engines` lists them")
    to.add_argument("--set", metavar="NAME=VALUE", action="append", default=[], help="set a parameter")
    to.add_argument("--seed", metavar="N", type=_whole, default=0, help="seed of all random numbers")
    to.add_argument("--device", metavar="D", default="auto", help="auto, cpu, cuda:0, …")
    to.add_argument("--dtype", metavar="T", default="", help="float32, float64 or bfloat16; else the engine's own")
    to.add_argument("--save", metavar="FILE", help="save the figures: .json, .csv, .txt or .svg")
    _json(to)


def _engines(to: argparse.ArgumentParser) -> None:
    to.add_argument("engine", metavar="ENGINE", nargs="?", help="area.experiment")
    _json(to)


def _lint(to: argparse.ArgumentParser) -> None:
    to.add_argument("paths", metavar="PATH", nargs="*", help="files or packs; the built-in pack by default")
    to.add_argument("--variants", metavar="N", type=_whole, default=5, help="drawn variants to try of each")
    _json(to)


def _progress(to: argparse.ArgumentParser) -> None:
    to.add_argument("action", metavar="ACTION", nargs="?", choices=("reset", "export"), help="reset or export")
    to.add_argument("target", metavar="TARGET", nargs="?", help="an exercise to reset, or a file to export to")
    _json(to)


# Each command: what it does, the module that does it, its arguments.
COMMANDS = {
    "list": ("list exercises and what is done of them", "listing", _list),
    "show": ("show an exercise: statement, data and questions", "showing", _exercise),
    "check": ("check an answer", "checking", _check),
    "run": ("run an engine", "running", _run),
    "engines": ("list engines, or the parameters of one", "engines", _engines),
    "lint": ("prove exercises: run every sample answer on many variants", "linting", _lint),
    "progress": ("what is done; reset [EXERCISE] forgets it, export FILE copies it", "progress", _progress),
    "doctor": ("what is here: python, torch, devices, terminal, isolation, paths", "doctor", _json),
    "schema": ("the JSON Schema of an exercise file", "schema", lambda _: None),
}


# As many as a number has that surely fits into 63 bits.
MAX_DIGITS = 18


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"'{text[:30]}' is not a whole number of 0 or more")
    if len(text) > MAX_DIGITS:
        raise argparse.ArgumentTypeError(f"a number of {len(text)} digits is too large: at most {MAX_DIGITS} are read")
    return int(text)


def _joined(given: list[str]) -> list[str]:
    """The arguments with an answer such as -3/4 tied to its --answer: argparse would take it for an option."""
    out: list[str] = []
    for argument in given:
        if out and out[-1] == "--answer" and argument.startswith("-") and not argument.startswith("--"):
            out[-1] = f"--answer={argument}"
        else:
            out.append(argument)
    return out


def parse(given: list[str]) -> tuple[str, argparse.Namespace]:
    """The module of `workbench.cli` that does what was asked for, and the arguments for it.

    Raises:
        UsageError: if the arguments cannot be used.
        SystemExit: after printing the help that was asked for.
    """
    options = parser(given[0]).parse_args(_joined(given))
    if options.version:
        return "version", options
    return COMMANDS[options.command][1] if options.command else "screen", options
