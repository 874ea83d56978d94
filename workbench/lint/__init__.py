"""Proof that exercises are sound: what their files say is read, and what they promise is tried out.

Every sample answer is judged on the published variant and on drawn ones; known mistakes must lie apart from the
truth; starters must fail, references pass, mutants be caught with their own note.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from workbench import paths
from workbench.compute.local import LocalCompute
from workbench.lint import pack
from workbench.lint.proof import prove
from workbench.spec import Document, Exercise, Problem

__all__ = ["Report", "lint"]

# Variants are proved side by side; more than the workers there are would only wait.
SIDE_BY_SIDE = 2


@dataclass(frozen=True)
class Report:
    """What was looked at, and what is wrong with it."""

    exercises: int = 0
    assignments: int = 0
    variants: int = 0
    answers: int = 0
    problems: tuple[Problem, ...] = field(default=())


def lint(
    targets: list[str], variants: int, compute: LocalCompute, progress: Callable[[str], None] = lambda _: None
) -> Report:
    """Lint packs or files (the built-in pack if none is named), each exercise on `variants` drawn variants.

    Raises:
        OSError: if a target is not there.
    """
    found: list[tuple[Exercise, Document]] = []
    problems: list[Problem] = []
    assignments = 0
    for folder, names in _gather(targets or [paths.exercises()]):
        whole = pack.read(folder, names)
        if not (whole.exercises or whole.assignments or whole.problems):
            problems.append(Problem(folder, 0, 0, "holds no exercises: they lie in TOPIC/NAME.yaml"))
        problems += whole.problems
        assignments += whole.assignments
        found += whole.exercises
    tasks = [(exercise, document, number) for exercise, document in found for number in _numbers(exercise, variants)]
    answers = 0
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        jobs = [pool.submit(prove, *task, compute) for task in tasks]
        for (exercise, _, number), job in zip(tasks, jobs, strict=True):
            progress(f"{exercise.id}, variant {number}")
            proof = job.result()
            answers += proof.answers
            problems += proof.problems
        problems += _alike([(task, job.result().given) for task, job in zip(tasks, jobs, strict=True)])
    unique = dict.fromkeys(problems)
    return Report(len(found), assignments, len(tasks), answers, tuple(unique))


def _numbers(exercise: Exercise, variants: int) -> range:
    return range(1 + variants) if exercise.variants else range(1)


def _alike(given: list[tuple[tuple[Exercise, Document, int], str]]) -> Iterator[Problem]:
    """Variants of one exercise that ask the same: with few of them drawn, none should be."""
    seen: dict[tuple[str, str], int] = {}
    few = 3
    for (exercise, document, number), data in given:
        earlier = seen.setdefault((exercise.id, data), number)
        if earlier != number and number <= few and data:
            line, column = document.keys.get(("engine",), (1, 1))
            message = f"variants {earlier} and {number} are the same question"
            yield Problem(document.file, line, column, message)


def _gather(targets: list[str]) -> Iterator[tuple[str, list[str] | None]]:
    """Packs with the files of them to look at: all of a folder's, or one.

    Raises:
        OSError: if a target is not there.
    """
    for target in targets:
        path = Path(target)
        if path.is_dir():
            names = [f"{path.resolve().name}/{child.name}" for child in sorted(path.glob("*.y*ml"))]
            if names:  # a topic's folder
                yield str(path.resolve().parent), names
            else:
                yield str(path), None
        else:
            os.stat(path)
            resolved = path.resolve()
            yield str(resolved.parent.parent), [f"{resolved.parent.name}/{resolved.name}"]
