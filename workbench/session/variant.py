"""An exercise at one seed: its data, its text with the data filled in, and the key to its parts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from engines.fields import plain, read
from engines.parameters import Parameters, declared
from engines.result import Result
from workbench.answers.verdict import Key
from workbench.catalog import UnknownExercise, near, shortened
from workbench.compute.local import LocalCompute
from workbench.sandbox import Outcome, Program
from workbench.sandbox import run as run_in_sandbox
from workbench.spec.exercise import GIVEN, PLACEHOLDER, AnyPart, Exercise

T = TypeVar("T")

# An engine that takes longer than this for a check is a fault of the exercise.
CHECK_SECONDS = 120.0
MAX_VARIANT = 2**31 - 1

# Fields that hold programs or samples; braces in them are their own.
_VERBATIM = frozenset({"starter", "starters", "harness", "reference", "mutants", "accepts", "rejects"})


@dataclass(frozen=True)
class Variant:
    """What a student is asked. Variant 0 is the published question, 1, 2, … are drawn."""

    exercise: Exercise
    number: int
    params: Parameters
    statement: str
    parts: tuple[AnyPart, ...]

    @property
    def given(self) -> dict[str, Any]:
        """The data of the question as plain values, by the names the exercise lists."""
        return {name: plain(getattr(self.params, name)) for name in self.exercise.given}

    def part(self, part_id: str) -> AnyPart:
        """A part by its id, its placeholders filled in.

        Raises:
            UnknownExercise: if there is none.
        """
        found = {part.id: part for part in self.parts}
        if part_id not in found:
            where = near(part_id, found)
            raise UnknownExercise(f"{self.exercise.id} has no part '{shortened(part_id)}'{where}")
        return found[part_id]


def open_variant(exercise: Exercise, number: int, compute: LocalCompute) -> Variant:
    """The exercise at a variant's number; drawing one asks the engine, the published one does not.

    Raises:
        UnknownExercise: if there is no such variant.
        ComputeError: if the draw fails.
    """
    if not 0 <= number <= MAX_VARIANT:
        raise UnknownExercise(f"variants are numbered 0 to {MAX_VARIANT}")
    if number and not exercise.variants:
        raise UnknownExercise(f"{exercise.id} has only its published variant, 0")
    record = declared()[exercise.engine]
    if number == 0:
        params = read(record, exercise.params)
    else:
        drawn = compute.ask(task="draw", engine=exercise.engine, seed=number, device="cpu", timeout=CHECK_SECONDS)
        params = read(record, drawn.output["params"])
    return Variant(
        exercise,
        number,
        params,
        fill(exercise.statement, params),
        tuple(filled(part, params) for part in exercise.parts),
    )


class EngineBench:
    """The engine and the sandbox, for the checks of one variant. Results are kept by seed."""

    def __init__(self, variant: Variant, compute: LocalCompute) -> None:
        self.variant = variant
        self.compute = compute
        self._results: dict[int, Result] = {}
        self._fresh = 0

    def run(self, seed: int) -> Result:
        """The engine's result at the variant's parameters, on the CPU: the same on every machine."""
        if seed not in self._results:
            done = self.compute.ask(
                engine=self.variant.exercise.engine,
                params=plain(self.variant.params),
                seed=seed,
                device="cpu",
                threads=1,
                timeout=CHECK_SECONDS,
            )
            self._results[seed] = Result.from_plain(done.output)
        return self._results[seed]

    def sandbox(self, program: Program) -> Outcome:
        """Run a student's program."""
        return run_in_sandbox(program, self.compute)

    def fresh_seed(self) -> int:
        """A seed that no check has used: it is drawn from the system, not from the variant."""
        import secrets

        return secrets.randbelow(2**31)

    def key(self, part: AnyPart) -> Key:
        """What answers to a part are compared with."""
        return Key(part, self.variant.params, lambda: self.run(0), self.variant.number)


# -- placeholders


def fill(text: str, params: Parameters) -> str:
    """A text with `{{name}}` replaced by the parameter of that name; `{{given}}` stays for whoever draws."""

    def value(match: Any) -> str:
        name = match.group(1)
        return match.group(0) if name == GIVEN and not hasattr(params, GIVEN) else in_text(getattr(params, name))

    return PLACEHOLDER.sub(value, text)


def in_text(value: Any) -> str:
    """A parameter as it stands in a sentence."""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple | list):
        return ", ".join(map(in_text, value))
    return str(value)


def filled(record: T, params: Parameters) -> T:
    """A part with the placeholders in all its texts replaced."""
    changes = {
        spec.name: _filled(getattr(record, spec.name), params)
        for spec in dataclasses.fields(record)  # type: ignore[arg-type]
        if spec.name not in _VERBATIM
    }
    return dataclasses.replace(record, **changes)  # type: ignore[type-var]


def _filled(value: Any, params: Parameters) -> Any:
    if isinstance(value, str):
        return fill(value, params)
    if isinstance(value, tuple):
        return tuple(_filled(item, params) for item in value)
    if isinstance(value, Mapping):
        return {key: _filled(item, params) for key, item in value.items()}
    return filled(value, params) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value
