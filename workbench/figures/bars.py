"""Bars lying down, so that their labels can be read, from a zero line that is always there."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rich.text import Text

from engines.figures import Bars
from workbench.figures.look import Look
from workbench.figures.page import count
from workbench.figures.scales import number
from workbench.figures.words import fit, pad, shorten, shorten_all, width_of

LEAST = 4

EIGHTHS = " ▏▎▍▌▋▊▉"


def heights_of(figure: Bars) -> list[list[float]]:
    """The heights, group by group, with a `nan` for each that is missing."""
    flat = [float(value) for value in figure.heights.flat()]
    size = len(figure.labels)
    groups = max(1, len(figure.groups))
    flat += [math.nan] * (size * groups - len(flat))
    return [flat[index * size : (index + 1) * size] for index in range(groups)]


def wanted(figure: Bars, width: int) -> int:  # noqa: ARG001 - the other kinds look at it
    """The height below which a caption has to make room."""
    return min(len(figure.labels) * max(1, len(figure.groups)) + 1, 8)


@dataclass(frozen=True)
class Layout:
    """The columns of the chart: labels, room left of the zero line, room right of it, cells a unit."""

    labels: int
    left: int
    right: int
    unit: float


def rows(figure: Bars, width: int, height: int, look: Look) -> list[Text]:
    """The chart in at most `height` lines; labels that do not fit below the others are counted."""
    heights = heights_of(figure)
    groups = len(heights)
    header = _header(figure, width, look)
    lost = sum(not math.isfinite(value) for group in heights for value in group)
    notes = [f"{count(lost, 'value')} not finite, without a bar"] if lost else []
    room = height - len(header) - len(notes)
    shown = len(figure.labels)
    if shown * groups > room:
        shown = (room - 1) // groups
        notes.append(f"{look.sign('more')} {count(len(figure.labels) - shown, 'more label')} not shown")
    apart = groups > 1 and shown * (groups + 1) - 1 <= room
    layout = _layout(figure, heights, width)
    lines = list(header)
    labels = shorten_all(figure.labels, layout.labels, look)
    for index, label in enumerate(labels[:shown]):
        if apart and index:
            lines.append(Text())
        for group in range(groups):
            name = fit("" if group else label, layout.labels, look)
            line = Text().append(name, look.plain)
            if groups > 1:
                line.append(f" {look.mark(group)}", look.series(group))
            lines.append(_bar(line, heights[group][index], group, layout, look))
    return lines + [Text(shorten(note, width, look), look.faint) for note in notes]


def _header(figure: Bars, width: int, look: Look) -> list[Text]:
    """What the bars measure, and the mark of each group."""
    lines = [Text().append(shorten(figure.y_label, width, look), look.faint)] if figure.y_label else []
    names = figure.groups if len(figure.groups) > 1 else ()
    if not names:
        return lines
    legend = Text()
    for index, name in enumerate(names):
        entry = f"{look.mark(index)} {name or f'group {index + 1}'}"
        rest = f"{look.sign('more')} {len(names) - index} more"
        last = index == len(names) - 1
        if legend.cell_len + width_of(entry) + (0 if last else len(rest) + 3) > width:
            # What is left has to share the room; at worst it is only counted.
            room = width - legend.cell_len
            legend.append(shorten(entry if last else rest, room, look), look.faint)
            break
        legend.append(entry[0], look.series(index)).append(entry[1:], look.plain)
        legend.append("" if last else "   ")
    if lines and lines[0].cell_len + 3 + legend.cell_len <= width:
        return [lines[0].append("   ").append_text(legend)]
    return [*lines, legend]


def _layout(figure: Bars, heights: list[list[float]], width: int) -> Layout:
    values = [value for group in heights for value in group]
    labels = min(max(map(width_of, figure.labels), default=0), max(4, width * 2 // 5))
    room = width - labels - (3 if len(heights) > 1 else 1) - 1
    finite = [value for value in values if math.isfinite(value)]
    top, bottom = max([*finite, 0.0]), min([*finite, 0.0])
    after = max((len(number(value)) for value in values if not value < 0), default=-1) + 1
    before = max((len(number(value)) for value in values if value < 0), default=-1) + 1
    # Halves: the distance between two very large numbers is no number.
    span = top / 2 - bottom / 2
    # With bars on both sides of the zero line, each side may be rounded up to a whole cell.
    cells = max(2, room - after - before - (2 if bottom < 0 < top else 0))
    unit = cells / span if span else 0.0
    left = before + math.ceil(-bottom / 2 * unit - 1e-9) if bottom < 0 else 0
    return Layout(labels, left, room - left, unit)


def _bar(line: Text, value: float, group: int, layout: Layout, look: Look) -> Text:
    """One bar after its label: the value at its far end, the zero line between the sides."""
    length = abs(value) / 2 * layout.unit if math.isfinite(value) else 0.0
    text, style = number(value), look.series(group)
    line.append(" ")
    if value < 0:
        body = _backward(length, look)
        line.append(pad(text, layout.left - len(body) - 1, "r") + " ", look.plain)
        line.append(body, style).append(look.glyphs("│"), look.faint)
        return line
    body = _forward(length, layout.right, look)
    line.append(" " * layout.left).append(look.glyphs("│"), look.faint)
    line.append(body, style).append(f" {text}", look.plain)
    return line


def _forward(length: float, room: int, look: Look) -> str:
    if look.ascii_only:
        return "#" * min(room, max(round(length), int(length > 0)))
    eighths = max(round(8 * length), int(length > 0))
    return ("█" * (eighths // 8) + EIGHTHS[eighths % 8].strip())[:room]


def _backward(length: float, look: Look) -> str:
    """A bar to the left. Blocks fill a cell from its left side: only the half comes in both kinds."""
    if look.ascii_only:
        return "#" * max(round(length), 1)
    halves = max(round(2 * length), 1)
    return "▐" * (halves % 2) + "█" * (halves // 2)
