r"""A tree as LaTeX: `2\,\sigma^{2}\,\|\mu\|^{2} + d\,\sigma^{4}`. `read` makes the same tree of it."""

from __future__ import annotations

import re
from typing import Final

from workbench.answers.formula.shown import ATOM, FACTOR, POWER, SUM, TERM, number
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
from workbench.answers.formula.vocabulary import COMMANDS, GREEK, GREEK_WORDS

_SIGNS: Final = {
    Sum: (" + ", SUM),
    Difference: (" - ", SUM),
    Product: (r"\,", TERM),
    MatrixProduct: (" @ ", TERM),
    Elementwise: (r" \odot ", TERM),
}
_AROUND: Final = {
    "abs": ("|", "|"),
    "norm": (r"\|", r"\|"),
    "norm_F": (r"\|", r"\|_{F}"),
    "norm_1": (r"\|", r"\|_{1}"),
    "norm_2": (r"\|", r"\|_{2}"),
    "ceil": (r"\lceil ", r" \rceil"),
    "floor": (r"\lfloor ", r" \rfloor"),
}
_WORDS: Final = {"log2": r"\log_{2}", "log10": r"\log_{10}"}


def latex(tree: Tree) -> str:
    """The formula as LaTeX mathematics, without dollars."""
    return _latex(tree)[0]


def _latex(tree: Tree) -> tuple[str, int]:
    match tree:
        case Number(value):
            return re.sub("e(.*)", r"\\mathrm{e}\1", number(value)), ATOM
        case Constant(constant):
            return (r"\pi" if constant == "pi" else constant), ATOM
        case Name(declared):
            return _name(declared), ATOM
        case Negative(body):
            return "-" + _at(body, TERM), SUM
        case Quotient(left, right):
            return rf"\frac{{{latex(left)}}}{{{latex(right)}}}", FACTOR
        case Power(base, exponent):
            return f"{_base(base, ATOM)}^{{{latex(exponent)}}}", POWER
        case Transpose(body):
            return _base(body, POWER) + r"^{\top}", ATOM
        case Call(function, arguments):
            return _call(function, arguments)
        case _:
            sign, level = _SIGNS[type(tree)]
            behind = _at(tree.right, level + 1)
            if isinstance(tree, Product) and behind[0] in "0123456789":
                sign = r" \cdot "
            return _at(tree.left, level) + sign + behind, level


def _at(tree: Tree, level: int) -> str:
    text, own = _latex(tree)
    return text if own >= level else _bracketed(text)


def _base(tree: Tree, level: int) -> str:
    """What something is raised behind; two things raised one after the other are an error to LaTeX."""
    text, own = _latex(tree)
    if own < level:
        return _bracketed(text)
    return f"{{{text}}}" if isinstance(tree, Transpose | Power) or text.endswith("'") else text


def _bracketed(text: str) -> str:
    tall = r"\frac" in text
    return rf"\left({text}\right)" if tall else f"({text})"


def _name(declared: str) -> str:
    r"""`W1` is `W_{1}`, `d_model` is `d_{\mathrm{model}}`, `sigma` is `\sigma`."""
    head, bar, tail = declared.partition("_")
    digits = re.fullmatch(r"([^\W\d]+)([0-9]+)", head)
    if digits and not bar:
        head, tail = digits[1], digits[2]
    text = _word(head)
    if not tail:
        return text
    primes = "'" * (len(tail) - len(tail.rstrip("'")))
    tail = tail.rstrip("'").removeprefix("{").removesuffix("}")
    return f"{text}_{{{_word(tail)}}}{primes}"


def _word(word: str) -> str:
    if word in GREEK or word in GREEK_WORDS:
        return "\\" + (word if word in GREEK else GREEK_WORDS[word])
    return rf"\mathrm{{{word}}}" if len(word) > 1 and word.isalpha() else word


def _call(function: str, arguments: tuple[Tree, ...]) -> tuple[str, int]:
    inner = ", ".join(latex(part) for part in arguments)
    if function == "sqrt":
        return rf"\sqrt{{{inner}}}", ATOM
    if function in _AROUND and not (function in ("abs", *_NORMS) and "|" in inner):
        left, right = _AROUND[function]
        return left + inner + right, ATOM
    word = _WORDS.get(function, f"\\{function}" if function in COMMANDS else None)
    word = word or rf"\operatorname{{{function}}}".replace("_", r"\_")
    return word + _bracketed(inner), ATOM


_NORMS: Final = ("norm", "norm_F", "norm_1", "norm_2")
