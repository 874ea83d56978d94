"""Signs and their ASCII forms."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from workbench.glyphs import MARKS, SHADES, SIGNS, sign, to_ascii


@pytest.mark.parametrize("pair", [*SIGNS.values(), *MARKS], ids=lambda pair: pair[1])
def test_a_sign_takes_one_cell_in_both_forms(pair: tuple[str, str]) -> None:
    unicode, plain = pair
    assert cell_len(unicode) == cell_len(plain) == 1
    assert plain.isascii()


def test_signs_by_meaning() -> None:
    assert sign("done") == "✓"
    assert sign("done", ascii_only=True) == "+"


def test_marks_of_a_plot_differ_in_both_forms() -> None:
    for form in zip(*MARKS, strict=True):
        assert len(set(form)) == len(MARKS)


def test_states_that_stand_side_by_side_differ_in_both_forms() -> None:
    for names in (
        ("done", "partly", "open", "broken"),
        ("kept", "pruned", "best"),
        ("chosen", "unchosen"),
        ("ticked", "unticked"),
        ("done", "wrong", "undecided"),
        ("folded", "unfolded"),
    ):
        for ascii_only in (False, True):
            assert len({sign(name, ascii_only=ascii_only) for name in names}) == len(names)


def test_shades_from_empty_to_full() -> None:
    for shades in SHADES:
        assert shades[0] == " "
        assert len(set(shades)) == len(shades)
    assert SHADES[1].isascii()


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("plain", "plain"),
        ("√d ≤ σ² − μ", "sqrtd <= sigma^2 - mu"),
        ("x₁ᵢ", "x_1_i"),
        ("Wᵀ", "W^T"),
        ("½ of “it”…", '1/2 of "it"...'),
        ("naïve café", "naive cafe"),
        ("┌─┐│█░", "+-+|#-"),
        ("a → b ⇒ c", "a -> b => c"),
        ("日本", "??"),
        ("⠿⠀", ". "),
        ("ﬁ", "fi"),
        ("e\u0301", "e"),
        ("\u200b", "?"),
    ],
)
def test_ascii_forms(text: str, plain: str) -> None:
    assert to_ascii(text) == plain


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=50))
def test_any_text_becomes_ascii(text: str) -> None:
    plain = to_ascii(text)
    assert plain.isascii()
    assert to_ascii(plain) == plain
    assert text.count("\n") == plain.count("\n") or not text.isascii()
