"""Linear attention: five causal forms are one function, with gradients and states; and what each of them costs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from engines.counting import Watch, count, slope
from engines.linear_attention import (
    ELU_PLUS_ONE,
    IDENTITY,
    SEGMENT,
    State,
    causal_chunked_literal,
    causal_cumsum,
    causal_linear_attention,
    causal_masked,
    causal_recurrent,
    decode_step,
    elu_plus_one,
    empty_state,
    linear_attention,
)
from engines.parameters.causal_attention import Causal, Streaming
from engines.registry import execute
from engines.run import Run

Form = Callable[..., tuple[Tensor, State]]


def chunks(fq: Tensor, fk: Tensor, v: Tensor, state: State | None = None, chunk: int = 16) -> tuple[Tensor, State]:
    return causal_linear_attention(fq, fk, v, state, chunk, IDENTITY)


FORMS: dict[str, Form] = {
    "recurrence": causal_recurrent,
    "cumulative sum": causal_cumsum,
    "chunks, literal": partial(causal_chunked_literal, chunk=16),
    "chunks": chunks,
}


def inputs(*shape: int, c: int = 5, m: int = 4, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    """Positive features of queries and keys, and values."""
    run = Run(dtype=dtype, seed=3)
    fq, fk = (run.randn(f"{name}{shape}", *shape, c).exp() for name in "qk")
    return fq, fk, run.randn(f"v{shape}", *shape, m)


def by_definition(fq: Tensor, fk: Tensor, v: Tensor) -> Tensor:
    """Sums over j ≤ i, in loops."""
    out = torch.zeros_like(v)
    for i in range(v.shape[-2]):
        weights = torch.stack([(fq[..., i, :] * fk[..., j, :]).sum(-1) for j in range(i + 1)], -1)
        out[..., i, :] = (weights.unsqueeze(-1) * v[..., : i + 1, :]).sum(-2) / weights.sum(-1, keepdim=True)
    return out


# -- the feature map


def test_elu_plus_one_is_what_it_says_and_positive_where_torch_rounds_it_away() -> None:
    x = torch.linspace(-10, 10, 1001, dtype=torch.float64)
    assert torch.allclose(elu_plus_one(x), F.elu(x) + 1, rtol=1e-12, atol=1e-15)
    far = torch.tensor([-20.0, -60.0])
    assert (F.elu(far) + 1).tolist() == [0, 0]  # a strictly positive kernel that vanishes in float32 (E12)
    assert (elu_plus_one(far) > 0).all()
    assert torch.autograd.gradcheck(
        elu_plus_one, torch.tensor([-3.0, -0.5, 0.5, 2.0], dtype=torch.float64).requires_grad_()
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_fast_feature_map_is_within_roundings(dtype: torch.dtype) -> None:
    x = torch.linspace(-60, 60, 4001, dtype=dtype)
    want = elu_plus_one(x.double())
    limit = torch.finfo(dtype).eps * (x.double().abs() + 2)
    assert ((ELU_PLUS_ONE.value(x).double() - want).abs() <= limit * want).all()
    assert (ELU_PLUS_ONE.value(x) > 0).all()


def test_the_slope_of_the_feature_map_is_told_from_its_value() -> None:
    x = torch.tensor([-5.0, -1.0, 0.0, 0.3, 4.0], dtype=torch.float64).requires_grad_()
    value = elu_plus_one(x)
    (slopes,) = torch.autograd.grad(value.sum(), x)
    assert torch.allclose(ELU_PLUS_ONE.slope(value), slopes)
    assert torch.equal(IDENTITY.slope(x), torch.ones_like(x))


# -- one function


@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
@pytest.mark.parametrize("shape", [(1,), (7,), (16,), (33,), (2, 17), (2, 3, 40)])
def test_every_form_is_the_definition(form: Form, shape: tuple[int, ...]) -> None:
    fq, fk, v = inputs(*shape)
    output, state = form(fq, fk, v)
    assert torch.allclose(output, by_definition(fq, fk, v), rtol=1e-11, atol=1e-12)
    assert torch.allclose(causal_masked(fq, fk, v), output, rtol=1e-11, atol=1e-12)
    assert torch.allclose(state.S, fk.mT @ v)
    assert torch.allclose(state.Z, fk.sum(-2))


def test_without_a_mask_every_position_sees_all() -> None:
    fq, fk, v = inputs(2, 9)
    weights = fq @ fk.mT
    want = (weights / weights.sum(-1, keepdim=True)) @ v
    assert torch.allclose(linear_attention(fq, fk, v), want)
    last = causal_masked(fq, fk, v)[..., -1, :]
    assert torch.allclose(last, want[..., -1, :])  # the last position sees all with a mask too


@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
@pytest.mark.parametrize("cut", [0, 1, 16, 21, 50])
def test_a_state_goes_in_and_comes_out(form: Form, cut: int) -> None:
    fq, fk, v = inputs(2, 50)
    whole, end = form(fq, fk, v)
    first, state = form(fq[:, :cut], fk[:, :cut], v[:, :cut])
    second, final = form(fq[:, cut:], fk[:, cut:], v[:, cut:], state)
    assert torch.allclose(torch.cat([first, second], 1), whole, rtol=1e-11, atol=1e-12)
    assert torch.allclose(final.S, end.S)
    assert torch.allclose(final.Z, end.Z)


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 70),
    c=st.integers(1, 6),
    m=st.integers(1, 5),
    chunk=st.integers(1, 80),
    batch=st.sampled_from([(), (1,), (3,), (2, 2)]),
)
def test_chunks_of_any_size_have_the_gradients_of_the_recurrence(
    n: int, c: int, m: int, chunk: int, batch: tuple[int, ...]
) -> None:
    found = []
    for form in (causal_recurrent, partial(chunks, chunk=chunk)):
        fq, fk, v = (x.clone().requires_grad_() for x in inputs(*batch, n, c=c, m=m))
        start = empty_state(fk, v)
        state = State((start.S + 0.3).requires_grad_(), (start.Z + 0.7).requires_grad_())
        output, end = form(fq, fk, v, state)
        # Every output matters, the state behind it too.
        weighted = [(x * torch.linspace(-1, 2, x.numel(), dtype=x.dtype).view(x.shape)).sum() for x in (output, *end)]
        leaves = (fq, fk, v, *state)
        found.append([output, *end, *torch.autograd.grad(sum(weighted, torch.zeros(())), leaves)])
    for want, got in zip(*found, strict=True):
        assert torch.allclose(got, want, rtol=1e-8, atol=1e-9)


def test_gradients_through_the_feature_map_and_over_several_stretches() -> None:
    n = SEGMENT + 100  # more than is worked on at once, and no whole number of chunks
    run = Run(dtype=torch.float64)
    raw = [run.randn(name, n, 2) for name in ("q", "k", "v")]
    found = []
    for fast in (False, True):
        q, k, v = (x.clone().requires_grad_() for x in raw)
        output = causal_linear_attention(q, k, v)[0] if fast else causal_masked(elu_plus_one(q), elu_plus_one(k), v)
        found.append([output, *torch.autograd.grad((output * raw[2].roll(1, 0)).sum(), (q, k, v))])
    for want, got in zip(*found, strict=True):
        assert torch.allclose(got, want, rtol=1e-8, atol=1e-10)


def test_gradcheck_of_the_written_out_backward() -> None:
    q, k, v = (x.log().requires_grad_() if i < 2 else x.requires_grad_() for i, x in enumerate(inputs(2, 7, c=3, m=2)))
    S, Z = torch.ones(2, 3, 2, dtype=torch.float64), torch.ones(2, 3, dtype=torch.float64)

    def function(*x: Tensor) -> tuple[Tensor, ...]:
        output, end = causal_linear_attention(x[0], x[1], x[2], State(x[3], x[4]), chunk=3)
        return (output, *end)

    assert torch.autograd.gradcheck(function, (q, k, v, S.requires_grad_(), Z.requires_grad_()))


def test_layouts_that_are_not_contiguous() -> None:
    fq, fk, v = (x.transpose(0, 1) for x in inputs(20, 3))
    assert torch.allclose(chunks(fq, fk, v)[0], causal_recurrent(fq, fk, v)[0])


def test_no_positions_and_no_sequences() -> None:
    for shape in ((2, 0), (0, 5)):
        fq, fk, v = inputs(*shape)
        for form in FORMS.values():
            output, state = form(fq, fk, v)
            assert output.shape == (*shape, 4)
            assert state.S.shape == (*shape[:-1], 5, 4)
            assert not state.S.any()


def test_a_chunk_has_a_position() -> None:
    with pytest.raises(ValueError, match="at least one position"):
        chunks(*inputs(4), chunk=0)


# -- causality and numbers that are hard


@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
def test_what_comes_later_changes_nothing_before(form: Form) -> None:
    fq, fk, v = inputs(40)
    before = form(fq, fk, v)[0]
    changed = [x.clone() for x in (fq, fk, v)]
    for x in changed:
        x[25:] *= 3
    assert torch.equal(form(*changed)[0][:25], before[:25])


def test_a_number_that_is_none_stays_behind_its_chunk() -> None:
    fq, fk, v = inputs(64)
    v[40, 0] = float("nan")
    chunked, exact = chunks(fq, fk, v)[0], causal_recurrent(fq, fk, v)[0]
    assert chunked[:32].isfinite().all()  # chunks of 16: that of position 40 begins at 32
    assert exact[:40].isfinite().all()
    assert chunked[40:, 0].isnan().all()
    assert exact[40:, 0].isnan().all()


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_huge_and_tiny_features(scale: float) -> None:
    """The scale of either side cancels."""
    fq, fk, v = inputs(30, dtype=torch.float32)
    want = chunks(fq, fk, v)[0]
    assert torch.allclose(chunks(fq * scale, fk, v)[0], want, rtol=1e-4, atol=1e-5)
    assert torch.allclose(chunks(fq, fk * scale, v)[0], want, rtol=1e-4, atol=1e-5)


def test_float32_is_as_exact_as_the_loop() -> None:
    exact = causal_recurrent(*inputs(2000))[0]
    fq, fk, v = (x.float() for x in inputs(2000))
    single = chunks(fq, fk, v)[0]
    assert float((single - exact).abs().max()) < 1e-5


# -- costs


def test_e27_a_step_costs_c_m_whatever_came_before_and_a_cumulative_sum_keeps_all_states() -> None:
    """Constant time is constant in N: C·M a step. The cumulative sum keeps N·C·M, 1.77 million at N = 512, C = 153."""
    fq, fk, v = inputs(4, c=7, m=3)
    state = empty_state(fk, v)
    costs = []
    for i in range(4):
        with Watch() as watch:
            _, state = decode_step(fq[i], fk[i], v[i], state)
        costs.append(watch.operations)
    assert len(set(costs)) == 1
    assert 7 * 3 <= costs[0] <= 6 * 7 * 4
    big = inputs(512, c=153, m=16, dtype=torch.float32)
    kept = count(lambda *x: causal_cumsum(*x)[0], *big).kept
    assert 512 * 153 * 16 <= kept <= 512 * 153 * 16 * 1.25


def test_chunks_keep_no_states() -> None:
    fq, fk, v = inputs(1024, c=32, m=32, dtype=torch.float32)
    kept = {form: count(lambda *x, f=form: f(*x)[0], fq, fk, v).kept for form in (chunks, causal_cumsum)}
    linear = fq.numel() + fk.numel() + 2 * v.numel()
    assert kept[chunks] <= linear + 2 * 32 * 33
    assert kept[causal_cumsum] >= 1024 * 32 * 32


def test_the_peak_of_chunks_is_linear_and_within_four_times_the_inputs() -> None:
    peaks = []
    for n in (4096, 16384):
        q, k, v = (Run().randn(f"{name}{n}", n, 64) for name in "qkv")
        with torch.no_grad(), Watch((q, k, v)) as watch:
            causal_linear_attention(q, k, v)
        assert watch.peak_bytes <= 4 * 3 * n * 64 * 4
        peaks.append(float(watch.peak_bytes))
    assert slope([4096.0, 16384.0], peaks) <= 1.0


@pytest.mark.parametrize("chunk", [16, 64])
def test_no_run_takes_more_memory_than_it_announces(chunk: int) -> None:
    settings_of: list[Any] = [
        Causal(width=24, value_width=8, chunk=chunk, longest=256),
        Causal(width=8, value_width=24, chunk=chunk, longest=256),
        Streaming(width=16, value_width=16, positions=32),
    ]
    for params in settings_of:
        with Watch() as watch:
            execute(params, Run())
        assert watch.peak_bytes <= params.peak_bytes(4)


# -- experiments


def test_the_experiment_on_the_forms() -> None:
    values = execute(Causal(width=8, value_width=8, chunk=16, longest=512), Run(dtype=torch.float64)).values
    assert values["difference"] < 1e-12
    assert values["state_numbers"] == 8 * 9
    operations, space = values["slopes_operations"], values["slopes_bytes"]
    assert operations["triangle"] == pytest.approx(2, abs=0.05)
    assert operations["recurrence"] == pytest.approx(1, abs=0.01)
    assert space["triangle"] > 1.8
    assert space["cumulative sum"] == pytest.approx(1, abs=0.05)
    # Why the sum of all states loses to the loop: bytes, not operations.
    assert values["operations"]["cumulative sum"][-1] <= values["operations"]["recurrence"][-1]
    assert values["bytes"]["cumulative sum"][-1] > 3 * values["bytes"]["recurrence"][-1]


def test_the_experiment_on_streaming() -> None:
    values = execute(Streaming(width=6, value_width=5, positions=100), Run(dtype=torch.float64)).values
    assert values["difference"] < 1e-12
    assert values["difference_in_two_parts"] < 1e-12
    assert values["difference_of_state"] < 1e-12
    assert values["state_numbers"] == 6 * 6
    assert values["cache_numbers"] == 100 * 11
    assert len(set(values["operations_linear"])) == 1
    assert values["operations_softmax"][-1] > 20 * values["operations_softmax"][0]


def test_times_are_taken_on_request_only() -> None:
    silent = execute(Streaming(width=2, value_width=2, positions=16), Run()).values
    assert silent["seconds_linear"] is None
    timed = execute(Streaming(width=2, value_width=2, positions=16, timed=True), Run()).values
    assert all(value > 0 for value in timed["seconds_linear"] + timed["seconds_softmax"])
