"""Softmax attention in its three forms against torch and against loops; masks, NaN, gradients, the experiment."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from engines.attention import (
    BLOCK,
    attention_weights,
    causal_mask,
    entropy,
    explicit_attention,
    fused_attention,
    padding_mask,
    softmax_attention,
)
from engines.counting import Watch, count
from engines.fields import BadData, read
from engines.parameters.attention_weights import Weights
from engines.registry import draw, execute
from engines.run import Run

Form = Callable[..., Tensor]


def random(name: str, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return Run(dtype=dtype, seed=7).randn(name, *shape)


def explicit(*inputs: Tensor, **more: object) -> Tensor:
    return explicit_attention(*inputs, **more)[0]  # type: ignore[arg-type]


FORMS: dict[str, Form] = {"literal": softmax_attention, "explicit": explicit, "fused": fused_attention}
every_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


def by_hand(q: Tensor, k: Tensor, v: Tensor, scale: float, mask: Tensor) -> Tensor:
    """One matrix of queries, one number at a time, in Python floats."""
    out = torch.zeros(len(q), v.shape[1], dtype=torch.float64)
    for i, query in enumerate(q.tolist()):
        seen = [j for j in range(len(k)) if mask[i, j]]
        scores = [scale * math.fsum(a * b for a, b in zip(query, k[j].tolist(), strict=True)) for j in seen]
        top = max(scores, default=0.0)
        exponentials = [math.exp(s - top) for s in scores]
        for j, e in zip(seen, exponentials, strict=True):
            out[i] += e / math.fsum(exponentials) * v[j].double()
    return out


# -- masks


def test_the_masks_of_homework_8() -> None:
    """003 q1e: encoder, decoder and cross masks; source of 5 with 2 pads, target of 4 with 1 pad."""

    def drawn(mask: Tensor) -> list[str]:
        return ["".join("#" if seen else "." for seen in row) for row in mask.tolist()]

    source, target = padding_mask(torch.tensor(3), 5), padding_mask(torch.tensor(3), 4)
    assert drawn(source.expand(5, 5)) == ["###.."] * 5
    assert drawn(causal_mask(4) & target) == ["#...", "##..", "###.", "###."]
    assert drawn(source.expand(4, 5)) == ["###.."] * 4


def test_a_causal_mask_after_a_past() -> None:
    assert causal_mask(2, past=2).tolist() == [[True, True, True, False], [True, True, True, True]]
    assert torch.equal(causal_mask(5)[3:], causal_mask(2, past=3))
    assert padding_mask(torch.tensor([[0, 2], [3, 1]]), 3).shape == (2, 2, 1, 3)
    assert not padding_mask(torch.tensor(0), 3).any()


def test_true_may_attend_as_in_sdpa_and_not_as_in_key_padding_mask() -> None:
    layer = torch.nn.MultiheadAttention(4, 1, bias=False, batch_first=True, dtype=torch.float64)
    x, mask = random("x", 1, 5, 4), padding_mask(torch.tensor([3]), 5)
    with torch.no_grad():
        _, want = layer(x, x, x, key_padding_mask=~mask[:, 0])
    w_q, w_k, _ = layer.in_proj_weight.detach().chunk(3)
    assert torch.allclose(attention_weights(x @ w_q.T, x @ w_k.T, mask=mask), want)


@every_form
def test_a_row_that_sees_nothing_gives_zero_where_the_naive_softmax_gives_nan(form: Form) -> None:
    q, k, v = random("q", 3, 4), random("k", 5, 4), random("v", 5, 2)
    mask = torch.ones(3, 5, dtype=torch.bool)
    mask[1] = False
    out = form(q, k, v, mask=mask)
    assert torch.equal(out[1], torch.zeros(2, dtype=torch.float64))
    assert out.isfinite().all()
    naive = (q @ k.T / 2).masked_fill(~mask, -math.inf).softmax(-1)
    assert naive[1].isnan().all()
    assert torch.allclose(out[[0, 2]], (naive @ v)[[0, 2]])
    _, weights = explicit_attention(q, k, v, mask=mask)
    assert weights[1].tolist() == attention_weights(q, k, mask=mask)[1].tolist() == [0.0] * 5


@pytest.mark.parametrize("form", [softmax_attention, fused_attention])
def test_gradients_through_a_row_that_sees_nothing(form: Form) -> None:
    inputs = [random(name, *shape).requires_grad_() for name, shape in (("q", (3, 4)), ("k", (5, 4)), ("v", (5, 2)))]
    mask = torch.ones(3, 5, dtype=torch.bool)
    mask[1] = False
    mask[:, 4] = False
    gradients = torch.autograd.grad(form(*inputs, mask=mask).square().sum(), inputs)
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert not gradients[0][1].any()
    assert not gradients[1][4].any()
    assert not gradients[2][4].any()
    assert gradients[0][0].any()


@every_form
def test_what_is_hidden_does_not_leak(form: Form) -> None:
    """003 q1e: neither a pad nor a later token changes an output."""
    q, k, v = random("q", 6, 4), random("k", 6, 4), random("v", 6, 2)
    pads, before = padding_mask(torch.tensor(4), 6), form(q, k, v, causal=True)
    masked = form(q, k, v, mask=pads)
    k2, v2 = k.clone(), v.clone()
    k2[4:], v2[4:] = 1e3, -1e3
    assert torch.equal(form(q, k2, v2, mask=pads), masked)
    assert torch.equal(form(q, k2, v2, causal=True)[:4], before[:4])
    assert not torch.equal(form(q, k2, v2, causal=True)[4:], before[4:])


# -- three forms of one attention

sizes = st.sampled_from([1, 2, 3, 7, 17])


@settings(max_examples=80, deadline=None)
@given(
    length=sizes,
    n=sizes,
    d=st.sampled_from([1, 3, 8]),
    m=st.sampled_from([1, 3, 8]),
    batch=st.sampled_from([(), (2,), (2, 3), (1, 2, 2)]),
    masks=st.sampled_from(["none", "causal", "padding", "random", "causal and random", "nothing"]),
    factor=st.sampled_from([1e-8, 1.0, 300.0]),
    scale=st.sampled_from([None, 0.0, 0.7, -0.3]),
)
def test_all_forms_agree_with_a_loop(
    length: int, n: int, d: int, m: int, batch: tuple[int, ...], masks: str, factor: float, scale: float | None
) -> None:
    if "causal" in masks:
        n = length
    q, k, v = factor * random("q", *batch, length, d), random("k", *batch, n, d), random("v", *batch, n, m)
    causal, mask = "causal" in masks, None
    if "random" in masks:
        mask = random("mask", *batch, length, n) > 0
    elif masks == "padding":
        mask = padding_mask(torch.full(batch, n // 2), n)
    elif masks == "nothing":
        mask = torch.zeros(n, dtype=torch.bool)
    seen = (torch.ones(n, dtype=torch.bool) if mask is None else mask).expand(*batch, length, n)
    if causal:
        seen = seen & causal_mask(length)
    used = 1 / math.sqrt(d) if scale is None else scale
    want = torch.empty(*batch, length, m, dtype=torch.float64)
    for i in product(*map(range, batch)):
        want[i] = by_hand(q[i], k[i], v[i], used, seen[i])
    for name, form in FORMS.items():
        found = form(q, k, v, scale, mask=mask, causal=causal)
        assert found.shape == want.shape, name
        assert torch.allclose(found, want, rtol=1e-9, atol=1e-11), name
    output, weights = explicit_attention(q, k, v, scale, mask=mask, causal=causal)
    literal = attention_weights(q, k, scale, mask=mask, causal=causal)
    assert torch.allclose(weights, literal, rtol=1e-9, atol=1e-12)
    assert torch.allclose(weights @ v, output, rtol=1e-9, atol=1e-11)
    sums = literal.sum(-1)
    assert torch.allclose(sums, seen.any(-1).double(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("length", [BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 3])
def test_blocks_of_the_explicit_form(length: int, masked: bool, causal: bool) -> None:
    q, k, v = random("q", 2, length, 3), random("k", 2, length, 3), random("v", 2, length, 2)
    mask = random("mask", 1, length, length) > -1 if masked else None
    if mask is not None:
        mask[0, BLOCK + 1 :] = False
    output, weights = explicit_attention(q, k, v, mask=mask, causal=causal)
    assert torch.allclose(weights, attention_weights(q, k, mask=mask, causal=causal), rtol=1e-10, atol=1e-13)
    assert torch.allclose(output, softmax_attention(q, k, v, mask=mask, causal=causal), rtol=1e-10, atol=1e-13)


@every_form
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-6), (torch.bfloat16, 3e-2)], ids=str)
def test_other_types(form: Form, dtype: torch.dtype, tolerance: float) -> None:
    q, k, v = (random(name, 2, 40, 8) for name in "qkv")
    want = softmax_attention(q, k, v, causal=True)
    found = form(q.to(dtype), k.to(dtype), v.to(dtype), causal=True)
    assert found.dtype == dtype
    assert float((found.double() - want).abs().max()) < tolerance


@every_form
def test_huge_scores_do_not_overflow_and_nan_is_not_hidden(form: Form) -> None:
    q, k, v = 1e150 * random("q", 4, 3), 1e150 * random("k", 5, 3), random("v", 5, 2)
    assert torch.allclose(form(q, k, v), v[(q / 1e150 @ (k / 1e150).T).argmax(1)])
    q = random("q", 4, 3)
    q[2, 1] = math.nan
    out = form(q, random("k", 5, 3), v, mask=padding_mask(torch.tensor(3), 5))
    assert out[2].isnan().all()
    assert out[[0, 1, 3]].isfinite().all()


@every_form
def test_keys_are_shared_by_broadcasting(form: Form) -> None:
    q, k, v = random("q", 2, 3, 4, 5), random("k", 1, 1, 6, 5), random("v", 3, 6, 2)
    want = softmax_attention(q, k.expand(2, 3, 6, 5), v.expand(2, 3, 6, 2))
    assert torch.allclose(form(q, k, v), want, rtol=1e-11, atol=1e-12)


@every_form
def test_causal_is_for_one_sequence(form: Form) -> None:
    with pytest.raises(ValueError, match="3 queries of 5 keys"):
        form(random("q", 3, 4), random("k", 5, 4), random("v", 5, 2), causal=True)


@pytest.mark.parametrize("masks", [{}, {"causal": True}, {"mask": causal_mask(5) & (torch.arange(5) != 2)}], ids=str)
def test_gradients_of_both_forms_agree_with_differences(masks: dict[str, Tensor | bool]) -> None:
    inputs = [random(name, 5, width).requires_grad_() for name, width in (("q", 3), ("k", 3), ("v", 2))]
    for form in (softmax_attention, fused_attention):
        assert torch.autograd.gradcheck(lambda q, k, v, form=form: form(q, k, v, **masks), inputs)


def test_the_fused_form_never_holds_the_weights() -> None:
    """Peak and saved memory grow with N, in 2 dimensions and with values of another width too."""
    n, d = 1024, 16
    for m in (16, 5, 24):
        q, k, v = (random(name, n, width, dtype=torch.float32) for name, width in (("q", d), ("k", d), ("v", m)))
        cost = count(lambda q, k, v: fused_attention(q, k, v, causal=True), q, k, v)
        assert cost.peak_bytes < 4 * n * (2 * d + m + 6 * max(d, m))
        assert cost.kept < n * (2 * d + m + 6 * max(d, m))
        assert count(softmax_attention, q, k, v).kept > n * n
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):  # raises where only the path with N² scores would do
        assert fused_attention(q, k, v, causal=True).shape == (n, 24)


def test_the_explicit_form_holds_one_square() -> None:
    n, d = 1024, 16
    q, k, v = (random(name, n, d, dtype=torch.float32) for name in "qkv")
    square, rest = 4 * n * n, 4 * n * d * 4
    for masks, boolean in (({}, 0), ({"causal": True}, 0), ({"mask": causal_mask(n)}, n * n)):
        with Watch((q, k, v)) as watch:
            explicit_attention(q, k, v, **masks)
        assert watch.peak_bytes <= square + rest + boolean + 3 * 4 * BLOCK * n
        assert watch.peak_bytes < 2 * square
    with torch.no_grad(), Watch((q, k, v)) as watch:
        softmax_attention(q, k, v)
    assert watch.peak_bytes > 2 * square


def test_a_causal_mask_reaches_the_kernel_as_a_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    told = []

    def record(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, **more: object) -> Tensor:
        told.append((mask, more["is_causal"]))
        return v

    monkeypatch.setattr(F, "scaled_dot_product_attention", record)
    q = random("q", 1, 1, 4, 2)
    fused_attention(q, q, q, causal=True)
    fused_attention(q, q, q, causal=True, mask=padding_mask(torch.tensor(2), 4))
    (first, flag), (second, other) = told
    assert first is None
    assert flag is True
    assert isinstance(second, Tensor)
    assert torch.equal(second[0, 0], causal_mask(4) & (torch.arange(4) < 2))
    assert other is False


@pytest.mark.gpu
@every_form
def test_on_a_gpu(form: Form) -> None:
    q, k, v = (random(name, 2, 300, 16, dtype=torch.float32) for name in "qkv")
    mask = random("mask", 2, 300, 300) > 0
    mask[0, 7] = False
    for masks in ({}, {"causal": True}, {"mask": mask}):
        want = form(q, k, v, **masks)
        moved = {name: x.cuda() if isinstance(x, Tensor) else x for name, x in masks.items()}
        assert torch.allclose(form(q.cuda(), k.cuda(), v.cuda(), **moved).cpu(), want, rtol=1e-3, atol=1e-4)


# -- entropy


def test_entropy() -> None:
    assert entropy(torch.tensor([0.0, 1.0, 0.0])).item() == 0
    assert entropy(torch.full((2, 7), 1 / 7, dtype=torch.float64)).tolist() == pytest.approx([math.log(7)] * 2)
    a = random("s", 6, 5).softmax(-1)
    assert torch.allclose(entropy(a), -(a * a.log()).sum(-1))


# -- the experiment


def test_weights_of_the_default_by_hand() -> None:
    params = Weights()
    values = execute(params, Run(dtype=torch.float64)).values
    q, k, v = (torch.tensor(x, dtype=torch.float64) for x in (params.queries, params.keys, params.values))
    everything = torch.ones(4, 4, dtype=torch.bool)
    assert torch.allclose(
        torch.tensor(values["output"].tolist()).double(), by_hand(q, k, v, 1 / math.sqrt(3), everything), atol=1e-7
    )
    assert values["row_sums"].flat() == pytest.approx([1.0] * 4)
    assert values["gradient_error"] < 1e-8
    assert values["scores"].tolist()[0] == [1, 2, 4, 4]


def test_weights_add_up_to_one_over_keys_and_not_over_queries() -> None:
    """003 q1a."""
    values = execute(Weights(), Run(dtype=torch.float64)).values
    assert values["row_sums"].flat() == pytest.approx([1.0] * 4)
    assert max(abs(total - 1) for total in values["column_sums"].flat()) > 0.1
    a = attention_weights(random("q", 10, 64), random("k", 12, 64))
    assert torch.allclose(a.sum(1), torch.ones(10).double())
    assert float(a.sum(0).min()) < 0.8
    assert float(a.sum(0).max()) > 1.2


def test_a_key_that_is_moved_takes_from_the_others() -> None:
    values = execute(Weights(moved_key=2, move=(0.0, 1.0, 0.0)), Run(dtype=torch.float64)).values
    before, after = values["weights"].tolist(), values["moved_weights"].tolist()
    for query, row, moved in zip(Weights().queries, before, after, strict=True):
        factor = math.exp(query[1] / math.sqrt(3))
        total = 1 - row[2] + row[2] * factor
        assert moved == pytest.approx([w * (factor if j == 2 else 1) / total for j, w in enumerate(row)])


def test_everything_hidden_is_zero_and_said_so() -> None:
    result = execute(Weights(mask="padding", padded=4), Run(dtype=torch.float64))
    assert not any(result.values["output"].flat())
    assert result.values["entropies"].tolist() == [0.0] * 4
    assert "defined as 0" in next(step.text for step in result.trace if step.name == "mask")
    assert result.values["gradient_error"] < 1e-8


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"keys": [[1, 2], [3]]}, "keys"),
        ({"values": [[1], [2]]}, "values"),
        ({"mask": "causal", "queries": [[1, 2, 3]]}, "mask"),
        ({"padded": 5}, "padded"),
        ({"moved_key": 4}, "moved_key"),
        ({"move": [1.0]}, "move"),
        ({"beta": -1.0}, "beta"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, object], place: str) -> None:
    with pytest.raises(BadData) as refused:
        read(Weights, change)
    assert place in {fault.path[0] for fault in refused.value.faults}


def test_slips_land_elsewhere_in_most_variants() -> None:
    """And every row sees at least one key."""
    distinct = 0
    for seed in range(1, 61):
        params = draw("attention.weights", seed)
        assert isinstance(params, Weights)
        values = execute(params, Run(dtype=torch.float64)).values
        right = values["output"].flat()
        slips = [values["unscaled_output"].flat(), values["over_queries_output"].flat()]
        if params.mask != "none":
            slips += [values[f"{name}_output"].flat() for name in ("unmasked", "zeroed_scores", "not_renormalised")]
        distinct += all(max(abs(a - b) for a, b in zip(slip, right, strict=True)) > 1e-3 for slip in slips)
        assert all(any(row) for row in values["mask"].tolist())
    assert distinct == 60
