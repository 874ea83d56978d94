"""Experiments on causal linear attention: its forms beside each other, and decoding for ever."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from engines.attention import softmax_attention
from engines.counting import Watch, count, slope
from engines.figures import Lines, Table, line, table
from engines.linear_attention import (
    IDENTITY,
    State,
    causal_chunked_literal,
    causal_cumsum,
    causal_linear_attention,
    causal_masked,
    causal_recurrent,
    decode_step,
    elu_plus_one,
    empty_state,
)
from engines.parameters.causal_attention import Causal, Streaming
from engines.registry import experiment
from engines.result import Result, Step
from engines.run import Run
from engines.timing import seconds

Form = Callable[[Tensor, Tensor, Tensor], Tensor]

# -- the forms beside each other


def causal_forms(chunk: int) -> dict[str, Form]:
    """Every form as a function of features of queries and keys, and values."""
    return {
        "triangle": causal_masked,
        "recurrence": lambda fq, fk, v: causal_recurrent(fq, fk, v)[0],
        "cumulative sum": lambda fq, fk, v: causal_cumsum(fq, fk, v)[0],
        "chunks, literal": lambda fq, fk, v: causal_chunked_literal(fq, fk, v, chunk=chunk)[0],
        "chunks": lambda fq, fk, v: causal_linear_attention(fq, fk, v, chunk=chunk, feature_map=IDENTITY)[0],
    }


@experiment(Causal)
def causal(params: Causal, run: Run) -> Result:
    """How far the forms are apart, and what each costs along the length."""
    forms = causal_forms(params.chunk)
    lengths = [2**i for i in range(5, params.longest.bit_length()) if 2**i <= params.longest]
    found: dict[str, dict[str, list[float]]] = {
        what: {name: [] for name in forms} for what in ("operations", "bytes", "seconds")
    }
    differences: dict[str, float] = {}
    for i, n in enumerate(lengths):
        inputs = _inputs(params, run, n)
        outputs = {}
        for name, form in forms.items():
            with torch.no_grad(), Watch(inputs) as watch:
                outputs[name] = form(*inputs)
            found["operations"][name].append(float(watch.operations))
            found["bytes"][name].append(float(watch.peak_bytes))
            run.progress((i + 0.8) / len(lengths), f"{name}, N = {n}", _figure("bytes", params, lengths, found))
        if params.timed:
            for name, taken in seconds({f: partial(form, *inputs) for f, form in forms.items()}, run, 3).items():
                found["seconds"][name].append(taken)
        differences = {name: float((out - outputs["recurrence"]).abs().max()) for name, out in outputs.items()}
    small = _inputs(params, run, 64)
    kept = {name: count(form, *small).kept for name, form in forms.items()}
    measured = ("operations", "bytes", *(["seconds"] if params.timed else []))
    return Result(
        values={
            "difference": max(differences.values()),
            "differences": differences,
            "state_numbers": params.width * (params.value_width + 1),
            "lengths": lengths,
            "kept_at_64": kept,
            "slopes_operations": _slopes(lengths, found["operations"]),
            "slopes_bytes": _slopes(lengths, found["bytes"]),
            "slopes_seconds": _slopes(lengths, found["seconds"]) if params.timed else None,
            **{what: found[what] for what in ("operations", "bytes")},
            "seconds": found["seconds"] if params.timed else None,
        },
        trace=_worked(params, lengths, found, differences),
        figures=(
            *(_figure(what, params, lengths, found) for what in measured),
            _costs(params, lengths, found, differences, kept),
        ),
    )


def _inputs(params: Causal, run: Run, n: int) -> tuple[Tensor, Tensor, Tensor]:
    """Positive features, and values."""
    q, k = (elu_plus_one(run.randn(f"{name} {n}", n, params.width)) for name in "qk")
    return q, k, run.randn(f"v {n}", n, params.value_width)


def _slopes(lengths: list[int], curves: dict[str, list[float]]) -> dict[str, float]:
    """The exponent of each curve over its last three points."""
    return {name: slope([float(n) for n in lengths[-3:]], curve[-3:]) for name, curve in curves.items()}


def _figure(what: str, params: Causal, lengths: list[int], found: dict[str, dict[str, list[float]]]) -> Lines:
    captions = {
        "operations": "The triangle has slope 2. All others have slope 1, and chunks do some more work than the loop.",
        "bytes": "The cumulative sum holds all N states at once: N C M numbers, where the loop holds one.",
        "seconds": "The cumulative sum has the loop's operations and no loop; what it writes to memory decides.",
    }
    return Lines(
        what,
        f"{'Peak bytes' if what == 'bytes' else what.capitalize()} at C = {params.width}, M = {params.value_width}",
        tuple(
            line(name, [float(n) for n in lengths[: len(values)]], values)
            for name, values in found[what].items()
            if values
        ),
        x_label="length N",
        y_label=what,
        x_scale="log",
        y_scale="log",
        caption=captions[what],
    )


def _costs(
    params: Causal,
    lengths: list[int],
    found: dict[str, dict[str, list[float]]],
    differences: dict[str, float],
    kept: dict[str, int],
) -> Table:
    operations, space, times = (found[what] for what in ("operations", "bytes", "seconds"))
    rows = [
        (
            name,
            f"{differences[name]:.1e}",
            f"{operations[name][-1]:.3g}",
            f"{space[name][-1] / 2**20:.3g}",
            f"{kept[name]:,}",
            *([f"{times[name][-1] * 1000:.3g}"] if params.timed else []),
        )
        for name in differences
    ]
    return table(
        "forms",
        f"The forms at N = {lengths[-1]}",
        ("form", "difference", "operations", "peak MiB", "kept at N = 64", *(["ms"] if params.timed else [])),
        rows,
        align="lrrrr" + "r" * params.timed,
        caption="Kept: numbers that are there when the backward pass begins. The loop keeps every state too.",
    )


def _worked(
    params: Causal, lengths: list[int], found: dict[str, dict[str, list[float]]], differences: dict[str, float]
) -> tuple[Step, ...]:
    c, m, b, n = params.width, params.value_width, params.chunk, lengths[-1]
    mebi = {name: values[-1] / 2**20 for name, values in found["bytes"].items()}
    return (
        Step(
            "masked",
            r"Position $i$ may see positions $j \le i$ only, so both sums end at $i$: "
            r"$V_i' = \frac{\sum_{j \le i} sim(Q_i, K_j) V_j}{\sum_{j \le i} sim(Q_i, K_j)}$.",
        ),
        Step(
            "states",
            r"With $sim = \phi(Q_i)^\top \phi(K_j)$ the sums leave the query outside: "
            r"$V_i' = \frac{\phi(Q_i)^\top S_i}{\phi(Q_i)^\top Z_i}$ with $S_i = S_{i-1} + \phi(K_i) V_i^\top$ and "
            f"$Z_i = Z_{{i-1}} + \\phi(K_i)$. The state has $C (M + 1) = {c * (m + 1)}$ numbers.",
        ),
        Step(
            "cost",
            f"Each step costs a multiple of $C M = {c * m}$, whatever $i$ is: that is what constant means in "
            f"constant time a step. Together $N C M$.",
        ),
        Step(
            "cumulative-sum",
            f"A cumulative sum makes all states at once: $N C M = {n * c * m:,}$ numbers at $N = {n}$, at the peak "
            f"{mebi['cumulative sum']:.3g} MiB against {mebi['recurrence']:.3g} MiB of the loop.",
        ),
        Step(
            "chunks",
            f"In chunks of $b = {b}$ the triangle stays inside a chunk, $b (C + M)$ operations a position, and the "
            f"state carries what lies before, $2 C M$. All forms agree to {max(differences.values()):.1e}.",
        ),
    )


# -- one position at a time


@experiment(Streaming)
def streaming(params: Streaming, run: Run) -> Result:
    """Decode with linear attention and with softmax attention; what they remember and compute at every position."""
    n = params.positions
    q, k = (run.randn(name, n, params.width) for name in "qk")
    v = run.randn("v", n, params.value_width)
    fq, fk = elu_plus_one(q), elu_plus_one(k)
    marks = sorted({2**i for i in range(2, n.bit_length()) if 2**i <= n} | {n})
    state = empty_state(fk, v)
    outputs = []
    costs: dict[str, list[float]] = {"numbers linear": [], "numbers softmax": []}
    costs |= {f"{what} {name}": [] for what in ("operations", "seconds") for name in ("linear", "softmax")}
    for i in range(n):
        steps: dict[str, Callable[[], object]] = {
            "linear": partial(decode_step, fq[i], fk[i], v[i], state),
            "softmax": partial(softmax_attention, q[i : i + 1], k[: i + 1], v[: i + 1]),
        }
        if i + 1 in marks:
            for name, step in steps.items():
                with Watch() as watch:
                    step()
                costs[f"operations {name}"].append(float(watch.operations))
            if params.timed:
                for name, taken in seconds(steps, run, 3).items():
                    costs[f"seconds {name}"].append(taken)
            costs["numbers linear"].append(float(state.S.numel() + state.Z.numel()))
            costs["numbers softmax"].append(float((i + 1) * (params.width + params.value_width)))
        output, state = decode_step(fq[i], fk[i], v[i], state)
        outputs.append(output)
        if (i + 1) % 16 == 0:
            done = [mark for mark in marks if mark <= i + 1]
            run.progress(0.9 * ((i + 1) / n), f"position {i + 1}", _memory(params, done, costs))
    streamed = torch.stack(outputs)
    return Result(
        values=_streaming_values(params, marks, costs, streamed, (fq, fk, v), state),
        trace=_streaming_steps(params, marks, costs),
        figures=(
            _memory(params, marks, costs),
            _step_cost("operations", marks, costs),
            *([_step_cost("seconds", marks, costs)] if params.timed else []),
        ),
    )


def _streaming_values(
    params: Streaming,
    marks: list[int],
    costs: dict[str, list[float]],
    streamed: Tensor,
    inputs: tuple[Tensor, Tensor, Tensor],
    state: State,
) -> dict[str, object]:
    fq, fk, v = inputs
    parallel, final = causal_linear_attention(fq, fk, v, feature_map=IDENTITY)
    half = len(streamed) // 2
    first, middle = causal_linear_attention(fq[:half], fk[:half], v[:half], feature_map=IDENTITY)
    second, _ = causal_linear_attention(fq[half:], fk[half:], v[half:], middle, feature_map=IDENTITY)
    # Relative: a state is a sum over all positions.
    scale = float(state.S.abs().max())
    return {
        "difference": float((streamed - parallel).abs().max()),
        "difference_in_two_parts": float((streamed - torch.cat([first, second])).abs().max()),
        "difference_of_state": float((state.S - final.S).abs().max()) / scale,
        "state_numbers": params.width * (params.value_width + 1),
        "cache_numbers": params.positions * (params.width + params.value_width),
        "break_even_position": params.width * (params.value_width + 1) / (params.width + params.value_width),
        "positions": marks,
        "operations_linear": costs["operations linear"],
        "operations_softmax": costs["operations softmax"],
        "seconds_linear": costs["seconds linear"] if params.timed else None,
        "seconds_softmax": costs["seconds softmax"] if params.timed else None,
    }


def _memory(params: Streaming, marks: list[int], costs: dict[str, list[float]]) -> Lines:
    x = [float(mark) for mark in marks]
    return Lines(
        "memory",
        f"What is remembered, D = {params.width}, M = {params.value_width}",
        (
            line("state of linear attention", x, costs["numbers linear"][: len(x)]),
            line("keys and values of softmax", x, costs["numbers softmax"][: len(x)]),
        ),
        x_label="position",
        y_label="numbers",
        x_scale="log",
        y_scale="log",
        caption="The state is as large after the last position as after the first; the cache takes every position in.",
    )


def _step_cost(what: str, marks: list[int], costs: dict[str, list[float]]) -> Lines:
    x = [float(mark) for mark in marks]
    return Lines(
        what,
        f"{what.capitalize()} of one step",
        (line("linear", x, costs[f"{what} linear"]), line("softmax", x, costs[f"{what} softmax"])),
        x_label="position",
        y_label=what,
        x_scale="log",
        y_scale="log",
        caption="A step of linear attention is as long as the one before it; one of softmax reads the whole past.",
    )


def _streaming_steps(params: Streaming, marks: list[int], costs: dict[str, list[float]]) -> tuple[Step, ...]:
    d, m, n = params.width, params.value_width, params.positions
    return (
        Step(
            "state",
            f"$S$ has $C M = {d * m}$ numbers and $Z$ has $C = {d}$: together {d * (m + 1)}, after 1 position or "
            f"{n}. Keys and values have $N (D + M) = {n * (d + m):,}$.",
        ),
        Step(
            "step",
            f"A step adds $\\phi(K_i) V_i^\\top$ and reads $\\phi(Q_i)^\\top S_i$: "
            f"{costs['operations linear'][-1]:g} operations, counted at position {marks[0]} and at {marks[-1]} "
            f"alike. Softmax takes {costs['operations softmax'][0]:g} at the former and "
            f"{costs['operations softmax'][-1]:g} at the latter.",
        ),
    )
