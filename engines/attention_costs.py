"""What any form of attention costs, where its time and memory go, and what a recurrent layer costs instead."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import partial

import torch
from torch import Tensor

from engines.arrays import Array
from engines.attention import softmax_attention
from engines.attention_forms import FORMS, Form
from engines.complexity import Polynomial
from engines.counting import (
    Watch,
    break_even,
    count,
    crossover,
    evaluate,
    fit_polynomial,
    show_class,
    show_terms,
    slope,
    working_set,
)
from engines.figures import Bars, Lines, Table, line, table
from engines.parameters.attention_costs import SIZES, Forms, Recurrent, Shares
from engines.randomness import Draws
from engines.registry import draws, experiment
from engines.result import Result, Step
from engines.run import Run
from engines.timing import seconds

# -- any form beside softmax attention

# What is counted: a question's name → how, and from which length on it is the polynomial that it becomes.
QUANTITIES = {"time": 2, "space": 2, "space_working": 12}


def polynomials(form: Form, run: Run) -> dict[str, Polynomial]:
    """Exact costs in the form's sizes: operations, numbers kept for the backward pass, numbers alive without one."""
    found = {}
    for quantity, first in QUANTITIES.items():
        if quantity == "space_working" and not form.working:
            continue
        starts = (first,) + (2,) * (len(form.sizes) - 1)
        found[quantity] = _in_positions(form, fit_polynomial(partial(_cost, form, run, quantity), form.degrees, starts))
    return found


def _cost(form: Form, run: Run, quantity: str, sizes: tuple[int, ...]) -> int:
    if form.in_chunks:  # the first size counts chunks while a polynomial is sought
        sizes = (sizes[0] * sizes[-1], *sizes[1:])
    function, inputs = form.at(sizes), form.inputs(sizes, run)
    if quantity == "space_working":
        return working_set(function, *inputs)
    cost = count(function, *inputs)
    return cost.operations if quantity == "time" else cost.kept


def _in_positions(form: Form, polynomial: Polynomial) -> Polynomial:
    """A polynomial in chunks and positions a chunk as one in positions: g = n / b."""
    if not form.in_chunks:
        return polynomial
    return {(*exponents[:-1], exponents[-1] - exponents[0]): c for exponents, c in polynomial.items()}


@experiment(Forms)
def forms(params: Forms, run: Run) -> Result:
    """The polynomials of one form, its cost at growing length, and the length from which on it is the cheaper one."""
    form, baseline = FORMS[params.form], FORMS["softmax"]
    run.progress(0.0, f"counting {params.form} at small sizes")
    exact = polynomials(form, run)
    softmax = polynomials(baseline, run)
    run.progress(0.4, "at growing length", _terms_table(params, exact))
    lengths = [2**i for i in range(6, params.longest.bit_length()) if 2**i <= params.longest]
    wide = _widths(params)
    curves: dict[str, list[float]] = {}
    for i, n in enumerate(lengths):
        contestants = {params.form: (form, (n, *params.measured)), "softmax, one head": (baseline, (n, *wide))}
        calls = {name: partial(each.at(sizes), *each.inputs(sizes, run)) for name, (each, sizes) in contestants.items()}
        for name, (each, sizes) in contestants.items():
            cost = count(each.at(sizes), *each.inputs(sizes, run))
            curves.setdefault(f"operations {name}", []).append(float(cost.operations))
            curves.setdefault(f"bytes {name}", []).append(float(cost.peak_bytes))
        if params.timed:
            for name, taken in seconds(calls, run, 3).items():
                curves.setdefault(f"seconds {name}", []).append(taken)
        figure = _curves_figure("operations", params, lengths[: i + 1], curves)
        run.progress(0.4 + 0.6 * ((i + 1) / len(lengths)), f"n = {n}", figure)
    return Result(
        values=_form_values(params, exact, softmax, lengths, curves),
        trace=_form_steps(params, exact),
        figures=(
            _terms_table(params, exact),
            *(_curves_figure(what, params, lengths, curves) for what in ("operations", "bytes")),
            *([_curves_figure("seconds", params, lengths, curves)] if params.timed else []),
        ),
    )


def _widths(params: Forms) -> tuple[int, int]:
    """Key and value width of the softmax attention that stands beside the form."""
    named = dict(zip(SIZES[params.form][1:], params.measured, strict=True))
    return named["d"], named["d"] if params.form == "features" else named.get("m", named["d"])


def _form_values(
    params: Forms,
    exact: Mapping[str, Polynomial],
    softmax: Mapping[str, Polynomial],
    lengths: list[int],
    curves: Mapping[str, list[float]],
) -> dict[str, object]:
    x = [float(n) for n in lengths]
    points = [dict(zip(params.names, map(float, (n, *params.measured)), strict=True)) for n in lengths]

    def operations(polynomial: Polynomial, rest: tuple[int, ...]) -> Callable[[int], Fraction]:
        return lambda n: evaluate(polynomial, (n, *rest))

    def measured(what: str) -> dict[str, object]:
        counts = curves[f"{what} {params.form}"]
        return {"along": params.names[0], "figure": what, "series": params.form, "points": points, "counts": counts}

    ours, theirs = operations(exact["time"], params.measured), operations(softmax["time"], _widths(params))
    names = [params.form, "softmax, one head"]
    return {
        "time": show_class(exact["time"], params.names),
        "space": show_class(exact["space"], params.names),
        "space_working": show_class(exact["space_working"], params.names) if "space_working" in exact else None,
        "time_terms": show_terms(exact["time"], params.names),
        "space_terms": show_terms(exact["space"], params.names),
        "softmax_time": show_class(softmax["time"], ("n", "d", "m")),
        "letters": list(params.names),
        "measured_time": measured("operations"),
        "measured_space": measured("bytes"),
        "slope_operations": slope(x[-3:], curves[f"operations {params.form}"][-3:]),
        "slope_bytes": slope(x[-3:], curves[f"bytes {params.form}"][-3:]),
        "crossover_model": break_even(ours, theirs),
        "crossover_counted": crossover(x, *(curves[f"operations {name}"] for name in names)),
        "crossover_timed": crossover(x, *(curves[f"seconds {name}"] for name in names)) if params.timed else None,
    }


def _curves_figure(what: str, params: Forms, lengths: list[int], curves: Mapping[str, list[float]]) -> Lines:
    x = [float(n) for n in lengths]
    sizes = ", ".join(f"{name} = {size}" for name, size in zip(params.names[1:], params.measured, strict=True))
    return Lines(
        what,
        f"{'Peak bytes, with gradients,' if what == 'bytes' else what.capitalize()} at {sizes}",
        tuple(line(name, x, curves[f"{what} {name}"]) for name in (params.form, "softmax, one head")),
        x_label=params.names[0],
        y_label=what,
        x_scale="log",
        y_scale="log",
        caption="The slope is the exponent of the length; where the lines cross, the cheaper form changes.",
    )


def _terms_table(params: Forms, exact: Mapping[str, Polynomial]) -> Table:
    words = {
        "time": "operations",
        "space": "numbers kept for the backward pass",
        "space_working": "numbers alive at once without one",
    }
    rows = [
        (words[name], show_class(polynomial, params.names), show_terms(polynomial, params.names))
        for name, polynomial in exact.items()
    ]
    return table(
        "terms",
        f"What {params.form} attention costs",
        ("quantity", "class", "all terms"),
        rows,
        align="lll",
        caption="Interpolated through counts of real runs at small sizes, and checked at one more.",
    )


def _form_steps(params: Forms, exact: Mapping[str, Polynomial]) -> tuple[Step, ...]:
    def formula(text: str) -> str:
        return f"${text.replace('*', ' ')}$"

    steps = [
        Step(
            "time",
            f"Counted on the real code: {formula(show_terms(exact['time'], params.names))} operations, "
            f"which grow like {formula(show_class(exact['time'], params.names))}.",
        ),
        Step(
            "space",
            f"Kept for the backward pass: {formula(show_terms(exact['space'], params.names))} numbers, "
            f"which grow like {formula(show_class(exact['space'], params.names))}.",
        ),
    ]
    if "space_working" in exact:
        steps.append(
            Step(
                "space-working",
                "Without a backward pass what is done with can be dropped: the most alive at once grows like "
                f"{formula(show_class(exact['space_working'], params.names))}.",
            )
        )
    return tuple(steps)


@draws(Forms)
def draw_forms(draws: Draws) -> Forms:
    """Another form, other letters and sizes."""
    form = draws.stream("form").choice(list(SIZES))
    rng = draws.stream("letters")
    pools = {"n": "NTLSP", "d": "DdFE", "m": "MvWG", "h": "hHg", "w": "wWk", "r": "rRp", "b": "bBc"}
    while True:
        letters = tuple(rng.choice(pools[name]) for name in SIZES[form])
        if len({letter.lower() for letter in letters}) == len(letters):
            break
    sizes = draws.stream("sizes")
    small = tuple(sizes.choice((4, 8, 16)) if name != "h" else sizes.randint(2, 6) for name in SIZES[form][1:])
    return Forms(form=form, letters=letters, sizes=small, longest=256)


# -- the bottleneck

PARTS = ("projections", "scores", "softmax", "values", "output")


def part_operations(x: Tensor, wq: Tensor, wk: Tensor, wv: Tensor, wo: Tensor) -> dict[str, int]:
    """Operations of each part of `multi_head_attention`, counted as they are done."""
    totals = dict.fromkeys(PARTS, 0)

    def counted(part: str, function: Callable[[], Tensor]) -> Tensor:
        with torch.no_grad(), Watch() as watch:
            out = function()
        totals[part] += watch.operations
        return out

    heads = []
    for query, key, value in zip(wq, wk, wv, strict=True):
        q, k, v = (counted("projections", partial(torch.mm, x, weights)) for weights in (query, key, value))
        scores = counted("scores", partial(torch.mm, q, k.mT))
        weights = counted("softmax", partial(_scaled_softmax, scores, q.shape[-1]))
        heads.append(counted("values", partial(torch.mm, weights, v)))
    counted("output", lambda: torch.cat(heads, -1) @ wo)
    return totals


def _scaled_softmax(scores: Tensor, width: int) -> Tensor:
    return (scores / math.sqrt(width)).softmax(-1)


def memory_parts(n: int, d: int, h: int) -> dict[str, int]:
    """Numbers alive at the peak of a head, heads one after the other: the map is the only part that grows with n²."""
    return {
        "map": n * n,
        "inputs": 3 * n * d,
        "of the head": 4 * n * d,
        "of all heads": n * h * d,
        "weights": 4 * h * d * d,
    }


@experiment(Shares)
def shares(params: Shares, run: Run) -> Result:
    """The share of each part in the operations and in the memory of multi-head attention, along the length."""
    d, h = params.width, params.heads
    lengths = [2**i for i in range(5, params.longest.bit_length()) if 2**i <= params.longest]
    time: dict[str, list[float]] = {part: [] for part in PARTS}
    memory: dict[str, list[float]] = {part: [] for part in memory_parts(1, 1, 1)}
    weights = [run.randn(name, h, d, d) / d**0.5 for name in ("wq", "wk", "wv")]
    weights.append(run.randn("wo", h * d, d) / d**0.5)
    for i, n in enumerate(lengths):
        operations = part_operations(run.randn(f"x {n}", n, d), *weights)
        for part, number in operations.items():
            time[part].append(number / sum(operations.values()))
        numbers = memory_parts(n, d, h)
        for part, number in numbers.items():
            memory[part].append(number / sum(numbers.values()))
        run.progress((i + 1) / len(lengths), f"n = {n}", _shares_figure("time", lengths[: i + 1], time))
    quadratic = [sum(time[part][i] for part in ("scores", "softmax", "values")) for i in range(len(lengths))]
    half = crossover([float(n) for n in lengths], [1 - share for share in quadratic], quadratic)
    last = {part: curve[-1] for part, curve in time.items()}
    return Result(
        values={
            "bottleneck": "scores",
            "lengths": lengths,
            "share_of_time": last,
            "share_of_memory": {part: curve[-1] for part, curve in memory.items()},
            "quadratic_share_of_time": quadratic[-1],
            "quadratic_share_of_memory": memory["map"][-1],
            "half_at": half,
            "projections_share_of_time": last["projections"] + last["output"],
        },
        trace=(
            Step(
                "bottleneck",
                f"Per head: $4 n d^2$ for the projections and the output, $2 n^2 d$ for scores and values. At "
                f"$n = {lengths[-1]}$, $d = {d}$, $h = {h}$ the parts with $n^2$ are {quadratic[-1]:.1%} of the "
                f"operations, and the map {memory['map'][-1]:.1%} of the memory. For very long sequences both go to "
                "1: the bottleneck is the $n \\times n$ map, in $QK^\\top$, in softmax and in the product with $V$.",
            ),
        ),
        figures=(_shares_figure("time", lengths, time), _shares_figure("memory", lengths, memory), _shares_bars(last)),
    )


def _shares_figure(what: str, lengths: list[int], curves: Mapping[str, list[float]]) -> Lines:
    return Lines(
        what,
        f"Share of the {what}",
        tuple(line(part, [float(n) for n in lengths], curve) for part, curve in curves.items()),
        x_label="length n",
        y_label="share",
        x_scale="log",
        caption="What has n × n takes everything over; the projections matter for short sequences only.",
    )


def _shares_bars(last: Mapping[str, float]) -> Bars:
    return Bars(
        "parts",
        "Share of the operations at the longest sequence",
        tuple(last),
        ("share",),
        Array.of(torch.tensor([list(last.values())])),
        caption="Scores and values cost alike; softmax has n² too, but no factor d.",
    )


# -- beside a recurrent layer


def recurrent_layer(x: Tensor, w: Tensor, u: Tensor) -> Tensor:
    """h_t = tanh(W h_{t−1} + U x_t): x `(n, d)`, n steps one after the other, n·d² each way."""
    h = torch.zeros_like(x[0])
    states = []
    for row in x:
        h = (h @ w + row @ u).tanh()
        states.append(h)
    return torch.stack(states)


def convolution_layer(x: Tensor, filters: Tensor) -> Tensor:
    """Each position from the k before it and itself: x `(n, d)`, filters `(k, d, d)`, k·n·d²."""
    n, k = len(x), len(filters)
    padded = torch.nn.functional.pad(x, (0, 0, k - 1, 0))
    output = torch.zeros_like(x)
    for i, weights in enumerate(filters):
        output = output + padded[i : i + n] @ weights
    return output


@experiment(Recurrent)
def recurrent(params: Recurrent, run: Run) -> Result:
    """Operations of three layers along the length, and where self-attention stops being the cheapest."""
    d, k = params.width, params.kernel
    w, u = (run.randn(name, d, d) / d**0.5 for name in "wu")
    filters = run.randn("filters", k, d, d) / d**0.5
    lengths = [2**i for i in range(2, params.longest.bit_length()) if 2**i <= params.longest]
    layers: dict[str, Callable[[Tensor], Tensor]] = {
        "self-attention": lambda x: softmax_attention(x, x, x),
        "recurrent": lambda x: recurrent_layer(x, w, u),
        "convolution": lambda x: convolution_layer(x, filters),
    }
    curves: dict[str, list[float]] = {name: [] for name in layers}
    for i, n in enumerate(lengths):
        x = run.randn(f"x {n}", n, d)
        for name, layer in layers.items():
            with torch.no_grad(), Watch() as watch:
                layer(x)
            curves[name].append(float(watch.operations))
        run.progress((i + 1) / len(lengths), f"n = {n}", _layers_figure(params, lengths[: i + 1], curves))
    x_axis = [float(n) for n in lengths]
    return Result(
        values={
            "attention_time": "n^2*d",
            "recurrent_time": "n*d^2",
            "convolution_time": "k*n*d^2",
            "break_even_model": d,
            "break_even_counted": crossover(x_axis, curves["recurrent"], curves["self-attention"]),
            "path_attention": 1,
            "path_recurrent": lengths[-1],
            "steps_in_sequence": {"self-attention": 1, "recurrent": lengths[-1], "convolution": 1},
            "slopes": {name: slope(x_axis[-3:], curve[-3:]) for name, curve in curves.items()},
            "operations": curves,
        },
        trace=(
            Step(
                "cost",
                f"Self-attention compares all pairs of positions, $n^2 d$. A recurrent layer multiplies each of $n$ "
                f"states by a $d \\times d$ matrix, $n d^2$; a convolution does so $k = {k}$ times, $k n d^2$. They "
                f"are equal at $n = d = {d}$ up to constants: shorter sequences are cheaper with self-attention.",
            ),
            Step(
                "path",
                "From the first position to the last a signal takes 1 step in self-attention, which looks at all "
                f"positions at once, and {lengths[-1]} in the recurrent layer, which also cannot do them in parallel.",
            ),
        ),
        figures=(_layers_figure(params, lengths, curves), _layers_table(lengths, k)),
    )


def _layers_figure(params: Recurrent, lengths: list[int], curves: Mapping[str, list[float]]) -> Lines:
    x = [float(n) for n in lengths]
    return Lines(
        "operations",
        f"Operations of one layer at d = {params.width}",
        tuple(line(name, x, curve) for name, curve in curves.items()),
        x_label="length n",
        y_label="operations",
        x_scale="log",
        y_scale="log",
        caption=f"Self-attention has slope 2, the others 1; it crosses the recurrent layer near n = {params.width}.",
    )


def _layers_table(lengths: list[int], kernel: int) -> Table:
    n = lengths[-1]
    return table(
        "layers",
        "Time, steps that must wait for each other, and the longest path of a signal",
        ("layer", "time", f"steps at n = {n}", f"path at n = {n}"),
        [
            ("self-attention", "n² d", 1, 1),
            ("recurrent", "n d²", n, n),
            ("convolution", "k n d²", 1, math.ceil((n - 1) / (kernel - 1)) if kernel > 1 else "none"),
        ],
        align="llrr",
        caption="What self-attention pays in n² it gets back in steps and paths that do not grow.",
    )
