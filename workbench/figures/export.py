"""Figures as files: data as JSON and CSV, text, and drawings that a paper can take."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from engines.arrays import Array, to_json
from engines.figures import Bars, Figure, Graph, Heatmap, Lines, Tree, to_plain

SUFFIXES = (".json", ".csv", ".txt", ".svg")

# The size of a figure in a text file.
TEXT_WIDTH, TEXT_HEIGHT = 100, 30


def save(figures: Figure | Sequence[Figure], path: Path) -> None:
    """Write one figure or several to a file, in the format that its suffix names.

    The file appears whole or not at all.

    Raises:
        ValueError: if the suffix is none of .json, .csv, .txt and .svg.
        OSError: if the file cannot be written.
    """
    formats = {".json": as_json, ".csv": as_csv, ".txt": as_text, ".svg": as_svg}
    make = formats.get(path.suffix.lower())
    if make is None:
        raise ValueError(f"cannot save a figure as '{path.name}': end it in {_either(SUFFIXES)}")
    _write(path, make(figures))


def _either(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _write(path: Path, text: str) -> None:
    """Replace a file by way of another one in the same folder, so that nobody ever reads half of it."""
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with part.open("x", encoding="utf-8", errors="backslashreplace", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            part.unlink()
        if isinstance(error, OSError):  # under the name that means something to whoever asked for the file
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise


def _several(figures: Figure | Sequence[Figure]) -> Sequence[Figure]:
    return figures if isinstance(figures, Sequence) else (figures,)


# -- data


def as_json(figures: Figure | Sequence[Figure]) -> str:
    """The data of a figure as a JSON object; of several, as a list of them."""
    # 3 ms.
    import json

    several = isinstance(figures, Sequence)
    data = [to_json(to_plain(figure)) for figure in _several(figures)]
    return json.dumps(data if several else data[0], ensure_ascii=False, allow_nan=False) + "\n"


def as_csv(figures: Figure | Sequence[Figure]) -> str:
    """The data of a figure, one number a line, under a head that depends on its kind.

    Several figures follow one another, each line led by the figure's name; where the head changes, the
    new one stands after an empty line.
    """
    # 2 ms each.
    import csv
    import io

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    several = isinstance(figures, Sequence)
    last: list[str] | None = None
    for figure in _several(figures):
        # A lone carriage return would end a line for some readers.
        head, *body = ([cell.replace("\r", " ") for cell in row] for row in _long(figure))
        if several:
            head = ["figure", *head]
            body = [[figure.name.replace("\r", " "), *row] for row in body]
        if head != last:
            if last is not None:
                out.write("\n")
            writer.writerow(head)
            last = head
        writer.writerows(body)
    return out.getvalue()


def _long(figure: Figure) -> list[list[str]]:
    """A head, and a line for each point, bar, entry or node; tables as they are."""
    from workbench.figures.graph import neighbours_of

    if isinstance(figure, Lines):
        rows = [["series", "x", "y", "low", "high"]]
        for series in figure.series:
            size = min(series.x.size, series.y.size)
            edges = [_numbers(edge) if edge else [""] * size for edge in (series.low, series.high)]
            columns = zip(_numbers(series.x), _numbers(series.y), *edges, strict=False)
            rows += [[series.label, *values] for values in columns]
        return rows
    if isinstance(figure, Bars):
        keys = [[group, label] for group in figure.groups or ("",) for label in figure.labels]
        heights = _numbers(figure.heights)
        return [
            ["group", "label", "height"],
            *([*key, value] for key, value in zip(keys, heights, strict=False)),
        ]
    if isinstance(figure, Heatmap):
        across = figure.matrix.shape[-1] if figure.matrix.shape else 1
        cells = enumerate(_numbers(figure.matrix))
        return [
            ["row", "column", "value"],
            *(
                [_label(figure.rows, index // across), _label(figure.columns, index % across), value]
                for index, value in cells
            ),
        ]
    if isinstance(figure, Tree):
        rows = [["node", "parent", "label", "state", "note"]]
        for index, node in enumerate(figure.nodes):
            rows.append([str(index), str(node.parent), node.label, node.state, node.note])
        return rows
    if isinstance(figure, Graph):
        rows = [["node", "label", "group", "x", "y", "singled", "neighbours"]]
        places = _numbers(figure.places)
        neighbours = neighbours_of(figure)
        for index, (label, group) in enumerate(zip(figure.labels, figure.group.flat(), strict=True)):
            row = [str(index), label, figure.groups[group], *places[2 * index : 2 * index + 2]]
            rows.append([*row, str(int(index in figure.singled)), " ".join(map(str, neighbours[index]))])
        return rows
    return [list(figure.columns), *map(list, figure.rows)]


def _numbers(array: Array) -> list[str]:
    """The elements of an array, so that reading them gives the same numbers."""
    return [repr(value) for value in array.flat()]


def _label(labels: tuple[str, ...], index: int) -> str:
    return labels[index] if index < len(labels) else str(index)


# -- pictures


def as_text(figures: Figure | Sequence[Figure]) -> str:
    """A figure as on a terminal without colours, and in words."""
    # 20 ms and more: what draws is not needed to write data.
    from workbench.figures.describe import describe
    from workbench.figures.draw import draw
    from workbench.figures.look import MONO

    parts = []
    for figure in _several(figures):
        drawn = draw(figure, TEXT_WIDTH, TEXT_HEIGHT, MONO).plain
        lines = [line.rstrip() for line in drawn.split("\n")]
        parts.append("\n".join([*lines, "", describe(figure)]))
    return "\n\n\n".join(parts) + "\n"


def as_svg(figures: Figure | Sequence[Figure]) -> str:
    """A figure as a vector drawing; several, one above the other."""
    from workbench.figures.svg import document

    return document(_several(figures))
