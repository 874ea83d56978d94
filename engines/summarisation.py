"""Summaries by an encoder-decoder: on a task that it learns within seconds, and on real text, where it learns little.

The made-up task is `engines.reports`, the real one `engines.corpus`; the model and its training stand in
`engines.summariser`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from statistics import fmean, stdev

import torch
from torch import Tensor

from engines.arrays import Array
from engines.corpus import Harvest, installed, spoken
from engines.docstring_task import (
    Task,
    encoded,
    lead,
    neighbours_summaries,
    source_text,
    split_rows,
    tokenizer_for,
    typical_length,
)
from engines.figures import Bars, Figure, Heatmap, Lines, Table, line, table
from engines.parameters.summarisation import REPORT_SENTENCES, REPORT_WORDS, SUMMARY_WORDS, Docstrings, Reports, Split
from engines.randomness import seed_for
from engines.registry import experiment
from engines.reports import CITIES, CLUBS, FACTS, GOALS, PLAYERS, Report, draw_report, vocabulary
from engines.result import Result, Step
from engines.rouge import rouge_l, rouge_n, words
from engines.run import Run
from engines.ancestral_sampling import Warp
from engines.summariser import (
    Batch,
    Examples,
    Progress,
    Settings,
    beam,
    bucketed,
    collate,
    cross_attention,
    greedy,
    held_out_loss,
    sampled,
    summariser,
    train,
    unigram_loss,
)
from engines.tokenizer import SPECIAL
from engines.transformer import Config, EncoderDecoder

EVALUATIONS = 10
SHOWN = 6  # summaries in a table
REPEATS = 20  # summaries drawn of one source
DECODED = 64  # sources summarised side by side

# -- watching a model learn


@dataclass
class Curve:
    """Losses in nats per target token: of every training step, and of the held-out part now and then."""

    training: list[float] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    held_out: list[float] = field(default_factory=list)
    wrong_source: list[float] = field(default_factory=list)
    tokens: int = 0

    def evaluate(self, model: EncoderDecoder, held_out: Examples, batch_size: int, run: Run) -> None:
        """Note the held-out loss, and the loss with every summary's source replaced by another's."""
        self.steps.append(len(self.training))
        self.held_out.append(held_out_loss(model, held_out, batch_size, run.device))
        self.wrong_source.append(held_out_loss(model, held_out.with_wrong_sources(), batch_size, run.device))

    def figure(self, levels: Mapping[str, float], caption: str) -> Lines:
        """All curves, and what is known to cost how much as level lines."""
        smooth = _smoothed(self.training)
        ends = [1.0, float(max(len(smooth), 2))]
        series = [line("training", [float(i) for i in range(1, len(smooth) + 1)], smooth)]
        if self.steps:
            at = [float(step) for step in self.steps]
            series += [line("held out", at, self.held_out), line("wrong source", at, self.wrong_source)]
        series += [line(name, ends, [level, level]) for name, level in levels.items()]
        title = "Cross-entropy of a summary's token"
        return Lines("loss", title, tuple(series), x_label="step", y_label="nats", caption=caption)


def _smoothed(values: Sequence[float], memory: float = 0.9) -> list[float]:
    """Running averages without the bias towards the start (as in Adam)."""
    out, mean = [], 0.0
    for i, value in enumerate(values, 1):
        mean = memory * mean + (1 - memory) * value
        out.append(mean / (1 - memory**i))
    return out


def _evaluated_at(steps: int) -> set[int]:
    """The steps after which the held-out part is looked at; the last is one of them."""
    return {math.ceil(steps * i / EVALUATIONS) for i in range(1, EVALUATIONS + 1)}


def _attention_figure(weights: Tensor, source: Sequence[str], target: Sequence[str], caption: str) -> Heatmap:
    return Heatmap(
        "attention",
        "Cross-attention of the last layer, mean of its heads",
        Array.of(weights[: len(target), : len(source)]),
        tuple(target),
        tuple(source),
        scale="row",
        caption=caption,
    )


def _cut(text: str, length: int = 72) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


# -- reports: learned within seconds


@dataclass(frozen=True)
class Words:
    """Every word of the reports has an id."""

    known: tuple[str, ...]

    @classmethod
    def of_reports(cls) -> Words:
        """Those of the generator."""
        return cls((*SPECIAL, *vocabulary()))

    def examples(self, some: Sequence[Report]) -> Examples:
        """Reports as token ids."""
        ids = {word: i for i, word in enumerate(self.known)}
        return Examples([[ids[w] for w in one.text] for one in some], [[ids[w] for w in one.summary] for one in some])

    def text(self, ids: Sequence[int]) -> str:
        """Ids as words."""
        return " ".join(self.known[i] for i in ids)


def form_only_loss() -> float:
    """Nats per token of who knows the form and the lists of names, and has not read the report."""
    names = math.log(len(CLUBS)) + math.log(len(CLUBS) - 1) + math.log(len(CITIES)) + math.log(len(PLAYERS))
    return (names + math.log(math.comb(len(GOALS), 2))) / (SUMMARY_WORDS + 1)


def fresh_batches(words_: Words, params: Reports, run: Run) -> Iterator[Batch]:
    """Reports that were never seen before, without end."""
    rng = Random(seed_for(run.seed, "reports"))
    while True:
        some = [draw_report(rng, params.distractions) for _ in range(params.batch_size)]
        yield collate(words_.examples(some), range(len(some)), run.device)


@dataclass
class Exactness:
    """How many held-out summaries are right to the last word, and how many of each fact, as training goes on."""

    steps: list[int] = field(default_factory=list)
    exact: list[float] = field(default_factory=list)
    facts: list[dict[str, float]] = field(default_factory=list)

    def note(self, step: int, found: Sequence[Sequence[str]], reports_: Sequence[Report]) -> None:
        """Compare summaries, as words, with the right ones."""
        self.steps.append(step)
        self.exact.append(fmean(tuple(one) == report.summary for one, report in zip(found, reports_, strict=True)))
        places = {name: reports_[0].summary.index(word) for name, word in reports_[0].facts.items()}
        self.facts.append(
            {
                name: fmean(
                    len(one) > place and one[place] == report.facts[name]
                    for one, report in zip(found, reports_, strict=True)
                )
                for name, place in places.items()
            }
        )

    def figure(self) -> Lines:
        """All facts' curves and that of whole summaries."""
        at = [float(step) for step in self.steps]
        series = [line("whole summary", at, self.exact)]
        series += [line(name, at, [facts[name] for facts in self.facts]) for name in FACTS]
        return Lines(
            "exact",
            "Held-out reports summarised exactly, and single facts",
            tuple(series),
            x_label="step",
            y_label="share",
            caption="A summary is right only when all six copied words are; the last fact to be learned decides.",
        )


def copied_words_found(weights: Tensor, reports_: Sequence[Report]) -> float:
    """How often the largest weight `(B, T, S)` at a fact of the summary lies on that word in the report."""
    hits = [
        int(weights[i, report.summary.index(word), : len(report.text)].argmax()) == report.text.index(word)
        for i, report in enumerate(reports_)
        for word in report.facts.values()
    ]
    return fmean(hits)


@experiment(Reports)
def reports(params: Reports, run: Run) -> Result:
    """Train on fresh reports; exact match on held-out ones, losses with their controls, where the decoder looks."""
    known = Words.of_reports()
    rng = Random(seed_for(run.seed, "held-out reports"))
    tests = [draw_report(rng, params.distractions) for _ in range(params.held_out)]
    held_out = known.examples(tests)
    room = max(SUMMARY_WORDS + 2, REPORT_WORDS * (REPORT_SENTENCES + params.distractions))
    sizes = {"d_model": params.d_model, "n_heads": params.n_heads, "n_layers": params.n_layers}
    model = summariser(Config(len(known.known), d_ff=2 * params.d_model, max_length=room, **sizes), run)
    sample_of_training = known.examples([draw_report(rng, params.distractions) for _ in range(512)]).targets
    levels = {
        "uniform": math.log(len(known.known)),
        "unigrams": unigram_loss(sample_of_training, held_out.targets, len(known.known)),
        "form only": form_only_loss(),
    }
    caption = "Below the form-only line the report is read; with another report's text the loss must be worse."
    curve, exactness = Curve(), Exactness()
    looks = _evaluated_at(params.steps)

    def written() -> list[list[int]]:
        parts = range(0, len(tests), 256)
        return [
            one
            for i in parts
            for one in greedy(model, held_out.sources[i : i + 256], SUMMARY_WORDS + 1, run.device)
        ]

    def after(progress: Progress) -> None:
        curve.training.append(progress.loss)
        curve.tokens = progress.tokens
        figure: Figure | None = None
        if progress.step in looks:
            model.eval()
            curve.evaluate(model, held_out, 256, run)
            exactness.note(progress.step, [known.text(one).split() for one in written()], tests)
            model.train()
            figure = exactness.figure()
        elif not exactness.steps and progress.step % 5 == 0:
            figure = curve.figure(levels, caption)
        done = f", {exactness.exact[-1]:.0%} exact" if exactness.exact else ""
        run.progress(0.97 * progress.step / params.steps, f"step {progress.step}: loss {progress.loss:.2f}{done}", figure)

    run.progress(0.0, "the model is made", curve.figure(levels, caption))
    settings = Settings(params.steps, params.batch_size, params.learning_rate, warmup=max(1, min(60, params.steps // 5)))
    train(model, fresh_batches(known, params, run), settings, run, after)

    run.progress(0.98, "where the decoder looks")
    batch = collate(held_out, range(min(len(tests), 128)), run.device)
    weights = cross_attention(model, batch)[-1].mean(1).cpu()  # (B, T, S)
    hits = copied_words_found(weights, tests[: len(weights)])
    chance = fmean(1 / len(report.text) for report in tests)
    found = written()
    shown = [(" ".join(report.summary), known.text(one)) for report, one in zip(tests, found, strict=True)]
    return Result(
        values={
            "exact": exactness.exact[-1],
            "exact_curve": exactness.exact,
            "evaluated_at": exactness.steps,
            "facts": exactness.facts[-1],
            "loss": curve.held_out[-1],
            "wrong_source_loss": curve.wrong_source[-1],
            "uniform_loss": levels["uniform"],
            "unigram_loss": levels["unigrams"],
            "form_only_loss": levels["form only"],
            "copied_words_found": hits,
            "copied_words_chance": chance,
            "weights": _weights_of(model),
            "tokens": curve.tokens,
        },
        trace=_report_steps(tests[0], known.text(found[0]), curve, exactness, levels, (hits, chance)),
        figures=(
            exactness.figure(),
            curve.figure(levels, caption),
            _attention_figure(
                weights[0],
                tests[0].text,
                (*tests[0].summary, "<end>"),
                f"Each row is a word to be written. In {hits:.0%} of the facts most weight lies on the word that is copied "
                f"(chance {chance:.0%}).",
            ),
            _summary_table(shown[:SHOWN]),
        ),
    )


def _weights_of(model: EncoderDecoder) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _summary_table(shown: Sequence[tuple[str, str]]) -> Table:
    rows = [row for i, (want, got) in enumerate(shown, 1) for row in ((i, "reference", want), ("", "greedy", got))]
    return table(
        "summaries",
        "Held-out reports: reference and greedy summary",
        ("", "", "summary"),
        rows,
        align="rll",
        caption="The same words in the same order, or wrong.",
    )


def _report_steps(
    example: Report,
    greedy_text: str,
    curve: Curve,
    exactness: Exactness,
    levels: Mapping[str, float],
    attention: tuple[float, float],
) -> tuple[Step, ...]:
    facts = ", ".join(f"{name} {share:.0%}" for name, share in exactness.facts[-1].items())
    half = next((step for step, share in zip(exactness.steps, exactness.exact, strict=True) if share >= 0.5), None)
    reached = "never in this run" if half is None else f"by step {half}"
    return (
        Step(
            "task",
            f"A report: *{' '.join(example.text)}*\n\nIts summary: *{' '.join(example.summary)}*\n\n"
            f"The model writes: *{greedy_text}*",
        ),
        Step(
            "loss",
            f"Guessing evenly costs {levels['uniform']:.2f} nats a token, knowing how frequent each word is "
            f"{levels['unigrams']:.2f}, knowing the form but not the report {levels['form only']:.2f}. The model ends at "
            f"**{curve.held_out[-1]:.3f}** on reports it has not seen. Given another report's text it pays "
            f"{curve.wrong_source[-1]:.2f}: it does read.",
        ),
        Step(
            "exact",
            f"**{exactness.exact[-1]:.1%}** of the held-out summaries are right to the last word; half of them {reached}. "
            f"Fact by fact: {facts}.",
        ),
        Step(
            "attention",
            f"At the six copied words the decoder's largest weight lies on that word in the report in **{attention[0]:.0%}** "
            f"of the cases; a weight put anywhere would hit {attention[1]:.0%}.",
        ),
    )


# -- docstrings: real text


@dataclass(frozen=True)
class Score:
    """Mean ROUGE of one way to summarise, and the standard error of ROUGE-L over the held-out pairs."""

    rouge_1: float
    rouge_2: float
    rouge_l: float
    error: float

    @classmethod
    def of(cls, candidates: Sequence[str], references: Sequence[str]) -> Score:
        """Candidates against references in the same order."""
        pairs = [(words(one), words(other)) for one, other in zip(candidates, references, strict=True)]
        longest = [rouge_l(*pair) for pair in pairs]
        return cls(
            fmean(rouge_n(*pair, 1) for pair in pairs),
            fmean(rouge_n(*pair, 2) for pair in pairs),
            fmean(longest),
            stdev(longest) / math.sqrt(len(longest)),
        )


def _found_figure(found: Mapping[str, int], skipped: Mapping[str, int]) -> Table:
    passed_over = ", ".join(f"{name}: {count}" for name, count in skipped.items()) or "none"
    return table(
        "packages",
        "Docstrings with a body and a summary",
        ("package", "pairs"),
        [*found.items(), ("all", sum(found.values()))],
        align="lr",
        caption=f"Read from sources on this machine; nothing was imported. Passed over: {passed_over}.",
    )


def _gathered(params: Docstrings, run: Run) -> Harvest:
    """All pairs of the packages, told about while they are read."""
    shown = 0

    def tell(fraction: float, message: str, found: Mapping[str, int]) -> None:
        nonlocal shown
        figure = None
        if sum(found.values()) >= shown + 100:
            shown = sum(found.values())
            figure = _found_figure(found, {})
        run.progress(0.25 * fraction, message, figure)

    return installed(tuple(dict.fromkeys(params.packages)), run.cache, tell)


def _task(params: Docstrings, harvest: Harvest, run: Run) -> tuple[Task, dict[Split, tuple[list[int], list[int]]]]:
    """The pairs as tokens, and both ways to hold out: the tokenizer has seen the training part alone."""
    chosen = torch.randperm(len(harvest.pairs), generator=run.generator("pairs"))[: params.pairs].sort().values
    pairs = [harvest.pairs[i] for i in chosen.tolist()]
    hows: tuple[Split, ...] = ("files", "random")
    splits = {how: split_rows(how, pairs, params.held_out, run.generator(f"held out {how}")) for how in hows}
    training, held_out = splits[params.split]
    texts = [text for i in training for text in (source_text(pairs[i], with_name=params.with_name), pairs[i].summary)]
    tokenizer = tokenizer_for(texts, params.vocabulary, run.cache)
    run.progress(0.29, "the words are split into tokens")
    examples = encoded(
        tokenizer, pairs, with_name=params.with_name, source=params.source_length, target=params.target_length
    )
    return Task(pairs, tokenizer, examples, training, held_out), splits


@experiment(Docstrings)
def docstrings(params: Docstrings, run: Run) -> Result:
    """Harvest, tokenise, train, and write summaries in several ways, each beside baselines that need no training."""
    harvest = _gathered(params, run)
    packages = _found_figure(harvest.by_package(), harvest.skipped)
    run.progress(0.26, f"{len(harvest.pairs)} pairs; their words are counted", packages)
    task, splits = _task(params, harvest, run)
    training, held_out = task.examples.part(task.training), task.examples.part(task.held_out)
    model, curve, levels = _trained(params, task, training, held_out, run)

    ways = _written(params, task, held_out, model, run)
    length = typical_length([task.pairs[i] for i in task.training])
    held_pairs = [task.pairs[i] for i in task.held_out]
    texts = {
        **ways,
        "first words": [lead(pair, length) for pair in held_pairs],
        "object name": [spoken(pair.name) for pair in held_pairs],
        "nearest neighbour": neighbours_summaries(task, task.training, task.held_out),
    }
    run.progress(0.95, "scores, and what a random split would leak")
    scores = {name: Score.of(some, task.references) for name, some in texts.items()}
    wrong = Score.of(ways["model, greedy"], task.references[1:] + task.references[:1])
    leak = {
        how: Score.of(neighbours_summaries(task, *rows), [task.pairs[i].summary for i in rows[1]])
        for how, rows in splits.items()
    }
    several = _several(params, task, held_out, model, run)
    example = collate(held_out, [0], run.device)
    weights = cross_attention(model, example)[-1].mean(1)[0].cpu()
    labels = [[task.tokenizer.label(i) for i in ids[0].tolist()] for ids in (example.source, example.labels)]
    return Result(
        values={
            "loss": curve.held_out[-1],
            "best_loss": min(curve.held_out),
            "wrong_source_loss": curve.wrong_source[-1],
            "uniform_loss": levels["uniform"],
            "unigram_loss": levels["unigrams"],
            "rouge_l": {name: score.rouge_l for name, score in scores.items()},
            "rouge_1": {name: score.rouge_1 for name, score in scores.items()},
            "rouge_2": {name: score.rouge_2 for name, score in scores.items()},
            "rouge_l_error": {name: score.error for name, score in scores.items()},
            "rouge_l_wrong_reference": wrong.rouge_l,
            "neighbour_rouge_l": {how: score.rouge_l for how, score in leak.items()},
            "distinct": {one.name: one.distinct for one in several},
            "pairs": len(harvest.pairs),
            "trained_on": len(training),
            "weights": _weights_of(model),
            "tokens": curve.tokens,
        },
        trace=_docstring_steps(params, curve, levels, scores, wrong, leak, several),
        figures=(
            _score_figure(scores, params),
            curve.figure(levels, _LOSS_CAPTION),
            _leak_figure(leak),
            _text_table(task, texts),
            _several_table(several),
            _attention_figure(
                weights,
                *labels,
                "Each row is a token of the reference to be predicted, each column a token that may be read.",
            ),
            packages,
        ),
    )


_LOSS_CAPTION = "Below the unigram line it knows more than frequencies; the gap to the wrong source is what it reads."


def _trained(
    params: Docstrings, task: Task, training: Examples, held_out: Examples, run: Run
) -> tuple[EncoderDecoder, Curve, dict[str, float]]:
    """The model, its losses, and the losses of guessing evenly and of knowing frequencies alone."""
    size = task.tokenizer.size
    levels = {
        "uniform": math.log(size),
        "unigrams": unigram_loss(training.targets, held_out.targets, size),
    }
    config = Config(
        size,
        d_model=params.d_model,
        n_heads=params.n_heads,
        n_layers=params.n_layers,
        d_ff=4 * params.d_model,
        max_length=max(params.source_length, params.target_length + 2),
        dropout=params.dropout,
    )
    model = summariser(config, run)
    curve = Curve()
    looks = _evaluated_at(params.steps)
    began = time.perf_counter()

    def after(progress: Progress) -> None:
        curve.training.append(progress.loss)
        curve.tokens = progress.tokens
        figure = None
        if progress.step in looks:
            curve.evaluate(model, held_out, DECODED, run)
        if progress.step in looks or progress.step % 10 == 0:
            figure = curve.figure(levels, _LOSS_CAPTION)
        speed = progress.tokens / (time.perf_counter() - began)
        message = f"step {progress.step}: loss {progress.loss:.2f}, {speed:,.0f} tokens/s"
        run.progress(0.3 + 0.55 * progress.step / params.steps, message, figure)

    settings = Settings(params.steps, params.batch_size, params.learning_rate, warmup=max(1, params.steps // 10))
    rows = bucketed([len(source) for source in training.sources], params.batch_size, run.generator("batches"))
    train(model, (collate(training, some, run.device) for some in rows), settings, run, after)
    return model, curve, levels


def _written(
    params: Docstrings, task: Task, held_out: Examples, model: EncoderDecoder, run: Run
) -> dict[str, list[str]]:
    """The model's summaries of all held-out sources, as text, by the way they were found."""
    beams = f"model, beam {params.beam_size}"
    drawn = f"model, sampled at T = {params.temperature:g}"
    ids: dict[str, list[list[int]]] = {"model, greedy": [], beams: [], drawn: []}
    generator = run.generator("samples")
    warp = Warp(temperature=params.temperature)
    length = params.target_length + 1
    for start in range(0, len(held_out), DECODED):
        run.progress(0.86 + 0.08 * start / len(held_out), f"summaries of {start} and more")
        some = held_out.sources[start : start + DECODED]
        ids["model, greedy"] += greedy(model, some, length, run.device)
        ids[beams] += beam(model, some, length, params.beam_size, run.device)
        found = sampled(model, some, length, 1, warp, generator, run.device)
        ids[drawn] += [rows[0] for rows in found.summaries]
    return {name: task.texts(some) for name, some in ids.items()}


# -- several summaries of one source


@dataclass(frozen=True)
class Several:
    """`REPEATS` summaries of one source: how many differ, and what the model thinks of them on average."""

    name: str
    distinct: int
    log_prob: float
    examples: list[str]


def _several(params: Docstrings, task: Task, held_out: Examples, model: EncoderDecoder, run: Run) -> list[Several]:
    """Repeated argmax, and sampling at several temperatures and from the most likely tokens."""
    warps = {
        "argmax": Warp(k=1),
        "T = 0.3": Warp(temperature=0.3),
        "T = 1": Warp(),
        "top-k, k = 5": Warp(k=5),
        "top-p, p = 0.9": Warp(p=0.9),
    }
    found = []
    for name, warp in warps.items():
        run.progress(0.97, f"{REPEATS} summaries of one source: {name}")
        generator = run.generator("several")  # equal numbers, so that only the distribution differs
        drawn = sampled(model, held_out.sources[:1], params.target_length + 1, REPEATS, warp, generator, run.device)
        texts = task.texts(drawn.summaries[0])
        distinct = len({tuple(ids) for ids in drawn.summaries[0]})
        found.append(Several(name, distinct, drawn.log_probs.mean().item(), texts[:2]))
    return found


def _several_table(several: Sequence[Several]) -> Table:
    rows = [
        (one.name if i == 0 else "", one.distinct if i == 0 else "", f"{one.log_prob:.1f}" if i == 0 else "", _cut(text))
        for one in several
        for i, text in enumerate(one.examples)
    ]
    return table(
        "several",
        f"{REPEATS} summaries of one source",
        ("next token", "distinct", "mean log-prob", "the first two"),
        rows,
        align="lrrl",
        caption="The most likely token repeated gives one summary again and again; what is drawn differs and is less likely.",
    )


# -- what is shown of the docstrings


def _score_figure(scores: Mapping[str, Score], params: Docstrings) -> Table:
    rows = [
        (name, f"{one.rouge_1:.3f}", f"{one.rouge_2:.3f}", f"{one.rouge_l:.3f} ± {one.error:.3f}")
        for name, one in scores.items()
    ]
    held = "whole files" if params.split == "files" else "pairs at random"
    return table(
        "rouge",
        f"ROUGE on {params.held_out} held-out pairs ({held})",
        ("summary by", "ROUGE-1", "ROUGE-2", "ROUGE-L"),
        rows,
        align="lrrr",
        caption="± is the standard error over the pairs. The last three need no training; a model must beat all of them.",
    )


def _leak_figure(leak: Mapping[Split, Score]) -> Bars:
    return Bars(
        "leak",
        "ROUGE-L of the nearest neighbour's summary",
        ("whole files held out", "pairs held out at random"),
        ("nearest neighbour",),
        Array.of([[leak["files"].rouge_l, leak["random"].rouge_l]]),
        y_label="ROUGE-L",
        caption="Siblings in one file share sentences: a random split puts the answers into the training part.",
    )


def _text_table(task: Task, texts: Mapping[str, list[str]]) -> Table:
    rows = []
    for i, reference in enumerate(task.references[:SHOWN]):
        rows.append((spoken(task.pairs[task.held_out[i]].name)[:24], "reference", _cut(reference)))
        rows += [("", name, _cut(some[i])) for name, some in texts.items() if name.startswith("model")]
    return table(
        "summaries",
        "Held-out docstrings: reference and the model's summaries",
        ("object", "", "summary"),
        rows,
        align="lll",
        caption="Fluent soon, faithful seldom: the sentences are of the right kind about the wrong thing.",
    )


def _docstring_steps(
    params: Docstrings,
    curve: Curve,
    levels: Mapping[str, float],
    scores: Mapping[str, Score],
    wrong: Score,
    leak: Mapping[Split, Score],
    several: Sequence[Several],
) -> tuple[Step, ...]:
    model = {name: one for name, one in scores.items() if name.startswith("model")}
    plain = {name: one for name, one in scores.items() if name not in model}
    best, strongest = (max(some, key=lambda name: some[name].rouge_l) for some in (model, plain))
    margin = model[best].rouge_l - plain[strongest].rouge_l
    noise = math.hypot(model[best].error, plain[strongest].error)
    if margin > 2 * noise:
        verdict = "The model beats what needs no training."
    elif margin < -2 * noise:
        verdict = "What needs no training beats the model."
    else:
        verdict = "The two are within the noise of each other: on these pairs the model has not shown that it summarises."
    overfits = curve.held_out[-1] > min(curve.held_out) + 0.01
    trend = "It was lower before: the model overfits." if overfits else "It has not begun to rise."
    repeated = ", ".join(f"{one.name}: {one.distinct} distinct, {one.log_prob:.1f}" for one in several)
    return (
        Step(
            "loss",
            f"Guessing evenly among the tokens costs {levels['uniform']:.2f} nats, knowing their frequencies "
            f"{levels['unigrams']:.2f}. After {params.steps} steps the held-out loss is **{curve.held_out[-1]:.2f}**. {trend} "
            f"With another pair's source it is {curve.wrong_source[-1]:.2f}; the difference is what the model reads.",
        ),
        Step(
            "rouge",
            f"Best of the model: {best}, ROUGE-L **{model[best].rouge_l:.3f}** ± {model[best].error:.3f}. Best without a "
            f"model: {strongest}, **{plain[strongest].rouge_l:.3f}** ± {plain[strongest].error:.3f}. {verdict} Against "
            f"another pair's reference the greedy summaries still score {wrong.rouge_l:.3f}, for being of the right kind.",
        ),
        Step(
            "leak",
            f"The nearest neighbour reaches {leak['random'].rouge_l:.3f} when pairs are held out at random and "
            f"{leak['files'].rouge_l:.3f} when whole files are. It has learned nothing either way: the difference is siblings "
            "of the held-out functions in the training part, so a random split measures memory.",
        ),
        Step(
            "several",
            f"{REPEATS} summaries of one source (distinct ones, mean log-probability): {repeated}. Repeating the argmax "
            "repeats the summary; drawing tokens, or returning all hypotheses of a beam, gives several.",
        ),
    )
