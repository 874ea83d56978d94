"""What the engines on summarisation share: what an encoder-decoder needs of memory, and a check of its sizes."""

from __future__ import annotations

from engines.fields import BadData, Fault


def training_bytes(
    itemsize: int, *, vocabulary: int, d_model: int, n_layers: int, batch: int, source: int, target: int
) -> int:
    """What training an encoder-decoder has alive at once, at most.

    Weights six times (gradients, two moments, the optimiser's own), what each token keeps in each layer, attention
    weights, and logits with their softmax and its gradient.
    """
    weights = (vocabulary + source + target) * d_model + 2 * n_layers * 20 * d_model**2
    tokens = batch * (source + target)
    kept = tokens * d_model * (40 * n_layers + 12)
    scores = 8 * n_layers * batch * (source + target) ** 2
    logits = 4 * batch * target * vocabulary
    return itemsize * (6 * weights + kept + scores + logits)


def decoding_bytes(
    itemsize: int, *, vocabulary: int, d_model: int, n_layers: int, rows: int, source: int, target: int
) -> int:
    """What writing `rows` summaries side by side has alive: cached keys and values, rows of log-probabilities."""
    return rows * (itemsize * n_layers * d_model * (6 * source + 6 * target) + 48 * vocabulary)


def check_heads(d_model: int, n_heads: int) -> None:
    """Refuse heads that do not share the width evenly."""
    if d_model % n_heads:
        raise BadData([Fault(("n_heads",), f"{n_heads} heads do not share {d_model} dimensions evenly")])
