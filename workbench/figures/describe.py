"""A figure in words: for those who cannot see it, and for files that hold no picture."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from engines.figures import Bars, Figure, Graph, Heatmap, Lines, Table, Tree
from workbench.figures.bars import heights_of
from workbench.figures.curves import Curve, prepare
from workbench.figures.graph import neighbours_of
from workbench.figures.look import MONO
from workbench.figures.page import contents, count
from workbench.figures.scales import number
from workbench.figures.shades import matrix_of
from workbench.figures.table import alignments
from workbench.figures.tree import in_order
from workbench.figures.words import pad, readable, width_of

# So many series, groups or rows are told one by one; all are in the table.
MOST_TOLD = 6
MOST_ROWS = 40
MOST_ACROSS = 12


def describe(figure: Figure) -> str:
    """What a figure shows, in a few sentences and a compact table."""
    figure = readable(figure, MONO)
    if isinstance(figure, Lines):
        sentences, table = _lines(figure)
    elif isinstance(figure, Bars):
        sentences, table = _bars(figure)
    elif isinstance(figure, Heatmap):
        sentences, table = _heatmap(figure)
    elif isinstance(figure, Tree):
        sentences, table = _tree(figure)
    elif isinstance(figure, Graph):
        sentences, table = _graph(figure)
    else:
        sentences, table = [_what(figure)], [list(figure.columns), *map(list, figure.rows)]
    if figure.caption:
        sentences.append(figure.caption)
    return "\n".join([" ".join(sentences), *_plain(table, figure)])


def _what(figure: Figure, more: str = "") -> str:
    """The first sentence: the title, and how much of what there is."""
    text = f"{contents(figure)}{more}."
    return f"{figure.title}: {text}" if figure.title else text[0].upper() + text[1:]


def _told(parts: Sequence[str], one: str, many: str) -> list[str]:
    """The first few sentences of many, and how many others there are."""
    rest = len(parts) - MOST_TOLD
    return [*parts[:MOST_TOLD], *([f"{count(rest, one, many)} in the table."] if rest > 0 else [])]


# -- curves


def _lines(figure: Lines) -> tuple[list[str], list[list[str]]]:
    plot = prepare(figure)
    axes = [
        f"{label or name}{' (logarithmic)' if scale == 'log' else ''}"
        for label, name, scale in (
            (figure.y_label, "y", figure.y_scale),
            (figure.x_label, "x", figure.x_scale),
        )
    ]
    sentences = [_what(figure, f", {axes[0]} against {axes[1]}")]
    sentences += _told([_curve(curve) for curve in plot.curves], "more curve", "more curves")
    sentences += [f"{note[0].upper()}{note[1:]}." for note in plot.notes]
    rows = [["series", "points", "x from", "to", "y first", "last", "least", "at x", "most", "at x"]]
    return sentences, rows + [_curve_row(curve) for curve in plot.curves]


def _curve(curve: Curve) -> str:
    points = curve.shown
    label = curve.label or "The curve"
    if not points:
        return f"{label}: no points."
    low, high = min(points, key=lambda point: point[1]), max(points, key=lambda point: point[1])
    if low[1] == high[1]:
        return f"{label}: {number(low[1])} throughout, at {count(len(points), 'point')}."
    band = ", with a band" if curve.low else ""
    return (
        f"{label}: from {number(points[0][1])} to {number(points[-1][1])}, "
        f"largest {number(high[1])} at {number(high[0])}, smallest {number(low[1])} at {number(low[0])}{band}."
    )


def _curve_row(curve: Curve) -> list[str]:
    points = curve.shown
    if not points:
        return [curve.label, "0", *["-"] * 8]
    low, high = min(points, key=lambda point: point[1]), max(points, key=lambda point: point[1])
    xs = [x for x, _ in points]
    numbers = (min(xs), max(xs), points[0][1], points[-1][1], low[1], low[0], high[1], high[0])
    return [curve.label, str(len(points)), *map(number, numbers)]


# -- bars


def _bars(figure: Bars) -> tuple[list[str], list[list[str]]]:
    heights = heights_of(figure)
    names = [name if len(heights) > 1 else "" for name in figure.groups or ("",)]
    what = f" of {figure.y_label}" if figure.y_label else ""
    parts = []
    for name, group in zip(names, heights, strict=False):
        finite = [(v, label) for v, label in zip(group, figure.labels, strict=True) if math.isfinite(v)]
        if finite:
            high, low = max(finite), min(finite)
            start = f"{name}: largest" if name else "Largest"
            parts.append(f"{start} {number(high[0])} ({high[1]}), smallest {number(low[0])} ({low[1]}).")
    head = ["", *(name or figure.y_label or "value" for name in names)]
    columns = zip(figure.labels, *heights, strict=True)
    return [_what(figure, what), *_told(parts, "more group", "more groups")], [
        head,
        *([label, *map(number, values)] for label, *values in columns),
    ]


# -- heat maps


def _heatmap(figure: Heatmap) -> tuple[list[str], list[list[str]]]:
    values = matrix_of(figure)
    across = len(values[0]) if values else 0
    rows = [*figure.rows, *map(str, range(len(figure.rows), len(values)))]
    columns = [*figure.columns, *map(str, range(len(figure.columns), across))]
    everything = [value for row in values for value in row if math.isfinite(value)]
    sentences = [_what(figure)]
    if everything:
        sentences[0] = _what(figure, f", entries from {number(min(everything))} to {number(max(everything))}")
    largest = [_largest(row) for row in values]
    parts = [
        f"Row {rows[index]}: largest {number(value)} at {columns[place]}."
        for index, (place, value) in enumerate(largest)
        if place >= 0
    ]
    sentences += _told(parts, "more row", "more rows")
    if across <= MOST_ACROSS:
        table = [["", *columns[:across]]]
        table += [[rows[index], *(number(v, 3) for v in row)] for index, row in enumerate(values)]
    else:
        table = [["row", "largest", "at"]]
        for index, (place, value) in enumerate(largest):
            table.append([rows[index], number(value), columns[place] if place >= 0 else "-"])
    return sentences, table


def _largest(row: Iterable[float]) -> tuple[int, float]:
    """Where the largest finite entry of a row stands, and what it is; -1 if there is none."""
    finite = [(value, -place) for place, value in enumerate(row) if math.isfinite(value)]
    if not finite:
        return -1, math.nan
    value, place = max(finite)
    return -place, value


# -- trees


def _tree(figure: Tree) -> tuple[list[str], list[list[str]]]:
    sentences = [_what(figure)]
    for state, start in (("best", "Best"), ("kept", "Kept"), ("pruned", "Pruned")):
        paths = [_path(figure, index) for index, node in enumerate(figure.nodes) if node.state == state]
        if paths:
            more = f" and {len(paths) - MOST_TOLD} more" if len(paths) > MOST_TOLD else ""
            sentences.append(f"{start}: {'; '.join(paths[:MOST_TOLD])}{more}.")
    table = [["node", "under", "state", "note"]]
    for place in in_order(figure):
        node = figure.nodes[place.index]
        above = figure.nodes[node.parent].label if place.depth else ""
        table.append([node.label, above, "" if node.state == "plain" else node.state, node.note])
    return sentences, table


def _path(figure: Tree, index: int) -> str:
    """The labels from the root to a node; of a long path, the last few."""
    labels: list[str] = []
    while index >= 0 and len(labels) < MOST_TOLD:
        node = figure.nodes[index]
        labels.append(node.label)
        index = node.parent if node.parent < index else -1
    return ("… " if index >= 0 else "") + " ".join(reversed(labels))


# -- graphs


def _graph(figure: Graph) -> tuple[list[str], list[list[str]]]:
    groups = figure.group.flat()
    sentences = [_what(figure)]
    sentences += [f"{name}: {count(groups.count(index), 'node')}." for index, name in enumerate(figure.groups)]
    if figure.singled:
        names = ", ".join(figure.labels[index] for index in figure.singled[:MOST_TOLD])
        rest = len(figure.singled) - MOST_TOLD
        sentences.append(f"{figure.singled_label or 'Singled out'}: {names}{f' and {rest} more' if rest > 0 else ''}.")
    table = [["node", "group", "x", "y", "joined to"]]
    places = figure.places.flat()
    for index, neighbours in enumerate(neighbours_of(figure)):
        x, y = (number(float(value), 3) for value in places[2 * index : 2 * index + 2])
        joined = " ".join(figure.labels[other] for other in neighbours)
        table.append([figure.labels[index], figure.groups[groups[index]], x, y, joined])
    return sentences, table


# -- the table


def _plain(rows: list[list[str]], figure: Figure) -> list[str]:
    """Rows as aligned lines; the last says how many are left out."""
    shown = rows[: MOST_ROWS + 1]
    if len(rows) <= 1 or not rows[0]:
        return []
    across = max(map(len, shown))
    shown = [[*row, *[""] * (across - len(row))] for row in shown]
    widths = [max(map(width_of, column)) for column in zip(*shown, strict=True)]
    align = figure.align if isinstance(figure, Table) else ""
    aligns = alignments(Table("", "", (), tuple(map(tuple, shown[1:])), align), across)
    lines = []
    for row in shown:
        parts = [pad(*cell) for cell in zip(row, widths, aligns, strict=True)]
        lines.append("  ".join(parts).rstrip())
    rest = len(rows) - len(shown)
    return [*lines, f"… {count(rest, 'more row')}"] if rest else lines
