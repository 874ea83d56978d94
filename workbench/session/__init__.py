"""One student at one exercise: the only place where catalogue, answers, compute and progress meet.

The screen and the command line both go through here. Everything blocks until it is done; a screen calls it
from a thread.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from engines.arrays import to_json
from engines.fields import plain, read
from engines.result import Result, Step
from workbench import paths
from workbench.answers import kind_named
from workbench.answers.formula import Unreadable
from workbench.answers.verdict import Key, Verdict
from workbench.catalog import Catalog
from workbench.compute.local import ComputeError, Handle, LocalCompute
from workbench.compute.messages import Event, Finished, Job
from workbench.progress.store import Attempt, Store
from workbench.session.variant import EngineBench, Variant, open_variant
from workbench.spec.exercise import AnyPart

__all__ = ["Checked", "ComputeError", "PartState", "Session", "Unreadable", "Workplace"]

MAX_ANSWER = 100_000


@dataclass(frozen=True)
class Checked:
    """A verdict with what goes with it: points, and how the answer was understood."""

    part: str
    verdict: Verdict
    understood: str
    score: float
    max_score: float
    warning: str = ""


@dataclass(frozen=True)
class PartState:
    """Where a student stands with one part.

    Attributes:
        part: the part, with this variant's data in its text.
        draft: what stands in its input.
        last: the last attempt, if there was one.
        solved: whether any attempt was right.
        tries: how many attempts there were.
        hints: the hints shown so far.
        revealed: whether the worked solution was shown.
    """

    part: AnyPart
    draft: str = ""
    last: Attempt | None = None
    solved: bool = False
    tries: int = 0
    hints: tuple[str, ...] = field(default=())
    revealed: bool = False


class Workplace:
    """What a session works with. Each piece is made when it is first needed."""

    @cached_property
    def catalog(self) -> Catalog:
        """The exercises. May be set to another one, when the files were read again."""
        return Catalog()

    @cached_property
    def compute(self) -> LocalCompute:
        """Where things run."""
        return LocalCompute()

    @cached_property
    def store(self) -> Store:
        """The student's progress."""
        return Store(paths.progress_file())

    def open(self, exercise_id: str, variant: int | None = None) -> Session:
        """Sit down at an exercise: at the variant asked for, else at the one of the last visit.

        Raises:
            UnknownExercise: if there is no such exercise or variant.
            BadFile: if its file cannot be used.
            ComputeError: if the variant cannot be drawn.
        """
        exercise = self.catalog.exercise(exercise_id)
        if variant is None:
            visit = self.store.last_visit(exercise_id)
            variant = visit[1] if visit and (exercise.variants or not visit[1]) else 0
        return Session(open_variant(exercise, variant, self.compute), self.compute, self.store)

    def close(self) -> None:
        """Let go of what was made."""
        if "compute" in self.__dict__:
            self.compute.close()
        if "store" in self.__dict__:
            self.store.close()


class Session:
    """One variant of one exercise, and one student's history with it."""

    def __init__(self, variant: Variant, compute: LocalCompute, store: Store) -> None:
        self.variant = variant
        self.compute = compute
        self.store = store
        self.bench = EngineBench(variant, compute)

    @property
    def exercise_id(self) -> str:
        """The exercise."""
        return self.variant.exercise.id

    @property
    def _place(self) -> tuple[str, int]:
        return self.exercise_id, self.variant.number

    # -- answers

    def key(self, part_id: str) -> Key:
        """What answers to a part are compared with."""
        return self.bench.key(self.variant.part(part_id))

    def read(self, part_id: str, text: str) -> tuple[Any, str]:
        """The answer that a text says, and how it was understood. Needs no engine and costs no attempt.

        Raises:
            Unreadable: with the place in the text.
        """
        if len(text) > MAX_ANSWER:
            raise Unreadable(f"the answer is too long: at most {MAX_ANSWER} characters are read", MAX_ANSWER)
        for place, char in enumerate(text):
            if char == "\0" or "\ud800" <= char <= "\udfff":
                raise Unreadable("there is a byte here that is no text", place)
        key = self.key(part_id)
        kind = kind_named(key.part.kind)
        answer = kind.read(text, key)
        return answer, kind.show(answer, key)

    def check(self, part_id: str, text: str) -> Checked:
        """Judge an answer. The attempt is on disk before this returns.

        Raises:
            Unreadable: if the text says no answer; that is no attempt.
            ComputeError: if the engine cannot say what is right.
        """
        answer, understood = self.read(part_id, text)
        part = self.variant.part(part_id)
        verdict = kind_named(part.kind).check(answer, self.bench.key(part), self.bench)
        checked = Checked(part_id, verdict, understood, verdict.score * part.points, part.points)
        self.store.record(
            Attempt(
                *self._place,
                part_id,
                text,
                verdict.status,
                checked.score,
                checked.max_score,
                verdict.note,
                verdict.message,
                to_json(verdict.witness),
                hints=self.store.noted("hint", *self._place).get(part_id, 0),
                seen=self._has_seen(part_id),
            )
        )
        self.store.save_draft(*self._place, part_id, text)
        return Checked(**{**vars(checked), "warning": self.store.warning})

    def _has_seen(self, part_id: str) -> bool:
        """Whether the solution, or a run that shows the answer, was seen before."""
        solutions, runs = self.store.noted("solution", *self._place), self.store.noted("run", *self._place)
        return bool(solutions.get(part_id) or runs)

    # -- help

    def hint(self, part_id: str) -> str | None:
        """The next hint, which is counted; None when all have been shown."""
        hints = self.variant.part(part_id).hints
        shown = self.store.noted("hint", *self._place).get(part_id, 0)
        if shown >= len(hints):
            return None
        self.store.note("hint", *self._place, part_id)
        return hints[shown]

    def solution(self, part_id: str) -> tuple[Step, ...]:
        """The worked solution of a part, from the engine's trace; that it was shown is noted."""
        self.store.note("solution", *self._place, part_id)
        names = self.variant.part(part_id).steps
        return tuple(step for step in self.result().trace if step.name in names)

    # -- where the student is

    def states(self) -> tuple[PartState, ...]:
        """Where the student stands with every part."""
        drafts = self.store.drafts(*self._place)
        hints = self.store.noted("hint", *self._place)
        solutions = self.store.noted("solution", *self._place)
        attempts: dict[str, list[Attempt]] = {}
        for attempt in self.store.attempts(*self._place):
            attempts.setdefault(attempt.part, []).append(attempt)
        return tuple(
            PartState(
                part,
                drafts.get(part.id, ""),
                made[-1] if made else None,
                any(attempt.status == "correct" for attempt in made),
                len(made),
                part.hints[: hints.get(part.id, 0)],
                bool(solutions.get(part.id)),
            )
            for part in self.variant.parts
            for made in (attempts.get(part.id, []),)
        )

    def starter(self, part_id: str) -> str:
        """What stands in an input at first: the broken program of a patch, else nothing."""
        if self.variant.part(part_id).kind != "patch":
            return ""
        from workbench.answers.patch import starter

        return starter(self.key(part_id))

    def save_draft(self, part_id: str, text: str) -> None:
        """Keep what was typed and not checked."""
        self.store.save_draft(*self._place, part_id, text[:MAX_ANSWER])

    def visit(self, part_id: str = "") -> None:
        """Remember that the student is here."""
        self.store.visit(*self._place, part_id)

    # -- runs

    def result(self) -> Result:
        """What the engine gives for this variant, as the checks see it.

        Raises:
            ComputeError: if it fails.
        """
        return self.bench.run(0)

    def run(self, on_event: Callable[[Event], None], overrides: dict[str, Any] | None = None, **job: Any) -> Handle:
        """Run the engine with this variant's parameters, some of them changed; noted, as it may show answers.

        Raises:
            BadData: if the changes do not fit the engine.
        """
        params = {**plain(self.variant.params), **(overrides or {})}
        read(type(self.variant.params), params)
        self.store.note("run", *self._place)
        return self.compute.submit(self._job(params, **job), on_event)

    def last_run(self) -> Finished | None:
        """The stored result of an earlier run with this variant's own parameters."""
        return self.compute.results.find(self._job(plain(self.variant.params)))

    def _job(self, params: dict[str, Any], **job: Any) -> Job:
        return Job(id=uuid.uuid4().hex, engine=self.variant.exercise.engine, params=params, **job)
