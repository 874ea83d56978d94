"""Statements as terminal text: what is filled into lines, what is left as it stands, and what fits at all."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

from engines.parameters.accumulation import Accumulation
from engines.parameters.argmax import Argmax
from engines.parameters.complexity import AttentionCost
from engines.parameters.decoding import Beam
from workbench.spec.exercise import ChoicePart, Option
from workbench.statement import Ink, draw_given, draw_markdown, option_lines


def drawn(source: str, width: int = 40, *, ascii_only: bool = False, given: Text | None = None) -> list[str]:
    return draw_markdown(source, width, ascii_only=ascii_only, given=given).plain.split("\n")


# -- words


def test_words_are_filled_into_lines() -> None:
    assert drawn("one two three\nfour five six seven eight", 15) == ["one two three", "four five six", "seven eight"]
    assert drawn("exactly ten", 11) == ["exactly ten"]
    assert drawn("exactly ten", 10) == ["exactly", "ten"]


def test_paragraphs_and_headings_stand_apart() -> None:
    assert drawn("# A title\nText\n\n\n\nmore") == ["A title", "", "Text", "", "more"]
    assert drawn("a\n\n---\n\nb") == ["a", "", "b"]


def test_styles() -> None:
    ink = Ink(strong="bold", emphasis="italic", code="green", heading="red", formula="blue")
    text = draw_markdown("# Head\n\n**strong** *soft* ***both*** `code` $x$ plain", 60, ink=ink)
    found = {text.plain[span.start : span.end]: str(span.style) for span in text.spans}
    assert found == {
        "Head": "red",
        "strong": "bold",
        "soft": "italic",
        "both": "italic bold",
        "code": "green",
        "x": "blue",
    }


def test_a_word_of_several_styles_is_not_torn() -> None:
    assert drawn("aaaa **bb**cc(`d`)", 10) == ["aaaa", "bbcc(d)"]


def test_what_is_longer_than_a_line_is_not_broken() -> None:
    assert drawn("a " + "x" * 30 + " b", 10) == ["a", "x" * 30, "b"]
    assert drawn("a `x y z of code` b", 10) == ["a", "x y z of code", "b"]


def test_wide_characters_take_two_cells() -> None:
    assert drawn("日本語 日本語 ab", 10) == ["日本語", "日本語 ab"]


def test_html_and_links_are_text() -> None:
    assert drawn("a <b>x</b> [link](cost.md)") == ["a <b>x</b> link"]


# -- lists and programs


def test_lists() -> None:
    source = "Before\n\n- first item of some length\n- second\n\n  with more\n- third\n\nAfter"
    assert drawn(source, 20) == [
        "Before",
        "",
        "• first item of some",
        "  length",
        "• second",
        "  with more",
        "• third",
        "",
        "After",
    ]
    assert drawn("3. three\n4. four\n\n   - inner one\n   - inner two\n5. five", 30) == [
        "3. three",
        "4. four",
        "  • inner one",
        "  • inner two",
        "5. five",
    ]


def test_long_numbers_of_a_list_hang() -> None:
    lines = drawn("9. nine and more words\n10. ten and more words", 15)
    assert lines == ["9. nine and", "   more words", "10. ten and", "    more words"]


def test_programs_keep_their_lines() -> None:
    source = "Look:\n\n```python\nfor x in y:\n    print(x)\n\nmore = 'a  b'\n```\n\nDone."
    assert drawn(source, 10) == ["Look:", "", "  for x in y:", "      print(x)", "", "  more = 'a  b'", "", "Done."]


# -- formulas


def test_a_formula_in_a_sentence_stays_whole() -> None:
    assert drawn("the query $q^2 + k$ and $x_i$", 14) == ["the query", "q² + k and xᵢ"]


def test_a_tall_formula_stands_on_lines_of_its_own() -> None:
    lines = drawn("Take $\\begin{pmatrix} a \\\\ b \\end{pmatrix}$ of it", 30)
    assert lines[0] == "Take"
    assert lines[-1] == "of it"
    rows = [line for line in lines[1:-1] if line.strip()]
    assert len(rows) == 2
    assert "a" in rows[0]
    assert "b" in rows[1]
    assert drawn("Take $\\frac{a}{b}$ of it", 30) == ["Take a/b of it"]


def test_a_display_formula_stands_apart_and_is_not_cut() -> None:
    lines = drawn("so\n$$a + b + c + d + e + f + g + h$$\nends", 12)
    assert lines == ["so", "  a + b + c + d + e + f + g + h", "ends"]


def test_a_formula_that_cannot_be_drawn_is_shown_as_its_source() -> None:
    assert drawn("a $\\nonsense{x}$ b") == ["a $\\nonsense{x}$ b"]
    assert drawn("a\n$$\\nonsense{x}$$\nb") == ["a", "  \\nonsense{x}", "b"]


def test_dollars_that_are_no_formula() -> None:
    assert drawn("it costs 5 \\$ or 6 \\$") == ["it costs 5 $ or 6 $"]


def test_a_formula_in_an_item_of_a_list() -> None:
    assert drawn("- take $$x + y$$ then go\n- $z$", 30) == ["• take", "    x + y", "  then go", "• z"]


# -- the data of a variant


def test_the_data_stand_where_the_statement_says() -> None:
    given = Text(" line one\n line two")
    assert drawn("Before\n\n{{given}}\n\nAfter", given=given) == ["Before", "", " line one", " line two", "", "After"]
    assert drawn("Before {{given}}", given=given) == ["Before", "", " line one", " line two"]
    assert drawn("No data", given=given) == ["No data"]
    assert drawn("Before\n\n{{given}}", given=None) == ["Before"]


ARGMAX = {"keys": [[1.0, 2.0, 0.0], [0.0, -3.0, 4.5]], "values": [[2.0], [1.0]], "query": [1.0, 1.0, 2.0]}


def test_matrices_side_by_side_and_stacked_where_it_is_narrow() -> None:
    wide = draw_given(ARGMAX, Argmax, 80).plain.split("\n")
    assert len(wide) == 3
    assert all(name in wide[0] for name in ("keys K", "values V", "the query q"))
    narrow = draw_given(ARGMAX, Argmax, 30).plain.split("\n")
    heads = [i for i, line in enumerate(narrow) if any(name in line for name in ("keys K", "values V", "the query"))]
    assert len(heads) == 3
    assert max(map(cell_len, narrow)) <= 30
    assert "−3" in "".join(narrow)


def test_a_table_of_probabilities() -> None:
    tree = {"": {"neural": -0.6, "network": -0.8}, "neural": {"neural": -0.8, "network": -10.0}}
    lines = draw_given({"tree": tree, "beam_size": 2}, Beam, 60).plain.split("\n")
    assert lines == [
        " after    neural  network",
        " ────────────────────────",
        " (start)   −0.60    −0.80",
        " neural    −0.80   −10.00",
        "",
        " hypotheses kept after each step, k: 2",
    ]


def test_plain_facts() -> None:
    facts = draw_given({"mode": "train", "learning_rate": 0.05, "updates": 40}, Accumulation, 60).plain.split("\n")
    assert facts == [
        " the mode of the networks during the equality test: train",
        " step size of SGD: 0.05",
        " updates of the parameters: 40",
    ]
    assert draw_given({"letters": ["N", "D"]}, AttentionCost, 60).plain == " letters: N, D"
    assert draw_given({}, Argmax, 60).plain == ""


# -- options

PART = ChoicePart(
    id="x",
    ask="?",
    options=(
        Option(id="a", text="a text that is long enough to be broken over several lines of the page"),
        Option(id="batchnorm", text="the one with $\\sigma^2$"),
        Option(id="Θ-notation", text="a **third**"),
    ),
    answer=("a",),
)


def test_options() -> None:
    lines = [block.plain for block in option_lines(PART, 0, 50, chosen=lambda option: option == "a")]
    assert lines[0].startswith("◉ a          a text that is")
    assert "\n             " in lines[0]
    assert lines[1] == "○ batchnorm  the one with σ²"
    assert max(cell_len(line) for block in lines for line in block.split("\n")) <= 50
    assert option_lines(object(), 0, 50) == []


def test_options_with_long_names_keep_their_columns() -> None:
    part = ChoicePart(
        id="x",
        ask="?",
        options=(Option(id="x" * 30, text="word " * 20), Option(id="b", text="word " * 20)),
        answer=("b",),
    )
    blocks = [block.plain.split("\n") for block in option_lines(part, 0, 60)]
    assert all(line.index("word") == 33 for block in blocks for line in block)
    assert max(cell_len(line) for block in blocks for line in block) <= 60


def test_many_options_have_boxes_and_a_variant_may_shuffle_them() -> None:
    many = ChoicePart(id="x", ask="?", options=PART.options, select="many", answer=("a",), shuffle=True)
    blocks = option_lines(many, 3, 50, chosen=lambda option: option == "a")
    assert sorted(block.plain[0] for block in blocks) == ["■", "□", "□"]
    orders = {tuple(block.plain.split()[1] for block in option_lines(many, variant, 50)) for variant in range(30)}
    assert len(orders) > 3


def test_options_in_ascii() -> None:
    blocks = option_lines(PART, 0, 50, ascii_only=True)
    assert all(block.plain.isascii() for block in blocks)
    assert blocks[2].plain.startswith("o Theta-notation ")


# -- anything

WORDS = [
    "word",
    "a",
    "αβγ",
    "…",
    "→",
    "“quoted”",
    "naïve",
    "日本",
    "N²",
    "x−y",
    "**bold**",
    "`code`",
    "*soft*",
    "½",
    "Θ(N)",
    "☃",
]
INLINE = ["$x$", "$x^2$", "$\\alpha_i$", "$\\frac{a}{b}$", "$\\nonsense$", "$$x+y$$", "$", "\\$", "{{given}}"]
BLOCKS = ["\n\n", "\n", "\n- ", "\n1. ", "\n# ", "\n    ", "\n```\n", "\n> ", "\n---\n", "|"]
statements = st.lists(st.sampled_from([*WORDS, *WORDS, *INLINE, *BLOCKS]), max_size=40).map(" ".join)


@settings(max_examples=250, deadline=None)
@given(statements, st.integers(10, 80))
@example("- " + "… " * 30, 20)
def test_ascii_is_pure_ascii(source: str, width: int) -> None:
    given = draw_given(ARGMAX, Argmax, width, ascii_only=True)
    lines = drawn(source, width, ascii_only=True, given=given)
    assert all(line.isascii() for line in lines)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=40), st.sampled_from(["", "- ", "7. "]), st.integers(18, 60)
)
@example(["…"] * 20, "", 18)
def test_no_line_of_words_is_wider_than_the_page(words: list[str], mark: str, width: int) -> None:
    for ascii_only in (False, True):
        lines = drawn(mark + " ".join(words), width, ascii_only=ascii_only)
        assert all(cell_len(line) <= width for line in lines), lines
        assert all(line == line.rstrip() for line in lines)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text("abcdef", min_size=1, max_size=12), min_size=1, max_size=30), st.integers(12, 60))
def test_filling_is_greedy_and_keeps_every_word(words: list[str], width: int) -> None:
    lines = drawn(" ".join(words), width)
    assert " ".join(lines) == " ".join(words)
    for line, after in itertools.pairwise(lines):
        assert len(line) + 1 + len(after.split()[0]) > width


@settings(max_examples=200, deadline=None)
@given(statements | st.text(max_size=60), st.integers(1, 90), st.booleans())
def test_anything_is_drawn(source: str, width: int, ascii_only: bool) -> None:
    text = draw_markdown(source, width, ascii_only=ascii_only)
    assert not text.plain.endswith("\n")


@pytest.mark.parametrize("width", [20, 30, 40, 60, 80, 120])
def test_every_shipped_statement_fits(width: int) -> None:
    """At any width from 40 up only formulas on lines of their own are wider than the page."""
    from workbench.catalog import Catalog
    from workbench.spec.exercise import PLACEHOLDER

    catalog = Catalog()
    for row in catalog.rows:
        exercise = catalog.exercise(row["id"])
        for source in (exercise.statement, *(part.ask for part in exercise.parts)):
            for ascii_only in (False, True):
                for line in drawn(PLACEHOLDER.sub("8", source), width, ascii_only=ascii_only):
                    assert width < 40 or cell_len(line) <= width or line.startswith("  "), line
