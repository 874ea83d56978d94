"""Attention as a weighted reading of a memory: weights, masks and output, written out and fused.

Shapes follow the field: queries `(..., L, d)`, keys `(..., n, d)`, values `(..., n, m)`; a single query is
`(d,)`. Scores and weights are `(..., L, n)`, the softmax runs over the keys (the last axis).

Masks are boolean and True where a query may attend, as in `torch.nn.functional.scaled_dot_product_attention`
(`key_padding_mask` of `nn.MultiheadAttention` is the other way round). They broadcast to `(..., L, n)`. A query
that may attend to nothing gets weights 0 and output 0; a plain softmax of nothing but -inf is 0/0, NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

# -- masks


def causal_mask(length: int, past: int = 0, device: torch.device | None = None) -> Tensor:
    """True where a query may look at a key: its own position and all earlier ones, `(length, past + length)`.

    Args:
        length: how many queries; the first of them stands at position `past`.
        past: how many keys stand before the first query, as in decoding with a cache.
        device: where the mask lives.
    """
    return torch.ones(length, past + length, dtype=torch.bool, device=device).tril(past)


def padding_mask(lengths: Tensor, n: int) -> Tensor:
    """True at the keys that are no padding: the first `lengths` of n, for every query. `(...)` → `(..., 1, n)`."""
    return (torch.arange(n, device=lengths.device) < lengths.unsqueeze(-1)).unsqueeze(-2)


def masked_softmax(s: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the keys that the mask allows, weight 0 on the others: also where it allows none.

    Gradients are finite everywhere, and 0 in rows that allow none.
    """
    hidden = ~mask
    weights: Tensor = s.masked_fill(hidden, -math.inf).softmax(-1).masked_fill(hidden, 0)
    return weights


# -- the literal form, with gradients


def scores(q: Tensor, k: Tensor, scale: float = 1.0) -> Tensor:
    """Inner products `scale · q kᵀ` of every query with every key, shape `(..., L, n)` (`(n,)` for one query)."""
    return scale * torch.matmul(q, k.mT)


def attention_weights(
    q: Tensor, k: Tensor, scale: float | None = None, *, mask: Tensor | None = None, causal: bool = False
) -> Tensor:
    """softmax(scale · q kᵀ) over the keys that may be seen, with scale 1/√d unless given."""
    s = scores(q, k, scale_or_default(q, scale))
    if causal:
        mask = _with_causal(q, k, mask)
    return s.softmax(-1) if mask is None else masked_softmax(s, mask)


def softmax_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    scale: float | None = None,
    *,
    mask: Tensor | None = None,
    causal: bool = False,
) -> Tensor:
    """softmax(scale · q kᵀ) v with scale 1/√d unless given (Vaswani et al. 2017, eq. 1). Returns `(..., L, m)`.

    Time L·n·(d + m). Its L·n weights are kept for the backward pass.

    Raises:
        ValueError: if `causal` and there are not as many queries as keys.
    """
    return attention_weights(q, k, scale, mask=mask, causal=causal) @ v


def entropy(weights: Tensor) -> Tensor:
    """Entropy −Σⱼ aⱼ ln aⱼ of every row, in nats; 0 ln 0 is 0. Uniform weights over n keys have ln n."""
    total: Tensor = torch.special.entr(weights).sum(-1)
    return total


def scale_or_default(q: Tensor, scale: float | None) -> float:
    """The scale as given, or 1/√d for queries of d numbers."""
    return 1 / math.sqrt(q.shape[-1]) if scale is None else scale


def _with_causal(q: Tensor, k: Tensor, mask: Tensor | None) -> Tensor:
    _same_length(q, k)
    causal = causal_mask(q.shape[-2], device=q.device)
    return causal if mask is None else causal & mask


def _same_length(q: Tensor, k: Tensor) -> None:
    length, n = q.shape[-2] if q.dim() > 1 else 1, k.shape[-2]
    if length != n:
        raise ValueError(f"{length} queries of {n} keys are not one sequence: use mask=causal_mask(queries, past)")


# -- output and weights without gradients, in one buffer

# Queries whose scores are made, normalised and used while they are still in the cache.
BLOCK = 256


@torch.no_grad()
def explicit_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    scale: float | None = None,
    *,
    mask: Tensor | None = None,
    causal: bool = False,
) -> tuple[Tensor, Tensor]:
    """Output `(..., L, m)` and weights `(..., L, n)`, made in place: one buffer of L·n numbers and no second one.

    The literal form has two at once, scores and weights. Here a block of queries at a time gets its scores where
    its weights will stand; a causal block does not look at the keys after it at all. No gradients.

    Raises:
        ValueError: if `causal` and there are not as many queries as keys.
    """
    if causal:
        _same_length(q, k)
    length, n = q.shape[-2], k.shape[-2]
    q, k, v = _same_batch(q, k, v)
    batch = q.shape[:-2]
    mask = None if mask is None else mask.expand(*batch, length, n)
    weights = torch.empty(*batch, length, n, dtype=q.dtype, device=q.device)
    output = torch.empty(*batch, length, v.shape[-1], dtype=v.dtype, device=v.device)
    # Short sequences go through at once, whatever their number: a loop over heads would cost more than it saves.
    parts: list[Any] = [()] if length <= BLOCK else list(product(*map(range, batch)))
    for part, start in product(parts, range(0, length, BLOCK)):
        rows = slice(start, min(start + BLOCK, length))
        seen = rows.stop if causal else n
        block: Any = (*part, ..., rows, slice(seen))
        s = weights[block]
        torch.matmul(q[part][..., rows, :] * scale_or_default(q, scale), k[part][..., :seen, :].mT, out=s)
        _softmax_(s, None if mask is None else ~mask[block], start if causal else None)
        torch.matmul(s, v[part][..., :seen, :], out=output[(*part, ..., rows, slice(None))])
        weights[(*part, ..., rows, slice(seen, n))] = 0
    return output, weights


def _softmax_(s: Tensor, hidden: Tensor | None, start: int | None) -> None:
    """Softmax of a block of scores in place; causal if the block begins at a row `start` of the sequence."""
    if start is not None:
        ahead = ~causal_mask(s.shape[-2], device=s.device)
        if hidden is None:
            s[..., start:].masked_fill_(ahead, -math.inf)
        else:
            hidden[..., start:] |= ahead
    if hidden is not None:
        s.masked_fill_(hidden, -math.inf)
    torch.softmax(s, -1, out=s)
    if hidden is not None:
        s.masked_fill_(hidden, 0)


# -- the output alone, by torch's fused kernel


def fused_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    scale: float | None = None,
    *,
    mask: Tensor | None = None,
    causal: bool = False,
) -> Tensor:
    """The output of `softmax_attention`, with gradients, by torch's fused kernel, which never holds the weights.

    Time L·n·(d + m), half of it where causal; memory and what is kept for the backward pass grow with L + n only.
    What the kernel wants: four dimensions, values as wide as keys (zeros are appended and cut off again; without
    these it silently takes the path that holds L·n scores), and `is_causal` instead of a triangle of booleans.

    Raises:
        ValueError: if `causal` and there are not as many queries as keys.
    """
    if causal:
        _same_length(q, k)
    if causal and mask is not None:
        mask, causal = _with_causal(q, k, mask), False
    factor, d, m = scale_or_default(q, scale), q.shape[-1], v.shape[-1]
    if factor <= 0:  # the kernel would multiply the -inf of what is hidden by it, and return NaN
        q, factor = q * factor, 1.0
    if d != m:
        q, k, v = (F.pad(x, (0, max(d, m) - x.shape[-1])) for x in (q, k, v))
    q, k, v = _same_batch(q, k, v)
    allowed = None if mask is None else _four(mask)
    out = F.scaled_dot_product_attention(_four(q), _four(k), _four(v), allowed, is_causal=causal, scale=factor)
    if m < d:
        out = out[..., :m]
    return out if q.dim() >= 4 else out.reshape(*q.shape[:-1], m)


def _same_batch(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """As views that have the same axes in front of the last two."""
    if q.shape[:-2] == k.shape[:-2] == v.shape[:-2]:
        return q, k, v
    batch = torch.broadcast_shapes(q.shape[:-2], k.shape[:-2], v.shape[:-2])
    return q.expand(*batch, -1, -1), k.expand(*batch, -1, -1), v.expand(*batch, -1, -1)


def _four(x: Tensor) -> Tensor:
    """As a view with axes of size 1 in front until there are four."""
    return x[(None,) * (4 - x.dim())] if x.dim() < 4 else x


# -- how the output depends on what


def autograd_gradients(function: Callable[..., Tensor], inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """What autograd gives for the summed output w.r.t. every input; zeros where no path exists."""
    leaves = {name: tensor.detach().clone().requires_grad_() for name, tensor in inputs.items()}
    function(*leaves.values()).sum().backward()
    return {name: torch.zeros_like(leaf) if leaf.grad is None else leaf.grad.detach() for name, leaf in leaves.items()}


def difference_quotients(function: Callable[..., Tensor], inputs: dict[str, Tensor], step: float) -> dict[str, Tensor]:
    """Central differences of the summed output w.r.t. every entry of every input, each of that input's shape."""
    out = {}
    for name, tensor in inputs.items():
        slope = torch.zeros_like(tensor, memory_format=torch.contiguous_format)
        for i in range(tensor.numel()):
            ends = []
            for sign in (1, -1):
                moved = tensor.clone(memory_format=torch.contiguous_format)
                moved.view(-1)[i] += sign * step
                ends.append(function(*(inputs | {name: moved}).values()).sum())
            slope.view(-1)[i] = (ends[0] - ends[1]) / (2 * step)
        out[name] = slope
    return out


def best_step(dtype: torch.dtype) -> float:
    """The step of a central difference at which rounding and curvature weigh about the same: ε^(1/3)."""
    return float(torch.finfo(dtype).eps ** (1 / 3))


# -- words


def shown(numbers: Tensor | tuple[float, ...]) -> str:
    """A vector as it stands in a sentence."""
    values = numbers.tolist() if isinstance(numbers, Tensor) else numbers
    return f"[{', '.join(f'{x:.4g}' for x in values)}]".replace("-", "−")
