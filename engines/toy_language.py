"""A small language whose probabilities are known: weather in three words, and animals whose verbs agree with them.

"it rains ." is the most likely sentence by far; yet most sentences begin with "the", because there are many of those,
each unlikely. A verb agrees in number with the head of its subject, over whatever stands between them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from engines.ancestral_sampling import sample
from engines.language_models import Automaton

START, END = "(start)", "."
_NOUNS = (("cat", "dog", "bird"), ("cats", "dogs", "birds"))
_INTRANSITIVE = (("sleeps", "sings"), ("sleep", "sing"))
_TRANSITIVE = (("sees", "follows"), ("see", "follow"))
_ADJECTIVES = ("old", "small")

# A state of the grammar: where in the sentence, and a number: of adjectives so far, or singular 0 and plural 1.
_Place = tuple[str, int]


def _choices(place: _Place) -> list[tuple[str, float, _Place]]:
    """What may follow: word, probability, and the state after it."""
    where, number = place
    if where == "start":
        return [("it", 0.3, ("weather", 0)), ("the", 0.7, ("subject", 0))]
    if where == "weather":
        return [("rains", 0.7, ("end", 0)), ("snows", 0.3, ("end", 0))]
    if where == "subject":
        more = number < 2
        adjectives = [(word, 0.2, ("subject", number + 1)) for word in _ADJECTIVES if more]
        return adjectives + _nouns(0.6 if more else 1.0, "head")
    if where == "head":
        return [("near", 0.25, ("near", number)), *_verbs(0.75, number)]
    if where == "near":
        return [("the", 1.0, ("neighbour", number))]
    if where == "neighbour":
        return [(word, 1 / 6, ("verb", number)) for words in _NOUNS for word in words]
    if where == "verb":
        return _verbs(1.0, number)
    if where == "object":
        return [("the", 1.0, ("object noun", 0))]
    if where == "object noun":
        return [(word, p, ("end", 0)) for word, p, _ in _nouns(1.0, "end")]
    return [(END, 1.0, ("end", 0))]


def _nouns(p: float, then: str) -> list[tuple[str, float, _Place]]:
    return [(word, p / 6, (then, number)) for number, words in enumerate(_NOUNS) for word in words]


def _verbs(p: float, number: int) -> list[tuple[str, float, _Place]]:
    alone = [(word, p / 4, ("end", 0)) for word in _INTRANSITIVE[number]]
    return alone + [(word, p / 4, ("object", 0)) for word in _TRANSITIVE[number]]


@dataclass(frozen=True)
class ToyLanguage:
    """The grammar as an automaton over `words`; the first word stands before every sentence, the last one ends it."""

    words: tuple[str, ...]
    automaton: Automaton

    # The longest sentence: the old small cat near the dogs sees the birds .
    LONGEST = 11

    @classmethod
    def make(cls, device: torch.device | str = "cpu") -> ToyLanguage:
        """In float64."""
        places = _reachable()
        said = dict.fromkeys(word for place in places for word, _, _ in _choices(place) if word != END)
        words = (START, *said, END)
        log_probs = torch.full((len(places), len(words)), -math.inf, dtype=torch.float64)
        following = torch.zeros(log_probs.shape, dtype=torch.long)
        for i, place in enumerate(places):
            for word, p, then in _choices(place):
                log_probs[i, words.index(word)] = math.log(p)
                following[i, words.index(word)] = places.index(then)
        return cls(words, Automaton(log_probs.to(device), following.to(device)))

    @property
    def end(self) -> int:
        """The token that ends a sentence."""
        return len(self.words) - 1

    def sentences(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Drawn sentences `(count, LONGEST)`, filled up with the end token, and their lengths `(count,)`."""
        drawn = sample(self.automaton, self.LONGEST, count, generator, eos=self.end)
        tokens = drawn.sequences[0]
        padded = torch.nn.functional.pad(tokens, (0, self.LONGEST - tokens.shape[1]), value=self.end)
        return padded, drawn.lengths[0]

    def text(self, tokens: list[int]) -> str:
        """Words with blanks between them."""
        return " ".join(self.words[i] for i in tokens)


def _reachable() -> list[_Place]:
    """All states, the start first, in the order in which they are met."""
    places: list[_Place] = [("start", 0)]
    for place in places:  # grows as it is gone through
        for _, _, then in _choices(place):
            if then not in places:
                places.append(then)
    return places
