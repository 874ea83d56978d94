"""Which keys a query may see. True means that it may; a mask is `(…, queries, keys)` or broadcasts to it."""

from __future__ import annotations

import torch
from torch import Tensor

# -- numerics


def causal_mask(n_queries: int, n_keys: int, device: torch.device | None = None) -> Tensor:
    """`(queries, keys)`: query i sees the keys up to its own place, the last query seeing all.

    With as many queries as keys this is the lower triangle; with fewer, the queries are the last positions.
    """
    return torch.ones(n_queries, n_keys, dtype=torch.bool, device=device).tril(n_keys - n_queries)


def real_tokens(lengths: Tensor, longest: int) -> Tensor:
    """`(batch, longest)`: True at the tokens of a sequence, False at the pads that follow them."""
    return torch.arange(longest, device=lengths.device) < lengths.unsqueeze(-1)


def visible(
    n_queries: int, key_mask: Tensor | None, n_keys: int, *, causal: bool, device: torch.device
) -> Tensor | None:
    """The mask that both rules make together, `(batch or 1, 1, queries or 1, keys)`; None where nothing is hidden.

    Args:
        n_queries: number of queries; they are the last ones of the keys if `causal`.
        key_mask: `(batch, keys)`, True where a key may be seen, or None.
        n_keys: number of keys.
        causal: hide the keys that come after a query.
        device: where the mask is needed.
    """
    mask = None if key_mask is None else key_mask[:, None, None, :]
    if causal and n_queries > 1:
        triangle = causal_mask(n_queries, n_keys, device)[None, None]
        mask = triangle if mask is None else mask & triangle
    return mask
