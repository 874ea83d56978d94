"""The shipped exercises solved by other means than the project's: numpy, float64, fractions and brute force.

Each solver gets what `workbench show --json` tells and gives, by part, right answers as one would type them, and
wrong ones with the note that they must get.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

Vector = np.ndarray[Any, np.dtype[np.float64]]


@dataclass
class Solved:
    """What to answer to one part, and what not."""

    right: list[str]
    wrong: list[tuple[str, str]] = field(default_factory=list)


def typed(value: Vector) -> str:
    """An array as one types it, with all its digits."""
    return str(value.tolist())


# -- attention/argmax


def argmax(shown: dict[str, Any]) -> dict[str, Solved]:
    """Hard attention, written out with sums; its gradients from difference quotients."""
    keys, values, query = (np.array(shown["given"][name], dtype=float) for name in ("keys", "values", "query"))
    scores = np.array([sum(a * b for a, b in zip(key, query, strict=True)) for key in keys])
    winner, loser = int(scores.argmax()), int(scores.argmin())
    weights = np.eye(len(keys))[winner]
    soft = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
    output = values[winner]
    off_by_one = scores + np.eye(len(scores))[0]
    return {
        "scores": Solved(
            [typed(scores), " ".join(map(str, scores.tolist())), typed(scores.reshape(-1, 1))],
            [
                (typed(off_by_one), "wrong-entries"),
                (typed(scores[:-1]), "shape"),
                (typed(scores / len(query) ** 0.5), "scaled"),
            ],
        ),
        "weights": Solved([typed(weights)], [(typed(soft), "softmax"), (typed(weights[1:]), "shape")]),
        "output": Solved(
            [typed(output), "; ".join(map(str, output.tolist()))],
            [
                (typed(soft @ values), "softmax"),
                (typed(values.mean(0)), "mean"),
                (typed(values[loser]), "argmin"),
                (typed(keys[winner]), "key-for-value"),
            ],
        ),
        "gradients": Solved([", ".join(moving(keys, values, query))], [("q, K, V", "wrong-choice")]),
    }


def moving(keys: Vector, values: Vector, query: Vector, step: float = 1e-4) -> list[str]:
    """Which inputs move the output of hard attention when they are moved a little."""
    inputs = {"q": query, "K": keys, "V": values}

    def attend(q: Vector, k: Vector, v: Vector) -> Vector:
        return np.asarray(v[int((k @ q).argmax())])

    rest = attend(query, keys, values)
    found = []
    for name, tensor in inputs.items():
        for index in np.ndindex(tensor.shape):
            moved = tensor.copy()
            moved[index] += step
            if not np.array_equal(attend(*(inputs | {name: moved}).values()), rest):
                found.append(name)
                break
    return found


# -- beam/two-words

Words = tuple[str, ...]


def beam(shown: dict[str, Any]) -> dict[str, Solved]:
    """Exact sums of the two decimals shown; every sequence by brute force."""
    tree, size = shown["given"]["tree"], shown["given"]["beam_size"]
    vocabulary = list(tree[""])
    length = 1 + max(len(prefix.split()) for prefix in tree)

    def total(words: Words) -> Fraction:
        return sum((Fraction(str(tree[" ".join(words[:i])][words[i]])) for i in range(len(words))), Fraction(0))

    stored: list[list[Words]] = [[()]]
    dropped: list[list[Words]] = [[]]
    for _ in range(length):
        candidates = []
        for hypothesis in stored[-1]:
            row = tree[" ".join(hypothesis)]
            likely = sorted(vocabulary, key=lambda word, row=row: -row[word])  # type: ignore[misc]
            candidates += [(*hypothesis, word) for word in likely[:size]]
        candidates.sort(key=total, reverse=True)
        stored.append(candidates[:size])
        dropped.append(candidates[size:])
    best = max(itertools.product(vocabulary, repeat=length), key=total)
    finds = stored[-1][0] == best
    second = sorted(itertools.product(vocabulary, repeat=length), key=total)[-2]
    return {
        "t1": Solved([said(stored[1]), said(stored[1][::-1])], [(said(stored[1][:1]), "missing")]),
        "t2": Solved([said(stored[2])], [(said(stored[2][::-1]), "order"), (said(dropped[2]), "dropped")]),
        "t3": Solved([said(stored[3])], [(said(stored[3][::-1]), "order"), (said(dropped[3][-2:]), "missing")]),
        "best": Solved([said([best])], [(said([second]), "missing"), (said([best[:-1]]), "length")]),
        "optimal": Solved(["yes" if finds else "no"], [("no" if finds else "yes", "wrong-choice")]),
        "runtime": Solved(
            ["T*k^2*log(k)", "O(T k² log(k²))"],
            [("T*k^3", "too-large"), ("T*k*log(k)", "too-small"), ("T^2*k", "neither")],
        ),
    }


def said(sequences: list[Words]) -> str:
    """Sequences as one types them."""
    return "; ".join(map(" ".join, sequences))


# -- debug


MENDED = """\
def train(model, optimizer, loss_function, batches):
    for x, y in batches:
        for parameter in model.parameters():
            parameter.grad = None
        loss_function(model(x), y).backward()
        optimizer.step()
"""


def zero_grad(shown: dict[str, Any]) -> dict[str, Solved]:
    """Clearing by hand mends all of them; the broken loop sums its gradients, unless it throws them away."""
    (part,) = shown["parts"]
    broken = part["starter"]
    thrown_away = 0 < broken.find("loss.backward()") < broken.find("zero_grad()")
    return {
        "patch": Solved(
            [MENDED],
            [(broken, "cleared-too-late" if thrown_away else "summed"), (MENDED.replace("step()", "step"), "updates")],
        )
    }


MENDED_ACCUMULATION = """\
def train(model, optimizer, loss_function, batches, accumulation_steps):
    parameters = list(model.parameters())
    for start in range(0, len(batches), accumulation_steps):
        sums = None
        for x, y in batches[start : start + accumulation_steps]:
            model.zero_grad()
            loss_function(model(x), y).backward()
            own = [p.grad.clone() for p in parameters]
            sums = own if sums is None else [a + b for a, b in zip(sums, own)]
        for p, total in zip(parameters, sums):
            p.grad = total / accumulation_steps
        optimizer.step()
"""


def accumulation(shown: dict[str, Any]) -> dict[str, Solved]:
    """Which normalisation notices how a batch is cut, tried out in numpy; a loop that averages by hand."""
    failing = noticing(shown["given"]["mode"])
    answer = {(): "neither", ("batchnorm", "layernorm"): "both"}.get(failing, failing[0] if failing else "")
    others = {"batchnorm", "layernorm", "both", "neither"} - {answer}
    broken = next(part["starter"] for part in shown["parts"] if part["id"] == "patch")
    if "zero_grad" not in broken.split("backward()")[1]:
        note = "last-only" if "zero_grad" in broken.split("for ")[1] else "never-cleared"
    else:
        note = "undivided" if "/ accumulation_steps" not in broken else "updates"
    return {
        "which": Solved([answer], [(other, "wrong-choice") for other in sorted(others)]),
        "patch": Solved([MENDED_ACCUMULATION], [(broken, note)]),
    }


def noticing(mode: str) -> tuple[str, ...]:
    """The normalisations whose outputs for a batch of 8 change when it is cut into twos."""
    rng = np.random.default_rng(1)
    batch, mean, variance = rng.normal(size=(8, 5)), rng.normal(size=5), rng.uniform(1, 2, size=5)

    def batchnorm(x: Vector) -> Vector:
        centre, spread = (x.mean(0), x.var(0)) if mode == "train" else (mean, variance)
        return np.asarray((x - centre) / np.sqrt(spread + 1e-5))

    def layernorm(x: Vector) -> Vector:
        return np.asarray((x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5))

    norms: dict[str, Callable[[Vector], Vector]] = {"batchnorm": batchnorm, "layernorm": layernorm}
    pieces = np.split(batch, 4)
    return tuple(
        name
        for name, norm in norms.items()
        if not np.allclose(norm(batch), np.concatenate([norm(piece) for piece in pieces]))
    )


# -- kernel-attn/cost


def cost(shown: dict[str, Any]) -> dict[str, Solved]:
    """From the shapes of the matrices that either form makes: queries n, keys l, widths d and m, degree p."""
    given = shown["given"]
    p, letters = given["degree"], given["letters"]
    n, *middle, d, m = letters
    length = middle[0] if middle else n
    inputs = f"({n}+{length})*({d}+{m})"
    softmax_time, softmax_space = f"{n}*{length}*({d}+{m})", f"{n}*{length} + {inputs}"
    linear_time, linear_space = f"({n}+{length})*{d}^{p}*{m}", f"{inputs} + {d}^{p}*{m}"
    return {
        "softmax-time": Solved(
            [softmax_time, f"O({n} {length} max({d}, {m}))"],
            [(f"{n}*{length}*{d}*{m}", "too-large"), (f"{n}*{length}*{d}", "too-small"), (f"{n}*{d}*{m}", "neither")],
        ),
        "softmax-space": Solved([softmax_space], [(f"{n}*{length}", "too-small"), (softmax_time, "too-large")]),
        "linear-time": Solved(
            [linear_time, f"({n}+{length})*{d}^{p + 1}"],
            [(f"({n}+{length})*{d}^{p + 2}", "too-large"), (f"{n}*{length}*{d}", "neither")],
        ),
        "linear-space": Solved([linear_space], [(inputs, "too-small"), (f"({n}+{length})*{d}^{p + 2}", "too-large")]),
    }


SOLVERS: dict[str, Callable[[dict[str, Any]], dict[str, Solved]]] = {
    "attention/argmax": argmax,
    "beam/two-words": beam,
    "debug/accumulation": accumulation,
    "debug/zero-grad": zero_grad,
    "kernel-attn/cost": cost,
}
