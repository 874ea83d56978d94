"""Sequences of tokens, such as the hypotheses that a beam search stores."""

from __future__ import annotations

import difflib
import re
from typing import Any

from engines.fields import describe
from workbench.answers.formula import Unreadable
from workbench.answers.verdict import Bench, Key, Verdict, correct, wrong

MAX_SEQUENCES = 200
MAX_TOKENS = 200

Sequence = tuple[str, ...]

# A total that is written behind a sequence is not asked for, and not held against it.
_SCORE = re.compile(r"[-+−]?(?:\d+\.?\d*|\.\d+)")
# What may stand around a token that does not itself begin or end with it.
_AROUND = "[](){}<>\"'“”:=→"


class Sequences:
    """A list of sequences, each a tuple of tokens."""

    def read(self, text: str, key: Key) -> tuple[Sequence, ...]:
        """Sequences parted by `;`, `,` or line ends; tokens parted by blanks."""
        tokens = list(key.given(key.part.tokens)) if key.part.tokens else []
        found: list[Sequence] = []
        for match in re.finditer(r"[^;,\n]+", text):
            words = _words(match, tokens)
            if len(found) >= MAX_SEQUENCES or len(words) > MAX_TOKENS:
                raise Unreadable(f"more than {MAX_SEQUENCES} sequences or {MAX_TOKENS} tokens", match.start())
            if words:
                found.append(tuple(_token(word, place, tokens) for word, place in words))
        if not found:
            said = "no word is here yet, only numbers and marks" if text.strip() else "nothing is written here yet"
            raise Unreadable(said, 0)
        return tuple(found)

    def show(self, answer: tuple[Sequence, ...], key: Key) -> str:
        """The sequences, parted by semicolons."""
        return "; ".join(map(" ".join, answer))

    def write(self, value: Any, key: Key) -> str:
        """The engine's sequences as a student would type them."""
        return "; ".join(map(" ".join, value))

    def uses(self, part: Any) -> list[str]:
        """The right value, and those of the known mistakes."""
        return [part.expect, *(mistake.value for mistake in part.mistakes)]

    def check(self, answer: tuple[Sequence, ...], key: Key, bench: Bench) -> Verdict:
        """Length first, then known mistakes, then what is missing, extra, or out of order."""
        want = [tuple(sequence) for sequence in key.value(key.part.expect)]
        got = list(answer)
        if got == want or (not key.part.ordered and sorted(got) == sorted(want)):
            return correct("These and no others." if len(want) > 1 else "That is the one.")
        lengths = {len(sequence) for sequence in want}
        odd = next((sequence for sequence in got if len(sequence) not in lengths), None)
        if odd is not None and len(lengths) == 1:
            (length,) = lengths
            message = f"'{' '.join(odd)}' has {_count(len(odd), 'token')}; here every sequence has {length}."
            return wrong("length", message, witness={"sequence": list(odd), "expected_length": length})
        for mistake in key.part.mistakes:
            if sorted(got) == sorted(tuple(sequence) for sequence in key.value(mistake.value)):
                return wrong(mistake.note, mistake.say, witness=_difference(got, want))
        return _differ(got, want)


def _differ(got: list[Sequence], want: list[Sequence]) -> Verdict:
    witness = _difference(got, want)
    if not witness["missing"] and not witness["extra"]:
        if len(got) != len(want):
            return wrong("repeated", "The same sequence stands there more than once.", witness=witness)
        place = next(i for i, (a, b) in enumerate(zip(got, want, strict=True)) if a != b)
        message = f"The right sequences, in another order: '{' '.join(want[place])}' comes at place {place + 1}."
        return wrong("order", message, score=0.5, witness=witness | {"place": place})
    parts = []
    if witness["missing"]:
        parts.append(f"missing: {_listed(witness['missing'])}")
    if witness["extra"]:
        parts.append(f"does not belong there: {_listed(witness['extra'])}")
    sentence = "; ".join(parts)
    note = "missing" if witness["missing"] else "extra"
    return wrong(note, f"{sentence[0].upper()}{sentence[1:]}.", witness=witness)


def _difference(got: list[Sequence], want: list[Sequence]) -> dict[str, Any]:
    return {
        "missing": [list(sequence) for sequence in want if sequence not in got],
        "extra": [list(sequence) for sequence in dict.fromkeys(got) if sequence not in want],
    }


def _words(sequence: re.Match[str], tokens: list[str]) -> list[tuple[str, int]]:
    """The words of one sequence, each with its place in the text: without brackets, and without a total behind."""
    words = []
    for match in re.finditer(r"\S+", sequence.group()):
        word = match.group()
        bare = word if word in tokens else word.strip(_AROUND)
        if bare:
            words.append((bare, sequence.start() + match.start() + word.index(bare)))
    while words and words[-1][0] not in tokens and _SCORE.fullmatch(words[-1][0]):
        words.pop()
    return words


def _token(word: str, place: int, tokens: list[str]) -> str:
    """The token that a word is, by its letters alone.

    Raises:
        Unreadable: if it is none, with the one it resembles.
    """
    if not tokens or word in tokens:
        return word
    folded = {token.lower(): token for token in tokens}
    if word.lower() in folded:
        return folded[word.lower()]
    close = difflib.get_close_matches(word.lower(), folded, 1)
    guess = f"; did you mean {folded[close[0]]}?" if close else ""
    raise Unreadable(f"{describe(word)} is not one of {', '.join(tokens)}{guess}", place, len(word))


def _listed(sequences: list[list[str]]) -> str:
    shown = "; ".join(" ".join(sequence) for sequence in sequences[:4])
    return shown + (f" and {len(sequences) - 4} more" if len(sequences) > 4 else "")


def _count(n: int, word: str) -> str:
    return f"{n} {word}{'s' * (n != 1)}"
