"""Hard attention: the value of the best match alone, and what then can and cannot learn.

Shapes as in `engines.attention`: queries `(..., L, d)`, keys `(..., n, d)`, values `(..., n, m)`; a single
query is `(d,)`.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.arrays import Array
from engines.attention import autograd_gradients, difference_quotients, scores, softmax_attention
from engines.figures import Heatmap, Lines, Table, line, table
from engines.parameters.argmax import Argmax, Matrix, Vector
from engines.randomness import Draws
from engines.registry import draws, experiment
from engines.result import Result, Step
from engines.run import Run

# -- numerics


def argmax_weights(s: Tensor) -> Tensor:
    """One-hot rows: 1 at the largest score, the first one where several are largest."""
    return F.one_hot(s.argmax(-1), s.shape[-1]).to(s.dtype)


def argmax_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Hard attention: the value whose key has the largest inner product with the query.

    EECS 182, homework 7 (spring 2023), question 4. Piecewise constant in q and k.
    """
    return argmax_weights(scores(q, k)) @ v


# -- experiments


@experiment(Argmax)
def argmax(params: Argmax, run: Run) -> Result:
    """Scores, weights and output of argmax attention, softmax beside it, and both kinds of gradient."""
    q, k, v = run.tensor(params.query), run.tensor(params.keys), run.tensor(params.values)
    s = scores(q, k)
    hard, soft = argmax_weights(s), s.softmax(-1)
    top = s.topk(2).values
    margin = (top[0] - top[1]).item()
    if margin == 0:
        raise ValueError("two keys share the largest score, so the argmax is not defined: change a key or q")
    winner = int(s.argmax())
    output = hard @ v
    run.progress(0.3, "gradients by autograd and by finite differences")
    largest = max(float(q.abs().max()), float(k.abs().max()), 1.0)
    inputs = {"q": q, "K": k, "V": v}
    # Below margin / (4 · largest entry) no step changes the winner.
    numeric = difference_quotients(argmax_attention, inputs, min(1e-3, margin / (8 * largest)))
    exact = autograd_gradients(argmax_attention, inputs)
    smooth = autograd_gradients(softmax_attention, inputs)
    run.progress(0.8, "how the output moves with the query")
    return Result(
        values={
            "scores": s,
            "weights": hard,
            "output": output,
            "winner": winner,
            "margin": margin,
            "softmax_weights": soft,
            "softmax_output": soft @ v,
            "scaled_scores": s / math.sqrt(len(q)),
            "argmin_output": v[s.argmin()],
            "mean_output": v.mean(0),
            "winning_key": k[winner],
            "trained": [name for name, gradient in exact.items() if gradient.abs().max() > 0],
        },
        trace=_worked(params, s, winner, output, exact, numeric),
        figures=(
            _weights_figure(hard, soft),
            _gradient_table(exact, numeric, smooth),
            _jump(q, k, v, winner),
        ),
    )


def _weights_figure(hard: Tensor, soft: Tensor) -> Heatmap:
    keys = tuple(f"k{i}" for i in range(1, len(hard) + 1))
    return Heatmap(
        "weights",
        "Weights over the keys",
        Array.of(torch.stack([hard, soft])),
        ("argmax", "softmax"),
        keys,
        caption="Argmax puts all weight on one key; softmax leaves every key a share.",
    )


def _gradient_table(exact: dict[str, Tensor], numeric: dict[str, Tensor], smooth: dict[str, Tensor]) -> Table:
    rows = [
        (
            name,
            f"{exact[name].abs().max():.4g}",
            f"{numeric[name].abs().max():.4g}",
            f"{smooth[name].abs().max():.4g}",
            "yes" if exact[name].abs().max() > 0 else "no",
        )
        for name in ("q", "K", "V")
    ]
    return table(
        "gradients",
        "Largest entry of the gradient of the summed output",
        ("input", "argmax, autograd", "argmax, differences", "softmax, autograd", "learns?"),
        rows,
        align="lrrrl",
        caption="With argmax only the winner's value gets a gradient: a small change of q or K changes nothing.",
    )


def _jump(q: Tensor, k: Tensor, v: Tensor, winner: int) -> Lines:
    """The outputs while q moves from where it is to well past the point at which another key wins."""
    s = scores(q, k)
    rival = int(s.index_fill(0, torch.tensor([winner], device=s.device), -math.inf).argmax())
    direction = k[rival] - k[winner]
    switch = float((s[winner] - s[rival]) / (direction @ direction))
    t = torch.linspace(0, 2, 121, dtype=q.dtype, device=q.device)
    moved = q + (t * switch).unsqueeze(-1) * direction
    hard, soft = argmax_attention(moved, k, v), softmax_attention(moved, k, v, scale=1.0)
    changed = int((v[rival] - v[winner]).abs().argmax())
    return Lines(
        "jump",
        f"Entry {changed + 1} of the output while q moves towards k{rival + 1} - k{winner + 1}",
        (line("argmax", t, hard[:, changed]), line("softmax", t, soft[:, changed])),
        x_label="distance, in units of the distance to the switch",
        y_label="output",
        caption="Argmax is flat and then jumps: the slope is 0 wherever it exists. Softmax has a slope to follow.",
    )


# -- the worked solution


def _worked(
    params: Argmax,
    s: Tensor,
    winner: int,
    output: Tensor,
    exact: dict[str, Tensor],
    numeric: dict[str, Tensor],
) -> tuple[Step, ...]:
    products = [
        " + ".join(f"{_number(a)}·{_bracketed(b)}" for a, b in zip(params.query, key, strict=True))
        for key in params.keys
    ]
    lines = [
        f"- $q^\\top k_{{{i}}}$ = {product} = **{_number(score)}**"
        for i, (product, score) in enumerate(zip(products, s.tolist(), strict=True), 1)
    ]
    weights = ", ".join("1" if i == winner else "0" for i in range(len(params.keys)))
    gradients = [
        f"- {name}: largest entry {exact[name].abs().max():.4g} by autograd, "
        f"{numeric[name].abs().max():.4g} by moving each entry a little"
        for name in ("q", "K", "V")
    ]
    return (
        Step("scores", "The score of a key is its inner product with the query:\n\n" + "\n".join(lines)),
        Step(
            "weights",
            f"The largest score is {_number(s[winner].item())}, that of key {winner + 1}. "
            f"Argmax gives it all the weight: [{weights}].",
        ),
        Step(
            "output",
            f"One weight is 1 and the others are 0, so the weighted sum is value {winner + 1} as it stands: "
            f"[{', '.join(_number(x) for x in output.tolist())}].",
        ),
        Step(
            "gradients",
            "The winner stays the winner under any small enough change of $q$ or $K$, so the output does not "
            "move at all and both derivatives are exactly 0. The output *is* a value, so it follows $V$ in the "
            "winner's row:\n\n" + "\n".join(gradients),
        ),
    )


def _number(x: float) -> str:
    return f"{x:g}".replace("-", "−")


def _bracketed(x: float) -> str:
    return f"({_number(x)})" if x < 0 else _number(x)


# -- fresh variants


@draws(Argmax)
def draw_argmax(draws: Draws) -> Argmax:
    """Whole numbers with one clear winner, at a place that is equally likely to be any.

    The winner leads by at least 2 and is not given away by being the longest key; values differ in such a way
    that the usual slips (softmax, argmin, the mean, the winning key itself) land on another answer.
    """
    for attempt in range(10_000):
        params = _draw_once(draws.again(attempt))
        if params is not None and _well_posed(params):
            return params
    raise RuntimeError("no well-posed variant in 10 000 draws")


def _draw_once(draws: Draws) -> Argmax | None:
    shape = draws.stream("shape")
    n, d, m = shape.randint(3, 6), shape.randint(2, 5), shape.randint(2, 5)
    entries = draws.stream("entries")
    keys = [tuple(float(entries.randint(-4, 5)) for _ in range(d)) for _ in range(n)]
    query = tuple(float(entries.randint(-3, 4)) for _ in range(d))
    values = tuple(tuple(float(entries.randint(-4, 5)) for _ in range(m)) for _ in range(n))
    products = [_dot(query, key) for key in keys]
    best = max(range(n), key=products.__getitem__)
    place = draws.stream("place").randrange(n)
    keys[best], keys[place] = keys[place], keys[best]
    return Argmax(keys=tuple(keys), values=values, query=query)


def _well_posed(params: Argmax) -> bool:
    products = [_dot(params.query, key) for key in params.keys]
    first, second = sorted(products, reverse=True)[:2]
    winner, loser = products.index(first), products.index(min(products))
    output = params.values[winner]
    rivals = [params.values[loser], _mean(params.values)]
    return (
        2 <= first - second <= 12  # above that softmax is argmax to nine digits
        and len(set(params.values)) == len(params.values)
        and len(set(products)) > 2
        and len(set(params.query)) > 1
        and any(output)
        and all(rival != output for rival in rivals)
        and params.keys[winner] != output
    )


def _dot(a: Vector, b: Vector) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def _mean(rows: Matrix) -> Vector:
    return tuple(sum(column) / len(rows) for column in zip(*rows, strict=True))
