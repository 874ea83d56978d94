"""`workbench check`: an answer in, a verdict out."""

from __future__ import annotations

import os
import stat
import sys
from argparse import Namespace
from typing import Any

from engines.arrays import to_json
from workbench.answers.formula import Unreadable, caret
from workbench.cli import FINE, UNDECIDED, UNUSABLE, WRONG, UsageError
from workbench.cli.output import is_unicode, print_json, print_line, width
from workbench.session import MAX_ANSWER, Checked, Session, Workplace

# More than any answer may have; what is longer is refused by the same sentence as in the screen.
MAX_BYTES = 4 * MAX_ANSWER + 1

STATUS = {"correct": FINE, "undecided": UNDECIDED, "timeout": 4, "out_of_memory": 4, "crashed": 4}


def main(options: Namespace) -> int:
    """Check one answer to one part and record the attempt."""
    workplace = Workplace()
    try:
        text = options.answer if options.answer is not None else read_answer(options.file)
        exercise = workplace.catalog.exercise(options.exercise)
        del exercise  # looked up first, so that a wrong name is told before anything is started
        session = workplace.open(options.exercise, options.variant)
        session.variant.part(options.part)
        try:
            checked = session.check(options.part, text)
        except Unreadable as error:
            return _tell_unreadable(error, text, session, options)
        return _tell(checked, session, options)
    finally:
        workplace.close()


def read_answer(path: str) -> str:
    """The text of an answer in a file, or on standard input.

    Raises:
        UsageError: if it is no text, or no file that ends.
        OSError: if it cannot be read.
    """
    if path == "-":
        raw = sys.stdin.buffer.read(MAX_BYTES)
    else:
        if "\0" in path:
            raise UsageError("--file: a path has no NUL byte in it")
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                directory = stat.S_ISDIR(os.fstat(descriptor).st_mode)
                kind = "a directory" if directory else "no regular file; `--file -` reads standard input"
                raise UsageError(f"--file: {path} is {kind}")
            raw = file.read(MAX_BYTES)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start >= MAX_BYTES - 4:  # cut in the middle of a character: too long anyway
            return raw.decode("utf-8", "ignore")
        raise UsageError(f"--file: the answer is not UTF-8 text (byte {error.start + 1})") from None


def _tell(checked: Checked, session: Session, options: Namespace) -> int:
    verdict = checked.verdict
    status = STATUS.get(verdict.status, WRONG)
    if options.json:
        print_json(
            {
                "exercise": session.exercise_id,
                "part": checked.part,
                "variant": session.variant.number,
                "status": verdict.status,
                "score": checked.score,
                "max_score": checked.max_score,
                "note": verdict.note,
                "message": verdict.message,
                "witness": to_json(verdict.witness),
                "tolerance": verdict.tolerance,
                "understood": checked.understood,
                "isolation": verdict.isolation,
                "figure": _figure(checked),
                "warning": checked.warning,
            }
        )
        return status
    from workbench.statement import draw_markdown

    print_line(f"understood: {checked.understood}")
    message = f"{verdict.status} ({checked.score:g} of {checked.max_score:g}): {verdict.message}"
    print_line(draw_markdown(message, width() - 1, ascii_only=not is_unicode()).plain)
    if verdict.tolerance:
        print_line(f"compared {verdict.tolerance}")
    if verdict.isolation:
        print_line(f"isolation: {verdict.isolation}")
    if verdict.figure is not None:
        print_line()
        _draw(checked)
    if checked.warning:
        print_line(f"warning: {checked.warning}", to=sys.stderr)
    return status


def _figure(checked: Checked) -> Any:
    if checked.verdict.figure is None:
        return None
    from engines.figures import to_plain

    return to_json(to_plain(checked.verdict.figure))


def _draw(checked: Checked) -> None:
    from workbench.cli.running import print_figure

    assert checked.verdict.figure is not None
    print_figure(checked.verdict.figure)


def _tell_unreadable(error: Unreadable, text: str, session: Session, options: Namespace) -> int:
    if options.json:
        print_json(
            {
                "exercise": session.exercise_id,
                "part": options.part,
                "variant": session.variant.number,
                "status": "unreadable",
                "score": 0.0,
                "max_score": session.variant.part(options.part).points,
                "note": "unreadable",
                "message": error.message,
                "witness": {"position": error.position, "length": error.length},
                "tolerance": "",
                "understood": "",
                "warning": "",
            }
        )
    else:
        print_line(f"unreadable: {error.message}")
        if text.strip() and is_unicode():
            print_line(caret(text, error, width() - 1))
    return UNUSABLE
