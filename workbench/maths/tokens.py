"""LaTeX source, one token at a time."""

from __future__ import annotations

import re
from dataclasses import dataclass

from workbench.maths.errors import Unsupported

_BLANKS = re.compile(r"\s*")
_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|[^\\]|", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Token:
    """A command with its backslash, or a single character; empty at the end of the source."""

    text: str
    position: int


class Cursor:
    """A place in the source. Blanks count only where they are asked for, as in LaTeX itself."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._at = 0
        self._next: Token | None = None

    def peek(self) -> Token:
        """The next token that is not a blank."""
        if self._next is None:
            blanks = _BLANKS.match(self.source, self._at)
            assert blanks is not None  # it matches the empty text
            self._next = self._token(blanks.end())
        return self._next

    def take(self) -> Token:
        """The next token that is not a blank, which is then behind us."""
        return self._pass(self.peek())

    def take_raw(self) -> Token:
        """The next token, a blank included, which is then behind us."""
        return self._pass(self._token(self._at))

    def skip(self, pattern: re.Pattern[str]) -> None:
        """Pass over what the pattern matches here, if it does."""
        if found := pattern.match(self.source, self._at):
            self._at, self._next = found.end(), None

    def _token(self, position: int) -> Token:
        found = _TOKEN.match(self.source, position)
        assert found is not None  # it matches the empty text
        if not found.group() and position < len(self.source):
            raise Unsupported("the formula ends in a lone backslash", position)
        return Token(found.group(), position)

    def _pass(self, token: Token) -> Token:
        self._at, self._next = token.position + len(token.text), None
        return token
