"""What the pages for contributors and users show works as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

import engines.parameters
from engines.arrays import Array
from engines.counting import Watch
from engines.result import Result
from engines.run import Run
from workbench.answers.formula import Unreadable
from workbench.answers.verdict import Key
from workbench.compute.local import LocalCompute
from workbench.lint import lint

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def blocks(language: str, heading: str) -> list[str]:
    """The examples in a language below a heading."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


def test_the_example_exercise_is_clean(compute: LocalCompute, tmp_path: Path) -> None:
    (text,) = blocks("yaml", "An exercise")
    target = tmp_path / "exercises" / "attention" / "best-key.yaml"
    target.parent.mkdir(parents=True)
    target.write_text(text, encoding="utf-8")
    report = lint([str(target)], 5, compute)
    assert [str(problem) for problem in report.problems] == []
    assert report.exercises == 1


def executed(name: str, source: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names of a module made of a page's examples."""
    module = types.ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    exec(source, module.__dict__)
    return module.__dict__


ENGINE_IMPORTS = """
from dataclasses import dataclass
import torch
from torch import Tensor
from engines.fields import field
from engines.figures import Lines, line
from engines.parameters import SMALL, Parameters
from engines.randomness import Draws
from engines.registry import draws, experiment
from engines.result import Result, Step
from engines.run import Run
"""


def test_the_example_engine_measures_what_the_theory_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines.parameters, "_DECLARED", dict(engines.parameters._DECLARED))
    declaration, numerics = blocks("python", "An engine")
    names = executed("example_engine", ENGINE_IMPORTS + declaration + numerics, monkeypatch)
    result = names["dot"](names["Dot"](), Run(seed=1))
    assert all(figure.caption for figure in result.figures)
    with Watch() as watch:
        names["dot"](names["Dot"](samples=100_000), Run(seed=1))
    assert watch.peak_bytes <= names["Dot"](samples=100_000).peak_bytes(4)
    for d, variance in zip((4, 16, 64), result.values["variance"], strict=True):
        assert variance == pytest.approx(d, rel=0.06)
    drawn = names["draw_dot"](names["Draws"](3))
    assert drawn == names["draw_dot"](names["Draws"](3))
    assert len(set(drawn.dimensions)) == 3


KIND_IMPORTS = """
from dataclasses import dataclass
from typing import Any, Literal
from engines.arrays import Array
from engines.fields import field
from workbench.answers.compare import close, number
from workbench.answers.formula import Unreadable
from workbench.answers.tensor import read_tensor, written
from workbench.answers.verdict import Bench, Key, Verdict, correct, wrong
from workbench.spec.exercise import VALUE, VALUE_HELP, Comparison, Part
"""


def test_the_example_answer_kind_reads_and_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    record, kind, _ = blocks("python", "An answer kind")
    names = executed("example_kind", KIND_IMPORTS + record + kind, monkeypatch)
    part = names["IntervalPart"](id="x", ask="Where?", expect="bounds")

    right = Result({"bounds": Array.of([0.25, 1.0])})
    key = Key(part, None, lambda: right)  # type: ignore[arg-type]
    interval = names["Interval"]()
    assert interval.check(interval.read("[1/4, 1]", key), key, None).status == "correct"
    assert interval.check(interval.read("1 0.25", key), key, None).note == "order"
    assert interval.check(interval.read("(0.2, 1)", key), key, None).witness == {"end": "lower"}
    assert interval.read(interval.write(right.values["bounds"], key), key) == (0.25, 1)
    with pytest.raises(Unreadable):
        interval.read("1 2 3", key)


def test_the_command_in_the_readme_says_what_it_shows() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    command, *answer = re.search(r"    \$ (workbench check .*)\n((?:    .*\n)+)", readme).group(0).splitlines()  # type: ignore[union-attr]
    arguments = re.findall(r"'[^']*'|\S+", command.removeprefix("    $ workbench "))
    done = subprocess.run(
        [sys.executable, "-m", "workbench", *(word.strip("'") for word in arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    shown = " ".join(done.stdout.split())
    assert " ".join(" ".join(answer).split()) in shown
