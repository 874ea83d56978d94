"""`workbench show`: what the exercise screen shows, without the screen."""

from __future__ import annotations

import contextlib
from argparse import Namespace
from typing import Any

from engines.arrays import to_json
from workbench.cli import FINE
from workbench.cli.output import console, is_unicode, print_json
from workbench.session import Workplace
from workbench.session.variant import Variant, open_variant


def main(options: Namespace) -> int:
    """Show a variant of an exercise: statement, data and questions, no answers."""
    with contextlib.closing(Workplace()) as workplace:
        exercise = workplace.catalog.exercise(options.exercise)
        variant = open_variant(exercise, options.variant, workplace.compute)
    if options.json:
        print_json(as_json(variant))
    else:
        _print(variant)
    return FINE


def as_json(variant: Variant) -> dict[str, Any]:
    """Everything a student is told, and nothing more."""
    exercise = variant.exercise
    return {
        "id": exercise.id,
        "title": exercise.title,
        "variant": variant.number,
        "variants": exercise.variants,
        "minutes": exercise.minutes,
        "difficulty": exercise.difficulty,
        "points": exercise.points,
        "engine": exercise.engine,
        "source": {"sheet": exercise.source.sheet, "question": exercise.source.question} if exercise.source else None,
        "erratum": exercise.errata,
        "statement": variant.statement,
        "given": to_json(variant.given),
        "parts": [_part(part, variant) for part in variant.parts],
    }


def _part(part: Any, variant: Variant) -> dict[str, Any]:
    out = {
        "id": part.id,
        "kind": part.kind,
        "ask": part.ask,
        "points": part.points,
        "covers": list(part.covers),
        "hints": len(part.hints),
    }
    if hasattr(part, "options"):
        out["select"] = part.select
        out["options"] = [{"id": option.id, "text": option.text} for option in part.options]
    if part.kind == "patch":
        from workbench.answers.patch import starter
        from workbench.answers.verdict import Key

        out["entry"] = part.entry
        out["starter"] = starter(Key(part, variant.params, _nothing, variant.number))
        out["harness"] = part.harness
    return out


def _nothing() -> Any:
    raise LookupError("showing needs no result")


def _print(variant: Variant) -> None:
    from rich.text import Text

    from workbench.statement import draw_given, draw_markdown, option_lines

    out = console()
    width = out.width
    ascii_only = not is_unicode()
    exercise = variant.exercise
    number = "as published" if variant.number == 0 else f"variant {variant.number}"
    out.print(Text(f"{exercise.id}  {exercise.title}  ({number})", style="bold"))
    out.print()
    given = draw_given(variant.given, type(variant.params), width, ascii_only=ascii_only)
    out.print(draw_markdown(variant.statement, width, ascii_only=ascii_only, given=given))
    for part in variant.parts:
        out.print()
        points = f"{part.points:g} point{'s' * (part.points != 1)}"
        out.print(Text(f"{part.id}  ({part.kind}, {points})", style="bold"))
        out.print(draw_markdown(part.ask, width, ascii_only=ascii_only))
        for line in option_lines(part, variant.number, width, ascii_only=ascii_only):
            out.print(line)
        if part.kind == "patch":
            out.print()
            out.print(Text(_part(part, variant)["starter"].rstrip()))
