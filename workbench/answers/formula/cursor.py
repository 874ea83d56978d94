"""A place in a list of tokens, and the sentences for what should have stood there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from workbench.answers.formula.errors import Unreadable
from workbench.answers.formula.limits import DEPTH, NODES
from workbench.answers.formula.tokens import Token
from workbench.answers.formula.tree import Name, Node, Span

N = TypeVar("N", bound=Node)

_LONGEST: Final = 40  # characters of an example in a sentence
CLOSING: Final = {"(": ")", "[": "]", "{": "}"}


class Cursor:
    """The token that comes next, which brackets and bars are open, and how much has been built."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.open: list[Token] = []  # brackets and bars that are not closed yet
        self._depth = 0
        self._nodes = 0

    @property
    def here(self) -> Token:
        """The next token."""
        return self.tokens[self.at]

    def take(self) -> Token:
        """The next token; the one after it comes next."""
        token = self.tokens[self.at]
        self.at += 1
        return token

    def sign(self, *values: str) -> bool:
        """Whether one of these signs comes next."""
        return self.here.kind == "sign" and self.here.value in values

    def span(self, start: int) -> Span:
        """From a place in the text to the end of the token taken last."""
        return start, self.tokens[self.at - 1].end

    def made(self, node: N) -> N:
        """The node, counted."""
        self._nodes += 1
        if self._nodes > NODES:
            raise self.wrong(f"a formula has at most {NODES} parts here", self.tokens[self.at - 1])
        return node

    @contextmanager
    def deeper(self) -> Iterator[None]:
        """One level further down; the depth is bounded, and with it the recursion of everything that follows."""
        self._depth += 1
        if self._depth > DEPTH:
            raise self.wrong(f"brackets can be nested {DEPTH} deep here, not more")
        yield
        self._depth -= 1

    def wrong(self, message: str, token: Token | None = None) -> Unreadable:
        """A fault at a token, or at the one that comes next."""
        token = token or self.here
        return Unreadable(message, token.start, max(1, token.end - token.start))

    def ambiguous(self, first: str, second: str) -> Unreadable:
        """A fault at what may be meant in two ways."""
        if max(len(first), len(second)) > _LONGEST:
            return self.wrong("this can be read in two ways: write brackets around what belongs together")
        return self.wrong(f"this can be read in two ways: write {first} or {second}")

    def ahead(self) -> Name:
        """What comes next, as it is to be named in a sentence."""
        token = self.here
        if token.kind == "function":
            return Name(f"{token.value}(…)")
        return Name(token.value if token.kind in ("name", "constant") else "(…)")

    def unexpected(self) -> Unreadable:
        """A fault at a token that nothing can begin with, or that nothing here can go on with."""
        token = self.here
        if token.kind == "end":
            return self.wrong("something is missing at the end: a number, a name or a bracket")
        if token.kind == "bar":
            return self.wrong(f"nothing is closed by this {token.value}")
        if token.kind == "number":
            return self.wrong("a number cannot follow without a sign: ^ for a power, * for a product")
        if token.kind == "subscript":
            return self.wrong("a subscript cannot stand here")
        if token.kind == "relation":
            return self.wrong(f"{token.value}(…) can only stand around the whole formula")
        if token.value == ",":
            return self.wrong("a comma only parts arguments, as in max(a, b); a decimal number has a point")
        if token.value in CLOSING.values():
            return self._closing(token)
        shown = "'" if token.kind == "transpose" else token.value
        return self.wrong(f"something is missing before '{shown}': a number, a name or a bracket")

    def _closing(self, token: Token) -> Unreadable:
        if not self.open:
            return self.wrong(f"'{token.value}' closes a bracket that was never opened")
        if self.open[-1].kind == "bar":
            return self.wrong(f"the bars {self.open[-1].value} are never closed", self.open[-1])
        before = self.tokens[self.at - 1]
        if before.kind == "sign" and before.value in CLOSING:
            return self.wrong("there is nothing in this bracket", before)
        return self.wrong(f"something is missing before '{token.value}': a number, a name or a bracket")

    def unclosed(self, opened: Token) -> Unreadable:
        """A fault where a bracket or a bar should have closed and something else stands."""
        if self.here.kind == "end":
            what = "bars opened here are" if opened.kind == "bar" else "bracket opened here is"
            return self.wrong(f"the {what} never closed", opened)
        if self.here.value in CLOSING.values() and opened.kind == "sign":
            return self.wrong(f"'{self.here.value}' cannot close what '{opened.value}' opened")
        return self.unexpected()
