"""Performer attention against its literal form, autograd and softmax attention; what trained ones can do."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from engines.counting import Watch, count
from engines.feature_maps import best_tilt, feature_attention, orthogonal_draws, scaled, tilted_features
from engines.fields import BadData
from engines.parameters.performer import FeatureChoice, Recall
from engines.performer import operations, softmax_operations
from engines.performer_attention import data_tilt, performer_attention
from engines.recall import KEYS, LENGTH, PAIRS, VOCABULARY, Ensemble, previous_batch, recall_batch, softmax_causal
from engines.registry import execute
from engines.run import Run

F64 = torch.float64


def normal(name: str, *shape: int) -> Tensor:
    return Run(dtype=F64, seed=5).randn(name, *shape)


def literal(query: Tensor, key: Tensor, value: Tensor, draws: Tensor, tilt: float, *, causal: bool) -> Tensor:
    """As the formula says it: features of w and −w of every position, all N² similarities in the causal form."""
    pairs = torch.cat([draws, -draws], dim=-2)
    fq, fk = (tilted_features(scaled(x), pairs, tilt) for x in (query, key))
    if not causal:
        return feature_attention(fq, fk, value)
    weights = (fq @ fk.mT).tril()
    return weights @ value / weights.sum(-1, keepdim=True)


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(1, 2), st.integers(1, 3)),
    st.integers(1, 20),
    st.integers(1, 20),
    st.integers(1, 9),
    st.integers(1, 5),
    st.integers(1, 12),
    st.sampled_from([0.0, -0.07, 0.05]),
)
def test_it_is_its_literal_form(
    lead: tuple[int, int], queries: int, keys: int, dim: int, width: int, features: int, tilt: float
) -> None:
    q, k, v = normal("q", *lead, queries, dim), normal("k", *lead, keys, dim), normal("v", *lead, keys, width)
    w = normal("w", features, dim)
    found = performer_attention(q, k, v, w, tilt=tilt)
    torch.testing.assert_close(found, literal(q, k, v, w, tilt, causal=False), rtol=1e-9, atol=1e-11)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 45), st.integers(1, 6), st.integers(1, 9), st.sampled_from([0.0, -0.07]))
def test_the_causal_chunks_are_the_masked_quotient(
    length: int, chunk: int, dim: int, features: int, tilt: float
) -> None:
    q, k, v = normal("q", 2, 3, length, dim), normal("k", 2, 3, length, dim), normal("v", 2, 3, length, 2)
    w = normal("w", 3, features, dim)  # draws of its own for every head
    found = performer_attention(q, k, v, w, causal=True, tilt=tilt, chunk=chunk)
    torch.testing.assert_close(found, literal(q, k, v, w, tilt, causal=True), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("causal", [False, True])
def test_gradients(causal: bool) -> None:
    q, k, v = leaves = [normal(name, 1, 2, 7, 3).requires_grad_() for name in ("q", "k", "v")]
    w = normal("w", 5, 3)

    def fast(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return performer_attention(q, k, v, w, causal=causal, tilt=-0.02, chunk=3)

    assert torch.autograd.gradcheck(fast, leaves)
    ours = torch.autograd.grad(fast(q, k, v).sin().sum(), leaves)
    theirs = torch.autograd.grad(literal(q, k, v, w, -0.02, causal=causal).sin().sum(), leaves)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11)


def test_the_tilt_from_the_data_is_the_best_for_the_mean_pair_and_has_no_gradient() -> None:
    q, k = normal("q", 2, 3, 11, 6).requires_grad_(), 0.5 + normal("k", 2, 3, 13, 6)
    found = data_tilt(q, k)
    assert found.shape == (2, 3, 1, 1)
    assert not found.requires_grad
    pairs = (scaled(q.detach()).unsqueeze(-2) + scaled(k).unsqueeze(-3)).square().sum(-1).mean((-1, -2))
    for batch in range(2):
        for head in range(3):
            assert float(found[batch, head]) == pytest.approx(best_tilt(float(pairs[batch, head]), 6), rel=1e-9)
    assert data_tilt(torch.zeros(1, 1, 2, 4), torch.zeros(1, 1, 2, 4)).item() == 0


def test_it_tends_to_softmax_attention() -> None:
    q, k, v = (0.6 * normal(name, 1, 2, 24, 4) for name in ("q", "k", "v"))
    w = normal("w", 40_000, 4)
    for causal in (False, True):
        exact = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        error = (performer_attention(q, k, v, w, causal=causal) - exact).norm() / exact.norm()
        assert error < 0.01


def test_what_comes_later_changes_nothing_before() -> None:
    q, k, v, w = (normal(name, 1, 1, 50, 4) for name in ("q", "k", "v", "w"))
    w = w[0, 0, :8]
    for size in (1.0, 1e3):  # a key of norm 1000 would wipe out the others if it set their scale
        k2, v2 = k.clone(), v.clone()
        k2[..., 30:, :] *= size
        v2[..., 30:, :] = 7
        one, two = (performer_attention(q, a, b, w, causal=True, chunk=16) for a, b in ((k, v), (k2, v2)))
        torch.testing.assert_close(one[..., :30, :], two[..., :30, :], rtol=1e-12, atol=0)
        assert (one[..., 30:, :] - two[..., 30:, :]).abs().min() > 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("size", [0.0, 1e-6, 10.0, 300.0, 1e5])
@pytest.mark.parametrize("causal", [False, True])
def test_huge_and_tiny_inputs_give_finite_averages_of_the_values(size: float, dtype: torch.dtype, causal: bool) -> None:
    q, k, v = ((s * normal(name, 2, 2, 33, 8)).to(dtype) for name, s in (("q", size), ("k", size), ("v", 1.0)))
    leaves = [x.requires_grad_() for x in (q, k, v)]
    out = performer_attention(q, k, v, normal("w", 12, 8).to(dtype), causal=causal, chunk=16)
    assert out.dtype == dtype
    assert out.isfinite().all()
    assert out.abs().max() <= v.abs().max() * 1.05  # positive weights: an average stays within what it averages
    assert all(g.isfinite().all() for g in torch.autograd.grad(out.float().sum(), leaves))


def test_nan_stays_with_what_may_see_it() -> None:
    q, k, v = (normal(name, 1, 2, 20, 4) for name in ("q", "k", "v"))
    k[0, 0, 12, 1] = math.nan
    w = normal("w", 6, 4)
    assert performer_attention(q, k, v, w)[0, 0].isnan().all()
    found = performer_attention(q, k, v, w, causal=True, chunk=4)
    assert found[0, 0, 12:].isnan().all()
    assert found[0, 0, :12].isfinite().all()
    assert found[0, 1].isfinite().all()


def test_causal_attention_needs_a_key_for_every_query() -> None:
    with pytest.raises(ValueError, match="5 keys for 4 queries"):
        performer_attention(torch.ones(4, 2), torch.ones(5, 2), torch.ones(5, 2), torch.ones(3, 2), causal=True)


def test_memory_grows_linearly_with_the_length() -> None:
    def peak(length: int, causal: bool) -> int:
        q, k, v = (normal(name, 1, 1, length, 8) for name in ("q", "k", "v"))
        return count(lambda q, k, v: performer_attention(q, k, v, w, causal=causal), q, k, v).peak_bytes

    w = normal("w", 8, 8)
    for causal in (False, True):
        assert peak(1024, causal) / peak(256, causal) == pytest.approx(4, rel=0.1)


def test_less_error_than_a_well_known_library_with_as_many_features() -> None:
    """Its eps pulls towards uniform attention and its orthogonal matrices are biased; at half scale both show."""
    library = pytest.importorskip("performer_pytorch.performer_pytorch")
    for scale, better in ((0.25, 0.5), (0.5, 0.97)):
        ours: list[float] = []
        theirs: list[float] = []
        for seed in range(8):
            torch.manual_seed(seed)
            q, k, v = (torch.randn(1, 2, 256, 64) * s for s in (scale, scale, 1.0))
            exact = F.scaled_dot_product_attention(q, k, v)
            w = orthogonal_draws(torch.randn(128, 64))
            peer = library.FastAttention(64, 256)
            for errors, out in ((ours, performer_attention(q, k, v, w)), (theirs, peer(q, k, v))):
                errors.append(((out - exact).norm() / exact.norm()).item())
        assert sorted(ours)[4] < better * sorted(theirs)[4]


def test_a_well_known_librarys_orthogonal_matrices_are_biased() -> None:
    """A trap: QR without the signs. The first row of every block points to one side; ours has mean zero."""
    library = pytest.importorskip("performer_pytorch.performer_pytorch")
    torch.manual_seed(0)
    theirs = torch.stack([library.orthogonal_matrix_chunk(4) for _ in range(2000)])
    ours = F.normalize(orthogonal_draws(torch.randn(2000, 4, 4)), dim=-1)
    assert theirs.mean(0).abs().max() > 0.2
    assert ours.mean(0).abs().max() < 0.06


# -- the number of features


def test_choice_of_features_as_published() -> None:
    """IFT6135 question 3.5: .285 at m = 64 to .076 at 1024 at half size, 1.20 to .66 at full size; rank 8 for m = 8."""
    params = FeatureChoice(features=(8, 64, 1024), length=64, seeds=16)
    found = execute(params, Run(dtype=F64, seed=1)).values
    half, full = found["errors"]["positive"]
    assert half[1] == pytest.approx(0.285, rel=0.3)
    assert half[2] == pytest.approx(0.076, rel=0.3)
    assert full[1] == pytest.approx(1.20, rel=0.3)
    assert full[2] == pytest.approx(0.66, rel=0.3)
    assert full[2] > 5 * half[2]
    assert found["ranks"] == [8, 64, 64]
    assert found["uniform"][0] > half[2]
    assert found["break_even"] == 32
    assert operations(64, 16, 32) == softmax_operations(64, 16)
    assert found["log_variance"] == pytest.approx([2, 8])


# -- the tasks and the trained models


def test_the_tasks_ask_what_they_say() -> None:
    tokens, targets = previous_batch(50, torch.Generator().manual_seed(1))
    assert tokens.shape == targets.shape == (50, LENGTH)
    assert (targets[:, 1:] == tokens[:, :-1]).all()
    assert (targets[:, 0] == -100).all()
    tokens, targets = recall_batch(50, torch.Generator().manual_seed(1))
    assert tokens.shape == targets.shape == (50, LENGTH)
    for row, wanted in zip(tokens.tolist(), targets.tolist(), strict=True):
        pairs = dict(zip(row[0 : 2 * PAIRS : 2], row[1 : 2 * PAIRS : 2], strict=True))
        assert len(pairs) == PAIRS
        assert set(pairs) == set(row[-PAIRS:])
        assert all(0 <= key < KEYS <= value < VOCABULARY for key, value in pairs.items())
        assert wanted[-PAIRS:] == [pairs[key] for key in row[-PAIRS:]]
        assert set(wanted[:-PAIRS]) == {-100}


def test_an_ensemble_is_its_members_trained_alone() -> None:
    run = Run(dtype=F64, seed=2)
    w = orthogonal_draws(run.randn("w", 8, 16))

    def performer(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return performer_attention(q, k, v, w, causal=True)

    tokens, targets = recall_batch(6, run.generator("batch"))

    def trained(*attentions: Any) -> dict[str, Tensor]:
        ensemble = Ensemble.draw(attentions, run.randn)
        optimizer = torch.optim.SGD(ensemble.weights.values(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            ensemble.losses(tokens, targets).sum().backward()
            optimizer.step()
        return ensemble.weights

    both, first, second = trained(softmax_causal, performer), trained(softmax_causal), trained(performer)
    for name, weights in both.items():
        torch.testing.assert_close(weights[0], first[name][0])
        torch.testing.assert_close(weights[1], second[name][0])


def test_softmax_causal_is_masked_attention() -> None:
    q, k, v = (normal(name, 2, 2, 9, 4) for name in ("q", "k", "v"))
    scores = (q @ k.mT / 2).masked_fill(torch.ones(9, 9).triu(1).bool(), -math.inf)
    torch.testing.assert_close(softmax_causal(q, k, v), scores.softmax(-1) @ v)


def test_e28_equal_by_place_and_not_by_content() -> None:
    """Erratum E28: equal on the positional task; at recall of six pairs softmax 1.00, m = 16 about .3."""
    params = Recall(features=(16,), steps=200)
    found = execute(params, Run(seed=0)).values
    assert min(found["accuracy"]["previous"]) > 0.95
    assert found["softmax_recall"] > 0.97
    assert found["performer_recall"][0] < 0.6


@pytest.mark.parametrize(
    "params",
    [
        Recall(features=(4,), steps=2, batch=4),
        Recall(features=(16, 64), steps=2, batch=48),
        FeatureChoice(features=(4, 2048), length=32),
        FeatureChoice(features=(4, 64), length=400, seeds=2),
    ],
    ids=["one", "wide", "features", "long"],
)
def test_a_run_takes_no_more_than_it_announces(params: Recall | FeatureChoice) -> None:
    for dtype in (torch.float32, F64):
        with Watch() as watch:
            execute(params, Run(dtype=dtype))
        assert watch.peak_bytes <= params.peak_bytes(dtype.itemsize) <= 4 * watch.peak_bytes + (8 << 20)


@pytest.mark.parametrize(
    ("record", "more", "path"),
    [
        (Recall, {"features": (4, 7)}, ("features", 1)),
        (Recall, {"features": (8, 4)}, ("features",)),
        (FeatureChoice, {"features": (8, 8)}, ("features",)),
        (FeatureChoice, {"scales": (0.5, 0.5)}, ("scales",)),
    ],
)
def test_what_does_not_fit_together_is_refused(record: Any, more: dict[str, Any], path: tuple[str | int, ...]) -> None:
    with pytest.raises(BadData) as caught:
        record(**more)
    assert [fault.path for fault in caught.value.faults] == [path]
