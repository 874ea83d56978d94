"""Softmax attention on matrices small enough to look at: weights, masks, entropies, gradients, a moved key."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engines.arrays import Array
from engines.attention import (
    attention_weights,
    autograd_gradients,
    best_step,
    causal_mask,
    difference_quotients,
    entropy,
    padding_mask,
    scale_or_default,
    scores,
    shown,
    softmax_attention,
)
from engines.figures import Heatmap, Table, table
from engines.parameters.attention_weights import Mask, Matrix, Weights
from engines.randomness import Draws
from engines.registry import draws, experiment
from engines.result import Result, Step
from engines.run import Run


@experiment(Weights)
def weights(params: Weights, run: Run) -> Result:
    """Weights, output and entropies of a small attention layer, its gradients, and a key that is moved."""
    q, k, v = run.tensor(params.queries), run.tensor(params.keys), run.tensor(params.values)
    beta = scale_or_default(q, params.beta)
    mask = _mask_of(params, run)
    s = scores(q, k)
    a = attention_weights(q, k, beta, mask=mask)
    output = a @ v
    run.progress(0.2, "gradients by autograd and by finite differences", _weights_figure(a))

    def layer(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return softmax_attention(q, k, v, beta, mask=mask)

    inputs = {"q": q, "K": k, "V": v}
    exact = autograd_gradients(layer, inputs)
    numeric = difference_quotients(layer, inputs, best_step(q.dtype))
    run.progress(0.7, "one key is moved")
    moved_key = k.clone()
    moved_key[params.moved_key] += run.tensor(params.move)
    moved = attention_weights(q, moved_key, beta, mask=mask)
    return Result(
        values={
            "scores": s,
            "scaled_scores": beta * s,
            "mask": mask,
            "weights": a,
            "output": output,
            "entropies": entropy(a),
            "row_sums": a.sum(-1),
            "column_sums": a.sum(0),
            "moved_weights": moved,
            "moved_output": moved @ v,
            "gradient_q": exact["q"],
            "gradient_K": exact["K"],
            "gradient_V": exact["V"],
            "gradient_error": max(float((exact[name] - numeric[name]).abs().max()) for name in inputs),
            # What comes out of the usual slips.
            "unscaled_output": attention_weights(q, k, 1.0, mask=mask) @ v,
            "unmasked_output": attention_weights(q, k, beta) @ v,
            "over_queries_output": (beta * s).softmax(0) @ v,
            "zeroed_scores_output": (beta * s).masked_fill(~mask, 0).softmax(-1) @ v,
            "not_renormalised_output": (beta * s).softmax(-1).masked_fill(~mask, 0) @ v,
        },
        trace=_worked(beta, s, mask, a, output, exact, numeric, moved, params),
        figures=(
            _weights_figure(a),
            _rows_table(a, mask),
            _gradient_table(exact, numeric),
            _moved_figure(a, moved, params.moved_key),
        ),
    )


def _mask_of(params: Weights, run: Run) -> Tensor:
    """The mask as a whole matrix, for showing."""
    mask = torch.ones(len(params.queries), len(params.keys), dtype=torch.bool, device=run.device)
    if "causal" in params.mask:
        mask &= causal_mask(len(params.queries), device=run.device)
    if "padding" in params.mask:
        real = torch.tensor(len(params.keys) - params.padded, device=run.device)
        mask &= padding_mask(real, len(params.keys))
    return mask


def _weights_figure(a: Tensor) -> Heatmap:
    return Heatmap(
        "weights",
        "Weights: one row a query, one column a key",
        Array.of(a),
        tuple(f"q{i}" for i in range(1, a.shape[0] + 1)),
        tuple(f"k{j}" for j in range(1, a.shape[1] + 1)),
        caption="Every row adds up to 1, columns need not; keys that the mask hides have weight 0.",
    )


def _rows_table(a: Tensor, mask: Tensor) -> Table:
    rows = [
        (f"q{i}", int(seen.sum()), f"{row.sum():.4f}", f"{row.max():.4f}", f"{entropy(row):.4f}", _log(int(seen.sum())))
        for i, (row, seen) in enumerate(zip(a, mask, strict=True), 1)
    ]
    return table(
        "rows",
        "How concentrated the attention of each query is",
        ("query", "keys seen", "sum", "largest", "entropy", "of at most"),
        rows,
        align="lrrrrr",
        caption="Entropy (nats) is 0 where one key has all the weight and ln(keys seen) where they share it equally.",
    )


def _log(count: int) -> str:
    return f"{math.log(count):.4f}" if count else "-"


def _gradient_table(exact: dict[str, Tensor], numeric: dict[str, Tensor]) -> Table:
    return table(
        "gradients",
        "Gradient of the summed output",
        ("input", "largest entry", "by differences", "largest disagreement"),
        [
            (
                name,
                f"{exact[name].abs().max():.6g}",
                f"{numeric[name].abs().max():.6g}",
                f"{(exact[name] - numeric[name]).abs().max():.1e}",
            )
            for name in exact
        ],
        align="lrrr",
        caption="With softmax all three inputs get a gradient, unlike with argmax; differences agree with autograd.",
    )


def _moved_figure(a: Tensor, moved: Tensor, key: int) -> Heatmap:
    return Heatmap(
        "moved",
        f"Weights before and after key {key + 1} is moved",
        Array.of(torch.cat([a, moved])),
        tuple(f"q{i}{when}" for when in ("", "'") for i in range(1, a.shape[0] + 1)),
        tuple(f"k{j}" for j in range(1, a.shape[1] + 1)),
        caption="Upper half before, lower half (primed) after: what one key gains in a row, the others lose.",
    )


def _worked(
    beta: float,
    s: Tensor,
    mask: Tensor,
    a: Tensor,
    output: Tensor,
    exact: dict[str, Tensor],
    numeric: dict[str, Tensor],
    moved: Tensor,
    params: Weights,
) -> tuple[Step, ...]:
    hidden = "nothing is hidden" if mask.all() else f"{int((~mask).sum())} of {mask.numel()} pairs are hidden"
    empty = int((~mask.any(-1)).sum())
    nothing = (
        f" {empty} of the queries see no key at all: their weights and outputs are defined as 0, where a plain "
        "softmax of nothing but $-\\infty$ would be 0/0, not a number."
        if empty
        else ""
    )
    key = params.moved_key
    return (
        Step(
            "scores",
            f"$q_1^\\top k_j$ for all keys: {shown(s[0])}; times $\\beta$ = {beta:.4g}: {shown(beta * s[0])}.",
        ),
        Step(
            "mask",
            f"Here {hidden}. A hidden score becomes $-\\infty$ *before* the softmax, so that the weights of "
            f"the others still add up to 1.{nothing}",
        ),
        Step(
            "weights",
            f"The exponentials of a row divided by their sum, over the keys. Row 1: {shown(a[0])}, "
            f"sum {a[0].sum():.4g}, entropy {entropy(a[0]):.4g} of at most {_log(int(mask[0].sum()))} nats.",
        ),
        Step("output", f"Row 1 of the weights times the values: {shown(output[0])}."),
        Step(
            "gradients",
            "With $h = \\sum_j a_j v_j$ and upstream gradient $g$, the gradient of score $j$ is "
            "$a_j\\, g^\\top (v_j - h)$; from there $\\beta k_j$ carries it to $q$ and $\\beta q$ to $k_j$. Largest "
            + "; ".join(
                f"{name}: {exact[name].abs().max():.4g} (differences: {numeric[name].abs().max():.4g})"
                for name in exact
            )
            + ".",
        ),
        Step(
            "moved",
            f"Key {key + 1} is moved by {shown(params.move)}: its score changes by "
            f"$\\beta\\, q^\\top \\epsilon$. In row 1 its weight goes from {a[0, key]:.4g} to {moved[0, key]:.4g}.",
        ),
    )


# -- fresh variants


@draws(Weights)
def draw_weights(draws: Draws) -> Weights:
    """Small whole numbers; a causal mask where there are as many queries as keys, padding at the end of the keys.

    No row is fully hidden. Slips (no scale, no mask, softmax over the queries) land on another output.
    """
    shape = draws.stream("shape")
    masks: tuple[Mask, ...] = ("none", "causal", "padding", "causal-padding")
    mask = shape.choice(masks)
    n, d, m = shape.randint(3, 5), shape.randint(2, 4), shape.randint(2, 3)
    length = n if "causal" in mask else shape.choice([i for i in (2, 3, 4) if i != n])
    entries = draws.stream("entries")

    def matrix(rows: int, columns: int) -> Matrix:
        return tuple(tuple(float(entries.randint(-2, 2)) for _ in range(columns)) for _ in range(rows))

    for _ in range(10_000):
        queries, keys, values = matrix(length, d), matrix(n, d), matrix(n, m)
        s = [[sum(a * b for a, b in zip(query, key, strict=True)) for key in keys] for query in queries]
        if all(len(set(row)) > 1 and max(map(abs, row)) <= 6 for row in s) and len(set(values)) == n:
            move = tuple(float(entries.choice((-1, 1))) for _ in range(d))
            return Weights(
                queries=queries,
                keys=keys,
                values=values,
                mask=mask,
                padded=shape.randint(1, n - 2) if "padding" in mask else 1,
                moved_key=0,
                move=move,
            )
    raise RuntimeError("no well-posed variant in 10 000 draws")
