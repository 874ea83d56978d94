"""The command line. `workbench` alone is the screen; every screen has a twin among the commands.

Exit status: 0 correct or fine; 1 wrong or partly right, or lint found faults; 2 unusable arguments or an
unreadable answer; 3 undecided; 4 a run failed, timed out, ran out of memory or was cancelled. With `--json`
standard output is one JSON object, errors included.

Nothing is imported here that both the screen and `workbench list`, which count milliseconds, do not need.
"""

from __future__ import annotations

import importlib
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

FINE, WRONG, UNUSABLE, UNDECIDED, FAILED = 0, 1, 2, 3, 4


class UsageError(Exception):
    """Arguments that cannot be used; the message says why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    have_streams()
    try:
        if given:
            from workbench.cli.arguments import parse

            module, options = parse(given)
        else:
            module, options = "screen", None
        status = int(importlib.import_module(f"workbench.cli.{module}").main(options))
    except SystemExit as stop:  # argparse's own --help
        status = int(stop.code or 0)
    except BaseException as error:  # noqa: BLE001  (whatever it is ends as one clear line)
        from workbench.cli import failures

        status = failures.report(error, as_json="--json" in given)
    return flushed(status)


def flushed(status: int) -> int:
    """Write out what waits to be written, so that nothing is left that could fail at exit; the status after that."""
    try:
        sys.stdout.flush()
    except OSError as error:
        from workbench.cli.output import discard

        discard(sys.stdout)
        if not isinstance(error, BrokenPipeError):
            from workbench.cli import failures

            return failures.report(error, as_json=False)
    return status


def have_streams() -> None:
    """Open the null device for every standard stream that the program was started without.

    A socket or a file that got its number would be taken for it.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            setattr(sys, name, open(number, mode, errors="replace", closefd=False))  # noqa: SIM115  (open to the end)
