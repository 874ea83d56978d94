"""Boxes, ready matrices, and the rules of drawing that a list of pictures would not show."""

from __future__ import annotations

import subprocess
import sys

import pytest

from workbench.maths import Box, beside, blank, inline, layout, matrix, pad, stack, text_box


def rows(box: Box) -> list[str]:
    return list(box.lines)


class TestBoxes:
    def test_width_counts_columns_not_characters(self) -> None:
        assert text_box("x̂y").width == 2
        assert text_box("日").width == 2
        assert (blank(3).width, blank(3).height) == (3, 1)
        assert Box(()).width == 0

    def test_beside_stands_on_one_baseline(self) -> None:
        tall = Box(("a", "b", "c"), base=1)
        deep = Box(("d", "e"), base=0)
        both = beside([tall, text_box("="), deep])
        assert rows(both) == ["a  ", "b=d", "c e"]
        assert both.base == 1

    def test_beside_nothing_is_an_empty_line(self) -> None:
        assert beside([]) == text_box("")

    def test_stack_centres(self) -> None:
        assert stack([text_box("a"), text_box("---"), text_box("b")], base=1) == Box((" a ", "---", " b "), 1)
        assert rows(stack([text_box("a"), text_box("bcd")], 0, "r")) == ["  a", "bcd"]

    @pytest.mark.parametrize(("align", "line"), [("l", "x    "), ("c", "  x  "), ("r", "    x")])
    def test_pad(self, align: str, line: str) -> None:
        assert pad(text_box("x"), 5, align).lines == (line,)  # type: ignore[arg-type]

    def test_a_box_is_never_narrowed(self) -> None:
        assert pad(text_box("wide"), 2) == text_box("wide")

    def test_text_of_a_box_ends_without_blanks(self) -> None:
        assert str(Box(("a ", "bc"))) == "a\nbc"


class TestMatrix:
    def test_a_vector_is_one_row(self) -> None:
        assert matrix([["1", "1", "2"]]) == Box(("[1 1 2]",))

    def test_columns_are_set_to_the_right(self) -> None:
        assert rows(matrix([["1", "-2"], ["10", "3"], ["0", "0"]])) == ["⎡ 1 -2⎤", "⎢10  3⎥", "⎣ 0  0⎦"]

    def test_ascii(self) -> None:
        drawn = matrix([["−1", "α"], ["2", "x"]], ascii_only=True)
        assert rows(drawn) == ["[-1 alpha]", "[ 2     x]"]

    def test_fences(self) -> None:
        column = [["1"], ["2"]]
        assert rows(matrix(column, fence="()")) == ["⎛1⎞", "⎝2⎠"]
        assert rows(matrix(column, fence="||")) == ["│1│", "│2│"]
        assert rows(matrix(column, fence="{}")) == ["⎧ ⎫", "⎨1⎬", "⎩2⎭"]
        assert rows(matrix(column, fence="")) == ["1", "2"]

    def test_the_baseline_is_in_the_middle(self) -> None:
        keys = matrix([["1"], ["2"], ["3"]])
        assert keys.base == 1
        assert rows(beside([text_box("K = "), keys]))[1] == "K = ⎢2⎥"

    def test_empty(self) -> None:
        assert matrix([]) == matrix([[]]) == Box(("[]",))

    @pytest.mark.parametrize("fence", ["[", "[]]", "ab", "+-", "[x"])
    def test_what_is_no_fence(self, fence: str) -> None:
        with pytest.raises(ValueError, match="not a pair of brackets"):
            matrix([["1"], ["2"]], fence=fence)

    def test_faulty_cells(self) -> None:
        with pytest.raises(ValueError, match="one length"):
            matrix([["1"], ["1", "2"]])
        with pytest.raises(ValueError, match="not one line"):
            matrix([["1\n2"]])
        with pytest.raises(ValueError, match="no ASCII form"):
            matrix([["☃"]], ascii_only=True)


class TestBaseline:
    @pytest.mark.parametrize(
        ("source", "line"),
        [
            (r"\frac{a}{b}", "───"),
            (r"x = \frac{\frac{a}{b}}{c}", "x = ─────"),
            (r"\sum_{i=1}^n x_i", " ∑  xᵢ"),
            (r"a + \begin{bmatrix} 1 \\ 2 \\ 3 \end{bmatrix}", "a + ⎢2⎥"),
            (r"\begin{cases} 1 & a \\ 2 & b \end{cases}", "⎨      "),
            (r"f_\theta", "f "),
            (r"e^{-x/2}", "e    "),
            (r"\underbrace{x}_{y}", " x "),
            (r"\overbrace{x}^{y}", " x "),
            (r"\sqrt{a + b}", "√a + b"),
        ],
    )
    def test_line_on_the_baseline(self, source: str, line: str) -> None:
        assert layout(source).baseline == line


class TestScripts:
    def test_capitals_are_small_only_if_all_can_be(self) -> None:
        assert layout("W^K + W^V").height == 1
        assert layout("W^K + W^Q").height == 2
        assert layout(r"A^T + W^Q").lines[1].startswith("Aᵀ")

    def test_a_script_takes_one_digit_as_in_latex(self) -> None:
        assert inline("x^12") == "x¹2"
        assert inline("x_{12}") == "x₁₂"

    def test_scripts_stand_at_the_closing_bracket(self) -> None:
        assert rows(layout("(x_\\theta)^2")) == ["(x )²", "  θ  "]

    def test_brackets_where_a_script_would_be_misread(self) -> None:
        assert inline("{x^2}^3") == "(x²)³"
        assert inline("{x_a}_b", ascii_only=True) == "(x_a)_b"
        assert inline(r"\sqrt{x}^2") == "(√x)²"


class TestLinear:
    @pytest.mark.parametrize(
        ("source", "line"),
        [
            (r"\frac{a}{b}", "a/b"),
            (r"\frac{a + b}{c}", "(a + b)/c"),
            (r"\frac{a}{b c}", "a/(bc)"),
            (r"\frac{(a + b)}{(c)}", "(a + b)/(c)"),
            (r"\frac{1}{2} x", "(1/2) x"),
            (r"x \frac{1}{2}", "x (1/2)"),
            (r"\frac{1}{2} + x", "1/2 + x"),
            (r"a / \frac{b}{c}", "a/(b/c)"),
            (r"a \div \frac{b}{c}", "a ÷ (b/c)"),
            (r"a \cdot \frac{-b}{c}", "a · (−b)/c"),
            (r"\frac{-b}{c}", "−b/c"),
            (r"\frac{a}{b} / c", "(a/b)/c"),
            (r"\log\frac{a}{b}", "log(a/b)"),
            (r"\frac{\log a}{b}", "(log a)/b"),
            (r"\frac{\exp(a)}{\exp(b)}", "exp(a)/exp(b)"),
            (r"\frac{a}{b}^2", "(a/b)²"),
            (r"{x + \frac{a}{b}}^2", "(x + a/b)²"),
            (r"\frac{a/b}{c}", "(a/b)/c"),
            (r"\frac{1}{2^{n}}", "1/2ⁿ"),
            (r"\frac{x}{10}", "x/10"),
            (r"\frac{a}{n!}", "a/(n!)"),
            (r"\frac{a}{n(k)} \quad \frac{a}{n(k+1)}", "a/n(k)  a/(n(k + 1))"),
            (r"\sum_{i=1}^n \frac{1}{i}", "∑ᵢ₌₁ⁿ (1/i)"),
            (r"\sqrt{\frac{a}{b}}", "√(a/b)"),
            (r"\underset{x}{\operatorname{argmin}} f(x)", "argminₓ f(x)"),
        ],
    )
    def test_line(self, source: str, line: str) -> None:
        assert inline(source) == line

    @pytest.mark.parametrize(
        "source",
        [
            r"\begin{bmatrix} 1 \\ 2 \end{bmatrix}",
            r"\binom{n}{k}",
            r"\underbrace{x}_{y}",
            r"a \overset{!}{=} b",
            r"\frac{}{b}",
            r"\left. \frac{a}{b} \right|_0",
        ],
    )
    def test_what_has_no_line(self, source: str) -> None:
        assert inline(source) is None

    def test_a_formula_of_one_line_is_left_as_it_is(self) -> None:
        assert inline(r"W_1 x_i + b") == "W₁xᵢ + b" == layout(r"W_1 x_i + b").lines[0]


class TestBlanks:
    @pytest.mark.parametrize(
        ("source", "line"),
        [
            (r"a \, = \; b", "a = b"),
            (r"a,\ b", "a, b"),
            (r"a \quad = b", "a  = b"),
            (r"= \text{ one } \text{ two }", "= one two"),
            (r"x \qquad", "x"),
            ("- - x", "−−x"),
            ("a - -b", "a − −b"),
            ("[ -1 , 2 ]", "[−1, 2]"),
            ("x := 1 ; y", "x := 1; y"),
            (r"\left( a \right) b", "(a)b"),
            (r"2\pi \sin\theta\cos\phi", "2π sin θ cos φ"),
        ],
    )
    def test_line(self, source: str, line: str) -> None:
        assert inline(source) == line

    @pytest.mark.parametrize(
        ("source", "line"),
        [
            (r"\alpha\beta x", "alpha beta x"),
            ("x_i y_j", "x_i y_j"),
            ("q^T k(x)", "q^T k(x)"),
            ("q^T (x)", "q^T (x)"),
            ("f_i(x)", "f_i(x)"),
            (r"x^* y", "x^* y"),
            (r"W_{ij} x", "W_{ij} x"),
            (r"2\pi", "2pi"),
        ],
    )
    def test_ascii_words_never_run_together(self, source: str, line: str) -> None:
        assert inline(source, ascii_only=True) == line


def test_importing_the_package_is_light() -> None:
    heavy = ("textual", "torch", "numpy", "markdown_it", "rich.console", "rich.text")
    code = f"import sys, workbench.maths; print([name for name in {heavy} if name in sys.modules])"
    proc = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert proc.stdout.strip() == "[]"
