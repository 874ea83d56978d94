"""Several sequences from one model: what a temperature, top-k and top-p do to a distribution, and to what is drawn.

The transforms and the sampler are in `engines.ancestral_sampling`.
"""

from __future__ import annotations

import itertools
import math
import statistics
from dataclasses import dataclass

import torch
from torch import Tensor

from engines.ancestral_sampling import Warp, entropy, expected, sample, tempered, top_k, top_p
from engines.arrays import Array
from engines.figures import Bars, Lines, Table, line, table
from engines.language_models import MarkovChain
from engines.parameters.sampling import Sampling, Truncation
from engines.randomness import Draws
from engines.registry import draws, experiment
from engines.result import Result, Step
from engines.run import Run
from engines.search import beam_search, greedy_search


@experiment(Truncation)
def truncation(params: Truncation, run: Run) -> Result:
    """Each transform of the one distribution, and what is left of it."""
    names = tuple(params.probabilities)
    original = run.tensor(list(params.probabilities.values()))
    original = original / original.sum()
    log_probs = original.log()
    run.progress(0.5, "temperature, top-k, top-p")
    kept = {
        "tempered": tempered(log_probs, params.temperature).exp(),
        "top_k": top_k(log_probs, params.k).exp(),
        "top_p": top_p(log_probs, params.p).exp(),
    }
    nucleus = [name for name, q in zip(names, kept["top_p"].tolist(), strict=True) if q > 0]
    ordered = original.sort(descending=True, stable=True)
    crossing = len(nucleus) - 1
    powered = original**params.temperature
    return Result(
        values={
            **{f"{name}_probabilities": q for name, q in kept.items()},
            "nucleus": nucleus,
            "nucleus_size": len(nucleus),
            "nucleus_mass": ordered.values[: len(nucleus)].sum(),
            "entropy": entropy(log_probs),
            **{f"{name}_entropy": entropy(q.log()) for name, q in kept.items()},
            # What comes out when the temperature multiplies, when the rest is not normalised again, and when the token
            # that crosses p is dropped.
            "temperature_multiplied": powered / powered.sum(),
            "top_k_unnormalised": original.where(kept["top_k"] > 0, 0),
            "top_p_unnormalised": original.where(kept["top_p"] > 0, 0),
            "nucleus_size_without_crossing": crossing,
            "tokens": list(names),
        },
        trace=_truncation_steps(params, original, kept, nucleus),
        figures=(
            Bars(
                "truncation",
                "The distribution of the next token",
                names,
                ("as it is", f"T = {params.temperature:g}", f"top-k, k = {params.k}", f"top-p, p = {params.p:g}"),
                Array.of(torch.stack([original, *kept.values()])),
                y_label="probability",
                caption="A temperature changes all odds and cuts nothing; top-k and top-p cut, and leave the odds of "
                "what stays as they were.",
            ),
        ),
    )


def _truncation_steps(
    params: Truncation, original: Tensor, kept: dict[str, Tensor], nucleus: list[str]
) -> tuple[Step, ...]:
    names = tuple(params.probabilities)

    def row(q: Tensor) -> str:
        return ", ".join(f"{name} {value:.4g}" for name, value in zip(names, q.tolist(), strict=True))

    powers = original ** (1 / params.temperature)
    mass = original.where(kept["top_k"] > 0, 0).sum()
    ordered = original.sort(descending=True, stable=True).values.cumsum(0)[: len(nucleus)]
    return (
        Step(
            "temperature",
            f"Dividing log-probabilities by $T = {params.temperature:g}$ raises probabilities to the power "
            f"$1/T = {1 / params.temperature:.4g}$: {row(powers)}; their sum is {powers.sum():.4g}. Divided by it: "
            f"**{row(kept['tempered'])}**. The entropy goes from {entropy(original.log()):.4g} to "
            f"{entropy(kept['tempered'].log()):.4g} nats.",
        ),
        Step(
            "top_k",
            f"The {params.k} most likely tokens have {mass:.4g} between them; divided by that: "
            f"**{row(kept['top_k'])}**.",
        ),
        Step(
            "top_p",
            f"In order, the sums are {', '.join(f'{value:.4g}' for value in ordered.tolist())}: the last of these is "
            f"the first to reach $p = {params.p:g}$, so {len(nucleus)} tokens stay ({', '.join(nucleus)}), the one "
            f"that crosses $p$ among them. Divided by {ordered[-1]:.4g}: **{row(kept['top_p'])}**.",
        ),
    )


@draws(Truncation)
def draw_truncation(draws: Draws) -> Truncation:
    """Other tokens and probabilities, in hundredths and no two alike; p is not near a running sum."""
    for attempt in range(10_000):
        again = draws.again(attempt)
        rng = again.stream("probabilities")
        count = rng.randint(4, 6)
        cuts = sorted(rng.sample(range(1, 100), count - 1))
        parts = [b - a for a, b in itertools.pairwise([0, *cuts, 100])]
        if len(set(parts)) < count or max(parts) > 60 or min(parts) < 3:
            continue
        k = again.stream("k").randint(2, count - 1)
        p = again.stream("p").choice((0.5, 0.6, 0.7, 0.75, 0.8, 0.9))
        sums = list(itertools.accumulate(sorted(parts, reverse=True)))
        stay = next(i for i, total in enumerate(sums, 1) if total >= 100 * p)
        if min(abs(total - 100 * p) for total in sums) < 2 or stay in {1, k, count}:
            continue
        words = draws.stream("words").choice(_WORDS)
        return Truncation(
            probabilities={word: part / 100 for word, part in zip(words, parts, strict=False)},
            temperature=again.stream("temperature").choice((0.5, 2.0)),
            k=k,
            p=p,
        )
    raise RuntimeError("no well-posed row in 10 000 draws")


_WORDS = (
    ("the", "a", "one", "this", "my", "no"),
    ("red", "blue", "green", "white", "grey", "pink"),
    ("cat", "dog", "fox", "owl", "bee", "ant"),
    ("rain", "snow", "wind", "fog", "hail", "sun"),
    ("sing", "walk", "read", "wait", "play", "rest"),
)


@dataclass
class Drawn:
    """What was drawn with one strategy: distinct sequences of each repeat, and log-probabilities `(repeats, S)`."""

    distinct: list[int]
    log_probs: Tensor
    expected: float
    entropy: float

    @property
    def mean_distinct(self) -> float:
        """Over the repeats."""
        return statistics.fmean(self.distinct)

    @property
    def spread(self) -> float:
        """Standard deviation of distinct sequences from one repeat to the next."""
        return statistics.pstdev(self.distinct)


@experiment(Sampling)
def sampling(params: Sampling, run: Run) -> Result:
    """Each strategy on the same numbers: how many sequences are distinct, and how likely the model finds them."""
    size, length = params.vocabulary, params.length
    transitions = (params.sharpness * run.randn("transitions", size, size)).log_softmax(-1)
    chain = MarkovChain(transitions[:1], transitions)  # sequences begin after token 0
    argmax, beam = greedy_search(chain, length), beam_search(chain, length, params.samples)
    curve = [Warp(temperature) for temperature in params.temperatures]
    named = {"sampling": Warp(), f"top-k {params.k}": Warp(k=params.k), f"top-p {params.p:g}": Warp(p=params.p)}
    done: dict[Warp, Drawn] = {}
    warps = list(dict.fromkeys([*curve, *named.values()]))
    for i, warp in enumerate(warps):
        done[warp] = _repeat(chain, params, run, warp)
        shown = [w for w in curve if w in done]
        figure = _distinct_figure(params, shown, done, named) if shown else None
        run.progress((i + 1) / len(warps), f"strategy {i + 1} of {len(warps)}", figure)
    found = beam.log_probs[0][beam.log_probs[0] > -math.inf]
    strategies = {
        "argmax": (1.0, argmax.log_probs[0, 0].item()),
        **{name: (done[warp].mean_distinct, done[warp].log_probs.mean().item()) for name, warp in named.items()},
        **{f"T = {w.temperature:g}": (done[w].mean_distinct, done[w].log_probs.mean().item()) for w in curve},
        "beam": (float(len(found)), found.mean().item()),
    }
    return Result(
        values={
            "temperatures": list(params.temperatures),
            "distinct": [done[w].mean_distinct for w in curve],
            "mean_log_prob": [done[w].log_probs.mean().item() for w in curve],
            "expected_log_prob": [done[w].expected for w in curve],
            "entropy": [done[w].entropy for w in curve],
            "distinct_by_strategy": {name: value for name, (value, _) in strategies.items()},
            "log_prob_by_strategy": {name: value for name, (_, value) in strategies.items()},
            "argmax_distinct": 1,
            "argmax_log_prob": argmax.log_probs[0, 0].item(),
            "beam_distinct": len(found),
            "beam_log_prob": found.mean().item(),
            "sampling_distinct": done[Warp()].mean_distinct,
            "top_k_distinct": done[Warp(k=params.k)].mean_distinct,
            "top_p_distinct": done[Warp(p=params.p)].mean_distinct,
        },
        trace=_sampling_steps(params, strategies),
        figures=(
            _distinct_figure(params, curve, done, named),
            _likely_figure(params, curve, done, strategies),
            _cut_figure(params, chain),
            _strategy_table(params, strategies, {name: done[warp] for name, warp in named.items()}),
        ),
    )


def _repeat(chain: MarkovChain, params: Sampling, run: Run, warp: Warp) -> Drawn:
    """Equal numbers for every strategy: what differs is the strategy's doing."""
    generator = run.generator("samples")
    distinct: list[int] = []
    log_probs: list[Tensor] = []
    for first in range(0, params.repeats, params.batch):
        count = min(params.batch, params.repeats - first)
        articles = MarkovChain(chain.first.expand(count, -1), chain.transitions)
        drawn = sample(articles, params.length, params.samples, generator, warp=warp)
        distinct += [drawn.distinct(i) for i in range(count)]
        log_probs.append(drawn.log_probs)
    return Drawn(distinct, torch.cat(log_probs), *expected(chain, warp, params.length))


def _distinct_figure(params: Sampling, curve: list[Warp], done: dict[Warp, Drawn], named: dict[str, Warp]) -> Lines:
    x = [warp.temperature for warp in curve]
    drawn = [done[warp] for warp in curve]
    low, high = ([d.mean_distinct + sign * d.spread for d in drawn] for sign in (-1, 1))
    series = [line("temperature", x, [d.mean_distinct for d in drawn], points=True, low=low, high=high)]
    ends = [min(x), max(x)]
    series += [
        line(f"{name}, T = 1", ends, [done[warp].mean_distinct] * 2)
        for name, warp in named.items()
        if warp in done and warp != Warp()
    ]
    series.append(line("argmax", ends, [1.0, 1.0]))
    return Lines(
        "distinct",
        f"Distinct sequences among {params.samples} samples",
        tuple(series),
        x_label="temperature",
        y_label="distinct",
        caption="Argmax says the same thing every time. The band is one standard deviation from one set of samples to "
        "the next.",
    )


def _likely_figure(
    params: Sampling, curve: list[Warp], done: dict[Warp, Drawn], strategies: dict[str, tuple[float, float]]
) -> Lines:
    x = [warp.temperature for warp in curve]
    ends = [min(x), max(x)]
    return Lines(
        "log_probability",
        f"Mean log-probability of a sequence of {params.length} tokens under the model",
        (
            line("measured", x, [done[warp].log_probs.mean().item() for warp in curve], points=True),
            line("exact", x, [done[warp].expected for warp in curve]),
            line("argmax", ends, [strategies["argmax"][1]] * 2),
            line(f"best {params.samples} of the beam", ends, [strategies["beam"][1]] * 2),
        ),
        x_label="temperature",
        y_label="nats",
        caption="The colder, the likelier. A beam of the same size returns as many different sequences, and "
        "likelier ones.",
    )


def _cut_figure(params: Sampling, chain: MarkovChain) -> Bars:
    """What is drawn from after the first token, the likeliest tokens only."""
    row = chain.first[0]
    shown = row.sort(descending=True, stable=True).indices[:10]
    cold = min(params.temperatures)
    warps = {
        "T = 1": Warp(),
        f"T = {cold:g}": Warp(cold),
        f"top-k {params.k}": Warp(k=params.k),
        f"top-p {params.p:g}": Warp(p=params.p),
    }
    return Bars(
        "cut",
        f"What the first token is drawn from: the {len(shown)} likeliest tokens",
        tuple(f"#{i}" for i in shown.tolist()),
        tuple(warps),
        Array.of(torch.stack([warp(row)[shown].exp() for warp in warps.values()])),
        y_label="probability",
        caption="Top-k keeps a number of tokens, top-p a share of the probability, however many tokens that takes.",
    )


def _strategy_table(params: Sampling, strategies: dict[str, tuple[float, float]], named: dict[str, Drawn]) -> Table:
    rows = []
    for name, (distinct, log_prob) in strategies.items():
        drawn = named.get(name)
        more = ("", "") if drawn is None else (f"{drawn.expected:.2f}", f"{drawn.entropy:.2f}")
        rows.append((name, f"{distinct:.1f}", f"{log_prob:.2f}", *more))
    return table(
        "strategies",
        f"{params.samples} sequences, mean over {params.repeats} times",
        ("strategy", "distinct", "mean log-probability", "exact", "entropy"),
        rows,
        align="lrrrr",
        caption="Entropy of the sequences drawn from, in nats; log-probability under the model as it is.",
    )


def _sampling_steps(params: Sampling, strategies: dict[str, tuple[float, float]]) -> tuple[Step, ...]:
    def said(name: str) -> str:
        distinct, log_prob = strategies[name]
        return f"{distinct:.1f} distinct of {params.samples}, mean log-probability {log_prob:.2f}"

    cold, hot = (f"T = {t:g}" for t in (min(params.temperatures), max(params.temperatures)))
    return (
        Step(
            "argmax",
            f"Taking the most likely token is deterministic: {params.samples} times the same sequence, of "
            f"log-probability {strategies['argmax'][1]:.2f}. Repeating it gives nothing new.",
        ),
        Step(
            "strategies",
            "Ways to several sequences:\n\n"
            f"- all hypotheses of a beam: {said('beam')};\n"
            f"- sampling each token instead of the argmax: {said('sampling')};\n"
            f"- sampling colder, {cold}: {said(cold)}; hotter, {hot}: {said(hot)};\n"
            + ";\n".join(f"- {name}: {said(name)}" for name in strategies if name.startswith("top-"))
            + ".",
        ),
    )
