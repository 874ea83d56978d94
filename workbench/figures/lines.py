"""Curves and clouds of points, on a canvas of braille dots or of one mark a cell."""

from __future__ import annotations

import itertools
from dataclasses import replace

from rich.text import Text

from engines.figures import Lines
from workbench.figures.canvas import ACROSS, DOWN, Run, Stroke, rasterise
from workbench.figures.curves import GAP, Curve, Plot, Point, axes, marked, on_grid, prepare, spread
from workbench.figures.look import Look
from workbench.figures.scales import Axis
from workbench.figures.words import pad, shorten, shorten_all, width_of, wrap

LEAST = 5  # header, two rows of canvas, axis, tick labels

# Pens of the curves; those of their bands come after.
PENS = 96

# Points of a line that goes to and fro: each may cost 0.3 ms, since nothing of its way can be left out.
MOST_TO_AND_FRO = 500


def wanted(figure: Lines, width: int) -> int:  # noqa: ARG001 - the other kinds look at these
    """The height below which a caption has to make room."""
    return 9


def rows(figure: Lines, width: int, height: int, look: Look) -> list[Text]:
    """The plot in exactly `height` lines of at most `width` cells."""
    plot = _thinned(prepare(figure))
    header = _header(figure, plot, width, height, look)
    notes = wrap("; ".join(plot.notes), width, 1 if height < 10 else 2, look)
    x_label = [shorten(figure.x_label, width, look)] if figure.x_label and _roomy(height) else []
    room = max(1, height - len(header) - 2 - len(x_label) - len(notes))
    both = axes(
        plot,
        figure,
        lambda labels: _x_fits(labels, width),
        lambda labels: _y_fits(labels, width, room),
        ascii_only=look.ascii_only,
    )
    if both is None:
        empty = Text(pad("no points to draw", width, "c").rstrip(), look.faint)
        body = [Text() for _ in range(room // 2)] + [empty]
    else:
        body = _framed(plot, *both, width, room, look)
    left = max((width_of(label) for _, label in both[1].ticks), default=0) + 2 if both else 0
    faint = [" " * left + pad(line, width - left, "c").rstrip() for line in x_label] + notes
    return header + body + [Text(line, look.faint) for line in faint]


def _roomy(height: int) -> bool:
    """Whether the label of the x axis gets a line of its own."""
    return height >= 9


def _x_fits(labels: list[str], width: int) -> bool:
    return len(labels) <= 11 and sum(map(len, labels)) + 4 * len(labels) <= 0.9 * width


def _y_fits(labels: list[str], width: int, room: int) -> bool:
    return len(labels) <= max(2, min(room // 2, 5 + room // 10)) and max(map(len, labels)) <= width // 3


def _thinned(plot: Plot) -> Plot:
    """The plot without most points of a long line that goes to and fro, and with a note on that."""
    curves, notes = list(plot.curves), list(plot.notes)
    for index, curve in enumerate(curves):
        xs = [x for x, _ in curve.shown]
        if curve.joined and len(xs) > MOST_TO_AND_FRO and xs != sorted(xs):
            step = -(-len(curve.points) // MOST_TO_AND_FRO)
            notes.append(f"{curve.label or 'line'} drawn through one in {step} of its points")
            kept = (edge[::step] for edge in (curve.points, curve.low, curve.high))
            curves[index] = Curve(curve.label, curve.joined, *kept)
    return replace(plot, curves=tuple(curves), notes=tuple(notes))


# -- header: the label of the y axis, and the legend


def _header(figure: Lines, plot: Plot, width: int, height: int, look: Look) -> list[Text]:
    label = figure.y_label
    if figure.x_label and not _roomy(height):
        label = f"{label} against {figure.x_label}" if label else f"x: {figure.x_label}"
    entries = _entries(plot, width // 2, look)
    used = sum(entry.cell_len for entry in entries) + 3 * len(entries)
    if not entries:
        return [Text(shorten(label, width, look), look.faint)] if label else []
    if label and width_of(label) + used <= width:
        gap = Text(" " * (width - width_of(label) - used + 3))
        return [Text.assemble((label, look.faint), gap, Text("   ").join(entries))]
    lines = [Text(shorten(label, width, look), look.faint)] if label and height >= 8 else []
    limit = max(1, (height - 5) // 3)
    for room in (width // 2, width // 3, 16, 10, 6):
        flowed = _flow(_entries(plot, room, look), width, limit, look)
        if flowed[1]:
            break
    return lines + flowed[0]


def _entries(plot: Plot, room: int, look: Look) -> list[Text]:
    """For each series its mark, in its colour, and its label."""
    entries = []
    labels = shorten_all((curve.label for curve in plot.curves), room, look)
    for index, (curve, label) in enumerate(zip(plot.curves, labels, strict=True)):
        if label:
            sample = (_sample(curve, index, plot, look), look.series(index))
            entries.append(Text.assemble(sample, " ", (label, look.plain)))
    if plot.has_band:
        dots = ". ." if look.ascii_only else "⠂⠐⠂"
        entries.append(Text(f"{dots} band", look.faint))
    return entries


def _sample(curve: Curve, index: int, plot: Plot, look: Look) -> str:
    mark = look.mark(index)
    if not curve.joined:
        return mark
    if look.ascii_only:
        return mark * 3
    return f"─{mark}─" if marked(curve, plot) else "───"


def _flow(entries: list[Text], width: int, limit: int, look: Look) -> tuple[list[Text], bool]:
    """Entries side by side on at most `limit` lines, and whether all are there; else it is said."""
    lines = [Text()]
    for index, entry in enumerate(entries):
        if lines[-1] and lines[-1].cell_len + 3 + entry.cell_len > width and len(lines) < limit:
            lines.append(Text())
        gap = " " * (3 if lines[-1] else 0)
        rest = len(entries) - index
        more = f"{look.sign('more')} {rest} more"
        kept_free = 3 + len(more) if rest > 1 and len(lines) == limit else 0
        if lines[-1].cell_len + len(gap) + entry.cell_len + kept_free > width and len(lines) == limit:
            # The last that fits without the remark may yet leave no room for the others.
            left = entries[index:]
            if sum(item.cell_len + 3 for item in left) + lines[-1].cell_len + len(gap) - 3 > width:
                lines[-1].append(gap + more, look.faint)
                return lines, False
        lines[-1].append(gap).append_text(entry)
    return lines, True


# -- canvas and axes


def _framed(plot: Plot, x: Axis, y: Axis, width: int, height: int, look: Look) -> list[Text]:
    """The canvas in `height` lines, with the y axis to its left and the x axis and its labels below."""
    at_row = {height - 1 - y.tick_cell(value, height): label for value, label in reversed(y.ticks)}
    gutter = max((width_of(label) for label in at_row.values()), default=0) + 1
    columns = max(1, width - gutter - 1)
    canvas = rasterise(_strokes(plot, x, y, columns, height, look), columns, height)
    zero = None
    if y.scale == "linear" and y.low < 0 < y.high:
        zero = height - 1 - y.cell(0.0, height)
    lines = []
    for row, runs in enumerate(canvas):
        edge = pad(at_row[row], gutter - 1, "r") + look.glyphs(" ┤") if row in at_row else ""
        line = Text().append(edge or " " * gutter + look.glyphs("│"), look.faint)
        for text, style in _styled(runs, look, zero=row == zero):
            line.append(text, style)
        line.rstrip()
        lines.append(line)
    return [*lines, *_x_axis(x, gutter, columns, look)]


def _styled(runs: list[Run], look: Look, *, zero: bool) -> list[tuple[str, str]]:
    """Runs of the canvas in the colours of the look, on a faint line where y is 0."""
    styled = []
    for text, pen in runs:
        if pen is None:
            shown = text.replace(" ", look.glyphs("┄")) if zero else text
            styled.append((shown, look.faint if zero else ""))
        else:
            colour = look.series(pen % PENS)
            styled.append((text, f"dim {colour}".rstrip() if pen >= PENS else colour))
    return styled


def _x_axis(x: Axis, gutter: int, columns: int, look: Look) -> list[Text]:
    """The axis line with its ticks, and below it the labels that do not touch each other."""
    line = ["─"] * columns
    labels = ""
    for value, label in x.ticks:
        column = x.tick_cell(value, columns)
        start = max(0, min(gutter + 1 + column - width_of(label) // 2, gutter + 1 + columns - width_of(label)))
        if labels and start < width_of(labels) + 1:
            continue
        line[column] = "┬"
        labels = pad(labels, start) + label
    edge = look.glyphs(" " * gutter + "└" + "".join(line))
    return [Text(edge, look.faint), Text(labels, look.faint)]


# -- strokes


def _strokes(plot: Plot, x: Axis, y: Axis, columns: int, height: int, look: Look) -> list[Stroke]:
    """Bands below curves below marks, so that no mark is ever hidden by a line."""
    grid = (x, y, ACROSS * columns, DOWN * height)
    bands, curves, marks = [], [], []
    for index, curve in enumerate(plot.curves):
        pen, mark = index % PENS, look.mark(index)
        for edge in (curve.low, curve.high):
            dots = _dotted(on_grid(edge, *grid))
            bands.append(Stroke(dots, PENS + pen, "." if look.ascii_only else "braille", joined=False))
        places = on_grid(curve.points, *grid)
        if curve.joined:
            curves.append(Stroke(places, pen, mark if look.ascii_only else "braille"))
            if not marked(curve, plot):
                continue
            gap = ACROSS * max(3, columns // (8 if look.colour == "full" else 10))
            places = spread(places, gap, index / len(plot.curves), columns // 4)
        marks.append(Stroke(sorted(set(places) - {GAP}), pen, mark, joined=False))
    return [stroke for stroke in (*bands, *curves, *marks) if stroke.points]


def _dotted(places: list[Point]) -> list[Point]:
    """Every third dot of the line through some points."""
    dots: list[Point] = []
    walked = 0
    for start, end in itertools.pairwise(places):
        if start is GAP or end is GAP:
            continue
        length = int(max(abs(end[0] - start[0]), abs(end[1] - start[1])))
        for step in range(length):
            if (walked + step) % 3 == 0:
                part = step / length
                x, y = (a + part * (b - a) for a, b in zip(start, end, strict=True))
                dots.append((float(round(x)), float(round(y))))
        walked += length
    return dots or [place for place in places if place is not GAP]
