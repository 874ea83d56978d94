"""What an exercise file may say: each rule with the place at which it is broken."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from engines.fields import BadData, plain, read
from workbench import paths
from workbench.spec import Assignment, BadFile, Exercise, exercise_schema, load_from_pack
from workbench.spec.exercise import answers_to

Change = Callable[[dict[str, Any]], Any]

EXERCISE = """\
format_version: 1
id: attention/argmax
title: Argmax by hand
engine: attention.argmax
params:
  query: [1, 1, 2]
given: [query, keys]
statement: |
  Look at {{given}} and at {{ query }}.
parts:
  - id: output
    kind: tensor
    ask: What is it for {{query}}?
    expect: output
    comparison: {atol: 1e-9}
    hints: [Look closely.]
    accepts: ["[1, 4, 3]", {value: output}]
    rejects: [{answer: "[1, 4]", note: shape}]
  - id: which
    kind: choice
    ask: Which?
    options:
      - {id: a, text: first}
      - {id: b, text: second, say: No.}
    answer: [a]
"""


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    (tmp_path / "pack" / "attention").mkdir(parents=True)
    (tmp_path / "pack" / "assignments").mkdir()
    return tmp_path / "pack"


def write(pack: Path, text: str, name: str = "attention/argmax.yaml") -> Any:
    (pack / name).write_text(text)
    return load_from_pack(str(pack), name, "pack/" + name)[0]


def problems(pack: Path, text: str, name: str = "attention/argmax.yaml") -> list[str]:
    with pytest.raises(BadFile) as caught:
        write(pack, text, name)
    return [str(problem).removeprefix(f"pack/{name}") for problem in caught.value.problems]


def changed(old: str, new: str, *, count: int = 1) -> str:
    assert EXERCISE.count(old) >= count
    return EXERCISE.replace(old, new, count)


def test_the_sample_is_read(pack: Path) -> None:
    exercise = write(pack, EXERCISE)
    assert isinstance(exercise, Exercise)
    assert exercise.topic == "attention"
    assert exercise.points == 2
    found = exercise.part("which")
    assert found is not None
    assert found.kind == "choice"
    assert exercise.part("nothing") is None
    assert exercise.parts[0].steps == ("output",)


@pytest.mark.parametrize(
    ("old", "new", "want"),
    [
        ("format_version: 1", "format_version: 2", [":1:17: format_version: 2 is not one of 1"]),
        ("format_version: 1", "format_version: 1.0", [":1:17: format_version: 1.0 is not one of 1"]),
        ("format_version: 1\n", "", [":1:1: 'format_version' is missing: 1"]),
        (
            "title: Argmax by hand",
            "titel: Argmax",
            [":3:1: unknown key 'titel'; did you mean 'title'?", ":1:1: 'title' is"],
        ),
        ("title: Argmax by hand", "title: 5", [":3:8: title: expected text, got 5 (put it in quotes)"]),
        ("title: Argmax by hand", "title: no", []),
        ("title: Argmax by hand", "title: ''", [":3:8: title: is empty"]),
        ("title: Argmax by hand", "title: " + "x" * 61, [":3:8: title: has 61 characters: at most 60"]),
        (
            "id: attention/argmax",
            "id: Attention/argmax",
            [":2:5: id: 'Attention/argmax' is not topic/name, lower-case"],
        ),
        ("id: attention/argmax", "id: argmax", [":2:5: id: 'argmax' is not topic/name"]),
        (
            "id: attention/argmax",
            "id: attention/argmin",
            [":2:5: id: 'attention/argmin' does not fit where the file lies"],
        ),
        ("id: attention/argmax", "id: assignments/argmax", [":2:5: id: 'assignments' is no topic"]),
        (
            "engine: attention.argmax",
            "engine: attention.argmix",
            [":4:9: engine: there is no engine 'attention.argmix'; did you mean attention.argmax?"],
        ),
        (
            "engine: attention.argmax",
            "engine: nothing.alike",
            [":4:9: engine: there is no engine 'nothing.alike'; there are attention.argmax"],
        ),
        ("engine: attention.argmax", "engine: argmax", [":4:9: engine: 'argmax' is not area.experiment"]),
        ("query: [1, 1, 2]", "qery: [1, 1, 2]", [":6:3: params: unknown key 'qery'; did you mean 'query'?"]),
        ("query: [1, 1, 2]", "query: [1, x, 2]", [":6:14: params.query[1]: expected a number, got 'x'"]),
        (
            "query: [1, 1, 2]",
            "query: [1, '2', 2]",
            [":6:14: params.query[1]: expected a number, got '2' (without quotes"],
        ),
        ("query: [1, 1, 2]", "query: [1, .nan, 2]", [":6:14: params.query[1]: expected a finite number, got nan"]),
        ("query: [1, 1, 2]", "query: [1, 1]", [":6:3: params.keys[0]: has 3 numbers, the query has 2"]),
        (
            "given: [query, keys]",
            "given: [query, kys]",
            [":7:16: given[1]: the engine attention.argmax has no parameter 'kys'"],
        ),
        ("at {{ query }}", "at {{ qery }}", [":8:12: statement: {{qery}} stands for no parameter of attention.argmax"]),
        ("for {{query}}?", "for {{given}}?", [":13:10: parts[0].ask: {{given}} stands for no parameter"]),
        ("kind: tensor", "kind: tenser", [":12:11: parts[0].kind: 'tenser' is not one of tensor, number"]),
        ("    kind: tensor\n", "", [":11:5: parts[0]: 'kind' is missing: one of tensor, number"]),
        (
            "{atol: 1e-9}",
            "{rtol: 1e-2}",
            [":15:17: parts[0].comparison: rtol alone accepts nothing near 0; state atol too"],
        ),
        ("{atol: 1e-9}", "{}", [":15:17: parts[0].comparison: state rtol, atol or both"]),
        ("{atol: 1e-9}", "{atol: -1}", [":15:24: parts[0].comparison.atol: -1 is too small: write 0 or more"]),
        (
            "{atol: 1e-9}",
            "{kind: sigfig, digits: 0}",
            [":15:40: parts[0].comparison.digits: 0 is too small: write 1 to 15"],
        ),
        ("{atol: 1e-9}", "{kind: exact}", []),
        ("expect: output", "expect: 3output", [":14:13: parts[0].expect: '3output' is not the name of a value"]),
        ("[Look closely.]", "[' ']", [":16:13: parts[0].hints[0]: is blank"]),
        (
            "{value: output}",
            "{value: output, answer: x}",
            [":17:28: parts[0].accepts[1]: needs either 'answer' or 'value'"],
        ),
        ("{value: output}", "{}", [":17:28: parts[0].accepts[1]: needs either"]),
        (
            "{value: output}",
            "5",
            [":17:28: parts[0].accepts[1]: expected text or keys and values, got 5 (put it in quotes)"],
        ),
        ("id: which", "id: output", [":19:9: parts[1].id: 'output' stands here twice"]),
        ("{id: b, text", "{id: a, text", [":24:14: parts[1].options[1].id: 'a' stands here twice"]),
        ("{id: b, text", "{id: 'a b', text", [":24:14: parts[1].options[1].id: 'a b' is not one word"]),
        ("answer: [a]", "answer: [c]", [":25:14: parts[1].answer[0]: 'c' is no option's id"]),
        ("    answer: [a]\n", "", [":19:5: parts[1]: needs either 'expect' (an engine's value) or 'answer' (ids)"]),
        ("answer: [a]", "answer: [a]\n    expect: x", [":19:5: parts[1]: needs either"]),
        ("answer: [a]", "answer: a", [":25:13: parts[1].answer: expected a list of texts, got 'a'"]),
        ("      - {id: b, text: second, say: No.}\n", "", [":23:7: parts[1].options: has 1 items: at least 2"]),
    ],
)
def test_each_rule_at_its_place(pack: Path, old: str, new: str, want: list[str]) -> None:
    text = changed(old, new)
    if not want:
        assert isinstance(write(pack, text), Exercise)
        return
    found = problems(pack, text)
    for one in want:
        assert any(line.startswith(one) for line in found), (one, found)


def test_several_faults_come_together(pack: Path) -> None:
    text = changed("kind: tensor", "kind: tenser").replace("title: A", "titel: A").replace("minutes", "")
    found = problems(pack, text)
    assert [line.split(": ")[0] for line in found] == [":3:1", ":1:1", ":12:11"]


def test_where_a_file_may_lie(pack: Path) -> None:
    (pack / "attention" / "argmax.yml").write_text(EXERCISE)
    with pytest.raises(BadFile, match=r"ends in \.yml; rename it to \.yaml"):
        load_from_pack(str(pack), "attention/argmax.yml", "x")
    assert problems(pack, EXERCISE, "attention/other.yaml")[0].endswith("write 'attention/other' or move the file")


ASSIGNMENT = """\
format_version: 1
id: week-1
title: Week one
exercises:
  - {exercise: attention/argmax, parts: [output], points: 5}
"""


def test_an_assignment(pack: Path) -> None:
    name = "assignments/week-1.yaml"
    assignment = write(pack, ASSIGNMENT, name)
    assert isinstance(assignment, Assignment)
    assert assignment.exercises[0].parts == ("output",)
    assert problems(pack, ASSIGNMENT.replace("week-1", "week-2"), name)[0].startswith(":2:5: id: 'week-2' does not fit")
    assert problems(pack, ASSIGNMENT.replace("attention/argmax", "argmax"), name) == [
        ":5:16: exercises[0].exercise: 'argmax' is not topic/name"
    ]
    assert problems(pack, ASSIGNMENT.replace("exercise:", "exercises:"), name)[0].startswith(
        ":5:6: exercises[0]: unknown key 'exercises'; did you mean 'exercise'?"
    )


def sample() -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(EXERCISE.replace("1e-9", "1.0e-9"))
    return data


PATCH: dict[str, Any] = {
    "kind": "patch",
    "id": "p",
    "ask": "?",
    "entry": "f",
    "starter": "def f(): pass",
    "harness": "def probe(f): return {}",
    "inputs": "x",
    "outputs": [{"name": "y", "expect": "y", "note": "n", "say": "s"}],
    "reference": "def f(): pass",
}
COMPLEXITY: dict[str, Any] = {"kind": "complexity", "id": "c", "ask": "?", "variables": ["N"], "answer": "N"}


@pytest.mark.parametrize(
    ("part", "path", "message"),
    [
        ({**PATCH, "starters": {"a": "x"}}, "parts[0]", "needs either 'starter' or 'starters'"),
        ({**PATCH, "starter": ""}, "parts[0]", "needs either 'starter' or 'starters'"),
        ({**PATCH, "starter": "", "starters": {"a": "x"}}, "parts[0]", "'starters' and 'starter_by' go together"),
        ({**PATCH, "entry": "a b"}, "parts[0].entry", "is not a Python name"),
        ({**PATCH, "outputs": []}, "parts[0].outputs", "is empty"),
        ({**PATCH, "seconds": 0}, "parts[0].seconds", "write 0.1 to 600"),
        ({**PATCH, "starter": "", "starters": {"a": "x"}, "starter_by": "bug"}, "parts[0].starter_by", "no parameter"),
        (
            {**PATCH, "mistakes": [{"value": "v", "say": "s"}]},
            "parts[0].mistakes[0].output",
            "'' is no output; there are y",
        ),
        (
            {**PATCH, "mutants": [{"name": "m", "code": "c", "note": "n", "when": {"bug": 1}}]},
            "parts[0].mutants[0].when.bug",
            "has no parameter 'bug'",
        ),
        (
            {**COMPLEXITY, "rejects": [{"answer": "x", "when": {"keys": [], "kys": 1}}]},
            "parts[0].rejects[0].when.kys",
            "has no parameter 'kys'",
        ),
        ({**COMPLEXITY, "variables": "letters"}, "parts[0].variables", "has no parameter 'letters'"),
        (
            {"kind": "sequences", "id": "s", "ask": "?", "expect": "x", "tokens": "tokens"},
            "parts[0].tokens",
            "has no parameter 'tokens'",
        ),
        ({**COMPLEXITY, "expect": "x"}, "parts[0]", "needs either 'expect'"),
        ({**COMPLEXITY, "answer": None}, "parts[0]", "needs either 'expect'"),
        ({**COMPLEXITY, "variables": []}, "parts[0].variables", "is empty"),
        ({**COMPLEXITY, "variables": ["N", 3]}, "parts[0].variables[1]", "expected text, got 3"),
        ({**COMPLEXITY, "also": [{"say": "x"}]}, "parts[0].also[0]", "needs either 'answer' or 'value'"),
    ],
)
def test_rules_of_other_kinds(part: dict[str, Any], path: str, message: str) -> None:
    data = sample()
    data["parts"] = [part]
    with pytest.raises(BadData) as caught:
        read(Exercise, data)
    assert any(str(fault).startswith(f"{path}: ") and message in fault.message for fault in caught.value.faults)


def test_what_can_be_asked_of_a_parameter_record() -> None:
    from engines.parameters.complexity import AttentionCost

    assert {"degree", "letters", "lengths"} <= answers_to(AttentionCost)
    assert "engine" not in answers_to(AttentionCost)


@pytest.mark.parametrize("path", sorted(Path(paths.exercises()).glob("*/*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_file_is_read_and_written_back(path: Path) -> None:
    record, _ = load_from_pack(paths.exercises(), f"{path.parent.name}/{path.name}", path.name)
    assert read(type(record), plain(record)) == record


def test_the_schema_names_every_kind_of_part() -> None:
    schema = exercise_schema()
    kinds = [schema["$defs"][choice["$ref"].rpartition("/")[2]] for choice in _parts(schema)]
    assert {kind["properties"]["kind"]["enum"][0] for kind in kinds} == {
        "tensor",
        "number",
        "choice",
        "prediction",
        "sequences",
        "complexity",
        "patch",
    }


def _parts(schema: dict[str, Any]) -> list[dict[str, Any]]:
    choices: list[dict[str, Any]] = copy.copy(schema["$defs"]["Exercise"]["properties"]["parts"]["items"]["anyOf"])
    assert all(choice["required"] == ["kind"] for choice in choices)
    return choices
