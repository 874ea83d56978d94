"""`workbench check`: an answer in, a verdict out."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from engines.arrays import to_json
from engines.figures import to_plain
from workbench.answers.formula import Unreadable, caret
from workbench.answers.verdict import Verdict
from workbench.cli import FAILED, FINE, UNDECIDED, UNUSABLE, WRONG, UsageError
from workbench.cli.output import is_unicode, print_json, print_line, width
from workbench.cli.running import print_figure
from workbench.session import MAX_ANSWER, Checked, Session, Workplace

# More than any answer may have, a byte order mark included; what is longer is refused by the same sentence as in the
# screen.
MAX_BYTES = 4 * (MAX_ANSWER + 2)

STATUS = {
    "correct": FINE,
    "unreadable": UNUSABLE,
    "undecided": UNDECIDED,
    "timeout": FAILED,
    "out_of_memory": FAILED,
    "crashed": FAILED,
}


def main(options: Namespace) -> int:
    """Check one answer to one part and record the attempt."""
    with contextlib.closing(Workplace()) as workplace:
        session = workplace.open(options.exercise, options.variant)
        session.variant.part(options.part)  # a wrong name is told before anybody is asked to type an answer
        text = options.answer if options.answer is not None else read_answer(options.file)
        try:
            checked = session.check(options.part, text)
        except Unreadable as error:
            checked = _unread(error, session, options.part)
            told = _why_unreadable(error, text)
        else:
            told = _why(checked)
        warning = session.store.warning or session.store.notice
        if options.json:
            print_json(_as_json(checked, session, warning))
        else:
            for line in told:
                print_line(line)
            if checked.verdict.figure is not None:
                print_line()
                print_figure(checked.verdict.figure)
            if warning:
                print_line(f"warning: {warning}", to=sys.stderr)
        return STATUS.get(checked.verdict.status, WRONG)


def read_answer(path: str) -> str:
    """The text of an answer in a file, or on standard input.

    Raises:
        UsageError: if it is no text, or no file that ends.
        OSError: if it cannot be read.
    """
    if path == "-":
        raw = sys.stdin.buffer.read(MAX_BYTES)
    else:
        if not path or "\0" in path:
            raise UsageError("--file: name a file, or - for standard input")
        # Without waiting for somebody who writes into a pipe of that name.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise UsageError(f"--file: {path} is no regular file; `--file -` reads standard input")
            raw = file.read(MAX_BYTES)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start >= MAX_BYTES - 4:  # cut in the middle of a character: too long anyway
            return raw.decode("utf-8", "ignore")
        raise UsageError(f"--file: the answer is not UTF-8 text (byte {error.start + 1})") from None


def _unread(error: Unreadable, session: Session, part: str) -> Checked:
    """What is told of an answer that cannot be read, in the form of what is told of one that can."""
    witness = {"position": error.position, "length": error.length}
    verdict = Verdict("unreadable", 0.0, "unreadable", error.message, witness)
    return Checked(part, verdict, "", 0.0, session.variant.part(part).points)


def _as_json(checked: Checked, session: Session, warning: str) -> dict[str, Any]:
    verdict = checked.verdict
    return {
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
        "figure": None if verdict.figure is None else to_json(to_plain(verdict.figure)),
        "warning": warning,
    }


def _why(checked: Checked) -> Iterator[str]:
    """The verdict in lines of text."""
    from workbench.statement import draw_markdown

    verdict = checked.verdict
    yield f"understood: {checked.understood}"
    message = f"{verdict.status} ({checked.score:g} of {checked.max_score:g}): {verdict.message}"
    yield draw_markdown(message, width() - 1, ascii_only=not is_unicode()).plain
    if verdict.tolerance:
        yield f"compared {verdict.tolerance}"
    if verdict.isolation:
        yield f"isolation: {verdict.isolation}"


def _why_unreadable(error: Unreadable, text: str) -> Iterator[str]:
    """The reason, and the place in what was typed."""
    yield f"unreadable: {error.message}"
    if text.strip() and is_unicode():
        yield caret(text, error, width() - 1)
