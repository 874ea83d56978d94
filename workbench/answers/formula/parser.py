r"""From tokens to a tree, by recursive descent.

Where a formula may be meant in two ways (`1/2N`, `log k M`) it is refused with both ways written out,
since a refusal costs no attempt. The grammar, loosest first::

    formula   relation bracket | sum
    sum       ('+' | '-')? term (('+' | '-') term)*
    term      factor (('*' | '/' | '@' | '.*' | nothing) factor)*
    factor    ('-' | '+') factor | power
    power     atom (transpose | '^' exponent | subscript of a norm)*
    exponent  '-'? (number | name | constant | bracket)
    atom      number | name | constant | bracket | bars | function | root | \frac | \sqrt
"""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Final

from workbench.answers.formula.cursor import CLOSING, Cursor
from workbench.answers.formula.errors import Unreadable
from workbench.answers.formula.functions import call, function, root
from workbench.answers.formula.limits import NODES
from workbench.answers.formula.shown import show
from workbench.answers.formula.tokens import Token
from workbench.answers.formula.tree import (
    Binary,
    Call,
    Constant,
    Difference,
    Elementwise,
    MatrixProduct,
    Name,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
    Transpose,
    Tree,
)

_BINARY: Final[dict[str, type[Binary]]] = {
    "+": Sum,
    "-": Difference,
    "*": Product,
    "/": Quotient,
    "@": MatrixProduct,
    ".*": Elementwise,
}
_NORMS: Final = {"F": "norm_F", "1": "norm_1", "2": "norm_2"}


class Parser(Cursor):
    """Reads one list of tokens, once."""

    def formula(self) -> Tree:
        """Everything, to the last token."""
        letter = self.take() if self.here.kind == "relation" else None
        tree = self.bracket() if letter else self.sum()
        if self.here.kind != "end":
            if letter:
                raise self.wrong(f"{letter.value}(…) can only stand around the whole formula", letter)
            raise self.unexpected()
        return tree

    def sum(self) -> Tree:
        """Terms, added and subtracted. A sign before the first stands for the whole term: -ab is -(ab)."""
        with self.deeper():
            start, negative = self.here.start, False
            while self.sign("+", "-"):
                negative ^= self.take().value == "-"
            tree = self.term()
            if negative:
                tree = self.made(Negative(tree, span=self.span(start)))
            while self.sign("+", "-"):
                sign = self.take().value
                right = self.term()
                tree = self.made(_BINARY[sign](tree, right, span=self.span(start)))
        return tree

    def term(self) -> Tree:
        """Factors, multiplied and divided from left to right."""
        start = self.here.start
        tree = self.factor()
        slash: Token | None = None  # the slash before the factor read last
        while True:
            if self.sign("*", "/", "@", ".*"):
                sign = self.take()
                if sign.value == "/":
                    self._refuse_half_power(tree)
                right = self.factor()
                tree = self.made(_BINARY[sign.value](tree, right, span=self.span(start)))
                slash = sign if sign.value == "/" else None
            elif self.starts_factor():
                if slash and not self._plainly_a_fraction(tree, slash):
                    raise self._ambiguous_quotient(tree)
                right = self.power()
                tree = self.made(Product(tree, right, juxtaposed=True, span=self.span(start)))
                slash = None
            else:
                return tree

    def _refuse_half_power(self, tree: Tree) -> None:
        """`N^1/2` is N divided by 2 to a reader and the root of N to whoever typed it."""
        if isinstance(tree, Power) and tree.exponent == Number(Fraction(1)) and self.here.kind == "number":
            caret = self.tokens[self.at - 3]
            if caret.value == "^":
                raise self.wrong(f"write the exponent in brackets: x^(1/{self.here.value})", caret)

    def _ambiguous_quotient(self, tree: Tree) -> Unreadable:
        assert isinstance(tree, Quotient)
        below = Quotient(tree.left, Product(tree.right, self.ahead()))
        return self.ambiguous(show(below), f"({show(tree)})·{show(self.ahead())}")

    def _plainly_a_fraction(self, tree: Tree, slash: Token) -> bool:
        """`1/2 N` with its gap is half of N; `1/2N` may be either."""
        if not isinstance(tree, Quotient):
            return False
        numbers = isinstance(tree.left, Number) and isinstance(tree.right, Number)
        return numbers and self.here.spaced and not slash.spaced and not self.tokens[self.at - 1].spaced

    def factor(self) -> Tree:
        """A power, or signs before one."""
        start, negative = self.here.start, False
        while self.sign("+", "-"):
            negative ^= self.take().value == "-"
        tree = self.power()
        return self.made(Negative(tree, span=self.span(start))) if negative else tree

    def starts_factor(self) -> bool:
        """Whether the next token begins a factor, so that a product without a sign goes on."""
        if self.here.kind == "bar":
            return not self.closes_bars()
        return self.here.kind in ("name", "constant", "function", "command") or self.sign(*CLOSING)

    def power(self) -> Tree:
        """An atom with what is raised behind it."""
        start = self.here.start
        tree = self.atom()
        powered = False
        while True:
            if self.here.kind == "transpose":
                self.take()
                tree, powered = self.made(Transpose(tree, span=self.span(start))), False
            elif self.sign("^"):
                if powered:
                    raise self.wrong("a power of a power needs brackets: (a^b)^c or a^(b^c)")
                exponent = self.exponent(tree)
                tree, powered = self.made(Power(tree, exponent, span=self.span(start))), True
            elif self.here.kind == "subscript":
                tree = self._norm_subscript(tree)
            else:
                return tree

    def exponent(self, base: Tree) -> Tree:
        """What follows a ^: one number, one name or one bracket, with a sign if need be."""
        self.take()
        start, negative = self.here.start, False
        while self.sign("+", "-"):
            negative ^= self.take().value == "-"
        token = self.here
        if self.sign(*CLOSING):
            tree = self.bracket()
        elif token.kind in ("number", "name", "constant"):
            tree = self.leaf()
            if token.kind != "number" and self.here.kind in ("name", "constant") and not self.here.spaced:
                inside, outside = Power(base, Product(tree, self.ahead())), Product(Power(base, tree), self.ahead())
                raise self.ambiguous(show(inside), show(outside))
        elif token.kind == "end" or self.sign(")", "]", "}", "*", "/", ",", "^"):
            raise self.wrong("the exponent is missing")
        else:
            raise self.wrong("write the exponent in brackets: x^(…)")
        return self.made(Negative(tree, span=self.span(start))) if negative else tree

    def atom(self) -> Tree:
        """The smallest parts, and everything within brackets."""
        token = self.here
        if token.kind in ("number", "name", "constant"):
            return self.leaf()
        if self.sign(*CLOSING):
            return self.bracket()
        if token.kind == "bar":
            return self.bars()
        if token.kind == "function":
            return function(self)
        if token.kind == "command" and token.value == "frac":
            return self._fraction()
        if token.kind == "command":
            return root(self)
        raise self.unexpected()

    def leaf(self) -> Tree:
        """A number, a name or a constant."""
        token = self.take()
        span = self.span(token.start)
        if token.kind == "number":
            return self.made(Number(token.number, span=span))
        if token.kind == "name":
            return self.made(Name(token.value, span=span))
        return self.made(Constant(token.value, span=span))

    def bracket(self) -> Tree:
        """(…), […] or {…}; leaves no node of its own."""
        return self.arguments(most=1)[0]

    def arguments(self, most: int = NODES) -> list[Tree]:
        """What stands between two brackets, parted by commas."""
        opened = self.take()
        self.open.append(opened)
        found = [self.sum()]
        while self.sign(",") and len(found) < most:
            self.take()
            found.append(self.sum())
        if not self.sign(CLOSING[opened.value]):
            raise self.unclosed(opened)
        self.take()
        self.open.pop()
        return found

    def bars(self) -> Tree:
        """|x| or ‖x‖."""
        opened = self.take()
        self.open.append(opened)
        body = self.sum()
        if not self.closes_bars():
            raise self.unclosed(opened)
        if opened.value == "|" and self.here.value == "||":  # |x||y|: the second | belongs to what follows
            here = self.here
            middle = here.start + 1
            self.tokens[self.at : self.at + 1] = [
                dataclasses.replace(here, value="|", end=middle),
                dataclasses.replace(here, value="|", start=middle, spaced=False),
            ]
        self.take()
        self.open.pop()
        return call(self, "abs" if opened.value == "|" else "norm", [body], opened)

    def closes_bars(self) -> bool:
        """Whether the next token closes the bars opened last."""
        if self.here.kind != "bar" or not self.open or self.open[-1].kind != "bar":
            return False
        opened = self.open[-1].value
        if opened == "|":
            return self.here.value in ("|", "||")
        return self.here.value in ("||", "‖")

    def _norm_subscript(self, tree: Tree) -> Tree:
        """`‖x‖_F` and `‖x‖_F^2`, but also `‖x‖^2_F`."""
        norm = tree.base if isinstance(tree, Power) else tree
        if not isinstance(norm, Call) or norm.function != "norm":
            raise self.unexpected()
        if self.here.value not in _NORMS:
            raise self.wrong("a norm has the subscript F, 1 or 2 here")
        norm = dataclasses.replace(norm, function=_NORMS[self.take().value])
        return dataclasses.replace(tree, base=norm) if isinstance(tree, Power) else norm

    def _fraction(self) -> Tree:
        r"""`\frac{a}{b}`, or `\frac12`."""
        command = self.take()
        parts: list[Tree] = []
        if self.here.kind == "number" and len(self.here.value) == 2 and self.here.value.isdigit():
            digits = self.take()
            for digit in digits.value:
                number = Fraction(int(digit))
                parts.append(self.made(Number(number, span=(digits.start, digits.end))))
        while len(parts) < 2:
            if self.sign("{"):
                parts.append(self.bracket())
            elif self.here.kind in ("number", "name", "constant"):
                parts.append(self.leaf())
            else:
                raise self.wrong("\\frac needs two braces: \\frac{a}{b}")
        return self.made(Quotient(*parts, span=self.span(command.start)))
