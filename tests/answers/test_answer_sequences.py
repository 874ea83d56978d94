"""Sequences of tokens: read in any dress, compared as a set or as a list."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.answers.answer_samples import examine, key_of, unreadable, verdict_on
from workbench.answers.sequences import MAX_SEQUENCES, MAX_TOKENS, Sequences
from workbench.answers.verdict import Key, Unreadable
from workbench.spec.exercise import Mistake, SequencesPart

TOKENS = ("neural", "network")
A, B, C, D = (list(pair) for pair in itertools.product(TOKENS, repeat=2))


def key(*want: list[str], tokens: tuple[str, ...] = TOKENS, mistakes: tuple[Mistake, ...] = (), **more: Any) -> Key:
    ordered = more.pop("ordered", False)
    part = SequencesPart(
        id="x", ask="?", expect="want", tokens="tokens" if tokens else "", ordered=ordered, mistakes=mistakes
    )
    return key_of(part, {"want": list(want), **more}, {"tokens": tokens})


@pytest.mark.parametrize(
    "text",
    [
        "neural network; network neural",
        "neural network, network neural",
        "neural network\nnetwork neural",
        "neural network\r\nnetwork neural\r\n",
        " Neural  NETWORK ;; network\tneural; ",
        "[neural network]; [network neural]",
        "(neural network), (network neural)",
        "\"neural network\", 'network neural'",
        "“neural network”; “network neural”",
        "neural network -1.20; network neural -1.34",
        "neural network (-1.20); network neural (−1.34)",
        "neural network −1,20; network neural −1,34",
        "neural network: -1.2\nnetwork neural = -1.34",
        "neural network 1. ; network neural .5",
    ],
)
def test_what_people_type(text: str) -> None:
    assert Sequences().read(text, key()) == (tuple(B), tuple(C))


@pytest.mark.parametrize(
    ("text", "position", "length", "words"),
    [
        ("", 0, 1, "nothing is written"),
        (" ;,\n", 0, 1, "no word is here yet, only numbers and marks"),
        ("-1.20", 0, 1, "no word is here yet"),
        ("((", 0, 1, "no word is here yet, only numbers and marks"),
        ("neural netwerk", 7, 7, "'netwerk' is not one of neural, network; did you mean network?"),
        ("neural network2", 7, 8, "'network2' is not one of neural, network"),
        ("neural; 12 network", 8, 2, "'12' is not one of neural, network"),
        ("neural (netwerk)", 8, 7, "'netwerk'"),
        ("1. neural", 0, 2, "'1.'"),
        ("neural \x1b[2J", 7, 4, "'?[2J'"),
    ],
)
def test_slips_are_caught_in_reading(text: str, position: int, length: int, words: str) -> None:
    fault = unreadable(text, key())
    assert words in fault.message
    if not text.endswith("J"):
        assert (fault.position, fault.length) == (position, length)


@pytest.mark.parametrize(
    "tokens", [("w1", "w2"), ("0", "1"), ("<s>", "</s>"), ("a=b", "(x)"), ("1.5", "x"), ("Aa", "bB")]
)
def test_a_vocabulary_of_odd_words(tokens: tuple[str, ...]) -> None:
    first, second = tokens
    its = key([first, second], [second, second], tokens=tokens)
    assert Sequences().read(f"{first} {second}; {second} {second}", its) == ((first, second), (second, second))
    assert verdict_on(Sequences().write(its.value("want"), its), its).status == "correct"
    assert Sequences().read(f"{first} {second} -1.20", its) == ((first, second),)


def test_without_a_vocabulary_every_word_is_a_token() -> None:
    assert Sequences().read("any word; another one 0.5", key(tokens=())) == (("any", "word"), ("another", "one"))


def test_bounds() -> None:
    assert len(Sequences().read("neural;" * MAX_SEQUENCES, key())) == MAX_SEQUENCES
    unreadable("neural;" * (MAX_SEQUENCES + 1), key())
    assert len(Sequences().read("neural " * MAX_TOKENS, key())[0]) == MAX_TOKENS
    unreadable("neural " * (MAX_TOKENS + 1), key())
    unreadable("x" * 100_000, key())


def test_a_set_in_any_order_and_a_list_in_its_own() -> None:
    for text in ("neural network; network neural", "network neural; neural network"):
        assert verdict_on(text, key(B, C)).status == "correct"
    ordered = key(B, C, ordered=True)
    assert verdict_on("neural network; network neural", ordered).status == "correct"
    verdict = verdict_on("network neural; neural network", ordered)
    assert (verdict.status, verdict.score, verdict.note) == ("partial", 0.5, "order")
    assert verdict.message == "The right sequences, in another order: 'neural network' comes at place 1."
    assert verdict.witness["place"] == 0


def test_what_is_missing_and_what_does_not_belong_there() -> None:
    its = key(B, C)
    missing = verdict_on("neural network", its)
    assert (missing.note, missing.message) == ("missing", "Missing: network neural.")
    assert missing.witness == {"missing": [C], "extra": []}
    extra = verdict_on("neural network; network neural; neural neural", its)
    assert (extra.note, extra.message) == ("extra", "Does not belong there: neural neural.")
    both = verdict_on("neural network; neural neural", its)
    assert both.note == "missing"
    assert both.message == "Missing: network neural; does not belong there: neural neural."
    twice = verdict_on("neural network; network neural; neural network", its)
    assert (twice.note, twice.score) == ("repeated", 0)


def test_the_length_comes_first() -> None:
    verdict = verdict_on("neural; network neural", key(B, C))
    assert verdict.note == "length"
    assert verdict.message == "'neural' has 1 token; here every sequence has 2."
    assert verdict.witness == {"sequence": ["neural"], "expected_length": 2}
    mixed = key(["neural"], B)
    assert verdict_on("neural neural neural", mixed).note == "missing"


def test_known_mistakes() -> None:
    slip = Mistake(value="dropped", say="These are dropped.", note="dropped")
    its = key(B, C, mistakes=(slip,), dropped=[A, D], ordered=True)
    for text in ("neural neural; network network", "network network; neural neural"):
        assert verdict_on(text, its).note == "dropped"
    assert verdict_on("neural neural; network neural", its).note == "missing"
    assert Sequences().uses(its.part) == ["want", "dropped"]


def test_a_long_list_of_what_is_missing_is_cut() -> None:
    want = [list(words) for words in itertools.product(TOKENS, repeat=3)]
    verdict = verdict_on("neural neural neural", key(*want))
    assert verdict.message.endswith("and 3 more.")
    assert len(verdict.witness["missing"]) == 7


sequences = st.lists(st.lists(st.sampled_from(TOKENS), min_size=2, max_size=2), min_size=1, max_size=4, unique_by=tuple)


@settings(max_examples=200, deadline=None)
@given(sequences, sequences, st.booleans())
def test_the_verdict_is_that_of_sets_and_lists(want: list[list[str]], got: list[list[str]], ordered: bool) -> None:
    its = key(*want, ordered=ordered)
    verdict = verdict_on(Sequences().write(got, its), its)
    same = got == want if ordered else sorted(got) == sorted(want)
    assert (verdict.status == "correct") == same
    if not same:
        assert verdict.witness["missing"] == [one for one in want if one not in got]
        assert verdict.witness["extra"] == [one for one in got if one not in want]
        assert (verdict.score == 0.5) == (ordered and sorted(got) == sorted(want))


@settings(max_examples=300, deadline=None)
@given(
    st.text(max_size=30) | st.lists(st.sampled_from([*TOKENS, " ", ";", ",", "\n", "-1.2", "(", ")", "1"])).map("".join)
)
def test_any_text_is_read_or_refused(text: str) -> None:
    for its in (key(B, C), key(B, C, tokens=())):
        try:
            answer = Sequences().read(text, its)
        except Unreadable as fault:
            examine(fault, text)
        else:
            assert all(answer)
            assert all(all(sequence) for sequence in answer)
            if its.part.tokens:
                assert Sequences().read(Sequences().show(answer, its), its) == answer
            assert verdict_on(text, its).status in ("correct", "partial", "wrong")
