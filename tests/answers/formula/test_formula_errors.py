"""What is refused, with which sentence, and where."""

from __future__ import annotations

import pytest

from workbench.answers.formula import Unreadable, caret, read

NAMES = ("N", "D", "M", "n_max")
MISSING_AT_END = "something is missing at the end: a number, a name or a bracket"
NOT_AFTER_NAME = "a number cannot follow a name without a sign: ^ for a power, * for a product"
COMMA = "a comma only parts arguments, as in max(a, b); a decimal number has a point"
TOWER = "a power of a power needs brackets: (a^b)^c or a^(b^c)"
KNOWN = "the names are N, D, M, n_max"


def fault(text: str, names: tuple[str, ...] = NAMES) -> Unreadable:
    with pytest.raises(Unreadable) as caught:
        read(text, names)
    return caught.value


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        # typed, with the part that is marked between ⟦ and ⟧
        ("⟦⟧", "nothing is written here yet"),
        ("   ⟦⟧", "nothing is written here yet"),
        ("$⟦$⟧", "nothing is written here yet"),
        ("N*⟦q⟧", f"'q' is not used here; {KNOWN}"),
        ("N⟦q⟧D", f"'q' is not used here; {KNOWN}"),
        ("⟦time⟧", f"'time' is not used here; {KNOWN}"),
        ("N ⟦x⟧ D", f"'x' is not used here; {KNOWN} (a product is written with *)"),
        ("⟦n⟧*D", "'n' is not used here; did you mean N?"),
        ("N*⟦N_max⟧", "'N_max' is not used here; did you mean n_max?"),
        ("N ⟦n_mxa⟧", "'n_mxa' is not used here; did you mean n_max?"),
        ("⟦sqtr⟧(N)", "'sqtr' is not used here; did you mean sqrt?"),
        ("N⟦2⟧", NOT_AFTER_NAME),
        ("N⟦_2⟧", "'_2' cannot stand behind this name"),
        ("(N)⟦2⟧", "a number cannot follow without a sign: ^ for a power, * for a product"),
        ("N ⟦2⟧D", "a number cannot follow without a sign: ^ for a power, * for a product"),
        ("N*⟦⟧", MISSING_AT_END),
        ("N +⟦⟧ ", MISSING_AT_END),
        ("N +⟦*⟧ D", "something is missing before '*': a number, a name or a bracket"),
        ("⟦^⟧2", "something is missing before '^': a number, a name or a bracket"),
        ("N^⟦⟧", "the exponent is missing"),
        ("N^⟦)⟧", "the exponent is missing"),
        ("N^⟦√⟧2", "write the exponent in brackets: x^(…)"),
        ("⟦(⟧N", "the bracket opened here is never closed"),
        ("max⟦(⟧N, D", "the bracket opened here is never closed"),
        ("N⟦)⟧", "')' closes a bracket that was never opened"),
        ("(N⟦]⟧", "']' cannot close what '(' opened"),
        ("N⟦(⟧)", "there is nothing in this bracket"),
        ("(N+⟦)⟧", "something is missing before ')': a number, a name or a bracket"),
        ("⟦|⟧N", "the bars opened here are never closed"),
        ("(⟦‖⟧N)", "the bars ‖ are never closed"),
        ("N⟦,⟧D", COMMA),
        ("0⟦,⟧5N", COMMA),
        ("(N⟦,⟧D)", COMMA),
        ("N^D⟦M⟧", "this can be read in two ways: write N^(D·M) or N^D·M"),
        ("1/2⟦N⟧", "this can be read in two ways: write 1/(2·N) or (1/2)·N"),
        ("N/D ⟦M⟧", "this can be read in two ways: write N/(D·M) or (N/D)·M"),
        ("1/2⟦(⟧N+D)", "this can be read in two ways: write 1/(2·(…)) or (1/2)·(…)"),
        ("log N ⟦D⟧", "this can be read in two ways: write log(N·D) or log(N)·D"),
        ("log N⟦(⟧N+1)", "this can be read in two ways: write log(N·(…)) or log(N)·(…)"),
        ("√N⟦D⟧", "this can be read in two ways: write √(N·D) or √N·D"),
        ("N⟦^⟧1/2", "write the exponent in brackets: x^(1/2)"),
        ("9^9⟦^⟧9^9", TOWER),
        ("N²⟦^⟧2", TOWER),
        ("9^(9^(⟦9^9⟧))", "an exponent beyond 1000 is not read"),
        ("N^⟦1001⟧", "an exponent beyond 1000 is not read"),
        ("⟦99^999⟧", "this number has hundreds of digits; write it with smaller powers"),
        ("⟦0.01^900⟧", "this number has hundreds of digits; write it with smaller powers"),
        ("⟦exp(900)⟧", "this number has hundreds of digits; write it with smaller powers"),
        ("N/⟦0⟧", "nothing can be divided by 0"),
        ("⟦1234567890123⟧", "a number has at most 12 characters here, not 13"),
        ("⟦1e31⟧", "a power of ten has at most 30 noughts here"),
        ("max ⟦N⟧", "brackets are missing: max(…)"),
        ("log⟦⟧", "the argument of log is missing"),
        ("log⟦*⟧N", "the argument of log is missing"),
        ("⟦sin⟧^-1 N", "a power of sin is a whole number here; else write (sin(x))^…"),
        ("⟦log⟧(N, D)", "log takes 1 argument, not 2"),
        (r"\frac⟦(⟧N)", r"\frac needs two braces: \frac{a}{b}"),
        (r"N⟦\foo⟧", r"'\foo' is not known here"),
        ("⟦\\⟧", "'\\' is not known here"),
        (r"\mathbf⟦{⟧N", "the brace opened here is never closed"),
        ("N⟦_{*}⟧", "a subscript is made of letters and digits, as in d_{model}"),
        ("(N)⟦_2⟧", "a subscript cannot stand here"),
        ("‖N‖⟦_3⟧", "a norm has the subscript F, 1 or 2 here"),
        ("N⟦#⟧D", "'#' cannot be read here"),
        ("N⟦=⟧D", "'=' cannot stand here; write the formula alone"),
        ("N⟦≤⟧D", "'≤' cannot stand here; write the formula alone"),
        ("N⟦!⟧", "a factorial cannot be read here"),
        ("N⟦$⟧D", "'$' stands only around the whole formula"),
        ("N⟦\x00⟧", "an invisible character (U+0000) cannot be read here"),
        ("N⟦\u200b⟧D", "an invisible character (U+200B) cannot be read here"),
        ("⟦٣⟧", "'٣' cannot be read here"),
        ("⟦O⟧(N) + D", "O(…) can only stand around the whole formula"),
        ("N + ⟦O⟧(D)", "write O(…) around the whole formula"),
        ("⟦O⟧ N", "write O(…) around the whole formula"),
    ],
)
def test_sentence_and_place(typed: str, message: str) -> None:
    start, stop = typed.index("⟦"), typed.index("⟧") - 1
    found = fault(typed.replace("⟦", "").replace("⟧", ""))
    assert found.message == message
    assert (found.position, found.position + found.length) == (start, max(stop, start + 1))


def test_a_place_behind_latex_and_small_letters_is_one_in_what_was_typed() -> None:
    text = r"\frac{N²}{D₁} + q"
    assert text[fault(text, ("N", "D_1")).position] == "q"
    text = r"\mathbf{W}_1^{\top} Q"
    found = fault(text, ("W1",))
    assert text[found.position : found.position + found.length] == "Q"


def test_names_are_listed_as_declared() -> None:
    assert fault("q", ()).message == "'q' is not used here; this answer has no names"
    assert fault("q", ("N",)).message == "'q' is not used here; the only name is N"
    many = tuple(f"a_{i}" for i in range(30))
    assert fault("q", many).message.endswith("a_18, a_19, …")


def test_long_words_are_cut_in_messages() -> None:
    found = fault("z" * 300)
    assert found.message.startswith("'" + "z" * 20 + "…' is not used here")
    assert (found.position, found.length) == (0, 300)


@pytest.mark.parametrize(
    ("text", "message", "position"),
    [
        ("x" * 10_000_000, "a formula has at most 400 characters here, not 10000000", 400),
        ("\x00" * 400, "an invisible character (U+0000) cannot be read here", 0),
        ("(" * 400, "brackets can be nested 40 deep here, not more", 40),
        ("√" * 400, "brackets can be nested 40 deep here, not more", 40),
        ("log " * 99 + "N", "brackets can be nested 40 deep here, not more", 160),
        ("N+" * 199 + "N", "a formula has at most 300 parts here", 300),
        ("N" * 400, "a formula has at most 300 parts here", 150),
        ("N^" * 200, TOWER, 3),
        ("9**" * 99 + "9", TOWER, 4),
        ("1" * 400, "a number has at most 12 characters here, not 400", 0),
    ],
)
def test_bounds(text: str, message: str, position: int) -> None:
    found = fault(text)
    assert (found.message, found.position) == (message, position)


def test_just_within_bounds() -> None:
    assert read("(" * 39 + "N" + ")" * 39, NAMES).tree == read("N", NAMES).tree
    for text in ("+".join(["N"] * 150), "-" * 399 + "N", "N^1000", "1e30*123456789012"):
        assert read(text, NAMES).text == text


# -- the student's own line


def drawn(text: str, width: int = 72) -> list[str]:
    return caret(text, fault(text), width).split("\n")


def test_caret_stands_under_the_fault() -> None:
    assert drawn("N^2 * qD") == ["N^2 * qD", "      ^"]
    assert drawn("N +") == ["N +", "   ^"]
    assert drawn("N + time") == ["N + time", "    ^^^^"]


def test_caret_counts_cells() -> None:
    assert drawn("Ｎ + q") == ["Ｎ + q", "     ^"]
    assert drawn("N + é\u0301q")[0] == "N + é\u0301q"
    assert drawn("\U0001d441 + q") == ["\U0001d441 + q", "    ^"]


def test_caret_shows_what_is_invisible() -> None:
    assert drawn("N\n+\tq") == ["N + q", "    ^"]
    assert drawn("N\x00D") == ["N�D", " ^"]
    assert drawn("N\x1b[31mD") == ["N�[31mD", " ^"]
    assert drawn("N\ud800") == ["N�", " ^"]
    assert drawn("N\u202eD") == ["N�D", " ^"]


@pytest.mark.parametrize("at", [0, 5, 50, 100, 197, 199])
@pytest.mark.parametrize("width", [1, 20, 40])
def test_caret_shows_the_surroundings(at: int, width: int) -> None:
    text = "N+" * 100
    text = text[:at] + "#" + text[at + 1 :]
    line, mark = caret(text, Unreadable("", at), width).split("\n")
    assert len(line) <= max(width, 8)
    assert line[mark.index("^")] == "#"
    assert line.startswith("…") == (at > width)
    assert "\n" not in line


def test_caret_of_far_too_long_a_text() -> None:
    text = "N" * 10_000_000
    line, mark = drawn(text)
    assert len(line) <= 72
    assert line.startswith("…")
    assert line.endswith("…")
    assert line[mark.index("^")] == "N"


def test_caret_bears_any_place() -> None:
    assert caret("", Unreadable("", 0)) == "\n^"
    assert caret("N", Unreadable("", 7, 3)) == "N\n ^"
    assert caret("\u0301" * 200, Unreadable("", 100)).endswith("^")
