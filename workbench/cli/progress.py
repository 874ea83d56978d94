"""`workbench progress`: what was done, a copy of it, or a fresh start."""

from __future__ import annotations

import dataclasses
import json
import sys
from argparse import Namespace
from typing import Any

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
    store = Store(paths.progress_file())
    try:
        for text in (store.warning, store.notice):
            if text:
                print_line(f"warning: {text}", to=sys.stderr)
        if options.action == "reset":
            return _reset(store, options)
        if options.action == "export":
            return _export(store, options)
        return _show(store, options)
    finally:
        store.close()


def check_target(path: str | None) -> None:
    """Refuse a file that cannot be written before anything is read.

    Raises:
        UsageError: saying why.
    """
    if not path:
        raise UsageError("progress export: name the file to write")
    if reason := not_replaceable(path):
        raise UsageError(f"progress export: {path} {reason}")


def _show(store: Store, options: Namespace) -> int:
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
    if options.json:
        print_json({"exercises": rows, "attempts": len(store.attempts()), "file": store.path, "warning": store.warning})
        return FINE
    for item in rows:
        print_line(f"{item['status']:<7} {item['points']:>5g} of {item['max_points']:>3g}  {item['id']}")
    total, most = sum(item["points"] for item in rows), sum(item["max_points"] for item in rows)
    print_line(f"        {total:>5g} of {most:>3g}  in all, {len(store.attempts())} attempts")
    return FINE


def _reset(store: Store, options: Namespace) -> int:
    if options.target:
        Catalog().row(options.target)
    kept = store.reset(options.target)
    what = options.target or "everything"
    if options.json:
        print_json({"reset": what, "kept": kept, "warning": store.warning})
    else:
        print_line(f"forgotten: {what}" + (f"; a copy of the file as it was is {kept}" if kept else ""))
    return FINE


def _export(store: Store, options: Namespace) -> int:
    attempts = [dataclasses.asdict(attempt) for attempt in store.attempts()]
    content = json.dumps({"format_version": 1, "attempts": attempts}, indent=1).encode()
    write_atomically(options.target, content)
    if options.json:
        print_json({"exported": options.target, "attempts": len(attempts)})
    else:
        print_line(f"{len(attempts)} attempts written to {options.target}")
    return FINE
