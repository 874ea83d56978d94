"""Attention with a kernel in place of exp(qᵀk): through its feature map it costs a sum over keys only once.

Shapes: queries `(N, D)`, keys `(L, D)`, values `(L, M)`, features `(·, C)`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations_with_replacement
from typing import Any

import torch
from torch import Tensor

from engines.attention import softmax_attention
from engines.counting import Watch, crossover
from engines.figures import Lines, Table, line, table
from engines.linear_attention import linear_attention
from engines.parameters.kernel_attention import Quadratic
from engines.randomness import Draws
from engines.registry import draws, experiment
from engines.result import Result, Step
from engines.run import Run
from engines.timing import seconds


def polynomial_features(x: Tensor, degree: int = 2, constant: float = 1.0) -> Tensor:
    """φ with φ(q)·φ(k) = (q·k + c)^degree, of the least size C = binomial(D + degree, degree).

    Every product of `degree` entries of (√c, x), weighted by the root of how often it occurs; for degree 2 and c = 1
    these are 1, √2 xᵢ, xᵢ² and √2 xᵢxⱼ (EECS 182, homework 7 (spring 2023), question 5b).

    Args:
        x: `(n, D)`.
        degree: 1 or more.
        constant: c, 0 or more.

    Returns:
        `(n, C)`.
    """
    extended = torch.cat([torch.full_like(x[:, :1], math.sqrt(constant)), x], dim=1)
    products = list(combinations_with_replacement(range(extended.shape[1]), degree))
    weights = [
        math.sqrt(math.factorial(degree) / math.prod(math.factorial(p.count(i)) for i in set(p))) for p in products
    ]
    features = torch.tensor(weights, dtype=x.dtype, device=x.device).expand(len(x), -1)
    for factor in zip(*products, strict=True):
        features = features * extended[:, list(factor)]
    return features


def kernel_attention(q: Tensor, k: Tensor, v: Tensor, degree: int = 2, constant: float = 1.0) -> Tensor:
    """Σⱼ φ(qᵢ)ᵀφ(kⱼ) vⱼ / Σⱼ φ(qᵢ)ᵀφ(kⱼ), keys and values summed up before any query is looked at.

    Time N·C·M + L·C·M, memory kept for the backward pass N·C + L·C + C·M (question 5d).
    """
    return linear_attention(polynomial_features(q, degree, constant), polynomial_features(k, degree, constant), v)


def quadratic_kernel_attention(q: Tensor, k: Tensor, v: Tensor, degree: int = 2, constant: float = 1.0) -> Tensor:
    """The same attention by its definition, through all N·L kernel values; for comparison."""
    weights = (q @ k.T + constant) ** degree
    return (weights / weights.sum(1, keepdim=True)) @ v


# -- the fast form: features as rows, a block of positions at a time


# Numbers that the features of one block may have: about what a core's own cache holds.
WORKING_SET = 1 << 20


def feature_rows(x: Tensor, degree: int, rows: list[Tensor] | None = None) -> list[Tensor]:
    """The products of up to `degree` entries of (1, x), a product a row and a position a column.

    Level p holds all products of p entries of the D + 1 in lexicographic order, each once and without a weight.
    Those that begin with entry i are that entry times a suffix of level p − 1, so a level is D + 1
    multiplications of whole rows. A gather of columns makes the same numbers several times slower.

    Args:
        x: `(D + 1, n)`, the first row ones.
        degree: 1 or more.
        rows: where to write levels 2 to `degree`; made if left out.

    Returns:
        Levels 1 to `degree`; the last is `(C, n)` with C = binomial(D + degree, degree).
    """
    levels = [x]
    width, n = x.shape
    for p in range(2, degree + 1):
        level = x.new_empty(math.comb(width + p - 1, p), n) if rows is None else rows[p - 2]
        sizes = _suffixes(width, p)
        for entry, size, place in zip(x.unbind(), sizes, level.split(sizes), strict=True):
            torch.mul(levels[-1][-size:], entry, out=place)
        levels.append(level)
    return levels


def feature_rows_gradient(levels: list[Tensor], gradient: Tensor) -> Tensor:
    """What `feature_rows` passes back to x, given its levels and the gradient of the last one."""
    x = levels[0]
    to_x = torch.zeros_like(x)
    for p in range(len(levels), 1, -1):
        below = levels[p - 2]
        to_below = torch.zeros_like(below)
        sizes = _suffixes(len(x), p)
        for i, (size, part) in enumerate(zip(sizes, gradient.split(sizes), strict=True)):
            to_x[i] += (part * below[-size:]).sum(0)
            to_below[-size:].addcmul_(part, x[i])
        gradient = to_below
    return to_x.add_(gradient)


def _suffixes(width: int, p: int) -> list[int]:
    """For each entry, how many products of p entries begin with it."""
    return [math.comb(width - i + p - 2, p - 1) for i in range(width)]


@functools.cache
def _orderings(width: int, degree: int) -> tuple[float, ...]:
    """In how many orders the factors of each product can be written: its weight in (q·k + 1)^degree."""
    return tuple(
        math.factorial(degree) / math.prod(math.factorial(product.count(i)) for i in set(product))
        for product in combinations_with_replacement(range(width), degree)
    )


def _blocks(x: Tensor, degree: int, constant: float) -> Iterator[tuple[slice, list[Tensor]]]:
    """For each block of the positions of x `(n, D)`: where it lies, and the levels of its features.

    The blocks share one buffer, so that what one yields is overwritten by the next.
    """
    n, width = len(x), x.shape[1] + 1
    size = min(n, max(128, WORKING_SET // math.comb(width + degree - 1, degree)))
    columns = torch.cat([x.new_full((1, n), math.sqrt(constant)), x.T])
    rows = [x.new_empty(math.comb(width + p - 1, p), size) for p in range(2, degree + 1)]
    for begin in range(0, n, max(size, 1)):
        place = slice(begin, min(begin + size, n))
        block = columns[:, place]
        yield place, feature_rows(block, degree, [level[:, : block.shape[1]] for level in rows])


def _sums(k: Tensor, v: Tensor, degree: int, constant: float) -> Tensor:
    """Σⱼ vⱼ φ(kⱼ)ᵀ, and below it Σⱼ φ(kⱼ)ᵀ, as `(M + 1, C)`, in the weights of the kernel."""
    weights = k.new_tensor(_orderings(k.shape[1] + 1, degree))
    extended = torch.cat([v, v.new_ones(len(v), 1)], dim=1)  # the column of ones sums the features alone
    sums = k.new_zeros(extended.shape[1], len(weights))
    for place, levels in _blocks(k, degree, constant):
        sums.addmm_(extended[place].T, levels[-1].T)
    return sums.mul_(weights)


class _Recomputing(torch.autograd.Function):
    """Kernel attention a block at a time: it keeps q, k, v and the sums over keys, and no features.

    The weights of the products are multiplied into the sums once, not into the features of every position.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, degree: int, constant: float) -> Tensor:
        state = _sums(k, v, degree, constant)
        output = q.new_empty(len(q), v.shape[1])
        for place, levels in _blocks(q, degree, constant):
            read = state @ levels[-1]
            torch.div(read[:-1].T, read[-1:].T, out=output[place])
        ctx.save_for_backward(q, k, v, state)
        ctx.degree, ctx.constant = degree, constant
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        q, k, v, state = ctx.saved_tensors
        dq, dk, dv, dstate = (torch.zeros_like(saved) for saved in (q, k, v, state))
        for place, levels in _blocks(q, ctx.degree, ctx.constant):
            read = state @ levels[-1]
            # o = a / z, so da = do / z and dz = -(do · o) / z.
            direct = gradients[0][place].T / read[-1:]
            dread = torch.cat([direct, -(direct * read[:-1]).sum(0, keepdim=True) / read[-1:]])
            dstate.addmm_(dread, levels[-1].T)
            dq[place] = feature_rows_gradient(levels, state.T @ dread)[1:].T
        dstate *= q.new_tensor(_orderings(q.shape[1] + 1, ctx.degree))
        for place, levels in _blocks(k, ctx.degree, ctx.constant):
            dv[place] = (dstate[:-1] @ levels[-1]).T
            dfeatures = torch.addmm(dstate[-1:].T, dstate[:-1].T, v[place].T)
            dk[place] = feature_rows_gradient(levels, dfeatures)[1:].T
        return dq, dk, dv, None, None


def recomputing_kernel_attention(q: Tensor, k: Tensor, v: Tensor, degree: int = 2, constant: float = 1.0) -> Tensor:
    """`kernel_attention` with its features made again in the backward pass: it keeps N·D + L·D + L·M + C·M.

    The fast form of the three: features as rows, in blocks that stay in the cache.
    """
    output: Tensor = _Recomputing.apply(q, k, v, degree, constant)  # type: ignore[no-untyped-call]
    return output


# -- the experiment


@experiment(Quadratic)
def quadratic(params: Quadratic, run: Run) -> Result:
    """The kernel multiplied out by hand, the size of its feature map, and where it overtakes softmax attention."""
    p, c, d = params.degree, params.constant, params.width
    q, k = run.tensor([params.query]), run.tensor([params.key])
    fq, fk = polynomial_features(q, p, c), polynomial_features(k, p, c)
    products = product_names(len(params.query), p, c)
    run.progress(0.05, "the kernel multiplied out", _features_table(products, fq[0], fk[0]))
    errors = _agreement(params, run)
    lengths = [2**i for i in range(6, params.longest.bit_length()) if 2**i <= params.longest]
    growth: dict[str, list[float]] = {name: [] for name in _forms(params)}
    taken: dict[str, list[float]] = {name: [] for name in _forms(params)}
    for i, n in enumerate(lengths):
        inputs = [run.randn(f"{name} {n}", n, d) / d**0.25 for name in "qkv"]
        for name, form in _forms(params).items():
            with torch.no_grad(), Watch(tuple(inputs)) as watch:
                form(*inputs)
            growth[name].append(float(watch.operations))
        if params.timed:
            for name, value in seconds({f: partial(form, *inputs) for f, form in _forms(params).items()}, run).items():
                taken[name].append(value)
        figure = _growth_figure(params, lengths[: i + 1], growth, timed=False)
        run.progress(0.2 + 0.8 * ((i + 1) / len(lengths)), f"N = {n}", figure)
    size = params.features
    x = [float(n) for n in lengths]
    model = 2 * size * d / (2 * d)
    return Result(
        values={
            "kernel": float((q @ k.T + c).squeeze()) ** p,
            "features_query": fq[0],
            "features_key": fk[0],
            "inner_product": float(fq[0] @ fk[0]),
            "products": products,
            "kernel_without_constant": float((q @ k.T).squeeze()) ** p,
            "kernel_degree_one": float((q @ k.T + c).squeeze()),
            "inner_product_without_roots": float(_without_roots(fq[0], fk[0], len(params.query), p)),
            "size": math.comb(len(params.query) + p, p),
            "size_redundant": (len(params.query) + 1) ** p,
            "size_squares_only": len(params.query) ** p,
            "measured_size": size,
            **errors,
            "crossover_model": model,
            "crossover_counted": crossover(x, growth["kernel, features"], growth["softmax"]),
            "crossover_timed": crossover(x, taken["kernel, features"], taken["softmax"]) if params.timed else None,
        },
        trace=_worked(params, products, fq[0], fk[0], model),
        figures=(
            _features_table(products, fq[0], fk[0]),
            _growth_figure(params, lengths, growth, timed=False),
            *([_growth_figure(params, lengths, taken, timed=True)] if params.timed else []),
        ),
        notes=() if params.timed else ("Set timed=true to take the time on this machine as well.",),
    )


def product_names(width: int, degree: int, constant: float = 1.0) -> list[str]:
    """The features in the order of `polynomial_features`, as formulas in the entries x1, x2 and so on."""
    names: list[str] = []
    for product in combinations_with_replacement(range(width + 1), degree):
        number = _orderings(width + 1, degree)[len(names)] * constant ** product.count(0)
        factors = [f"x{i}" if product.count(i) == 1 else f"x{i}^{product.count(i)}" for i in sorted({*product} - {0})]
        root = math.sqrt(number)
        sign = f"{root:g}" if root == round(root) else f"√{number:g}"
        names.append(" ".join(factors if sign == "1" and factors else [sign, *factors]))
    return names


def _forms(params: Quadratic) -> dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]]:
    return {
        "softmax": softmax_attention,
        "kernel, all pairs": partial(quadratic_kernel_attention, degree=params.degree, constant=params.constant),
        "kernel, features": partial(recomputing_kernel_attention, degree=params.degree, constant=params.constant),
    }


def _agreement(params: Quadratic, run: Run) -> dict[str, float]:
    """How far the feature map is from the kernel, and the forms from each other, relative to the largest entry."""
    p, c = params.degree, params.constant
    # Positive entries: with an odd degree the kernel can be negative, and its sum zero.
    q, k, v = (run.randn(f"agreement {name}", 50, params.width).abs() for name in "qkv")
    kernel = (q @ k.T + c) ** p
    product = polynomial_features(q, p, c) @ polynomial_features(k, p, c).T
    want = quadratic_kernel_attention(q, k, v, p, c)
    return {
        "kernel_error": float((product - kernel).abs().max() / kernel.abs().max()),
        "factored_error": float((kernel_attention(q, k, v, p, c) - want).abs().max() / want.abs().max()),
        "rows_error": float((recomputing_kernel_attention(q, k, v, p, c) - want).abs().max() / want.abs().max()),
    }


def _without_roots(fq: Tensor, fk: Tensor, width: int, degree: int) -> Tensor:
    """The inner product of the features when each product has the weight 1: the usual slip."""
    return (fq * fk / fq.new_tensor(_orderings(width + 1, degree))).sum()


def _features_table(products: list[str], fq: Tensor, fk: Tensor) -> Table:
    rows = [
        (name, f"{a:.4g}", f"{b:.4g}", f"{a * b:.4g}")
        for name, a, b in zip(products, fq.tolist(), fk.tolist(), strict=True)
    ]
    return table(
        "features",
        "The features of the query and of the key",
        ("feature", "query", "key", "product"),
        [*rows, ("sum", "", "", f"{float(fq @ fk):.6g}")],
        align="lrrr",
        caption="The products add up to the kernel: the map has multiplied the power out.",
    )


def _growth_figure(params: Quadratic, lengths: list[int], growth: dict[str, list[float]], *, timed: bool) -> Lines:
    what = "seconds" if timed else "operations"
    return Lines(
        what,
        f"{what.capitalize()} at D = M = {params.width}, degree {params.degree}",
        tuple(line(name, [float(n) for n in lengths], values) for name, values in growth.items() if values),
        x_label="length N",
        y_label=what,
        x_scale="log",
        y_scale="log",
        caption=f"By operations the features pay from N = C = {params.features} on"
        + (", by the clock from where the lines cross here." if timed else "; the lines cross there."),
    )


def _worked(params: Quadratic, products: list[str], fq: Tensor, fk: Tensor, model: float) -> tuple[Step, ...]:
    p, c, d = params.degree, params.constant, len(params.query)
    terms = " + ".join(f"({a:g})({b:g})" for a, b in zip(params.query, params.key, strict=True))
    inner = sum(a * b for a, b in zip(params.query, params.key, strict=True))
    return (
        Step("kernel", f"$q^\\top k = {terms} = {inner:g}$, and $({inner:g} + {c:g})^{p} = {(inner + c) ** p:g}$."),
        Step(
            "features",
            f"Multiplied out, the power is a sum over all products of {p} of the {d + 1} numbers "
            f"$\\sqrt{{{c:g}}}, x_1, \\dots, x_{d}$. A product that can be written in $r$ orders occurs $r$ times, so "
            f"each side takes $\\sqrt{{r}}$: " + ", ".join(products) + ".\n\n"
            f"The inner product of the two lists is {float(fq @ fk):.6g}, the kernel again.",
        ),
        Step(
            "size",
            f"Products whose order does not matter: $\\binom{{{d} + {p}}}{{{p}}} = {math.comb(d + p, p)}$. "
            f"With every order as a feature of its own there were $({d} + 1)^{p} = {(d + 1) ** p}$, for the same "
            "kernel.",
        ),
        Step(
            "crossover",
            f"Softmax attention takes $N^2 (D + M)$ multiplications, the features $2 N C M$. With $D = M$ they are "
            f"equal at $N = C$, here {model:g}. That leaves out making the features, and that a small step costs "
            "more than its arithmetic: the measured crossing lies further out, most so for small $D$.",
        ),
    )


@draws(Quadratic)
def draw_quadratic(draws: Draws) -> Quadratic:
    """Other small vectors, degree and constant; the slips (no roots, no constant) land on other numbers."""
    for attempt in range(1000):
        again = draws.again(attempt)
        shape, entries = again.stream("shape"), again.stream("entries")
        d = shape.choice((2, 2, 3))
        degree = 2 if d == 3 else shape.choice((2, 3))
        q, k = (tuple(float(entries.randint(-3, 3)) for _ in range(d)) for _ in "qk")
        constant = float(shape.choice((1, 1, 2, 4)))
        terms = [constant, *(a * b for a, b in zip(q, k, strict=True))]
        kernel = sum(terms) ** degree
        unweighted = sum(map(math.prod, combinations_with_replacement(terms, degree)))
        slips = {sum(terms), sum(terms[1:]) ** degree, unweighted, 0.0}
        if sum(map(bool, terms)) >= 3 and kernel not in slips and abs(kernel) <= 1000:
            return Quadratic(query=q, key=k, degree=degree, constant=constant, width=8, longest=256)
    raise RuntimeError("no well-posed variant in 1000 draws")
