"""A tree written out again in Unicode, with the fewest brackets: `N²·(D + M)`.

`read` makes the same tree of it, so that a student who copies the echo gets the same answer.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

from workbench.answers.formula.limits import DIGITS
from workbench.answers.formula.tree import (
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
from workbench.answers.formula.vocabulary import GREEK, LOWERED_DIGITS, RAISED_DIGITS

# How tightly a piece of text holds together; looser pieces are bracketed where a tighter one is needed.
SUM, TERM, FACTOR, POWER, ATOM = range(5)

_SIGNS: Final = {
    Sum: (" + ", SUM),
    Difference: (" − ", SUM),
    Product: ("·", TERM),
    Quotient: ("/", TERM),
    MatrixProduct: (" @ ", TERM),
    Elementwise: (" ∘ ", TERM),
}
_BRACKETS: Final = {"ceil": ("⌈", "⌉"), "floor": ("⌊", "⌋")}
_NORMS: Final = {"norm": "", "norm_F": "_F", "norm_1": "₁", "norm_2": "₂"}


def show(tree: Tree) -> str:
    """The formula in Unicode."""
    return _show(tree)[0]


def number(value: Fraction) -> str:
    """A number as `read` takes it: 0.001, 1200, 1.5e30."""
    shift = next((n for n in range(400) if (value * 10**n).denominator == 1), None)
    if shift is None:
        return f"({value})"
    digits = str(int(value * 10**shift)).rjust(shift + 1, "0")
    plain = f"{digits[:-shift]}.{digits[-shift:]}" if shift else digits
    if len(plain) <= DIGITS:
        return plain
    mantissa = digits.strip("0")
    power = len(digits) - len(digits.rstrip("0")) - shift
    return f"{mantissa}e{power}"


def name(text: str) -> str:
    """A declared name as it is set: sigma_1 is σ₁."""
    head, bar, tail = text.partition("_")
    digits = re.fullmatch(r"([^\W\d]+)([0-9]+)", head)
    if digits and not bar:
        head, tail = digits[1], digits[2]
    head, tail = GREEK.get(head, head), GREEK.get(tail, tail)
    if re.fullmatch(r"[0-9]+", tail):
        return head + tail.translate(LOWERED_DIGITS)
    return f"{head}_{tail}" if tail else head


def whole(tree: Tree) -> int | None:
    """The value of an exponent such as 2 or -1, which is raised without brackets."""
    if isinstance(tree, Negative):
        value = whole(tree.body)
        return None if value is None or value <= 0 or not isinstance(tree.body, Number) else -value
    if isinstance(tree, Number) and tree.value.denominator == 1 and tree.value < 10**DIGITS:
        return int(tree.value)
    return None


def _show(tree: Tree) -> tuple[str, int]:
    match tree:
        case Number(value):
            return number(value), ATOM
        case Constant(constant):
            return ("π" if constant == "pi" else constant), ATOM
        case Name(declared):
            return name(declared), ATOM
        case Negative(body):
            return "−" + _at(body, TERM), SUM
        case Power(base, exponent):
            return _at(base, ATOM) + _raised(exponent), POWER
        case Transpose(body):
            return _at(body, POWER) + "ᵀ", ATOM
        case Call(function, arguments):
            return _call(function, arguments)
        case _:
            sign, level = _SIGNS[type(tree)]
            return _at(tree.left, level) + sign + _at(tree.right, level + 1), level


def _at(tree: Tree, level: int) -> str:
    text, own = _show(tree)
    return text if own >= level else f"({text})"


def _raised(exponent: Tree) -> str:
    value = whole(exponent)
    if value is not None:
        return str(value).translate(RAISED_DIGITS)
    if isinstance(exponent, Number | Name | Constant):
        return "^" + _show(exponent)[0]
    return f"^({show(exponent)})"


def _call(function: str, arguments: tuple[Tree, ...]) -> tuple[str, int]:
    if function == "sqrt":
        return "√" + _at(arguments[0], ATOM), FACTOR
    inner = ", ".join(show(part) for part in arguments)
    if function == "abs" and not set("|‖") & set(inner):
        return f"|{inner}|", ATOM
    if function in _NORMS and "‖" not in inner:
        return f"‖{inner}‖{_NORMS[function]}", ATOM
    if function in _BRACKETS:
        left, right = _BRACKETS[function]
        return f"{left}{inner}{right}", ATOM
    return f"{function}({inner})", ATOM
