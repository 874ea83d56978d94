r"""Byte-level byte-pair encoding: text as the ids of frequent byte strings, and back without loss.

Words are cut off first; within them the most frequent pair of neighbours is merged again and again (Sennrich et al.
2016), beginning with single bytes (Radford et al. 2019), so that no text has unknown tokens. The same as
`tokenizers` with `ByteLevel(add_prefix_space=False)`, up to what counts as a letter: Python's `re` knows no \p{L}.
"""

from __future__ import annotations

import hashlib
import heapq
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

PAD, BEGIN, END = 0, 1, 2
SPECIAL = ("<pad>", "<begin>", "<end>")

Merge = tuple[int, int]

# A word with the space before it, a number, signs, or spaces. Every character is in one of them.
_WORDS = re.compile(r"'(?:s|t|re|ve|m|ll|d)| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+")

# In the order of GPT-2's byte alphabet, what prints first, so that ids and ties are those of `tokenizers`.
_PRINTED = (*range(33, 127), *range(161, 173), *range(174, 256))
_BYTES = (*_PRINTED, *(byte for byte in range(256) if byte not in set(_PRINTED)))
ALPHABET = tuple(bytes([byte]) for byte in _BYTES)
SMALLEST = len(SPECIAL) + len(ALPHABET)


def words_of(text: str) -> list[str]:
    """The pieces of a text within which bytes are merged; joined they are the text."""
    return _WORDS.findall(text)


def count_words(texts: Iterable[str]) -> Counter[str]:
    """How often each piece is in the texts."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(words_of(text))
    return counts


# -- training


def literal_merges(counts: Mapping[str, int], size: int) -> list[Merge]:
    """The merges of byte-pair encoding as the definition has it: count all pairs anew before each.

    O(merges × length of the corpus). The most frequent pair is merged, of several the one with the smallest ids,
    as long as it occurs twice, until the vocabulary has `size` tokens.
    """
    vocabulary = _Vocabulary()
    spelled = [(vocabulary.spell(word), count) for word, count in sorted(counts.items())]
    merges: list[Merge] = []
    while len(vocabulary) < size:
        pairs: Counter[Merge] = Counter()
        for ids, count in spelled:
            for pair in pairwise(ids):
                pairs[pair] += count
        best = min(pairs, key=lambda pair: (-pairs[pair], pair), default=None)
        if best is None or pairs[best] < 2:
            break
        merges.append(best)
        merged = vocabulary.add(best)
        spelled = [(_merge(ids, best, merged), count) for ids, count in spelled]
    return merges


def learn_merges(counts: Mapping[str, int], size: int) -> list[Merge]:
    """The same merges, keeping count of pairs and of the words they are in: a merge touches only those."""
    vocabulary = _Vocabulary()
    index = _PairIndex([vocabulary.spell(word) for word in counts], list(counts.values()))
    merges: list[Merge] = []
    while len(vocabulary) < size and (best := index.most_frequent()):
        merges.append(best)
        index.merge(best, vocabulary.add(best))
    return merges


class _PairIndex:
    """Words as ids, how often each pair of neighbours occurs in them, and in which.

    The heap holds counts as they were when they last rose; one that has fallen since is put back at its place.
    """

    def __init__(self, spelled: list[list[int]], weights: list[int]) -> None:
        self.spelled, self.weights = spelled, weights
        self.pairs: Counter[Merge] = Counter()
        self.places: defaultdict[Merge, set[int]] = defaultdict(set)
        for i, ids in enumerate(spelled):
            for pair in pairwise(ids):
                self.pairs[pair] += weights[i]
                self.places[pair].add(i)
        self.heap = [(-count, pair) for pair, count in self.pairs.items()]
        heapq.heapify(self.heap)

    def most_frequent(self) -> Merge | None:
        """The most frequent pair, of several the one with the smallest ids; None where none occurs twice."""
        while self.heap:
            count, best = heapq.heappop(self.heap)
            now = self.pairs[best]
            if -count == now > 1:
                return best
            if now > 1:
                heapq.heappush(self.heap, (-now, best))
        return None

    def merge(self, best: Merge, merged: int) -> None:
        """Replace a pair by one id wherever it occurs."""
        risen: set[Merge] = set()
        for i in self.places.pop(best):
            old, weight = self.spelled[i], self.weights[i]
            new = self.spelled[i] = _merge(old, best, merged)
            for pair in pairwise(old):
                self.pairs[pair] -= weight
            for pair in pairwise(new):
                self.pairs[pair] += weight
                if merged in pair:
                    self.places[pair].add(i)
                    risen.add(pair)
        del self.pairs[best]
        for pair in risen:
            heapq.heappush(self.heap, (-self.pairs[pair], pair))


def _merge(ids: list[int], pair: Merge, merged: int) -> list[int]:
    """Every non-overlapping occurrence of the pair, from the left, as one id."""
    first, second = pair
    out, i, last = [], 0, len(ids) - 1
    while i <= last:
        if i < last and ids[i] == first and ids[i + 1] == second:
            out.append(merged)
            i += 2
        else:
            out.append(ids[i])
            i += 1
    return out


class _Vocabulary:
    """Byte strings by id while merges are learned; one that two merges make has one id."""

    def __init__(self) -> None:
        self.strings = [*(name.encode() for name in SPECIAL), *ALPHABET]
        self.ids = {string: i for i, string in enumerate(self.strings) if i >= len(SPECIAL)}

    def __len__(self) -> int:
        return len(self.strings)

    def spell(self, word: str) -> list[int]:
        """A word as the ids of its bytes."""
        return [self.ids[bytes([byte])] for byte in _encoded(word)]

    def add(self, pair: Merge) -> int:
        """The id of what the pair makes."""
        string = self.strings[pair[0]] + self.strings[pair[1]]
        if string not in self.ids:
            self.ids[string] = len(self.strings)
            self.strings.append(string)
        return self.ids[string]


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # a literal in somebody's source may hold half a pair


# -- use


@dataclass(frozen=True)
class Tokenizer:
    """Text to ids and back, by merges in the order in which they were learned.

    Ids: `<pad>` 0, `<begin>` 1, `<end>` 2, then 256 bytes, then what merges make.
    """

    merges: tuple[Merge, ...]

    @classmethod
    def train(cls, texts: Iterable[str], size: int) -> Tokenizer:
        """A tokenizer of at most `size` entries for texts like these."""
        return cls(tuple(learn_merges(count_words(texts), size)))

    @staticmethod
    def digest(counts: Mapping[str, int]) -> str:
        """What the merges depend on, in short."""
        lines = (f"{count} {word!r}" for word, count in sorted(counts.items()))
        return hashlib.blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()

    @property
    def size(self) -> int:
        """Entries of the vocabulary."""
        return len(self._vocabulary)

    @cached_property
    def _vocabulary(self) -> _Vocabulary:
        vocabulary = _Vocabulary()
        for pair in self.merges:
            vocabulary.add(pair)
        return vocabulary

    @cached_property
    def _ranks(self) -> dict[Merge, tuple[int, int]]:
        """(rank, id of the result) of each merge."""
        vocabulary = self._vocabulary
        return {pair: (rank, vocabulary.add(pair)) for rank, pair in enumerate(self.merges)}

    @cached_property
    def _known(self) -> dict[str, list[int]]:
        return {}

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without special ones."""
        known = self._known
        ids: list[int] = []
        for word in words_of(text):
            if word not in known:
                known[word] = self._encode_word(word)
            ids += known[word]
        return ids

    def _encode_word(self, word: str) -> list[int]:
        """Merge what was learned first, until nothing is left to merge."""
        ids, ranks = self._vocabulary.spell(word), self._ranks
        while len(ids) > 1:
            pair = min(pairwise(ids), key=lambda pair: ranks.get(pair, (len(ranks), 0)))
            if pair not in ranks:
                break
            ids = _merge(ids, pair, ranks[pair][1])
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids; special ones are left out, bytes that are no UTF-8 become �."""
        strings = self._vocabulary.strings
        content = b"".join(strings[i] for i in ids if i >= len(SPECIAL))
        try:
            return content.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return content.decode("utf-8", "replace")

    def label(self, token: int) -> str:
        """One token as it may stand beside a figure."""
        return SPECIAL[token] if token < len(SPECIAL) else self.decode([token])
