"""What attention costs: counted on the real code, fitted exactly, and measured at growing lengths."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from itertools import product
from typing import Any

from torch import Tensor

from engines.attention import softmax_attention
from engines.counting import Cost, Exponents, count, fit_polynomial, show_class, show_terms, slope
from engines.figures import Lines, Table, line, table
from engines.kernel_attention import kernel_attention, recomputing_kernel_attention
from engines.parameters.complexity import AttentionCost
from engines.randomness import Draws
from engines.registry import draws, experiment
from engines.result import Result, Step
from engines.run import Run

Polynomial = dict[Exponents, Fraction]


def forms(degree: int) -> dict[str, Callable[..., Tensor]]:
    """The forms of attention that are compared, by name."""
    return {
        "softmax": softmax_attention,
        "linear": partial(recomputing_kernel_attention, degree=degree),
        "linear, features kept": partial(kernel_attention, degree=degree),
    }


def cost_at(function: Callable[..., Tensor], sizes: tuple[int, ...], run: Run) -> Cost:
    """Cost of an attention form at (queries, [keys,] width, value width); as many keys as queries if left out."""
    n, *middle, d, m = sizes
    length = middle[0] if middle else n
    # Positive entries keep the kernel's denominator away from zero.
    shapes = {"q": (n, d), "k": (length, d), "v": (length, m)}
    return count(function, *(run.randn(f"{name}/{sizes}", *shape).abs() for name, shape in shapes.items()))


@experiment(AttentionCost)
def attention(params: AttentionCost, run: Run) -> Result:
    """Exact cost polynomials of softmax and kernel attention, and their cost at growing length."""
    polynomials = _fit(params, run)
    lengths = [2**i for i in range(6, params.longest.bit_length()) if 2**i <= params.longest]
    measured: dict[str, list[Cost]] = {name: [] for name in forms(params.degree)}
    for i, n in enumerate(lengths):
        for name, function in forms(params.degree).items():
            sizes = (n, n, params.width, params.width) if params.keys == "cross" else (n, params.width, params.width)
            measured[name].append(cost_at(function, sizes, run))
        so_far = _growth_figure("operations", params, lengths[: i + 1], measured)
        run.progress(0.3 + 0.7 * ((i + 1) / len(lengths)), f"{params.length_letter} = {n}", so_far)
    letters = params.letters
    classes = {key: show_class(polynomial, letters) for key, polynomial in polynomials.items()}
    return Result(
        values={
            **classes,
            **_growth_values(params, lengths, measured),
            "letters": list(letters),
        },
        trace=_worked(params, polynomials, classes),
        figures=(
            _growth_figure("operations", params, lengths, measured),
            _growth_figure("memory", params, lengths, measured),
            _polynomial_table(params, polynomials),
        ),
    )


# Which part of which cost each question is about.
QUESTIONS = {
    "softmax_time": ("softmax", "operations"),
    "softmax_space": ("softmax", "kept"),
    "linear_time": ("linear", "operations"),
    "linear_space": ("linear", "kept"),
    "linear_space_kept": ("linear, features kept", "kept"),
}


def _fit(params: AttentionCost, run: Run) -> dict[str, Polynomial]:
    """The cost polynomials in the question's letters, each from a few dozen tiny runs."""
    cross = params.keys == "cross"
    degrees = (1, 1, params.degree, 1) if cross else (2, params.degree, 1)
    grid = {*product(*(range(2, 3 + degree) for degree in degrees)), tuple(4 + degree for degree in degrees)}
    costs: dict[str, dict[tuple[int, ...], Cost]] = {}
    for i, (name, function) in enumerate(forms(params.degree).items()):
        run.progress(0.1 * i, f"counting {name} attention at {len(grid)} small sizes")
        costs[name] = {sizes: cost_at(function, sizes, run) for sizes in grid}
    return {
        question: fit_polynomial(lambda sizes, n=name, a=attribute: getattr(costs[n][sizes], a), degrees)  # type: ignore[misc]
        for question, (name, attribute) in QUESTIONS.items()
    }


def _growth_values(params: AttentionCost, lengths: list[int], measured: dict[str, list[Cost]]) -> dict[str, Any]:
    """For each question: the sizes that were measured and what was counted, for a claim to be drawn through."""
    points = [
        {letter: float(n if letter in (params.length_letter, params.keys_letter) else params.width)
         for letter in params.letters}
        for n in lengths
    ]  # fmt: skip
    return {
        f"measured_{question}": {
            "along": params.length_letter,
            "figure": "operations" if attribute == "operations" else "memory",
            "series": name,
            "points": points,
            "counts": [
                float(cost.operations if attribute == "operations" else cost.peak_bytes) for cost in measured[name]
            ],
        }
        for question, (name, attribute) in QUESTIONS.items()
    }


def _growth_figure(quantity: str, params: AttentionCost, lengths: list[int], measured: dict[str, list[Cost]]) -> Lines:
    operations = quantity == "operations"
    series = []
    for name, costs in measured.items():
        if operations and name == "linear, features kept":
            continue  # the same operations as when they are recomputed
        x = [float(n) for n in lengths[: len(costs)]]
        y = [float(cost.operations if operations else cost.peak_bytes) for cost in costs]
        fitted = f", slope {slope(x[-3:], y[-3:]):.2f}" if len(x) > 2 else ""
        series.append(line(name + fitted, x, y))
    width = f"{params.width_letter} = {params.value_letter} = {params.width}"
    return Lines(
        quantity,
        f"{'Operations' if operations else 'Peak memory'} at {width}, measured",
        tuple(series),
        x_label=f"length {params.length_letter}" + (f" = {params.keys_letter}" if params.keys == "cross" else ""),
        y_label="operations" if operations else "bytes",
        x_scale="log",
        y_scale="log",
        caption="On these axes a power is a straight line and its slope the exponent, fitted to the last three points.",
    )


def _polynomial_table(params: AttentionCost, polynomials: dict[str, Polynomial]) -> Table:
    rows = [
        (
            question.replace("_", " "),
            show_class(polynomial, params.letters),
            show_terms(polynomial, params.letters),
        )
        for question, polynomial in polynomials.items()
    ]
    return table(
        "polynomials",
        "What was counted, exactly",
        ("quantity", "class", "all terms"),
        rows,
        align="lll",
        caption="Interpolated through counts at small sizes and checked at one more.",
    )


def _worked(params: AttentionCost, polynomials: dict[str, Polynomial], classes: dict[str, str]) -> tuple[Step, ...]:
    n, d, m = params.length_letter, params.width_letter, params.value_letter
    length = n if params.keys == "self" else params.keys_letter
    p = params.degree
    pairs = f"${n}^2$" if length == n else f"${n} {length}$"
    features = {
        1: f"$C = {d} + 1$",
        2: f"$C = ({d} + 1)({d} + 2)/2$",
        3: f"$C = ({d} + 1)({d} + 2)({d} + 3)/6$",
    }[p]
    counted = {key: f"Counted: ${show_terms(poly, params.letters)}$." for key, poly in polynomials.items()}
    grows = {key: f"${text.replace('*', ' ')}$" for key, text in classes.items()}
    return (
        Step(
            "softmax-time",
            f"Every query meets every key: {pairs} inner products of ${d}$ terms. Then every output is a sum "
            f"over ${length}$ values of ${m}$ entries. Scaling, exp and normalising touch each of the "
            f"{pairs} weights a fixed number of times. Together {grows['softmax_time']}.\n\n"
            f"{counted['softmax_time']}",
        ),
        Step(
            "softmax-space",
            f"Kept for the backward pass: $Q$, $K$, $V$ and the output, and the matrix of weights, {pairs} "
            f"numbers. Together {grows['softmax_space']}.\n\n{counted['softmax_space']}",
        ),
        Step(
            "linear-time",
            f"A kernel of degree {p} has {features} features. Summing $\\phi(K_j) V_j^\\top$ over the keys is one "
            f"product of $C \\times {length}$ with ${length} \\times {m}$; reading it with every query another. "
            f"Together {grows['linear_time']}.\n\n{counted['linear_time']}",
        ),
        Step(
            "linear-space",
            f"The sums over the keys have $C ({m} + 1)$ numbers, whatever the length; beside them stand "
            f"$Q$, $K$, $V$ and the output: {grows['linear_space']}. That is with the features made again in the "
            f"backward pass. Kept instead, they are $C$ numbers a position: {grows['linear_space_kept']}.\n\n"
            f"{counted['linear_space']}",
        ),
    )


@draws(AttentionCost)
def draw_attention(draws: Draws) -> AttentionCost:
    """Another degree, self- or cross-attention, other letters."""
    rng = draws.stream("letters")
    # None that the text uses for something else: Q, K, V, C, e, i, j.
    length, keys = rng.choice((("N", "L"), ("T", "S"), ("n", "m"), ("L", "S"), ("P", "R")))
    width, value = rng.choice((("D", "M"), ("d", "r"), ("d", "v"), ("D", "W"), ("F", "G"), ("E", "H")))
    return AttentionCost(
        degree=draws.stream("degree").choice((1, 2, 3)),
        keys=draws.stream("keys").choice(("self", "cross")),
        length_letter=length,
        keys_letter=keys,
        width_letter=width,
        value_letter=value,
        width=8,
        longest=1024,
    )
