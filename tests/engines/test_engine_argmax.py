"""Argmax attention: the sheet's own figures, its gradients, and the variants that are drawn from it."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.argmax import argmax_attention, argmax_weights
from engines.attention import autograd_gradients, difference_quotients, scores, softmax_attention
from engines.fields import BadData, read
from engines.figures import Heatmap, Lines, Table
from engines.parameters.argmax import Argmax
from engines.registry import draw, execute
from engines.result import Result
from engines.run import Run

SEEDS = range(1, 401)


def result_of(params: Argmax) -> Result:
    return execute(params, Run(dtype=torch.float64))


@pytest.fixture(scope="module")
def published() -> Result:
    return result_of(Argmax())


@pytest.fixture(scope="module")
def variants() -> list[Argmax]:
    drawn = [draw("attention.argmax", seed) for seed in SEEDS]
    return [params for params in drawn if isinstance(params, Argmax)]


def test_the_published_question(published: Result) -> None:
    values = published.values
    assert values["scores"].tolist() == [3, 11, 5, 2]
    assert values["weights"].tolist() == [0, 1, 0, 0]
    assert values["output"].tolist() == [1, 4, 3]
    assert values["winner"] == 1
    assert values["margin"] == 6
    assert values["winning_key"].tolist() == [0, 3, 4]
    assert values["argmin_output"].tolist() == [1, 0, -1]
    assert values["mean_output"].tolist() == [1, 0.75, 1.75]
    assert values["trained"] == ["V"]


def test_softmax_beside_it(published: Result) -> None:
    exponents = [math.exp(score) for score in (3, 11, 5, 2)]
    weights = [x / sum(exponents) for x in exponents]
    assert published.values["softmax_weights"].flat() == pytest.approx(weights, rel=1e-12)
    output = [sum(w * v[i] for w, v in zip(weights, Argmax().values, strict=True)) for i in range(3)]
    assert published.values["softmax_output"].flat() == pytest.approx(output, rel=1e-12)
    assert [round(x, 3) for x in output] == [0.998, 3.986, 3.001]
    assert published.values["scaled_scores"].flat() == pytest.approx([s / math.sqrt(3) for s in (3, 11, 5, 2)])


def test_the_worked_solution_and_the_figures(published: Result) -> None:
    assert [step.name for step in published.trace] == ["scores", "weights", "output", "gradients"]
    assert "**11**" in published.trace[0].text
    assert "[0, 1, 0, 0]" in published.trace[1].text
    assert "[1, 4, 3]" in published.trace[2].text
    weights, gradients, jump = (published.figure(name) for name in ("weights", "gradients", "jump"))
    assert isinstance(weights, Heatmap)
    assert weights.matrix.tolist()[0] == [0, 1, 0, 0]
    assert isinstance(gradients, Table)
    assert [(row[0], row[1], row[2], row[4]) for row in gradients.rows] == [
        ("q", "0", "0", "no"),
        ("K", "0", "0", "no"),
        ("V", "1", "1", "yes"),
    ]
    assert isinstance(jump, Lines)
    hard = jump.series[0].y.flat()
    assert hard[0] != hard[-1]
    assert len(set(hard)) == 2  # flat, one jump, flat


@pytest.mark.parametrize("shape", [(), (5,), (2, 3)], ids=str)
@pytest.mark.parametrize("scale", [None, 1.0, 0.3])
def test_softmax_attention_is_torchs(shape: tuple[int, ...], scale: float | None) -> None:
    run = Run(dtype=torch.float64, seed=1)
    q, k, v = run.randn("q", *shape, 4, 8), run.randn("k", *shape, 6, 8), run.randn("v", *shape, 6, 3)
    want = F.scaled_dot_product_attention(q, k, v, scale=scale)
    assert torch.allclose(softmax_attention(q, k, v, scale), want, rtol=1e-12, atol=1e-12)


def test_shapes_of_a_single_query() -> None:
    run = Run(dtype=torch.float64)
    q, k, v = run.randn("q", 8), run.randn("k", 6, 8), run.randn("v", 6, 3)
    assert scores(q, k).tolist() == pytest.approx([float(torch.dot(q, key)) for key in k])
    assert torch.allclose(softmax_attention(q, k, v), softmax_attention(q[None], k, v)[0])
    assert torch.equal(argmax_attention(q, k, v), v[int((k @ q).argmax())])


def test_the_first_of_several_largest_wins() -> None:
    assert argmax_weights(torch.tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])).tolist() == [[0, 1, 0], [1, 0, 0]]


def small(size: int) -> st.SearchStrategy[torch.Tensor]:
    whole = st.lists(st.integers(-4, 4), min_size=size, max_size=size)
    return whole.map(lambda numbers: torch.tensor(numbers, dtype=torch.float64))


@settings(max_examples=100, deadline=None)
@given(small(3), small(15), small(10))
def test_hard_attention_is_the_cold_limit_of_softmax(q: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> None:
    k, v = keys.reshape(5, 3), values.reshape(5, 2)
    top = (k @ q).topk(2).values
    if top[0] == top[1]:
        return
    cold = softmax_attention(q, k, v, scale=200.0)
    assert torch.allclose(argmax_attention(q, k, v), cold, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(small(3), small(15), small(10))
def test_only_the_winning_value_gets_a_gradient(q: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> None:
    k, v = keys.reshape(5, 3), values.reshape(5, 2)
    found = (k @ q).topk(2)
    if found.values[0] - found.values[1] < 1:
        return
    inputs = {"q": q, "K": k, "V": v}
    exact = autograd_gradients(argmax_attention, inputs)
    numeric = difference_quotients(argmax_attention, inputs, 1e-3)
    for gradients in (exact, numeric):
        assert not gradients["q"].any()
        assert not gradients["K"].any()
    want = torch.zeros_like(v)
    want[found.indices[0]] = 1
    assert torch.equal(exact["V"], want)
    assert torch.allclose(numeric["V"], want, atol=1e-9)


def test_gradients_of_softmax_attention_agree_with_differences() -> None:
    run = Run(dtype=torch.float64)
    inputs = {"q": run.randn("q", 3), "K": run.randn("k", 4, 3), "V": run.randn("v", 4, 2)}
    found = autograd_gradients(softmax_attention, inputs)
    step = 1e-6
    for name, tensor in inputs.items():
        for index in product(*map(range, tensor.shape)):
            ends = []
            for sign in (1, -1):
                moved = {key: value.clone() for key, value in inputs.items()}
                moved[name][index] += sign * step
                ends.append(float(softmax_attention(moved["q"], moved["K"], moved["V"]).sum()))
            assert float(found[name][index]) == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=1e-8)


def test_inputs_are_left_alone_and_may_be_views() -> None:
    k, v = torch.arange(12.0).reshape(3, 4).T, torch.arange(8.0).reshape(2, 4).T
    q = torch.tensor([1.0, 0.0, -1.0])
    before = [tensor.clone() for tensor in (q, k, v)]
    difference_quotients(argmax_attention, {"q": q, "K": k, "V": v}, 1e-3)
    autograd_gradients(argmax_attention, {"q": q, "K": k, "V": v})
    assert all(torch.equal(a, b) for a, b in zip((q, k, v), before, strict=True))


def test_a_tie_is_refused_with_a_mend() -> None:
    params = Argmax(keys=((1.0, 0.0), (1.0, 0.0)), values=((1.0,), (2.0,)), query=(1.0, 1.0))
    with pytest.raises(ValueError, match="change a key or q"):
        result_of(params)


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        ({"query": [1, 1]}, 4),
        ({"values": [[1, 2], [1], [1, 2], [1, 2]]}, 1),
        ({"values": [[1], [2]]}, 1),
        ({"keys": [[1, 2, 3]]}, 1),
        ({"query": []}, 1),
        ({"values": [[], [], [], []]}, 4),
        ({"query": [1, 1, 1e7]}, 1),
    ],
)
def test_parameters_that_do_not_fit_together(change: dict[str, object], faults: int) -> None:
    with pytest.raises(BadData) as caught:
        read(Argmax, change)
    assert len(caught.value.faults) == faults
    assert all(fault.path for fault in caught.value.faults)


# -- variants, all worked out here again from their data alone


def products(params: Argmax) -> list[float]:
    return [sum(a * b for a, b in zip(params.query, key, strict=True)) for key in params.keys]


def test_a_variant_has_one_clear_winner(variants: list[Argmax]) -> None:
    for params in variants:
        first, second, *_ = sorted(products(params), reverse=True)
        assert first - second >= 2
        assert 3 <= len(params.keys) <= 6
        assert 2 <= len(params.query) <= 5
        assert len(set(params.values)) == len(params.values)
        numbers = [*params.query, *(x for row in (*params.keys, *params.values) for x in row)]
        assert all(x == int(x) and abs(x) <= 5 for x in numbers)


def test_the_winner_may_be_anywhere(variants: list[Argmax]) -> None:
    """Its place is uniform: within four standard deviations of a fair draw, for every number of keys."""
    for count in range(3, 7):
        places = [products(p).index(max(products(p))) for p in variants if len(p.keys) == count]
        assert len(places) > 50
        spread = math.sqrt(len(places) * (1 / count) * (1 - 1 / count))
        for place in range(count):
            assert abs(places.count(place) - len(places) / count) < 4 * spread


def test_the_winner_is_not_given_away_by_its_length(variants: list[Argmax]) -> None:
    """With entries of both signs the longest key wins in about half of the variants, and not in nearly all."""
    longest = 0
    for params in variants:
        lengths = [sum(x * x for x in key) for key in params.keys]
        longest += lengths[products(params).index(max(products(params)))] == max(lengths)
    assert 0.25 < longest / len(variants) < 0.65


def test_the_usual_slips_land_elsewhere(variants: list[Argmax]) -> None:
    for params in variants[:150]:
        values = result_of(params).values
        output = values["output"].flat()
        for slip in ("softmax_output", "argmin_output", "mean_output", "winning_key"):
            got = values[slip].flat()
            assert len(got) != len(output) or max(abs(a - b) for a, b in zip(got, output, strict=True)) > 1e-8
        assert values["trained"] == ["V"]
