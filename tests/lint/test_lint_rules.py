"""Each rule of the lint, broken by a small pack that is right in everything else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.compute.local import LocalCompute
from workbench.lint import Report, lint

Linted = Callable[..., list[str]]

HEAD = """\
format_version: 1
id: attention/sample
title: A sample
engine: attention.argmax
given: [query]
statement: |
  Look at {{given}} and at $q^2$.
parts:
"""

TENSOR = """\
  - id: output
    kind: tensor
    ask: What is $o$?
    expect: output
    comparison: {atol: 1e-9}
    hints: [One value stays whole.]
    mistakes:
      - {value: winning_key, say: That is the key., note: key}
    accepts: ["[1, 4, 3]", {value: output}]
    rejects: [{answer: "[1, 4]", note: shape}, {value: winning_key, note: key}]
"""

CHOICE = """\
  - id: gradients
    kind: prediction
    ask: Which get one?
    select: many
    options: [{id: q, text: the query}, {id: K, text: the keys $K$}, {id: V, text: the values}]
    expect: trained
    reveal: gradients
    hints: [Move it a little.]
    accepts: [V]
    rejects: [{answer: q, note: wrong-choice}]
"""

SAMPLE = HEAD + TENSOR + CHOICE
NAME = "attention/sample.yaml"


@pytest.fixture
def linted(tmp_path: Path, compute: LocalCompute, monkeypatch: pytest.MonkeyPatch) -> Linted:
    """Lint a pack of these files, and give what is wrong, each line without the name of the sample."""
    monkeypatch.chdir(tmp_path)

    def run(text: str = SAMPLE, variants: int = 0, **more: str) -> list[str]:
        for name, content in {
            NAME: text,
            **{key.replace("__", "/") + ".yaml": value for key, value in more.items()},
        }.items():
            path = tmp_path / "pack" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        report = lint(["pack"], variants, compute)
        return [str(problem).removeprefix(f"pack/{NAME}") for problem in report.problems]

    return run


def changed(old: str, new: str) -> str:
    assert SAMPLE.count(old) == 1, old
    return SAMPLE.replace(old, new)


def test_the_sample_is_right(linted: Linted) -> None:
    assert linted(variants=2) == []


@pytest.mark.parametrize(
    ("old", "new", "want"),
    [
        (
            '"[1, 4, 3]", {value',
            '"[1, 4, 4]", {value',
            ":17:15: variant 0: must be accepted, but is wrong (wrong-entries): Entry 3 should be 3, not 4.",
        ),
        ('"[1, 4, 3]", {value', '"[1, 4, x]", {value', ":17:15: variant 0: is not readable: 'x' is not a number"),
        ("{value: output}", "{value: scores}", ":17:28: variant 0: must be accepted, but is wrong (shape)"),
        ('"[1, 4]", note: shape', '"1 4 3"', ":18:15: variant 0: must be refused, but is accepted"),
        (
            "note: shape",
            "note: order",
            ":18:15: variant 0: must get the note 'order', but gets 'shape': That is a vector of 2 numbers",
        ),
        (
            '"[1, 4]", note: shape',
            '"[1, x]", note: shape',
            ":18:15: variant 0: must get the note 'shape', but gets 'unreadable'",
        ),
        (
            "{value: winning_key, say",
            "{value: output, say",
            ":16:9: variant 0: 'output' is not further than 3 tolerances from the right answer",
        ),
        ("atol: 1e-9", "atol: 1.5", "'winning_key' is not further than 3 tolerances"),
        (
            "id: output\n",
            "id: result\n",
            ":9:5: variant 0: the engine's trace has no step result; it has",
        ),
        ("expect: output", "expect: outputs", ":9:5: variant 0: the engine gives no value outputs"),
        ("{value: winning_key, note", "{value: loser, note", ":9:5: variant 0: cannot be checked: 'loser'"),
        ("reveal: gradients", "reveal: slopes", ":19:5: variant 0: the engine has no figure 'slopes'"),
        ("    hints: [One value stays whole.]\n", "", ":9:5: parts[0]: has no hints"),
        ('    accepts: ["[1, 4, 3]", {value: output}]\n', "", ":9:5: parts[0]: has no sample under 'accepts'"),
        ("    rejects: [{answer: q, note: wrong-choice}]\n", "", ":19:5: parts[1]: has no sample under 'rejects'"),
        ("at $q^2$", "at $\\undrawable{q}$", ":6:12: statement: the formula $\\undrawable{q}$ cannot be drawn"),
        ("What is $o$?", "What is $\\frac{o$?", ":11:10: parts[0].ask: the formula $\\frac{o$ cannot be drawn"),
        ("[Move it a little.]", "['Move $\\nonsense$.']", ":26:13: parts[1].hints[0]: the formula"),
        ("text: the keys $K$", "text: the keys $\\nonsense$", ":23:55: parts[1].options[1].text: the formula"),
        ("at $q^2$", f"at $${' + '.join(['q'] * 30)}$$", "statement: the formula $q + q"),
        ("title: A sample", "titel: A sample", ":3:1: unknown key 'titel'; did you mean 'title'?"),
        ("engine: attention.argmax", "engine: attention.argmix", ":4:9: engine: there is no engine 'attention.argmix'"),
    ],
)
def test_each_rule_at_its_place(linted: Linted, old: str, new: str, want: str) -> None:
    found = linted(changed(old, new))
    assert any(want in line for line in found), found
    assert all(line.startswith(":") for line in found)
    assert len(found) <= 2


def test_a_formula_too_wide_is_measured(linted: Linted) -> None:
    (line,) = linted(changed("at $q^2$", f"at $${' + '.join(['q'] * 30)}$$"))
    assert line.endswith("cells wide; break it below 76")


def test_an_engine_that_fails(linted: Linted) -> None:
    tie = changed("given:", "params: {keys: [[1], [1]], values: [[1], [2]], query: [1]}\ngiven:")
    (line,) = linted(tie)
    assert line.startswith(":4:9: variant 0: the engine fails: ")
    assert "change a key or q" in line


def test_promises_are_kept_on_drawn_variants_too(linted: Linted) -> None:
    """A value that is near the truth on some variants only is found there, and named with the variant."""
    near = changed("{value: winning_key, say", "{value: softmax_output, say")
    near = near.replace("{value: winning_key, note: key}", "{value: argmin_output}").replace("1e-9", "0.001")
    found = linted(near, variants=8)
    told = {line.split(": ")[1] for line in found if "'softmax_output' is not further than 3 tolerances" in line}
    assert told < {f"variant {number}" for number in range(9)}
    assert "variant 0" not in told
    assert len(told) >= 2


def test_samples_that_belong_to_other_variants_are_passed_over(linted: Linted) -> None:
    text = SAMPLE.replace("accepts: [V]", 'accepts: [V, {answer: "q, K", when: {query: [9, 9]}}]')
    assert linted(text, variants=2) == []
    text = SAMPLE.replace("accepts: [V]", "accepts: [V, {answer: q, when: {}}]")
    assert sum("must be accepted" in line for line in linted(text, variants=2)) == 3


def test_variants_that_are_all_alike(linted: Linted, tmp_path: Path) -> None:
    text = SAMPLE.replace("given: [query]", "given: []").replace("at {{given}} and ", "")
    found = linted(text, variants=2)
    assert found == [":4:1: variants 0 and 1 are the same question", ":4:1: variants 0 and 2 are the same question"]


# -- what refers to what


def other(name: str, needs: str) -> str:
    text = SAMPLE.replace("id: attention/sample", f"id: attention/{name}")
    return text.replace("given:", f"needs: [{needs}]\ngiven:", 1)


def test_needs_that_are_not_there(linted: Linted) -> None:
    found = linted(changed("given:", "needs: [attention/sampel]\ngiven:"))
    assert found == [":5:9: needs[0]: there is no exercise 'attention/sampel'; did you mean attention/sample?"]


def test_needs_in_a_circle(linted: Linted) -> None:
    sample = changed("given:", "needs: [attention/a]\ngiven:")
    found = linted(sample, attention__a=other("a", "attention/b"), attention__b=other("b", "attention/sample"))
    assert len(found) == 3
    assert found[2] == ":5:9: needs[0]: 'attention/a' needs this exercise in its turn"
    assert linted(changed("given:", "needs: [attention/sample]\ngiven:"))[-1].endswith(
        "needs this exercise in its turn"
    )


def test_a_need_outside_a_circle_is_fine(linted: Linted) -> None:
    found = linted(
        SAMPLE,
        attention__a=other("a", "attention/b"),
        attention__b=other("b", "attention/a"),
        attention__c=other("c", "attention/a"),
    )
    assert all("pack/attention/c" not in line for line in found)


ASSIGNMENT = "format_version: 1\nid: week\ntitle: Week\nexercises:\n"


def test_assignments_that_name_what_is_not_there(linted: Linted) -> None:
    text = (
        ASSIGNMENT
        + "  - {exercise: attention/sample, parts: [output, outptu]}\n"
        + "  - {exercise: attention/simple}\n  - {exercise: attention/sample}\n"
    )
    part, exercise = (line.removeprefix("pack/assignments/week.yaml") for line in linted(assignments__week=text))
    assert part == ":5:50: exercises[0].parts[1]: attention/sample has no part 'outptu'; did you mean output?"
    assert exercise.startswith(":6:16: exercises[1].exercise: there is no exercise 'attention/simple'; did you mean")


def test_one_bad_file_leaves_the_others_to_be_looked_at(linted: Linted) -> None:
    found = linted(changed("note: shape", "note: order"), attention__broken="[", assignments__week="3")
    assert len(found) == 3
    assert found[0].startswith("pack/assignments/week.yaml:1:1: expected keys and values")
    assert found[1].startswith("pack/attention/broken.yaml:1:2: ")
    assert found[2].startswith(":18:15: variant 0: ")


# -- programs

PATCH = """\
format_version: 1
id: debug/sample
title: A program
engine: training.zero_grad
params: {steps: 5, batch_size: 2, width: 2}
variants: false
statement: Mend it.
parts:
  - id: patch
    kind: patch
    ask: Mend it.
    entry: answer
    starter: |
      def answer():
          return 0
    harness: |
      def probe(answer, **inputs):
          return {"updates": answer()}
    inputs: inputs
    outputs: [{name: updates, expect: updates, note: updates, say: No.}]
    hints: [Count.]
    reference: |
      def answer():
          return 5
    accepts:
      - {answer: "answer = lambda: 2 + 3"}
    mutants:
      - {name: one too many, note: updates, code: "answer = lambda: 6"}
    rejects:
      - {answer: "answer = 3", note: no-function}
"""


def test_a_patch_that_is_right(linted: Linted) -> None:
    assert linted(debug__sample=PATCH) == []


@pytest.mark.parametrize(
    ("old", "new", "want"),
    [
        ("return 5", "return 4", ":22:16: variant 0: does not pass: No. (Yours: 4; right: 5.)"),
        ("return 5", "return (", ":22:16: variant 0: does not pass: line 2: '(' was never closed"),
        ("return 0", "return 5", ":13:14: variant 0: must be refused, but is accepted"),
        ("lambda: 6", "lambda: 5", ":28:9: variant 0: must be refused, but is accepted"),
        ("note: updates, code", "note: other, code", ":28:9: variant 0: must get the note 'other', but gets 'updates'"),
        ("2 + 3", "2 + 2", ":26:9: variant 0: must be accepted, but is wrong (updates)"),
        ("inputs: inputs", "inputs: input", ":9:5: variant 0: the engine gives no value input"),
        ("hints: [Count.]", "hints: [Count.]\n    draws: {figure: lost, output: x}", "the engine has no figure 'lost'"),
    ],
)
def test_each_rule_for_programs(linted: Linted, old: str, new: str, want: str) -> None:
    assert PATCH.count(old) == 1
    found = linted(debug__sample=PATCH.replace(old, new))
    assert any(line.removeprefix("pack/debug/sample.yaml").startswith(want) or want in line for line in found), found


# -- growth classes

COST = """\
format_version: 1
id: cost/sample
title: A cost
engine: complexity.attention
params: {longest: 512}
statement: Cost.
parts:
  - id: softmax-time
    kind: complexity
    ask: How?
    variables: letters
    expect: softmax_time
    measured: measured_softmax_time
    hints: [Multiply.]
    accepts: [{value: softmax_time}]
    rejects: [{answer: "N", note: too-small}]
"""


def test_a_right_class_must_run_along_with_what_was_counted(linted: Linted) -> None:
    assert linted(cost__sample=COST) == []
    wrong = COST.replace("measured_softmax_time", "measured_linear_time")
    (line,) = linted(cost__sample=wrong)
    assert line.startswith("pack/cost/sample.yaml:8:5: variant 0: the right class is off what was counted by a factor")


# -- what is looked at


def test_a_file_a_topic_or_a_pack(linted: Linted, tmp_path: Path, compute: LocalCompute) -> None:
    linted(attention__broken="[")
    counted = [lint([target], 0, compute) for target in ("pack/attention/sample.yaml", "pack/attention", "pack")]
    assert [(report.exercises, len(report.problems)) for report in counted] == [(1, 0), (1, 1), (1, 1)]
    both = lint(["pack/attention/sample.yaml", "pack/attention/broken.yaml"], 0, compute)
    assert (both.exercises, len(both.problems)) == (1, 1)


def test_a_file_that_no_catalogue_would_look_at_is_not_called_clean(tmp_path: Path, compute: LocalCompute) -> None:
    for name in ("_draft.yaml", "sample.txt"):
        path = tmp_path / "pack" / "attention" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SAMPLE)
        report: Report = lint([str(path)], 0, compute)
        assert report.exercises == 0
        assert "is no file of a pack" in report.problems[0].message


def test_a_target_that_is_not_there(tmp_path: Path, compute: LocalCompute) -> None:
    with pytest.raises(OSError, match="nowhere"):
        lint([str(tmp_path / "nowhere.yaml")], 0, compute)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("variables: letters", "variables: [N, N]"),
        ("variables: letters", 'variables: ["2", x]'),
        ("    measured: measured_softmax_time\n", "    measured: letters\n"),
        ("    measured: measured_softmax_time\n", "    conditions: ['N ~~ D']\n"),
        ("    measured: measured_softmax_time\n", "    conditions: ['X ~ D']\n"),
        ("expect: softmax_time", "answer: 'N^'"),
        ("expect: softmax_time", "expect: letters"),
        ("expect: softmax_time", "expect: measured_softmax_time"),
    ],
)
def test_no_fault_of_an_author_ends_the_lint(linted: Linted, old: str, new: str) -> None:
    assert COST.count(old) == 1
    found = linted(cost__sample=COST.replace(old, new))
    assert found
    assert all(line.startswith("pack/cost/sample.yaml:") for line in found)


def test_a_folder_without_exercises_is_no_proof(tmp_path: Path, compute: LocalCompute) -> None:
    (tmp_path / "empty").mkdir()
    [problem] = lint([str(tmp_path / "empty")], 0, compute).problems
    assert "holds no exercises" in problem.message


def test_a_folder_among_the_files_of_a_topic_hides_none_of_them(tmp_path: Path, compute: LocalCompute) -> None:
    topic = tmp_path / "attention"
    (topic / "drafts").mkdir(parents=True)
    (topic / "sample.yaml").write_text(SAMPLE)
    assert lint([str(topic)], 0, compute).exercises == 1
