"""Growth classes: compared exactly, then drawn through what the engine measured."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from engines.figures import Lines, Series, line
from workbench.answers.verdict import Bench, Key, Verdict, correct, undecided, wrong

if TYPE_CHECKING:
    from workbench.answers.formula import Formula
    from workbench.answers.formula.growth import Comparison, Witness

# A claim whose largest and smallest value are further apart than e to this fits on no axis, nor between floats.
STEEPEST = 600.0

NOTES = {"too large": "too-large", "too small": "too-small", "neither": "neither"}
SENTENCES = {
    "too large": "That is an upper bound, but not the smallest.",
    "too small": "That is not enough.",
    "neither": "That is too large in one direction and too small in another.",
}


AS_FAST = "It grows neither faster nor slower than the right answer."


class Complexity:
    """A formula in the letters of the question, understood as a growth class."""

    def read(self, text: str, key: Key) -> Formula:
        """A formula, with or without O(…) around it, that can be a growth class: positive, with a value."""
        from workbench.answers.formula import Undecidable, read
        from workbench.answers.formula.growth import growth

        formula = read(text, letters(key))
        with contextlib.suppress(Undecidable):  # that is for the check to say
            growth(formula.tree, letters(key))
        return formula

    def show(self, answer: Formula, key: Key) -> str:
        """The formula as it was read; its class as well, where that is another one."""
        from workbench.answers.formula import Undecidable, show
        from workbench.answers.formula.growth import growth, leading

        written = show(answer.tree)
        try:
            simplest = leading(growth(answer.tree, letters(key)))
        except Undecidable:
            return written
        return written if written == simplest else f"{written}, that is Θ({simplest})"

    def write(self, value: Any, key: Key) -> str:
        """The engine's value is a class as it is typed."""
        return str(value)

    def uses(self, part: Any) -> list[str]:
        """The right class, the others that count, and the measurement."""
        names = [part.expect, part.measured, *(other.value for other in part.also)]
        return [name for name in names if name]

    def check(self, answer: Formula, key: Key, bench: Bench) -> Verdict:
        """Equal to the class, or to another that counts; else which way it is wrong, with a ray that shows it."""
        from workbench.answers.formula import Undecidable, show

        figure = claim_figure(answer, key)
        try:
            comparisons = self._compare(answer, key)
        except Undecidable as error:
            return undecided(f"This cannot be compared: {error.message}.", figure=figure)
        for comparison, say in comparisons:
            if comparison.relation == "equal":
                note = "correct" if not say else "correct-under-assumption"
                return correct(say or AS_FAST, note=note, figure=figure)
        comparison = comparisons[0][0]
        witnesses = [witness for witness in (comparison.above, comparison.below) if witness]
        sentences = [
            SENTENCES[comparison.relation],
            *(_sentence(witness, above=witness is comparison.above) for witness in witnesses),
        ]
        witness = {"yours": show(answer.tree), **_as_data(comparison)}
        if figure is not None and not any(_grows(each, key.value(key.part.measured)["along"]) for each in witnesses):
            elsewhere = f"What refutes the claim is not on this axis: {witnesses[0].sentence}."
            figure = dataclasses.replace(figure, caption=f"{elsewhere} {figure.caption}")
        return wrong(NOTES[comparison.relation], " ".join(sentences), witness=witness, figure=figure)

    def _compare(self, answer: Formula, key: Key) -> list[tuple[Comparison, str]]:
        """The comparison with every class that counts, the main one first, and what each assumes."""
        from workbench.answers.formula import read
        from workbench.answers.formula.growth import compare, conditions, growth

        part, names = key.part, letters(key)
        under = conditions(part.conditions, names)
        yours = growth(answer.tree, names)
        accepted = [(part.answer or key.value(part.expect), "")]
        accepted += [(other.answer or key.value(other.value), other.say) for other in part.also]
        return [(compare(yours, growth(read(text, names).tree, names), under), say) for text, say in accepted]


def letters(key: Key) -> tuple[str, ...]:
    """The variables of the question."""
    variables = key.part.variables
    return tuple(key.given(variables) if isinstance(variables, str) else variables)


def _sentence(witness: Witness, *, above: bool) -> str:
    start = witness.sentence[0].upper() + witness.sentence[1:]
    larger, smaller = ("your", "the right answer's") if above else ("the right answer's", "your")
    return f"{start}: {larger} {witness.term} outgrows {smaller} {witness.against}."


def _grows(witness: Witness, along: str) -> bool:
    """Whether a variable grows on the way that shows it, so that a curve along it may show it as well."""
    ray = witness.ray
    return ray is None or bool(dict(zip(ray.names, ray.exponents, strict=True)).get(along, 0))


def _as_data(comparison: Comparison) -> dict[str, Any]:
    return {
        name: {"ray": witness.sentence, "term": witness.term, "against": witness.against}
        for name, witness in (("too_large", comparison.above), ("too_small", comparison.below))
        if witness is not None
    }


# -- the claim beside the measurement


def claim_figure(answer: Formula, key: Key) -> Lines | None:
    """What the engine counted, and the claim as a curve of its own shape through the last of those points."""
    if not key.part.measured:
        return None
    measured = key.value(key.part.measured)
    along, points = measured["along"], measured["points"]
    claimed = _evaluated(answer, points)
    if claimed is None:
        return None
    counts = [float(count) for count in measured["counts"]]
    x = [float(point[along]) for point in points]
    base = key.result().figure(measured.get("figure", key.part.measured))
    title = base.title if isinstance(base, Lines) else "Measured"
    y_label = base.y_label if isinstance(base, Lines) else "count"
    if max(claimed) - min(claimed) > STEEPEST:
        return None
    scaled = [counts[-1] * math.exp(claim - claimed[-1]) for claim in claimed]
    series: tuple[Series, ...] = (
        line(f"measured, slope {_slope(x, counts):.2f}", x, counts, points=True),
        line(f"your claim, slope {_slope(x, scaled):.2f}", x, scaled),
    )
    return Lines(
        "claim",
        title,
        series,
        x_label=base.x_label if isinstance(base, Lines) else along,
        y_label=y_label,
        x_scale="log",
        y_scale="log",
        caption=f"Counted in a real run as {along} grows, the other sizes fixed. The claim is scaled to meet the last "
        "point, so only its shape counts; the slopes are those of the last three points.",
    )


def claimed_ratio(answer: Formula, measured: dict[str, Any]) -> float | None:
    """Largest by smallest ratio of measurement and claim over the upper half of the sizes: 1 is proportional."""
    claimed = _evaluated(answer, measured["points"])
    if claimed is None:
        return None
    ratios = [math.log(count) - claim for count, claim in zip(measured["counts"], claimed, strict=True)]
    upper = ratios[len(ratios) // 2 :]
    return math.exp(max(upper) - min(upper))


def _evaluated(answer: Formula, points: Sequence[dict[str, float]]) -> list[float] | None:
    """Logarithms of the claim at the measured sizes; None where it has no value."""
    from workbench.answers.formula import Undecidable
    from workbench.answers.formula.growth import evaluate

    try:
        values = [evaluate(answer.tree, point) for point in points]
        return [math.log(value) for value in values]
    except (Undecidable, ValueError, OverflowError):
        return None


def _slope(x: list[float], y: list[float]) -> float:
    """The slope over the last three points on log axes."""
    a = [math.log(value) for value in x[-3:]]
    b = [math.log(value) for value in y[-3:]]
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    return sum((p - mean_a) * (q - mean_b) for p, q in zip(a, b, strict=True)) / sum((p - mean_a) ** 2 for p in a)


def with_series(figure: Lines, series: Series) -> Lines:
    """A figure with one more curve."""
    return dataclasses.replace(figure, series=(*figure.series, series))
