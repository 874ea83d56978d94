"""Beam search on a tree that can be followed by hand, and what beam search costs.

The searches themselves are in `engines.search`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cmp_to_key
from typing import Any

import torch
from torch import Tensor

from engines.figures import Lines, Table, Tree, line, table
from engines.language_models import Counting, MarkovChain, TreeModel, tree_size
from engines.parameters.decoding import Beam, Cost, LogProbabilities
from engines.randomness import Draws
from engines.registry import draws, experiment
from engines.result import Result, Step
from engines.run import Run
from engines.search import Candidates, beam_search_steps, exhaustive_search, greedy_search
from engines.search_figures import search_tree

# -- numerics


def tree_model(tree: LogProbabilities, device: torch.device | str = "cpu") -> TreeModel:
    """A language model that is given as a table from prefixes to log-probabilities, in float64."""
    tokens = tuple(tree[""])
    length = max(len(prefix.split()) for prefix in tree) + 1
    prefixes = [" ".join(words) for t in range(length) for words in itertools.product(tokens, repeat=t)]
    rows = [[tree[prefix][token] for token in tokens] for prefix in prefixes]
    return TreeModel(torch.tensor([rows], dtype=torch.float64, device=device))


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
    model = tree_model(params.tree, run.device)
    steps = beam_search_steps(model, length, k)
    greedy = greedy_search(model, length)
    every = exhaustive_search(model, length)
    everything, totals = every.sequences[0], every.log_probs[0]
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
            "greedy": [names.words(greedy.sequences[0, 0])],
            "optimal": "yes" if found == best else "no",
            "rank": 1 + names.all(everything).index(found),
            "lost_at": lost,
            "runtime": work,
        },
        trace=_worked(params, steps, names, everything, totals, lost),
        figures=(
            _search_tree(params, steps, best, lost),
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


def _search_tree(params: Beam, steps: list[Candidates], best: list[str], lost: int | None) -> Tree:
    fate = "which it finds" if lost is None else f"whose beginning it drops at step {lost}"
    return search_tree(
        "search",
        f"Beam search with k = {params.beam_size}",
        steps,
        params.tokens,
        [params.tokens.index(word) for word in best],
        "Log-probability of the token, and of the sequence so far. Dropped nodes are not expanded. "
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


# -- what it costs

# The most sequences that are looked at one by one.
ENUMERATED = 100_000


@experiment(Cost)
def cost(params: Cost, run: Run) -> Result:
    """Greedy, beam and exhaustive search over one random Markov chain: counted, beside the formulas."""
    length, k, vocabulary = params.length, params.beam_size, params.vocabulary
    chain = MarkovChain(
        run.randn("first", 1, vocabulary).log_softmax(-1),
        run.randn("transitions", vocabulary, vocabulary).log_softmax(-1),
    )
    sequences = vocabulary**length
    rows: list[tuple[str, str, str, str]] = []
    counted = None

    def row(name: str, model: Counting[Any], steps: str, candidates: int, formula: str) -> None:
        rows.append((name, f"{model.model_steps:,}", steps, f"{candidates:,} = {formula}"))

    run.progress(0.1, "greedy search")
    greedy_search(greedy := Counting(chain), length)
    row("greedy", greedy, f"T = {length}", length, "T")
    run.progress(0.3, "beam search", _cost_table(params, rows))
    steps = beam_search_steps(beam_ := Counting(chain), length, k)
    candidates = sum(len(step.sequences) for step in steps)
    row(f"beam, k = {k}", beam_, f"1 + k(T-1) = {1 + k * (length - 1)}", candidates, "k + k²(T-1)")
    nodes = tree_size(vocabulary, length)
    if sequences <= ENUMERATED:
        run.progress(0.5, f"all {sequences} sequences", _cost_table(params, rows))
        exhaustive_search(every := Counting(chain), length)
        counted = every.model_steps
        row("exhaustive", every, f"1 + M + … + M^(T-1) = {nodes:,}", sequences, "M^T")
    else:
        rows.append(("exhaustive", "not run", f"1 + M + … + M^(T-1) = {nodes:.3g}", f"{sequences:.3g} = M^T"))
    return Result(
        values={
            "model_steps": beam_.model_steps,
            "candidates": candidates,
            "sequences": sequences,
            "greedy_model_steps": greedy.model_steps,
            "exhaustive_model_steps": nodes,
            "exhaustive_counted": counted,
            "largest_sorted": max(len(step.sequences) for step in steps),
            # What is answered when the first step, which has one hypothesis, is counted like the others …
            "model_steps_of_full_beams": k * length,
            "candidates_of_full_beams": k * k * length,
            # … when all extensions are sorted and not the k best of each hypothesis …
            "candidates_of_all_tokens": vocabulary + (length - 1) * k * vocabulary,
            # … and when base and exponent change places.
            "sequences_swapped": length**vocabulary,
        },
        trace=_cost_steps(params, beam_.model_steps, candidates),
        figures=(_cost_table(params, rows), _growth(params)),
    )


def _cost_table(params: Cost, rows: list[tuple[str, str, str, str]]) -> Table:
    return table(
        "cost",
        f"T = {params.length}, k = {params.beam_size}, M = {params.vocabulary}",
        ("search", "model steps", "by the formula", "candidates"),
        rows,
        align="lrrr",
        caption="Counted in the runs: a model step is one row of log-probabilities. The first step has one hypothesis, "
        "not k.",
    )


def _growth(params: Cost) -> Lines:
    """Model steps against the length."""
    lengths = range(1, params.length + 1)
    x = [float(t) for t in lengths]
    reach = [t for t in x if params.vocabulary**t <= 1e12]
    k = params.beam_size
    return Lines(
        "growth",
        "Model steps for a sequence of T tokens",
        (
            line("greedy", x, x),
            line(f"beam, k = {k}", x, [1 + k * (t - 1) for t in x]),
            line("exhaustive", reach, [float(tree_size(params.vocabulary, int(t))) for t in reach]),
        ),
        x_label="length T",
        y_label="model steps",
        y_scale="log",
        caption="A beam costs k times as much as greedy search and grows with T as it does; looking at everything "
        "grows with M to the power T.",
    )


def _cost_steps(params: Cost, model_steps: int, candidates: int) -> tuple[Step, ...]:
    length, k, vocabulary = params.length, params.beam_size, params.vocabulary
    return (
        Step(
            "model_steps",
            "The model is run on every hypothesis that is extended: one at the first step, the empty one, and $k$ at "
            f"each of the other $T-1$: $1 + k(T-1) = 1 + {k} \\cdot {length - 1}$ = **{1 + k * (length - 1)}**; "
            f"counted: {model_steps}.",
        ),
        Step(
            "candidates",
            "Every hypothesis is extended by its $k$ best tokens ($k \\le M$, so there are $k$): $k$ candidates at the "
            f"first step and $k^2$ at each other one, $k + k^2(T-1) = {k} + {k * k} \\cdot {length - 1}$ = "
            f"**{k + k * k * (length - 1)}**; counted: {candidates}.",
        ),
        Step(
            "sequences",
            f"Each of $T$ places takes one of $M$ tokens: exactly $M^T = {vocabulary}^{{{length}}}$ = "
            f"{vocabulary**length:.6g} sequences, and not only in the order of that.",
        ),
        Step(
            "runtime",
            "With $M$ and $k$ both free: picking the $k$ best of $M$ tokens for $k$ hypotheses by sorting costs "
            "$k M \\log M$ a step and sorting the candidates $k^2 \\log k$: $O(T (k M \\log M + k^2 \\log k))$. With "
            "selection in linear time and $k \\le M$ it is $O(T k M)$: reading the log-probabilities once.",
        ),
    )


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
        if _well_posed(params, misses=misses):
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


def _well_posed(params: Beam, *, misses: bool) -> bool:
    """Whether no two compared totals are near, and beam search misses the best sequence as wanted."""
    model = tree_model(params.tree)
    steps = beam_search_steps(model, params.length, params.beam_size)
    if not all(_apart(step.log_probs) for step in steps):
        return False  # most trees go here, before anything else is searched
    every = exhaustive_search(model, params.length)
    missed = not torch.equal(steps[-1].sequences[0], every.sequences[0, 0])
    greedy = beam_search_steps(model, params.length, 1)
    return missed == misses and _apart(every.log_probs[0, :3]) and all(_apart(step.log_probs) for step in greedy)


def _apart(totals: Tensor) -> bool:
    return bool((totals.diff().abs() >= _GAP - 1e-9).all())


@draws(Cost)
def draw_cost(draws: Draws) -> Cost:
    """Other T, k and M, with 2 ≤ k ≤ M."""
    rng = draws.stream("sizes")
    k = rng.randint(2, 12)
    return Cost(length=rng.randint(4, 40), beam_size=k, vocabulary=rng.randint(k, 64))
