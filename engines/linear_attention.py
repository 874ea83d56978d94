"""Linear attention: a feature map in place of the exponential, so that the past fits into one matrix.

    vᵢ' = φ(qᵢ)ᵀ Sᵢ / φ(qᵢ)ᵀ Zᵢ,    Sᵢ = Σ_{j≤i} φ(kⱼ) vⱼᵀ,    Zᵢ = Σ_{j≤i} φ(kⱼ)

(Katharopoulos et al. 2020; EECS 182, homework 8 (fall 2022), question 3b.) The forms below are one function: through
the N × N triangle, position by position, by a cumulative sum of all states, and in chunks. All take features, not
queries and keys: `fq`, `fk` are `(..., n, C)`, `v` is `(..., n, M)`, outputs are `(..., n, M)`. Those that run along
the sequence take the state that came before it and return the one behind it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor

# -- the feature map


def elu_plus_one(x: Tensor) -> Tensor:
    """φ(x) = elu(x) + 1 entry by entry: x + 1 above zero, eˣ below, and so positive everywhere.

    Not as it is written: elu rounds eˣ − 1, and adding 1 to that gives 0 below −17 in float32, where φ is positive.
    """
    return x.clamp(max=0).exp() + x.relu()


class FeatureMap(NamedTuple):
    """A feature map that works entry by entry, and whose slope can be told from its value alone."""

    value: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]


def _elu_plus_one_fast(x: Tensor) -> Tensor:
    """In place, for where no gradient is recorded, and eˣ as 2 to the power of x log₂ e.

    That is within |x| roundings of eˣ, and torch's `exp2` takes less than half of the time of its `exp` on a
    processor; with four passes over the numbers this is what the features cost.
    """
    return x.clamp(max=0).mul_(_LOG2_E).exp2_().add_(x.relu())


_LOG2_E = math.log2(math.e)
ELU_PLUS_ONE = FeatureMap(_elu_plus_one_fast, lambda features: features.clamp(max=1))
IDENTITY = FeatureMap(lambda x: x, torch.ones_like)


# -- every position sees all


def linear_attention(fq: Tensor, fk: Tensor, v: Tensor) -> Tensor:
    """φ(Q) (φ(K)ᵀ V) / φ(Q) (φ(K)ᵀ 1), keys and values summed up before any query is looked at.

    Time N·C·M + L·C·M for N queries and L keys. Multiplied the other way round, (φ(Q) φ(K)ᵀ) V, it is N·L·(C + M).
    """
    return (fq @ (fk.mT @ v)) / (fq @ fk.sum(-2).unsqueeze(-1))


# -- causal, as written


class State(NamedTuple):
    """What all positions so far leave behind: `S` `(..., C, M)` and `Z` `(..., C)`, whatever their number."""

    S: Tensor
    Z: Tensor


def empty_state(fk: Tensor, v: Tensor) -> State:
    """The state before the first position."""
    shape = (*fk.shape[:-2], fk.shape[-1])
    return State(v.new_zeros(*shape, v.shape[-1]), v.new_zeros(shape))


def causal_masked(fq: Tensor, fk: Tensor, v: Tensor) -> Tensor:
    """Through all N² similarities, those with later positions set to 0: time N²(C + M), memory N²."""
    similarities = (fq @ fk.mT).tril()
    return (similarities @ v) / similarities.sum(-1, keepdim=True)


def decode_step(fq: Tensor, fk: Tensor, v: Tensor, state: State) -> tuple[Tensor, State]:
    """One position: `fq`, `fk` `(..., C)` and `v` `(..., M)` → its output `(..., M)`, and the state behind it.

    C·M operations, however long the sequence is: constant in N (homework 8, question 3b), not constant.
    """
    S = state.S + fk.unsqueeze(-1) * v.unsqueeze(-2)
    Z = state.Z + fk
    read = (fq.unsqueeze(-2) @ S).squeeze(-2)
    return read / (fq * Z).sum(-1, keepdim=True), State(S, Z)


def causal_recurrent(fq: Tensor, fk: Tensor, v: Tensor, state: State | None = None) -> tuple[Tensor, State]:
    """Position by position, the recurrence as written: time N·C·M, one state at a time.

    With gradients every state is kept, N·C·M numbers.
    """
    state = empty_state(fk, v) if state is None else state
    outputs = []
    for i in range(v.shape[-2]):
        output, state = decode_step(fq[..., i, :], fk[..., i, :], v[..., i, :], state)
        outputs.append(output)
    return torch.stack(outputs, -2) if outputs else torch.empty_like(v), state


def causal_cumsum(fq: Tensor, fk: Tensor, v: Tensor, state: State | None = None) -> tuple[Tensor, State]:
    """All states at once by a cumulative sum: no loop, the same N·C·M operations, and N·C·M numbers in memory.

    It writes each state to memory and reads it again, where the loop finds it in the cache: as few operations, and
    slower on a processor than the loop in Python.
    """
    S = (fk.unsqueeze(-1) * v.unsqueeze(-2)).cumsum(-3)
    Z = fk.cumsum(-2)
    if state is not None:
        S, Z = S + state.S.unsqueeze(-3), Z + state.Z.unsqueeze(-2)
    output = (fq.unsqueeze(-2) @ S).squeeze(-2) / (fq * Z).sum(-1, keepdim=True)
    if not v.shape[-2]:
        return output, empty_state(fk, v) if state is None else state
    return output, State(S[..., -1, :, :], Z[..., -1, :])


# -- causal, in chunks

# Within a chunk the triangle, between chunks the state: b·(C + M) operations a position inside, 2·C·M for the states.
CHUNK = 64
# Positions (of all sequences of a batch together) that are worked on at once: what they need stays in the cache.
SEGMENT = 2048


def causal_chunked_literal(
    fq: Tensor, fk: Tensor, v: Tensor, state: State | None = None, chunk: int = CHUNK
) -> tuple[Tensor, State]:
    """A chunk after the other: the triangle within it, what came before through the state.

    Time N·(b·(C + M) + 2·C·M) for chunks of b positions.
    """
    state = empty_state(fk, v) if state is None else state
    outputs = [torch.empty_like(v[..., :0, :])]
    for begin in range(0, v.shape[-2], chunk):
        a, b, c = (x[..., begin : begin + chunk, :] for x in (fq, fk, v))
        inside = (a @ b.mT).tril()
        above = inside @ c + a @ state.S
        below = inside.sum(-1, keepdim=True) + a @ state.Z.unsqueeze(-1)
        outputs.append(above / below)
        state = State(state.S + b.mT @ c, state.Z + b.sum(-2))
    return torch.cat(outputs, -2), state


def causal_linear_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    state: State | None = None,
    chunk: int = CHUNK,
    feature_map: FeatureMap = ELU_PLUS_ONE,
) -> tuple[Tensor, State]:
    """`causal_chunked_literal` of φ(q), φ(k) and v, many chunks in one product: the fast form.

    The backward pass is written out. It keeps q, k, v, the output, and one state for each `SEGMENT` positions; the
    features and all else are made again. A number that is not finite spreads over the rest of its chunk, also to
    positions before it, but not to earlier chunks.

    Args:
        q: `(..., n, C)`, before the feature map; `IDENTITY` if they are features already.
        k: `(..., n, C)`.
        v: `(..., n, M)`.
        state: what came before.
        chunk: positions in a chunk.
        feature_map: φ.

    Raises:
        ValueError: if chunk is below 1.
    """
    if chunk < 1:
        raise ValueError(f"a chunk has at least one position, not {chunk}")
    batch = v.shape[:-2]
    state = empty_state(k, v) if state is None else state
    inputs = (q, k, v, state.S, state.Z.unsqueeze(-2))
    # Sizes are named: -1 is undefined where a sequence is empty.
    flat = (x.reshape(math.prod(batch), *x.shape[-2:]) for x in inputs)
    output, S, Z = _Chunked.apply(*flat, chunk, feature_map)  # type: ignore[no-untyped-call]
    return output.view(v.shape), State(S.view(*batch, *S.shape[1:]), Z.view(*batch, Z.shape[-1]))


def _segments(length: int, sequences: int, chunk: int) -> list[tuple[int, int, int]]:
    """(begin, end, chunk) of the stretches worked on at once; what is left over of the last chunk is one of its own."""
    whole = length - length % chunk
    size = max(1, SEGMENT // (chunk * max(sequences, 1))) * chunk
    found = [(begin, min(begin + size, whole), chunk) for begin in range(0, whole, size)]
    return [*found, (whole, length, length - whole)] if whole < length else found


class _Stretch(NamedTuple):
    """Features, values and the states before each chunk of one stretch: `(sequences · chunks, ·, ·)`."""

    fq: Tensor
    fk: Tensor
    v: Tensor
    S: Tensor
    Z: Tensor
    last: State
    similarities: Tensor


def _stretch(q: Tensor, k: Tensor, v: Tensor, before: State, chunk: int, feature_map: FeatureMap) -> _Stretch:
    """Cut a stretch `(sequences, length, ·)` into chunks and find the state before each of them."""
    sequences, length, _ = v.shape
    g = length // chunk
    q, k, v = (x.reshape(sequences * g, chunk, x.shape[-1]) for x in (q, k, v))
    fq, fk = feature_map.value(q), feature_map.value(k)
    S, Z = (
        torch.cat([first.unsqueeze(1), sums.view(sequences, g, *sums.shape[1:])], 1)
        for first, sums in zip(before, (torch.bmm(fk.mT, v), fk.sum(1, keepdim=True)), strict=True)
    )
    Z = Z.cumsum(1)
    # In place and chunk by chunk: cumsum along this axis strides through memory, and these are large.
    for earlier, later in pairwise(S.unbind(1)):
        later.add_(earlier)
    return _Stretch(
        fq,
        fk,
        v,
        S[:, :-1].reshape(-1, *S.shape[2:]),
        Z[:, :-1].reshape(-1, *Z.shape[2:]),
        State(S[:, -1], Z[:, -1]),
        torch.bmm(fq, fk.mT).tril_(),
    )


class _Chunked(torch.autograd.Function):
    """Works on `(sequences, length, ·)`, a stretch of chunks at a time; Z is `(sequences, 1, C)`."""

    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, S: Tensor, Z: Tensor, chunk: int, feature_map: FeatureMap
    ) -> tuple[Tensor, Tensor, Tensor]:
        output = torch.empty_like(v, memory_format=torch.contiguous_format)
        state = State(S, Z)
        states = []
        for begin, end, size in _segments(v.shape[1], len(v), chunk):
            states.append(state)
            at = _stretch(q[:, begin:end], k[:, begin:end], v[:, begin:end], state, size, feature_map)
            above = torch.bmm(at.similarities, at.v).baddbmm_(at.fq, at.S)
            place = output[:, begin:end].unflatten(1, (-1, size))
            torch.div(above.view(place.shape), _denominator(at).view(*place.shape[:-1], 1), out=place)
            state = State(at.last.S.clone(), at.last.Z.clone())
        ctx.save_for_backward(q, k, v, output, *(x for pair in states for x in pair))
        ctx.chunk, ctx.feature_map = chunk, feature_map
        return output, state.S.clone(), state.Z.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, output, *states = ctx.saved_tensors
        to_output, dS, dZ = gradients
        dq, dk, dv = (torch.empty_like(x, memory_format=torch.contiguous_format) for x in (q, k, v))
        for i, (begin, end, size) in reversed(list(enumerate(_segments(v.shape[1], len(v), ctx.chunk)))):
            place = slice(begin, end)
            before = State(*states[2 * i : 2 * i + 2])
            at = _stretch(q[:, place], k[:, place], v[:, place], before, size, ctx.feature_map)
            # o = a / z, so da = do / z and dz = -(da · o).
            da = to_output[:, place].reshape(at.v.shape) / _denominator(at)
            dz = (da * output[:, place].reshape(at.v.shape)).sum(-1, keepdim=True).neg_()
            after = _after(at, da, dz, State(dS, dZ))
            dfq, dfk, here = _stretch_gradients(at, da, dz, after)
            for whole, part in ((dq, dfq.mul_(ctx.feature_map.slope(at.fq))),
                                (dk, dfk.mul_(ctx.feature_map.slope(at.fk))), (dv, here)):  # fmt: skip
                whole[:, place] = part.view(len(v), end - begin, part.shape[-1])
            dS, dZ = after.first
        return dq, dk, dv, dS, dZ, None, None


def _denominator(at: _Stretch) -> Tensor:
    """What the output of every position of a stretch is divided by, `(·, b, 1)`."""
    # A product with one column, fq @ Zᵀ, is several times slower than this sum.
    return at.similarities.sum(-1, keepdim=True).add_((at.fq * at.Z).sum(-1, keepdim=True))


class _After(NamedTuple):
    """Gradients of the state behind each chunk, and of the one before the first."""

    S: Tensor
    Z: Tensor
    first: State


def _after(at: _Stretch, da: Tensor, dz: Tensor, last: State) -> _After:
    """What the chunks behind it ask of each chunk's state: the running sum of `_stretch`, from the other end."""
    sequences = len(last.S)
    S, Z = (
        torch.cat([sums.view(sequences, len(sums) // max(sequences, 1), *sums.shape[1:]), behind.unsqueeze(1)], 1)
        for sums, behind in zip((torch.bmm(at.fq.mT, da), (at.fq * dz).sum(1, keepdim=True)), last, strict=True)
    )
    Z = Z.flip(1).cumsum(1).flip(1)
    for later, earlier in pairwise(reversed(S.unbind(1))):
        earlier.add_(later)
    return _After(
        S[:, 1:].reshape(-1, *S.shape[2:]), Z[:, 1:].reshape(-1, *Z.shape[2:]), State(S[:, 0].clone(), Z[:, 0].clone())
    )


def _stretch_gradients(at: _Stretch, da: Tensor, dz: Tensor, after: _After) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of the features of queries, of keys, and of the values of a stretch."""
    dsimilarities = torch.bmm(da, at.v.mT).add_(dz).tril_()
    return (
        torch.bmm(dsimilarities, at.fk).baddbmm_(da, at.S.mT).addcmul_(dz, at.Z),
        torch.bmm(dsimilarities.mT, at.fq).baddbmm_(at.v, after.S.mT).add_(after.Z),
        torch.bmm(at.similarities.mT, da).baddbmm_(at.fk, after.S),
    )
