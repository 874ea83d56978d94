"""From plain text to tokens: numbers, names, functions, signs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from workbench.answers.formula import limits
from workbench.answers.formula.errors import Unreadable
from workbench.answers.formula.plain import Plain
from workbench.answers.formula.vocabulary import RELATIONS
from workbench.answers.formula.words import Words

Kind = Literal[
    "number", "name", "constant", "function", "sign", "bar", "transpose", "subscript", "command", "relation", "end"
]

_NUMBER: Final = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE]([+-]?[0-9]+)(?![0-9_]))?")
_SIGN: Final = re.compile(r"\*\*|\.\*|[-+*/^@()\[\]{},]")
_RAISED_T: Final = re.compile(r"(?:\^|\*\*)\s*(?:[{(]\s*(-?)\s*[T⊤]\s*[})]|(-?)\s*[T⊤])")
# What is always the same token; the longer first.
_FIXED: Final[dict[str, tuple[Kind, str]]] = {
    "⊤": ("transpose", "⊤"),
    "'": ("transpose", "⊤"),
    ".T": ("transpose", "⊤"),
    "‖": ("bar", "‖"),
    "||": ("bar", "||"),
    "|": ("bar", "|"),
    "\\frac": ("command", "frac"),
    "\\sqrt": ("command", "sqrt"),
    "√": ("command", "root"),
}
_SUBSCRIPT: Final = re.compile(r"_([0-9A-Za-z]+)")
_OPENS: Final = re.compile(r"\s*[(\[{]")
_LOWER: Final = ("o", "θ", "theta", "ω", "omega")  # names as often as not
_NOT_HERE: Final = {
    "=": "'=' cannot stand here; write the formula alone",
    "!": "a factorial cannot be read here",
    "$": "'$' stands only around the whole formula",
    "∞": "infinity cannot be read here",
    **{sign: f"'{sign}' cannot stand here; write the formula alone" for sign in "<>≤≥≪≫~≈≠"},
}


@dataclass(frozen=True)
class Token:
    """One token, and where the typed text has it; `spaced` when white space stands before it."""

    kind: Kind
    value: str
    start: int
    end: int
    spaced: bool = False
    number: Fraction = Fraction(0)


class Lexer:
    """Cuts plain text into tokens; `tokens()` is all there is to call."""

    def __init__(self, source: Plain, words: Words, stop: int) -> None:
        self.source, self.text, self.words, self.stop = source, source.text, words, stop
        self.at = 0
        self.spaced = False
        self.found: list[Token] = []

    def tokens(self) -> list[Token]:
        """All tokens, the last of kind `end`.

        Raises:
            Unreadable: at the first character or name that has no meaning here.
        """
        while self.at < len(self.text):
            if self.text[self.at] == " ":
                self.at += 1
                self.spaced = True
                continue
            self._next()
            self.spaced = False
        self.found.append(Token("end", "", self.stop, self.stop, self.spaced))
        return self.found

    def _next(self) -> None:
        char = self.text[self.at]
        fixed = next((start for start in _FIXED if self.text.startswith(start, self.at)), None)
        if char.isdigit() or (char == "." and self.text[self.at + 1 : self.at + 2].isdigit()):
            self._number()
        elif char in "^*" and self._raised_t():
            pass
        elif char.isalpha():
            self._word()
        elif fixed:
            self._add(*_FIXED[fixed], len(fixed))
        elif sign := _SIGN.match(self.text, self.at):
            self._add("sign", sign[0])
        elif char == "_" and (subscript := _SUBSCRIPT.match(self.text, self.at)):
            self._add("subscript", subscript[1], len(subscript[0]))
        else:
            raise self._wrong(_NOT_HERE.get(char, f"'{char}' cannot be read here"))

    def _add(self, kind: Kind, value: str, length: int | None = None, number: Fraction = Fraction(0)) -> None:
        length = len(value) if length is None else length
        start, end = self.source.starts[self.at], self.source.ends[self.at + length - 1]
        self.found.append(Token(kind, "^" if value == "**" else value, start, end, self.spaced, number))
        self.at += length
        self.spaced = False

    def _wrong(self, message: str, start: int = 0, length: int = 1) -> Unreadable:
        """A fault at `length` plain characters, `start` from here."""
        first, last = self.at + start, self.at + start + length - 1
        begin = self.source.starts[first]
        return Unreadable(message, begin, max(1, self.source.ends[last] - begin))

    def _number(self) -> None:
        found = _NUMBER.match(self.text, self.at)
        if not found:
            raise self._wrong(f"'{self.text[self.at]}' cannot be read here")
        if found[1] and "e" in self.words:  # 2e3 is 2·e·3 then, which is no product either: let the name win
            found = re.compile(r"[0-9]*\.?[0-9]+").match(self.text, self.at)
            assert found is not None
        if len(found[0]) > limits.DIGITS:
            raise self._wrong(
                f"a number has at most {limits.DIGITS} characters here, not {len(found[0])}", 0, len(found[0])
            )
        if "e" in found[0].lower() and abs(int(found[1])) > limits.TEN:
            raise self._wrong(f"a power of ten has at most {limits.TEN} noughts here", 0, len(found[0]))
        self._add("number", found[0], number=Fraction(found[0]))

    def _raised_t(self) -> bool:
        """`^T` and `^{-T}`; where `T` is declared, only `^⊤`."""
        found = _RAISED_T.match(self.text, self.at)
        if not found or ("T" in self.words and "⊤" not in found[0]):
            return False
        if found[0].endswith("T") and self._word_is_known(found.end() - 1):
            return False
        if found[1] or found[2]:
            start, end = self.source.starts[self.at], self.source.ends[found.end() - 1]
            self.found.append(Token("sign", "^", start, end, self.spaced))
            self.found.append(Token("sign", "-", start, end))
            self.found.append(Token("number", "1", start, end, number=Fraction(1)))
        self._add("transpose", "⊤", len(found[0]))
        return True

    def _word_is_known(self, at: int) -> bool:
        """`X^Tmax` is a power where `Tmax` is declared, and Xᵀ times `max` where it is not."""
        return self.words.cut(self.text[at : self._word_end(at)]) is not None

    def _word_end(self, at: int) -> int:
        text, end = self.text, at
        while end < len(text):
            if text[end].isalpha() or "0" <= text[end] <= "9" or (text[end] == "'" and self.words.primed):
                end += 1
            elif text.startswith("_{", end):
                end = text.find("}", end) + 1 or len(text)
            elif text[end] == "_" and text[end + 1 : end + 2].isalnum():
                end += 1
            else:
                break
        return end

    def _word(self) -> None:
        """A run of letters: an O( around the formula, or names and functions side by side."""
        end = self._word_end(self.at)
        word = self.text[self.at : end]
        bracketed = bool(_OPENS.match(self.text, end))
        pieces = self.words.cut(word, before_bracket=bracketed)
        if pieces is None and word in RELATIONS:
            if bracketed and not self.found:
                self._add("relation", word)
                return
            if word not in _LOWER:
                raise self._wrong(f"write {word}(…) around the whole formula", 0, len(word))
        if pieces is None:
            start, stop = self.words.unknown(word)
            raise self._wrong(self.words.explain(word[start:stop]), start, stop - start)
        for piece in pieces:
            digits = Fraction(piece.value) if piece.kind == "number" else Fraction(0)
            self._add(piece.kind, piece.value, piece.end - piece.start, digits)
