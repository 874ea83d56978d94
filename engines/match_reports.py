"""Match reports and their summaries, drawn at random: a task on which a small model learns to summarise.

A report is a few sentences in any order. Each fact has several wordings, some of which name things in the opposite
order, and there are sentences that must be passed over although they speak of clubs and players too. The summary
copies the facts in one fixed form, so that whether it is right can be decided.
"""

from __future__ import annotations

import random
from dataclasses import dataclass


def _listed(names: str) -> tuple[str, ...]:
    return tuple(names.split())


CLUBS = _listed(
    "arden bexley carmel dorval elmira farley galway harlow irvine jarrow kelso lorne merton nairn olney penrith "
    "quorn ripley selby tarbert upton varna wexford yarrow"
)
CITIES = _listed(
    "albany bergen calais dresden essen ghent hobart izmir jena kyoto leeds malmo nantes oviedo porto quito reims "
    "siena turin utrecht verona vigo york zagreb"
)
PLAYERS = _listed(
    "adler brandt castro duval eriksen fuchs garner huber ibarra jansen keller lopez meyer novak okafor petit quinn "
    "rossi silva torres ueda vogel weber zola"
)
GOALS = [str(n) for n in range(1, 10)]

RESULT = (
    "{winner} beat {loser} at home",
    "{loser} lost to {winner} last night",
    "{winner} won against {loser}",
    "{loser} had no chance against {winner}",
)
SCORE = ("the match ended {high} to {low}", "it was {low} against {high} in the end", "{high} goals met {low}")
PLACE = ("they met in {city}", "{city} saw the match", "the stadium of {city} was full")
HERO = ("{hero} scored the last goal", "the last goal came from {hero}", "nobody could stop {hero}")
DISTRACTIONS = (
    "{player} was hurt",
    "{club} will visit {city} next week",
    "{player} was sent off",
    "{club} looked on from afar",
    "the rain fell for hours",
    "{player} may move to {club}",
)
FORM = "{winner} beat {loser} {high} to {low} in {city} thanks to {hero}"
FACTS = ("winner", "loser", "high", "low", "city", "hero")


@dataclass(frozen=True)
class Report:
    """A report and its summary as words; `facts` are the words that a summary copies."""

    text: tuple[str, ...]
    summary: tuple[str, ...]
    facts: dict[str, str]


def draw_report(rng: random.Random, distractions: int = 2) -> Report:
    """A report of four facts' sentences and so many that are beside the point, in any order."""
    winner, loser, *clubs = rng.sample(CLUBS, 2 + distractions)
    hero, *players = rng.sample(PLAYERS, 1 + distractions)
    city, *cities = rng.sample(CITIES, 1 + distractions)
    low, high = sorted(rng.sample(GOALS, 2))
    facts = {"winner": winner, "loser": loser, "high": high, "low": low, "city": city, "hero": hero}
    sentences = [rng.choice(wordings).format(**facts) for wordings in (RESULT, SCORE, PLACE, HERO)]
    for club, player, elsewhere in zip(clubs, players, cities, strict=True):
        sentences.append(rng.choice(DISTRACTIONS).format(club=club, player=player, city=elsewhere))
    rng.shuffle(sentences)
    return Report(_listed(f"{' . '.join(sentences)} ."), _listed(FORM.format(**facts)), facts)


def vocabulary() -> list[str]:
    """Every word of reports and summaries, in alphabetical order."""
    templates = (*RESULT, *SCORE, *PLACE, *HERO, *DISTRACTIONS, FORM)
    fixed = {word for template in templates for word in template.split() if not word.startswith("{")}
    return sorted({".", *fixed, *CLUBS, *CITIES, *PLAYERS, *GOALS})
