"""The exercises that are shipped keep every promise that they make."""

from __future__ import annotations

from pathlib import Path

from workbench import paths
from workbench.compute.local import LocalCompute
from workbench.lint import Report, lint


def test_the_built_in_pack_is_clean_on_two_drawn_variants(compute: LocalCompute) -> None:
    seen: list[str] = []
    report = lint([], 2, compute, seen.append)
    assert [str(problem) for problem in report.problems] == []
    exercises = [path for path in Path(paths.exercises()).glob("*/*.yaml") if path.parent.name != paths.ASSIGNMENTS]
    assert report.exercises == len(exercises) >= 5
    assert report.assignments >= 2
    assert report.variants == len(seen)
    assert 5 + 2 <= report.variants <= 3 * report.exercises
    assert report.answers > 100
    assert isinstance(report, Report)
