"""Wrong answers made from right ones: none may pass, unless numbers say that it is no wrong answer."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import pytest

from tests.answers.formula.growth_oracle import agrees, rays
from workbench.answers.formula import read
from workbench.answers.formula.growth import compare, conditions, growth
from workbench.answers.formula.tree import Call, Name, Number, Power, Product, Quotient, Sum, Tree

RIGHT = [
    # (variables, what is given, the class)
    ("N D M", (), "N^2*D + N^2*M"),
    ("N D M", (), "N^2 + N*D + N*M"),
    ("N D M", (), "N*D^2*M"),
    ("N D M", ("M ~ D",), "N*D^2*M"),
    ("N D M", (), "N*D + N*M + D^2*M"),
    ("N D M", ("M ~ D",), "N*D + D^3"),
    ("N D M", (), "N*D + N*M + D^2*M + N*D^2"),
    ("N D M k", (), "N*D*k + N*M*k"),
    ("N M k", (), "N*k*M"),
    ("N D M k", (), "N*k + M*k + N*D + N*M"),
    ("n d", (), "n^2*d"),
    ("n d", (), "n^2 + n*d"),
    ("n d", (), "n^2*d + n*d^2"),
    ("n d", (), "n^2 + n*d + d^2"),
    ("n d h", (), "h*n^2*d + h*n*d^2"),
    ("n d h", (), "n^2 + h*n*d + h*d^2"),
    ("n d", ("n >> d",), "n*d^2"),
    ("n d", ("n >> d",), "n*d"),
    ("n m d", (), "n*m*d"),
    ("n m d", (), "n*m + n*d + m*d"),
    ("n m d", ("n >= m, d",), "n*m + n*d"),
    ("T k", (), "T*k^2*log(k)"),
    ("T k", (), "T*k^2"),
    ("T k M", (), "T*(k*M*log(M) + k^2*log(k))"),
    ("T k M", ("k <= M",), "T*k*M*log(M)"),
    ("T k M", ("M const",), "T*k^2*log(k)"),
]


def mutants(tree: Tree, names: tuple[str, ...]) -> Iterator[Tree]:
    """The tree with one thing wrong: a factor or term dropped, an exponent raised, a variable swapped."""
    match tree:
        case Name(name):
            yield Power(tree, Number(Fraction(2)))
            yield Number(Fraction(1))
            yield Call("log", (tree,))
            yield from (Name(other) for other in names if other != name)
        case Power(base, Number(value)):
            yield base
            yield Power(base, Number(value + 1))
            yield from (Power(wrong, Number(value)) for wrong in mutants(base, names) if isinstance(wrong, Name))
        case Sum(left, right) | Product(left, right):
            yield left
            yield right
            yield Product(left, right) if isinstance(tree, Sum) else Sum(left, right)
            yield Quotient(left, right)
            yield from (type(tree)(wrong, right) for wrong in mutants(left, names))
            yield from (type(tree)(left, wrong) for wrong in mutants(right, names))
        case Call(function, (body,)):
            yield body
            yield Power(tree, Number(Fraction(2)))
            yield from (Call(function, (wrong,)) for wrong in mutants(body, names) if isinstance(wrong, Name | Power))


@pytest.mark.parametrize(("variables", "under", "right"), RIGHT)
def test_no_mutant_passes(variables: str, under: tuple[str, ...], right: str) -> None:
    names = tuple(variables.split())
    tree = read(right, names).tree
    wanted, allowed = growth(tree, names), conditions(under, names)
    verdicts = set()
    for wrong in {*mutants(tree, names)}:
        found = compare(growth(wrong, names), wanted, allowed)
        agrees(found, wrong, tree, names, rays(names, under)[:: len(names) - 1])
        verdicts.add(found.relation)
    assert {"too large", "too small"} <= verdicts


def test_some_mutants_are_right() -> None:
    """N² + N·D + N·M without its N·D is wrong, but under M ~ D it is right."""
    names = ("N", "D", "M")
    right, wrong = (growth(read(text, names).tree, names) for text in ("N^2 + N*D + N*M", "N^2 + N*M"))
    assert compare(wrong, right, conditions((), names)).relation == "too small"
    assert compare(wrong, right, conditions(("M ~ D",), names)).relation == "equal"
