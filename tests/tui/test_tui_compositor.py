"""What is sent to the terminal: only differences, and the same picture as if everything were sent."""

from __future__ import annotations

import importlib.metadata
import tomllib
from pathlib import Path
from typing import Any

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.color import Color
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual.app import App
from textual.strip import Strip

from workbench.tui import compositor
from workbench.tui.compositor import PLAIN, Shadow, changed

WIDTH, HEIGHT = 24, 6
CONSOLE = Console(color_system="truecolor", force_terminal=True, width=WIDTH, height=HEIGHT)

STYLES = [
    None,
    Style(bold=True),
    Style(color=Color.from_rgb(200, 10, 10)),
    Style(color=Color.from_rgb(10, 200, 10), bgcolor=Color.from_rgb(0, 0, 80)),
    Style(reverse=True),
]

segments = st.lists(
    st.tuples(st.text(st.sampled_from("ab ─▲σ漢"), max_size=8), st.sampled_from(STYLES)), min_size=1, max_size=4
)
rows = segments.map(lambda parts: Strip([Segment(text, style) for text, style in parts]).adjust_cell_length(WIDTH))
frames = st.lists(st.lists(rows, min_size=HEIGHT, max_size=HEIGHT), min_size=1, max_size=4)


def everything(strips: list[Strip]) -> str:
    """A frame as Textual sends it: each row whole."""
    return "".join(f"\x1b[{y + 1};1H{strip.render(CONSOLE)}" for y, strip in enumerate(strips))


def terminal() -> tuple[pyte.Screen, pyte.Stream]:
    screen = pyte.Screen(WIDTH, HEIGHT)
    return screen, pyte.Stream(screen)


def picture(screen: pyte.Screen) -> list[list[tuple[Any, ...]]]:
    """Characters and colours of every cell."""
    return [
        [(cell.data, cell.fg, cell.bg, cell.bold, cell.reverse) for cell in (screen.buffer[y][x] for x in range(WIDTH))]
        for y in range(HEIGHT)
    ]


@given(frames)
@settings(deadline=None, max_examples=150)
def test_differences_make_the_same_picture_as_whole_frames(sequence: list[list[Strip]]) -> None:
    whole, whole_stream = terminal()
    parts, parts_stream = terminal()
    shadow = Shadow()
    shadow.resize(WIDTH, HEIGHT)
    for strips in sequence:
        whole_stream.feed(everything(strips))
        parts_stream.feed(shadow.update(((0, y, strip) for y, strip in enumerate(strips)), CONSOLE))
        assert picture(parts) == picture(whole)


def test_what_is_there_already_is_not_sent() -> None:
    shadow = Shadow()
    shadow.resize(WIDTH, HEIGHT)
    strips = [(0, y, Strip([Segment(f"row {y}")]).adjust_cell_length(WIDTH)) for y in range(HEIGHT)]
    assert shadow.update(strips, CONSOLE)
    assert shadow.update(strips, CONSOLE) == ""


def test_one_changed_letter_costs_a_few_bytes() -> None:
    shadow = Shadow()
    shadow.resize(80, 1)
    shadow.update([(0, 0, Strip([Segment("x" * 80)]))], CONSOLE)
    assert shadow.update([(0, 0, Strip([Segment("x" * 40 + "y" + "x" * 39)]))], CONSOLE) == "\x1b[1;41Hy"


def test_a_forgotten_or_resized_screen_is_sent_whole() -> None:
    shadow = Shadow()
    shadow.resize(10, 1)
    strip = [(0, 0, Strip([Segment("0123456789")]))]
    first = shadow.update(strip, CONSOLE)
    shadow.forget()
    shadow.resize(10, 1)
    assert shadow.update(strip, CONSOLE) == first
    shadow.resize(11, 1)
    assert "0123456789" in shadow.update(strip, CONSOLE)


def test_what_lies_beyond_the_screen_is_left_out() -> None:
    shadow = Shadow()
    shadow.resize(5, 1)
    assert shadow.update([(0, 3, Strip([Segment("below")]))], CONSOLE) == ""
    assert shadow.update([(3, 0, Strip([Segment("wide")]))], CONSOLE) == "\x1b[1;4Hwi"


def test_wide_characters_are_written_whole() -> None:
    row = [("a", PLAIN), ("漢", PLAIN), ("", PLAIN), ("b", PLAIN)]
    assert list(changed(row, 0, [("a", PLAIN), ("字", PLAIN), ("", PLAIN), ("b", PLAIN)])) == [(1, 3)]


def test_the_private_names_are_where_they_were() -> None:
    """When this fails after an update of Textual: read the new `App._display` and the updates it draws."""
    assert compositor.AVAILABLE
    assert hasattr(App, "_display")
    from textual._compositor import ChopsUpdate, LayoutUpdate

    assert LayoutUpdate.__init__.__code__.co_varnames[1:3] == ("strips", "region")
    assert ChopsUpdate.__init__.__code__.co_varnames[1:4] == ("chops", "spans", "chop_ends")
    assert hasattr(Console(), "_color_system")


def test_textual_is_pinned_to_the_version_that_is_installed() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert f"textual=={importlib.metadata.version('textual')}" in project["dependencies"]


@pytest.mark.parametrize("value", ["0", "1"])
def test_the_switch_is_obeyed(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(compositor.SWITCH, value)
    app: compositor.DiffingApp[int] = compositor.DiffingApp()
    assert app._diffing is (value == "1")
