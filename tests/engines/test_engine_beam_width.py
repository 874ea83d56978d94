"""How often beams find the optimum: counted again from the models themselves."""

from __future__ import annotations

import pytest
import torch

from engines.beam_width import random_trees
from engines.counting import Watch
from engines.fields import BadData, read
from engines.parameters.beam_width import Width
from engines.registry import execute
from engines.run import Run
from engines.search import beam_search, exhaustive_search


def test_shares_and_losses_are_counted_right() -> None:
    params = Width(models=50, vocabulary=3, length=5, beam_sizes=(4, 1, 2))
    values = execute(params, Run(dtype=torch.float64, seed=2)).values
    model = random_trees(Run(dtype=torch.float64, seed=2), "logits 0", 50, 3, 5, 1.0)
    best = exhaustive_search(model, 5).log_probs[:, 0]
    assert values["beam_sizes"] == [1, 2, 4]
    for size, share, loss in zip((1, 2, 4), values["shares"], values["losses"], strict=True):
        lost = best - beam_search(model, 5, size).log_probs[:, 0]
        assert bool((lost >= 0).all())
        assert share == pytest.approx(float((lost == 0).double().mean()))
        assert loss == pytest.approx(float(lost.mean()))
    assert (values["greedy_share"], values["greedy_loss"]) == (values["shares"][0], values["losses"][0])
    assert values["shares"] == sorted(values["shares"])
    assert values["model_steps"] == [5, 9, 17]


def test_the_wide_beam_has_the_exhaustive_top_ten_on_every_model() -> None:
    for vocabulary, length in ((6, 5), (4, 6), (2, 7)):
        values = execute(Width(models=60, vocabulary=vocabulary, length=length), Run(dtype=torch.float64)).values
        assert values["enough"] == vocabulary ** (length - 1)
        assert values["wide_equals_exhaustive"] == values["models"] == 60


def test_a_beam_beats_as_many_samples() -> None:
    values = execute(Width(models=100), Run(dtype=torch.float64)).values
    assert all(beam > sampled for beam, sampled in zip(values["shares"], values["sampled_shares"], strict=True))
    assert all(beam < sampled for beam, sampled in zip(values["losses"], values["sampled_losses"], strict=True))
    assert values["shares"][-1] > 0.95
    assert values["shares"][0] < 0.6


def test_without_greedy_search_nothing_is_said_of_it() -> None:
    values = execute(Width(models=3, vocabulary=2, length=3, beam_sizes=(2,)), Run(dtype=torch.float64)).values
    assert values["greedy_share"] is None
    assert values["worse_when_wider"] == []


@pytest.mark.parametrize(("vocabulary", "length"), [(2, 12), (6, 5), (32, 2)])
def test_no_large_run_takes_more_than_it_announces(vocabulary: int, length: int) -> None:
    params = Width(models=2000, vocabulary=vocabulary, length=length, beam_sizes=(64,))
    params = Width(models=params.together, vocabulary=vocabulary, length=length, beam_sizes=(64,))
    with Watch() as watch:
        execute(params, Run(dtype=torch.float64))
    assert watch.peak_bytes <= params.peak_bytes(8)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"vocabulary": 10, "length": 6}, r"10\^6 sequences"),
        ({"beam_sizes": [2, 2]}, "twice"),
        ({"beam_sizes": [0]}, "beam_sizes"),
    ],
)
def test_what_is_too_much(data: dict[str, object], message: str) -> None:
    with pytest.raises(BadData, match=message):
        read(Width, data)
