"""Every shipped exercise, solved from what `show --json` tells alone, as published and as drawn."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from tests.cli.cli_harness import Told, Workbench
from tests.cli.solvers import SOLVERS

# Among the drawn ones: self- and cross-attention, all three degrees, train and eval mode, and every bug.
VARIANTS = {
    "attention/argmax": (0, 1, 2, 2**31 - 1),
    "beam/two-words": (0, 1, 2, 3),
    "debug/accumulation": (0, 1, 2, 4, 7),
    "debug/zero-grad": (0, 1, 2, 7),
    "kernel-attn/cost": (0, 1, 2, 4, 7),
}

KEYS = {"exercise", "part", "variant", "status", "score", "max_score", "note", "message", "witness", "tolerance"} | {
    "understood"
}


def checked(workbench: Workbench, exercise: str, part: str, variant: int, answer: str) -> Told:
    """The answer after `check`, whose JSON has all that was promised."""
    told = workbench("check", exercise, part, "--variant", str(variant), f"--answer={answer}", "--json")
    assert told.err == ""
    assert set(told.json) >= KEYS
    assert (told.json["exercise"], told.json["part"], told.json["variant"]) == (exercise, part, variant)
    return told


@pytest.mark.parametrize(
    ("exercise", "variant"), [(exercise, variant) for exercise in SOLVERS for variant in VARIANTS[exercise]]
)
def test_a_variant_is_solved_by_other_means(workbench: Workbench, exercise: str, variant: int) -> None:
    shown = workbench("show", exercise, "--variant", str(variant), "--json").json
    assert (shown["id"], shown["variant"]) == (exercise, variant)
    answers = SOLVERS[exercise](shown)
    points = {part["id"]: part["points"] for part in shown["parts"]}
    assert answers.keys() == points.keys()
    for part, solved in answers.items():
        for answer, note in solved.wrong:
            told = checked(workbench, exercise, part, variant, answer)
            assert (told.status, told.json["note"]) == (1, note), (part, answer, told.json["message"])
            assert told.json["status"] in ("wrong", "partial")
            assert 0 <= told.json["score"] < told.json["max_score"]
            assert told.json["message"]
        for answer in solved.right:
            told = checked(workbench, exercise, part, variant, answer)
            assert (told.status, told.json["status"]) == (0, "correct"), (part, answer, told.json["message"])
            assert told.json["score"] == told.json["max_score"] == points[part]
            assert told.json["understood"]
    done = next(row for row in workbench("list", "--json").json["exercises"] if row["id"] == exercise)
    assert done["status"] == "done"


def test_the_published_answers_are_those_of_the_sheets(workbench: Workbench) -> None:
    for exercise, part, answer in (
        ("attention/argmax", "scores", "[3, 11, 5, 2]"),
        ("attention/argmax", "output", "[1, 4, 3]"),
        ("attention/argmax", "gradients", "V"),
        ("beam/two-words", "t3", "network neural neural; neural network neural"),
        ("beam/two-words", "best", "neural neural neural"),
        ("beam/two-words", "optimal", "no"),
        ("debug/accumulation", "which", "batchnorm"),
        ("kernel-attn/cost", "softmax-space", "N*max(N,M,D)"),
        ("kernel-attn/cost", "linear-time", "N*D^2*M"),
    ):
        assert workbench("check", exercise, part, "--answer", answer).status == 0, (exercise, part)


# -- witnesses


def witness(workbench: Workbench, exercise: str, part: str, answer: str) -> Any:
    return checked(workbench, exercise, part, 0, answer).json["witness"]


def test_a_wrong_number_is_shown_at_its_place(workbench: Workbench) -> None:
    told = checked(workbench, "attention/argmax", "scores", 0, "[3, 11, 6, 2]").json
    assert told["witness"] == {"index": [2], "got": 6, "expected": 5, "right": 3, "of": 4}
    assert "Entry 3 should be 5, not 6" in told["message"]
    assert told["tolerance"] == "within 1e-09"
    assert told["figure"]["matrix"] == [[1, 1, 0, 1]]


def test_a_wrong_shape_is_shown_beside_the_right_one(workbench: Workbench) -> None:
    assert witness(workbench, "attention/argmax", "output", "[1 4; 3 0]") == {
        "got_shape": [2, 2],
        "expected_shape": [3],
    }


def test_what_is_no_number_reaches_json_as_text(workbench: Workbench) -> None:
    assert witness(workbench, "attention/argmax", "scores", "3 11 nan 2")["got"] == "nan"
    assert witness(workbench, "attention/argmax", "scores", "3 -inf 5 2")["got"] == "-inf"


def test_a_missing_and_an_extra_hypothesis_are_named(workbench: Workbench) -> None:
    found = witness(workbench, "beam/two-words", "t2", "neural neural; neural network")
    assert found == {"missing": [["network", "neural"]], "extra": [["neural", "neural"]]}


def test_a_wrong_order_is_worth_half_and_says_where_it_begins(workbench: Workbench) -> None:
    told = checked(workbench, "beam/two-words", "t2", 0, "network neural; neural network").json
    assert (told["status"], told["score"], told["max_score"], told["witness"]["place"]) == ("partial", 1, 2, 0)


def test_a_growth_class_is_refused_along_a_ray(workbench: Workbench) -> None:
    found = witness(workbench, "kernel-attn/cost", "softmax-time", "N^2*D")
    assert found["too_small"] == {"ray": "let M grow, N and D constant", "term": "N²·M", "against": "N²·D"}
    assert "too_large" not in found


def test_a_claim_is_drawn_beside_what_was_measured(workbench: Workbench) -> None:
    """The measured operations are proportional to N²(D + M), counted here from the shapes."""
    figure = checked(workbench, "kernel-attn/cost", "softmax-time", 0, "N^3").json["figure"]
    measured, claim = figure["series"]
    ratios = [count / (n * n * (16 + 16)) for n, count in zip(measured["x"], measured["y"], strict=True)]
    assert max(ratios) / min(ratios) < 1.05
    assert "slope 2.00" in measured["label"]
    assert "slope 3.00" in claim["label"]
    assert math.isclose(claim["y"][-1], measured["y"][-1])


def test_a_program_is_refused_with_the_gradient_that_differs(workbench: Workbench) -> None:
    broken = workbench("show", "debug/zero-grad", "--json").json["parts"][0]["starter"]
    told = checked(workbench, "debug/zero-grad", "patch", 0, broken).json
    assert told["witness"]["output"] == "gradients"
    # The first gradient is right: nothing was there to be added to.
    assert told["witness"]["index"][0] == 1
    assert told["witness"]["got"] != told["witness"]["expected"]
    assert told["isolation"].startswith("0 ")
    assert [series["label"] for series in told["figure"]["series"]][-1] == "yours"


def test_a_prediction_is_answered_with_what_the_run_showed(workbench: Workbench) -> None:
    told = checked(workbench, "debug/accumulation", "which", 0, "layernorm").json
    assert told["witness"] == {"chosen": ["layernorm"]}
    measured = {series["label"]: max(series["y"]) for series in told["figure"]["series"]}
    assert measured["batchnorm"] > 0.01
    assert measured["layernorm"] < 1e-9


# -- what is told


@pytest.mark.parametrize("exercise", SOLVERS)
@pytest.mark.parametrize("variant", ["0", "5"])
def test_what_is_shown_is_whole_and_tells_no_answer(workbench: Workbench, exercise: str, variant: str) -> None:
    shown = workbench("show", exercise, "--variant", variant, "--json").json
    text = json.dumps(shown).replace("{{given}}", "")
    assert "{{" not in text
    assert shown["given"]
    for part in shown["parts"]:
        assert {"id", "kind", "ask", "points", "covers", "hints"} <= part.keys()
        assert not {"expect", "answer", "accepts", "mistakes", "reference", "mutants", "solution"} & part.keys()
        assert isinstance(part["hints"], int)


def test_a_variant_is_always_the_same_and_unlike_another(workbench: Workbench) -> None:
    for exercise in SOLVERS:
        first, again, other = (workbench("show", exercise, "--variant", n, "--json").json for n in ("3", "3", "4"))
        assert first == again
        assert first["given"] != other["given"] or first["parts"] != other["parts"]
