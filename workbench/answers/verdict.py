"""What a check says, and what it is given to say it from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from engines.figures import Figure
from engines.parameters import Parameters
from engines.result import Result
from workbench.answers.formula import Unreadable
from workbench.sandbox import Outcome, Program

__all__ = ["Bench", "Key", "Kind", "Status", "Unreadable", "Verdict", "correct", "undecided", "wrong"]

Status = Literal[
    "correct", "partial", "wrong", "unreadable", "undecided", "timeout", "out_of_memory", "crashed", "skipped"
]


@dataclass(frozen=True)
class Verdict:
    """What a check says.

    Attributes:
        status: `undecided` never counts as wrong.
        score: in [0, 1], the share of the part's points.
        note: a stable id of the reason.
        message: for the student, in a sentence or two.
        witness: what shows it: an index, a ray, a missing hypothesis, as plain data.
        tolerance: the one that was used, in words; empty where none was.
        figure: something to look at: a mask, measured curves, what the run showed.
        isolation: for code, the level it ran under.
    """

    status: Status
    score: float
    note: str
    message: str
    witness: dict[str, Any] = field(default_factory=dict)
    tolerance: str = ""
    figure: Figure | None = None
    isolation: str = ""


def correct(message: str = "Right.", *, note: str = "correct", **more: Any) -> Verdict:
    """A verdict of full marks."""
    return Verdict("correct", 1.0, note, message, **more)


def wrong(note: str, message: str, *, score: float = 0.0, **more: Any) -> Verdict:
    """A verdict of no marks, or of some."""
    return Verdict("partial" if score else "wrong", score, note, message, **more)


def undecided(message: str, **more: Any) -> Verdict:
    """A verdict that nobody can give: it counts neither way."""
    return Verdict("undecided", 0.0, "undecided", message, **more)


class Bench(Protocol):
    """What a check may ask for: the engine run again, and a student's program run in the sandbox."""

    def run(self, seed: int) -> Result:
        """The engine's result for this variant at another seed."""

    def sandbox(self, program: Program) -> Outcome:
        """Run a student's program."""

    def fresh_seed(self) -> int:
        """A seed that no earlier check has used."""


@dataclass(frozen=True)
class Key:
    """What an answer is compared with.

    Attributes:
        part: the part, its placeholders filled in.
        params: the parameters of the variant.
        result: what the engine gave for them, computed when it is first asked for.
        variant: the number of the variant.
    """

    part: Any
    params: Parameters
    result: Callable[[], Result]
    variant: int = 0

    def value(self, name: str) -> Any:
        """A value of the engine's result.

        Raises:
            KeyError: if it has none of that name; a fault of the exercise, which its lint finds.
        """
        return self.result().values[name]

    def given(self, name: str) -> Any:
        """A parameter of the variant, or something it derives."""
        return getattr(self.params, name)


class Kind(Protocol):
    """A kind of answer. Reading is apart from checking: it needs no engine and costs no attempt."""

    def read(self, text: str, key: Key) -> Any:
        """The answer that a text says.

        Raises:
            Unreadable: with the place in the text and what was expected there.
        """

    def show(self, answer: Any, key: Key) -> str:
        """What was understood, written out."""

    def check(self, answer: Any, key: Key, bench: Bench) -> Verdict:
        """Whether an answer is right, and why not."""

    def write(self, value: Any, key: Key) -> str:
        """An engine's value as a student would type it."""

    def uses(self, part: Any) -> list[str]:
        """Names of the engine's values that checking the part may ask for."""
