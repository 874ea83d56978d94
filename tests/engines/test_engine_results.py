"""Results and figures: what does not fit together is refused where it is made; the rest survives a crossing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from engines.arrays import Array
from engines.figures import (
    Bars,
    Figure,
    Graph,
    Heatmap,
    Lines,
    Node,
    Series,
    Table,
    Tree,
    from_plain,
    line,
    table,
    to_plain,
)
from engines.result import Result, Step

VECTOR, MATRIX = Array.of([1.0, 2.0]), Array.of([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
PLACES, PAIRS, GROUPS = Array.of([[0.0, 1.0], [1.0, 0.5], [2.0, 0.0]]), Array.of([[0, 1], [1, 2]]), Array.of([0, 1, 1])
NODES = (Node("root"), Node("a", 0, "note", "kept"), Node("b", 0), Node("c", 1, state="best"))

FIGURES: list[Figure] = [
    Lines(
        "lines",
        "title",
        (line("a", [1, 2], [3.0, 4.0]), line("b", [1], [2], points=True, low=[1], high=[3])),
        x_scale="log",
        caption="c",
    ),
    Lines("empty", "title", ()),
    Bars("bars", "title", ("x", "y", "z"), ("g", "h"), MATRIX, "height"),
    Heatmap("heat", "title", MATRIX, ("r", "s"), ("x", "y", "z"), "row"),
    Heatmap("bare", "title", MATRIX),
    Tree("tree", "title", NODES),
    Tree("no nodes", "title", ()),
    Graph("graph", "title", ("a", "b", "c"), PLACES, PAIRS, ("g", "h"), GROUPS, (2,), "odd one out"),
    table("table", "title", ("a", "b"), [(1, "x"), (2.5, None)], align="lr"),
]


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
def test_a_figure_comes_back_the_same(figure: Figure) -> None:
    data = to_plain(figure)
    assert from_plain(data) == figure
    assert _leaves_are_plain(data)


def _leaves_are_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(name, str) and _leaves_are_plain(item) for name, item in value.items())
    if isinstance(value, list):
        return all(map(_leaves_are_plain, value))
    return value is None or isinstance(value, Array | str | int | float | bool)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"kind": "pie"},
        {"kind": "table"},
        {"kind": "lines", "name": "l", "title": "t", "series": [{"label": "a"}]},
        {"kind": "lines", "name": "l", "title": "t", "series": [{"label": "a", "x": [1], "y": [1]}]},
        {"kind": "graph", "name": "g", "title": "t", "labels": [], "places": MATRIX, "edges": MATRIX, "groups": []},
        {"kind": "tree", "name": "t", "title": "t", "nodes": 3},
        {"kind": "heatmap", "name": "h", "title": "t", "matrix": VECTOR},
        {"kind": "bars", "name": "b", "title": "t", "labels": [], "groups": [], "heights": MATRIX, "x": 1},
    ],
)
def test_data_of_no_figure_are_refused(data: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        from_plain(data)


@pytest.mark.parametrize(
    "make",
    [
        lambda: line("s", [1, 2], [1]),
        lambda: line("s", [[1, 2]], [[1, 2]]),
        lambda: line("s", 1, 2),
        lambda: line("s", [1, 2], [1, 2], low=[1, 2]),
        lambda: line("s", [1, 2], [1, 2], high=[1, 2]),
        lambda: line("s", [1, 2], [1, 2], low=[1], high=[2]),
        lambda: Series("s", VECTOR, MATRIX),
        lambda: Bars("b", "", ("x",), ("g",), VECTOR),
        lambda: Bars("b", "", ("x", "y"), ("g", "h"), MATRIX),
        lambda: Bars("b", "", ("g", "h"), ("x", "y", "z"), MATRIX),
        lambda: Heatmap("h", "", VECTOR),
        lambda: Heatmap("h", "", MATRIX, ("r",)),
        lambda: Heatmap("h", "", MATRIX, (), ("x", "y")),
        lambda: Graph("g", "", ("a", "b"), PLACES, PAIRS, ("g", "h"), GROUPS),
        lambda: Graph("g", "", ("a", "b", "c"), MATRIX, PAIRS, ("g", "h"), GROUPS),
        lambda: Graph("g", "", ("a", "b", "c"), PLACES, GROUPS, ("g", "h"), GROUPS),
        lambda: Graph("g", "", ("a", "b", "c"), PLACES, Array.of([[0, 3]]), ("g", "h"), GROUPS),
        lambda: Graph("g", "", ("a", "b", "c"), PLACES, PAIRS, ("g",), GROUPS),
        lambda: Graph("g", "", ("a", "b", "c"), PLACES, PAIRS, ("g", "h"), GROUPS, (-1,)),
        lambda: Tree("t", "", (Node("root", 0),)),
        lambda: Tree("t", "", (Node("root"), Node("another root"))),
        lambda: Tree("t", "", (Node("root"), Node("child of a later one", 2), Node("later", 0))),
        lambda: Tree("t", "", (Node("root"), Node("its own parent", 1))),
    ],
)
def test_what_does_not_fit_together_is_refused_where_it_is_made(make: Callable[[], Figure]) -> None:
    with pytest.raises(ValueError, match=r"series|bars|heat map|tree|graph"):
        make()


def test_a_table_takes_anything_that_can_be_shown() -> None:
    made = table("t", "title", ["a", "b"], ([i, i / 2] for i in range(2)), caption="c")
    assert made == Table("t", "title", ("a", "b"), (("0", "0.0"), ("1", "0.5")), caption="c")


def test_a_result_turns_tensors_into_arrays_and_keeps_the_rest() -> None:
    result = Result(
        {
            "tensor": torch.ones(2, 2, requires_grad=True),
            "deep": {"list": [torch.tensor(1), (1, "a", None, True)]},
            "nan": math.nan,
            "array": VECTOR,
        }
    )
    assert result.values["tensor"] == Array.of(np.ones((2, 2), dtype=np.float32))
    assert result.values["deep"] == {"list": [Array.of(torch.tensor(1)), [1, "a", None, True]]}
    assert math.isnan(result.values["nan"])
    assert result.values["array"] is VECTOR


@pytest.mark.parametrize("value", [object(), {1, 2}, {1: "a"}, [object()], b"bytes", 1j, np.zeros(2), torch.dtype])
def test_a_result_refuses_what_could_not_be_sent(value: Any) -> None:
    with pytest.raises(TypeError, match="a result cannot hold"):
        Result({"x": value})


def test_a_result_comes_back_the_same() -> None:
    result = Result(
        {"a": torch.arange(3), "b": [1, {"c": None}]},
        (Step("first", "text $x$"), Step("second", "")),
        tuple(FIGURES),
        ("a note",),
    )
    assert Result.from_plain(result.to_plain()) == result
    assert result.figure("heat") == FIGURES[3]
    assert result.figure("none") is None


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"values": {}, "trace": [{}], "figures": [], "notes": []},
        {"values": {}, "trace": [], "figures": [{}], "notes": []},
        {"values": {}, "trace": [], "figures": [], "notes": None},
        {"values": {"x": object()}, "trace": [], "figures": [], "notes": []},
        {"values": 3, "trace": [], "figures": [], "notes": []},
    ],
)
def test_data_of_no_result_are_refused(data: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not a"):
        Result.from_plain(data)
