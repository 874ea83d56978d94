"""Reads what is spelled: alphabets, upright words, operator names, text between formulas."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

from workbench.maths.errors import Unsupported
from workbench.maths.nodes import Kind, Node, Row, Scripted, Space, Symbol, core
from workbench.maths.reader import Reader
from workbench.maths.symbols import MINUS, ascii_text
from workbench.maths.tokens import Token

_WORDS = re.compile(r"[A-Za-z0-9. -]+")


def alphabet(table: Callable[[str], Symbol | None], reader: Reader, token: Token) -> Node:
    """Letters of an alphabet that has its own characters; `table` knows them."""
    row = reader.argument(token)
    symbols = [table(item.text) if isinstance(item, Symbol) and item.text else None for item in row.items]
    drawn = tuple(symbol for symbol in symbols if symbol is not None)
    if not drawn or len(drawn) < len(symbols):
        raise Unsupported(f"{token.text} has no such letter", token.position)
    return core(Row(drawn))


def styled(reader: Reader, token: Token) -> Node:
    """Letters in a weight or slant that terminals do not show."""
    return core(reader.argument(token))


def upright(reader: Reader, token: Token) -> Node:
    """Upright letters, which make words."""
    return core(_words(reader.argument(token)))


def _words(row: Row) -> Row:
    """The row with each run of letters as one word."""
    items: list[Node] = []
    for item in row.items:
        before = _word(items[-1]) if items else None
        after = _word(item.nucleus if isinstance(item, Scripted) else item)
        if before is None or after is None:
            items.append(item)
            continue
        items[-1] = word = Symbol(before.text + after.text, before.plain + after.plain)
        if isinstance(item, Scripted):
            items[-1] = dataclasses.replace(item, nucleus=word)
    return Row(tuple(items))


def _word(node: Node) -> Symbol | None:
    if isinstance(node, Symbol) and node.kind is Kind.ORDINARY and node.text.isascii() and node.text.isalnum():
        return node
    return None


def operator(reader: Reader, token: Token) -> Node:
    """The name of a function; with a star, its scripts go under and over it."""
    star = reader.cursor.peek().text == "*"
    if star:
        reader.cursor.take()
    name = " ".join("".join(map(_spelling, reader.group(token).items)).split())
    if not _WORDS.fullmatch(name):
        raise Unsupported(f"{token.text} takes a plain word", token.position)
    return Symbol(name, name, Kind.FUNCTION, limits=star)


def _spelling(item: Node) -> str:
    if isinstance(item, Space):
        return " " * item.width
    if item == MINUS:
        return "-"
    return item.text if isinstance(item, Symbol) and len(item.text) == 1 else "?"


def text(reader: Reader, token: Token) -> Node:
    """Words with their blanks; formulas between dollars may stand among them."""
    opening = reader.expect("{", token)
    items: list[Node] = []
    words, start, depth = "", opening.position, 0
    while True:
        piece = reader.cursor.take_raw()
        if not piece.text:
            raise Unsupported("{ is never closed", opening.position)
        if piece.text == "{":
            depth += 1
        elif piece.text == "}" and depth:
            depth -= 1
        elif piece.text in {"}", "$"}:
            items += _spelled(words, start)
            if piece.text == "}":
                return items[0] if len(items) == 1 else Row(tuple(items), loose=True)
            items.append(reader.closed(piece, "$"))
            words, start = "", piece.position
        else:
            words += _written(piece)


def _written(piece: Token) -> str:
    if piece.text.isspace() or piece.text in {"~", "\\ "}:
        return " "
    if piece.text.startswith("\\"):
        if piece.text[1:] in {"%", "&", "_", "#", "$", "{", "}"}:
            return piece.text[1]
        raise Unsupported(f"{piece.text} inside text", piece.position)
    return piece.text


def _spelled(words: str, position: int) -> list[Node]:
    """Words as one symbol between the blanks at their ends."""
    spelled = " ".join(words.split())
    plain = ascii_text(spelled)
    if plain is None:
        raise Unsupported("text with a character that has no ASCII form", position)
    if not spelled:
        return [Space(1)] if words else []
    before = [Space(1)] if words[0].isspace() else []
    after = [Space(1)] if words[-1].isspace() else []
    return [*before, Symbol(spelled, plain), *after]


def old_upright(reader: Reader, token: Token) -> Node:
    r"""The rest of the group in upright letters, as `{\rm enc}` has it."""
    del token
    return dataclasses.replace(_words(reader.row(*reader.stop)), loose=True)


def old_styled(reader: Reader, token: Token) -> Node:
    """A switch to a weight or slant that terminals do not show."""
    del reader, token
    return Space(0)
