"""A transformer that learns a toy language, and what each way of decoding makes it say."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.ancestral_sampling import Warp, sample
from engines.figures import Lines, Table, Tree, line, table
from engines.language_models import score
from engines.parameters.decoding_model import POSITIONS, Decoded
from engines.registry import experiment
from engines.result import Result, Step
from engines.run import Run
from engines.search import Candidates, Hypotheses, beam_search, beam_search_steps, greedy_search, power_penalty
from engines.search_figures import search_tree
from engines.toy_language import ToyLanguage
from engines.transformer import Config, Decoder, initialise
from engines.transformer_decoding import SharedCacheTransformer

# Sentences that the model is tried on while it learns, and never trained on in that form.
HELD_OUT = 512
# Steps of the search that are drawn; no sentence is shorter.
DRAWN_STEPS, DRAWN_BEAM = 3, 3
# The width of the beam whose result stands for the model's own most likely sentence.
WIDE = 64


def sentence_loss(model: Decoder, tokens: Tensor, lengths: Tensor) -> Tensor:
    """−log p of a sentence, its end included: mean over sentences `(B, T)` after the start token, which is 0.

    In nats a sentence and not a token, so that it compares with the entropy of the language.
    """
    shifted = F.pad(tokens[:, :-1], (1, 0), value=0)
    losses = F.cross_entropy(model(shifted).transpose(1, 2), tokens, reduction="none")
    inside = torch.arange(tokens.shape[1], device=tokens.device) < lengths.unsqueeze(1)
    return (losses * inside).sum(1).mean()


@dataclass
class Curve:
    """Losses while it learns: of every batch, and of held-out sentences now and then."""

    training: list[float]
    steps: list[int]
    held_out: list[float]
    floor: float

    def figure(self) -> Lines:
        """With what the language itself gives the held-out sentences, which is the floor."""
        x = [float(i) for i in range(1, len(self.training) + 1)]
        return Lines(
            "loss",
            "Loss of a sentence while the model learns",
            (
                line("training batches", x, self.training),
                line("held-out sentences", [float(s) for s in self.steps], self.held_out, points=True),
                line("the language itself", [1.0, max(x)], [self.floor] * 2),
            ),
            x_label="step",
            y_label="nats a sentence",
            caption="The floor is −log p of the same held-out sentences under the grammar that made them.",
        )


def train(params: Decoded, run: Run, language: ToyLanguage) -> tuple[Decoder, Curve]:
    """AdamW with a short warm-up and a cosine; fresh sentences at every step."""
    config = Config(
        vocab_size=len(language.words),
        d_model=params.d_model,
        n_heads=params.n_heads,
        n_layers=params.n_layers,
        d_ff=4 * params.d_model,
        max_length=POSITIONS,
    )
    model = Decoder(config)
    initialise(model, run)
    held_out = language.sentences(HELD_OUT, run.generator("held out"))
    floor = -score(language.automaton, *held_out).mean().item()
    tokens, lengths = language.sentences(params.steps * params.batch_size, run.generator("sentences"))
    optimizer = torch.optim.AdamW(model.parameters(), lr=params.learning_rate, weight_decay=0.01, fused=True)
    warm_up = min(20, params.steps)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda i: min((i + 1) / warm_up, 0.5 * (1 + math.cos(math.pi * i / params.steps))),
    )
    curve = Curve([], [], [], floor)
    every = max(1, params.steps // 10)
    for i in range(params.steps):
        rows = slice(i * params.batch_size, (i + 1) * params.batch_size)
        loss = sentence_loss(model, tokens[rows], lengths[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        curve.training.append(loss.item())
        figure = None
        if i % every == 0 or i == params.steps - 1:
            with torch.no_grad():
                curve.steps.append(i + 1)
                curve.held_out.append(sentence_loss(model, *held_out).item())
            figure = curve.figure()
        run.progress(0.8 * (i + 1) / params.steps, f"step {i + 1}: {curve.training[-1]:.2f} nats a sentence", figure)
    return model.eval(), curve


@dataclass(frozen=True)
class Spoken:
    """What a strategy said: sentences with log-probabilities under the model and under the language `(S,)`."""

    name: str
    sentences: list[list[int]]
    log_probs: Tensor
    true_log_probs: Tensor

    @property
    def distinct(self) -> int:
        """Different sentences."""
        return len({tuple(sentence) for sentence in self.sentences})

    @property
    def grammatical(self) -> float:
        """The share that the language has."""
        return (self.true_log_probs > -math.inf).double().mean().item()


def _spoken(name: str, language: ToyLanguage, sequences: Tensor, lengths: Tensor, log_probs: Tensor) -> Spoken:
    """Of one list `(S, T)`; places without a sentence are left out."""
    there = log_probs > -math.inf
    sequences, lengths, log_probs = sequences[there], lengths[there], log_probs[there].double()
    true = score(language.automaton, sequences, lengths)
    sentences = [ids[:n] for ids, n in zip(sequences.tolist(), lengths.tolist(), strict=True)]
    return Spoken(name, sentences, log_probs, true)


@experiment(Decoded)
def decoded(params: Decoded, run: Run) -> Result:
    """Train; then greedy search, beams, sampling in four ways, and beams under length penalties."""
    language = ToyLanguage.make(run.device)
    model, curve = train(params, run, language)
    prompt = torch.zeros(1, 1, dtype=torch.long, device=run.device)
    one, length, end = SharedCacheTransformer(model, prompt), ToyLanguage.LONGEST, language.end

    def searched(name: str, found: Hypotheses) -> Spoken:
        return _spoken(name, language, found.sequences[0], found.lengths[0], found.log_probs[0])

    run.progress(0.82, "greedy and beam search", curve.figure())
    spoken = [searched("greedy", greedy_search(one, length, eos=end))]
    spoken += [searched(f"beam {size}", beam_search(one, length, size, eos=end)) for size in params.beam_sizes]
    wide = searched(f"beam {WIDE}", beam_search(one, length, WIDE, eos=end))
    many = SharedCacheTransformer(model, prompt.expand(params.samples, -1))
    warps = {
        "sampling": Warp(),
        f"T = {params.temperature:g}": Warp(params.temperature),
        f"top-k {params.k}": Warp(k=params.k),
        f"top-p {params.p:g}": Warp(p=params.p),
    }
    for i, (name, warp) in enumerate(warps.items()):
        run.progress(0.85 + 0.02 * i, name, _strategies(language, spoken, wide))
        drawn = sample(many, length, 1, run.generator("samples"), warp=warp, eos=end)
        spoken.append(_spoken(name, language, drawn.sequences[:, 0], drawn.lengths[:, 0], drawn.log_probs[:, 0]))
    run.progress(0.94, "length penalties", _strategies(language, spoken, wide))
    size = max(params.beam_sizes)
    penalised = {
        power: beam_search(one, length, size, eos=end, penalty=power_penalty(power)) for power in params.penalties
    }
    run.progress(0.97, "the first steps of the search")
    steps = beam_search_steps(one, DRAWN_STEPS, DRAWN_BEAM)
    return Result(
        values=_values(language, curve, spoken, wide, penalised),
        trace=_steps(params, language, curve, spoken, wide, penalised),
        figures=(
            curve.figure(),
            _strategies(language, spoken, wide),
            _first_steps(language, steps, wide),
            _penalties(language, size, penalised),
        ),
    )


def _values(
    language: ToyLanguage, curve: Curve, spoken: list[Spoken], wide: Spoken, penalised: dict[float, Hypotheses]
) -> dict[str, object]:
    greedy = spoken[0]
    beams = [s for s in spoken if s.name.startswith("beam")]
    return {
        "words": list(language.words),
        "loss": curve.held_out[-1],
        "floor": curve.floor,
        "greedy": [language.words[i] for i in greedy.sentences[0]],
        "greedy_log_prob": greedy.log_probs[0].item(),
        "beam": [language.words[i] for i in beams[-1].sentences[0]],
        "beam_log_probs": [s.log_probs[0].item() for s in beams],
        "best": [language.words[i] for i in wide.sentences[0]],
        "best_log_prob": wide.log_probs[0].item(),
        "strategies": [s.name for s in spoken],
        "distinct": [s.distinct for s in spoken],
        "mean_log_prob": [s.log_probs.mean().item() for s in spoken],
        "grammatical": [s.grammatical for s in spoken],
        "begin_as_greedy": [
            sum(ids[0] == greedy.sentences[0][0] for ids in s.sentences) / len(s.sentences) for s in spoken
        ],
        "penalties": list(penalised),
        "penalised_lengths": [int(h.lengths[0, 0]) for h in penalised.values()],
        "penalised": [[language.words[i] for i in h.tokens()] for h in penalised.values()],
    }


def _strategies(language: ToyLanguage, spoken: list[Spoken], wide: Spoken) -> Table:
    rows = [
        (
            s.name,
            f"{s.distinct} of {len(s.sentences)}",
            f"{s.log_probs.mean():.2f}",
            f"{s.grammatical:.0%}",
            language.text(s.sentences[0]),
        )
        for s in [*spoken, wide]
    ]
    return table(
        "strategies",
        "Sentences of the trained model",
        ("strategy", "distinct", "log p", "valid", "first sentence"),
        rows,
        align="lrrrl",
        caption="Mean log p under the model; valid is the share of sentences that the grammar has. The first of a "
        "search is its best.",
    )


def _first_steps(language: ToyLanguage, steps: list[Candidates], wide: Spoken) -> Tree:
    return search_tree(
        "search",
        f"The first {DRAWN_STEPS} steps of a beam of {DRAWN_BEAM}",
        steps,
        language.words,
        wide.sentences[0][:DRAWN_STEPS],
        "Log-probability of the word, and of the sentence so far. The most likely first word leads to many unlikely "
        "sentences.",
    )


def _penalties(language: ToyLanguage, size: int, penalised: dict[float, Hypotheses]) -> Table:
    rows = [
        (
            f"{power:g}",
            int(h.lengths[0, 0]),
            f"{h.log_probs[0, 0]:.2f}",
            f"{h.scores[0, 0]:.3f}",
            language.text(h.tokens()),
        )
        for power, h in penalised.items()
    ]
    return table(
        "penalties",
        f"What a beam of {size} returns under log p / length^power",
        ("power", "length", "log p", "score", "sentence"),
        rows,
        align="rrrrl",
        caption="Every further word lowers log p, so without a penalty short sentences win.",
    )


def _steps(
    params: Decoded,
    language: ToyLanguage,
    curve: Curve,
    spoken: list[Spoken],
    wide: Spoken,
    penalised: dict[float, Hypotheses],
) -> tuple[Step, ...]:
    greedy = spoken[0]
    known = {s.name: s for s in spoken}
    plain = known["sampling"]
    first = language.words[greedy.sentences[0][0]]

    def share(s: Spoken) -> float:
        """Of sentences that begin as greedy search does."""
        return sum(sentence[0] == greedy.sentences[0][0] for sentence in s.sentences) / len(s.sentences)

    cooled = share(known[f"T = {params.temperature:g}"])
    lines = [
        f"- {s.name}: {s.distinct} distinct of {len(s.sentences)}, mean log-probability {s.log_probs.mean():.2f}, "
        f"{s.grammatical:.0%} in the language"
        for s in spoken
        if len(s.sentences) == params.samples
    ]
    lengths = [f"power {power:g}: {int(h.lengths[0, 0])} words" for power, h in penalised.items()]
    return (
        Step(
            "training",
            f"After {params.steps} steps a held-out sentence costs the model {curve.held_out[-1]:.3f} nats; under the "
            f"grammar itself it costs {curve.floor:.3f}. What is between them is what the model has not learnt.",
        ),
        Step(
            "search",
            f"Greedy search begins with the likeliest word, *{first}*, and ends at "
            f"*{language.text(greedy.sentences[0])}*, log-probability {greedy.log_probs[0]:.2f}. A beam of {WIDE} "
            f"finds *{language.text(wide.sentences[0])}* at {wide.log_probs[0]:.2f}: that a beginning is likely says "
            "little when many sentences share it.",
        ),
        Step(
            "sampling",
            f"Sampling gives each sentence as often as the model believes in it: the mean log-probability, "
            f"{plain.log_probs.mean():.2f}, estimates minus its entropy.\n\n"
            + "\n".join(lines)
            + f"\n\nA temperature works word by word: at T = {params.temperature:g} {first!r} comes first in "
            f"{cooled:.0%} of the sentences, with plain sampling in {share(plain):.0%}. So it makes the likely "
            "*first word* more frequent, and not the likely *sentence*.",
        ),
        Step(
            "penalty",
            "Dividing by length$^{power}$ with a positive power makes up for the words that a longer sentence has to "
            f"pay for: {', '.join(lengths)}.",
        ),
    )
