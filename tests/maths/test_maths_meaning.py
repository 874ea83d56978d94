"""A formula on one line means what the formula in two dimensions means.

Random arithmetic is written in LaTeX, rewritten on one line by `inline`, read back and computed modulo a
prime. It is read back twice, as people disagree on `a/bc`: once with a product binding as a fraction does,
once with it binding closer. Both readings must give the value meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.maths import inline

PRIME = 2_147_483_647
VALUES = {letter: 1_000_003 * (i + 2) + 17 for i, letter in enumerate("xyzw")}


def divided(over: int, under: int) -> int:
    return over * pow(under, -1, PRIME) % PRIME if under % PRIME else 0


def rooted(value: int) -> int:
    """Any function will do in place of the root."""
    return (value * value + 7 * value + 3) % PRIME


@dataclass(frozen=True)
class Term:
    """An expression: its LaTeX, its value, and what it is made of last."""

    latex: str
    value: int
    kind: str

    def inside(self, *bare: str) -> str:
        return self.latex if self.kind in bare else rf"\left({self.latex}\right)"


def _sum(a: Term, b: Term) -> Term:
    return Term(f"{a.latex} + {b.inside('letter', 'product', 'fraction', 'power', 'root')}", a.value + b.value, "sum")


def _difference(a: Term, b: Term) -> Term:
    right = b.inside("letter", "product", "fraction", "power", "root")
    return Term(f"{a.latex} - {right}", a.value - b.value, "sum")


def _negative(a: Term, _: Term) -> Term:
    return Term(f"-{a.inside('letter', 'product', 'fraction', 'power', 'root')}", -a.value, "sum")


def _product(a: Term, b: Term) -> Term:
    factors = [term.inside("letter", "product", "fraction", "power", "root") for term in (a, b)]
    return Term(" ".join(factors), a.value * b.value, "product")


def _fraction(a: Term, b: Term) -> Term:
    return Term(rf"\frac{{{a.latex}}}{{{b.latex}}}", divided(a.value, b.value), "fraction")


def _power(a: Term, _: Term) -> Term:
    return Term(f"{{{a.inside('letter', 'fraction', 'power', 'root')}}}^2", a.value**2, "power")


def _root(a: Term, _: Term) -> Term:
    return Term(rf"\sqrt{{{a.latex}}}", rooted(a.value), "root")


OPERATIONS: tuple[Callable[[Term, Term], Term], ...] = (
    *(_sum, _difference, _negative, _product, _fraction, _power, _root),
)
LETTERS = st.sampled_from([Term(letter, value, "letter") for letter, value in VALUES.items()])


def grown(inner: st.SearchStrategy[Term]) -> st.SearchStrategy[Term]:
    return st.tuples(st.sampled_from(OPERATIONS), inner, inner).map(lambda made: made[0](made[1], made[2]))


class Reading:
    """Computes one line of ASCII. With `close`, a product binds closer than a slash."""

    def __init__(self, line: str, *, close: bool) -> None:
        self.tokens = [*re.findall(r"sqrt|[w-z0-9()^/+-]", line), ""]
        assert "".join(self.tokens) == line.replace(" ", ""), line
        self.close = close

    def value(self) -> int:
        value = self.sum()
        assert self.tokens == [""], self.tokens
        return value % PRIME

    def take(self, *texts: str) -> str:
        return self.tokens.pop(0) if self.tokens[0] in texts else ""

    def sum(self) -> int:
        value = -self.quotient() if self.take("-") else self.quotient()
        while sign := self.take("+", "-"):
            value += self.quotient() if sign == "+" else -self.quotient()
        return value

    def quotient(self) -> int:
        value = self.product()
        while self.tokens[0] not in {"", ")", "+", "-"}:
            if self.take("/"):
                value = divided(value, self.product())
            else:
                value *= self.product()
        return value

    def product(self) -> int:
        value = self.factor()
        while self.close and self.tokens[0] not in {"", ")", "+", "-", "/"}:
            value *= self.factor()
        return value

    def factor(self) -> int:
        value = rooted(self.atom()) if self.take("sqrt") else self.atom()
        if self.take("^"):
            value **= int(self.tokens.pop(0))
        return value

    def atom(self) -> int:
        if not self.take("("):
            return VALUES[self.tokens.pop(0)]
        value = self.sum()
        assert self.take(")")
        return value


@given(st.recursive(LETTERS, grown, max_leaves=8))
@settings(max_examples=400, deadline=None)
def test_one_line_means_the_same(term: Term) -> None:
    line = inline(term.latex, ascii_only=True)
    assert line is not None
    for close in (False, True):
        assert Reading(line, close=close).value() == term.value % PRIME, line
