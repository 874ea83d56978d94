"""Functions and roots, with brackets and without: log²(k), log k, max(N, M), √d."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from workbench.answers.formula.cursor import CLOSING
from workbench.answers.formula.errors import Unreadable
from workbench.answers.formula.shown import show
from workbench.answers.formula.tokens import Token
from workbench.answers.formula.tree import Call, Name, Negative, Number, Power, Product, Quotient, Transpose, Tree
from workbench.answers.formula.vocabulary import BARE, FUNCTIONS

if TYPE_CHECKING:
    from workbench.answers.formula.parser import Parser


def function(parser: Parser) -> Tree:
    """A function with its argument; a power may stand before the argument: log²(k)."""
    word = parser.take()
    exponent = _power_of_function(parser, word) if parser.sign("^") else None
    arguments = parser.arguments() if parser.sign(*CLOSING) else [_bare(parser, word)]
    tree = call(parser, word.value, arguments, word)
    if exponent is None:
        return tree
    if parser.sign("^"):
        raise parser.wrong("a power of a power needs brackets: (a^b)^c or a^(b^c)")
    return parser.made(Power(tree, exponent, span=parser.span(word.start)))


def call(parser: Parser, name: str, arguments: list[Tree], word: Token) -> Tree:
    """The node of a function, once the number of its arguments fits."""
    fewest, most = FUNCTIONS.get(name, (1, 1))
    if not fewest <= len(arguments) <= most:
        wanted = "1 argument" if most == 1 else f"up to {most} arguments"
        raise parser.wrong(f"{name} takes {wanted}, not {len(arguments)}", word)
    span = parser.span(word.start)
    if name == "inv":
        minus_one = parser.made(Negative(parser.made(Number(Fraction(1), span=span)), span=span))
        return parser.made(Power(arguments[0], minus_one, span=span))
    if name == "transpose":
        return parser.made(Transpose(arguments[0], span=span))
    return parser.made(Call(name, tuple(arguments), span=span))


def _power_of_function(parser: Parser, word: Token) -> Tree:
    exponent = parser.exponent(Name(f"{word.value}(…)"))
    if (isinstance(exponent, Number) and exponent.value.denominator == 1) or isinstance(exponent, Name):
        return exponent
    raise parser.wrong(f"a power of {word.value} is a whole number here; else write ({word.value}(x))^…", word)


def _bare(parser: Parser, word: Token) -> Tree:
    """An argument without brackets: what touches, as in `log NM`; what follows at a distance may be meant otherwise."""
    name = word.value
    if name not in BARE:
        raise parser.wrong(f"brackets are missing: {name}(…)")
    if not (parser.starts_factor() or parser.here.kind == "number"):
        raise parser.wrong(f"the argument of {name} is missing")
    with parser.deeper():
        start = parser.here.start
        tree = parser.power()
        while parser.here.kind in ("name", "constant") and not parser.here.spaced:
            right = parser.power()
            tree = parser.made(Product(tree, right, juxtaposed=True, span=parser.span(start)))
    plain_root = name == "sqrt" and isinstance(tree, Number) and parser.here.spaced
    if parser.starts_factor() and parser.here.kind != "function" and not plain_root:
        raise _ambiguous(parser, name, tree)
    return tree


def _ambiguous(parser: Parser, name: str, body: Tree) -> Unreadable:
    ahead = parser.ahead()
    inside, outside = Call(name, (Product(body, ahead),)), Product(Call(name, (body,)), ahead)
    return parser.ambiguous(show(inside), show(outside))


def root(parser: Parser) -> Tree:
    r"""`√d` takes what touches it, `\sqrt` a brace or one sign; `\sqrt[3]{x}` is a power."""
    sign = parser.take()
    degree: Tree | None = None
    if sign.value == "sqrt" and parser.sign("["):
        degree = parser.bracket()
    if parser.sign(*CLOSING):
        body = parser.bracket()
    elif parser.starts_factor() or parser.here.kind == "number":
        with parser.deeper():
            body = parser.power() if sign.value == "root" else _single(parser)
        if sign.value == "root" and parser.here.kind in ("name", "constant") and not parser.here.spaced:
            raise _ambiguous(parser, "sqrt", body)
    else:
        raise parser.wrong("what the root is taken of is missing")
    if degree is None:
        return call(parser, "sqrt", [body], sign)
    span = parser.span(sign.start)
    one = parser.made(Number(Fraction(1), span=span))
    return parser.made(Power(body, parser.made(Quotient(one, degree, span=span)), span=span))


def _single(parser: Parser) -> Tree:
    r"""What LaTeX takes for the argument of `\sqrt` without braces."""
    if parser.here.kind in ("number", "name", "constant"):
        return parser.leaf()
    return parser.atom()
