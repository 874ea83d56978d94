"""Multi-head attention as a plain function of its weights, and its analogue in convolutions, groups of channels.

Shapes: tokens `(..., L, d_model)`, what is attended to `(..., n, d_memory)`, weights of all heads
`(..., h, L, n)`. Projections are `(out, in)`, as `nn.Linear` keeps them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.arrays import Array
from engines.attention import attention_weights, causal_mask, entropy, fused_attention, padding_mask, shown
from engines.figures import Bars, Heatmap, Table, table
from engines.parameters.attention_weights import Mask
from engines.parameters.multihead import GroupedConvolution, Heads
from engines.randomness import Draws
from engines.registry import draws, experiment
from engines.result import Result, Step
from engines.run import Run
from engines.softargmax import column_attention

# -- multi-head attention


@dataclass(frozen=True)
class Projections:
    """The weights of a multi-head attention layer, without its number of heads: that changes none of them.

    Attributes:
        query: `(d, d_model)`.
        key: `(d, d_memory)`.
        value: `(d_v, d_memory)`; usually d_v = d = d_model.
        output: `(d_model, d_v)`.
        biases: those of query, key, value and output, or none.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    output: Tensor
    biases: tuple[Tensor, Tensor, Tensor, Tensor] | None = None

    @property
    def matrices(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The four matrices, in the order of the biases."""
        return self.query, self.key, self.value, self.output

    def count(self) -> int:
        """How many numbers there are to learn."""
        return sum(tensor.numel() for tensor in (*self.matrices, *(self.biases or ())))

    def apply(self, x: Tensor, memory: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries of x, keys and values of the memory, all heads side by side."""
        b = self.biases or (None, None, None, None)
        return F.linear(x, self.query, b[0]), F.linear(memory, self.key, b[1]), F.linear(memory, self.value, b[2])


def split_heads(x: Tensor, n_heads: int) -> Tensor:
    """`(..., L, d)` → `(..., h, L, d/h)`: head i has the i-th run of d/h features."""
    split: Tensor = x.unflatten(-1, (n_heads, -1)).transpose(-2, -3)
    return split


def merge_heads(x: Tensor) -> Tensor:
    """`(..., h, L, d/h)` → `(..., L, d)`: the heads side by side again."""
    merged: Tensor = x.transpose(-2, -3).flatten(-2)
    return merged


def multi_head_attention(
    x: Tensor,
    memory: Tensor,
    layer: Projections,
    n_heads: int,
    *,
    mask: Tensor | None = None,
    causal: bool = False,
) -> Tensor:
    """W_O concat(head₁ … head_h), head_i = softmax(Q_i K_iᵀ / √d_head) V_i (Vaswani et al. 2017, section 3.2.2).

    Args:
        x: where queries come from, `(..., L, d_model)`.
        memory: where keys and values come from, `(..., n, d_memory)`; x itself in self-attention.
        layer: the projections.
        n_heads: how many heads h; it must divide d and d_v.
        mask: True where a query may attend, broadcast to `(..., L, n)`, the same for all heads.
        causal: whether to hide later positions; much cheaper than as a mask.

    Returns:
        `(..., L, d_model)`; a row that may attend to nothing gets the output's bias alone.
    """
    q, k, v = (split_heads(projected, n_heads) for projected in layer.apply(x, memory))
    heads = fused_attention(q, k, v, mask=_for_heads(mask), causal=causal)
    return F.linear(merge_heads(heads), layer.output, layer.biases[3] if layer.biases else None)


def multi_head_weights(
    x: Tensor,
    memory: Tensor,
    layer: Projections,
    n_heads: int,
    *,
    mask: Tensor | None = None,
    causal: bool = False,
) -> Tensor:
    """The weights of every head, `(..., h, L, n)`, for showing; arguments as for `multi_head_attention`."""
    q, k, _ = (split_heads(projected, n_heads) for projected in layer.apply(x, memory))
    return attention_weights(q, k, mask=_for_heads(mask), causal=causal)


def _for_heads(mask: Tensor | None) -> Tensor | None:
    """A mask with an axis for the heads, where it has one for the batch."""
    return mask.unsqueeze(-3) if mask is not None and mask.dim() > 2 else mask


def multi_head_by_columns(C: Tensor, M: Tensor, layer: Projections, n_heads: int) -> Tensor:
    """The literal form in the column convention, head by head: weights multiply on the left.

    O_i = V_i softargmax_β(K_iᵀ Q_i) with Q_i = W_Q,i C, K_i = W_K,i M, V_i = W_V,i M, β = 1/√d_head, and
    H = W_O concat(O_1 … O_h) down the features (NYU deep learning, homework 4 (2023), questions 1.2 and 1.3).
    Without biases.

    Args:
        C: tokens as columns, `(d_model, L)`.
        M: what is attended to, `(d_memory, n)`.
        layer: the projections.
        n_heads: how many heads.

    Returns:
        `(d_model, L)`.
    """
    outputs = []
    for w_q, w_k, w_v in zip(*(w.chunk(n_heads) for w in layer.matrices[:3]), strict=True):
        outputs.append(column_attention(w_q @ C, w_k @ M, w_v @ M, 1 / math.sqrt(len(w_q))))
    return layer.output @ torch.cat(outputs)


def random_projections(run: Run, name: str, d_model: int, d_memory: int, *, bias: bool) -> Projections:
    """A layer whose entries have variance 1/fan-in, so that queries, keys and values keep the scale of the tokens."""
    sizes = {"query": d_model, "key": d_memory, "value": d_memory, "output": d_model}
    matrices = [run.randn(f"{name} {part}", d_model, size) / math.sqrt(size) for part, size in sizes.items()]
    biases = [0.1 * run.randn(f"{name} {part} bias", d_model) for part in sizes] if bias else None
    q, k, v, o = matrices
    return Projections(q, k, v, o, (biases[0], biases[1], biases[2], biases[3]) if biases else None)


@experiment(Heads)
def heads(params: Heads, run: Run) -> Result:
    """A random layer: weights and output of every head, shapes, and how many parameters there are."""
    d, h = params.d_model, params.n_heads
    x = run.randn("x", params.length, d)
    memory = run.randn("memory", params.keys, params.memory_width or d) if params.memory_length else x
    layer = random_projections(run, "layer", d, memory.shape[-1], bias=params.bias)
    mask = _mask_of(params, run)
    weights = multi_head_weights(x, memory, layer, h, mask=mask)
    run.progress(0.4, "weights of every head", _heads_figure(weights))
    output = multi_head_attention(x, memory, layer, h, mask=mask)
    q, k, v = layer.apply(x, memory)
    concatenated = merge_heads(weights @ split_heads(v, h))
    run.progress(0.7, "the output once more, head by head")
    matrices = sum(matrix.numel() for matrix in layer.matrices)
    wide = attention_weights(q, k, mask=mask) @ v
    return Result(
        values={
            "x": x,
            "memory": memory,
            "w_q": layer.query,
            "w_k": layer.key,
            "w_v": layer.value,
            "w_o": layer.output,
            "weights": weights,
            "output": output,
            "entropies": entropy(weights).mean(-1),
            "d_head": d // h,
            "parameters": layer.count(),
            "parameters_without_bias": matrices,
            "score_entries": h * params.length * params.keys,
            "multiply_adds": _multiply_adds(params, memory.shape[-1]),
            "shape_of_head_query": [d // h, params.length],
            "shape_of_weights": [params.keys, params.length],
            "shape_of_output": [d, params.length],
            "output_formula": "Wo@concat(V_1@A_1, ..., V_h@A_h)",
            # What comes out of the usual slips.
            "without_output_projection": concatenated,
            "one_head_output": F.linear(wide, layer.output, layer.biases[3] if layer.biases else None),
            "wrong_scale_weights": _with_scale(q, k, h, 1 / math.sqrt(d), mask),
            "parameters_times_heads": h * layer.count(),
        },
        trace=_heads_steps(params, memory, layer, weights),
        figures=(_heads_figure(weights), _entropy_bars(weights), _shapes_table(params, memory, layer)),
    )


def _mask_of(params: Heads, run: Run) -> Tensor | None:
    if params.mask == "none":
        return None
    mask = torch.ones(params.length, params.keys, dtype=torch.bool, device=run.device)
    if "causal" in params.mask:
        mask &= causal_mask(params.length, device=run.device)
    if "padding" in params.mask:
        mask &= padding_mask(torch.tensor(params.keys - params.padded, device=run.device), params.keys)
    return mask


def _with_scale(q: Tensor, k: Tensor, n_heads: int, scale: float, mask: Tensor | None) -> Tensor:
    return attention_weights(split_heads(q, n_heads), split_heads(k, n_heads), scale, mask=mask)


def _multiply_adds(params: Heads, d_memory: int) -> int:
    """Of the four projections, the scores and the weighted sums: heads do not change the total."""
    d, length, n = params.d_model, params.length, params.keys
    return 2 * length * d * d + 2 * n * d * d_memory + 2 * length * n * d


def _heads_figure(weights: Tensor) -> Heatmap:
    h, length, n = weights.shape
    rows = tuple(f"{head}.q{i}" for head in range(1, h + 1) for i in range(1, length + 1))
    return Heatmap(
        "heads",
        "Weights of the heads, one below the other",
        Array.of(weights.flatten(0, 1)),
        rows,
        tuple(f"k{j}" for j in range(1, n + 1)),
        caption="Every head has its own projections and so its own pattern; each row adds up to 1.",
    )


def _entropy_bars(weights: Tensor) -> Bars:
    h, _, n = weights.shape
    return Bars(
        "entropies",
        "Mean entropy of each head",
        tuple(f"head {i}" for i in range(1, h + 1)),
        ("entropy", "uniform"),
        Array.of([entropy(weights).mean(-1).tolist(), [math.log(n)] * h]),
        "nats",
        caption="Heads with random projections spread their attention, but not evenly: uniform would be ln n.",
    )


def _shapes_table(params: Heads, memory: Tensor, layer: Projections) -> Table:
    d, h, wide = params.d_model, params.n_heads, memory.shape[-1]
    return table(
        "shapes",
        "Shapes, with tokens as columns, and numbers to learn",
        ("what", "shape", "numbers"),
        [
            ("tokens C", f"{d}×{params.length}", ""),
            ("attended to", f"{wide}×{params.keys}", ""),
            ("W_Q of one head", f"{d // h}×{d}", d * d // h),
            ("W_K, W_V of one head", f"{d // h}×{wide}", 2 * d * wide // h),
            ("Q_i of one head", f"{d // h}×{params.length}", ""),
            ("A_i of one head", f"{params.keys}×{params.length}", ""),
            ("W_O, for all heads", f"{d}×{d}", d * d),
            ("all matrices", f"h = {h}", sum(matrix.numel() for matrix in layer.matrices)),
            ("with biases" if layer.biases else "no biases", "", layer.count()),
        ],
        align="lrr",
        caption="The heads share the width between them, so the number of parameters does not depend on h.",
    )


def _heads_steps(params: Heads, memory: Tensor, layer: Projections, weights: Tensor) -> tuple[Step, ...]:
    d, h, wide = params.d_model, params.n_heads, memory.shape[-1]
    return (
        Step(
            "output",
            "With tokens as columns, $O_i = (W_{V,i} M)\\, "
            "\\mathrm{softargmax}_\\beta((W_{K,i} M)^\\top (W_{Q,i} C))$ and "
            f"$H = W_O [O_1; …; O_h]$: weights multiply on the left, and one $W_O$ mixes all {h} heads. $\\beta = "
            f"1/\\sqrt{{d / h}}$ = {1 / math.sqrt(d // h):.4g}.",
        ),
        Step(
            "shapes",
            f"Each head works in {d} / {h} = {d // h} dimensions: $Q_i$ is {d // h}×{params.length}, $A_i$ is "
            f"{params.keys}×{params.length}, and the concatenated outputs are {d}×{params.length}.",
        ),
        Step(
            "parameters",
            f"$W_Q$ and $W_O$ have {d}² numbers each, $W_K$ and $W_V$ {d}·{wide} each: "
            f"{sum(matrix.numel() for matrix in layer.matrices)} together, {layer.count()} "
            f"{'with' if layer.biases else 'without'} biases. None of it depends on the number of heads.",
        ),
        Step(
            "weights",
            f"Head 1 gives its first query the weights {shown(weights[0, 0])}; mean entropies of the heads: "
            f"{shown(entropy(weights).mean(-1))} of at most {math.log(params.keys):.4g} nats.",
        ),
    )


@draws(Heads)
def draw_heads(draws: Draws) -> Heads:
    """Other sizes, self- or cross-attention; at least two keys are left to attend to."""
    rng = draws.stream("sizes")
    n_heads = rng.choice((2, 3, 4, 8))
    length = rng.randint(4, 9)
    cross = rng.random() < 0.5
    masks: tuple[Mask, ...] = ("none", "padding") if cross else ("none", "causal", "padding", "causal-padding")
    return Heads(
        d_model=n_heads * rng.choice((2, 4, 6, 8)),
        n_heads=n_heads,
        length=length,
        memory_length=rng.randint(4, 9) if cross else 0,
        memory_width=rng.choice((12, 20, 28)) if cross else 0,
        mask=rng.choice(masks),
        padded=rng.randint(1, 2),
        bias=rng.random() < 0.5,
    )


# -- groups of channels


@experiment(GroupedConvolution)
def grouped_convolution(params: GroupedConvolution, run: Run) -> Result:
    """A grouped convolution equals the full one with block-diagonal weights, at 1/groups of the parameters."""
    c, g, taps = params.channels, params.groups, params.kernel_size
    x = run.randn("x", 1, c, params.length)
    grouped = run.randn("weights", c, c // g, taps)
    full = torch.zeros(c, c, taps, dtype=x.dtype, device=x.device)
    for rows, columns, block in zip(full.chunk(g), torch.arange(c).chunk(g), grouped.chunk(g), strict=True):
        rows[:, columns.to(x.device)] = block
    run.progress(0.5, "both convolutions")
    apart, whole = F.conv1d(x, grouped, groups=g), F.conv1d(x, full)
    mix = run.randn("mix", c, c)
    mixed = mix @ apart[0]
    pointwise = F.conv1d(apart, mix.unsqueeze(-1))[0]
    return Result(
        values={
            "parameters_grouped": grouped.numel(),
            "parameters_full": full.numel(),
            "difference": (apart - whole).abs().max(),
            "mix_difference": (mixed - pointwise).abs().max(),
            "parameters_with_mix": grouped.numel() + mix.numel(),
            "argument": "groups",
        },
        trace=(
            Step(
                "groups",
                f"Heads split the {c} features into {g} parts, treat each on its own and put the results side by side. "
                f"A convolution with `groups={g}` does the same to channels. Against the full convolution with "
                f"block-diagonal weights it differs by {(apart - whole).abs().max():.1e}.",
            ),
            Step(
                "parameters",
                f"{g} blocks of {c // g}×{c // g}×{taps} are {grouped.numel()} numbers, against {c}×{c}×{taps} = "
                f"{full.numel()}. Several kernels without groups would each see all channels.",
            ),
            Step("mix", f"$W_O$ then mixes the parts, as a 1×1 convolution: {mix.numel()} more numbers."),
        ),
        figures=(
            Heatmap(
                "blocks",
                "Which input channel reaches which output channel",
                Array.of(full.abs().sum(-1)),
                caption="Block-diagonal: a group, like a head, sees its own channels only.",
            ),
        ),
    )


@draws(GroupedConvolution)
def draw_grouped_convolution(draws: Draws) -> GroupedConvolution:
    """Other sizes; more than one group."""
    rng = draws.stream("sizes")
    groups = rng.choice((2, 3, 4, 5, 6, 8))
    return GroupedConvolution(
        channels=groups * rng.randint(2, 12),
        groups=groups,
        kernel_size=rng.choice((2, 3, 5, 7)),
        length=rng.randint(9, 40),
    )
