"""Looking at attention: maps of every layer and head, and which head does what.

EECS 182, homework 8 (fall 2022), question 2, looks at GPT-2 and BERT. Neither may be there, so the same questions are
put to small models that are trained on the spot; the user's own weights are read where there are some.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from engines import grammar
from engines.arrays import Array
from engines.figures import Bars, Figure, Heatmap, Lines, Table, line, table
from engines.grammar import DISTRACTOR, SUBJECT, WORDS, Sentences, sentences
from engines.grammar_models import Model, agreement, at_the_verb, toy_model, train
from engines.heads import baselines, first_token_baseline, labels, scores
from engines.local_weights import Observed, observe
from engines.parameters.attention_maps import Agreement, Text
from engines.registry import experiment
from engines.result import Result, Step
from engines.run import Run
from engines.transformer import Decoder, Record

EVERY = 20
TESTED = 400
SPECIAL = (grammar.CLS, grammar.SEP)
# Maps drawn when no layer is asked for; with more heads only the first layer's are.
FEW = 16

# -- numerics


@torch.no_grad()
def looks_at(model: Model, found: Sentences, key: int) -> Tensor:
    """Mean weight from the place where the verb is predicted to position `key`: `(layers, heads)`."""
    record = Record()
    _, place = at_the_verb(model, found, record)
    rows = torch.arange(len(place), device=place.device)
    return record.weights[:, rows, :, place, key].mean(0)  # the index puts sentences first


@torch.no_grad()
def future_weight(model: Model, tokens: Tensor) -> float:
    """The largest weight that any query puts on a later token."""
    record = Record()
    model(tokens, record=record)
    return record.weights.triu(1).max().item()


@torch.no_grad()
def first_token_share(model: Model, tokens: Tensor) -> Tensor:
    """Mean weight on position 0 over all queries, itself included: `(layers, heads)`. Compare it with H_n / n."""
    record = Record()
    model(tokens, record=record)
    return record.weights[..., 0].mean((1, 3))


@torch.no_grad()
def tokens_looked_at(model: Model, tokens: Tensor, least: float = 0.05) -> int:
    """How many tokens get more than `least` of the weight of the last query of one head, at most."""
    record = Record()
    model(tokens, record=record)
    return int((record.weights[..., -1, :] > least).sum(-1).max())


# -- subject and verb


@experiment(Agreement)
def subject_and_verb(params: Agreement, run: Run) -> Result:
    """Train on the toy language; then find the head that finds the subject, beside the untrained model."""
    tested = sentences(run.generator("tested"), TESTED).to(run.device)
    hard = tested.only(tested.between)
    misleading = tested.only(tested.misleading)
    untrained = toy_model(params.model, run, params.n_layers, params.n_heads)
    model = toy_model(params.model, run, params.n_layers, params.n_heads)
    looks: dict[int, tuple[float, float]] = {}

    def watch(step: int) -> None:
        looks[step] = (agreement(model, misleading), looks_at(model, hard, SUBJECT).max().item())
        message = f"step {step}: agreement {looks[step][0]:.2f}, on the subject {looks[step][1]:.2f}"
        run.progress(0.95 * step / params.steps, message, _learning_figure(looks))

    def on_step(step: int, _: Tensor) -> None:
        if step % EVERY == 0:
            watch(step)

    train(model, run, params.steps, params.batch_size, on_step)
    watch(params.steps)
    subject, distractor = looks_at(model, hard, SUBJECT), looks_at(model, hard, DISTRACTOR)
    best = divmod(int(subject.argmax()), subject.shape[1])
    before = looks_at(untrained, hard, SUBJECT), looks_at(untrained, hard, DISTRACTOR)
    tokens, causal = hard.tokens, params.model == "gpt"  # all of one length: no pads in the shares
    first, first_before = first_token_share(model, tokens), first_token_share(untrained, tokens)
    named = head_table(_weights(model, tokens), tokens, causal=causal)
    values: dict[str, Any] = {
        "agreement": agreement(model, hard),
        "agreement_untrained": agreement(untrained, hard),
        "agreement_misleading": agreement(model, misleading),
        "subject_head": _head(*best),
        "subject_share": subject[best].item(),
        "distractor_share": distractor[best].item(),
        "subject_share_untrained": before[0].max().item(),
        "distractor_share_untrained": before[1].flatten()[int(before[0].argmax())].item(),
        "subject_shares": subject,
        "first_token_share": first.mean(1),
        "first_token_largest": first.max().item(),
        "first_token_untrained": first_before.max().item(),
        "first_token_baseline": first_token_baseline(tokens.shape[1]) if causal else 1 / tokens.shape[1],
        "future_weight": future_weight(model, tokens),
        "tokens_looked_at": tokens_looked_at(model, tokens),
        "labels": named.names,
    }
    example = hard.only(torch.arange(len(hard.verb), device=run.device) == 0)
    figures: list[Figure] = [_learning_figure(looks), _subject_figure(subject, distractor, before)]
    figures.append(named.figure)
    figures += _example_maps(model, example, best)
    return Result(values=values, trace=_explain(values, params), figures=tuple(figures))


def _weights(model: Model, tokens: Tensor) -> Tensor:
    record = Record()
    with torch.no_grad():
        model(tokens, record=record)
    return record.weights


def _head(layer: int, head: int) -> str:
    return f"L{layer + 1}H{head + 1}"


def _learning_figure(looks: dict[int, tuple[float, float]]) -> Lines:
    steps = [float(step) for step in looks]
    return Lines(
        "learning",
        "Agreement across a misleading noun",
        (
            line("right number of the verb", steps, [x[0] for x in looks.values()]),
            line("weight on the subject, best head", steps, [x[1] for x in looks.values()]),
        ),
        x_label="training step",
        y_label="share",
        caption="The nearer noun has the other number. The model gets the verb right once a head finds the subject.",
    )


def _subject_figure(subject: Tensor, distractor: Tensor, before: tuple[Tensor, Tensor]) -> Bars:
    heads = [_head(i, j) for i in range(subject.shape[0]) for j in range(subject.shape[1])]
    heights = torch.stack([x.flatten() for x in (subject, distractor, before[0])])
    return Bars(
        "subject",
        "Where the verb's place looks",
        tuple(heads),
        ("subject", "nearer noun", "subject, untrained"),
        Array.of(heights),
        y_label="weight",
        caption="One head has learned to take the subject and not the nearer noun; untrained, no head knows either.",
    )


class HeadNames:
    """The names of all heads, and the table that shows why."""

    def __init__(self, names: list[list[str]], figure: Table) -> None:
        self.names = names
        self.figure = figure


def head_table(weights: Tensor, tokens: Tensor, *, causal: bool, special: tuple[int, ...] = SPECIAL) -> HeadNames:
    """Pattern shares and names of all heads, weights `(layers, batch, heads, n, n)`, with the even head's first."""
    found = scores(weights.double(), tokens, causal=causal, special=special)
    even = baselines(tokens, causal=causal, special=special)
    shown = [name for name, value in even.items() if value == value]  # noqa: PLR0124  (no query can see any other)
    names = labels(found, even)
    rows = [["evenly", *(f"{even[name]:.2f}" for name in shown), ""]]
    for i, layer in enumerate(names):
        for j, name in enumerate(layer):
            rows.append([_head(i, j), *(f"{float(found[pattern][i, j]):.2f}" for pattern in shown), name])
    figure = table(
        "heads",
        "What each head looks at",
        ("head", *shown, "name"),
        rows,
        align="l" + "r" * len(shown) + "l",
        caption="Shares of a head's weight on each pattern, beside a head that spreads evenly; 'even' is entropy.",
    )
    return HeadNames(names, figure)


def _example_maps(model: Model, example: Sentences, best: tuple[int, int]) -> list[Figure]:
    record = Record()
    with torch.no_grad():
        at_the_verb(model, example, record)
    words = [WORDS[i] for i in example.tokens[0].tolist()]
    if not isinstance(model, Decoder):
        words[int(example.verb)] = WORDS[grammar.MASK]
    layers, heads = record.weights.shape[0], record.weights.shape[2]
    order = [best, *((i, j) for i in range(layers) for j in range(heads) if (i, j) != best)]
    return [_map(record.weights[i, 0, j], words, i, j) for i, j in order]


def _map(weights: Tensor, words: list[str], layer: int, head: int) -> Heatmap:
    return Heatmap(
        f"map_{_head(layer, head)}",
        f"Attention of layer {layer + 1}, head {head + 1}",
        Array.of(weights),
        tuple(words),
        tuple(words),
        scale="sqrt",
        caption="Rows are queries, columns the keys they look at; every row adds up to 1.",
    )


def _explain(values: dict[str, Any], params: Agreement) -> tuple[Step, ...]:
    sees = {
        "gpt": "A GPT is causal: a query sees itself and *all* earlier tokens at once, here up to "
        f"{values['tokens_looked_at']} of them with more than 5 % each, and no later one (largest weight on a later "
        f"token: {values['future_weight']:.3f}).",
        "bert": "A BERT has no mask: a query sees both sides. What a causal model lacks is looking *forward*; the "
        f"largest weight on a later token is {values['future_weight']:.3f}.",
    }
    base = "H_n / n" if params.model == "gpt" else "1 / n"
    return (
        Step(
            "subject",
            f"Where the verb is predicted, head {values['subject_head']} puts {values['subject_share']:.2f} of its "
            f"weight on the subject and {values['distractor_share']:.2f} on the nearer noun (the best untrained head: "
            f"{values['subject_share_untrained']:.2f} and {values['distractor_share_untrained']:.2f}). The verb has "
            f"the right number in {values['agreement']:.3f} of the sentences, untrained in "
            f"{values['agreement_untrained']:.3f}.",
        ),
        Step(
            "first_token",
            f"A head that spreads evenly already gives the first token ${base}$ = {values['first_token_baseline']:.3f} "
            f"of all weight. The largest share of a head here is {values['first_token_largest']:.2f} (untrained "
            f"{values['first_token_untrained']:.2f}): only what is beyond the baseline is a habit of the head.",
        ),
        Step("direction", sees[params.model]),
        Step(
            "heads",
            "Every head has its own query, key and value matrices and starts from other random numbers; their outputs "
            "are put side by side and mixed. Here they are named by what they look at: "
            + "; ".join(
                f"{_head(i, j)} {name}" for i, layer in enumerate(values["labels"]) for j, name in enumerate(layer)
            )
            + ".",
        ),
    )


# -- maps of a text


@experiment(Text)
def text_maps(params: Text, run: Run) -> Result:
    """Maps of a text from the user's own weights, or from a toy model that is trained first."""
    if params.weights:
        run.progress(0.0, f"reading {params.weights}")
        observed = observe(params.weights, params.text, run, trained=params.trained)
    else:
        observed = _observe_toy(params, run)
    layers, _, heads, n, _ = observed.weights.shape
    if params.layer > layers:
        raise ValueError(f"there is no layer {params.layer}: the model has {layers}")
    named = head_table(observed.weights, observed.tokens, causal=observed.causal, special=observed.special)
    chosen = range(layers) if layers * heads <= FEW else range(1)
    chosen = range(params.layer - 1, params.layer) if params.layer else chosen
    run.progress(1.0, "drawing")
    maps = [_map(observed.weights[i, 0, j], observed.words, i, j) for i in chosen for j in range(heads)]
    even = 1 / n if not observed.causal else first_token_baseline(n)
    first = observed.weights[..., 0].double().mean((1, 3))
    return Result(
        values={
            "words": observed.words,
            "labels": named.names,
            "first_token_share": first,
            "first_token_baseline": even,
            "future_weight": observed.weights.triu(1).max().item(),
            "evenness": scores(observed.weights.double(), observed.tokens, causal=observed.causal)["even"],
            "weights": observed.weights[:, 0],
        },
        trace=(
            Step(
                "maps",
                f"{observed.name}: {layers} layers of {heads} heads on {n} tokens. An even head would give the first "
                f"token {even:.3f} of the weight; the most that a head gives it is {first.max():.2f}.",
            ),
        ),
        figures=(named.figure, *maps),
    )


def _observe_toy(params: Text, run: Run) -> Observed:
    tokens = grammar.read_text(params.text).to(run.device)
    if len(tokens) > grammar.LENGTH:
        raise ValueError(f"the toy language has sentences of at most {grammar.LENGTH - 2} words")
    model = toy_model(params.model, run)
    if params.trained:

        def on_step(step: int, loss: Tensor) -> None:
            if step % EVERY == 0:
                run.progress(0.95 * step / params.steps, f"step {step}: loss {loss:.2f}", shown(model))

        def shown(model: Model) -> Heatmap:
            return _map(_weights(model, tokens[None])[0, 0, 0], words, 0, 0)

        words = [WORDS[i] for i in tokens.tolist()]
        train(model, run, params.steps, 64, on_step)
    else:
        run.progress(0.5, "a model with random weights")
    state = "trained here" if params.trained else "untrained"
    return Observed(
        f"a {params.model.upper()}-like model of the toy language, {state}",
        _weights(model, tokens[None]),
        tokens[None],
        [WORDS[i] for i in tokens.tolist()],
        causal=params.model == "gpt",
        special=SPECIAL,
    )
