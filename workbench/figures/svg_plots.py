"""Curves, bars and heat maps as SVG."""

from __future__ import annotations

import math

from engines.figures import Bars, Heatmap, Lines
from workbench.figures.bars import heights_of
from workbench.figures.curves import GAP, Curve, Plot, Point, axes, marked, on_grid, prepare, spread
from workbench.figures.look import DEFAULT
from workbench.figures.page import count
from workbench.figures.scales import Axis, number
from workbench.figures.shades import LEVELS, ink, level, matrix_of, pooled, ramp_of, round_step, scaling, texts_of, web
from workbench.figures.sheet import FAINT, INK, LINE, MARGIN, PALETTE, RULE, Sheet, text_width

HEIGHT = 320.0  # of the area of a plot
FINE = 4  # places of the grid in a unit of length: what is finer cannot be seen
BAR = 16.0
GRID = "#e8e8e8"
MOST_CELLS = 96  # rows or columns of a heat map before it is pooled


def colour(index: int) -> str:
    """The colour of a series, by its place."""
    return PALETTE[index % len(PALETTE)]


def _notes(sheet: Sheet, notes: tuple[str, ...]) -> None:
    if notes:
        sheet.paragraph("; ".join(notes), fill=FAINT)


def _legend(sheet: Sheet, labels: list[str], lines: list[bool], marks: list[bool]) -> None:
    """Marks, colours and labels in rows below all that is there."""
    x = MARGIN
    sheet.bottom += LINE
    for index, label in enumerate(labels):
        wide = 34 + text_width(label) + 18
        if x > MARGIN and x + wide > sheet.width - MARGIN:
            x = MARGIN
            sheet.bottom += LINE
        y = sheet.bottom - 4
        if lines[index]:
            sheet.line(x, y, x + 26, y, stroke=colour(index), stroke_width=1.8)
        if marks[index]:
            sheet.mark(index, x + 13, y, colour(index))
        sheet.text(x + 34, sheet.bottom, label)
        x += wide


# -- curves


def lines(sheet: Sheet, figure: Lines) -> None:
    """Curves and points over their axes."""
    plot = prepare(figure)
    labelled = [curve for curve in plot.curves if curve.label]
    if labelled:
        joined = [curve.joined for curve in labelled]
        _legend(
            sheet,
            [curve.label for curve in labelled],
            joined,
            [not curve.joined or marked(curve, plot) for curve in labelled],
        )
    if figure.y_label:
        sheet.paragraph(figure.y_label, fill=FAINT)
    both = axes(plot, figure, _x_fits, lambda labels: len(labels) <= 8)
    if both is None:
        sheet.paragraph("no points to draw", fill=FAINT)
    else:
        _plot(sheet, plot, *both)
    if figure.x_label:
        sheet.bottom += LINE
        sheet.text(sheet.width / 2, sheet.bottom, figure.x_label, "middle", fill=FAINT)
    _notes(sheet, plot.notes)


def _x_fits(labels: list[str]) -> bool:
    return len(labels) <= 11 and sum(map(text_width, labels)) + 24 * len(labels) <= 600


def _plot(sheet: Sheet, plot: Plot, x: Axis, y: Axis) -> None:
    left = MARGIN + max((text_width(label) for _, label in y.ticks), default=0.0) + 10
    top, wide = sheet.bottom + 12, sheet.width - left - 2 * MARGIN
    sheet.bottom = top + HEIGHT
    for value, label in y.ticks:
        height = sheet.bottom - y.along(value) * HEIGHT
        sheet.line(left, height, left + wide, height, stroke=GRID)
        sheet.text(left - 8, height + 4, label, "end")
    for value, label in x.ticks:
        place = left + x.along(value) * wide
        sheet.line(place, sheet.bottom, place, sheet.bottom + 5)
        sheet.text(place, sheet.bottom + 5 + LINE - 4, label, "middle")
    sheet.add("path", d=f"M{left:.1f} {top:.1f}V{sheet.bottom:.1f}H{left + wide:.1f}", fill="none", stroke=RULE)
    columns, rows = int(FINE * wide), int(FINE * HEIGHT)

    def put(places: list[Point]) -> list[Point]:
        return [GAP if place is GAP else (left + place[0] / FINE, sheet.bottom - place[1] / FINE) for place in places]

    for index, curve in enumerate(plot.curves):
        low, high = (put(on_grid(edge, x, y, columns, rows)) for edge in (curve.low, curve.high))
        _band(sheet, low, high, colour(index))
        places = on_grid(curve.points, x, y, columns, rows)
        _curve(sheet, curve, put(places), colour(index))
        if curve.joined and marked(curve, plot):
            places = spread(places, columns // 8, index / len(plot.curves), 40)
        elif curve.joined:
            places = []
        for spot in put(sorted(set(places) - {GAP})):
            sheet.mark(index, *spot, colour(index))
    sheet.bottom += 5 + LINE - 4


def _curve(sheet: Sheet, curve: Curve, places: list[Point], stroke: str) -> None:
    if curve.joined:
        path = _path(places)
        if path:
            sheet.add("path", d=path, fill="none", stroke=stroke, stroke_width=1.8, stroke_linejoin="round")


def _path(places: list[Point]) -> str:
    """A line through places, lifted at each gap; a lone point becomes a dot."""
    parts, down = [], False
    for index, place in enumerate(places):
        if place is GAP:
            down = False
            continue
        parts.append(f"{'L' if down else 'M'}{place[0]:.2f} {place[1]:.2f}")
        if not down and (index + 1 == len(places) or places[index + 1] is GAP):
            parts.append("h.1")
        down = True
    return "".join(parts)


def _band(sheet: Sheet, low: list[Point], high: list[Point], fill: str) -> None:
    """The area between two edges; at a gap in either, both lines stand alone."""
    if not low or not high:
        return
    if GAP in low or GAP in high:
        for edge in (low, high):
            sheet.add("path", d=_path(edge), fill="none", stroke=fill, stroke_dasharray="2 3")
        return
    outline = " ".join(f"{x:.2f},{y:.2f}" for x, y in (*low, *reversed(high)))
    sheet.add("polygon", points=outline, fill=fill, fill_opacity="0.15")


# -- bars


def bars(sheet: Sheet, figure: Bars) -> None:
    """Bars lying down, from a zero line."""
    heights = heights_of(figure)
    if len(heights) > 1:
        names = [name or f"group {index}" for index, name in enumerate(figure.groups, 1)]
        _legend(sheet, names, [False] * len(names), [True] * len(names))
    if figure.y_label:
        sheet.paragraph(figure.y_label, fill=FAINT)
    finite = [value for group in heights for value in group if math.isfinite(value)]
    top, bottom = max([*finite, 0.0]), min([*finite, 0.0])
    left = MARGIN + max(map(text_width, figure.labels), default=0.0) + 10
    sheet.width = max(sheet.width, left + 300)
    before = 60.0 if bottom < 0 else 0.0
    span = top / 2 - bottom / 2
    unit = (sheet.width - left - before - 60 - MARGIN) / span if span else 0.0
    zero = left + before - bottom / 2 * unit
    sheet.bottom += 10
    start = sheet.bottom
    for place, label in enumerate(figure.labels):
        sheet.text(left - 10, sheet.bottom + BAR * (len(heights) / 2) + 4, label, "end")
        for index, group in enumerate(heights):
            _bar(sheet, group[place], index, zero, unit)
        sheet.bottom += 8
    sheet.line(zero, start, zero, sheet.bottom, stroke=INK)
    lost = sum(len(group) for group in heights) - len(finite)
    _notes(sheet, (f"{count(lost, 'value')} not finite, without a bar",) if lost else ())


def _bar(sheet: Sheet, value: float, index: int, zero: float, unit: float) -> None:
    length = value / 2 * unit if math.isfinite(value) else 0.0
    sheet.add(
        "rect",
        x=min(zero, zero + length),
        y=sheet.bottom + 1,
        width=abs(length),
        height=BAR - 2,
        fill=colour(index),
    )
    end = zero + length + (6 if length >= 0 else -6)
    sheet.text(end, sheet.bottom + BAR - 4, number(value), "start" if length >= 0 else "end")
    sheet.bottom += BAR


# -- heat maps


def heatmap(sheet: Sheet, figure: Heatmap) -> None:
    """Cells in colours, with their numbers where these fit; each cell tells its value when pointed at."""
    values = matrix_of(figure)
    if not values:
        sheet.paragraph("no entries to draw", fill=FAINT)
        return
    scale = scaling(values, figure.scale)
    lost = sum(not math.isfinite(value) for row in values for value in row)
    notes = [f"{count(lost, 'entry', 'entries')} not finite, left white"] if lost else []
    shades = [
        [scale.shade(index, value) if math.isfinite(value) else math.nan for value in row]
        for index, row in enumerate(values)
    ]
    down, across = -(-len(values) // MOST_CELLS), -(-len(values[0]) // MOST_CELLS)
    rows = [*figure.rows, *map(str, range(len(figure.rows), len(values)))][: len(values) : down]
    columns = [*figure.columns, *map(str, range(len(figure.columns), len(values[0])))][: len(values[0]) : across]
    if down * across > 1:
        notes.insert(0, f"each cell is the largest of {down}×{across}")
        values, shades = pooled(values, down, across), pooled(shades, down, across)
    _cells(sheet, values, shades, rows, columns)
    sheet.bottom += LINE + 4
    x = MARGIN + text_width(scale.dark) + 8
    sheet.text(MARGIN, sheet.bottom, scale.dark)
    for ground in ramp_of(DEFAULT.ramp):
        sheet.add("rect", x=x, y=sheet.bottom - 11, width=10, height=14, fill=web(ground))
        x += 10
    sheet.text(x + 8, sheet.bottom, f"{scale.bright}, {scale.words}")
    _notes(sheet, tuple(notes))


def _cells(
    sheet: Sheet, values: list[list[float]], shades: list[list[float]], rows: list[str], columns: list[str]
) -> None:
    left = MARGIN + max(map(text_width, rows)) + 8
    longest = max(map(text_width, columns))
    size = min(44.0, max(6.0, (sheet.width - left - MARGIN) / len(columns)))
    sheet.width = max(sheet.width, left + size * len(columns) + MARGIN)
    # Words stand upright, so that none is left out; of indices every second or fifth is enough.
    upright = longest > size - 4 and not columns[-1].isdigit()
    top = sheet.bottom + 8 + (longest if upright else LINE)
    every = round_step((14 if upright else longest + 6) / size)
    for index in range(0, len(columns), every):
        x = left + (index + 0.5) * size
        if upright:
            turn = f"rotate(-90 {x + 4:.1f} {top - 5:.1f})"
            sheet.text(x + 4, top - 5, columns[index], transform=turn)
        else:
            sheet.text(x, top - 5, columns[index], "middle")
    high = min(size, 26.0)
    every = round_step(14 / high)
    colours = ramp_of(DEFAULT.ramp)
    texts = texts_of(values)[0] if size >= 40 else []
    sheet.parts.append('<g shape-rendering="crispEdges">')  # else hairlines of paper show between cells
    for index, row in enumerate(values):
        y = top + index * high
        if index % every == 0:
            sheet.text(left - 6, y + high / 2 + 4, rows[index], "end")
        for place, value in enumerate(row):
            shade = shades[index][place]
            ground = None if math.isnan(shade) else colours[level(shade, LEVELS)]
            x = left + place * size
            sheet.cell(x, y, size, high, web(ground) if ground else "none", _told(rows[index], columns[place], value))
            if texts:
                fill = ink(ground) if ground else FAINT
                sheet.text(x + size / 2, y + high / 2 + 4, texts[index][place], "middle", fill=fill, font_size=11.0)
    sheet.parts.append("</g>")
    sheet.bottom = top + high * len(values)


def _told(row: str, column: str, value: float) -> str:
    return f"{row}, {column}: {number(value)}"
