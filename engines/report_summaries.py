"""An encoder-decoder that learns, within seconds, to summarise match reports exactly.

The reports are those of `engines.match_reports`; the model and its training stand in `engines.summariser`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from statistics import fmean

from torch import Tensor

from engines.figures import Figure, Lines, Table, line, table
from engines.match_reports import CITIES, CLUBS, FACTS, GOALS, PLAYERS, Report, draw_report, vocabulary
from engines.parameters.report_summaries import REPORT_SENTENCES, REPORT_WORDS, SUMMARY_WORDS, Reports
from engines.randomness import seed_for
from engines.registry import experiment
from engines.result import Result, Step
from engines.run import Run
from engines.summariser import (
    Batch,
    Examples,
    Progress,
    Settings,
    collate,
    cross_attention,
    greedy,
    summariser,
    train,
    unigram_loss,
)
from engines.summariser_figures import Curve, attention_figure, evaluated_at, weights_of
from engines.tokenizer import SPECIAL
from engines.transformer import Config

SHOWN = 6  # summaries in a table

# -- the task as tokens


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


# -- the experiment


@experiment(Reports)
def reports(params: Reports, run: Run) -> Result:
    """Train on fresh reports; exact match on held-out ones, losses with their controls, where the decoder looks."""
    known = Words.of_reports()
    rng = Random(seed_for(run.seed, "held-out reports"))
    tests = [draw_report(rng, params.distractions) for _ in range(params.held_out)]
    held_out = known.examples(tests)
    room = max(SUMMARY_WORDS + 2, REPORT_WORDS * (REPORT_SENTENCES + params.distractions))
    config = Config(
        len(known.known),
        d_model=params.d_model,
        n_heads=params.n_heads,
        n_layers=params.n_layers,
        d_ff=2 * params.d_model,
        max_length=room,
    )
    model = summariser(config, run)
    sample_of_training = known.examples([draw_report(rng, params.distractions) for _ in range(512)]).targets
    levels = {
        "uniform": math.log(len(known.known)),
        "unigrams": unigram_loss(sample_of_training, held_out.targets, len(known.known)),
        "form only": form_only_loss(),
    }
    caption = "Below the form-only line the report is read; with another report's text the loss must be worse."
    curve, exactness = Curve(), Exactness()
    looks = evaluated_at(params.steps)

    def written() -> list[list[int]]:
        parts = range(0, len(tests), 256)
        return [
            one for i in parts for one in greedy(model, held_out.sources[i : i + 256], SUMMARY_WORDS + 1, run.device)
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
        run.progress(
            0.97 * progress.step / params.steps, f"step {progress.step}: loss {progress.loss:.2f}{done}", figure
        )

    run.progress(0.0, "the model is made", curve.figure(levels, caption))
    settings = Settings(
        params.steps, params.batch_size, params.learning_rate, warmup=max(1, min(60, params.steps // 5))
    )
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
            "weights": weights_of(model),
            "tokens": curve.tokens,
        },
        trace=_report_steps(tests[0], known.text(found[0]), curve, exactness, levels, (hits, chance)),
        figures=(
            exactness.figure(),
            curve.figure(levels, caption),
            attention_figure(
                weights[0],
                tests[0].text,
                (*tests[0].summary, "<end>"),
                f"Each row is a word to be written. In {hits:.0%} of the facts most weight lies on the word copied "
                f"(chance {chance:.0%}).",
            ),
            _summary_table(shown[:SHOWN]),
        ),
    )


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
            f"{levels['unigrams']:.2f}, knowing the form but not the report {levels['form only']:.2f}. The model "
            f"ends at **{curve.held_out[-1]:.3f}** on reports it has not seen. Given another report's text it pays "
            f"{curve.wrong_source[-1]:.2f}: it does read.",
        ),
        Step(
            "exact",
            f"**{exactness.exact[-1]:.1%}** of the held-out summaries are right to the last word; half of them "
            f"{reached}. Fact by fact: {facts}.",
        ),
        Step(
            "attention",
            f"At the six copied words the decoder's largest weight lies on that word in the report in "
            f"**{attention[0]:.0%}** of the cases; a weight put anywhere would hit {attention[1]:.0%}.",
        ),
    )
