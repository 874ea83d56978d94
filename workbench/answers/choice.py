"""One of several, or any number of them; and the same as a prediction that a run then settles."""

from __future__ import annotations

import re
from typing import Any

from engines.fields import describe
from engines.randomness import Draws
from workbench.answers.formula import Unreadable
from workbench.answers.verdict import Bench, Key, Verdict, correct, wrong
from workbench.spec.exercise import Option

NOTHING = {"none", "nothing", "-", "∅", "{}", "none of them"}


class Choice:
    """The ids of the options chosen, in the order of the options."""

    def read(self, text: str, key: Key) -> tuple[str, ...]:
        """Options by id, by number, by letter with a bracket (`a)`) or by their text, parted by commas."""
        many = key.part.select == "many"
        if not text.strip():
            raise Unreadable("nothing is chosen yet", 0)
        whole = _one(text.strip(), key)  # first, for an option's text may have commas in it
        if whole is not None:
            return (whole,)
        if many and text.strip().lower() in NOTHING:
            return ()
        chosen = []
        for match in re.finditer(r"[^,;\n]+", text):
            word = match.group().strip()
            if not word:
                continue
            start = match.start() + len(match.group()) - len(match.group().lstrip())
            chosen += self._find(word, key, start, many=many)
        if not many and len(set(chosen)) > 1:
            raise Unreadable("one option is asked for, here are several", 0, len(text))
        if not chosen:
            raise Unreadable("nothing is chosen yet", 0)
        return tuple(option.id for option in key.part.options if option.id in chosen)

    def _find(self, word: str, key: Key, start: int, *, many: bool) -> list[str]:
        """The options that a word names: one, or with `many` several parted by blanks or `and`."""
        found = _one(word, key)
        if found is not None:
            return [found]
        pieces = [piece for piece in re.split(r"\s+and\s+|\s+", word) if piece] if many else []
        several = [_one(piece, key) for piece in pieces]
        if several and None not in several:
            return [option for option in several if option is not None]
        ids = ", ".join(option.id for option in shown_options(key))
        raise Unreadable(f"{describe(word)} is none of the options; they are {ids}", start, len(word))

    def show(self, answer: tuple[str, ...], key: Key) -> str:
        """The ids."""
        return ", ".join(answer) or "none of them"

    def write(self, value: Any, key: Key) -> str:
        """The ids of the engine's value."""
        return ", ".join(_ids(value)) or "none"

    def uses(self, part: Any) -> list[str]:
        """The value that names the right ids, unless the file does."""
        return [part.expect] if part.expect else []

    def check(self, answer: tuple[str, ...], key: Key, bench: Bench) -> Verdict:
        """Right, or what one of the wrong choices overlooks."""
        part = key.part
        want = set(_ids(key.value(part.expect)) if part.expect else part.answer)
        got = set(answer)
        if got == want:
            every = f"All {len(part.options)} options are judged rightly."
            return correct(every if part.select == "many" else "That is it.")
        astray = [option for option in part.options if (option.id in got) != (option.id in want)]
        message = next((option.say for option in astray if option.say), "That is not it.")
        witness: dict[str, Any] = {"chosen": sorted(got)}
        if part.select == "many":
            witness["wrong"] = len(astray)
            message += f" {len(part.options) - len(astray)} of {len(part.options)} options are judged rightly."
        return wrong("wrong-choice", message, score=_credit(got, want, part), witness=witness)


class Prediction(Choice):
    """A choice that is bound before the run that settles it."""

    def check(self, answer: tuple[str, ...], key: Key, bench: Bench) -> Verdict:
        """The verdict on the choice, with the figure of what really happened."""
        verdict = super().check(answer, key, bench)
        figure = key.result().figure(key.part.reveal)
        return Verdict(**{**vars(verdict), "figure": figure})


def shown_options(key: Key) -> list[Option]:
    """The options in the order in which this variant shows them."""
    options = list(key.part.options)
    if key.part.shuffle:
        Draws(key.variant).stream(f"order of {key.part.id}").shuffle(options)
    return options


def _one(word: str, key: Key) -> str | None:
    options = shown_options(key)
    for option in options:
        if word == option.id:
            return option.id
    folded = _folded(word)
    for option in options:
        if folded in (_folded(option.id), _folded(option.text)):
            return option.id
    if re.fullmatch(r"\d{1,2}", folded) and 1 <= int(folded) <= len(options):
        return options[int(folded) - 1].id
    if re.fullmatch(r"[a-z]\)", folded) and ord(folded[0]) - ord("a") < len(options):
        return options[ord(folded[0]) - ord("a")].id
    return None


def _folded(text: str) -> str:
    """A text without what does not matter for telling options apart."""
    return " ".join(text.replace("$", "").lower().split()).rstrip(".")


def _ids(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [str(item) for item in value]


def _credit(got: set[str], want: set[str], part: Any) -> float:
    """Partial credit for `many`, by the names that PrairieLearn gives the rules."""
    if part.select == "one" or part.credit == "off":
        return 0.0
    right, astray = len(got & want), len(got - want)
    if part.credit == "net-correct":
        return max(0.0, (right - astray) / len(want)) if want else 0.0
    if part.credit == "coverage":
        return right / len(want) * (right / len(got) if got else 0.0) if want else 0.0
    agreeing = sum((option.id in got) == (option.id in want) for option in part.options)
    return agreeing / len(part.options)
