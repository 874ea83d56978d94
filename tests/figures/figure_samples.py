"""Figures such as the engines make, one or two of each kind, the same on every machine."""

from __future__ import annotations

import math
import random

from engines.arrays import Array
from engines.figures import Bars, Figure, Graph, Heatmap, Lines, Node, Tree, line, table


def training() -> Lines:
    rng = random.Random(1)
    steps = list(range(0, 2000, 5))

    def loss(start: float, decay: float, floor: float) -> list[float]:
        return [start * math.exp(-step / decay) + floor * (1 + 0.4 * rng.random()) for step in steps]

    return Lines(
        "training",
        "Training a deep network with and without skip connections",
        (
            line("56 layers, plain", steps, loss(2.3, 900, 0.2)),
            line("56 layers, skips", steps, loss(2.3, 300, 0.03)),
            line("test, skips", steps[::40], loss(2.2, 350, 0.06)[::40], points=True),
        ),
        "step",
        "loss",
        y_scale="log",
        caption="Skip connections let the gradient through: the same depth trains three times as fast.",
    )


def approximation() -> Lines:
    features = [2.0**k for k in range(4, 14)]
    error = [3.1 / math.sqrt(m) for m in features]
    return Lines(
        "features",
        "Random features: error against number",
        (
            line(
                "measured",
                features,
                error,
                low=[value / 1.4 for value in error],
                high=[value * 1.3 for value in error],
            ),
            line("uniform attention", features, [0.81] * len(features)),
        ),
        "number of features",
        "relative error",
        x_scale="log",
        y_scale="log",
        caption="The error falls as one over the square root of the number of features.",
    )


def activation() -> Lines:
    xs = [x / 20 for x in range(-80, 81)]
    return Lines(
        "gelu",
        "GELU and its derivative",
        (
            line("GELU", xs, [x * (1 + math.erf(x / math.sqrt(2))) / 2 for x in xs]),
            line("1/x", [x / 4 for x in range(-16, 17)], [0.0 if not x else 4 / x for x in range(-16, 17)]),
            line("broken", xs, [math.nan if abs(x) < 1 else -1 - x / 4 for x in xs]),
        ),
        "x",
        "f(x)",
    )


def accuracies() -> Bars:
    return Bars(
        "accuracy",
        "Accuracy after pretraining",
        ("linear probe", "fine-tuned", "from scratch, all labels"),
        ("10 labels", "100 labels"),
        Array.of([[0.71, 0.78, 0.34], [0.86, 0.93, 0.8125]]),
        "test accuracy",
        "With few labels a frozen encoder is worth more than training from scratch.",
    )


def changes() -> Bars:
    return Bars(
        "changes",
        "What a step changes",
        ("loss", "gradient norm", "accuracy", "weight norm"),
        ("change",),
        Array.of([[-0.75, -2.4, 0.125, 0.02]]),
        "change in the step",
    )


def attention() -> Heatmap:
    words = ("the", "cat", "sat", "on", "the", "mat")
    scores = [[math.cos(1.7 * i + 0.9 * j) * 2 - (9 if j > i else 0) for j in range(6)] for i in range(6)]
    rows = []
    for row in scores:
        total = sum(map(math.exp, row))
        rows.append([math.exp(score) / total for score in row])
    return Heatmap(
        "attention",
        "Attention of each word to the words before it",
        Array.of(rows),
        words,
        words,
        caption="Rows are queries and sum to one.",
    )


def long_attention(length: int = 64) -> Heatmap:
    rng = random.Random(2)
    rows = []
    for i in range(length):
        weights = [math.exp(-abs(i - j) / 6 + 1.5 * rng.random()) if j <= i else 0.0 for j in range(length)]
        total = sum(weights)
        rows.append([weight / total for weight in weights])
    return Heatmap(
        "long",
        "Causal attention over 64 positions",
        Array.of(rows),
        scale="sqrt",
        caption="Rows are queries, columns are keys; nothing lies above the diagonal.",
    )


def beams() -> Tree:
    nodes = (
        Node("<s>", -1, "0.000", "kept"),
        Node("the", 0, "-0.511", "kept"),
        Node("cat", 1, "-1.427", "pruned"),
        Node("dog", 1, "-1.204", "kept"),
        Node("sleeps", 3, "-2.813", "pruned"),
        Node("barks", 3, "-1.309", "best"),
        Node("a", 0, "-0.916", "kept"),
        Node("cat", 6, "-1.021", "kept"),
        Node("sleeps", 7, "-1.715", "kept"),
        Node("purrs", 7, "-2.408", "pruned"),
        Node("dog", 6, "-3.219", "pruned"),
        Node("one", 0, "-2.303", "plain"),
    )
    return Tree("beams", "Beam search with two beams", nodes, "Greedy search would have gone the same way.")


def costs() -> object:
    rows = [
        ("softmax", "N² (D + M)", 1024, 2.9, "8 MiB"),
        ("softmax, in place", "N² (D + M)", 1024, 1.36, "4.3 MiB"),
        ("blocks of 256 queries", "N² (D + M)", 1024, 1.7, "2.2 MiB"),
        ("scaled dot product", "N² (D + M)", 1024, 0.86, "0.25 MiB"),
        ("linear, quadratic kernel", "N C M", 1024, 4.1, "1.1 MiB"),
    ]
    return table(
        "costs",
        "What attention costs",
        ("method", "operations", "N", "ms", "peak"),
        rows,
        caption="One head of 64 dimensions on two cores.",
    )


def club() -> Graph:
    """Two rings that share an edge."""
    rings = [(math.cos(math.tau * i / 8), math.sin(math.tau * i / 8)) for i in range(8)]
    places = [(x - 1.5, y) for x, y in rings] + [(x + 1.5, y / 2) for x, y in rings]
    places = [(round(x, 3), round(y, 3)) for x, y in places]
    edges = [(8 * ring + i, 8 * ring + (i + 1) % 8) for ring in (0, 1) for i in range(8)] + [(0, 12), (1, 5), (2, 12)]
    return Graph(
        "club",
        "Two rings and the edges between them",
        tuple(map(str, range(1, 17))),
        Array.of(places),
        Array.of(edges),
        ("left", "right"),
        Array.of([0] * 8 + [1] * 3 + [0] + [1] * 4),
        (11,),
        "misplaced",
        "Node 12 is told by its neighbours, and one of them is in the other ring.",
    )


SAMPLES: dict[str, Figure] = {
    "training": training(),
    "approximation": approximation(),
    "activation": activation(),
    "accuracies": accuracies(),
    "changes": changes(),
    "attention": attention(),
    "long-attention": long_attention(),
    "beams": beams(),
    "club": club(),
    "costs": costs(),  # type: ignore[dict-item]
}
