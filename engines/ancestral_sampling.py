"""Ancestral sampling, and the distributions it may draw from: tempered, and cut to the most likely tokens.

Log-probabilities are `(…, M)` over the M tokens. A transform keeps the shape, gives −inf to what it cuts off, and
normalises the rest again. Of tokens that are equally likely the first ones stay.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from engines.language_models import MarkovChain
from engines.search import LanguageModel, State

# -- which distribution


def tempered(log_probs: Tensor, temperature: float) -> Tensor:
    """p^(1/T) / Σ p^(1/T): below 1 sharper, above 1 flatter; T → 0 is the argmax, T → ∞ uniform.

    Raises:
        ValueError: unless T > 0.
    """
    if not temperature > 0:
        raise ValueError(f"a temperature is above 0, not {temperature}")
    return (log_probs / temperature).log_softmax(-1)


def top_k(log_probs: Tensor, k: int) -> Tensor:
    """The k most likely tokens (Fan et al. 2018).

    Raises:
        ValueError: unless k ≥ 1.
    """
    if k < 1:
        raise ValueError(f"at least one token has to stay, not {k}")
    return _keep(log_probs, ranks(log_probs) < k)


def top_p(log_probs: Tensor, p: float) -> Tensor:
    """The nucleus: the fewest most likely tokens whose probabilities sum to p or more (Holtzman et al. 2020).

    A token stays if those before it have not reached p yet; so the one that crosses p stays, and one always does.

    Raises:
        ValueError: unless 0 < p ≤ 1.
    """
    if not 0 < p <= 1:
        raise ValueError(f"p is a probability above 0, not {p}")
    if p == 1:
        return log_probs.log_softmax(-1)
    ordered, order = log_probs.double().softmax(-1).sort(dim=-1, descending=True, stable=True)
    before = ordered.cumsum(-1) - ordered
    stays = torch.zeros_like(order, dtype=torch.bool).scatter(-1, order, before < p)
    return _keep(log_probs, stays)


def ranks(log_probs: Tensor) -> Tensor:
    """The place of each token in order of falling probability, from 0; of equals the first one comes first."""
    order = log_probs.sort(dim=-1, descending=True, stable=True).indices
    return order.argsort(-1)


def _keep(log_probs: Tensor, stays: Tensor) -> Tensor:
    return log_probs.masked_fill(~stays, -math.inf).log_softmax(-1)


def entropy(log_probs: Tensor) -> Tensor:
    """−Σ p log p in nats, `(…, M)` → `(…)`; a token that is cut off adds 0."""
    terms: Tensor = torch.special.entr(log_probs.exp())
    return terms.sum(-1)


@dataclass(frozen=True)
class Warp:
    """How the model's distribution is changed before a token is drawn: temperature, then top-k, then top-p.

    What is cut off is normalised away before the next one looks, as in transformers. The defaults change nothing.
    """

    temperature: float = 1.0
    k: int | None = None
    p: float = 1.0

    def __call__(self, log_probs: Tensor) -> Tensor:
        """Log-probabilities of the changed distribution."""
        if self.temperature != 1:
            log_probs = tempered(log_probs, self.temperature)
        if self.k is not None:
            log_probs = top_k(log_probs, self.k)
        return top_p(log_probs, self.p)


# -- drawing


def draw_tokens(log_probs: Tensor, uniform: Tensor) -> Tensor:
    """The token at which the running sum of probabilities passes a uniform number: `(R, M)`, `(R,)` → `(R,)`.

    Inverting the distribution function makes a draw a function of its own number alone: equal numbers give equal
    tokens on any device and in any batch, up to rounding of the probabilities. A token of probability 0 is never drawn.
    """
    cumulative = log_probs.double().exp().cumsum(-1)
    cumulative = cumulative / cumulative[:, -1:]  # ends with exactly 1, which no uniform number reaches
    return torch.searchsorted(cumulative, uniform.to(cumulative).unsqueeze(1), right=True).squeeze(1)


@dataclass(frozen=True)
class Samples:
    """Sequences drawn for each of P prompts, and how likely the model itself finds them.

    Attributes:
        sequences: `(P, S, T)` token ids; what follows an end-of-sequence token is filled up with it.
        lengths: `(P, S)` tokens up to and including the end-of-sequence token, if there is one.
        log_probs: `(P, S)` total log-probability under the model, whatever was drawn from.
        drawn_log_probs: `(P, S)` total log-probability under the warped distribution they were drawn from.
        entropies: `(P, S)` sum over the steps of the entropy of the warped distribution.
    """

    sequences: Tensor
    lengths: Tensor
    log_probs: Tensor
    drawn_log_probs: Tensor
    entropies: Tensor

    def distinct(self, prompt: int = 0) -> int:
        """How many of a prompt's sequences are different from each other."""
        return len(self.sequences[prompt].unique(dim=0))


@torch.no_grad()
def sample(
    model: LanguageModel[State],
    length: int,
    count: int,
    generator: torch.Generator,
    *,
    warp: Warp = Warp(),
    eos: int | None = None,
) -> Samples:
    """Draw `count` sequences for each prompt, token by token, each from the warped distribution given those before.

    All P·count rows are drawn together. `generator` is on the CPU; sample s of prompt p depends on its own row of
    numbers, so the first ones stay the same when more are asked for, and temperatures are compared on equal numbers.

    Raises:
        ValueError: if the model gives NaN, +inf, or no token at all (every log-probability −inf).
    """
    if length < 1 or count < 1:
        raise ValueError(f"a length and a count of at least 1, not {length} and {count}")
    log_probs, state = model.start()
    prompts = len(log_probs)
    uniform = torch.stack([torch.rand(prompts, length, generator=generator, dtype=torch.float64) for _ in range(count)])
    uniform = uniform.permute(2, 1, 0).reshape(length, -1).contiguous().to(log_probs.device)  # (T, P·count)
    rows = torch.arange(prompts, device=log_probs.device).repeat_interleave(count)
    log_probs, state = log_probs[rows], model.reorder(state, rows)
    totals, drawn, entropies = (log_probs.new_zeros(len(rows), dtype=torch.float64) for _ in range(3))
    lengths = torch.full_like(rows, length)
    sequences: list[Tensor] = []
    for t in range(1, length + 1):
        if t > 1:
            log_probs, state = model.step(sequences[-1], state)
        if not bool((log_probs.amax(-1) < math.inf).all() and (log_probs.amax(-1) > -math.inf).all()):
            raise ValueError("the model gave a log-probability that is NaN or +inf, or allows no token")
        warped = warp(log_probs)
        tokens = draw_tokens(warped, uniform[t - 1])
        running = lengths == length
        column = tokens.unsqueeze(1)
        totals += log_probs.gather(1, column).squeeze(1).where(running, 0)
        drawn += warped.gather(1, column).squeeze(1).where(running, 0)
        entropies += entropy(warped).where(running, 0)
        if eos is not None:
            tokens = tokens.where(running, eos)
            lengths = lengths.where(~running | (tokens != eos), t)
        sequences.append(tokens)
        if eos is not None and bool((tokens == eos).all()):
            break
    shape = (prompts, count)
    return Samples(
        torch.stack(sequences, 1).view(*shape, -1),
        *(x.view(shape) for x in (lengths, totals, drawn, entropies)),
    )


def expected(chain: MarkovChain, warp: Warp, length: int) -> tuple[float, float]:
    """Mean log-probability under the chain, and entropy, of sequences drawn from it warped: exact, by recursion.

    With π_t the distribution of the t-th token, Σ_t Σ_x π_t(x) Σ_y q(y|x) log p(y|x), and the same with −log q. For one
    prompt.
    """
    rows, state = chain.first, None
    log_prob = total_entropy = 0.0
    for t in range(length):
        if t:
            rows = chain.transitions
        warped = warp(rows).double()
        q = warped.exp()
        weights = q.new_ones(1) if state is None else state
        per_token = torch.where(q > 0, q * rows.double(), 0).sum(1)
        log_prob += float(weights @ per_token)
        total_entropy += float(weights @ entropy(warped))
        state = weights @ q
    return log_prob, total_entropy
