"""An encoder-decoder on real text: docstrings of installed packages, body to first paragraph, beside honest baselines.

What is harvested is `engines.corpus`, what is held out `engines.docstring_task`; the model and its training stand in
`engines.summariser`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from engines.ancestral_sampling import Warp
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
from engines.figures import Bars, Table, table
from engines.parameters.docstring_summaries import Docstrings, Split
from engines.registry import experiment
from engines.result import Result, Step
from engines.rouge import Rouge, score
from engines.run import Run
from engines.summariser import (
    Examples,
    Progress,
    Settings,
    beam,
    bucketed,
    collate,
    cross_attention,
    greedy,
    sampled,
    summariser,
    train,
    unigram_loss,
)
from engines.summariser_figures import Curve, attention_figure, cut, evaluated_at, weights_of
from engines.transformer import Config, EncoderDecoder

SHOWN = 6  # summaries in a table
REPEATS = 20  # summaries drawn of one source
DECODED = 64  # sources summarised side by side

# -- the data


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


# -- the experiment


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
    scores = {name: score(some, task.references) for name, some in texts.items()}
    wrong = score(ways["model, greedy"], task.references[1:] + task.references[:1])
    leak = {
        how: score(neighbours_summaries(task, *rows), [task.pairs[i].summary for i in rows[1]])
        for how, rows in splits.items()
    }
    several = _several(params, task, held_out, model, run)
    example = collate(held_out, [0], run.device)
    weights = cross_attention(model, example)[-1].mean(1)[0].cpu()
    read, wanted = ([task.tokenizer.label(i) for i in ids[0].tolist()] for ids in (example.source, example.labels))
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
            "weights": weights_of(model),
            "tokens": curve.tokens,
        },
        trace=_docstring_steps(params, curve, levels, scores, wrong, leak, several),
        figures=(
            _score_figure(scores, params),
            curve.figure(levels, _LOSS_CAPTION),
            _leak_figure(leak),
            _text_table(task, texts),
            _several_table(several),
            attention_figure(
                weights,
                read,
                wanted,
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
        d_ff=2 * params.d_model,
        max_length=max(params.source_length, params.target_length + 2),
        dropout=params.dropout,
    )
    model = summariser(config, run)
    curve = Curve()
    looks = evaluated_at(params.steps)
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
    rows = bucketed(training.lengths, params.batch_size, run.generator("batches"))
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
        (
            one.name if i == 0 else "",
            one.distinct if i == 0 else "",
            f"{one.log_prob:.1f}" if i == 0 else "",
            cut(text),
        )
        for one in several
        for i, text in enumerate(one.examples)
    ]
    return table(
        "several",
        f"{REPEATS} summaries of one source",
        ("next token", "distinct", "mean log-prob", "the first two"),
        rows,
        align="lrrl",
        caption="The most likely token repeated gives one summary again and again; what is drawn differs.",
    )


# -- what is shown of the docstrings


def _score_figure(scores: Mapping[str, Rouge], params: Docstrings) -> Table:
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
        caption="± is the standard error over the pairs. The last three need no training; a model must beat them.",
    )


def _leak_figure(leak: Mapping[Split, Rouge]) -> Bars:
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
        rows.append((spoken(task.pairs[task.held_out[i]].name)[:24], "reference", cut(reference)))
        rows += [("", name, cut(some[i])) for name, some in texts.items() if name.startswith("model")]
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
    scores: Mapping[str, Rouge],
    wrong: Rouge,
    leak: Mapping[Split, Rouge],
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
        verdict = (
            "The two are within the noise of each other: on these pairs the model has not shown that it summarises."
        )
    overfits = curve.held_out[-1] > min(curve.held_out) + 0.01
    trend = "It was lower before: the model overfits." if overfits else "It has not begun to rise."
    repeated = ", ".join(f"{one.name}: {one.distinct} distinct, {one.log_prob:.1f}" for one in several)
    return (
        Step(
            "loss",
            f"Guessing evenly among the tokens costs {levels['uniform']:.2f} nats, knowing their frequencies "
            f"{levels['unigrams']:.2f}. After {params.steps} steps the held-out loss is **{curve.held_out[-1]:.2f}**. "
            f"{trend} With another pair's source it is {curve.wrong_source[-1]:.2f}; the difference is what the model "
            "reads.",
        ),
        Step(
            "rouge",
            f"Best of the model: {best}, ROUGE-L **{model[best].rouge_l:.3f}** ± {model[best].error:.3f}. Best without "
            f"a model: {strongest}, **{plain[strongest].rouge_l:.3f}** ± {plain[strongest].error:.3f}. {verdict} "
            f"Against another pair's reference the greedy summaries still score {wrong.rouge_l:.3f}: they are of the "
            "right kind.",
        ),
        Step(
            "leak",
            f"The nearest neighbour reaches {leak['random'].rouge_l:.3f} when pairs are held out at random and "
            f"{leak['files'].rouge_l:.3f} when whole files are. It has learned nothing either way: the difference "
            "is siblings of the held-out functions in the training part, so a random split measures memory.",
        ),
        Step(
            "several",
            f"{REPEATS} summaries of one source (distinct ones, mean log-probability): {repeated}. Repeating the "
            "argmax repeats the summary; drawing tokens, or returning all hypotheses of a beam, gives several.",
        ),
    )
