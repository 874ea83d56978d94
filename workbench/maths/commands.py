"""What each LaTeX command reads after itself, and the piece of the tree it makes of it."""

from __future__ import annotations

import dataclasses
import functools

from workbench.maths.environments import binomial, environment, substack
from workbench.maths.errors import Unsupported
from workbench.maths.nodes import (
    Accent,
    Brace,
    Fenced,
    Fraction,
    Kind,
    Limits,
    Node,
    Root,
    Row,
    Space,
    Symbol,
    Table,
    core,
)
from workbench.maths.reader import Command, Reader
from workbench.maths.scripts import small
from workbench.maths.symbols import DELIMITER_KINDS, MARKS, NOTHING, ROUND, SYMBOLS, double, script
from workbench.maths.tokens import Token
from workbench.maths.words import alphabet, old_styled, old_upright, operator, styled, text, upright


def read(source: str) -> Row:
    """The tree of a formula.

    Raises:
        Unsupported: if the formula is faulty, too large, or holds what cannot be drawn.
    """
    return Reader(source, COMMANDS).formula()


# -- parts over, under and around each other


def _fraction(reader: Reader, token: Token) -> Node:
    return Fraction(reader.argument(token), reader.argument(token))


def _root(reader: Reader, token: Token) -> Node:
    index = None
    if reader.cursor.peek().text == "[":
        index = reader.closed(reader.cursor.take(), "]")
        if not all(isinstance(item, Symbol) and small(item.text, over=True) for item in index.items):
            raise Unsupported("a root takes a short index, such as 3 or n", token.position)
    return Root(reader.argument(token), index if index and index.items else None)


def _accent(mark: str, reader: Reader, token: Token) -> Node:
    return Accent(mark, reader.argument(token))


def _brace(over: bool, reader: Reader, token: Token) -> Node:
    brace = Brace(reader.argument(token), over)
    if reader.cursor.peek().text != ("^" if over else "_"):
        return brace
    label = reader.argument(reader.cursor.take())
    return Limits(brace, above=label) if over else Limits(brace, below=label)


def _over(reader: Reader, token: Token) -> Node:
    above = reader.argument(token)
    return Limits(core(reader.argument(token)), above=above)


def _under(reader: Reader, token: Token) -> Node:
    below = reader.argument(token)
    return Limits(core(reader.argument(token)), below=below)


# -- delimiters

_DELIMITERS = {".": NOTHING, "<": SYMBOLS["\\langle"], ">": SYMBOLS["\\rangle"]}


def _delimiter(reader: Reader, owner: Token) -> Symbol:
    token = reader.cursor.take()
    symbol = _DELIMITERS.get(token.text) or SYMBOLS.get(token.text)
    if symbol is None or (symbol is not NOTHING and symbol.kind not in DELIMITER_KINDS):
        raise Unsupported(f"{owner.text} needs a delimiter", token.position or owner.position)
    return symbol


def _left(reader: Reader, token: Token) -> Node:
    opening = _delimiter(reader, token)
    items: list[Node] = []
    while True:
        items += reader.row("\\right", "\\middle").items
        end = reader.cursor.take()
        if not end.text:
            raise Unsupported("\\left without \\right", token.position)
        symbol = _delimiter(reader, end)
        if end.text == "\\right":
            return _tidied(Fenced(opening, Row(tuple(items)), symbol))
        items.append(dataclasses.replace(symbol, kind=Kind.RELATION))


def _tidied(fenced: Fenced) -> Fenced:
    r"""The same as one would write it today.

    `\left|\left|` is a norm, and an array behind a brace is a list of cases.
    """
    inner = core(fenced.body)
    fences = (fenced.opening, fenced.closing)
    bars = (SYMBOLS["|"], SYMBOLS["|"])
    if isinstance(inner, Fenced) and fences == (inner.opening, inner.closing) == bars:
        return Fenced(SYMBOLS["\\|"], inner.body, SYMBOLS["\\|"])
    if isinstance(inner, Table) and fences == (SYMBOLS["\\{"], NOTHING):
        return dataclasses.replace(fenced, body=Row((dataclasses.replace(inner, margin=1),)))
    return fenced


def _sized(kind: Kind | None, reader: Reader, token: Token) -> Node:
    """A delimiter of a given size; brackets choose their size themselves."""
    symbol = _delimiter(reader, token)
    return symbol if kind is None else dataclasses.replace(symbol, kind=kind)


# -- the rest


def _blank(width: int, reader: Reader, token: Token) -> Node:
    del reader, token
    return Space(width)


def _label(reader: Reader, token: Token) -> Node:
    reader.word(token)
    return Space(0)


def _tag(reader: Reader, token: Token) -> Node:
    return Row((Space(4), Fenced(ROUND[0], Row((text(reader, token),)), ROUND[1])), loose=True)


def _commands() -> dict[str, Command]:
    bind = functools.partial
    commands: tuple[tuple[str, Command], ...] = (
        ("frac tfrac dfrac cfrac", _fraction),
        ("binom tbinom dbinom", binomial),
        ("sqrt", _root),
        ("underbrace", bind(_brace, False)),
        ("overbrace", bind(_brace, True)),
        ("overset stackrel", _over),
        ("underset", _under),
        ("left", _left),
        ("big Big bigg Bigg bigm Bigm biggm Biggm", bind(_sized, None)),
        ("bigl Bigl biggl Biggl", bind(_sized, Kind.OPENING)),
        ("bigr Bigr biggr Biggr", bind(_sized, Kind.CLOSING)),
        ("mathcal mathscr", bind(alphabet, script)),
        ("mathbb", bind(alphabet, double)),
        ("mathbf boldsymbol bm pmb mathbfit mathnormal", styled),
        ("mathrm mathit mathsf mathtt", upright),
        ("operatorname", operator),
        ("text textrm textbf textit textsf texttt textnormal mbox", text),
        ("rm sf tt", old_upright),
        ("bf it displaystyle textstyle scriptstyle scriptscriptstyle", old_styled),
        ("nonumber notag !", bind(_blank, 0)),
        (", : ; > thinspace medspace thickspace space enspace", bind(_blank, 1)),
        ("quad", bind(_blank, 2)),
        ("qquad", bind(_blank, 4)),
        ("label", _label),
        ("tag", _tag),
        ("begin", environment),
        ("substack", substack),
        *((mark, bind(_accent, mark)) for mark in MARKS),
        ("widehat", bind(_accent, "hat")),
        ("widetilde", bind(_accent, "tilde")),
        ("overline", bind(_accent, "bar")),
        ("overrightarrow", bind(_accent, "vec")),
    )
    table = {"\\" + name: command for names, command in commands for name in names.split()}
    return table | {"~": bind(_blank, 1), "\\ ": bind(_blank, 1)}


COMMANDS = _commands()
