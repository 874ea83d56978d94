"""Docstrings as a data set: which pairs are held out, what a model reads of them, and summaries without any model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from engines.corpus import Pair, kept, spoken
from engines.similar_texts import nearest
from engines.summariser import Examples
from engines.tokenizer import Tokenizer, count_words, learn_merges

Rows = list[int]

# -- what is held out


def by_pairs(pairs: Sequence[Pair], held_out: int, generator: torch.Generator) -> tuple[Rows, Rows]:
    """(training, held out) row numbers, drawn pair by pair: siblings in one file come to stand on both sides."""
    order = torch.randperm(len(pairs), generator=generator).tolist()
    return sorted(order[held_out:]), sorted(order[:held_out])


def by_files(pairs: Sequence[Pair], held_out: int, generator: torch.Generator) -> tuple[Rows, Rows]:
    """(training, held out) row numbers, drawn file by file: no file has pairs on both sides.

    Of the files drawn last some pairs may be on neither side, so that exactly `held_out` are.
    """
    files = sorted({pair.file for pair in pairs})
    of_file: dict[str, Rows] = {file: [] for file in files}
    for i, pair in enumerate(pairs):
        of_file[pair.file].append(i)
    drawn: Rows = []
    for place in torch.randperm(len(files), generator=generator).tolist():
        if len(drawn) >= held_out:
            break
        drawn += of_file[files[place]]
    training = sorted(set(range(len(pairs))) - set(drawn))
    return training, sorted(drawn[:held_out])


def split_rows(
    how: Literal["files", "random"], pairs: Sequence[Pair], held_out: int, generator: torch.Generator
) -> tuple[Rows, Rows]:
    """(training, held out) row numbers.

    Raises:
        ValueError: if there are too few pairs, or files, to train on any.
    """
    training, rows = (by_files if how == "files" else by_pairs)(pairs, held_out, generator)
    if len(rows) < held_out or len(training) < held_out:
        raise ValueError(
            f"{len(pairs)} pairs were found, too few to hold out {held_out}: name more packages, or hold out fewer"
        )
    return training, rows


# -- what a model reads


def source_text(pair: Pair, *, with_name: bool) -> str:
    """The body, behind the object's name as words if that is wanted."""
    return f"{spoken(pair.name)}: {pair.body}" if with_name else pair.body


@dataclass(frozen=True)
class Task:
    """Pairs with their tokens, cut to the lengths that the model sees; row numbers of both sides."""

    pairs: list[Pair]
    tokenizer: Tokenizer
    examples: Examples
    training: Rows
    held_out: Rows

    @property
    def references(self) -> list[str]:
        """The held-out summaries, whole."""
        return [self.pairs[i].summary for i in self.held_out]

    def texts(self, summaries: Sequence[Sequence[int]]) -> list[str]:
        """Summaries as text."""
        return [self.tokenizer.decode(summary).strip() for summary in summaries]


def tokenizer_for(texts: Sequence[str], size: int, cache: Path | None) -> Tokenizer:
    """A byte-pair encoding of these texts, kept like the texts themselves."""
    counts = count_words(texts)
    merges = kept(cache, f"merges {size}", Tokenizer.digest(counts), lambda: learn_merges(counts, size))
    return Tokenizer(tuple((a, b) for a, b in merges))


def encoded(tokenizer: Tokenizer, pairs: Sequence[Pair], *, with_name: bool, source: int, target: int) -> Examples:
    """Every pair's source and summary as ids, cut to these lengths."""
    return Examples(
        [tokenizer.encode(source_text(pair, with_name=with_name))[:source] for pair in pairs],
        [tokenizer.encode(pair.summary)[:target] for pair in pairs],
    )


# -- summaries without a model


def lead(pair: Pair, length: int) -> str:
    """The first words of the body."""
    return " ".join(pair.body.split()[:length])


def typical_length(pairs: Sequence[Pair]) -> int:
    """Words of a summary, on average, rounded."""
    return round(sum(len(pair.summary.split()) for pair in pairs) / len(pairs))


def neighbours_summaries(task: Task, training: Rows, held_out: Rows) -> list[str]:
    """The summary that belongs to the training source nearest to each held-out source."""
    sources = task.examples.sources
    found = nearest([sources[i] for i in training], [sources[i] for i in held_out], task.tokenizer.size)
    return [task.pairs[training[i]].summary for i in found]
