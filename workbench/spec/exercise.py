"""What an exercise file may say."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from engines.fields import BadData, Fault, field
from workbench.paths import ASSIGNMENTS

NAME = r"[a-z0-9]+(?:-[a-z0-9]+)*"
EXERCISE_ID = rf"{NAME}/{NAME}"
NAME_HELP = "lower-case words joined by '-'"
VALUE = r"[a-z][a-z0-9_]*"
VALUE_HELP = "the name of a value of the engine's result"

PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")
# Stands in a statement where the data of the variant are to be drawn.
GIVEN = "given"


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a question comes from."""

    sheet: str = field(min_length=1, help="file of the homework sheet")
    question: str = field(min_length=1, help="number of the question on the sheet, such as '4a'")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """An answer to try: as typed (`answer`), or the engine's own value written out (`value`).

    A typed one belongs to the published variant, or to the variants whose parameters are as `when` says.
    """

    answer: str | None = field(None, help="an answer as a student would type it")
    value: str | None = field(
        None, pattern=VALUE, pattern_help=VALUE_HELP, help="a value of the engine, on any variant"
    )
    note: str = field("", help="the note that a rejected answer must get")
    when: dict[str, Any] | None = field(None, help="parameters that the variant must have")

    def __post_init__(self) -> None:
        if (self.answer is None) == (self.value is None):
            raise BadData([Fault((), "needs either 'answer' or 'value'")])


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A wrong answer that is known, with what to say to it."""

    value: str = field(pattern=VALUE, pattern_help=VALUE_HELP, help="the engine's value that the mistake leads to")
    say: str = field(min_length=1, max_length=400, help="what the student is told")
    note: str = field("known-mistake", pattern=NAME, pattern_help=NAME_HELP, help="stable id, for statistics")
    output: str = field("", help="for code: which output shows the mistake")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How numbers are compared: |got − want| ≤ atol + rtol·|want|, or by digits, or exactly."""

    kind: Literal["relabs", "sigfig", "decdig", "exact"] = "relabs"
    rtol: float = field(0.0, low=0.0, high=1.0, help="relative tolerance")
    atol: float = field(0.0, low=0.0, help="absolute tolerance")
    digits: int = field(3, low=1, high=15, help="significant or decimal digits")

    def __post_init__(self) -> None:
        if self.kind == "relabs" and not self.rtol and not self.atol:
            raise BadData([Fault((), "state rtol, atol or both (or 'kind: exact')")])
        if self.kind == "relabs" and self.rtol and not self.atol:
            raise BadData([Fault((), "rtol alone accepts nothing near 0; state atol too")])


@dataclass(frozen=True, kw_only=True)
class Part:
    """One thing asked. Subclasses are the kinds of answer."""

    kind: str
    id: str = field(pattern=NAME, pattern_help=NAME_HELP, help="unique within the exercise")
    ask: str = field(min_length=1, max_length=4000, help="the question, in Markdown with $…$")
    covers: tuple[str, ...] = field((), pattern=EXERCISE_ID, pattern_help="topic/name", help="rows of the seed map")
    points: float = field(1.0, low=0.0, high=100.0, help="what it is worth")
    hints: tuple[str, ...] = field((), min_length=0, max_length=6, help="steps that lead, the last short of the answer")
    solution: tuple[str, ...] = field((), help="steps of the engine's trace that solve it; by default the one named id")
    accepts: tuple[str | Sample, ...] = field((), help="answers that must be accepted")
    rejects: tuple[str | Sample, ...] = field((), help="answers that must be refused, with the note they must get")

    @property
    def steps(self) -> tuple[str, ...]:
        """Names of the trace steps that make the worked solution."""
        return self.solution or (self.id,)

    def __post_init__(self) -> None:
        faults = [Fault(("hints", i), "is blank") for i, hint in enumerate(self.hints) if not hint.strip()]
        if faults:
            raise BadData(faults)


@dataclass(frozen=True, kw_only=True)
class TensorPart(Part):
    """A vector, matrix or tensor of numbers."""

    kind: Literal["tensor"] = "tensor"
    expect: str = field(pattern=VALUE, pattern_help=VALUE_HELP, help="the engine's value that is right")
    comparison: Comparison = field(help="how near is near enough")
    mistakes: tuple[Mistake, ...] = ()


@dataclass(frozen=True, kw_only=True)
class NumberPart(Part):
    """One number."""

    kind: Literal["number"] = "number"
    expect: str = field(pattern=VALUE, pattern_help=VALUE_HELP, help="the engine's value that is right")
    comparison: Comparison = field(help="how near is near enough")
    mistakes: tuple[Mistake, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Option:
    """One thing to choose."""

    id: str = field(
        pattern=r"[^\s,;]+",
        pattern_help="one word without commas",
        max_length=40,
        help="what the engine's value and a typed answer call it",
    )
    text: str = field(min_length=1, max_length=1000, help="what the student reads")
    say: str = field("", max_length=1000, help="why this one is wrong, or is missing")


@dataclass(frozen=True, kw_only=True)
class ChoicePart(Part):
    """One of several, or any number of them."""

    kind: Literal["choice"] = "choice"
    options: tuple[Option, ...] = field(min_length=2, max_length=20, help="what there is to choose from")
    select: Literal["one", "many"] = "one"
    credit: Literal["off", "net-correct", "coverage", "each-answer"] = field("off", help="partial credit for many")
    shuffle: bool = field(False, help="order the options by the variant")
    expect: str | None = field(None, pattern=VALUE, pattern_help=VALUE_HELP, help="value naming the right ids")
    answer: tuple[str, ...] = field((), help="the right ids, where no engine can compute them")

    def __post_init__(self) -> None:
        super().__post_init__()
        ids = [option.id for option in self.options]
        faults = [
            Fault(("options", i, "id"), f"'{id_}' stands here twice") for i, id_ in enumerate(ids) if id_ in ids[:i]
        ]
        faults += [
            Fault(("answer", i), f"'{id_}' is no option's id") for i, id_ in enumerate(self.answer) if id_ not in ids
        ]
        if (self.expect is None) == (not self.answer):
            faults.append(Fault((), "needs either 'expect' (an engine's value) or 'answer' (ids)"))
        if faults:
            raise BadData(faults)


@dataclass(frozen=True, kw_only=True)
class PredictionPart(ChoicePart):
    """A choice made before the run that settles it; the verdict comes with the figure."""

    kind: Literal["prediction"] = "prediction"  # type: ignore[assignment]
    reveal: str = field(min_length=1, help="name of the engine's figure that shows what happened")


@dataclass(frozen=True, kw_only=True)
class SequencesPart(Part):
    """Sequences of tokens: a set of them, or an ordered list."""

    kind: Literal["sequences"] = "sequences"
    expect: str = field(pattern=VALUE, pattern_help=VALUE_HELP, help="the engine's value that is right")
    ordered: bool = field(False, help="whether their order counts")
    tokens: str = field("", help="parameter whose first row names the tokens, so that slips are caught in reading")
    mistakes: tuple[Mistake, ...] = ()


@dataclass(frozen=True, kw_only=True)
class GrowthClass:
    """Another growth class that is right too, and what it assumes."""

    say: str = field(min_length=1, max_length=400, help="what this reading assumes")
    value: str | None = field(None, pattern=VALUE, pattern_help=VALUE_HELP, help="the engine's value")
    answer: str | None = field(None, help="or the class as a student would type it")

    def __post_init__(self) -> None:
        if (self.answer is None) == (self.value is None):
            raise BadData([Fault((), "needs either 'answer' or 'value'")])


@dataclass(frozen=True, kw_only=True)
class ComplexityPart(Part):
    """A growth class of several sizes."""

    kind: Literal["complexity"] = "complexity"
    variables: tuple[str, ...] | str = field(min_length=1, help="the letters, or the engine's value that lists them")
    expect: str | None = field(None, pattern=VALUE, pattern_help=VALUE_HELP, help="the engine's value that is right")
    answer: str | None = field(None, min_length=1, help="the right class, where the engine only measures")
    also: tuple[GrowthClass, ...] = field((), help="other classes that are right, and what they assume")
    conditions: tuple[str, ...] = field((), help="side conditions such as 'M ~ D' or 'N >> D^2'")
    measured: str = field("", help="the engine's value with sizes and counts to draw the claim through")

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.expect is None) == (self.answer is None):
            raise BadData([Fault((), "needs either 'expect' (an engine's value) or 'answer' (a class)")])


@dataclass(frozen=True, kw_only=True)
class Output:
    """One thing that a student's program returns, and what it must equal."""

    name: str = field(pattern=VALUE, pattern_help="a name", help="key in what the harness returns")
    expect: str = field(pattern=VALUE, pattern_help=VALUE_HELP, help="the engine's value that is right")
    note: str = field(pattern=NAME, pattern_help=NAME_HELP, help="stable id of a disagreement")
    say: str = field(min_length=1, max_length=400, help="what a disagreement means")
    rtol: float = field(1e-7, low=0.0, high=1.0, help="relative tolerance")
    atol: float = field(1e-9, low=0.0, help="absolute tolerance")


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A program that is wrong in a known way, and the note it must get."""

    name: str = field(min_length=1, help="what is wrong with it")
    code: str = field(min_length=1, help="the program")
    note: str = field(pattern=NAME, pattern_help=NAME_HELP, help="the note it must get")
    when: dict[str, Any] | None = field(None, help="parameters that the variant must have")


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A curve of the student's program, to be drawn into a figure of the engine."""

    figure: str = field(min_length=1, help="name of the engine's figure")
    output: str = field(min_length=1, help="key in what the harness returns; a vector")
    label: str = field("yours", help="its name in the legend")


@dataclass(frozen=True, kw_only=True)
class PatchPart(Part):
    """A program to mend. It runs in the sandbox; what it returns is compared outside."""

    kind: Literal["patch"] = "patch"
    entry: str = field(pattern=r"[A-Za-z_]\w*", pattern_help="a Python name", help="the function to be mended")
    starter: str = field("", help="the broken program")
    starters: dict[str, str] = field({}, help="or one for each value of the parameter 'starter_by'")
    starter_by: str = field("", help="the parameter that picks the starter")
    harness: str = field(min_length=1, help="Python: `probe(function, **inputs) -> dict` runs it and reports")
    inputs: str = field(pattern=VALUE, pattern_help=VALUE_HELP, help="the engine's value that the harness is given")
    outputs: tuple[Output, ...] = field(min_length=1, help="what is compared, in this order")
    mistakes: tuple[Mistake, ...] = ()
    draws: Curve | None = field(None, help="a curve of the student's run, drawn into the engine's figure")
    reference: str = field(min_length=1, help="a program that is right")
    mutants: tuple[Mutant, ...] = field((), help="programs that must be refused")
    seconds: float = field(20.0, low=0.1, high=600.0, help="wall-clock limit of one run")
    megabytes: int = field(2048, low=64, high=65536, help="memory limit of one run")

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.starter) == bool(self.starters):
            raise BadData([Fault((), "needs either 'starter' or 'starters'")])
        if bool(self.starters) != bool(self.starter_by):
            raise BadData([Fault((), "'starters' and 'starter_by' go together")])
        names = [output.name for output in self.outputs]
        faults = [
            Fault(("mistakes", i, "output"), f"'{mistake.output}' is no output; there are {', '.join(names)}")
            for i, mistake in enumerate(self.mistakes)
            if mistake.output not in names
        ]
        if faults:
            raise BadData(faults)


AnyPart = TensorPart | NumberPart | ChoicePart | PredictionPart | SequencesPart | ComplexityPart | PatchPart


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """One exercise: a statement, an engine with the published parameters, and the parts that are asked."""

    format_version: Literal[1] = field(help="1")
    id: str = field(pattern=EXERCISE_ID, pattern_help=f"topic/name, {NAME_HELP}", help="topic/name, as the file lies")
    title: str = field(min_length=1, max_length=60, help="what the list shows")
    source: Source | None = None
    tags: tuple[str, ...] = field((), pattern=NAME, pattern_help=NAME_HELP, help="words to find it by")
    minutes: int = field(10, low=1, high=600, help="how long it takes")
    difficulty: int = field(1, low=1, high=5, help="1 easy … 5 hard")
    needs: tuple[str, ...] = field((), pattern=EXERCISE_ID, pattern_help="topic/name", help="exercises to do before")
    engine: str = field(pattern=r"[a-z_]+\.[a-z_0-9]+", pattern_help="area.experiment", help="what computes it")
    params: dict[str, Any] = field({}, help="the engine's parameters of the published variant")
    variants: bool = field(True, help="whether fresh variants are drawn")
    given: tuple[str, ...] = field((), pattern=r"\w+", help="parameters that the student is given")
    statement: str = field(min_length=1, max_length=20000, help="Markdown with $…$ and $$…$$; {{given}} draws the data")
    parts: tuple[AnyPart, ...] = field(min_length=1, max_length=30, help="what is asked")
    errata: str = field(
        "", max_length=2000, help="where the published solution is wrong, with the number that shows it"
    )

    @property
    def topic(self) -> str:
        """The first half of the id."""
        return self.id.partition("/")[0]

    @property
    def points(self) -> float:
        """Points of all parts together."""
        return sum(part.points for part in self.parts)

    def part(self, part_id: str) -> AnyPart | None:
        """The part of that id, if there is one."""
        return next((part for part in self.parts if part.id == part_id), None)

    def __post_init__(self) -> None:
        faults = []
        if self.topic == ASSIGNMENTS:
            faults.append(Fault(("id",), f"'{self.topic}' is no topic: that folder holds something else"))
        ids = [part.id for part in self.parts]
        faults += [
            Fault(("parts", i, "id"), f"'{part_id}' stands here twice")
            for i, part_id in enumerate(ids)
            if part_id in ids[:i]
        ]
        faults += self._engine_faults()
        if faults:
            raise BadData(faults)

    def _engine_faults(self) -> list[Fault]:
        """What does not fit the engine: its name, its parameters, and the placeholders that stand for them."""
        from engines.fields import read
        from engines.parameters import declared

        engines = declared()
        if self.engine not in engines:
            import difflib

            close = difflib.get_close_matches(self.engine, engines, 1)
            mend = f"did you mean {close[0]}?" if close else f"there are {', '.join(engines)}"
            return [Fault(("engine",), f"there is no engine '{self.engine}'; {mend}")]
        faults = []
        try:
            read(engines[self.engine], self.params, ("params",))
        except BadData as bad:
            faults += bad.faults
        known = answers_to(engines[self.engine])
        faults += [
            Fault(("given", i), f"the engine {self.engine} has no parameter '{name}'")
            for i, name in enumerate(self.given)
            if name not in known
        ]
        faults += [
            Fault(("parts", i, *path), f"the engine {self.engine} has no parameter '{name}'", at_key="when" in path)
            for i, part in enumerate(self.parts)
            for path, name in named_parameters(part)
            if name not in known
        ]
        texts: list[tuple[tuple[str | int, ...], str]] = [(("statement",), self.statement)]
        texts += [(("parts", i, "ask"), part.ask) for i, part in enumerate(self.parts)]
        for path, text in texts:
            faults += [
                Fault(path, f"{{{{{name}}}}} stands for no parameter of {self.engine}")
                for name in PLACEHOLDER.findall(text)
                if name not in known and not (name == GIVEN and path == ("statement",))
            ]
        return faults


def answers_to(record: type[Any]) -> set[str]:
    """What can be asked of a parameter record by name: its fields, and what it derives from them."""
    names = {spec.name for spec in dataclasses.fields(record)}
    return names | {name for name in dir(record) if isinstance(getattr(record, name, None), property)}


def named_parameters(part: Part) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Where a part names a parameter of the engine, and which."""
    for place in ("tokens", "variables", "starter_by"):
        name = getattr(part, place, "")
        if isinstance(name, str) and name:
            yield (place,), name
    for place in ("accepts", "rejects", "mutants"):
        for i, sample in enumerate(getattr(part, place, ())):
            for name in getattr(sample, "when", None) or ():
                yield (place, i, "when", name), name


@dataclass(frozen=True, kw_only=True)
class AssignedExercise:
    """One exercise of an assignment, perhaps only some of its parts, perhaps with points of its own."""

    exercise: str = field(pattern=EXERCISE_ID, pattern_help="topic/name", help="id of the exercise")
    parts: tuple[str, ...] = field((), pattern=NAME, pattern_help=NAME_HELP, help="only these parts, in this order")
    points: float | None = field(None, low=0.0, high=1000.0, help="points of the whole, instead of the parts' sum")


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """An ordered list of exercises, for example one homework sheet."""

    format_version: Literal[1] = field(help="1")
    id: str = field(pattern=NAME, pattern_help=NAME_HELP, help="as the file is called")
    title: str = field(min_length=1, max_length=60, help="what the list shows")
    sheet: str = field("", help="file of the homework sheet")
    exercises: tuple[AssignedExercise, ...] = field(min_length=1, max_length=200, help="in the order of the sheet")
