"""`workbench lint`: whether exercises keep what they promise."""

from __future__ import annotations

import contextlib
import sys
import time
from argparse import Namespace

from workbench.cli import FINE, WRONG
from workbench.cli.output import print_json, print_line
from workbench.lint import lint
from workbench.session import Workplace

MAX_VARIANTS = 10_000


def main(options: Namespace) -> int:
    """Lint packs or files; status 1 if there are faults."""
    began = time.monotonic()
    shows = sys.stderr.isatty() and not options.json

    def progress(text: str) -> None:
        if shows:
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()

    try:
        with contextlib.closing(Workplace()) as workplace:
            report = lint(options.paths, min(options.variants, MAX_VARIANTS), workplace.compute, progress)
    finally:
        if shows:
            sys.stderr.write("\r\x1b[K")
    if options.json:
        print_json(
            {
                "exercises": report.exercises,
                "assignments": report.assignments,
                "variants": report.variants,
                "answers": report.answers,
                "faults": [vars(problem) for problem in report.problems],
            }
        )
    else:
        for problem in report.problems:
            print_line(str(problem))
        faults = len(report.problems)
        print_line(
            f"{report.exercises} exercises, {report.assignments} assignments, {report.variants} variants, "
            f"{report.answers} answers tried in {time.monotonic() - began:.1f} s: "
            + (f"{faults} fault{'s' * (faults != 1)}" if faults else "all as promised")
        )
    return WRONG if report.problems else FINE
