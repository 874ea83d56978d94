"""Whatever the figure and the room: it is drawn within its room, told, and written."""

from __future__ import annotations

import dataclasses
import io
import json
import math
from csv import reader
from typing import Any
from xml.etree import ElementTree as ET

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.color import ColorType
from rich.style import Style
from rich.text import Text

from engines.arrays import Array
from engines.figures import Bars, Figure, Graph, Heatmap, Lines, Node, Series, Table, Tree
from workbench.figures.describe import describe
from workbench.figures.draw import draw
from workbench.figures.export import as_csv, as_json, as_svg, as_text
from workbench.figures.look import ANSI, DEFAULT, MONO, Look

OFTEN = settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
SELDOM = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))

texts = st.one_of(st.text(max_size=12), st.sampled_from(["", "loss", "σ² − μ", "日本語のラベル", "a " * 40]))
plain_numbers = st.floats(-10, 10, width=32)
numbers = st.one_of(plain_numbers, st.floats(), st.sampled_from([0.0, 1.0, 1e308, -1e308, 5e-324, math.nan]))
LOOKS: list[Look] = [
    dataclasses.replace(look, ascii_only=plain) for look in (DEFAULT, ANSI, MONO) for plain in (False, True)
]


def arrays(*shape: int) -> st.SearchStrategy[Array]:
    size = math.prod(shape)

    def array_of(items: list[Any], integers: bool) -> Array:
        if integers:
            whole = [int(item) if abs(item) < 1e9 else 7 for item in items]
            return Array("int64", shape, Array.of(whole).data if whole else b"")
        return Array("float64", shape, Array.of([*items, 0.5]).data[:-8])

    some = st.one_of(*(st.lists(kind, min_size=size, max_size=size) for kind in (plain_numbers, numbers)))
    return st.builds(array_of, some, st.booleans())


@st.composite
def series(draw_: st.DrawFn) -> Series:
    size = draw_(st.integers(0, 40))
    band = draw_(st.booleans())
    return Series(
        draw_(texts),
        draw_(arrays(size)),
        draw_(arrays(size)),
        draw_(st.sampled_from(["line", "points"])),
        draw_(arrays(size)) if band else None,
        draw_(arrays(size)) if band else None,
    )


scales = st.sampled_from(["linear", "log"])
lines = st.builds(Lines, texts, texts, st.lists(series(), max_size=4).map(tuple), texts, texts, scales, scales, texts)


@st.composite
def bars(draw_: st.DrawFn) -> Bars:
    labels = draw_(st.lists(texts, max_size=12))
    groups = draw_(st.lists(texts, min_size=1, max_size=4))
    heights = draw_(arrays(len(groups), len(labels)))
    return Bars("b", draw_(texts), tuple(labels), tuple(groups), heights, draw_(texts), draw_(texts))


@st.composite
def heatmaps(draw_: st.DrawFn) -> Heatmap:
    rows, columns = draw_(st.tuples(st.integers(0, 30), st.integers(0, 30)))
    labels = st.lists(texts, min_size=rows, max_size=rows)
    heads = st.lists(texts, min_size=columns, max_size=columns)
    return Heatmap(
        "h",
        draw_(texts),
        draw_(arrays(rows, columns)),
        tuple(draw_(labels)) if draw_(st.booleans()) else (),
        tuple(draw_(heads)) if draw_(st.booleans()) else (),
        draw_(st.sampled_from(["linear", "sqrt", "row"])),
        draw_(texts),
    )


@st.composite
def trees(draw_: st.DrawFn) -> Tree:
    size = draw_(st.integers(0, 40))
    states: st.SearchStrategy[Any] = st.sampled_from(["plain", "kept", "pruned", "best"])
    nodes = [
        Node(draw_(texts), draw_(st.integers(0, i - 1)) if i else -1, draw_(texts), draw_(states)) for i in range(size)
    ]
    return Tree("t", draw_(texts), tuple(nodes), draw_(texts))


@st.composite
def graphs(draw_: st.DrawFn) -> Graph:
    labels = draw_(st.lists(texts, max_size=30))
    groups = draw_(st.lists(texts, min_size=1, max_size=10))
    n = len(labels)
    nodes = st.integers(0, max(0, n - 1))
    ends = draw_(st.lists(nodes, max_size=80)) if n else []
    ends = ends[: len(ends) // 2 * 2]
    return Graph(
        "g",
        draw_(texts),
        tuple(labels),
        draw_(arrays(n, 2)),
        Array("int64", (len(ends) // 2, 2), Array.of([*ends, 0]).data[:-8]),
        tuple(groups),
        Array("int64", (n,), Array.of([*(draw_(st.integers(0, len(groups) - 1)) for _ in labels), 0]).data[:-8]),
        tuple(draw_(st.lists(nodes, max_size=3))) if n else (),
        draw_(texts),
        draw_(texts),
    )


tables = st.builds(
    Table,
    texts,
    texts,
    st.lists(texts, max_size=8).map(tuple),
    st.lists(st.lists(texts, max_size=8).map(tuple), max_size=20).map(tuple),
    st.text("lrc", max_size=8),
    texts,
)
figures: st.SearchStrategy[Figure] = st.one_of(lines, bars(), heatmaps(), trees(), graphs(), tables)


def styles_of(text: Text) -> list[Style]:
    return [Style.parse(str(span.style)) for span in text.spans] + [Style.parse(str(text.style))]


@OFTEN
@given(figures, st.integers(1, 200), st.integers(1, 60), st.sampled_from(LOOKS))
@example(Lines("l", "", (Series("s", Array.of([-1e308, 1e308]), Array.of([-1e308, 1e308])),)), 80, 20, DEFAULT)
def test_drawn_within_its_room(figure: Figure, width: int, height: int, look: Look) -> None:
    text = draw(figure, width, height, look)
    rows = text.plain.split("\n")
    assert len(rows) <= height
    assert all(cell_len(row) <= width for row in rows)
    assert all(row.isprintable() for row in rows)
    if look.ascii_only:
        assert text.plain.isascii()
    for style in styles_of(text):
        colours = [colour for colour in (style.color, style.bgcolor) if colour]
        if look.colour == "none":
            assert not colours
        elif look.colour == "16":
            assert all(colour.type == ColorType.STANDARD for colour in colours)


@OFTEN
@given(figures, st.integers(20, 100), st.integers(6, 30))
def test_the_form_does_not_change_the_size(figure: Figure, width: int, height: int) -> None:
    heights = {len(draw(figure, width, height, look).plain.split("\n")) for look in LOOKS[::2]}
    assert max(heights) <= height


@SELDOM
@given(figures)
def test_told_and_written(figure: Figure) -> None:
    assert describe(figure)
    assert as_text(figure).endswith("\n")
    assert json.loads(as_json(figure))["kind"] == figure.kind
    assert list(reader(io.StringIO(as_csv(figure))))
    root = ET.fromstring(as_svg(figure))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
