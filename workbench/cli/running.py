"""`workbench run`: an engine with parameters of one's own, without an exercise."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import queue
import sys
import uuid
from argparse import Namespace
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from engines.arrays import to_json
from engines.fields import BadData, Fault, plain, read
from engines.parameters import Parameters
from engines.result import Result
from workbench.catalog import shortened
from workbench.cli import FINE, UsageError
from workbench.cli.engines import engine_named
from workbench.cli.output import console, is_unicode, print_json, print_line, width
from workbench.compute.handle import ComputeError, Handle
from workbench.compute.messages import Ending, Finished, Job, Progress, Started
from workbench.files import not_replaceable
from workbench.session import Workplace
from workbench.session.values import in_words

if TYPE_CHECKING:
    from engines.figures import Figure

SUFFIXES = (".json", ".csv", ".txt", ".svg")


def main(options: Namespace) -> int:
    """Run an engine; print its values and figures, and save the figures if asked to."""
    record = engine_named(options.engine)
    params = parameters(record, options.set)
    if options.save is not None:
        check_target(options.save)
    job = Job(
        id=uuid.uuid4().hex,
        engine=options.engine,
        params=plain(params),
        seed=options.seed,
        dtype=options.dtype,
        device=options.device,
    )
    with contextlib.closing(Workplace()) as workplace:
        handle = workplace.compute.submit(job)
        try:
            started, finished = follow(handle, quiet=options.json)
        except ComputeError:
            _keep_so_far(handle, options)
            raise
    result = Result.from_plain(finished.output)
    if not options.json:
        _print(started, finished, result)
    # After the result is told: a full disk must not cost what took an hour to compute.
    if options.save is not None:
        from workbench.figures.export import save

        save(result.figures, Path(options.save))
        if not options.json:
            print_line(f"figures saved in {options.save}")
    if options.json:
        print_json(_as_json(job, started, finished, result))
    return FINE


def parameters(record: type[Parameters], settings: list[str]) -> Parameters:
    """The parameters that `--set NAME=VALUE` makes of the defaults; a value is read as YAML.

    Raises:
        UsageError: if a setting has no value.
        BadData: if a setting does not fit.
    """
    from workbench.spec.source import BadFile, parse

    data: dict[str, Any] = {}
    for setting in settings:
        name, separator, text = setting.partition("=")
        if not separator or not name:
            raise UsageError(f"--set {shortened(setting)}: write NAME=VALUE")
        try:
            data[name] = parse(text.encode("utf-8", "surrogateescape"), f"--set {name}").data if text.strip() else ""
        except BadFile as bad:
            raise BadData([Fault((name,), bad.problems[0].message)]) from None
    made: Parameters = read(record, data)
    return made


def check_target(path: str) -> None:
    """Refuse a target before the run and not after it.

    Raises:
        UsageError: if the format is unknown, or no file can be put there.
    """
    if not path.endswith(SUFFIXES):
        raise UsageError(f"--save {shortened(path)}: the name has to end in {', '.join(SUFFIXES)}")
    if reason := not_replaceable(path):
        raise UsageError(f"--save: {shortened(path)} {reason}")


def follow(handle: Handle, *, quiet: bool) -> tuple[Started | None, Finished]:
    """Wait for the end of a job, telling how it goes where somebody watches; ctrl+c cancels it.

    Raises:
        ComputeError: if it did not finish.
    """
    started = None
    shows = not quiet and sys.stderr.isatty()
    try:
        while True:
            try:
                event = handle.next_event(timeout=0.5)
            except queue.Empty:
                continue
            if isinstance(event, Started):
                started = event
            elif isinstance(event, Progress) and shows:
                sys.stderr.write(f"\r\x1b[K{event.fraction:4.0%}  {event.elapsed:.1f} s  {event.message[:60]}")
                sys.stderr.flush()
            elif isinstance(event, Ending):
                break
    except KeyboardInterrupt:
        handle.cancel()
    finally:
        if shows:
            sys.stderr.write("\r\x1b[K")
    return started, handle.finished(timeout=5)


def _keep_so_far(handle: Handle, options: Namespace) -> None:
    """Show and save what a run had drawn before it was stopped or failed."""
    if handle.figure is None:
        return
    if not options.json:
        print_figure(handle.figure)
    if options.save is not None:
        from workbench.figures.export import save

        save((handle.figure,), Path(options.save))
        if not options.json:
            print_line(f"what was drawn so far is saved in {options.save}")


def _as_json(job: Job, started: Started | None, finished: Finished, result: Result) -> dict[str, Any]:
    return {
        "engine": job.engine,
        "params": job.params,
        "seed": job.seed,
        "device": finished.device,
        "device_name": started.device_name if started else "",
        "dtype": finished.dtype,
        "threads": started.threads if started else None,
        "elapsed": finished.elapsed,
        **to_json(result.to_plain()),
    }


def _print(started: Started | None, finished: Finished, result: Result) -> None:
    where = f"{finished.device} ({started.device_name})" if started else finished.device
    threads = (
        f", {started.threads} thread{'s' * (started.threads != 1)}" if started and finished.device == "cpu" else ""
    )
    print_line(f"on {where}, {finished.dtype}{threads}, {finished.elapsed:.2f} s")
    for name, value in result.values.items():
        for line in wrap(f"{name} = {in_words(value)}", width() - 1, initial_indent="  ", subsequent_indent="      "):
            print_line(line)
    for figure in result.figures:
        print_line()
        print_figure(figure)
    for note in result.notes:
        print_line(note)


def print_figure(figure: Figure) -> None:
    """Draw a figure as the stream can show it."""
    from workbench.figures.draw import draw
    from workbench.figures.look import DEFAULT

    out = console()
    plain_stream = not sys.stdout.isatty() or "NO_COLOR" in os.environ or out.color_system is None
    look = dataclasses.replace(DEFAULT, ascii_only=not is_unicode(), colour="none" if plain_stream else DEFAULT.colour)
    out.print(draw(figure, out.width - 1, 24, look))
