"""Decoding from an autoregressive model: greedy, beam and exhaustive search over any step function.

A step function maps a batch of prefixes to the log-probabilities of the next token: given token ids of
shape `(B, t)` it returns `(B, M)` for a vocabulary of M tokens.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cmp_to_key
from typing import Any

import torch
from torch import Tensor

from engines.figures import Lines, Node, Table, Tree, line, table
from engines.parameters.decoding import Beam, LogProbabilities
from engines.randomness import Draws
from engines.registry import draws, experiment
from engines.result import Result, Step
from engines.run import Run

StepFunction = Callable[[Tensor], Tensor]

# -- numerics


@dataclass(frozen=True)
class Candidates:
    """All one-token extensions of the hypotheses at one step, best first, and how many of them are kept.

    `sequences` is `(C, t)` token ids, `log_probs` `(C,)` their totals; rows `[:kept]` are the new beam.
    """

    sequences: Tensor
    log_probs: Tensor
    kept: int


def beam_search(step: StepFunction, length: int, beam_size: int) -> list[Candidates]:
    """The candidates of every step of a beam search, best first.

    Each hypothesis is extended by its `beam_size` most likely tokens; of all these the `beam_size` best
    by total log-probability are kept (EECS 182, homework 6 (fall 2022), question 5, algorithm 1). On a tie
    the candidate that comes first in (hypothesis, token) order wins.
    """
    steps: list[Candidates] = []
    sequences = torch.zeros(1, 0, dtype=torch.long)
    totals = torch.zeros(1, dtype=torch.float64)
    for _ in range(length):
        log_probs = step(sequences).to("cpu", torch.float64)
        width = min(beam_size, log_probs.shape[1])
        best = log_probs.sort(dim=1, descending=True, stable=True)
        values, tokens = best.values[:, :width], best.indices[:, :width]
        totals = (totals.unsqueeze(1) + values).flatten()
        parents = torch.arange(len(sequences)).repeat_interleave(width)
        sequences = torch.cat([sequences[parents], tokens.reshape(-1, 1)], dim=1)
        order = totals.sort(descending=True, stable=True).indices
        sequences, totals = sequences[order], totals[order]
        kept = min(beam_size, len(order))
        steps.append(Candidates(sequences, totals, kept))
        sequences, totals = sequences[:kept], totals[:kept]
    return steps


def exhaustive_search(step: StepFunction, length: int, vocabulary: int) -> tuple[Tensor, Tensor]:
    """All `vocabulary ** length` sequences with their log-probabilities, best first: `(S, length)` and `(S,)`."""
    sequences = torch.tensor(list(itertools.product(range(vocabulary), repeat=length)))
    totals = torch.zeros(len(sequences), dtype=torch.float64)
    for t in range(length):
        log_probs = step(sequences[:, :t]).to("cpu", torch.float64)
        totals += log_probs.gather(1, sequences[:, t : t + 1]).squeeze(1)
    order = totals.sort(descending=True, stable=True).indices
    return sequences[order], totals[order]


def tree_step(tree: LogProbabilities, tokens: tuple[str, ...]) -> StepFunction:
    """The step function of a decoder that is given as a table of log-probabilities."""

    def step(sequences: Tensor) -> Tensor:
        rows = [tree[" ".join(tokens[i] for i in sequence)] for sequence in sequences.tolist()]
        return torch.tensor([[row[token] for token in tokens] for row in rows], dtype=torch.float64)

    return step


@dataclass
class Work:
    """Counted work of one beam search: model steps, candidates sorted, comparisons made in sorting."""

    model_steps: int = 0
    candidates: int = 0
    comparisons: int = 0


def counted_search(length: int, beam_size: int, vocabulary: int, seed: int) -> Work:
    """Beam search as the sheet's pseudocode has it, over random log-probabilities, counting as it goes.

    The top k tokens of each hypothesis are given by the model's output layer and not counted; sorting the
    (up to k²) candidates is done by comparisons, each of which is.
    """
    work = Work()

    def compare(a: float, b: float) -> int:
        work.comparisons += 1
        return (a > b) - (a < b)

    generator = torch.Generator().manual_seed(seed)
    totals = [0.0]
    for _ in range(length):
        log_probs = torch.rand(len(totals), vocabulary, generator=generator).log_softmax(1)
        best = log_probs.topk(min(beam_size, vocabulary), dim=1).values.tolist()
        candidates = [total + value for total, row in zip(totals, best, strict=True) for value in row]
        work.model_steps += len(totals)
        work.candidates += len(candidates)
        totals = sorted(candidates, key=cmp_to_key(compare), reverse=True)[:beam_size]
    return work


# -- experiments


@experiment(Beam)
def beam(params: Beam, run: Run) -> Result:
    """Beam, greedy and exhaustive search on one tree; what is stored and dropped at each step; counted work."""
    tokens, length, k = params.tokens, params.length, params.beam_size
    step = tree_step(params.tree, tokens)
    steps = beam_search(step, length, k)
    greedy = beam_search(step, length, 1)[-1]
    everything, totals = exhaustive_search(step, length, len(tokens))
    names = _Names(tokens)
    found, best = names.words(steps[-1].sequences[0]), names.words(everything[0])
    lost = next((t for t, c in enumerate(steps, 1) if best[:t] not in names.all(c.sequences[: c.kept])), None)
    work, runtime_figure = _work(run)
    return Result(
        values={
            **{f"stored_{t}": names.all(c.sequences[: c.kept]) for t, c in enumerate(steps, 1)},
            **{f"dropped_{t}": names.all(c.sequences[c.kept :]) for t, c in enumerate(steps, 1)},
            **{f"scores_{t}": c.log_probs[: c.kept] for t, c in enumerate(steps, 1)},
            "found": [found],
            "found_score": steps[-1].log_probs[0].item(),
            "best": [best],
            "best_score": totals[0].item(),
            "greedy": [names.words(greedy.sequences[0])],
            "optimal": "yes" if found == best else "no",
            "rank": 1 + names.all(everything).index(found),
            "lost_at": lost,
            "runtime": work,
        },
        trace=_worked(params, steps, names, everything, totals, lost),
        figures=(
            _search_tree(params, steps, names, best, lost),
            _ranking(everything, totals, names, found),
            runtime_figure,
        ),
    )


@dataclass(frozen=True)
class _Names:
    """Token ids as words."""

    tokens: tuple[str, ...]

    def words(self, ids: Tensor) -> list[str]:
        return [self.tokens[i] for i in ids.tolist()]

    def all(self, sequences: Tensor) -> list[list[str]]:
        return [self.words(sequence) for sequence in sequences]


def _search_tree(params: Beam, steps: list[Candidates], names: _Names, best: list[str], lost: int | None) -> Tree:
    """Every node that the search looked at: kept, pruned, or the best sequence of all."""
    nodes = [Node("(start)", state="kept")]
    place: dict[tuple[str, ...], int] = {(): 0}
    looked_at = {}
    for candidates in steps:
        for rank, (ids, total) in enumerate(zip(candidates.sequences, candidates.log_probs.tolist(), strict=True)):
            looked_at[tuple(names.words(ids))] = (total, rank < candidates.kept)

    def grow(prefix: tuple[str, ...]) -> None:
        for token in params.tokens:
            child = (*prefix, token)
            if child in looked_at:
                total, kept = looked_at[child]
                own = params.tree[" ".join(prefix)][token]
                state = "best" if list(child) == best else "kept"
                note = f"{own:.2f}, total {total:.2f}"
                place[child] = len(nodes)
                nodes.append(Node(token, place[prefix], note, state if kept else "pruned"))  # type: ignore[arg-type]
                grow(child)

    grow(())
    fate = "which it finds" if lost is None else f"whose beginning it drops at step {lost}"
    return Tree(
        "search",
        f"Beam search with k = {params.beam_size}",
        tuple(nodes),
        caption="Log-probability of the token, and of the sequence so far. Dropped nodes are not expanded. "
        f"The best sequence of all is {' '.join(best)}, {fate}.",
    )


def _ranking(everything: Tensor, totals: Tensor, names: _Names, found: list[str]) -> Table:
    rows = [
        (rank, " ".join(words), f"{total:.2f}", "beam's answer" if words == found else "")
        for rank, (words, total) in enumerate(zip(names.all(everything), totals.tolist(), strict=True), 1)
    ]
    return table(
        "exhaustive",
        "All sequences, best first",
        ("rank", "sequence", "log-probability", ""),
        rows,
        align="rlrl",
        caption="Exhaustive search looks at every sequence; beam search saw only the ones it had not dropped.",
    )


def _work(run: Run) -> tuple[dict[str, Any], Lines]:
    """Counted comparisons at growing beam sizes and lengths."""
    vocabulary, length, sizes = 64, 8, (2, 4, 8, 16, 32, 64)
    counts = []
    for i, size in enumerate(sizes):
        run.progress(0.3 + 0.6 * i / len(sizes), f"counting at k = {size}")
        counts.append(counted_search(length, size, vocabulary, run.seed))
    comparisons = [float(work.comparisons) for work in counts]
    lengths = (4, 8, 16, 32)
    by_length = [float(counted_search(t, 8, vocabulary, run.seed).comparisons) for t in lengths]
    figure = Lines(
        "runtime",
        f"Comparisons made in sorting the candidates (T = {length}, M = {vocabulary})",
        (line("comparisons", [float(size) for size in sizes], comparisons, points=True),),
        x_label="beam size k",
        y_label="comparisons",
        x_scale="log",
        y_scale="log",
        caption="Counted in a real search. k² candidates are sorted at every step.",
    )
    measured: dict[str, Any] = {
        "along": "k",
        "points": [{"T": float(length), "k": float(size)} for size in sizes],
        "counts": comparisons,
        "model_steps": [work.model_steps for work in counts],
        "candidates": [work.candidates for work in counts],
        "lengths": list(lengths),
        "by_length": by_length,
    }
    return measured, figure


def _worked(
    params: Beam,
    steps: list[Candidates],
    names: _Names,
    everything: Tensor,
    totals: Tensor,
    lost: int | None,
) -> tuple[Step, ...]:
    trace = []
    for t, candidates in enumerate(steps, 1):
        lines = []
        for rank, (ids, total) in enumerate(zip(candidates.sequences, candidates.log_probs.tolist(), strict=True)):
            words = names.words(ids)
            parts = [params.tree[" ".join(words[:i])][words[i]] for i in range(t)]
            sum_ = " + ".join(f"({part:.2f})" for part in parts)
            fate = "kept" if rank < candidates.kept else "dropped"
            lines.append(f"- {' '.join(words)}: {sum_} = **{total:.2f}**, {fate}")
        trace.append(
            Step(
                f"t{t}",
                f"Step {t}: {len(lines)} candidates, the best {candidates.kept} stay.\n\n" + "\n".join(lines),
            )
        )
    best, found = names.words(everything[0]), names.words(steps[-1].sequences[0])
    top = "\n".join(
        f"- {' '.join(names.words(ids))}: {total:.2f}" for ids, total in zip(everything[:3], totals[:3], strict=True)
    )
    trace.append(Step("best", f"Of all {len(everything)} sequences the best three are\n\n{top}"))
    if lost is None:
        ending = f"Beam search returns {' '.join(found)}, which is the best of all. It need not have been so."
    else:
        prefix = " ".join(best[:lost])
        ending = (
            f"Beam search returns {' '.join(found)} ({steps[-1].log_probs[0]:.2f}); the best is {' '.join(best)} "
            f"({totals[0]:.2f}). Its first {lost} token{'s' * (lost > 1)}, {prefix}, were dropped at step {lost}: "
            "pruning looks at the score so far and not at what comes after."
        )
    trace.append(Step("optimal", ending))
    trace.append(
        Step(
            "runtime",
            "Each of $T$ steps takes the $k$ best tokens of each of $k$ hypotheses, $k^2$ candidates, and sorts "
            "them: $k^2 \\log k^2 = 2 k^2 \\log k$ comparisons. Over $T$ steps that is $O(T k^2 \\log k)$; picking "
            "the best $k$ without sorting them all would make it $O(T k^2)$. The model itself runs "
            "$1 + k(T-1)$ times.",
        )
    )
    return tuple(trace)


# -- fresh variants

_WORDS = (
    ("deep", "wide"),
    ("red", "blue"),
    ("left", "right"),
    ("query", "key"),
    ("cat", "dog"),
    ("up", "down"),
    ("warm", "cold"),
    ("alpha", "beta"),
)
_GAP = 0.05


@draws(Beam)
def draw_beam(draws: Draws) -> Beam:
    """A tree of depth 3 over two words in which beam search (k = 2) misses the best sequence every other time.

    First a coin decides whether it misses; then trees are drawn until one does as the coin says and no two
    compared totals are nearer than 0.05, computed from the two decimals that are shown. Independent random
    trees fool a beam in only a few of a hundred cases, so the first two levels are nearly flat and some of the
    third-level rows almost certain.
    """
    words = draws.stream("words").choice(_WORDS)
    misses = draws.stream("coin").random() < 0.5
    for attempt in range(20_000):
        params = _draw_tree(draws.again(attempt), words)
        if _well_separated(params) and _misses(params) == misses:
            return params
    raise RuntimeError("no well-posed tree in 20 000 draws")


def _draw_tree(draws: Draws, words: tuple[str, str]) -> Beam:
    rng = draws.stream("probabilities")
    first, second = words
    tree: LogProbabilities = {}
    for prefix in ("", first, second):
        tree[prefix] = _row(words, rng.uniform(0.40, 0.60))
    for pair in itertools.product(words, repeat=2):
        p = rng.uniform(0.85, 0.99) if rng.random() < 0.3 else rng.uniform(0.50, 0.65)
        tree[" ".join(pair)] = _row(words, p if rng.random() < 0.5 else 1 - p)
    return Beam(tree=tree, beam_size=2)


def _row(words: tuple[str, str], p: float) -> dict[str, float]:
    logs = torch.tensor([p, 1 - p], dtype=torch.float64).log().tolist()
    return {word: round(value, 2) for word, value in zip(words, logs, strict=True)}


def _misses(params: Beam) -> bool:
    step = tree_step(params.tree, params.tokens)
    found = beam_search(step, params.length, params.beam_size)[-1].sequences[0]
    best = exhaustive_search(step, params.length, len(params.tokens))[0][0]
    return not torch.equal(found, best)


def _well_separated(params: Beam) -> bool:
    step = tree_step(params.tree, params.tokens)
    compared = [c.log_probs for c in beam_search(step, params.length, params.beam_size)]
    compared += [c.log_probs for c in beam_search(step, params.length, 1)]
    compared.append(exhaustive_search(step, params.length, len(params.tokens))[1][:3])
    return all(bool((totals.diff().abs() >= _GAP - 1e-9).all()) for totals in compared)
