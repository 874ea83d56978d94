"""A toy language in which a verb agrees with its subject across a noun that stands in between.

    [CLS] the dog near the cars sees some tree [SEP]

The number of the verb follows the first noun, whatever the second one is: a model that has learned this has to look
back past the nearer noun.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

CLS, SEP, MASK = 0, 1, 2
DETERMINERS = ("the", "some")
PREPOSITIONS = ("near", "behind")
SINGULAR, PLURAL = ("dog", "cat", "car", "bird", "tree"), ("dogs", "cats", "cars", "birds", "trees")
VERB_SINGULAR, VERB_PLURAL = ("sees", "likes", "hits", "finds", "moves"), ("see", "like", "hit", "find", "move")
WORDS = (
    "[CLS]",
    "[SEP]",
    "[MASK]",
    *DETERMINERS,
    *PREPOSITIONS,
    *SINGULAR,
    *PLURAL,
    *VERB_SINGULAR,
    *VERB_PLURAL,
)
VOCABULARY = {word: i for i, word in enumerate(WORDS)}
LENGTH = 10  # [CLS] det noun prep det noun verb det noun [SEP]
SUBJECT, DISTRACTOR = 2, 5

_DET, _PREP = VOCABULARY["the"], VOCABULARY["near"]
_NOUN, _VERB = VOCABULARY["dog"], VOCABULARY["sees"]
_KINDS = len(SINGULAR)


@dataclass(frozen=True)
class Sentences:
    """Tokens `(count, 10)`, short ones ending in more [SEP]; places of the verbs `(count,)`; and `(count,)` booleans.

    `plural` is the number of subject and verb, `between` whether a noun stands between them, `misleading` whether that
    noun has the other number.
    """

    tokens: Tensor
    verb: Tensor
    plural: Tensor
    between: Tensor
    misleading: Tensor

    def to(self, device: torch.device) -> Sentences:
        """The same on a device."""
        return Sentences(*(tensor.to(device) for tensor in vars(self).values()))

    def only(self, kept: Tensor) -> Sentences:
        """Those where `kept (count,)` is true."""
        return Sentences(*(tensor[kept] for tensor in vars(self).values()))


def sentences(generator: torch.Generator, count: int, *, between: float = 0.7) -> Sentences:
    """Random sentences; a share `between` of them has a prepositional phrase between subject and verb."""

    def pick(first: int, how_many: int) -> Tensor:
        return first + torch.randint(how_many, (count,), generator=generator)

    def coin(p: float) -> Tensor:
        return torch.rand(count, generator=generator) < p

    plural, other, has = coin(0.5), coin(0.5), coin(between)
    subject = pick(_NOUN, _KINDS) + _KINDS * plural
    distractor = pick(_NOUN, _KINDS) + _KINDS * other
    verb = pick(_VERB, _KINDS) + _KINDS * plural
    det = [pick(_DET, len(DETERMINERS)) for _ in range(3)]
    prep, object_ = pick(_PREP, len(PREPOSITIONS)), pick(_NOUN, 2 * _KINDS)
    cls, sep = torch.full((count,), CLS), torch.full((count,), SEP)
    long = torch.stack([cls, det[0], subject, prep, det[1], distractor, verb, det[2], object_, sep], 1)
    short = torch.stack([cls, det[0], subject, verb, det[2], object_, sep, sep, sep, sep], 1)
    return Sentences(
        torch.where(has.unsqueeze(1), long, short), torch.where(has, 6, 3), plural, has, has & (other != plural)
    )


def plural_margin(logits: Tensor) -> Tensor:
    """How much more the plural verbs get than the singular ones, in log-probability: `(…, vocabulary)` → `(…,)`."""
    singular, plural = logits[..., _VERB : _VERB + _KINDS], logits[..., _VERB + _KINDS : _VERB + 2 * _KINDS]
    return plural.logsumexp(-1) - singular.logsumexp(-1)


def read_text(text: str) -> Tensor:
    """Tokens of a text in the words of the language, with [CLS] before and [SEP] behind it: `(n,)`.

    Raises:
        ValueError: naming the first word that the language has not, with the ones that it has.
    """
    ids = []
    for word in text.split():
        if word not in VOCABULARY:
            raise ValueError(f"the toy language has no word '{word}': it has {', '.join(WORDS[3:])}")
        ids.append(VOCABULARY[word])
    return torch.tensor([CLS, *ids, SEP])
