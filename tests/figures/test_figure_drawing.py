"""What a picture must tell: nothing silently lost, every series told apart, shades that can be read."""

from __future__ import annotations

import dataclasses
import math
import random
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.color import Color, ColorType
from rich.style import Style
from rich.text import Text

from engines.arrays import Array
from engines.figures import Bars, Figure, Graph, Heatmap, Lines, Node, Tree, line, table
from tests.figures.figure_samples import SAMPLES
from workbench.figures import shades
from workbench.figures.curves import axes, on_grid, prepare
from workbench.figures.describe import describe
from workbench.figures.draw import draw
from workbench.figures.look import ANSI, DEFAULT, MONO, Look

ASCII = dataclasses.replace(MONO, ascii_only=True)


def styles(text: Text) -> list[Style]:
    return [Style.parse(str(span.style)) for span in text.spans]


def plot(*ys: float, scale: Literal["linear", "log"] = "linear") -> Lines:
    return Lines("p", "", (line("y", list(range(len(ys))), list(ys)),), y_scale=scale)


# -- looks


@pytest.mark.parametrize("look", [MONO, dataclasses.replace(DEFAULT, colour="none")])
@pytest.mark.parametrize("figure", SAMPLES.values(), ids=SAMPLES)
def test_without_colour_there_is_none(figure: Figure, look: Look) -> None:
    for style in styles(draw(figure, 80, 20, look)):
        assert not style.color
        assert not style.bgcolor
        assert not style.italic


@pytest.mark.parametrize("look", [ANSI, dataclasses.replace(DEFAULT, colour="16")])
@pytest.mark.parametrize("figure", SAMPLES.values(), ids=SAMPLES)
def test_with_16_colours_there_are_only_these(figure: Figure, look: Look) -> None:
    used = [style.color for style in styles(draw(figure, 80, 20, look)) if style.color]
    assert used
    assert {color.type for color in used} == {ColorType.STANDARD}


@pytest.mark.parametrize("look", [DEFAULT, ANSI, MONO, ASCII])
def test_every_series_has_a_mark_of_its_own_in_plot_and_legend(look: Look) -> None:
    curves = [line(f"curve {i}", list(range(50)), [i] * 50, points=i == 3) for i in range(4)]
    text = draw(Lines("p", "", tuple(curves)), 80, 20, look).plain
    legend, *canvas = text.split("\n")
    for index in range(4):
        assert f"{look.mark(index)}" in legend
        assert any(look.mark(index) in row for row in canvas)


def test_colours_of_series_are_those_of_the_look() -> None:
    text = draw(SAMPLES["training"], 80, 20, DEFAULT)
    used = {style.color for style in styles(text) if style.color}
    assert {Color.parse(name) for name in DEFAULT.palette[:3]} <= used


def test_no_escape_is_left_over() -> None:
    assert "\x1b" not in draw(SAMPLES["training"], 80, 20, DEFAULT).plain


@pytest.mark.parametrize("look", [MONO, ASCII])
def test_labels_that_differ_at_their_end_still_differ_when_shortened(look: Look) -> None:
    labels = tuple(f"learning rate 1e-{i}" for i in range(4))
    curves = tuple(line(label, [0, 1], [0, 1]) for label in labels)
    legend = draw(Lines("p", "", curves, y_label="loss"), 60, 12, look).plain
    bars = draw(Bars("b", "", labels, ("g",), Array.of([[1.0] * 4])), 30, 10, look).plain
    for i in range(4):
        assert f"1e-{i}" in legend
        assert f"1e-{i}" in bars


def test_a_line_that_goes_to_and_fro_says_how_much_of_it_is_drawn() -> None:
    turns = [i / 50 for i in range(4000)]
    spiral = line("spiral", [t * math.cos(t) for t in turns], [t * math.sin(t) for t in turns])
    assert "spiral drawn through one in 8 of its points" in draw(Lines("p", "", (spiral,)), 80, 20, MONO).plain


def test_a_deep_tree_says_how_deep_where_branches_leave_no_room() -> None:
    deep = Tree("t", "", tuple(Node(f"node {i}", i - 1) for i in range(5000)))
    rows = draw(deep, 60, 30, MONO).plain.split("\n")
    assert rows[1] == "└─ · node 1"
    assert rows[20] == "… 20 deep · node 20"


# -- what cannot be shown is counted


@pytest.mark.parametrize(
    ("figure", "note"),
    [
        (plot(1, math.nan, 3, math.inf), "2 points not finite"),
        (plot(1, 0, -2, 10, scale="log"), "2 points not positive"),
        (plot(math.nan), "1 point not finite"),
        (plot(), "no points to draw"),
        (Lines("p", "", ()), "no points to draw"),
        (Bars("b", "", ("a", "b"), ("g",), Array.of([[1.0, math.nan]])), "1 value not finite"),
        (Heatmap("h", "", Array.of([[1.0, math.nan]])), "1 entry not finite"),
        (Heatmap("h", "", Array.of([[float(i)] * 200 for i in range(100)])), "each cell is the largest of"),
        (table("t", "", ("a",), [[i] for i in range(40)]), "33 more rows not shown"),
        (Tree("t", "", tuple(Node(str(i), i - 1) for i in range(40))), "31 more nodes not shown"),
        (Bars("b", "", tuple("abcdefghijkl"), ("g",), Array.of([[1.0] * 12])), "3 more labels not shown"),
    ],
)
@pytest.mark.parametrize("look", [DEFAULT, MONO, ASCII])
def test_nothing_is_silently_lost(figure: Figure, note: str, look: Look) -> None:
    assert note in draw(figure, 60, 10, look).plain


def test_columns_without_room_are_named() -> None:
    wide = table("t", "", [f"column {i}" for i in range(12)], [["some text"] * 12])
    assert "more columns not shown: column 7" in draw(wide, 40, 10, MONO).plain


def test_a_gap_is_not_bridged() -> None:
    ys = [0.0] * 40 + [math.nan] * 20 + [0.0] * 40
    rows = draw(plot(*ys), 80, 12, MONO).plain.split("\n")
    row = next(row for row in rows if "⠒" in row or "⠤" in row or "⣀" in row or "⠉" in row)
    assert " " * 10 in row.strip().replace("┄", " ")


def test_caption_goes_before_the_title_and_the_title_before_the_picture() -> None:
    figure = SAMPLES["training"]
    assert "Skip connections let" in draw(figure, 80, 20, MONO).plain
    small = draw(figure, 80, 9, MONO).plain
    assert "Skip connections let" not in small
    assert small.startswith("Training a deep network")
    tiny = draw(figure, 80, 5, MONO).plain
    assert tiny.startswith("Training a deep network with and without skip connections: 2 curves and")
    assert "\n" not in tiny


def test_a_long_caption_takes_three_lines() -> None:
    figure = dataclasses.replace(plot(1, 2), caption="word " * 200)
    rows = draw(figure, 60, 20, MONO).plain.split("\n")
    assert sum("word" in row for row in rows) == 3
    assert rows[-1].endswith("…")


# -- curves


def test_thousands_of_points_are_thinned_to_the_resolution_and_look_the_same() -> None:
    rng = random.Random(0)
    xs = list(range(20000))
    ys = [rng.gauss(0, 1) for _ in xs]
    figure = Lines("p", "", (line("noise", xs, ys),))
    prepared = prepare(figure)
    both = axes(prepared, figure, lambda labels: len(labels) < 6, lambda labels: len(labels) < 6)
    assert both is not None
    thin = on_grid(prepared.curves[0].points, *both, 140, 60)
    assert len(thin) <= 4 * 140
    every = {(float(both[0].cell(x, 140)), float(both[1].cell(y, 60))) for x, y in zip(xs, ys, strict=True)}
    for column in range(140):
        heights = [y for x, y in every if x == column]
        kept = [y for x, y in thin if x == column]
        assert (min(kept), max(kept)) == (min(heights), max(heights))


def test_drawing_is_safe_from_several_threads() -> None:
    figures = list(SAMPLES.values()) * 4
    alone = [draw(figure, 80, 20, MONO).plain for figure in figures]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda figure: draw(figure, 80, 20, MONO).plain, figures))
    assert together == alone


# -- shades


def contrast(style: Style) -> float:
    assert style.color is not None
    assert style.bgcolor is not None
    triplets = (color.get_truecolor() for color in (style.color, style.bgcolor))
    lights = [shades.luminance((red, green, blue)) for red, green, blue in triplets]
    return (max(lights) + 0.05) / (min(lights) + 0.05)


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_ink_is_readable_on_any_ground(ground: shades.RGB) -> None:
    assert contrast(Style.parse(f"{shades.ink(ground)} on {shades.web(ground)}")) >= 4.5


def test_numbers_in_cells_are_readable() -> None:
    matrix = Array.of([[float(i + 4 * j) for i in range(4)] for j in range(4)])
    found = styles(draw(Heatmap("h", "", matrix), 60, 15, DEFAULT))
    cells = [style for style in found if style.color and style.bgcolor]
    assert len(cells) == 16
    assert all(contrast(style) >= 4.5 for style in cells)


def test_half_blocks_show_every_entry() -> None:
    figure = SAMPLES["long-attention"]
    assert isinstance(figure, Heatmap)
    text = draw(figure, 80, 40, DEFAULT)
    console_rows = text.split("\n")[2 : 2 + 32]
    colours = [shades.web(colour) for colour in shades.ramp_of(DEFAULT.ramp)]
    values = shades.matrix_of(figure)
    scale = shades.scaling(values, figure.scale)
    gutter = 3
    for line_index, row in enumerate(console_rows):
        for column in range(64):
            spans = [span for span in row.spans if span.start <= gutter + column < span.end]
            style = Style.parse(str(spans[-1].style))
            lower = style.bgcolor
            upper = style.color if row.plain[gutter + column] == "▀" else lower
            for value, colour in zip(
                (values[2 * line_index][column], values[2 * line_index + 1][column]),
                (upper, lower),
                strict=True,
            ):
                assert colour is not None
                assert colour.name == colours[shades.level(scale.shade(0, value), shades.LEVELS)]


def test_pooling_keeps_the_largest() -> None:
    rows = [[0.0, 1.0, 2.0], [3.0, math.nan, 4.0], [math.nan, math.nan, 5.0]]
    assert shades.pooled(rows, 2, 2)[0] == [3.0, 4.0]
    assert math.isnan(shades.pooled(rows, 2, 2)[1][0])
    assert shades.pooled(rows, 1, 1) == rows


@pytest.mark.parametrize(("scale", "words"), [("linear", "linear"), ("sqrt", "square-root"), ("row", "scaled per row")])
def test_the_scale_is_told(scale: Literal["linear", "sqrt", "row"], words: str) -> None:
    figure = Heatmap("h", "", Array.of([[0.0, 1.0], [0.0, 0.5]]), scale=scale)
    assert words in draw(figure, 60, 10, MONO).plain


# -- trees


def test_children_stand_under_their_parent_in_any_order() -> None:
    by_level = Tree("t", "", (Node("root"), Node("a", 0), Node("b", 0), Node("a1", 1), Node("b1", 2)))
    rows = draw(by_level, 40, 10, MONO).plain.split("\n")
    assert rows == ["· root", "├─ · a", "│  └─ · a1", "└─ · b", "   └─ · b1"]


# -- cost


def test_nothing_heavy_is_imported_before_something_is_drawn() -> None:
    code = (
        "import sys\n"
        "import workbench.figures, workbench.figures.look, workbench.figures.draw, workbench.figures.export\n"
        "before = set(sys.modules)\n"
        "from workbench.figures.draw import draw\n"
        "from engines.figures import table\n"
        "draw(table('t', 't', ['a'], [['b']]), 40, 10)\n"
        "heavy = ('rich', 'rich.table', 'rich.console', 'plotext', 'csv', 'json', 'torch', 'numpy', 'textual')\n"
        "print([name for name in heavy if name in before])\n"
        "print([name for name in ('rich.table', 'plotext', 'torch', 'numpy') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "[]"]


# -- graphs


def dense(n: int) -> Graph:
    """n nodes at one place, each joined to the next."""
    return Graph(
        "dense",
        "",
        tuple(map(str, range(n))),
        Array.of([[1.0, 1.0]] * n),
        Array.of([[i, (i + 1) % n] for i in range(n)]),
        ("left", "right"),
        Array.of([i % 2 for i in range(n)]),
        (n - 1,),
        "odd",
    )


@pytest.mark.parametrize("look", [DEFAULT, MONO, ASCII])
def test_nodes_at_one_place_stand_beside_each_other_or_are_counted(look: Look) -> None:
    for n in (5, 60, 300):
        text = draw(dense(n), 60, 20, look).plain
        legend, *canvas = text.split("\n")
        assert "left" in legend
        told = [canvas.pop()] if canvas[-1].endswith("not shown") else []
        shown = sum("".join(canvas).count(look.mark(i)) for i in (0, 1))
        hidden = int(told[0].split()[0]) if told else 0
        assert shown + hidden == n
        assert bool(hidden) is (n == 300)
        assert f"[{look.mark((n - 1) % 2)}{n - 1}]" in text, "who is singled out is always there"


def test_a_graph_tells_its_groups_and_who_is_singled_out() -> None:
    text = draw(SAMPLES["club"], 80, 20, MONO).plain
    assert "● left   ▲ right   [ ] misplaced" in text
    assert "[●12]" in text
    words = describe(SAMPLES["club"])
    assert "graph of 16 nodes and 19 edges. left: 9 nodes. right: 7 nodes. misplaced: 12." in words
    assert re.search(r"^ +1 +left .* 2 8 13$", words, re.MULTILINE)


def test_a_graph_of_places_that_are_no_numbers_says_so() -> None:
    lost = dataclasses.replace(dense(2), places=Array.of([[math.nan, 0.0], [0.0, math.inf]]))
    assert "no nodes to draw" in draw(lost, 60, 20, MONO).plain
    half = dataclasses.replace(dense(2), places=Array.of([[1.0, 0.0], [0.0, math.inf]]))
    assert "1 node not shown" in draw(half, 60, 20, MONO).plain
