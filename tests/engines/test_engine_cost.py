"""Kernel attention and what attention costs: features, exact counts, and fits that refuse what is no polynomial."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from engines.attention import softmax_attention
from engines.attention_costs import (
    convolution_layer,
    memory_parts,
    part_operations,
    polynomials,
    recurrent_layer,
)
from engines.attention_forms import FORMS, local_attention, low_rank_attention, multi_head_attention
from engines.complexity import Polynomial, cost_at
from engines.counting import (
    Watch,
    break_even,
    count,
    crossover,
    evaluate,
    fit_polynomial,
    leading_terms,
    show_class,
    slope,
)
from engines.fields import BadData, read
from engines.figures import Lines, Table
from engines.kernel_attention import (
    kernel_attention,
    polynomial_features,
    quadratic_kernel_attention,
    recomputing_kernel_attention,
)
from engines.parameters.attention_costs import SIZES, Forms, Recurrent, Shares
from engines.parameters.complexity import AttentionCost
from engines.registry import draw, execute
from engines.result import Result
from engines.run import Run


def random(name: str, *shape: int) -> Tensor:
    return Run(dtype=torch.float64, seed=5).randn(name, *shape)


def inputs(n: int, length: int, d: int, m: int) -> tuple[Tensor, Tensor, Tensor]:
    """Of positive entries, so that no sum of kernels is near zero."""
    return random("q", n, d).abs(), random("k", length, d).abs(), random("v", length, m)


# -- the feature map


@pytest.mark.parametrize("degree", [1, 2, 3])
@pytest.mark.parametrize("d", [1, 2, 3, 8, 16])
def test_the_feature_map_multiplies_out_the_kernel(d: int, degree: int) -> None:
    if degree == 3 and d == 16:
        d = 7  # 816 features are enough
    q, k = random("q", 9, d), random("k", 11, d)
    fq, fk = polynomial_features(q, degree), polynomial_features(k, degree)
    want = ((q.unsqueeze(1) * k.unsqueeze(0)).sum(-1) + 1) ** degree
    assert torch.allclose(fq @ fk.T, want, rtol=1e-11, atol=1e-11)
    sizes = {1: d + 1, 2: (d + 1) * (d + 2) // 2, 3: (d + 1) * (d + 2) * (d + 3) // 6}
    assert fq.shape == (9, sizes[degree])


def test_the_quadratic_features_are_the_sheets() -> None:
    x, y = 0.7, -1.3
    found = sorted(polynomial_features(torch.tensor([[x, y]], dtype=torch.float64)).flatten().tolist())
    root = math.sqrt(2)
    assert found == pytest.approx(sorted([1, root * x, root * y, x * x, y * y, root * x * y]))


# -- kernel attention in three forms


@pytest.mark.parametrize("degree", [1, 2, 3])
@pytest.mark.parametrize(("n", "length", "d", "m"), [(5, 7, 3, 2), (1, 1, 1, 1), (130, 70, 2, 4), (64, 129, 2, 1)])
def test_three_forms_of_one_attention(n: int, length: int, d: int, m: int, degree: int) -> None:
    q, k, v = inputs(n, length, d, m)
    weights = torch.tensor([[(float(a @ b) + 1) ** degree for b in k] for a in q], dtype=torch.float64)
    want = weights @ v / weights.sum(1, keepdim=True)
    for form in (kernel_attention, quadratic_kernel_attention, recomputing_kernel_attention):
        assert torch.allclose(form(q, k, v, degree), want, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_gradients_of_the_recomputing_form(degree: int) -> None:
    q, k, v = inputs(70, 66, 2, 3)  # more than a block of each
    weights = random("w", 70, 3)
    found = []
    for form in (quadratic_kernel_attention, recomputing_kernel_attention):
        a, b, c = (tensor.clone().requires_grad_() for tensor in (q, k, v))
        found.append(torch.autograd.grad((form(a, b, c, degree) * weights).sum(), (a, b, c)))
    for want, got in zip(*found, strict=True):
        assert torch.allclose(got, want, rtol=1e-9, atol=1e-10)


def test_gradients_agree_with_differences() -> None:
    small = [tensor.requires_grad_() for tensor in inputs(3, 4, 2, 2)]
    assert torch.autograd.gradcheck(lambda q, k, v: recomputing_kernel_attention(q, k, v, 2), small)


# -- counting


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("n", "d", "m"), [(256, 16, 16), (64, 16, 16), (32, 8, 4), (5, 3, 2), (7, 1, 1)])
def test_softmax_attention_is_counted_to_the_unit(n: int, d: int, m: int, dtype: torch.dtype) -> None:
    cost = cost_at(softmax_attention, (n, d, m), Run(dtype=dtype))
    assert cost.operations == n * n * d + n * n * m + 2 * n * n
    assert cost.kept == n * n + 2 * n * d + 2 * n * m
    size = torch.empty((), dtype=dtype).element_size()
    assert cost.peak_bytes >= size * cost.kept


def test_what_autograd_itself_keeps_is_what_is_counted() -> None:
    """Inputs and weights are saved, each storage once: 77 824 numbers at N = 256. The output is there besides."""
    n, d, m = 256, 16, 16
    saved: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        saved[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    q, k, v = (tensor.requires_grad_() for tensor in inputs(n, n, d, m))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = softmax_attention(q, k, v)
    assert sum(tensor.numel() for tensor in saved.values()) == n * n + 2 * n * d + n * m == 77_824
    assert count(softmax_attention, q, k, v).kept == 77_824 + output.numel()


def test_single_operations() -> None:
    a, b, c = random("a", 4, 5), random("b", 5, 6), random("c", 4, 6)
    assert count(lambda x, y: x @ y, a, b).operations == 4 * 5 * 6
    assert count(lambda x: x.T, a).operations == 0
    assert count(lambda x: x.reshape(2, 10), a).operations == 0
    assert count(lambda x: x.exp(), a).operations == 20
    assert count(lambda x: x.sum(), a).operations == 20
    assert count(lambda x: x.sum(0), a).operations == 20
    assert count(torch.addmm, c, a, b).operations == 4 * 5 * 6
    assert count(lambda x, y: torch.bmm(x[None], y[None])[0], a, b).operations == 4 * 5 * 6
    assert count(lambda x, y: x @ y, a, b[:, 0]).operations == 4 * 5


def test_a_storage_is_kept_once() -> None:
    a = random("a", 4, 5)
    assert count(lambda x: x * x, a).kept == 20 + 20
    assert count(lambda x: x.T * 2, a).kept == 20 + 20  # the factor 2 needs nothing
    assert count(lambda x: x.exp(), a).kept == 20 + 20  # its output is what it keeps


def test_the_peak_holds_what_is_alive_at_once() -> None:
    a = random("a", 100)

    def one_after_another(x: Tensor) -> Tensor:
        with torch.no_grad():
            for _ in range(5):
                x = x + 1
        return x

    assert count(one_after_another, a).peak_bytes == 3 * 100 * 8  # the input, one old and one new
    assert count(lambda x: x + (x + 1) + (x + 2), a).peak_bytes >= 4 * 100 * 8


# -- fitting


coefficients = st.dictionaries(
    st.tuples(st.integers(0, 2), st.integers(0, 3)),
    st.fractions(-5, 5, max_denominator=6).filter(bool),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(coefficients)
def test_a_polynomial_is_found_exactly(polynomial: dict[tuple[int, ...], Fraction]) -> None:
    def scaled(sizes: tuple[int, ...]) -> int:
        value = 60 * sum(c * Fraction(sizes[0]) ** e[0] * sizes[1] ** e[1] for e, c in polynomial.items())
        return int(value)

    assert fit_polynomial(scaled, (2, 3)) == {e: 60 * c for e, c in polynomial.items()}


@pytest.mark.parametrize(
    "measure",
    [
        lambda sizes: 2 ** sizes[0],
        lambda sizes: sizes[0] ** 3,
        lambda sizes: math.ceil(math.log2(sizes[0])),
        lambda sizes: sizes[0] // 2,
        lambda sizes: max(sizes[0], 5),
        lambda sizes: 1 if sizes[0] > 5 else 0,
    ],
)
def test_what_is_no_polynomial_is_refused(measure: Any) -> None:
    with pytest.raises(ValueError, match="no polynomial"):
        fit_polynomial(measure, (2,))


def test_leading_terms_and_classes() -> None:
    polynomial: Polynomial = {
        (2, 1, 0): Fraction(1),
        (2, 0, 1): Fraction(3),
        (2, 0, 0): Fraction(2),
        (1, 1, 1): Fraction(-1),
    }
    assert evaluate(polynomial, (2, 3, 5)) == 4 * 3 + 3 * 4 * 5 + 2 * 4 - 2 * 3 * 5
    assert leading_terms({(2, 1): Fraction(1), (2, 0): Fraction(2), (0, 2): Fraction(1)}) == [(2, 1), (0, 2)]
    assert show_class({(2, 1, 0): Fraction(1), (2, 0, 1): Fraction(3), (1, 0, 0): Fraction(9)}, ("N", "D", "M")) == (
        "N^2*D + N^2*M"
    )
    assert show_class({(0,): Fraction(7)}, ("N",)) == "1"
    with pytest.raises(ValueError, match="negative"):
        leading_terms({(2,): Fraction(-1), (1,): Fraction(5)})


@settings(max_examples=40, deadline=None)
@given(st.floats(-3, 3), st.floats(0.1, 10))
def test_the_slope_of_a_power(exponent: float, factor: float) -> None:
    x = [2.0, 5.0, 9.0, 30.0]
    assert slope(x, [factor * value**exponent for value in x]) == pytest.approx(exponent, abs=1e-9)


# -- the experiment


@pytest.fixture(scope="module")
def published() -> Result:
    return execute(AttentionCost(longest=256), Run())


def test_the_published_classes(published: Result) -> None:
    values = published.values
    assert values["softmax_time"] == "N^2*D + N^2*M"
    assert set(values["softmax_space"].split(" + ")) == {"N^2", "N*D", "N*M"}
    assert values["linear_time"] == "N*D^2*M"
    assert set(values["linear_space"].split(" + ")) == {"N*D", "N*M", "D^2*M"}
    assert set(values["linear_space_kept"].split(" + ")) == {"N*D^2", "N*M", "D^2*M"}
    assert values["letters"] == ["N", "D", "M"]


def test_the_polynomial_is_shown_with_all_its_terms(published: Result) -> None:
    table = published.figure("polynomials")
    assert isinstance(table, Table)
    rows = {row[0]: row[2] for row in table.rows}
    assert rows["softmax time"] == "N^2 D + N^2 M + 2 N^2"
    assert rows["softmax space"] == "N^2 + 2 N D + 2 N M"


@pytest.mark.parametrize("seed", range(1, 25))
def test_every_variant_costs_what_its_formula_says(seed: int) -> None:
    """Classes of all variants, from the shapes of the products alone."""
    params = draw("complexity.attention", seed)
    assert isinstance(params, AttentionCost)
    n, *_, d, m = params.letters
    keys = params.letters[1] if params.keys == "cross" else n
    pairs = f"{n}^2" if keys == n else f"{n}*{keys}"
    features = d if params.degree == 1 else f"{d}^{params.degree}"
    values = execute(params, Run()).values
    assert set(values["softmax_time"].split(" + ")) == {f"{pairs}*{d}", f"{pairs}*{m}"}
    both = {n, keys}
    assert set(values["linear_time"].split(" + ")) == {f"{length}*{features}*{m}" for length in both}
    assert pairs in values["softmax_space"].split(" + ")
    assert f"{features}*{m}" in values["linear_space"].split(" + ")


def test_what_was_measured_grows_with_the_exponents_that_were_counted(published: Result) -> None:
    for question, exponent in (("softmax_time", 2), ("linear_time", 1)):
        measured = published.values[f"measured_{question}"]
        sizes = [point["N"] for point in measured["points"]]
        assert slope(sizes[-2:], measured["counts"][-2:]) == pytest.approx(exponent, abs=0.1)
    figure = published.figure("operations")
    assert isinstance(figure, Lines)
    assert [series.label.partition(",")[0] for series in figure.series] == ["softmax", "linear"]


def test_letters_must_differ() -> None:
    with pytest.raises(BadData, match="must all differ"):
        read(AttentionCost, {"width_letter": "N"})
    assert read(AttentionCost, {"keys_letter": "N"}).letters == ("N", "D", "M")
    with pytest.raises(BadData, match="must all differ"):
        read(AttentionCost, {"keys": "cross", "keys_letter": "N"})
    for seed in range(1, 301):
        params = draw("complexity.attention", seed)
        assert isinstance(params, AttentionCost)
        assert len(set(params.letters)) == len(params.letters)
        assert not {"Q", "K", "V", "C", "O", "e", "i", "j"} & set(params.letters)  # taken in the text, or in formulas


# -- what dispatches as one call, and what lies where something lay before


def test_fused_attention_is_counted_where_torch_counts_nothing() -> None:
    """torch 2.13's own counter has no entry for the CPU's kernel and says 0 operations for it."""
    q, k, v = (random(name, 2, 3, n, d) for name, n, d in (("q", 40, 8), ("k", 30, 8), ("v", 30, 8)))
    with Watch() as watch:
        F.scaled_dot_product_attention(q, k, v)
    products = 2 * 3 * 40 * 30 * (8 + 8)
    assert products <= watch.operations <= products + 4 * 2 * 3 * 40 * 30
    leaves = (q.requires_grad_(), k.requires_grad_(), v.requires_grad_())
    output = F.scaled_dot_product_attention(*leaves)
    with Watch() as backward:
        torch.autograd.grad(output.sum(), leaves)
    assert backward.operations >= 2 * products


def test_results_that_are_several_tensors_are_counted() -> None:
    a = random("a", 10, 6)
    assert count(lambda x: x.topk(2).values, a).operations == 2 * 10 * 2
    assert count(lambda x: x.split(2, 1)[0] * 1, a).operations == 10 * 2
    assert count(lambda x: torch.baddbmm(x[None], x[None], x[None, :6]), a).operations == 10 * 6 * 6
    with Watch() as watch:
        a.new_empty(50)
    assert watch.operations == 0


def test_a_new_storage_that_lies_where_a_dead_one_lay_is_seen() -> None:
    a = random("a", 1000)

    def held(x: Tensor) -> Tensor:
        with torch.no_grad():
            x = x + 1  # two alive
            x = x + 1  # the first sum dies
            return torch.cat([x + 1, x + 2, x + 3])  # its place is used again

    assert count(held, a).peak_bytes == 8 * 1000 * (1 + 1 + 3 + 3)


def test_where_curves_cross() -> None:
    x = [1.0, 2.0, 4.0, 8.0]
    assert crossover(x, [8.0 * n for n in x], [n**2 * 3.0 for n in x]) == pytest.approx(8 / 3)
    assert crossover(x, [1.0] * 4, [2.0] * 4) == 1.0
    assert crossover(x, [2.0] * 4, [1.0] * 4) is None
    assert break_even(lambda n: Fraction(153 * n), lambda n: Fraction(n * n)) == 153
    assert break_even(lambda n: Fraction(n + 1), lambda n: Fraction(n, 1), 1 << 10) is None
    assert break_even(lambda n: Fraction(1), lambda n: Fraction(n, 1)) == 1


def test_a_fit_in_a_regime() -> None:
    larger = fit_polynomial(lambda s: max(s[0] ** 2, 7 * s[1]), (2, 1), (12, 2))
    assert larger == {(2, 0): 1}
    with pytest.raises(ValueError, match="no polynomial"):
        fit_polynomial(lambda s: max(s[0] ** 2, 7 * s[1]), (2, 1))


# -- errata on costs


def test_e14_exp_and_normalising_take_n_squared_and_no_factor_d() -> None:
    exact = polynomials(FORMS["softmax"], Run(dtype=torch.float64))["time"]
    assert exact == {(2, 1, 0): 1, (2, 0, 1): 1, (2, 0, 0): 2}


def test_e15_features_kept_for_the_backward_pass_are_n_d_squared() -> None:
    """438 793 numbers by autograd at N = 512, D = M = 16, against 286 720 for softmax; less the output, as there."""
    n, d, m, features = 512, 16, 16, 153
    run = Run()
    kept = cost_at(kernel_attention, (n, d, m), run).kept
    assert cost_at(softmax_attention, (n, d, m), run).kept - n * m == 286_720
    assert kept > 2 * n * features + features * m
    assert kept > 286_720
    assert cost_at(recomputing_kernel_attention, (n, d, m), run).kept == 2 * n * d + 2 * n * m + features * (m + 1)


def test_e22_heads_one_after_the_other_share_one_map_and_a_backward_pass_keeps_them_all() -> None:
    exact = polynomials(FORMS["multi-head"], Run(dtype=torch.float64))
    assert show_class(exact["time"], ("n", "d", "h")) == "n^2*d*h + n*d^2*h"
    assert show_class(exact["space"], ("n", "d", "h")) == "n^2*h + n*d*h + d^2*h"
    assert show_class(exact["space_working"], ("n", "d", "h")) == "n^2 + n*d*h + d^2*h"


# -- any form

CLASSES = {
    "softmax": ("n^2*d + n^2*m", "n^2 + n*d + n*m"),
    "one head": ("n^2*d", "n^2 + n*d"),
    "one head, projected": ("n^2*d + n*d^2", "n^2 + n*d + d^2"),
    "local window": ("n*d*w + n*m*w", "n*d + n*m + n*w + d*w + m*w"),
    "low rank": ("n*d*r + n*m*r", "n*d + n*m + n*r + d*r + m*r"),
    "features": ("n*d*m", "n*d + n*m + d*m"),
    "separable": ("n*d^2", "n*d + d^2"),
    "separable, map first": ("n^2*d", "n^2 + n*d"),
    "quadratic kernel": ("n*d^2*m", "n*d + n*m + d^2*m"),
    "quadratic kernel, features kept": ("n*d^2*m", "n*d^2 + n*m + d^2*m"),
    "causal triangle": ("n^2*d + n^2*m", "n^2 + n*d + n*m"),
    "causal recurrence": ("n*d*m", "n*d*m"),
    "causal cumulative sum": ("n*d*m", "n*d*m"),
    "causal chunks": ("n*d*m + n*d*b + n*m*b", "n*d + n*m + d*m"),
}


@pytest.mark.parametrize("name", CLASSES)
def test_the_classes_of_every_form(name: str) -> None:
    form = FORMS[name]
    exact = polynomials(form, Run(dtype=torch.float64))
    assert SIZES[name] == form.sizes  # type: ignore[index]
    time, space = CLASSES[name]
    assert show_class(exact["time"], form.sizes) == time
    assert show_class(exact["space"], form.sizes) == space


def test_every_form_is_named_and_computes_attention() -> None:
    assert set(SIZES) == set(FORMS) == {*CLASSES, "multi-head"}
    q, k, v = inputs(12, 12, 3, 2)
    assert torch.allclose(local_attention(q, k, v, 12)[-1], softmax_attention(q, k, v)[-1])
    band = torch.ones(12, 12, dtype=torch.bool).tril() & ~torch.ones(12, 12, dtype=torch.bool).tril(-4)
    want = F.scaled_dot_product_attention(q, k, v, attn_mask=band)
    assert torch.allclose(local_attention(q, k, v, 4), want)
    identity = torch.eye(12, dtype=q.dtype)
    assert torch.allclose(low_rank_attention(q, k, v, identity), softmax_attention(q, k, v))


def test_multi_head_attention_is_torchs() -> None:
    """With one head of the full width."""
    x, *weights = (
        random(name, *shape) for name, shape in (("x", (7, 4)), *((n, (1, 4, 4)) for n in "qkv"), ("o", (4, 4)))
    )
    wq, wk, wv, wo = weights
    want, _ = F.multi_head_attention_forward(
        x.unsqueeze(1), x.unsqueeze(1), x.unsqueeze(1), 4, 1, torch.cat([wq[0].T, wk[0].T, wv[0].T]), None, None, None,
        False, 0.0, wo.T, None,
    )  # fmt: skip
    assert torch.allclose(multi_head_attention(x, wq, wk, wv, wo), want.squeeze(1))


def test_the_experiment_on_forms() -> None:
    values = execute(Forms(form="features", sizes=(8, 8), longest=256, letters=("L", "F", "R")), Run()).values
    assert values["time"] == "L*F*R"
    assert values["space"] == "L*F + L*R + F*R"
    assert values["slope_operations"] == pytest.approx(1, abs=0.01)
    assert values["crossover_model"] < 64


@pytest.mark.parametrize(
    ("fault", "data"),
    [
        ("one for each", {"letters": ["N"]}),
        ("differ", {"letters": ["N", "N", "h"]}),
        ("one for each", {"sizes": [3]}),
        ("divide", {"form": "causal chunks", "sizes": [4, 4, 48]}),
    ],
)
def test_letters_and_sizes_must_fit_the_form(fault: str, data: dict[str, Any]) -> None:
    with pytest.raises(BadData, match=fault):
        read(Forms, data)


def test_the_bottleneck_is_the_map() -> None:
    """At n = 4096, d = 64, h = 8 the products with n² are 94.8 % of the time and the map 80.5 % of the memory."""
    n, d, h = 4096, 64, 8
    numbers = memory_parts(n, d, h)
    assert numbers["map"] / sum(numbers.values()) == pytest.approx(0.805, abs=0.001)
    wq, wk, wv = (random(name, 2, 4, 4) for name in "qkv")
    parts = part_operations(random("x", 10, 4), wq, wk, wv, random("o", 8, 4))
    assert parts["projections"] == 2 * 3 * 10 * 4 * 4
    assert parts["scores"] == parts["values"] == 2 * 10 * 10 * 4
    assert parts["softmax"] == 2 * 2 * 10 * 10
    quadratic = h * (2 * n * n * d + 2 * n * n)
    assert quadratic / (quadratic + h * 4 * n * d * d) == pytest.approx(0.948, abs=0.025)
    values = execute(Shares(width=32, heads=2, longest=512), Run()).values
    assert values["bottleneck"] == "scores"
    assert values["quadratic_share_of_time"] > 0.85
    assert sum(values["share_of_time"].values()) == pytest.approx(1)
    assert values["half_at"] == pytest.approx(2 * 32, rel=0.1)  # 2 n² d = 4 n d²


def test_self_attention_and_recurrence_break_even_at_n_equal_to_d() -> None:
    values = execute(Recurrent(width=16, longest=128), Run()).values
    assert values["break_even_model"] == 16
    assert values["break_even_counted"] == pytest.approx(16, rel=0.2)
    assert values["slopes"]["self-attention"] == pytest.approx(2, abs=0.1)
    assert values["slopes"]["recurrent"] == pytest.approx(1, abs=0.01)


def test_layers() -> None:
    x, w, u = random("x", 6, 3), random("w", 3, 3), random("u", 3, 3)
    rnn = torch.nn.RNN(3, 3, bias=False, dtype=torch.float64)
    with torch.no_grad():
        for weight, value in zip(rnn.parameters(), (u.T, w.T), strict=True):  # from the input, then from the state
            weight.copy_(value)
    assert torch.allclose(recurrent_layer(x, w, u), rnn(x)[0])
    filters = random("f", 2, 3, 3)
    want = F.conv1d(F.pad(x.T, (1, 0))[None], filters.permute(2, 1, 0))[0].T
    assert torch.allclose(convolution_layer(x, filters), want)


@pytest.mark.parametrize(
    "form", ["multi-head", "causal cumulative sum", "quadratic kernel, features kept", "local window"]
)
def test_no_form_takes_more_memory_than_it_announces(form: str) -> None:
    params = read(Forms, {"form": form, "longest": 512})
    with Watch() as watch:
        execute(params, Run())
    assert watch.peak_bytes <= params.peak_bytes(4)


def test_no_run_takes_more_memory_than_it_announces() -> None:
    for params in (
        Shares(width=16, heads=4, longest=1024),
        Recurrent(longest=128),
        AttentionCost(width=16, longest=1024),
        AttentionCost(width=20, longest=256, degree=3),
    ):
        with Watch() as watch:
            execute(params, Run())
        assert watch.peak_bytes <= params.peak_bytes(4)
