"""Induction heads: how two attention layers learn to continue a sequence that they have seen once.

A head of the first layer looks at the previous token, so that every position also knows what came before it; a head of
the second looks for a position that comes *after* an earlier place of the current token, and copies what stands there
(Elhage et al. 2021; Olsson et al. 2022). Neither alone is of any use, which removing either of them shows.

The period of the repetition has to vary. With one fixed period, looking back by that many positions is enough; a
model that learns this has large weights in the same places, and no induction head.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.arrays import Array
from engines.figures import Bars, Figure, Heatmap, Lines, Table, line, table
from engines.heads import baselines, patterns, share, without_head
from engines.masks import causal_mask
from engines.parameters.induction import Induction
from engines.registry import experiment
from engines.result import Result, Step
from engines.run import Run
from engines.transformer import Block, Config, Decoder, Record, initialise

EVERY = 10  # steps between two looks
TESTED = 128  # sequences at each look
LEARNED = 0.9  # accuracy at which training stops
VISIBLE = 0.5  # induction share at which the head is there

# -- numerics


def repeated(
    generator: torch.Generator, count: int, vocabulary: int, length: int, periods: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Random tokens repeated with a period drawn from `periods` (both ends count): `(count, length)`, `(count, 1)`."""
    shortest, longest = periods
    period = torch.randint(shortest, longest + 1, (count, 1), generator=generator)
    once = torch.randint(vocabulary, (count, longest), generator=generator)
    return once.gather(1, torch.arange(length) % period), period


@dataclass(frozen=True)
class Look:
    """What a model does on sequences it has not seen, where they can be continued (after one period).

    `accuracy` of the next token; `by_layer` is the weight of each layer on tokens that came after an earlier place of
    the current one, `previous` that of the first layer on the previous token.
    """

    accuracy: float
    by_layer: tuple[float, float]
    previous: float

    @property
    def induction(self) -> float:
        """The share of the second layer, where an induction head has to be."""
        return self.by_layer[1]


@torch.no_grad()
def look(model: Decoder, tokens: Tensor, period: Tensor) -> Look:
    """Accuracy and both shares on tokens `(batch, length)` of the given periods `(batch, 1)`."""
    x, record = tokens[:, :-1], Record()
    right = model(x, record=record).argmax(-1) == tokens[:, 1:]
    known = torch.arange(x.shape[1], device=x.device) >= period
    seen, wanted = causal_mask(x.shape[1], x.shape[1], x.device), patterns(x)
    first, second = (layer.weights for layer in record.self_attention)
    after, before = (wanted[name] & known.unsqueeze(-1) for name in ("induction", "previous"))
    return Look(
        right[known].double().mean().item(),
        (share(first, after, seen).mean().item(), share(second, after, seen).mean().item()),
        share(first, before, seen).mean().item(),
    )


@torch.no_grad()
def accuracy_without(model: Decoder, layer: int, tokens: Tensor, period: Tensor) -> float:
    """The accuracy with the one head of a layer removed."""
    block = model.stack.blocks[layer]
    assert isinstance(block, Block)
    with without_head(block.attention, 0):
        return look(model, tokens, period).accuracy


# -- the experiment


@dataclass(frozen=True)
class _Learned:
    """A trained model and how it got there: step → look."""

    model: Decoder
    looks: dict[int, Look]

    @property
    def last(self) -> Look:
        return list(self.looks.values())[-1]

    @property
    def steps(self) -> int:
        return list(self.looks)[-1]

    @property
    def visible_at(self) -> int | None:
        """The first look at which the second layer is an induction head and is of use."""
        good = (step for step, x in self.looks.items() if x.induction >= VISIBLE and x.accuracy >= VISIBLE)
        return next(good, None)


@experiment(Induction)
def induction(params: Induction, run: Run) -> Result:
    """Train until the task is learned, with live scores; then remove each head; then the fixed-period control."""
    tested = _test_set(params, run, "test")
    end = 0.7 if params.control else 0.95
    main = _train(params, run, "random period", tested, (0.0, end))
    ablations = [accuracy_without(main.model, layer, *tested) for layer in (0, 1)]
    even = baselines(tested[0][:, :-1], causal=True)
    chance = 1 / params.vocabulary
    values = {
        "accuracy": main.last.accuracy,
        "induction_score": main.last.induction,
        "previous_score": main.last.previous,
        "induction_baseline": even["induction"],
        "previous_baseline": even["previous"],
        "accuracy_without_layer_1": ablations[0],
        "accuracy_without_layer_2": ablations[1],
        "chance": chance,
        "steps": main.steps,
        "visible_at": main.visible_at,
    }
    figures: list[Figure] = [_progress_figure(main.looks), _ablation_figure(main.last.accuracy, ablations, chance)]
    figures += _maps(params, main.model, run)
    trace = [_explain(values, params)]
    if params.control:
        fixed = replace(params, shortest=params.longest - 1)
        own = _test_set(fixed, run, "own period", only=True)
        control = _train(fixed, run, "fixed period", own, (end, 1.0), only=True)
        away = look(control.model, *tested)
        values |= {
            "fixed_accuracy": control.last.accuracy,
            "fixed_accuracy_elsewhere": away.accuracy,
            "fixed_induction_score": max(control.last.by_layer),
            "fixed_previous_score": control.last.previous,
            "fixed_induction_score_elsewhere": max(away.by_layer),
        }
        figures.append(_control_figure(main.last, control.last, away))
        trace.append(_explain_control(values, params))
    return Result(values=values, trace=tuple(trace), figures=tuple(figures))


def _test_set(params: Induction, run: Run, name: str, *, only: bool = False) -> tuple[Tensor, Tensor]:
    tokens, period = repeated(
        run.generator(name), TESTED, params.vocabulary, params.length, _periods(params, only=only)
    )
    return tokens.to(run.device), period.to(run.device)


def _periods(params: Induction, *, only: bool) -> tuple[int, int]:
    return (params.longest, params.longest) if only else (params.shortest, params.longest)


def _train(
    params: Induction,
    run: Run,
    name: str,
    tested: tuple[Tensor, Tensor],
    span: tuple[float, float],
    *,
    only: bool = False,
) -> _Learned:
    """AdamW on the part of each sequence that every period makes predictable, until it is learned."""
    v, start = params.vocabulary, params.longest
    config = Config(
        v, params.width, 1, 2, d_ff=0, max_length=params.length, positions="sinusoidal", tied_embeddings=False
    )
    model = Decoder(config)
    initialise(model, run)
    optimizer = torch.optim.AdamW(model.parameters(), lr=params.learning_rate, fused=True)
    generator, learned = run.generator(f"data, {name}"), _Learned(model, {})
    for step in range(params.steps + 1):
        if step % EVERY == 0 or step == params.steps:
            learned.looks[step] = now = look(model, *tested)
            fraction = span[0] + (span[1] - span[0]) * step / params.steps
            message = f"{name}: step {step}, accuracy {now.accuracy:.2f}, induction {now.induction:.2f}"
            run.progress(fraction, message, _progress_figure(learned.looks))
            if (now.accuracy >= LEARNED and now.induction >= VISIBLE) or step == params.steps:
                break
        tokens, _ = repeated(generator, params.batch_size, v, params.length, _periods(params, only=only))
        tokens = tokens.to(run.device)
        logits = model(tokens[:, :-1])[:, start:]
        loss = F.cross_entropy(logits.flatten(0, 1), tokens[:, start + 1 :].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return learned


def _progress_figure(looks: dict[int, Look]) -> Lines:
    steps = [float(step) for step in looks]
    curves = {
        "accuracy": [x.accuracy for x in looks.values()],
        "induction, layer 2": [x.induction for x in looks.values()],
        "previous token, layer 1": [x.previous for x in looks.values()],
    }
    return Lines(
        "progress",
        "Continuing a sequence seen once",
        tuple(line(name, steps, y) for name, y in curves.items()),
        x_label="training step",
        y_label="share",
        caption="Accuracy rises when layer 2 begins to look at what came after the last time: both jump together.",
    )


def _ablation_figure(accuracy: float, ablations: list[float], chance: float) -> Bars:
    return Bars(
        "ablations",
        "Accuracy with one head removed",
        ("whole", "without layer 1", "without layer 2", "chance"),
        ("accuracy",),
        Array.of([[accuracy, *ablations, chance]]),
        y_label="accuracy",
        caption="Neither head is of much use without the other: it takes both to look one step past an earlier place.",
    )


@torch.no_grad()
def _maps(params: Induction, model: Decoder, run: Run) -> list[Heatmap]:
    """Both heads on one short sequence."""
    period = min(params.shortest, 8)
    length = min(3 * period, params.length)
    tokens, _ = repeated(run.generator("shown"), 1, params.vocabulary, length, (period, period))
    record = Record()
    model(tokens.to(run.device), record=record)
    words = tuple(str(token) for token in tokens[0].tolist())
    captions = ("Layer 1 looks at the token before.", "Layer 2 looks at what came after the same token last time.")
    return [
        Heatmap(
            f"layer_{i}",
            f"Attention of layer {i} on a sequence of period {period}",
            Array.of(layer.weights[0, 0]),
            words,
            words,
            scale="sqrt",
            caption=f"{caption} Rows are queries, columns keys.",
        )
        for i, (layer, caption) in enumerate(zip(record.self_attention, captions, strict=True), 1)
    ]


def _control_figure(main: Look, control: Look, away: Look) -> Table:
    rows = [
        (name, *(f"{share:.2f}" for share in (x.accuracy, *x.by_layer, x.previous)))
        for name, x in (
            ("random period", main),
            ("fixed period, tested on it", control),
            ("fixed period, tested on others", away),
        )
    ]
    return table(
        "control",
        "The same model trained on one fixed period",
        ("trained on", "accuracy", "induction 1", "induction 2", "previous 1"),
        rows,
        align="lrrrr",
        caption="With a fixed period, large induction weights are a look back by so many places: elsewhere it fails.",
    )


def _explain(values: dict[str, float | int | None], params: Induction) -> Step:
    return Step(
        "induction",
        f"After {values['steps']} steps the model names the next token in {values['accuracy']:.2f} of the places where "
        f"the sequence repeats itself; guessing gives 1/{params.vocabulary} = {values['chance']:.3f}.\n\n"
        f"Layer 2 puts {values['induction_score']:.2f} of its weight on tokens that came *after* an earlier place of "
        f"the current token (spread evenly: {values['induction_baseline']:.2f}); layer 1 puts "
        f"{values['previous_score']:.2f} on the previous token (evenly: {values['previous_baseline']:.2f}).\n\n"
        f"Without layer 1 the accuracy falls to {values['accuracy_without_layer_1']:.2f}, without layer 2 to "
        f"{values['accuracy_without_layer_2']:.2f}. With several heads a layer the others would stand in for the "
        "one removed, and it would look as if it did nothing.",
    )


def _explain_control(values: dict[str, float | int | None], params: Induction) -> Step:
    return Step(
        "control",
        f"Trained on the one period {params.longest}, the model reaches {values['fixed_accuracy']:.2f} on it with a "
        f"weight of {values['fixed_induction_score']:.2f} on the right tokens, and "
        f"{values['fixed_accuracy_elsewhere']:.2f} on sequences of other periods: it has learned to look back by a "
        "fixed distance. A large weight in the right place is not yet an induction head; it has to follow the token "
        "when the distance changes.",
    )
