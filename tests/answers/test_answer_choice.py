"""Choices and predictions: how options may be named, and what a wrong one is worth."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.figures import table
from tests.answers.answer_samples import examine, key_of, unreadable, verdict_on
from workbench.answers.choice import Choice, Prediction, shown_options
from workbench.answers.verdict import Key, Unreadable
from workbench.spec.exercise import ChoicePart, Option, PredictionPart

OPTIONS = (
    Option(id="yes", text="Yes, it returns the most likely one, always.", say="Look at step two."),
    Option(id="no", text="No, not $k$ of them."),
    Option(id="K", text="the keys $K$", say="They are not moved."),
)


def key(**more: Any) -> Key:
    fields: dict[str, Any] = {"id": "x", "ask": "?", "options": OPTIONS, "answer": ("no",), **more}
    return key_of(ChoicePart(**fields))


def many(*right: str, **more: Any) -> Key:
    """Any number of the options; the right ones by an engine's value, which may be none."""
    fields: dict[str, Any] = {"id": "x", "ask": "?", "options": OPTIONS, "select": "many", "expect": "right", **more}
    return key_of(ChoicePart(**fields), {"right": list(right)})


@pytest.mark.parametrize(
    "text",
    [
        "no",
        " No ",
        "NO.",
        "2",
        "b)",
        "B)",
        "No, not $k$ of them.",
        "no, not k of them",
        "No,  not k\nof them",
        "no,",
        "no, no",
        "no, 2",
        "\nno\n",
    ],
)
def test_one_option_by_any_of_its_names(text: str) -> None:
    assert Choice().read(text, key()) == ("no",)
    assert verdict_on(text, key()).status == "correct"


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("yes, K", ("yes", "K")),
        ("K, yes", ("yes", "K")),
        ("yes K", ("yes", "K")),
        ("yes and K", ("yes", "K")),
        ("1 3", ("yes", "K")),
        ("a) c)", ("yes", "K")),
        ("yes\nK", ("yes", "K")),
        ("yes; the keys K", ("yes", "K")),
        ("k", ("K",)),
        ("yes yes", ("yes",)),
        ("none", ()),
        ("-", ()),
        ("∅", ()),
        ("None of them", ()),
        ("Yes, it returns the most likely one, always", ("yes",)),
        ("yes, no, K", ("yes", "no", "K")),
    ],
)
def test_many_options(text: str, ids: tuple[str, ...]) -> None:
    assert Choice().read(text, many("K")) == ids


@pytest.mark.parametrize(
    ("text", "position", "length", "words"),
    [
        ("", 0, 1, "nothing is chosen yet"),
        ("  ", 0, 1, "nothing is chosen yet"),
        (",;", 0, 1, "nothing is chosen yet"),
        ("maybe", 0, 5, "'maybe' is none of the options; they are yes, no, K"),
        ("  maybe ", 2, 5, "'maybe' is none of the options"),
        ("no, maybe", 4, 5, "'maybe'"),
        ("yes, no", 0, 7, "one option is asked for"),
        ("yes no", 0, 6, "'yes no' is none of the options"),
        ("none", 0, 4, "'none' is none of the options"),
        ("0", 0, 1, "'0'"),
        ("4", 0, 1, "'4'"),
        ("d)", 0, 2, "'d)'"),
        ("b", 0, 1, "'b'"),
        ("\x1b[2J", 0, 4, "'?[2J'"),
    ],
)
def test_what_names_no_option(text: str, position: int, length: int, words: str) -> None:
    fault = unreadable(text, key())
    assert (fault.position, fault.length) == (position, length)
    assert words in fault.message


def test_an_option_may_be_called_none() -> None:
    options = (Option(id="none", text="none of both"), Option(id="1", text="two"), Option(id="2", text="one"))
    its = key_of(ChoicePart(id="x", ask="?", options=options, select="many", answer=("none",)))
    assert verdict_on("none", its).status == "correct"
    assert Choice().read("1", its) == ("1",)  # an id goes before a number
    assert Choice().read("3", its) == ("2",)


def test_why_a_choice_is_wrong() -> None:
    verdict = verdict_on("yes", key())
    assert (verdict.status, verdict.score, verdict.note) == ("wrong", 0, "wrong-choice")
    assert verdict.message == "Look at step two."
    assert verdict.witness == {"chosen": ["yes"]}
    assert verdict_on("no", key(answer=("K",))).message == "They are not moved."  # what is missing has its word too
    two = many("no", "K")
    assert verdict_on("no", two).message == "They are not moved. 2 of 3 options are judged rightly."
    plain = tuple(Option(id=option.id, text=option.text) for option in OPTIONS)
    assert verdict_on("yes", key(options=plain)).message == "That is not it."


def test_an_engine_may_name_one_or_several() -> None:
    part = ChoicePart(id="x", ask="?", options=OPTIONS, expect="right")
    assert verdict_on("no", key_of(part, {"right": "no"})).status == "correct"
    assert verdict_on("no", key_of(part, {"right": ["no"]})).status == "correct"
    assert Choice().uses(part) == ["right"]
    assert Choice().uses(key().part) == []
    assert Choice().write(["no", "K"], many()) == "no, K"
    assert Choice().write([], many()) == "none"
    assert verdict_on("none", many()).status == "correct"


def subsets() -> list[tuple[str, ...]]:
    ids = [option.id for option in OPTIONS]
    return [combination for size in range(4) for combination in itertools.combinations(ids, size)]


@pytest.mark.parametrize("credit", ["off", "net-correct", "coverage", "each-answer"])
def test_credit_by_the_rules_that_prairielearn_states(credit: str) -> None:
    """In its words: c options chosen rightly, i wrongly, t right ones and n options in all."""
    for want, got in itertools.product(subsets(), subsets()):
        verdict = verdict_on(", ".join(got) or "none", many(*want, credit=credit))
        c, i, t, n = len(set(got) & set(want)), len(set(got) - set(want)), len(want), len(OPTIONS)
        rules = {
            "off": 0.0,
            "net-correct": max(0, c - i) / t if t else 0.0,
            "coverage": (c / t) * (c / (c + i)) if c else 0.0,
            "each-answer": (c + (n - t - i)) / n,
        }
        score = 1.0 if set(got) == set(want) else rules[credit]
        assert verdict.score == pytest.approx(score)
        assert verdict.status == ("correct" if score == 1 else "partial" if score else "wrong")


def test_one_is_never_partly_right() -> None:
    assert verdict_on("yes", key(credit="each-answer")).score == 0


def test_a_variant_shuffles_and_numbers_follow() -> None:
    part = ChoicePart(id="x", ask="?", options=OPTIONS, answer=("no",), shuffle=True)
    orders = set()
    for variant in range(40):
        its = key_of(part, variant=variant)
        ids = [option.id for option in shown_options(its)]
        assert ids == [option.id for option in shown_options(its)]
        assert sorted(ids) == ["K", "no", "yes"]
        orders.add(tuple(ids))
        assert verdict_on(str(1 + ids.index("no")), its).status == "correct"
        assert Choice().read("yes", its) == ("yes",)
    assert len(orders) == 6


def test_a_prediction_comes_with_what_happened() -> None:
    figure = table("after", "What happened", ["a"], [["b"]], caption="c")
    part = PredictionPart(id="x", ask="?", options=OPTIONS, answer=("no",), reveal="after")
    for text, status in (("no", "correct"), ("yes", "wrong")):
        verdict = verdict_on(text, key_of(part, figures=(figure,)))
        assert (verdict.status, verdict.figure) == (status, figure)
    assert Prediction().show(("no",), key()) == "no"
    assert Prediction().show((), many()) == "none of them"


@settings(max_examples=300, deadline=None)
@given(
    st.text(max_size=30) | st.lists(st.sampled_from(["yes", "no", "K", ",", " ", ";", "1", "a)", "none"])).map("".join)
)
def test_any_text_is_read_or_refused(text: str) -> None:
    for its in (key(), many("no")):
        try:
            answer = Choice().read(text, its)
        except Unreadable as fault:
            examine(fault, text)
        else:
            assert set(answer) <= {"yes", "no", "K"}
            assert Choice().read(Choice().show(answer, its), its) == answer
