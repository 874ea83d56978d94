"""Letters that stand together, cut into the names and functions they are made of: `2NDM`, `dσ`, `nlogn`.

Longest first: where both `d_model` and `d` are declared, `d_model` is the one. A cut that leaves nothing
over wins against one that does.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from workbench.answers.formula.plain import plain
from workbench.answers.formula.vocabulary import CONSTANTS, FUNCTION_WORDS, GREEK, GREEK_WORDS

PieceKind = Literal["name", "function", "constant", "number", "transpose"]

_NAME: Final = re.compile(r"[^\W\d_][\w]*(?:_\{[\w+\-,']+\})?'*")
_DIGITS: Final = re.compile(r"[0-9]+")
_SHOWN: Final = 20  # characters of a name, and names of a list


@dataclass(frozen=True)
class Piece:
    """One name, function or number within a word: `word[start:end]`."""

    kind: PieceKind
    value: str
    start: int
    end: int


class Words:
    """The names that a part declares, in every spelling in which a student may write them."""

    def __init__(self, names: Collection[str]) -> None:
        ordered = sorted(names) if isinstance(names, set | frozenset) else list(names)
        self.names = tuple(dict.fromkeys(ordered))
        self._firm: dict[str, str] = {}
        loose: dict[str, str] = {}
        for name in self.names:
            for spelling in _spellings(name):
                if self._firm.setdefault(spelling, name) != name:
                    raise ValueError(f"the names '{self._firm[spelling]}' and '{name}' are written alike")
                loose.setdefault(spelling.replace("_", ""), name)
        self._loose = {**loose, **self._firm}
        self._longest = max(map(len, (*self._firm, *FUNCTION_WORDS)))
        # `tr` is a product where `t` and `r` are declared; none is a function while that is found out
        self._products = set(FUNCTION_WORDS)
        self._products = {word for word in FUNCTION_WORDS if self._only_names(word)}
        self.primed = any("'" in name for name in self.names)

    def __contains__(self, spelling: str) -> bool:
        return spelling in self._firm

    def cut(self, word: str, *, before_bracket: bool = False) -> list[Piece] | None:
        """The pieces of a word, or None where something is left over.

        `dk` is `d·k` where both are declared; only where that fails may it stand for `d_k`, and only
        where that fails too is an `e` the constant.
        """
        for spellings, constants in self._rounds():
            pieces = self._tails(word, spellings, constants, before_bracket)[0]
            if pieces is not None:
                return pieces
        function = FUNCTION_WORDS.get(word.lower())
        return [Piece("function", function, 0, len(word))] if function else None

    def unknown(self, word: str) -> tuple[int, int]:
        """Which part of an uncut word is to blame: from the last place the names reach to the next name."""
        ends = {0}
        for at in range(len(word)):
            if at in ends:
                ends |= {piece.end for piece in self._pieces_at(word, at, self._loose, {}, False)}
        start = max(ends - {len(word)})
        if len(word) > 2 and self._guess(word):
            return 0, len(word)
        tails = self._tails(word, self._loose, {}, False)
        return start, next(at for at in range(start + 1, len(word) + 1) if tails[at] is not None)

    def explain(self, word: str) -> str:
        """The sentence for a word that is no name: what was probably meant, or which names there are."""
        word = word if len(word) <= _SHOWN else f"{word[:_SHOWN]}…"
        if _DIGITS.fullmatch(word):
            return "a number cannot follow a name without a sign: ^ for a power, * for a product"
        if word[0] in "_'":
            return f"'{word}' cannot stand behind this name"
        guess = self._guess(word)
        if guess:
            return f"'{word}' is not used here; did you mean {guess}?"
        if word in "xX":
            return f"'{word}' is not used here{self._listed()} (a product is written with *)"
        return f"'{word}' is not used here{self._listed()}"

    def _guess(self, word: str) -> str | None:
        """A declared name that differs in capitals or by a slip."""
        alike = [name for name in self.names if any(s.lower() == word.lower() for s in _spellings(name))]
        if alike or len(word) < 3:
            return alike[0] if alike else None
        import difflib

        known = [*self.names, *(word for word in FUNCTION_WORDS if len(word) > 2)]
        close = difflib.get_close_matches(word, [name for name in known if len(name) > 2], 1, 0.75)
        return close[0] if close else None

    def _listed(self) -> str:
        if not self.names:
            return "; this answer has no names"
        more = ", …" if len(self.names) > _SHOWN else ""
        names = ", ".join(self.names[:_SHOWN]) + more
        return f"; the only name is {names}" if len(self.names) == 1 else f"; the names are {names}"

    def _rounds(self) -> list[tuple[dict[str, str], dict[str, str]]]:
        return [(spellings, constants) for constants in ({}, CONSTANTS) for spellings in (self._firm, self._loose)]

    def _tails(
        self, word: str, spellings: dict[str, str], constants: dict[str, str], before_bracket: bool
    ) -> list[list[Piece] | None]:
        """How the rest of the word from each place on is cut: filled from the right, so that no cut is missed."""
        tails: list[list[Piece] | None] = [None] * len(word) + [[]]
        for at in reversed(range(len(word))):
            for piece in self._pieces_at(word, at, spellings, constants, before_bracket):
                tail = tails[piece.end]
                if tail is not None:
                    tails[at] = [piece, *tail]
                    break
        return tails

    def _pieces_at(
        self, word: str, at: int, spellings: dict[str, str], constants: dict[str, str], before_bracket: bool
    ) -> Iterator[Piece]:
        """What may begin at a place, longest first; a declared name before a function of the same length."""
        for end in range(min(len(word), at + self._longest), at, -1):
            part = word[at:end]
            if part in spellings:
                yield Piece("name", spellings[part], at, end)
            elif part in constants:
                yield Piece("constant", constants[part], at, end)
            elif part in FUNCTION_WORDS:
                if (before_bracket and end == len(word)) or part not in self._products:
                    yield Piece("function", FUNCTION_WORDS[part], at, end)
            else:
                yield from self._number_after_function(word, at, end)
        if word[at] == "'":
            yield Piece("transpose", "'", at, at + 1)

    @staticmethod
    def _number_after_function(word: str, at: int, end: int) -> Iterator[Piece]:
        """`sqrt2`: digits may stand behind a function, and nowhere else within a word."""
        digits = _DIGITS.fullmatch(word, at, end)
        if digits and any(word.endswith(function, 0, at) for function in FUNCTION_WORDS):
            yield Piece("number", digits[0], at, end)

    def _only_names(self, word: str) -> bool:
        pieces = self._tails(word, self._firm, {}, before_bracket=False)[0]
        return pieces is not None and all(piece.kind == "name" for piece in pieces)


def _canonical(name: str) -> str:
    text = plain(name).text
    if not _NAME.fullmatch(text):
        raise ValueError(f"'{name}' cannot be a name: letters, then digits or a subscript")
    return text


def _spellings(name: str) -> set[str]:
    """`sigma_1`, `σ_1` and `σ1` for any one of them."""
    head, bar, tail = _canonical(name).partition("_")
    heads = {head, GREEK.get(head, head), *_worded(head)}
    digits = re.fullmatch(r"(\D+)([0-9]+)", head)
    if digits and not bar:
        first = {digits[1], GREEK.get(digits[1], digits[1]), *_worded(digits[1])}
        return {f"{word}{sep}{digits[2]}" for word in first for sep in ("", "_")}
    if not bar:
        return heads
    tails = {tail, GREEK.get(tail, tail), *_worded(tail)}
    bars = ("_", "") if re.match(r"[0-9]", tail) else ("_",)
    return {"".join(parts) for parts in itertools.product(heads, bars, tails)}


def _worded(head: str) -> set[str]:
    return {GREEK_WORDS[head]} if head in GREEK_WORDS else set()
