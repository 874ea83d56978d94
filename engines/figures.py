"""Figures: descriptions of pictures, as data. Drawing them is the business of whoever shows them.

Every figure has a `title`, and a `caption` that says what to see in it; `name` is how an exercise refers
to it. Numbers are `Array`s, so that a figure crosses a process boundary as bytes. A description that does not
fit together is refused where it is made (ValueError), and not left to whoever draws it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from engines.arrays import Array

Scale = Literal["linear", "log"]


@dataclass(frozen=True)
class Series:
    """One curve or cloud of points: `x` and `y` of shape (n,); `low` and `high` bound a band around it."""

    label: str
    x: Array
    y: Array
    style: Literal["line", "points"] = "line"
    low: Array | None = None
    high: Array | None = None

    def __post_init__(self) -> None:
        if (self.low is None) != (self.high is None):
            raise ValueError(f"series {self.label!r}: a band needs both 'low' and 'high'")
        shapes = {item.shape for item in (self.x, self.y, self.low, self.high) if item is not None}
        if len(shapes) != 1 or len(self.x.shape) != 1:
            raise ValueError(f"series {self.label!r}: x, y and the band must be vectors of one length")


@dataclass(frozen=True)
class Lines:
    """Curves over one pair of axes."""

    name: str
    title: str
    series: tuple[Series, ...]
    x_label: str = ""
    y_label: str = ""
    x_scale: Scale = "linear"
    y_scale: Scale = "linear"
    caption: str = ""
    kind: Literal["lines"] = "lines"


@dataclass(frozen=True)
class Bars:
    """Groups of bars: `heights` of shape (groups, labels); one group is a plain bar chart."""

    name: str
    title: str
    labels: tuple[str, ...]
    groups: tuple[str, ...]
    heights: Array
    y_label: str = ""
    caption: str = ""
    kind: Literal["bars"] = "bars"

    def __post_init__(self) -> None:
        wanted = (len(self.groups), len(self.labels))
        if self.heights.shape != wanted:
            raise ValueError(f"bars {self.name!r}: heights of shape {self.heights.shape}; (groups, labels) is {wanted}")


@dataclass(frozen=True)
class Heatmap:
    """A matrix as colours: `matrix` of shape (rows, columns), with a label for each row and column.

    `scale` says how a value becomes a shade: in proportion, by its square root, or per row.
    """

    name: str
    title: str
    matrix: Array
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    scale: Literal["linear", "sqrt", "row"] = "linear"
    caption: str = ""
    kind: Literal["heatmap"] = "heatmap"

    def __post_init__(self) -> None:
        shape = self.matrix.shape
        if len(shape) != 2:
            raise ValueError(f"heat map {self.name!r}: an array of shape {shape} is no matrix")
        for labels, size, side in zip((self.rows, self.columns), shape, ("row", "column"), strict=True):
            if labels and len(labels) != size:
                raise ValueError(f"heat map {self.name!r}: {len(labels)} {side} labels for {size} {side}s")


@dataclass(frozen=True)
class Node:
    """One node of a tree. `parent` is the index of an earlier node; only the root has -1."""

    label: str
    parent: int = -1
    note: str = ""
    state: Literal["plain", "kept", "pruned", "best"] = "plain"


@dataclass(frozen=True)
class Tree:
    """A tree, its nodes in the order in which they are to be read, parents before children."""

    name: str
    title: str
    nodes: tuple[Node, ...]
    caption: str = ""
    kind: Literal["tree"] = "tree"

    def __post_init__(self) -> None:
        for i, node in enumerate(self.nodes):
            first, last = (0, i - 1) if i else (-1, -1)
            if not first <= node.parent <= last:
                raise ValueError(f"tree {self.name!r}: node {i} has the parent {node.parent}, which is no earlier node")


@dataclass(frozen=True)
class Graph:
    """Nodes joined by edges, at places in the plane.

    `places` is (n, 2); `edges` is (m, 2), pairs of node indices; `group` is (n,) and says which of `groups` each
    node belongs to: its colour and its mark. The nodes in `singled` are made to be seen at once, and
    `singled_label` says what is special about them.
    """

    name: str
    title: str
    labels: tuple[str, ...]
    places: Array
    edges: Array
    groups: tuple[str, ...]
    group: Array
    singled: tuple[int, ...] = ()
    singled_label: str = ""
    caption: str = ""
    kind: Literal["graph"] = "graph"

    def __post_init__(self) -> None:
        n = len(self.labels)
        if self.places.shape != (n, 2) or self.group.shape != (n,):
            shapes = f"places of shape {self.places.shape} and groups of shape {self.group.shape}"
            raise ValueError(f"graph {self.name!r}: {n} labels, {shapes}")
        if self.edges.shape[1:] != (2,):
            raise ValueError(f"graph {self.name!r}: edges of shape {self.edges.shape} are no pairs")
        if not {*self.edges.flat(), *self.singled} <= set(range(n)):
            raise ValueError(f"graph {self.name!r}: an edge or a singled node is none of the {n} nodes")
        if not set(self.group.flat()) <= set(range(len(self.groups))):
            raise ValueError(f"graph {self.name!r}: a node belongs to none of the {len(self.groups)} groups")


@dataclass(frozen=True)
class Table:
    """Rows of text under column heads; `align` has one of l, r, c a column."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    align: str = ""
    caption: str = ""
    kind: Literal["table"] = "table"


Figure = Lines | Bars | Heatmap | Tree | Graph | Table

KINDS: dict[str, type[Any]] = {
    "lines": Lines,
    "bars": Bars,
    "heatmap": Heatmap,
    "tree": Tree,
    "graph": Graph,
    "table": Table,
}


def line(label: str, x: Any, y: Any, *, points: bool = False, low: Any = None, high: Any = None) -> Series:
    """A series from tensors or sequences of equal length.

    Raises:
        ValueError: if the lengths differ, or a band has one side only.
    """
    return Series(
        label,
        Array.of(x),
        Array.of(y),
        "points" if points else "line",
        None if low is None else Array.of(low),
        None if high is None else Array.of(high),
    )


def table(name: str, title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], **more: Any) -> Table:
    """A table from rows of anything that can be shown as text."""
    return Table(name, title, tuple(columns), tuple(tuple(map(str, row)) for row in rows), **more)


def to_plain(figure: Figure) -> dict[str, Any]:
    """A figure as a mapping whose leaves are scalars and `Array`s."""
    plain: dict[str, Any] = _plain(figure)
    return plain


def _plain(value: Any) -> Any:
    if hasattr(value, "__dataclass_fields__") and not isinstance(value, Array):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def from_plain(data: dict[str, Any]) -> Figure:
    """The figure that `to_plain` was given.

    Raises:
        ValueError: if the data describe no figure.
    """
    try:
        fields = dict(data)
        kind = KINDS[fields.pop("kind")]
        if kind is Lines:
            fields["series"] = tuple(Series(**series) for series in fields["series"])
        elif kind is Tree:
            fields["nodes"] = tuple(Node(**node) for node in fields["nodes"])
        elif kind is Table:
            fields["rows"] = tuple(map(tuple, fields["rows"]))
        for name in ("labels", "groups", "rows", "columns", "singled"):
            if name in fields:
                fields[name] = tuple(fields[name])
        figure: Figure = kind(**fields)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a figure: {error}") from None
    return figure
