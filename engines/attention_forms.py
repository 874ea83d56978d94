"""Forms of attention whose cost is counted, each with the sizes it depends on and inputs of these sizes.

Sizes are named as in the sheets: n positions, d the width of queries and keys, m of values (or features), h heads,
w a window, r a rank, b a chunk.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.attention import softmax_attention
from engines.kernel_attention import kernel_attention, recomputing_kernel_attention
from engines.linear_attention import (
    IDENTITY,
    causal_cumsum,
    causal_linear_attention,
    causal_masked,
    causal_recurrent,
    linear_attention,
)
from engines.run import Run
from engines.separable_attention import separable_attention, separable_attention_slow

# -- forms that stand nowhere else


def projected_attention(x: Tensor, wq: Tensor, wk: Tensor, wv: Tensor) -> Tensor:
    """One head with its projections: x `(n, d)`, weights `(d, d)`."""
    return softmax_attention(x @ wq, x @ wk, x @ wv)


def multi_head_attention(x: Tensor, wq: Tensor, wk: Tensor, wv: Tensor, wo: Tensor) -> Tensor:
    """H heads of the full width one after the other: weights `(h, d, d)`, the last `(h·d, d)`.

    Without gradients one map of n × n is in memory at a time; for a backward pass all h are kept (IFT6135 assignment
    (winter 2022), question 3.1).
    """
    heads = [projected_attention(x, *weights) for weights in zip(wq, wk, wv, strict=True)]
    return torch.cat(heads, -1) @ wo


def local_attention(q: Tensor, k: Tensor, v: Tensor, window: int) -> Tensor:
    """Softmax attention of each position to itself and the window − 1 before it: time n·w·(d + m), weights n·w."""
    n = len(q)
    before = (0, 0, window - 1, 0)
    k, v = F.pad(k, before), F.pad(v, before)
    scores = torch.stack([(q * k[o : o + n]).sum(-1) for o in range(window)], -1) / math.sqrt(q.shape[-1])
    positions = torch.arange(n, device=q.device).unsqueeze(-1) + torch.arange(window, device=q.device)
    weights = scores.masked_fill(positions < window - 1, -math.inf).softmax(-1)
    output = torch.zeros_like(v[:n])
    for o, weight in enumerate(weights.unbind(-1)):
        output = output + weight.unsqueeze(-1) * v[o : o + n]
    return output


def low_rank_attention(q: Tensor, k: Tensor, v: Tensor, mixing: Tensor) -> Tensor:
    """Softmax attention over r mixtures of the keys and of the values (Wang et al. 2020): mixing `(r, n)`."""
    return softmax_attention(q, mixing @ k, mixing @ v)


def feature_attention(q: Tensor, k: Tensor, v: Tensor, directions: Tensor) -> Tensor:
    """Attention through f(u) = exp(W u), m positive features from directions W `(m, d)`."""
    return linear_attention((q @ directions.T).exp(), (k @ directions.T).exp(), v)


# -- the list


@dataclass(frozen=True)
class Form:
    """A form of attention as a function of its sizes.

    Attributes:
        function: of the inputs, and of the sizes named in `passes`.
        sizes: the names of the sizes, n first.
        shapes: sizes → shapes of the inputs.
        degrees: an upper bound of the degree of its cost in each size.
        passes: sizes that the function takes as numbers.
        in_chunks: whether n is a multiple of the last size.
        working: whether the numbers alive at once without gradients are a polynomial of the sizes; in blocks of
            positions, or as the larger of two stages, they are none.
    """

    function: Callable[..., Tensor]
    sizes: tuple[str, ...]
    shapes: Callable[..., tuple[tuple[int, ...], ...]]
    degrees: tuple[int, ...]
    passes: tuple[str, ...] = ()
    in_chunks: bool = False
    working: bool = True

    def inputs(self, sizes: tuple[int, ...], run: Run) -> list[Tensor]:
        """Small positive inputs: no denominator vanishes, and no exponential overflows."""
        shapes = self.shapes(*sizes)
        return [run.randn(f"form {i} {shape}", *shape).abs() / shape[-1] for i, shape in enumerate(shapes)]

    def at(self, sizes: tuple[int, ...]) -> Callable[..., Tensor]:
        """The function of the inputs alone."""
        named = dict(zip(self.sizes, sizes, strict=True))
        return partial(self.function, **{_ARGUMENTS[name]: named[name] for name in self.passes})


_ARGUMENTS = {"w": "window", "b": "chunk"}


def _three(n: int, d: int, m: int, *_: int) -> tuple[tuple[int, ...], ...]:
    return (n, d), (n, d), (n, m)


def _first(function: Callable[..., tuple[Tensor, Any]], **more: Any) -> Callable[..., Tensor]:
    def output(*inputs: Tensor, **sizes: int) -> Tensor:
        return function(*inputs, **sizes, **more)[0]

    return output


NDM, ND = ("n", "d", "m"), ("n", "d")
FORMS: dict[str, Form] = {
    "softmax": Form(softmax_attention, NDM, _three, (2, 1, 1)),
    "one head": Form(softmax_attention, ND, lambda n, d: ((n, d),) * 3, (2, 1)),
    "one head, projected": Form(projected_attention, ND, lambda n, d: ((n, d), *((d, d),) * 3), (2, 2)),
    "multi-head": Form(
        multi_head_attention,
        ("n", "d", "h"),
        lambda n, d, h: ((n, d), *((h, d, d),) * 3, (h * d, d)),
        (2, 2, 1),
    ),
    "local window": Form(local_attention, (*NDM, "w"), _three, (1, 1, 1, 2), passes=("w",)),
    "low rank": Form(
        low_rank_attention, (*NDM, "r"), lambda n, d, m, r: (*_three(n, d, m), (r, n)), (1, 1, 1, 1), working=False
    ),
    "features": Form(feature_attention, ("n", "d", "m"), lambda n, d, m: ((n, d),) * 3 + ((m, d),), (1, 1, 1)),
    "separable": Form(separable_attention, ND, lambda n, d: ((n, d),) * 3, (1, 2)),
    "separable, map first": Form(separable_attention_slow, ND, lambda n, d: ((n, d),) * 3, (2, 1)),
    "quadratic kernel": Form(recomputing_kernel_attention, NDM, _three, (1, 3, 1), working=False),
    "quadratic kernel, features kept": Form(kernel_attention, NDM, _three, (1, 2, 1), working=False),
    "causal triangle": Form(causal_masked, NDM, _three, (2, 1, 1)),
    "causal recurrence": Form(_first(causal_recurrent), NDM, _three, (1, 1, 1)),
    "causal cumulative sum": Form(_first(causal_cumsum), NDM, _three, (1, 1, 1), working=False),
    "causal chunks": Form(
        _first(causal_linear_attention, feature_map=IDENTITY),
        (*NDM, "b"),
        _three,
        (1, 1, 1, 2),
        passes=("b",),
        in_chunks=True,
        working=False,
    ),
}
