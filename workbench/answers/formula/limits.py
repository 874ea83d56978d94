"""How large a formula may be, and a look at the size of its numbers before anyone computes with them.

Reading does no arithmetic. What it returns can be computed with safely: no exponent is beyond
`EXPONENT`, and no part made of numbers alone is beyond `VALUE`, so that exact integers stay short.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from workbench.answers.formula.errors import Unreadable
from workbench.answers.formula.tree import (
    Call,
    Constant,
    Difference,
    Name,
    Negative,
    Number,
    Power,
    Quotient,
    Sum,
    Tree,
    children,
)

LENGTH: Final = 400  # characters of a formula
DEPTH: Final = 40  # brackets within brackets
NODES: Final = 300  # parts of a tree
DIGITS: Final = 12  # characters of a number
TEN: Final = 30  # the exponent in 1e30
EXPONENT: Final = 1000
VALUE: Final = 1e300

_KNOWN: Final[dict[str, Callable[[float], float]]] = {
    "exp": math.exp,
    "sqrt": math.sqrt,
    "log": math.log,
    "log2": math.log2,
    "log10": math.log10,
    "abs": abs,
}


def check_numbers(tree: Tree) -> None:
    """Refuse powers that nobody could write out.

    Raises:
        Unreadable: at the power, the quotient by nought or the number that is too large.
    """
    _size(tree)


def _size(tree: Tree) -> float | None:
    """The value of a part made of numbers alone, roughly; None for any other part."""
    sizes = [_size(part) for part in children(tree)]
    if isinstance(tree, Power) and sizes[1] is not None and abs(sizes[1]) > EXPONENT:
        raise Unreadable.over(tree.exponent.span, f"an exponent beyond {EXPONENT} is not read")
    if isinstance(tree, Quotient) and isinstance(tree.right, Number) and not tree.right.value:
        raise Unreadable.over(tree.right.span, "nothing can be divided by 0")
    known = [size for size in sizes if size is not None]
    if len(known) < len(sizes) or isinstance(tree, Name):
        return None
    try:
        value = _value(tree, known)
    except OverflowError:
        value = math.inf
    except (ValueError, ZeroDivisionError):  # a root of -1: for whoever computes it to say
        return None
    if value is not None and (abs(value) > VALUE or (isinstance(tree, Power) and _vanishes(value, known))):
        raise Unreadable.over(tree.span, "this number has hundreds of digits; write it with smaller powers")
    return value


def _vanishes(value: float, parts: list[float]) -> bool:
    return abs(value) < 1 / VALUE and parts[0] != 0


def _value(tree: Tree, parts: list[float]) -> float | None:
    match tree:
        case Number(value):
            return float(value)
        case Constant(name):
            return math.e if name == "e" else math.pi
        case Negative():
            return -parts[0]
        case Sum():
            return parts[0] + parts[1]
        case Difference():
            return parts[0] - parts[1]
        case Quotient():
            return parts[0] / parts[1]
        case Power():
            value = parts[0] ** parts[1]
            return value if isinstance(value, float) else None  # a root of a negative number is complex
        case Call(function, _):
            return _call(function, parts)
        case _:
            return math.prod(parts)


def _call(function: str, parts: list[float]) -> float | None:
    if function in ("max", "min"):
        return max(parts) if function == "max" else min(parts)
    return _KNOWN[function](parts[0]) if function in _KNOWN else None
