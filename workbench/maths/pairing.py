"""Finds which brackets of a row belong together, so that they can grow with what is between them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from workbench.maths.nodes import Fenced, Kind, Node, Row, Scripted, Space, Symbol
from workbench.maths.symbols import DELIMITER_KINDS, SYMBOLS

_BAR = SYMBOLS["|"]
_DOUBLE_BAR = dataclasses.replace(SYMBOLS["\\|"])  # a copy, to tell `||` from a norm's own sign
_BEFORE_OPERAND = {Kind.BINARY, Kind.RELATION, Kind.OPENING, Kind.PUNCTUATION, Kind.BIG, Kind.FUNCTION}
# Beyond this no eye would match them either.
_MOST_OPEN = 40
_PLACEHOLDERS = "·∗*∘"  # stand for any operand, as in ‖·‖


def paired(items: Iterable[Node]) -> tuple[Node, ...]:
    """The items with every matching pair of delimiters, and what is between, as one `Fenced`.

    Any closing bracket matches any opening one, as in `[0, 1)`. A bar closes the last open bar of its
    sort if there is something to close over, else it opens. Two bars in a row are a norm's. What has no
    partner stays as it is: brackets may lawfully be unbalanced, as in `]0, 1[`.
    """
    nodes = tuple(items)
    pairing = _Pairing(norms=True)
    found = pairing.all(nodes)
    # Where `||` began no norm after all, as in `||x| - |y||`, it is two bars.
    return _Pairing(norms=False).all(nodes) if pairing.failed else found


class _Pairing:
    def __init__(self, *, norms: bool) -> None:
        self.failed = False
        self._norms = norms
        self._items: list[Node] = []  # since the last delimiter that is open
        self._open: list[tuple[Symbol, list[Node]]] = []  # the open ones, each with the items before it

    def all(self, items: Iterable[Node]) -> tuple[Node, ...]:
        for item in items:
            self.add(item)
        while self._open:
            self._give_up_last()
        return tuple(self._items)

    def add(self, item: Node) -> None:
        delimiter = _delimiter(item)
        if delimiter is None:
            self._items.append(item)
        elif delimiter.kind is Kind.OPENING:
            self._begin(item)
        elif delimiter.kind is Kind.CLOSING:
            self._close_bracket(item, delimiter)
        else:
            self._add_bar(item, delimiter)

    def _begin(self, item: Node) -> None:
        if isinstance(item, Symbol) and len(self._open) < _MOST_OPEN:
            self._open.append((item, self._items))
            self._items = []
        else:
            self._items.append(item)

    def _close_bracket(self, item: Node, delimiter: Symbol) -> None:
        while self._open and self._open[-1][0].kind is Kind.BAR:
            self._give_up_last()
        if self._open:
            self._close(item, delimiter)
        else:
            self._items.append(item)

    def _add_bar(self, item: Node, bar: Symbol) -> None:
        last = self._open[-1][0] if self._open else None
        if self._norms and bar == last == _BAR and not self._items and self._norm_is_free():
            # `||` opens a norm, or closes the one that is open.
            self._items = self._open.pop()[1]
            item, bar, last = _dressed(item, _DOUBLE_BAR), _DOUBLE_BAR, self._open[-1][0] if self._open else None
        if last == bar and self._can_close():
            self._close(item, bar)
        else:
            self._begin(item)

    def _norm_is_free(self) -> bool:
        """Whether no single bar is open around the last one, inside the same brackets."""
        for opening, _ in reversed(self._open[:-1]):
            if opening.kind is Kind.OPENING:
                return True
            if opening == _BAR:
                return False
        return True

    def _can_close(self) -> bool:
        content = [item for item in self._items if not isinstance(item, Space)]
        if not content:
            return False
        last = content[-1]
        if not isinstance(last, Symbol) or last.kind not in _BEFORE_OPERAND:
            return True
        return len(content) == 1 and last.text in _PLACEHOLDERS

    def _close(self, item: Node, closing: Symbol) -> None:
        opening, before = self._open.pop()
        fenced = Fenced(opening, Row(tuple(self._items)), closing)
        self._items = [*before, _dressed(item, fenced)]

    def _give_up_last(self) -> None:
        opening, before = self._open.pop()
        self._items = [*before, opening, *self._items]
        self.failed |= opening is _DOUBLE_BAR


def _delimiter(item: Node) -> Symbol | None:
    """The delimiter that the item is, with scripts or without."""
    nucleus = item.nucleus if isinstance(item, Scripted) else item
    if isinstance(nucleus, Symbol) and nucleus.kind in DELIMITER_KINDS:
        return nucleus
    return None


def _dressed(item: Node, nucleus: Node) -> Node:
    """The nucleus with the scripts of the item."""
    return dataclasses.replace(item, nucleus=nucleus) if isinstance(item, Scripted) else nucleus
