"""What cannot be drawn says so, and where; nothing else ever comes out of a faulty formula."""

from __future__ import annotations

import pytest

from workbench.maths import Unsupported, inline, layout

# Source, the place of the fault, and words of the message.
FAULTY = [
    (r"\foo x", 0, r"unknown command \foo"),
    (r"x + \color{red} y", 4, r"unknown command \color"),
    ("x ☃", 2, "unknown character ☃"),
    ("x²", 1, "unknown character ²"),
    ("x \x07", 2, "unknown character '\\x07'"),
    ("x + {y", 4, "{ is never closed"),
    ("x} + y", 1, "} without {"),
    (r"\frac{a}", 0, r"\frac lacks its argument"),
    (r"\frac{a", 5, "{ is never closed"),
    ("x^", 1, "^ lacks its argument"),
    ("x_}", 1, "_ lacks its argument"),
    ("{x^}", 2, "^ lacks its argument"),
    ("^2", 0, "nothing stands before ^"),
    (r"a \, _i", 5, "nothing stands before _"),
    ("'x", 0, "nothing stands before '"),
    (r"x \, ^2", 5, "nothing stands before ^"),
    ("a^b^c", 3, "double superscript"),
    ("a_b_c", 3, "double subscript"),
    ("a^b'", 3, "double superscript"),
    (r"\sum^2_i^3", 8, "double superscript"),
    ("a & b", 2, "& outside an environment"),
    (r"a \\ b", 2, r"\\ outside an environment"),
    (r"\begin{matrix} {a & b} \end{matrix}", 18, "& outside an environment"),
    (r"\left( x", 0, r"\left without \right"),
    (r"x \right)", 2, r"\right without \left"),
    (r"\left( {x \right) }", 10, r"\right without \left"),
    (r"\left x \right)", 6, r"\left needs a delimiter"),
    (r"\left( x \right", 15, r"\right needs a delimiter"),
    (r"x \middle| y", 2, r"\middle outside"),
    (r"\bigl x", 6, r"\bigl needs a delimiter"),
    (r"\begin{bmatrix} 1 & 2", 0, r"\begin is never closed"),
    (r"\begin{tabular} 1 \end{tabular}", 0, "unknown environment tabular"),
    (r"\begin{bmatrix} 1 \end{pmatrix}", 18, r"\begin{bmatrix} ends as something else"),
    (r"\begin bmatrix", 7, r"\begin needs a {"),
    (r"\begin{bmatrix", 6, "{ is never closed"),
    (r"x \end{bmatrix}", 2, r"\end without \begin"),
    (r"\begin{array}{c|c} 1 & 2 \end{array}", 0, "array columns"),
    (r"\begin{matrix} \hline 1 \end{matrix}", 15, r"unknown command \hline"),
    (r"\begin{matrix}" + r"&&&&&&&&&\\" * 70 + r"\end{matrix}", 674, "more than 600 cells"),
    (r"\text{a", 5, "{ is never closed"),
    (r"\text x", 6, r"\text needs a {"),
    (r"\text{a $b}", 10, "} without {"),
    (r"\text{a \emph{b}}", 8, r"\emph inside text"),
    (r"\text{日本}", 5, "no ASCII form"),
    (r"\operatorname{\frac{a}{b}}", 0, "takes a plain word"),
    (r"\operatorname{sim(x)}", 0, "takes a plain word"),
    (r"\operatorname{\alpha}", 0, "takes a plain word"),
    (r"\operatorname{}", 0, "takes a plain word"),
    (r"\mathcal{x}", 0, r"\mathcal has no such letter"),
    (r"\mathbb{+}", 0, r"\mathbb has no such letter"),
    (r"\sqrt[x/y]{z}", 0, "short index"),
    (r"\sqrt[3{x}", 5, "[ is never closed"),
    (r"x \limits_i", 2, r"\limits belongs after an operator"),
    (r"\limits_i", 0, r"\limits belongs after an operator"),
    ("$x$", 0, "$ inside a formula"),
    ("50% x", 2, r"% must be written \%"),
    ("x + \\", 4, "lone backslash"),
    ("{" * 50 + "x" + "}" * 50, 40, "nested more than 40 deep"),
    ("(" * 600 + ")" * 600, 0, None),
    (r"\left(" * 39 + "(" * 39 + "x" + ")" * 39 + r"\right)" * 39, 0, "nested too deep"),
    ("x" * 2001, 2000, "longer than 2000 characters"),
]


@pytest.mark.parametrize(("source", "position", "words"), FAULTY)
def test_fault(source: str, position: int, words: str | None) -> None:
    if words is None:
        layout(source)
        return
    for draw in (layout, inline):
        for ascii_only in (False, True):
            with pytest.raises(Unsupported) as caught:
                draw(source, ascii_only=ascii_only)
            assert words in caught.value.message
            assert caught.value.position == position


def test_unsupported_is_a_value_error_that_names_the_place() -> None:
    fault = Unsupported("double superscript", 3)
    assert isinstance(fault, ValueError)
    assert str(fault) == "double superscript (at 3)"
    assert (fault.message, fault.position) == ("double superscript", 3)
