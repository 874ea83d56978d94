"""Kernel and linear attention against fused softmax attention, a C++ extension and a published chunk form.

One thread, processor time, float32, medians of quotients within a round. All contestants get raw queries and keys:
each makes its own features and normalises.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import partial
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from engines.counting import slope
from engines.kernel_attention import quadratic_kernel_attention, recomputing_kernel_attention
from engines.linear_attention import causal_linear_attention, decode_step, elu_plus_one, empty_state
from tests.benchmarks.conftest import Report
from tests.benchmarks.contest import contest, peak_bytes

Attention = Callable[[Tensor, Tensor, Tensor], Tensor]


def random(n: int, d: int) -> tuple[Tensor, Tensor, Tensor]:
    """Standard normal queries, keys and values, `(1, 1, n, d)`."""
    generator = torch.Generator().manual_seed(n + d)
    q, k, v = (torch.randn(1, 1, n, d, generator=generator) for _ in range(3))
    return q, k, v


# -- the quadratic kernel


def kernel(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Ours, for one sequence."""
    return recomputing_kernel_attention(q[0, 0], k[0, 0], v[0, 0])


@pytest.mark.parametrize(("d", "budget"), [(16, 650), (32, 1600), (64, 5000)])
def test_the_length_from_which_on_the_quadratic_kernel_is_faster(report: Report, d: int, budget: int) -> None:
    """By operations N* = C = 153, 561, 2145. With D = 16 a call of either takes half a millisecond at N*, and its
    dispatches, 17 rows a side, are a third of that: it bounds how near the measured length can come."""
    inputs = random(budget, d)
    q, k, v = (x[0, 0].double() for x in inputs)
    want = quadratic_kernel_attention(q, k, v)
    assert torch.allclose(kernel(*inputs).double(), want, rtol=1e-3, atol=1e-4)
    outcome = contest(
        {"ours": partial(kernel, *inputs), "sdpa": partial(F.scaled_dot_product_attention, *inputs)}, rounds=15
    )
    ratio = outcome.speedup("ours", "sdpa")
    report.row(f"quadratic kernel / SDPA, D = {d}", f"{ratio:.2f} x at N = {budget}", "1.00 x", "crossed there")
    assert ratio >= 1


def test_the_quadratic_kernel_grows_linearly_and_leaves_sdpa_behind(report: Report) -> None:
    lengths = [2048, 4096, 8192]
    calls: dict[str, Callable[[], Any]] = {f"{n}": partial(kernel, *random(n, 32)) for n in lengths}
    calls["sdpa"] = partial(F.scaled_dot_product_attention, *random(8192, 32))
    outcome = contest(calls, rounds=7)
    exponent = slope([float(n) for n in lengths], [outcome.median(f"{n}") for n in lengths])
    ratio = outcome.speedup("8192", "sdpa")
    report.row("quadratic kernel, slope of the time", f"{exponent:.2f}", "1.10", "N = 2048 to 8192, D = 32")
    report.row("quadratic kernel / SDPA", f"{ratio:.2f} x", "3.50 x", "N = 8192, D = 32")
    assert exponent <= 1.1
    assert ratio >= 3.5


# -- causal linear attention


def ours(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """In chunks, elu + 1."""
    return causal_linear_attention(q, k, v)[0]


def fast_transformers() -> Attention:
    """The C++ kernel with the features and the normaliser of its own module, without its 1e-6."""
    products = pytest.importorskip("fast_transformers.causal_product")

    def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        fq, fk = F.elu(q) + 1, F.elu(k) + 1
        normaliser = torch.einsum("nhli,nhli->nhl", fq, fk.cumsum(2)).unsqueeze(-1)
        result: Tensor = products.causal_dot_product(fq, fk, v) / normaliser
        return result

    return attention


def fla_chunks() -> Attention:
    """The naive chunk form of flash-linear-attention, loaded by its path: importing the package needs Triton."""
    pytest.importorskip("einops")
    package = PathFinder.find_spec("fla")
    places = [
        Path(place) / "ops/linear_attn/naive.py" for place in (package and package.submodule_search_locations) or []
    ]
    found = next((place for place in places if place.exists()), None)
    if found is None:
        pytest.skip("could not find fla's ops/linear_attn/naive.py")
    spec = importlib.util.spec_from_file_location("fla_naive", found)
    assert spec is not None
    assert spec.loader is not None
    naive = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(naive)

    def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        fq, fk, values = (x.transpose(1, 2) for x in (F.elu(q) + 1, F.elu(k) + 1, v))
        result: Tensor = naive.naive_chunk_linear_attn(fq, fk, values, normalize=True).transpose(1, 2)
        return result

    return attention


# For each the least speedups at N = 4096: forward, and forward and backward. At 16384 all are held to 1.7 and 1.3.
PEERS = {"fast-transformers' C++": (fast_transformers, 1.7, 1.3), "fla's naive chunks": (fla_chunks, 1.5, 1.2)}


def gradients(attention: Attention, inputs: tuple[Tensor, Tensor, Tensor], upstream: Tensor) -> tuple[Tensor, ...]:
    """Forward and backward."""
    q, k, v = (x.detach().requires_grad_() for x in inputs)
    return torch.autograd.grad(attention(q, k, v), (q, k, v), upstream)


@pytest.mark.parametrize("n", [4096, 16384])
@pytest.mark.parametrize("peer", PEERS)
def test_causal_linear_attention(report: Report, peer: str, n: int) -> None:
    """Against fla's chunks 1.7 and 1.3 are met at 16 384, at 4096 only on a quiet machine (1.6 to 1.75, 1.3 to 1.35).

    What bounds it: both make the same four products of 64 × 64 × 64 a chunk, 67 million multiply-adds at N = 4096 and
    1.65 ms of our 3.1 at 80 GFLOP/s; the features take 0.4 ms, the sum of states 0.2, some 150 dispatches 0.3.
    Theirs takes 5.0. At 16 384 its passes over whole tensors leave the cache, and ours stay in it.
    """
    make, *least = PEERS[peer]
    theirs = make()
    forward, both = least if n == 4096 else (1.7, 1.3)
    inputs, upstream = random(n, 64), random(n, 64)[2].flip(2)
    assert torch.allclose(ours(*inputs), theirs(*inputs), rtol=1e-4, atol=1e-5)
    pairs = zip(gradients(ours, inputs, upstream), gradients(theirs, inputs, upstream), strict=True)
    assert all(float((a - b).abs().max()) <= 1e-4 * float(b.abs().max()) for a, b in pairs)
    for what, budget, calls in (
        ("forward", forward, {"ours": partial(ours, *inputs), "theirs": partial(theirs, *inputs)}),
        ("forward and backward", both, {"ours": partial(gradients, ours, inputs, upstream),
                                       "theirs": partial(gradients, theirs, inputs, upstream)}),
    ):  # fmt: skip
        ratio = contest(calls, rounds=11).speedup("ours", "theirs")
        report.row(f"causal, {what} / {peer}", f"{ratio:.2f} x", f"{budget:.2f} x", f"N = {n}, D = M = 64")
        assert ratio >= budget


def test_causal_linear_attention_grows_linearly_in_time_and_memory(report: Report) -> None:
    lengths = [4096, 8192, 16384]
    outcome = contest({f"{n}": partial(ours, *random(n, 64)) for n in lengths}, rounds=9)
    exponent = slope([float(n) for n in lengths], [outcome.median(f"{n}") for n in lengths])
    report.row("causal, slope of the time", f"{exponent:.2f}", "1.15", "N = 4096 to 16384")
    for n in (4096, 16384):
        inputs = random(n, 64)
        share = peak_bytes(partial(ours, *inputs), *inputs) / (3 * n * 64 * 4)
        report.row("causal, peak", f"{share:.2f} x inputs", "4.00 x", f"N = {n}")
        assert share <= 4
    assert exponent <= 1.15


def test_a_step_of_a_stream_takes_as_long_as_the_first(report: Report) -> None:
    """A state after 16 positions and after 20 000: the same size, the same time."""
    q, k, v = (x[0, 0] for x in random(20_000, 64))
    fq, fk = elu_plus_one(q), elu_plus_one(k)
    state = empty_state(fk, v)
    states = {}
    with torch.no_grad():
        for i in range(len(v)):
            _, state = decode_step(fq[i], fk[i], v[i], state)
            if i in (16, len(v) - 1):
                states[i] = state
        calls = {f"{i}": partial(decode_step, fq[5], fk[5], v[5], each) for i, each in states.items()}
        outcome = contest(calls, rounds=15)
    late = 1 / outcome.speedup(f"{len(v) - 1}", "16")
    report.row("a decoding step after 20 000 positions", f"{late:.2f} x the 16th", "1.10 x", "state of 4 160 numbers")
    assert {each.S.shape for each in states.values()} == {(64, 64)}
    assert late <= 1.1
