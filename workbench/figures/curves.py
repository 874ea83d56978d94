"""The series of a plot, made ready to be drawn: what cannot be shown is left out, and counted."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engines.figures import Lines, Series
from workbench.figures.scales import Axis, axis

Point = tuple[float, float]
GAP: Point = (math.nan, math.nan)


@dataclass(frozen=True)
class Curve:
    """One series: its points in order, a `GAP` where points are missing, and a band as two more curves."""

    label: str
    joined: bool
    points: tuple[Point, ...]
    low: tuple[Point, ...] = ()
    high: tuple[Point, ...] = ()

    @property
    def shown(self) -> list[Point]:
        """The points alone."""
        return [point for point in self.points if point is not GAP]


@dataclass(frozen=True)
class Plot:
    """All series of a figure, the values they cover, and a sentence on each thing that is not shown."""

    curves: tuple[Curve, ...]
    x_range: tuple[float, float] | None
    y_range: tuple[float, float] | None
    whole_x: bool
    whole_y: bool
    notes: tuple[str, ...]

    @property
    def has_band(self) -> bool:
        """Whether any series has a band around it."""
        return any(curve.low for curve in self.curves)


def prepare(figure: Lines) -> Plot:
    """The series of a figure without the points that its axes cannot show."""
    lost = {"not finite": 0, "not positive": 0, "band": 0}
    several = len(figure.series) > 1
    curves = tuple(
        _curve(series, figure, series.label or (f"series {index}" if several else ""), lost)
        for index, series in enumerate(figure.series, 1)
    )
    shown = [point for curve in curves for point in curve.shown]
    bands = [point for curve in curves for point in (*curve.low, *curve.high) if point is not GAP]
    everything = shown + bands
    xs = [x for x, _ in everything]
    ys = [y for _, y in everything]
    return Plot(
        curves,
        (min(xs), max(xs)) if xs else None,
        (min(ys), max(ys)) if ys else None,
        all(map(float.is_integer, xs)),
        all(map(float.is_integer, ys)),
        _notes(lost, figure),
    )


def _curve(series: Series, figure: Lines, label: str, lost: dict[str, int]) -> Curve:
    xs, ys = map(float, series.x.flat()), map(float, series.y.flat())
    points: list[Point] = []
    for x, y in zip(xs, ys, strict=False):
        fault = _fault(x, y, figure)
        if fault:
            lost[fault] += 1
        points.append(GAP if fault else (x, y))
    band: list[tuple[Point, ...]] = [(), ()]
    if series.low is not None and series.high is not None:
        for side, values in enumerate((series.low, series.high)):
            edge = []
            for (x, _), y in zip(points, map(float, values.flat()), strict=False):
                bad = math.isnan(x) or _fault(x, y, figure)
                lost["band"] += bool(bad and not math.isnan(x))
                edge.append(GAP if bad else (x, y))
            band[side] = tuple(edge)
    return Curve(label, series.style == "line", tuple(points), *band)


def _fault(x: float, y: float, figure: Lines) -> str:
    if not (math.isfinite(x) and math.isfinite(y)):
        return "not finite"
    if (figure.x_scale == "log" and x <= 0) or (figure.y_scale == "log" and y <= 0):
        return "not positive"
    return ""


def _notes(lost: dict[str, int], figure: Lines) -> tuple[str, ...]:
    notes = []
    if lost["not finite"]:
        notes.append(f"{_points(lost['not finite'])} not finite, left out")
    if lost["not positive"]:
        axes = "the log axes" if figure.x_scale == figure.y_scale else "a log axis"
        notes.append(f"{_points(lost['not positive'])} not positive, which {axes} cannot show")
    if lost["band"]:
        notes.append(f"band not drawn at {_points(lost['band'])}")
    return tuple(notes)


def _points(count: int) -> str:
    return "1 point" if count == 1 else f"{count} points"


def axes(
    plot: Plot,
    figure: Lines,
    x_fits: Callable[[list[str]], bool],
    y_fits: Callable[[list[str]], bool],
    *,
    ascii_only: bool = False,
) -> tuple[Axis, Axis] | None:
    """Both axes of a plot; none if there is nothing to show."""
    if plot.x_range is None or plot.y_range is None:
        return None
    return (
        axis(*plot.x_range, figure.x_scale, x_fits, slack=0.03, whole=plot.whole_x, ascii_only=ascii_only),
        axis(*plot.y_range, figure.y_scale, y_fits, slack=0.1, whole=plot.whole_y, ascii_only=ascii_only),
    )


def on_grid(points: Sequence[Point], x: Axis, y: Axis, columns: int, rows: int) -> list[Point]:
    """Points as whole places on a grid, counted from the lower left, gaps kept.

    Of the points that fall in one column in a row, the first, the lowest, the highest and the last are
    kept: a line through these looks the same as a line through all, however many there were.
    """
    shown = [point for point in points if point is not GAP]
    places = zip(
        map(float, x.cells([point[0] for point in shown], columns)),
        map(float, y.cells([point[1] for point in shown], rows)),
        strict=True,
    )
    out: list[Point] = []
    run: list[Point] = []
    for point in points:
        if point is GAP:
            out += [*_outline(run), GAP]
            run = []
            continue
        place = next(places)
        if run and run[-1][0] != place[0]:
            out += _outline(run)
            run = []
        run.append(place)
    return out + _outline(run)


def _outline(run: list[Point]) -> list[Point]:
    if len(run) <= 2:
        return run
    heights = [y for _, y in run]
    wanted = sorted({0, heights.index(min(heights)), heights.index(max(heights)), len(run) - 1})
    kept = [run[index] for index in wanted]
    return [point for index, point in enumerate(kept) if not index or point != kept[index - 1]]


def marked(curve: Curve, plot: Plot) -> bool:
    """Whether marks lie on a line: to tell it from others, or to show where its few points are."""
    return len(plot.curves) > 1 or len(curve.shown) <= 24


def spread(places: Sequence[Point], gap: int, part: float, most: int) -> list[Point]:
    """The points of a line that get a mark: all up to `most`, else some that are `gap` columns apart.

    `part`, between 0 and 1, moves the first one by a part of the gap, so that the marks of several lines
    lie beside each other.
    """
    shown = [place for place in places if place is not GAP]
    if len(shown) <= most:
        return shown
    chosen: list[Point] = []
    for place in shown:
        if abs(place[0] - chosen[-1][0]) >= gap if chosen else place[0] >= gap * part + 1:
            chosen.append(place)
    return chosen or shown[:1]
