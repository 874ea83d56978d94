"""What an exercise promises, tried out on one variant."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from engines.arrays import Array, to_json
from engines.fields import BadData
from engines.fields import Path as DataPath
from workbench.answers import kind_named
from workbench.answers.compare import differing
from workbench.answers.formula import Unreadable
from workbench.answers.verdict import Kind, Verdict
from workbench.catalog import UnknownExercise
from workbench.compute.local import ComputeError, LocalCompute
from workbench.session.variant import EngineBench, Variant, open_variant
from workbench.spec import AnyPart, Document, Exercise, Problem
from workbench.spec.exercise import Comparison, Sample

# Known mistakes lie further from the truth than this many tolerances.
APART = 3.0
# A right growth class is proportional to what was counted, up to its lower terms.
PROPORTIONAL = 1.8


@dataclass
class Proof:
    """What trying out one variant gave."""

    answers: int = 0
    problems: list[Problem] = field(default_factory=list)
    given: str = ""


class _LintBench(EngineBench):
    """A bench whose fresh inputs are the same for every sample, so that the engine runs once."""

    def fresh_seed(self) -> int:
        return 1


def prove(exercise: Exercise, document: Document, number: int, compute: LocalCompute) -> Proof:
    """Try out everything that an exercise promises on one of its variants."""
    proof = Proof()
    try:
        variant = open_variant(exercise, number, compute)
        bench = _LintBench(variant, compute)
        bench.run(0)
    except (ComputeError, TimeoutError, UnknownExercise, BadData) as error:
        proof.problems.append(
            _problem(document, ("engine",), number, f"the engine fails: {error or 'it takes too long'}")
        )
        return proof
    proof.given = json.dumps(to_json(variant.given), sort_keys=True)
    for i, part in enumerate(variant.parts):
        trial = _Trial(variant, bench, part)
        try:
            for path, message in trial.run():
                proof.problems.append(_problem(document, ("parts", i, *path), number, message))
        except (ComputeError, TimeoutError, LookupError, AttributeError, TypeError, ValueError) as error:
            message = f"cannot be checked: {error or 'it takes too long'}"
            proof.problems.append(_problem(document, ("parts", i), number, message))
        proof.answers += trial.answers
    return proof


def _problem(document: Document, path: DataPath, number: int, message: str) -> Problem:
    line, column = (1, 1)
    known = path
    while known and known not in document.values:
        known = known[:-1]
    line, column = document.values.get(known, (1, 1))
    return Problem(document.file, line, column, f"variant {number}: {message}")


Found = tuple[DataPath, str]


class _Trial:
    """One part of one variant, with everything that its file says of it."""

    def __init__(self, variant: Variant, bench: EngineBench, part: AnyPart) -> None:
        self.variant = variant
        self.bench = bench
        self.part = part
        self.kind: Kind = kind_named(part.kind)
        self.key = bench.key(part)
        self.answers = 0

    def run(self) -> Iterator[Found]:
        """Everything that is not as promised."""
        missing = [name for name in self.kind.uses(self.part) if name not in self.bench.run(0).values]
        if missing:
            yield (), f"the engine gives no value {', '.join(missing)}"
            return
        yield from self.steps_and_figures()
        yield from self.accepted()
        yield from self.rejected()
        yield from self.mistakes_apart()
        if self.part.kind == "patch":
            yield from self.programs()
        if self.part.kind == "complexity":
            yield from self.proportional()

    def judge(self, text: str) -> Verdict | Unreadable:
        """What a student who types this is told."""
        self.answers += 1
        try:
            return self.kind.check(self.kind.read(text, self.key), self.key, self.bench)
        except Unreadable as error:
            return error

    def text_of(self, sample: str | Sample) -> str | None:
        """A sample as it is typed; None where it belongs to other variants."""
        if isinstance(sample, str):
            return sample if self.variant.number == 0 else None
        if sample.value is not None:
            return self.kind.write(self.key.value(sample.value), self.key)
        if sample.when is not None:
            return sample.answer if self.holds(sample.when) else None
        # A program is an answer to every variant; anything else that is typed is one to the published variant.
        return sample.answer if self.variant.number == 0 or self.part.kind == "patch" else None

    def holds(self, when: dict[str, Any] | None) -> bool:
        """Whether the variant's parameters are as a sample asks for."""
        return all(getattr(self.variant.params, name, None) == value for name, value in (when or {}).items())

    def steps_and_figures(self) -> Iterator[Found]:
        result = self.bench.run(0)
        names = {step.name for step in result.trace}
        missing = [name for name in self.part.steps if name not in names]
        if missing:
            yield (), f"the engine's trace has no step {', '.join(missing)}; it has {', '.join(sorted(names))}"
        wanted = getattr(self.part, "reveal", "") or getattr(getattr(self.part, "draws", None), "figure", "")
        if wanted and result.figure(wanted) is None:
            yield (), f"the engine has no figure '{wanted}'"

    def accepted(self) -> Iterator[Found]:
        for i, sample in enumerate(self.part.accepts):
            text = self.text_of(sample)
            if text is None:
                continue
            verdict = self.judge(text)
            if isinstance(verdict, Unreadable):
                yield ("accepts", i), f"is not readable: {verdict.message}"
            elif verdict.status != "correct":
                yield ("accepts", i), f"must be accepted, but is {verdict.status} ({verdict.note}): {verdict.message}"

    def rejected(self) -> Iterator[Found]:
        for i, sample in enumerate(self.part.rejects):
            text = self.text_of(sample)
            if text is None:
                continue
            want = sample.note if isinstance(sample, Sample) else ""
            yield from self.refused(text, want, ("rejects", i))

    def refused(self, text: str, want: str, path: DataPath) -> Iterator[Found]:
        """What is wrong with how a wrong answer is refused."""
        verdict = self.judge(text)
        note = "unreadable" if isinstance(verdict, Unreadable) else verdict.note
        if not isinstance(verdict, Unreadable) and verdict.status == "correct":
            yield path, "must be refused, but is accepted"
        elif want and note != want:
            yield path, f"must get the note '{want}', but gets '{note}': {verdict.message}"

    def mistakes_apart(self) -> Iterator[Found]:
        """Known mistakes that come too near to the truth to be told from it."""
        part: Any = self.part
        for i, mistake in enumerate(getattr(part, "mistakes", ())):
            wrong = self.key.value(mistake.value)
            if part.kind == "patch":
                right = next(output for output in part.outputs if output.name == mistake.output)
                near = _near(wrong, self.key.value(right.expect), Comparison(rtol=right.rtol, atol=right.atol))
            elif isinstance(wrong, Array):
                near = _near(wrong, self.key.value(part.expect), part.comparison)
            else:
                near = sorted(map(str, wrong)) == sorted(map(str, self.key.value(part.expect)))
            if near:
                yield (
                    ("mistakes", i),
                    f"'{mistake.value}' is not further than {APART:g} tolerances from the right answer",
                )

    def programs(self) -> Iterator[Found]:
        """The reference passes, the starter does not, and every mutant is caught with its note."""
        from workbench.answers.patch import starter

        part: Any = self.part
        verdict = self.judge(part.reference)
        if isinstance(verdict, Unreadable) or verdict.status != "correct":
            yield ("reference",), f"does not pass: {verdict.message}"
        yield from self.refused(starter(self.key), "", ("starter",) if part.starter else ("starters",))
        for i, mutant in enumerate(part.mutants):
            if mutant.when is None or self.holds(mutant.when):
                yield from self.refused(mutant.code, mutant.note, ("mutants", i))

    def proportional(self) -> Iterator[Found]:
        """The right class runs along with what was counted."""
        part: Any = self.part
        if not part.measured:
            return
        from workbench.answers.complexity import claimed_ratio

        right = part.answer or self.key.value(part.expect)
        ratio = claimed_ratio(self.kind.read(right, self.key), self.key.value(part.measured))
        if ratio is None or ratio > PROPORTIONAL:
            yield (), f"the right class is off what was counted by a factor of {ratio or 0:.2f} over the larger sizes"


def _near(wrong: Any, right: Any, comparison: Comparison) -> bool:
    """Whether two arrays agree within three tolerances."""
    a, b = Array.of(wrong), Array.of(right)
    return a.shape == b.shape and not differing(a.flat(), b.flat(), comparison, APART)
