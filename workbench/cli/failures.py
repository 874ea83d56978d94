"""How the command line ends when something goes wrong: one clear line, or one JSON object, and a status."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import traceback
from typing import Any, NamedTuple

from workbench import paths
from workbench.cli import FAILED, UNUSABLE, UsageError


class Failure(NamedTuple):
    """What is told: a stable kind, a sentence, and the place it is about ("" if none)."""

    kind: str
    message: str
    where: str
    status: int


def report(error: BaseException, *, as_json: bool) -> int:
    """Tell what went wrong; returns the exit status."""
    failure = classify(error)
    if not (as_json and _said_as_json(failure)):
        from workbench.cli.output import print_line

        place = f"{failure.where}: " if failure.where and not failure.message.startswith(failure.where) else ""
        with contextlib.suppress(OSError):
            print_line(f"workbench: {place}{failure.message}", to=sys.stderr)
    return failure.status


def _said_as_json(failure: Failure) -> bool:
    """Whether standard output took the failure as JSON; what went wrong may be that it takes nothing."""
    from workbench.cli.output import discard, print_json

    try:
        print_json({"error": {"kind": failure.kind, "message": failure.message, "where": failure.where}})
        sys.stdout.flush()
    except OSError as error:
        discard(sys.stdout)
        return isinstance(error, BrokenPipeError)  # who has gone wants to be told nothing
    return True


def classify(error: BaseException) -> Failure:
    """The failure that an exception is, told by its class without importing what was not in use."""
    name = type(error).__name__
    if isinstance(error, UsageError):
        return Failure("usage", str(error), "", UNUSABLE)
    if isinstance(error, KeyboardInterrupt):
        return Failure("cancelled", "cancelled", "", FAILED)
    if name in ("UnknownExercise", "UnknownEngine"):
        return Failure("unknown", str(error), "", UNUSABLE)
    if name == "BadFile":
        problems: list[Any] = error.problems  # type: ignore[attr-defined]
        first = problems[0]
        where = f"{first.file}:{first.line}:{first.column}" if first.line else first.file
        more = f" (and {len(problems) - 1} more; `workbench lint` lists them)" if len(problems) > 1 else ""
        return Failure("broken_file", f"{first.message}{more}", where, UNUSABLE)
    if name == "BadData":
        fault = error.faults[0]  # type: ignore[attr-defined]
        return Failure("bad_parameters", str(error), str(fault).partition(":")[0], UNUSABLE)
    if name == "ComputeError":
        return _compute(error)
    if isinstance(error, TimeoutError):
        return Failure("timeout", "it took too long and was stopped", "", FAILED)
    if isinstance(error, OSError):
        return _system(error)
    if type(error).__module__ == "sqlite3":
        return Failure("progress", f"progress cannot be used: {error}", paths.progress_file(), FAILED)
    return _unexpected(error)


# Kinds of failed jobs that are the fault of what was asked, not of the run.
_UNUSABLE_JOBS = {"unknown_engine", "bad_parameters", "no_device"}


def _compute(error: BaseException) -> Failure:
    event = error.event  # type: ignore[attr-defined]
    kind = getattr(event, "kind", "cancelled")
    advice = getattr(event, "advice", "")
    message = f"{error}; {advice}" if advice else str(error)
    return Failure(kind, message, "", UNUSABLE if kind in _UNUSABLE_JOBS else FAILED)


def _system(error: OSError) -> Failure:
    where = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""
    message = error.strerror or str(error) or type(error).__name__
    message = message[0].lower() + message[1:]
    unusable = isinstance(error, FileNotFoundError | IsADirectoryError | NotADirectoryError | PermissionError)
    return Failure("system", message, where, UNUSABLE if unusable else FAILED)


def _unexpected(error: BaseException) -> Failure:
    """A fault of ours: its traceback goes to a file, for whoever mends it."""
    path = os.path.join(paths.state(), "crash.log")
    kept = ""
    try:
        from workbench.files import make_file

        make_file(path)
        with open(path, "a", encoding="utf-8", errors="replace") as file:
            file.write(f"\n{time.strftime('%F %T')} {sys.argv}\n")
            traceback.print_exception(error, file=file)
        kept = f"; {path} says where"
    except OSError:
        pass
    return Failure("internal", f"internal error: {type(error).__name__}: {error}{kept}", "", FAILED)
