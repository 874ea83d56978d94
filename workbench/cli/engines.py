"""`workbench engines`: what there is to run, and with which parameters. Needs no torch."""

from __future__ import annotations

import dataclasses
from argparse import Namespace
from typing import Any

from engines.fields import MISSING, default_of, hints_of, limits_of, plain, type_name
from engines.parameters import Parameters, declared
from engines.registry import UnknownEngine
from workbench.catalog import near, shortened
from workbench.cli import FINE
from workbench.cli.output import print_json, print_line


def main(options: Namespace) -> int:
    """List the engines, or describe one."""
    chosen = [engine_named(options.engine)] if options.engine else list(declared().values())
    if options.json:
        print_json({"engines": [describe(record) for record in chosen]})
        return FINE
    for record in chosen:
        print_line(f"{record.engine}  {record.summary}")
        if options.engine:
            described = describe(record)
            threads = "as many threads as are idle" if record.parallel else "one thread"
            print_line(f"  in {' or '.join(record.dtypes)} ({record.dtype} by default), {threads} on a CPU")
            print_line(f"  at its defaults it takes at most {described['peak_bytes'] / 2**20:.0f} MiB")
            for parameter in described["parameters"]:
                print_line(f"  {parameter['name']}: {parameter['type']}{_limits(parameter)}{_default(parameter)}")
                if parameter["help"]:
                    print_line(f"      {parameter['help']}")
    return FINE


def engine_named(name: str) -> type[Parameters]:
    """The parameters of an engine.

    Raises:
        UnknownEngine: if there is none of that name.
    """
    engines = declared()
    if name not in engines:
        raise UnknownEngine(f"there is no engine '{shortened(name)}'{near(name, engines, 'workbench engines')}")
    return engines[name]


def describe(record: type[Parameters]) -> dict[str, Any]:
    """An engine with its parameters, their types, defaults and limits."""
    hints = hints_of(record)
    parameters = []
    for spec in dataclasses.fields(record):  # type: ignore[arg-type]
        limits = limits_of(spec)
        default = default_of(spec)
        parameters.append(
            {
                "name": spec.name,
                "type": type_name(hints[spec.name]),
                "default": None if default is MISSING else plain(default),
                "low": limits.low,
                "high": limits.high,
                "help": limits.help,
            }
        )
    return {
        "name": record.engine,
        "summary": record.summary,
        "dtype": record.dtype,
        "dtypes": list(record.dtypes),
        "peak_bytes": record().peak_bytes(8 if record.dtype == "float64" else 4),
        "parameters": parameters,
    }


def _limits(parameter: dict[str, Any]) -> str:
    low, high = parameter["low"], parameter["high"]
    if low is None and high is None:
        return ""
    return f", {'' if low is None else f'{low:g}'} to {'' if high is None else f'{high:g}'}"


def _default(parameter: dict[str, Any]) -> str:
    text = str(parameter["default"])
    return f", default {text}" if len(text) <= 40 else f", default {text[:37]}..."
