"""ROUGE: how much of a reference summary a candidate repeats (Lin 2004), as F-measures in [0, 1].

Texts are compared as sequences of words; `words` makes them: lower case, letters and digits, no stemming.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

Words = Sequence[str]


def words(text: str) -> list[str]:
    """What ROUGE compares of a text."""
    return re.findall(r"[^\W_]+", text.lower())


def f_measure(common: int, candidate: int, reference: int) -> float:
    """2PR / (P + R) of precision P = common / candidate and recall R = common / reference; 0 if nothing is common."""
    return 2 * common / (candidate + reference) if common else 0.0


def rouge_n(candidate: Words, reference: Words, n: int) -> float:
    """F-measure of common n-grams, each counted at most as often as it is in either text.

    A text of fewer than n words has no n-grams, and shares none.
    """
    ours, theirs = (Counter(zip(*(text[i:] for i in range(n)), strict=False)) for text in (candidate, reference))
    return f_measure((ours & theirs).total(), ours.total(), theirs.total())


def rouge_l(candidate: Words, reference: Words) -> float:
    """F-measure of the longest common subsequence: common words in common order, with gaps."""
    return f_measure(longest_common_subsequence(candidate, reference), len(candidate), len(reference))


def literal_longest_common_subsequence(a: Words, b: Words) -> int:
    """Its length: L[i, j] = L[i−1, j−1] + 1 where aᵢ = bⱼ, and max(L[i−1, j], L[i, j−1]) elsewhere."""
    lengths = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a, 1):
        for j, y in enumerate(b, 1):
            lengths[i][j] = lengths[i - 1][j - 1] + 1 if x == y else max(lengths[i - 1][j], lengths[i][j - 1])
    return lengths[-1][-1]


def longest_common_subsequence(a: Words, b: Words) -> int:
    """The same, a row of the table at once (Hyyrö 2004).

    Neighbours in a row differ by 0 or 1, so a row is the bits of one whole number: bit j is 0 where the length rises.
    """
    places: dict[str, int] = {}
    for j, word in enumerate(b):
        places[word] = places.get(word, 0) | 1 << j
    full = (1 << len(b)) - 1
    row = full
    for word in a:
        hits = row & places.get(word, 0)
        row = (row + hits | row - hits) & full
    return len(b) - row.bit_count()


@dataclass(frozen=True)
class Rouge:
    """Mean F-measures over a set of candidates, and the standard error of the mean of ROUGE-L."""

    rouge_1: float
    rouge_2: float
    rouge_l: float
    error: float


def score(candidates: Sequence[str], references: Sequence[str]) -> Rouge:
    """Mean ROUGE-1, -2 and -L of candidates against the references in the same order.

    Raises:
        ValueError: if there are none, or not equally many.
    """
    pairs = [(words(one), words(other)) for one, other in zip(candidates, references, strict=True)]
    if not pairs:
        raise ValueError("no summaries to score")
    longest = [rouge_l(*pair) for pair in pairs]
    error = stdev(longest) / math.sqrt(len(longest)) if len(longest) > 1 else math.nan
    singles, doubles = (fmean(rouge_n(*pair, n) for pair in pairs) for n in (1, 2))
    return Rouge(singles, doubles, fmean(longest), error)
