"""The toy language by its grammar, and the transformer that learns it."""

from __future__ import annotations

import math

import pytest
import torch

from engines.counting import Watch
from engines.decoding_model import sentence_loss
from engines.fields import BadData, read
from engines.language_models import score
from engines.parameters.decoding_model import POSITIONS, Decoded
from engines.registry import execute
from engines.result import Result
from engines.run import Run
from engines.search import beam_search, greedy_search
from engines.toy_language import ToyLanguage
from engines.transformer import Config, Decoder, initialise

LANGUAGE = ToyLanguage.make()


def log_prob(text: str) -> float:
    ids = [LANGUAGE.words.index(word) for word in text.split()]
    return float(score(LANGUAGE.automaton, torch.tensor([ids]), torch.tensor([len(ids)])))


def test_the_words_of_the_language() -> None:
    assert LANGUAGE.words[0] == "(start)"
    assert LANGUAGE.words[LANGUAGE.end] == "."
    assert len(set(LANGUAGE.words)) == len(LANGUAGE.words) == 23
    assert LANGUAGE.automaton.log_probs.exp().sum(1).tolist() == pytest.approx(
        [1.0] * len(LANGUAGE.automaton.log_probs)
    )


@pytest.mark.parametrize(
    ("text", "probability"),
    [
        ("it rains .", 0.3 * 0.7),
        ("the cat sleeps .", 0.7 * 0.6 / 6 * 0.75 / 4),
        ("the old small cat sleeps .", 0.7 * 0.2 * 0.2 / 6 * 0.75 / 4),
        ("the cat near the dogs sees the birds .", 0.7 * 0.6 / 6 * 0.25 / 6 / 4 / 6),
        ("the cat near the dogs see the birds .", 0.0),  # the cat sees
        ("the cat sees .", 0.0),
        ("it sleeps .", 0.0),
        ("the old old old cat sleeps .", 0.0),
    ],
)
def test_probabilities_of_sentences(text: str, probability: float) -> None:
    assert math.exp(log_prob(text)) == pytest.approx(probability)


def test_drawn_sentences_are_of_the_language_and_end() -> None:
    tokens, lengths = LANGUAGE.sentences(2000, torch.Generator().manual_seed(0))
    assert tokens.shape == (2000, ToyLanguage.LONGEST)
    assert bool((score(LANGUAGE.automaton, tokens, lengths) > -math.inf).all())
    assert tokens.gather(1, (lengths - 1).unsqueeze(1)).unique().tolist() == [LANGUAGE.end]
    weather = (tokens[:, 0] == LANGUAGE.words.index("it")).double().mean()
    assert float(weather) == pytest.approx(0.3, abs=5 * (0.3 * 0.7 / 2000) ** 0.5)


def test_the_likeliest_sentence_is_not_the_one_that_begins_with_the_likeliest_word() -> None:
    best = beam_search(LANGUAGE.automaton, ToyLanguage.LONGEST, 500, eos=LANGUAGE.end)
    assert LANGUAGE.text(best.tokens()) == "it rains ."
    greedy = greedy_search(LANGUAGE.automaton, ToyLanguage.LONGEST, eos=LANGUAGE.end)
    assert LANGUAGE.text(greedy.tokens()).startswith("the old")
    assert int(best.lengths.max()) <= ToyLanguage.LONGEST
    total = best.log_probs[best.log_probs > -math.inf].exp().sum()
    assert 0.5 < float(total) <= 1 + 1e-9


@torch.no_grad()
def test_the_loss_of_a_sentence_is_minus_its_log_probability() -> None:
    model = Decoder(Config(vocab_size=23, d_model=16, n_heads=2, n_layers=1, d_ff=16, max_length=POSITIONS)).eval()
    initialise(model, Run(dtype=torch.float64))
    tokens, lengths = LANGUAGE.sentences(5, torch.Generator().manual_seed(1))
    totals = []
    for ids, length in zip(tokens.tolist(), lengths.tolist(), strict=True):
        logits = model(torch.tensor([[0, *ids[: length - 1]]]))[0].log_softmax(-1)
        totals.append(-sum(float(logits[i, token]) for i, token in enumerate(ids[:length])))
    assert float(sentence_loss(model, tokens, lengths)) == pytest.approx(sum(totals) / 5)


@pytest.fixture(scope="module")
def trained() -> Result:
    return execute(Decoded(steps=150, samples=60), Run(seed=3))


def test_it_learns_the_language_and_every_strategy_says_what_it_should(trained: Result) -> None:
    values = trained.values
    assert values["floor"] < values["loss"] < values["floor"] + 0.5
    assert values["best"] == ["it", "rains", "."]
    assert values["greedy"][0] == "the"
    assert values["greedy_log_prob"] < values["beam_log_probs"][-1] <= values["best_log_prob"] + 1e-5
    assert values["best_log_prob"] == pytest.approx(math.log(0.21), abs=0.3)
    by_name = dict(zip(values["strategies"], values["distinct"], strict=True))
    assert (by_name["greedy"], by_name["beam 8"]) == (1, 8)
    assert by_name["sampling"] > 20
    shares = dict(zip(values["strategies"], values["grammatical"], strict=True))
    assert shares["sampling"] > 0.6
    assert shares["top-p 0.8"] >= shares["sampling"]
    assert values["penalised_lengths"] == sorted(values["penalised_lengths"])


def test_a_temperature_works_word_by_word(trained: Result) -> None:
    """Colder, the likely first word is more frequent: .7² / (.7² + .3²) = .84 instead of .70."""
    share = dict(zip(trained.values["strategies"], trained.values["begin_as_greedy"], strict=True))
    assert share["sampling"] == pytest.approx(0.70, abs=0.25)
    assert share["T = 0.5"] == pytest.approx(0.84, abs=0.2)
    assert share["T = 0.5"] > share["sampling"]


def test_the_heads_must_divide_the_width() -> None:
    with pytest.raises(BadData, match="does not divide"):
        read(Decoded, {"d_model": 32, "n_heads": 3})


def test_no_large_run_takes_more_than_it_announces() -> None:
    params = Decoded(steps=1, batch_size=256, d_model=128, n_layers=2, samples=200, beam_sizes=(2,), penalties=(0.0,))
    with Watch() as watch:
        execute(params, Run())
    assert watch.peak_bytes <= params.peak_bytes(4)
