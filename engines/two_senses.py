"""One word, two senses: its vectors are equal where they are made from the word alone, and part in later layers.

EECS 182, homework 8 (fall 2022), question 2b(iii), asks for the keys of one word in two sentences. The first layer's
keys come from the word and its place: they are equal in both sentences whatever was learned. From the second layer on
they come from what the word has read. The model here predicts the next word, so that what it has understood of a word
has to stand at that word's place.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.figures import Lines, Table, line, table
from engines.parameters.two_senses import TwoSenses
from engines.registry import experiment
from engines.result import Result, Step
from engines.run import Run
from engines.transformer import Config, Decoder, Record, initialise

RIVER = ("river", "water", "boat", "fish")
MONEY = ("money", "loan", "cash", "coin")
RIVER_END, MONEY_END = ("flooded", "eroded", "muddy"), ("closed", "lent", "rich")
PLAIN_END = ("big", "old", "new")
WORDS = ("[CLS]", "[SEP]", "the", "by", "bank", "house", *RIVER, *MONEY, *RIVER_END, *MONEY_END, *PLAIN_END)
ID = {word: i for i, word in enumerate(WORDS)}
WORD_AT = 4  # [CLS] the river by bank muddy [SEP]
EVERY = 20

# -- numerics


def corpus(generator: torch.Generator, count: int) -> Tensor:
    """Sentences "the (context) by (bank or house) (end)", `(count, 7)`.

    The end fits the sense of bank that the context decides; after house it is a plain word whatever the context.
    """

    def pick(words: tuple[str, ...]) -> Tensor:
        return torch.tensor([ID[word] for word in words])[torch.randint(len(words), (count,), generator=generator)]

    money = torch.randint(2, (count,), generator=generator).bool()
    bank = torch.rand(count, generator=generator) < 0.5
    end = torch.where(bank, torch.where(money, pick(MONEY_END), pick(RIVER_END)), pick(PLAIN_END))
    context = torch.where(money, pick(MONEY), pick(RIVER))
    word = torch.where(bank, ID["bank"], ID["house"])
    fixed = {name: torch.full((count,), ID[name]) for name in ("[CLS]", "the", "by", "[SEP]")}
    return torch.stack([fixed["[CLS]"], fixed["the"], context, fixed["by"], word, end, fixed["[SEP]"]], 1)


def contexts(word: str) -> Tensor:
    """The word after every river context and after every money context: `(2, 4, 5)`."""
    rows = [[[ID[name] for name in ("[CLS]", "the", about, "by", word)] for about in side] for side in (RIVER, MONEY)]
    return torch.tensor(rows)


@dataclass(frozen=True)
class Vectors:
    """What stands at a word's place in the 2 kinds of context, 4 each, float64.

    `keys` `(layers, 2, 4, d_model)` with all heads side by side; `hidden` `(layers + 1, 2, 4, d_model)`, from the
    embedding to the output of the last block.
    """

    keys: Tensor
    hidden: Tensor


@torch.no_grad()
def vectors_of(model: Decoder, word: str, device: torch.device) -> Vectors:
    """Keys and outputs of every layer at the place of the word."""
    kinds, record = contexts(word), Record()
    model(kinds.flatten(0, 1).to(device), record=record)
    keys = torch.stack([layer.key[:, :, WORD_AT].flatten(1) for layer in record.self_attention])
    hidden = torch.stack([x[:, WORD_AT] for x in record.hidden])
    return Vectors(*(x.double().unflatten(1, kinds.shape[:2]) for x in (keys, hidden)))


@dataclass(frozen=True)
class Distances:
    """Mean distances of the vectors of one word by layer: across the two kinds of context, and within one kind."""

    across: list[float]
    within: list[float]


def distances(vectors: Tensor, unit: Tensor) -> Distances:
    """Mean distances of vectors `(layers, 2, n, d)`, divided by `unit (layers,)`."""
    first, second = vectors.unbind(1)
    pairs = ~torch.eye(first.shape[1], dtype=torch.bool, device=vectors.device)
    across = _apart(first, second).mean((1, 2))
    within = torch.stack([_apart(side, side)[:, pairs].mean(1) for side in (first, second)]).mean(0)
    return Distances((across / unit).tolist(), (within / unit).tolist())


def _apart(a: Tensor, b: Tensor) -> Tensor:
    """Distances `(layers, n, m)`. Not `cdist`, which goes through squares and finds equal vectors 1e-4 apart."""
    distance: Tensor = torch.linalg.vector_norm(a[:, :, None] - b[:, None], dim=-1)
    return distance


@dataclass(frozen=True)
class Look:
    """Distances of the keys of bank and of house and of the vectors of bank; 1 is the distance of bank and house."""

    bank: Distances
    house: Distances
    bank_hidden: Distances
    house_hidden: Distances


def look(model: Decoder, device: torch.device) -> Look:
    """All distances, in units of that of two different words in the same context."""
    bank, house = (vectors_of(model, word, device) for word in ("bank", "house"))
    unit_keys, unit_hidden = (
        (a - b).norm(dim=-1).mean((1, 2)) for a, b in ((bank.keys, house.keys), (bank.hidden, house.hidden))
    )
    return Look(
        distances(bank.keys, unit_keys),
        distances(house.keys, unit_keys),
        distances(bank.hidden, unit_hidden),
        distances(house.hidden, unit_hidden),
    )


@torch.no_grad()
def sense_accuracy(model: Decoder, device: torch.device) -> float:
    """How often the most likely word after bank fits the context."""
    kinds = contexts("bank")
    guesses = model(kinds.flatten(0, 1).to(device))[:, WORD_AT].argmax(-1).view(kinds.shape[:2]).tolist()
    right = [WORDS[i] in fits for row, fits in zip(guesses, (RIVER_END, MONEY_END), strict=True) for i in row]
    return sum(right) / len(right)


# -- the experiment


@experiment(TwoSenses)
def two_senses(params: TwoSenses, run: Run) -> Result:
    """Distances by layer of bank and of a word with one sense, before and after training."""
    config = Config(len(WORDS), 32, 4, params.n_layers, d_ff=64, max_length=8)
    model = Decoder(config)
    initialise(model, run)
    before = look(model, run.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3, fused=True)
    generator = run.generator("corpus")
    for step in range(params.steps):
        if step % EVERY == 0:
            accuracy = sense_accuracy(model, run.device)
            figure = _figure(look(model, run.device), before)
            run.progress(step / params.steps, f"step {step}: right sense {accuracy:.2f}", figure)
        tokens = corpus(generator, params.batch_size).to(run.device)
        loss = F.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    after, accuracy = look(model, run.device), sense_accuracy(model, run.device)
    figure = _figure(after, before)
    run.progress(1.0, f"right sense {accuracy:.2f}", figure)
    return Result(
        values={
            "across_senses": after.bank.across,
            "within_sense": after.bank.within,
            "control": after.house.across,
            "untrained": before.bank.across,
            "across_senses_output": after.bank_hidden.across,
            "within_sense_output": after.bank_hidden.within,
            "control_output": after.house_hidden.across,
            "untrained_output": before.bank_hidden.across,
            "sense_accuracy": accuracy,
        },
        trace=(_explain(params, after, before, accuracy),),
        figures=(figure, _table(after, before)),
    )


def _figure(after: Look, before: Look) -> Lines:
    layers = [float(i) for i in range(len(after.bank_hidden.across))]
    curves = {
        "bank, two senses": after.bank_hidden.across,
        "bank, one sense": after.bank_hidden.within,
        "house, the same contexts": after.house_hidden.across,
        "bank, two senses, untrained": before.bank_hidden.across,
    }
    return Lines(
        "senses",
        "How far the vectors of one word are apart",
        tuple(line(name, layers, y) for name, y in curves.items()),
        x_label="after layer (0: the embedding)",
        y_label="distance, in words",
        caption="1 is the distance of two different words. The embeddings are equal; the senses part layer by layer.",
    )


def _table(after: Look, before: Look) -> Table:
    columns = (after.bank.across, after.bank.within, after.house.across, before.bank.across)
    rows = [(f"layer {i}", *(f"{x:.3f}" for x in row)) for i, row in enumerate(zip(*columns, strict=True), 1)]
    return table(
        "keys",
        "Distance of two keys of one word, over that of two words",
        ("keys of", "bank, two senses", "bank, one sense", "house", "bank, untrained"),
        rows,
        align="lrrrr",
        caption="Layer 1 makes its keys of the word alone: they are equal. Later keys know what the word has read.",
    )


def _explain(params: TwoSenses, after: Look, before: Look, accuracy: float) -> Step:
    return Step(
        "senses",
        "The embedding of *bank* is the same vector in both sentences, and so are its keys in layer 1 (distance "
        f"{after.bank.across[0]:.3f}): they are made before anything has been read. In layer {params.n_layers} the "
        f"keys of the two senses are {after.bank.across[-1]:.2f} apart (1: like two different words), "
        f"two contexts of *one* sense {after.bank.within[-1]:.2f}; untrained {before.bank.across[-1]:.2f}. The output "
        f"of the last layer has them {after.bank_hidden.across[-1]:.2f} apart, and {after.bank_hidden.within[-1]:.2f} "
        f"within a sense. *House* means the same in both contexts: {after.house_hidden.across[-1]:.2f}. The model "
        f"goes on in the right sense in {accuracy:.2f} of the contexts.",
    )
