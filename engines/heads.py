"""What an attention head looks at: shares of its weight on named patterns, beside what a head that knows nothing gives.

Weights are `(…, queries, keys)` with tokens `(batch, n)`; a pattern is a mask `(batch, queries, keys)` of the keys that
belong to it. Every share has a baseline, the share of a head that spreads its weight evenly over the keys it may see:
under a causal mask that alone gives the first token H_n / n of all weight.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from engines.masks import causal_mask
from engines.transformer import MultiHeadAttention

# A head carries the name of a pattern that gets so much more of its weight than by spreading evenly.
NAMED = 0.25
# Fraction of the largest possible entropy above which a head is called broad.
BROAD = 0.9


def patterns(tokens: Tensor, special: tuple[int, ...] = ()) -> dict[str, Tensor]:
    """The keys that each pattern wants for each query: name → `(batch, n, n)`.

    previous, next and itself by position; first is position 0; special are the tokens of these ids; same are other
    places of the query's own token; induction are the tokens that came after earlier places of it (Olsson et al. 2022).
    """
    batch, n = tokens.shape
    place = torch.arange(n, device=tokens.device)
    ahead = (place[None, :] - place[:, None]).expand(batch, -1, -1)  # key − query
    same = tokens[:, :, None] == tokens[:, None, :]
    follows = torch.zeros_like(same)
    follows[:, :, 1:] = same[:, :, :-1]
    marked = torch.zeros_like(tokens, dtype=torch.bool)
    for token in special:
        marked |= tokens == token
    return {
        "previous": ahead == -1,
        "next": ahead == 1,
        "itself": ahead == 0,
        "first": (place == 0).expand_as(ahead) & (ahead != 0),
        "special": marked[:, None, :] & ~marked[:, :, None],
        "same": same & (ahead != 0),
        "induction": follows & (ahead <= 0),
    }


def share(weights: Tensor, wanted: Tensor, seen: Tensor | None = None) -> Tensor:
    """Mean weight on the wanted keys, over the queries that can see one: `(…, batch, heads, n, n)` → `(…, heads)`.

    Args:
        weights: attention weights.
        wanted: `(batch, n, n)`.
        seen: the keys that a query may see, broadcast to `wanted`; all of them if None.

    Returns:
        NaN where no query can see a wanted key.
    """
    reachable = wanted if seen is None else wanted & seen
    queries = reachable.any(-1)  # (batch, n)
    on_target = torch.einsum("...bhij,bij->...hbi", weights, reachable.to(weights.dtype))
    return (on_target * queries).sum((-2, -1)) / queries.sum()


def evenly(tokens: Tensor, *, causal: bool) -> Tensor:
    """Weights of a head that spreads evenly over what it may see: `(batch, 1, n, n)`, float64."""
    batch, n = tokens.shape
    seen = causal_mask(n, n, tokens.device) if causal else torch.ones(n, n, dtype=torch.bool, device=tokens.device)
    weights = seen.double()
    return (weights / weights.sum(-1, keepdim=True)).expand(batch, 1, n, n)


def evenness(weights: Tensor, *, causal: bool) -> Tensor:
    """Entropy over that of an even spread, `(…, heads)`: the mean over the queries that have a choice."""
    n = weights.shape[-1]
    entropy = -torch.special.xlogy(weights, weights).sum(-1)  # (…, batch, heads, n)
    most = torch.arange(1, n + 1, dtype=weights.dtype, device=weights.device)
    most = most.log() if causal else torch.full_like(most, math.log(n))
    kept = most > 0
    return (
        (entropy[..., kept] / most[kept]).mean((-3, -1)) if bool(kept.any()) else torch.ones_like(entropy[..., 0, :, 0])
    )


def first_token_baseline(n: int) -> float:
    """H_n / n: the mean weight that an even causal head puts on the first token, the first query included."""
    return sum(1 / i for i in range(1, n + 1)) / n


def scores(weights: Tensor, tokens: Tensor, *, causal: bool, special: tuple[int, ...] = ()) -> dict[str, Tensor]:
    """Share of every pattern and the evenness, name → `(layers, heads)`, of weights `(layers, batch, heads, n, n)`."""
    seen = causal_mask(weights.shape[-2], weights.shape[-1], weights.device) if causal else None
    found = {name: share(weights, wanted, seen) for name, wanted in patterns(tokens, special).items()}
    return found | {"even": evenness(weights, causal=causal)}


def baselines(tokens: Tensor, *, causal: bool, special: tuple[int, ...] = ()) -> dict[str, float]:
    """The same shares for a head that spreads evenly."""
    even = scores(evenly(tokens, causal=causal)[None], tokens, causal=causal, special=special)
    return {name: float(value) for name, value in even.items()}


def label(found: Mapping[str, float], baseline: Mapping[str, float]) -> str:
    """The name of a head by its shares: a pattern, "broad" where it spreads nearly evenly, or "mixed"."""
    excess = {name: value - baseline[name] for name, value in found.items() if name != "even"}
    named = {name: value for name, value in excess.items() if value >= NAMED}
    if named:
        return max(named, key=lambda name: named[name])
    return "broad" if found["even"] >= BROAD else "mixed"


def labels(found: Mapping[str, Tensor], baseline: Mapping[str, float]) -> list[list[str]]:
    """The name of every head of every layer."""
    layers, heads = found["even"].shape
    return [
        [label({name: float(value[i, j]) for name, value in found.items()}, baseline) for j in range(heads)]
        for i in range(layers)
    ]


@contextmanager
def without_head(layer: nn.Module, head: int) -> Iterator[None]:
    """Within this block, a head of a `MultiHeadAttention` adds nothing to the output."""
    assert isinstance(layer, MultiHeadAttention)
    weight = layer.output.weight
    d_head = weight.shape[1] // layer.n_heads
    columns = slice(head * d_head, (head + 1) * d_head)
    before = weight.detach()[:, columns].clone()
    with torch.no_grad():
        weight[:, columns] = 0
        try:
            yield
        finally:
            weight[:, columns] = before
