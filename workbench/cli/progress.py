"""`workbench progress`: what was done, a copy of it, or a fresh start."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import sys
from argparse import Namespace
from typing import Any, NamedTuple

from workbench import paths
from workbench.catalog import Catalog
from workbench.cli import FINE, UsageError
from workbench.cli.output import print_json, print_line
from workbench.files import not_replaceable, write_atomically
from workbench.progress.store import Store
from workbench.progress.summary import status_of


def main(options: Namespace) -> int:
    """Show progress, or do what is asked with it."""
    if options.action == "export":
        check_target(options.target)
    with contextlib.closing(Store(paths.progress_file())) as store:
        if options.action == "reset":
            done = _reset(store, options)
        elif options.action == "export":
            done = _export(store, options)
        else:
            done = _show(store)
        warning = store.warning or store.notice
        if options.json:
            print_json({**done.facts, "warning": warning})
        else:
            for line in done.lines:
                print_line(line)
            if warning:
                print_line(f"warning: {warning}", to=sys.stderr)
    return FINE


class Done(NamedTuple):
    """What was done or found: for a script, and in lines of text."""

    facts: dict[str, Any]
    lines: list[str]


def check_target(path: str | None) -> None:
    """Refuse a file that cannot be written before anything is read.

    Raises:
        UsageError: saying why.
    """
    if not path:
        raise UsageError("progress export: name the file to write")
    if reason := not_replaceable(path):
        raise UsageError(f"progress export: {path} {reason}")


def _show(store: Store) -> Done:
    catalog = Catalog()
    shares = store.solved()
    rows: list[dict[str, Any]] = []
    for row in catalog.rows:
        if row["broken"]:
            continue
        done = shares.get(row["id"], {})
        points = sum(part["points"] * done.get(part["id"], 0.0) for part in row["parts"])
        status = status_of([part["id"] for part in row["parts"]], done)
        rows.append({"id": row["id"], "status": status, "points": points, "max_points": row["points"], "parts": done})
    attempts = len(store.attempts())
    lines = [f"{item['status']:<7} {item['points']:>5g} of {item['max_points']:>3g}  {item['id']}" for item in rows]
    total, most = sum(item["points"] for item in rows), sum(item["max_points"] for item in rows)
    lines.append(f"        {total:>5g} of {most:>3g}  in all, {attempts} attempt{'s' * (attempts != 1)}")
    return Done({"exercises": rows, "attempts": attempts, "file": store.path}, lines)


def _reset(store: Store, options: Namespace) -> Done:
    """Forget what is in the file.

    Raises:
        OSError: if the file cannot be written: then what is in it stays.
    """
    if options.target:
        Catalog().row(options.target)
    if store.warning:
        reason = store.warning.partition(f": {store.path}")[0]
        raise OSError(errno.EROFS, f"nothing was forgotten: {reason}", store.path)
    kept = store.reset(options.target)
    what = options.target or "everything"
    text = f"forgotten: {what}" + (f"; a copy of the file as it was is {kept}" if kept else "")
    return Done({"reset": what, "kept": kept}, [text])


def _export(store: Store, options: Namespace) -> Done:
    attempts = [dataclasses.asdict(attempt) for attempt in store.attempts()]
    content = json.dumps({"format_version": 1, "attempts": attempts}, indent=1).encode()
    write_atomically(options.target, content)
    text = f"{len(attempts)} attempt{'s' * (len(attempts) != 1)} written to {options.target}"
    return Done({"exported": options.target, "attempts": len(attempts)}, [text])
