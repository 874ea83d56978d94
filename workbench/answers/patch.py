"""Programs that a student mends: run in the sandbox on fresh inputs, compared outside it, never by their text."""

from __future__ import annotations

import ast
import math
import re
import warnings
from dataclasses import dataclass
from typing import Any

from engines.arrays import Array
from engines.figures import Lines, line
from engines.result import Result
from workbench.answers.compare import apart, differing, in_words, index_of, ordinal
from workbench.answers.complexity import with_series
from workbench.answers.formula import Unreadable
from workbench.answers.verdict import Bench, Key, Status, Verdict, correct, undecided, wrong
from workbench.sandbox import Outcome, Program
from workbench.spec.exercise import Comparison, Mistake, Output

MAX_CHARS = 64_000


@dataclass(frozen=True)
class Source:
    """A program that Python can parse."""

    code: str
    lines: int


class Patch:
    """A Python program that defines the function asked for."""

    def read(self, text: str, key: Key) -> Source:
        """A program; what Python cannot parse is a typing mistake, not an attempt."""
        if not text.strip():
            raise Unreadable("the program is empty", 0)
        if len(text) > MAX_CHARS:
            raise Unreadable(f"the program has {len(text)} characters; at most {MAX_CHARS} are read", MAX_CHARS)
        try:
            with warnings.catch_warnings():  # "\\d" in a string is no concern of ours, and a warning would be printed
                warnings.simplefilter("ignore")
                ast.parse(text)
        except SyntaxError as error:
            place = _offset(text, error.lineno or 1, error.offset or 1)
            raise Unreadable(f"line {error.lineno or 1}: {error.msg}", place) from None
        except (RecursionError, MemoryError):
            raise Unreadable("this is nested too deeply for Python", 0) from None
        except ValueError as error:
            raise Unreadable(f"Python cannot read it: {error}", 0) from None
        return Source(text, len(text.splitlines()))

    def show(self, answer: Source, key: Key) -> str:
        """How long it is; the program itself stands in the editor."""
        return f"a program of {answer.lines} line{'s' * (answer.lines != 1)}"

    def write(self, value: Any, key: Key) -> str:
        """A program is text already."""
        return str(value)

    def uses(self, part: Any) -> list[str]:
        """Inputs, right outputs, and those of the known mistakes."""
        outputs = [output.expect for output in part.outputs]
        return [part.inputs, *outputs, *(mistake.value for mistake in part.mistakes)]

    def check(self, answer: Source, key: Key, bench: Bench) -> Verdict:
        """Run it on inputs that no earlier check has seen, and compare what it did, output by output."""
        part = key.part
        fresh = bench.run(bench.fresh_seed())
        outcome = bench.sandbox(
            Program(
                code=answer.code,
                entry=part.entry,
                harness=part.harness,
                inputs=_inputs(fresh.values[part.inputs]),
                seconds=part.seconds,
                megabytes=part.megabytes,
            )
        )
        if outcome.status != "ok":
            return _ended_badly(outcome, part)
        return _compared(outcome, fresh, part)


def starter(key: Key) -> str:
    """The broken program of this variant."""
    part = key.part
    if part.starter:
        return str(part.starter)
    return str(part.starters[key.given(part.starter_by)])


def _inputs(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("the inputs of a program are a mapping")
    return value


_ENDINGS: dict[str, Status] = {"timeout": "timeout", "out_of_memory": "out_of_memory", "crashed": "crashed"}


# What Markdown would take for a mark; an underscore within a name it leaves alone.
_MARKS = re.compile(r"[\\`*\[\]<&$]|(?<![^\W_])_|_(?![^\W_])")


def verbatim(text: str) -> str:
    """A text from elsewhere as Markdown that shows it, without what a terminal would act upon."""
    shown = "".join(char if char.isprintable() else "?" for char in text)
    return _MARKS.sub(r"\\\g<0>", shown)


def _ended_badly(outcome: Outcome, part: Any) -> Verdict:
    """A program that gave no result: wrong where the student's code raised, else how it was ended."""
    if outcome.message == f"the program defines no function {part.entry}":
        return wrong("no-function", f"{outcome.message[0].upper()}{outcome.message[1:]}.", isolation=outcome.level)
    witness: dict[str, Any] = {"printed": outcome.printed[-2000:]} if outcome.printed else {}
    if outcome.status == "error":
        message = f"It stops with {verbatim(outcome.message)}."
        return wrong("error", message, witness=witness | {"line": outcome.line}, isolation=outcome.level)
    message = f"Your program {outcome.message}."
    status = _ENDINGS.get(outcome.status)
    if status is None:
        return undecided(message, isolation=outcome.level)
    return Verdict(status, 0.0, status.replace("_", "-"), message, witness, isolation=outcome.level)


def _compared(outcome: Outcome, fresh: Result, part: Any) -> Verdict:
    figure = _figure(outcome, fresh, part)
    tolerances: dict[str, list[str]] = {}
    for output in part.outputs:
        want = Array.of(fresh.values[output.expect])
        comparison = Comparison(rtol=output.rtol, atol=output.atol)
        within = in_words(comparison)
        tolerances.setdefault(within, []).append(output.name)
        got = _as_array(outcome.outputs.get(output.name))
        if got is not None and got.shape == want.shape and not differing(got.flat(), want.flat(), comparison):
            continue
        more: dict[str, Any] = {"figure": figure, "isolation": outcome.level, "tolerance": f"{output.name} {within}"}
        mistake = _mistake(got, output, fresh, part) if got is not None else None
        witness = _witness(got, want, output, comparison)
        if mistake is not None:
            return wrong(mistake.note, mistake.say, witness=witness, **more)
        return wrong(output.note, f"{output.say} {_evidence(witness)}".strip(), witness=witness, **more)
    return correct(
        "On fresh data it does the same as the reference.",
        figure=figure,
        isolation=outcome.level,
        tolerance="; ".join(f"{_listed(names)} {within}" for within, names in tolerances.items()),
    )


def _listed(names: list[str]) -> str:
    """Names as a sentence lists them."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _mistake(got: Array, output: Output, fresh: Result, part: Any) -> Mistake | None:
    """The known mistake whose outcome this is."""
    comparison = Comparison(rtol=output.rtol, atol=output.atol)
    for mistake in part.mistakes:
        if mistake.output == output.name:
            known = Array.of(fresh.values[mistake.value])
            if known.shape == got.shape and not differing(got.flat(), known.flat(), comparison):
                found: Mistake = mistake
                return found
    return None


def _as_array(value: Any) -> Array | None:
    if isinstance(value, Array):
        return value
    return Array.of(value) if isinstance(value, int | float) else None


def _witness(got: Array | None, want: Array, output: Output, comparison: Comparison) -> dict[str, Any]:
    """The output that differs, and its first entry that does."""
    witness: dict[str, Any] = {"output": output.name}
    if got is None:
        return witness | {"missing": True}
    if got.shape != want.shape:
        return witness | {"got_shape": list(got.shape), "expected_shape": list(want.shape)}
    have, wanted = got.flat(), want.flat()
    bad = differing(have, wanted, comparison)
    place = bad[0]
    return witness | {
        "index": index_of(place, want.shape),
        "got": have[place],
        "expected": wanted[place],
        "right": want.size - len(bad),
        "of": want.size,
    }


def _evidence(witness: dict[str, Any]) -> str:
    if "index" not in witness:
        if "got_shape" in witness:
            return f"(Its shape is {witness['got_shape']}, expected is {witness['expected_shape']}.)"
        return ""
    got, want = apart(witness["got"], witness["expected"])
    if not witness["index"]:
        return f"(Yours: {got}; right: {want}.)"
    if math.isnan(witness["got"]):
        return f"({ordinal(witness['index']).capitalize()} is NaN.)"
    return f"({ordinal(witness['index']).capitalize()} is {got}; it should be {want}.)"


def _figure(outcome: Outcome, fresh: Result, part: Any) -> Lines | None:
    """The engine's figure with the curve of the student's program in it."""
    if part.draws is None:
        return None
    base = fresh.figure(part.draws.figure)
    curve = outcome.outputs.get(part.draws.output)
    if not isinstance(base, Lines) or not isinstance(curve, Array) or len(curve.shape) != 1 or not curve.size:
        return base if isinstance(base, Lines) else None
    steps = [float(i) for i in range(1, curve.size + 1)]
    return with_series(base, line(part.draws.label, steps, curve))


def _offset(text: str, line_number: int, column: int) -> int:
    """The offset in a text of a line and column, both from 1."""
    lines = text.splitlines(keepends=True)
    before = sum(len(row) for row in lines[: line_number - 1])
    return min(before + max(column - 1, 0), max(len(text) - 1, 0))
