"""Search for likely sequences: greedy, beam and exhaustive, over anything that predicts token after token.

A `LanguageModel` is handed tokens and a state, and gives back log-probabilities of the next token and a state. A
tree written by hand, a Markov chain and a transformer with a cache are language models (`engines.language_models`),
and each search here runs on all of them, several prompts at once.

Shapes: P prompts, B hypotheses of each, R = P·B rows with the prompt as the slow index, M tokens.

Ties go to the first in (hypothesis, token) order, hypotheses best first; exhaustive search has its sequences in
lexicographic order instead, shorter ones first. Totals are compared as they are computed, in the model's dtype. A
log-probability of −inf is a token that cannot follow; NaN and +inf are refused (ValueError).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

State = TypeVar("State")


class LanguageModel(Protocol[State]):
    """What predicts token after token, with a state that its caller carries: one row of it for each hypothesis.

    A state that was handed in is used up: a model may write the new one over it.
    """

    def start(self) -> tuple[Tensor, State]:
        """Log-probabilities `(P, M)` of the first token after each of P prompts, and a state of P rows."""
        ...

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Log-probabilities `(R, M)` of what follows when `tokens (R,)` are appended to the rows of a state."""
        ...

    def reorder(self, state: State, parents: Tensor) -> State:
        """The state whose row r is row `parents[r]` of this one; `parents (R',)` may repeat rows and leave some out.

        Rows stay with their prompt, the same number for each: R' = P·B'.
        """
        ...


# -- length penalties: what the total log-probability of a finished sequence is divided by

Penalty = Callable[[int], float]


def no_penalty(_length: int) -> float:
    """1: sequences are ranked by their log-probability."""
    return 1.0


def power_penalty(power: float) -> Penalty:
    """length^power, as in transformers: 0 leaves totals as they are, 1 takes the mean of a token.

    Log-probabilities are negative, so a positive power favours long sequences. The length counts the tokens
    generated, the end-of-sequence token included and the prompt not.
    """
    return lambda length: length**power


def gnmt_penalty(alpha: float) -> Penalty:
    """((5 + length) / 6)^alpha, the form of Wu et al. 2016, equation 14: milder than length^alpha while short."""
    return lambda length: ((5 + length) / 6) ** alpha


# -- what a search returns


@dataclass(frozen=True)
class Hypotheses:
    """The best sequences of each prompt, best first.

    Attributes:
        sequences: `(P, B, T)` token ids; what follows an end-of-sequence token is filled up with it.
        lengths: `(P, B)` tokens up to and including the end-of-sequence token, if there is one.
        log_probs: `(P, B)` total log-probabilities; −inf marks a place for which there was no sequence.
        scores: `(P, B)` log_probs / penalty(length), what they are ranked by.
    """

    sequences: Tensor
    lengths: Tensor
    log_probs: Tensor
    scores: Tensor

    def best(self, count: int) -> Hypotheses:
        """The first `count` of each prompt."""
        return Hypotheses(*(x[:, :count] for x in (self.sequences, self.lengths, self.log_probs, self.scores)))

    def tokens(self, prompt: int = 0, rank: int = 0) -> list[int]:
        """One sequence as plain token ids, without what fills it up."""
        found: list[int] = self.sequences[prompt, rank, : int(self.lengths[prompt, rank])].tolist()
        return found


def largest(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` largest of each row of `(P, n)`, largest first, and where they stand; of equals the first.

    topk alone breaks ties as it likes. Whether there are any is seen on count + 1 values, so that sorting is
    rarely needed.
    """
    if count < values.shape[1]:
        top, places = values.topk(count + 1)
        if not bool((top[:, 1:] == top[:, :-1]).any()):
            return top[:, :count], places[:, :count]
    ordered, places = values.sort(dim=1, descending=True, stable=True)
    return ordered[:, :count], places[:, :count]


def _refuse_nonsense(log_probs: Tensor) -> None:
    """NaN and +inf survive addition and rank first, so that it is enough to look at what a search returns."""
    if bool((log_probs.isnan() | log_probs.isposinf()).any()):
        raise ValueError("the model gave a log-probability that is NaN or +inf")


def _check(length: int, beam_size: int = 1) -> None:
    if length < 1 or beam_size < 1:
        raise ValueError(f"a search needs a length and a beam of at least 1, not {length} and {beam_size}")


# -- greedy


@torch.no_grad()
def greedy_search(model: LanguageModel[State], length: int, *, eos: int | None = None) -> Hypotheses:
    """The most likely token at every step: one hypothesis a prompt, T model steps.

    A finished row goes on with the end-of-sequence token at log-probability 0 until all are finished.
    """
    _check(length)
    log_probs, state = model.start()
    totals = log_probs.new_zeros(len(log_probs), 1)
    lengths = torch.full_like(totals, length, dtype=torch.long)
    tokens: list[Tensor] = []
    for t in range(1, length + 1):
        if t > 1:
            log_probs, state = model.step(tokens[-1].squeeze(1), state)
        token = log_probs.argmax(1, keepdim=True)
        values = log_probs.gather(1, token)
        if eos is not None:
            running = lengths == length
            totals = totals + values.where(running, 0)
            tokens.append(token.where(running, eos))
            lengths = lengths.where(~running | (token != eos), t)
            if bool((tokens[-1] == eos).all()):
                break
        else:
            totals = totals + values
            tokens.append(token)
    _refuse_nonsense(totals)
    return Hypotheses(torch.cat(tokens, 1).unsqueeze(1), lengths, totals, totals)


# -- beam search


@dataclass(frozen=True)
class Candidates:
    """The extensions that one step of a beam search compares, best first, and how many of them are kept.

    `sequences` is `(C, t)` token ids, `log_probs` `(C,)` their totals; rows `[:kept]` are the new beam.
    """

    sequences: Tensor
    log_probs: Tensor
    kept: int


@torch.no_grad()
def beam_search_steps(model: LanguageModel[State], length: int, beam_size: int) -> list[Candidates]:
    """Beam search as it is written down, for one prompt: the candidates of every step, kept and dropped.

    Each hypothesis is extended by its `beam_size` most likely tokens; of all these the `beam_size` best by
    total log-probability are kept (EECS 182, homework 6 (fall 2022), question 5, algorithm 1).
    """
    _check(length, beam_size)
    steps: list[Candidates] = []
    log_probs, state = model.start()
    if len(log_probs) != 1:
        raise ValueError(f"the steps of one search, not of {len(log_probs)}")
    sequences = torch.zeros(1, 0, dtype=torch.long, device=log_probs.device)
    totals = log_probs.new_zeros(1)
    for t in range(1, length + 1):
        width = min(beam_size, log_probs.shape[1])
        best = log_probs.sort(dim=1, descending=True, stable=True)
        values, tokens = best.values[:, :width], best.indices[:, :width]
        totals = (totals.unsqueeze(1) + values).flatten()
        parents = torch.arange(len(sequences), device=tokens.device).repeat_interleave(width)
        sequences = torch.cat([sequences[parents], tokens.reshape(-1, 1)], dim=1)
        order = totals.sort(descending=True, stable=True).indices
        sequences, totals = sequences[order], totals[order]
        kept = min(beam_size, len(order))
        steps.append(Candidates(sequences, totals, kept))
        sequences, totals = sequences[:kept], totals[:kept]
        if t < length:
            log_probs, state = model.step(sequences[:, -1], model.reorder(state, parents[order[:kept]]))
    _refuse_nonsense(totals)
    return steps


@torch.no_grad()
def beam_search(
    model: LanguageModel[State],
    length: int,
    beam_size: int,
    *,
    eos: int | None = None,
    penalty: Penalty = no_penalty,
) -> Hypotheses:
    """The same search over all prompts at once, with ends of sequences and a length penalty.

    One topk over the B·M extensions of a prompt replaces the two sortings. A hypothesis that ends with `eos`
    among the best `beam_size` candidates leaves the beam for a pool of the `beam_size` best finished ones, ranked by
    log-probability / penalty(length); the beam goes on with the best that did not end. The search stops when no
    hypothesis in the beam can still enter the pool, which is decided exactly (for a penalty that rises or falls
    with the length), or after `length` tokens, when those in the beam count as finished.

    This is `generate` of transformers with early_stopping="never"; with penalty 1 (length^0) also with
    early_stopping=False. With `eos` None and a beam of M^(T−1) it is an exhaustive search.

    Returns:
        `beam_size` hypotheses a prompt; log-probability −inf where there are not so many, except that without
        `eos` a beam wider than M^T is cut to it.
    """
    _check(length, beam_size)
    log_probs, state = model.start()
    prompts, vocabulary = log_probs.shape
    sequences = torch.zeros(prompts, 1, 0, dtype=torch.long, device=log_probs.device)
    totals = log_probs.new_zeros(prompts, 1)
    pool = None if eos is None else _Pool.empty(prompts, beam_size, length, eos, totals)
    for t in range(1, length + 1):
        width = totals.shape[1]
        extended = (totals.unsqueeze(2) + log_probs.view(prompts, width, vocabulary)).flatten(1)
        # With an end of sequence twice as many: at most one extension of each of B hypotheses ends.
        count = min(beam_size if eos is None else 2 * beam_size, width * vocabulary)
        totals, places = largest(extended, count)
        parents = places.div(vocabulary, rounding_mode="floor")
        tokens = places.sub(parents * vocabulary)
        sequences = torch.cat([_rows(sequences, parents), tokens.unsqueeze(2)], 2)
        if pool is not None:
            ended = tokens.eq(pool.eos) | (t == length)  # what has the full length counts as finished
            best = slice(None, beam_size)
            pool = pool.with_finished(sequences[:, best], totals[:, best], ended[:, best], penalty(t))
            if t == length or pool.closed_to(totals.masked_fill(ended, -math.inf), (penalty(t + 1), penalty(length))):
                break
            # Stable, so that those that go on stay in order.
            stay = min(beam_size, width * (vocabulary - 1))
            order = ended.to(torch.uint8).sort(dim=1, stable=True).indices[:, :stay]
            sequences, totals = _rows(sequences, order), totals.gather(1, order)
            parents, tokens = parents.gather(1, order), tokens.gather(1, order)
        if t < length:
            offsets = width * torch.arange(prompts, device=parents.device).unsqueeze(1)
            state = model.reorder(state, (offsets + parents).flatten())
            log_probs, state = model.step(tokens.flatten(), state)
    _refuse_nonsense(totals)
    if pool is not None:
        return pool.found
    lengths = torch.full_like(totals, length, dtype=torch.long)
    return Hypotheses(sequences, lengths, totals, totals / penalty(length))


def _rows(sequences: Tensor, places: Tensor) -> Tensor:
    """Rows `places (P, B')` of `sequences (P, B, t)`."""
    return sequences.gather(1, places.unsqueeze(2).expand(-1, -1, sequences.shape[2]))


@dataclass(frozen=True)
class _Pool:
    """The best finished sequences of each prompt so far; places still free have the score −inf."""

    found: Hypotheses
    eos: int

    @classmethod
    def empty(cls, prompts: int, size: int, length: int, eos: int, like: Tensor) -> _Pool:
        """All places free; `like` has the dtype and device of the scores."""
        nothing = like.new_full((prompts, size), -math.inf)
        sequences = torch.full((prompts, size, length), eos, device=like.device)
        return cls(Hypotheses(sequences, torch.zeros_like(sequences[:, :, 0]), nothing, nothing), eos)

    def with_finished(self, sequences: Tensor, totals: Tensor, ended: Tensor, divisor: float) -> _Pool:
        """With the candidates that ended, of those `(P, C, t)` that are given; on a tie the earlier one stays."""
        if not bool(ended.any()):
            return self
        found, (size, length) = self.found, self.found.sequences.shape[1:]
        totals = totals.masked_fill(~ended, -math.inf)
        scores = torch.cat([found.scores, totals / divisor], 1)
        order = scores.sort(dim=1, descending=True, stable=True).indices[:, :size]
        padded = F.pad(sequences, (0, length - sequences.shape[2]), value=self.eos)
        lengths = torch.full_like(ended, sequences.shape[2], dtype=torch.long)
        best = Hypotheses(
            _rows(torch.cat([found.sequences, padded], 1), order),
            torch.cat([found.lengths, lengths], 1).gather(1, order),
            torch.cat([found.log_probs, totals], 1).gather(1, order),
            scores.gather(1, order),
        )
        return _Pool(best, self.eos)

    def closed_to(self, running: Tensor, divisors: tuple[float, float]) -> bool:
        """Whether no running total `(P, C)` can still get in.

        Totals only fall as a sequence grows, and between its next token and the last one the divisor is extreme
        at an end: the largest total over the better of both divisors bounds every score to come.
        """
        most = running.amax(1)
        reachable = torch.maximum(most / divisors[0], most / divisors[1])
        return bool((reachable <= self.found.scores[:, -1]).all())


# -- exhaustive search


@torch.no_grad()
def exhaustive_search(
    model: LanguageModel[State], length: int, *, eos: int | None = None, penalty: Penalty = no_penalty
) -> Hypotheses:
    """Every sequence of each prompt, best first: M^T of them, so for small trees only.

    With `eos`, all those that end with it within `length` tokens and those of that length that do not.
    """
    _check(length)
    log_probs, state = model.start()
    prompts, vocabulary = log_probs.shape
    every = torch.arange(vocabulary, device=log_probs.device)
    end = -1 if eos is None else eos  # no token is −1
    sequences = torch.zeros(prompts, 1, 0, dtype=torch.long, device=log_probs.device)
    totals = log_probs.new_zeros(prompts, 1)
    finished: list[Hypotheses] = []
    for t in range(1, length + 1):
        width = totals.shape[1]
        totals = (totals.unsqueeze(2) + log_probs.view(prompts, width, vocabulary)).flatten(1)
        tokens = every.repeat(width)
        parents = torch.arange(width, device=every.device).repeat_interleave(vocabulary)
        sequences = torch.cat([sequences[:, parents], tokens.expand(prompts, -1).unsqueeze(2)], 2)
        ended = tokens.eq(end) | (t == length)
        padded = F.pad(sequences[:, ended], (0, length - t), value=end)
        lengths = torch.full(padded.shape[:2], t, device=every.device)
        finished.append(Hypotheses(padded, lengths, totals[:, ended], totals[:, ended] / penalty(t)))
        if bool(ended.all()):
            break
        sequences, totals, parents, tokens = sequences[:, ~ended], totals[:, ~ended], parents[~ended], tokens[~ended]
        offsets = width * torch.arange(prompts, device=every.device).unsqueeze(1)
        state = model.reorder(state, (offsets + parents).flatten())
        log_probs, state = model.step(tokens.repeat(prompts), state)
    scores = torch.cat([h.scores for h in finished], 1)
    _refuse_nonsense(scores)
    order = scores.sort(dim=1, descending=True, stable=True).indices
    return Hypotheses(
        _rows(torch.cat([h.sequences for h in finished], 1), order),
        torch.cat([h.lengths for h in finished], 1).gather(1, order),
        torch.cat([h.log_probs for h in finished], 1).gather(1, order),
        scores.gather(1, order),
    )
