"""Reads LaTeX tokens into a tree: rows, groups, arguments and scripts. Commands bring their own readers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from workbench.maths.errors import Unsupported
from workbench.maths.nodes import Kind, Limits, Node, Row, Scripted, Space, Symbol, core, depth
from workbench.maths.pairing import paired
from workbench.maths.symbols import SYMBOLS, letter
from workbench.maths.tokens import Cursor, Token

# A formula written by hand stays far below these; a hostile one is stopped before it costs anything.
LONGEST = 2000
DEEPEST = 40
DEEPEST_TREE = 120

_MISPLACED = {
    "": "the formula ends too early",
    "}": "} without {",
    "&": "& outside an environment",
    "\\\\": "\\\\ outside an environment",
    "_": "nothing stands before _",
    "^": "nothing stands before ^",
    "'": "nothing stands before '",
    "$": "$ inside a formula",
    "#": "# must be written \\#",
    "%": "% must be written \\%",
    "\\right": "\\right without \\left",
    "\\middle": "\\middle outside \\left and \\right",
    "\\end": "\\end without \\begin",
    "\\limits": "\\limits belongs after an operator",
    "\\nolimits": "\\nolimits belongs after an operator",
}


class Reader:
    """A walk through one formula.

    Attributes:
        cursor: Where the walk is.
        stop: The tokens that end the row being read.
    """

    def __init__(self, source: str, commands: Mapping[str, Command]) -> None:
        if len(source) > LONGEST:
            raise Unsupported(f"the formula is longer than {LONGEST} characters", LONGEST)
        self.cursor = Cursor(source)
        self.stop: tuple[str, ...] = ()
        self._commands = commands
        self._depth = 0

    def formula(self) -> Row:
        """The whole source."""
        row = self.row()
        assert not self.cursor.peek().text  # nothing else stops a row that has no stop
        if depth(row) > DEEPEST_TREE:
            # Brackets nest without a group of their own, and are paired late.
            raise Unsupported("the formula is nested too deep", 0)
        return row

    def row(self, *stop: str) -> Row:
        """What stands before one of the tokens in `stop`, or before the end of the source."""
        around, self.stop = self.stop, stop
        items: list[Node] = []
        while (text := self.cursor.peek().text) and text not in stop:
            item = self.item()
            items.extend(item.items if isinstance(item, Row) and item.loose else (item,))
        self.stop = around
        return Row(paired(items))

    def item(self) -> Node:
        """One piece of a row with its scripts."""
        nucleus = self.atom()
        return nucleus if isinstance(nucleus, Space) else self._with_scripts(nucleus)

    def atom(self) -> Node:
        """One piece of a row without scripts: a character, a group, or a command with its arguments."""
        token = self.cursor.take()
        if self._depth == DEEPEST:
            raise Unsupported(f"the formula is nested more than {DEEPEST} deep", token.position)
        self._depth += 1
        node = self._atom(token)
        self._depth -= 1
        return node

    def argument(self, owner: Token) -> Row:
        """The argument of a command or script mark: a group in braces, or else a single piece."""
        token = self.cursor.peek()
        if token.text == "{":
            return self.group(owner)
        if not token.text or token.text in _MISPLACED or token.text in self.stop:
            raise Unsupported(f"{owner.text} lacks its argument", owner.position)
        return Row((self.atom(),))

    def group(self, owner: Token) -> Row:
        """A row in braces, which must be there."""
        return self.closed(self.expect("{", owner), "}")

    def closed(self, opening: Token, *closing: str) -> Row:
        """The row that began with `opening`, and its end, which must be there."""
        row = self.row(*closing)
        if not self.cursor.peek().text:
            raise Unsupported(f"{opening.text} is never closed", opening.position)
        self.cursor.take()
        return row

    def expect(self, text: str, owner: Token) -> Token:
        """The next token, which must be `text`; `owner` needs it."""
        token = self.cursor.peek()
        if token.text != text:
            raise Unsupported(f"{owner.text} needs a {text}", token.position)
        return self.cursor.take()

    def word(self, owner: Token) -> str:
        """The characters of a group that is a name, such as that of an environment."""
        opening = self.expect("{", owner)
        name = ""
        while (token := self.cursor.take_raw()).text != "}":
            if not token.text:
                raise Unsupported("{ is never closed", opening.position)
            name += token.text
        return name.strip()

    def _atom(self, token: Token) -> Node:
        text = token.text
        if text == "{":
            return self.closed(token, "}")
        if text in self._commands:
            return self._commands[text](self, token)
        if text in SYMBOLS:
            return SYMBOLS[text]
        if text.isascii() and text.isalnum():
            return letter(text)
        if text in _MISPLACED:
            raise Unsupported(_MISPLACED[text], token.position)
        what = "command" if text.startswith("\\") else "character"
        raise Unsupported(f"unknown {what} {text if text.isprintable() else repr(text)}", token.position)

    def _with_scripts(self, nucleus: Node) -> Node:
        below: Row | None = None
        above: Row | None = None
        primes = 0
        limits = isinstance(nucleus, Symbol) and nucleus.limits
        while True:
            mark = self.cursor.peek()
            if mark.text not in {"_", "^", "'", "\\limits", "\\nolimits"}:
                break
            self.cursor.take()
            if mark.text in {"\\limits", "\\nolimits"}:
                limits = _limits_asked(mark, nucleus)
            elif mark.text == "_":
                if below is not None:
                    raise Unsupported("double subscript", mark.position)
                below = self.argument(mark)
            elif above is not None:
                raise Unsupported("double superscript", mark.position)
            elif mark.text == "'":
                primes += 1
            else:
                above = self.argument(mark)
        return _scripted(nucleus, below, above, primes, limits=limits)


Command = Callable[[Reader, Token], Node]


def _limits_asked(mark: Token, nucleus: Node) -> bool:
    if not (isinstance(nucleus, Symbol) and nucleus.kind in {Kind.BIG, Kind.FUNCTION}):
        raise Unsupported(f"{mark.text} belongs after an operator", mark.position)
    return mark.text == "\\limits"


def _scripted(nucleus: Node, below: Row | None, above: Row | None, primes: int, *, limits: bool) -> Node:
    if above is not None and above.items and all(core(item) == SYMBOLS["\\prime"] for item in above.items):
        primes += len(above.items)
        above = None
    below = below if below and below.items else None
    above = above if above and above.items else None
    if primes and limits:
        nucleus, primes = Scripted(nucleus, primes=primes), 0
    if below is None and above is None and not primes:
        return nucleus
    return Limits(nucleus, below, above) if limits else Scripted(nucleus, below, above, primes)
