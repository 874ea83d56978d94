"""The nearest neighbour of a text among others, by the cosine of its words' weights: what needs no training."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import torch
import torch.nn.functional as F
from torch import Tensor

Texts = Sequence[Sequence[int]]


def inverse_document_frequency(texts: Texts, size: int) -> Tensor:
    """ln((1 + n) / (1 + n_t)) + 1 for each of `size` tokens, n_t being the texts that token t is in: `(size,)`."""
    once = [token for text in texts for token in set(text)]
    seen = torch.bincount(torch.tensor(once, dtype=torch.long), minlength=size)
    return ((1 + len(texts)) / (1 + seen.double())).log() + 1


def literal_similarities(texts: Texts, queries: Texts, size: int) -> Tensor:
    """Cosines of the vectors (count of token t × its inverse document frequency)ₜ, `(texts, queries)`, float64."""
    idf = inverse_document_frequency(texts, size)

    def vectors(some: Texts) -> Tensor:
        counts = torch.stack([torch.bincount(torch.tensor(text, dtype=torch.long), minlength=size) for text in some])
        return F.normalize(counts * idf, dim=1)

    return vectors(texts) @ vectors(queries).T


def similarities(texts: Texts, queries: Texts, size: int) -> Tensor:
    """The same in float32 without a row of `size` numbers a text: each adds up the rows of its tokens alone."""
    idf = inverse_document_frequency(texts, size).float()
    table = torch.zeros(size, len(queries))
    columns = torch.arange(len(queries)).repeat_interleave(torch.tensor([len(query) for query in queries]))
    tokens = torch.tensor(list(chain.from_iterable(queries)), dtype=torch.long)
    table.index_put_((tokens, columns), idf[tokens], accumulate=True)
    table = F.normalize(table, dim=0)
    lengths = torch.tensor([len(text) for text in texts])
    offsets = lengths.cumsum(0) - lengths
    tokens = torch.tensor(list(chain.from_iterable(texts)), dtype=torch.long)
    sums = F.embedding_bag(tokens, table, offsets, mode="sum", per_sample_weights=idf[tokens])
    return sums / _norms(texts, idf).clamp(min=1e-12).unsqueeze(1)


def _norms(texts: Texts, idf: Tensor) -> Tensor:
    """Length of each text's vector, `(texts,)`."""
    rows = torch.arange(len(texts)).repeat_interleave(torch.tensor([len(text) for text in texts]))
    tokens = torch.tensor(list(chain.from_iterable(texts)), dtype=torch.long)
    keys, counts = (rows * len(idf) + tokens).unique(return_counts=True)
    squares = (counts * idf[keys % len(idf)]) ** 2
    return torch.zeros(len(texts)).index_add_(0, keys // len(idf), squares).sqrt()


def nearest(texts: Texts, queries: Texts, size: int) -> list[int]:
    """For every query the text most similar to it; of equal ones the first."""
    found: list[int] = similarities(texts, queries, size).argmax(0).tolist()
    return found
