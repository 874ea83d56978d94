"""The reader of formulas: what students type, as signs or as LaTeX, becomes a tree.

Text becomes plain text (`plain`), plain text tokens (`tokens`, `words`), tokens a tree (`parser`). No text
is ever evaluated, and nothing is computed.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from typing import Final

from workbench.answers.formula.errors import Unreadable
from workbench.answers.formula.limits import LENGTH, check_numbers
from workbench.answers.formula.parser import Parser
from workbench.answers.formula.plain import plain
from workbench.answers.formula.tokens import Lexer
from workbench.answers.formula.tree import Formula, Relation
from workbench.answers.formula.vocabulary import BIG, RELATIONS
from workbench.answers.formula.words import Words

_DOLLARS: Final = (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"))
# "big-O(n)", "big Theta of (n)": the word is dropped, the letter after it is made a capital
_BIG: Final = re.compile(r"big[-\s]*(?=(?:O|Θ|Ω|Theta|Omega)\s*[(\[{])", re.IGNORECASE)


def read(text: str, names: Collection[str]) -> Formula:
    """The formula that a student typed, over the names that the part declares.

    Raises:
        Unreadable: with a place in `text` and a sentence on what was expected there.
        ValueError: if `names` are no names, or two of them are written alike.
    """
    if len(text) > LENGTH:
        raise Unreadable(f"a formula has at most {LENGTH} characters here, not {len(text)}", LENGTH)
    start, stop = _unwrapped(text)
    if start >= stop:
        raise Unreadable("nothing is written here yet", start)
    big = _BIG.match(text, start, stop)
    words = _words(tuple(names) if not isinstance(names, set | frozenset) else tuple(sorted(names)))
    tokens = Lexer(plain(text, big.end() if big else start, stop), words, stop).tokens()
    relation: Relation | None = None
    if tokens[0].kind == "relation":
        relation = RELATIONS[tokens[0].value]
        relation = BIG.get(relation, relation) if big else relation
    elif big:
        raise Unreadable("write O(…) around the whole formula", start, big.end() - start)
    tree = Parser(tokens).formula()
    check_numbers(tree)
    return Formula(tree, text, relation)


@lru_cache(maxsize=64)
def _words(names: tuple[str, ...]) -> Words:
    return Words(names)


def _unwrapped(text: str) -> tuple[int, int]:
    """Where the formula begins and ends, without white space, a full stop and `$…$` around it."""
    start, stop = len(text) - len(text.lstrip()), len(text.rstrip().removesuffix(".").rstrip())
    for opening, closing in _DOLLARS:
        inner = stop - start - len(opening) - len(closing)
        if inner >= 0 and text.startswith(opening, start) and text.endswith(closing, start, stop):
            start, stop = start + len(opening), stop - len(closing)
            middle = text[start:stop]
            return start + len(middle) - len(middle.lstrip()), stop - (len(middle) - len(middle.rstrip()))
    return start, max(start, stop)
