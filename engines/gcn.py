"""Graph convolutional networks (Kipf and Welling 2017), many trained at once on one small graph.

Shapes: propagation S `(n, n)`, features `(n, d)`; for R networks at once weights are `(R, d, h)` and
activations `(R, n, h)`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.attention import autograd_gradients, difference_quotients
from engines.figures import Graph, Lines, Table, line, table
from engines.graphs import (
    adjacency,
    draw_block_graph,
    fiedler_sides,
    graph_figure,
    label_propagation,
    layout,
    modularity_communities,
    normalised,
)
from engines.parameters.gcn import FewLabels, Layer, Masking
from engines.parameters.graphs import KARATE_EDGES, KARATE_SIDES
from engines.randomness import Draws
from engines.registry import draws, experiment
from engines.result import Result, Step
from engines.run import Run

CLASSES = 2
EMBEDDING = 2

# -- one layer


def layer(s: Tensor, x: Tensor, w: Tensor) -> Tensor:
    """H = tanh(S X W): every node averages over its neighbours, then all are mapped alike; x `(n, d)`, w `(d, h)`."""
    return torch.tanh(s @ x @ w)


def layer_backward(s: Tensor, x: Tensor, w: Tensor, h: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients w.r.t. x and w, from the gradient at H: with d = G ∘ (1 − H²), they are Sᵀ d Wᵀ and (S X)ᵀ d."""
    inner = gradient * (1 - h**2)
    return s.T @ inner @ w.T, (s @ x).T @ inner


# -- a network, and many at once


def init(run: Run, name: str, seeds: int, sizes: Sequence[int]) -> list[Tensor]:
    """Weights `(seeds, a, b)` for every two sizes in a row, normal with variance 2/(a + b)."""
    pairs = enumerate(itertools.pairwise(sizes))
    return [run.randn(f"{name}/{i}", seeds, a, b) * math.sqrt(2 / (a + b)) for i, (a, b) in pairs]


def forward(s: Tensor, weights: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Logits `(R, n, classes)` and the embedding before them `(R, n, EMBEDDING)` of R networks on identity features.

    The first layer's S X W is S W; the last one is linear and does not propagate.
    """
    *convolutions, out = weights
    first, *others = convolutions
    h = torch.tanh(_propagate(s, first))
    for w in others:
        h = torch.tanh(_propagate(s, h @ w))
    return h @ out, h


def _propagate(s: Tensor, x: Tensor) -> Tensor:
    """S x for each of `(R, n, h)` as one matrix product with all columns side by side."""
    seeds, n, width = x.shape
    return (s @ x.transpose(0, 1).reshape(n, seeds * width)).view(n, seeds, width).transpose(0, 1)


def train(
    s: Tensor,
    sides: Tensor,
    nodes: Tensor,
    weights: Sequence[Tensor],
    learning_rate: float,
    epochs: int,
    on_epoch: Callable[[int, Tensor, Tensor], None] = lambda *_: None,
) -> list[Tensor]:
    """R networks trained side by side by Adam on the cross-entropy at some nodes; all nodes propagate.

    Their losses are added up, so each gets the gradient that it would get alone.

    Args:
        s: propagation `(n, n)`.
        sides: `(n,)` classes, of which only those at `nodes` are looked at.
        nodes: the training nodes.
        weights: as `init` gives them; not changed.
        learning_rate: of Adam.
        epochs: steps.
        on_epoch: told (epoch, logits, embedding) before each step, without gradients.

    Returns:
        The trained weights.
    """
    parameters = [w.clone().requires_grad_() for w in weights]
    optimizer = torch.optim.Adam(parameters, lr=learning_rate, fused=True)
    seeds = len(parameters[0])
    targets = sides[nodes].repeat(seeds)
    for epoch in range(epochs):
        logits, embedding = forward(s, parameters)
        on_epoch(epoch, logits.detach(), embedding.detach())
        loss = F.cross_entropy(logits[:, nodes].flatten(0, 1), targets, reduction="sum") / len(nodes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return [parameter.detach() for parameter in parameters]


def accuracy(logits: Tensor, sides: Tensor, nodes: Tensor) -> Tensor:
    """Share of the nodes that each network puts on the right side, `(R,)`, float64."""
    return (logits[:, nodes].argmax(-1) == sides[nodes]).double().mean(-1)


# -- experiments


@experiment(FewLabels)
def few_labels(params: FewLabels, run: Run) -> Result:
    """Networks trained on the labelled nodes alone, networks without edges, and ways without a network."""
    n = len(params.sides)
    edges = torch.tensor(params.edges, device=run.device)
    sides = torch.tensor(params.sides, device=run.device)
    labelled = torch.tensor(params.labelled, device=run.device)
    others = torch.tensor([node for node in range(n) if node not in params.labelled], device=run.device)
    a = adjacency(edges, n).to(run.dtype)
    s = normalised(a)
    places = layout(a)
    sizes = (n, params.hidden, EMBEDDING, CLASSES)
    curves: dict[str, list[Tensor]] = {"with edges": [], "without edges": []}

    def trained(name: str, propagation: Tensor, start: float) -> tuple[Tensor, Tensor]:
        def on_epoch(epoch: int, logits: Tensor, embedding: Tensor) -> None:
            curves[name].append(accuracy(logits, sides, others))
            figure = None
            if epoch % 10 == 0:
                found = logits[0].argmax(-1)
                figure = _predicted(params, places if start else embedding[0], found, sides)
            run.progress(start + 0.5 * epoch / params.epochs, f"{name}: epoch {epoch}", figure)

        weights = init(run, "weights", params.seeds, sizes)
        weights = train(propagation, sides, labelled, weights, params.learning_rate, params.epochs, on_epoch)
        logits, embedding = forward(propagation, weights)
        curves[name].append(accuracy(logits, sides, others))
        return logits, embedding

    logits, embedding = trained("with edges", s, 0.0)
    trained("without edges", torch.eye(n, dtype=s.dtype, device=s.device), 0.5)
    found = logits.argmax(-1)
    wrong = [int(node) for node in ((found != sides).double().mean(0) > 0.5).nonzero().flatten()]
    controls = {
        "label propagation": label_propagation(s, sides, labelled),
        "Fiedler vector, no label": _oriented(fiedler_sides(a), sides),
    }
    scores = {name: float(history[-1].mean()) for name, history in curves.items()}
    scores |= {name: float((guess[others] == sides[others]).double().mean()) for name, guess in controls.items()}
    return Result(
        values={
            "dimensions": list(sizes),
            "accuracy": scores["with edges"],
            "accuracy_without_edges": scores["without edges"],
            "accuracy_label_propagation": scores["label propagation"],
            "accuracy_fiedler": scores["Fiedler vector, no label"],
            "accuracy_all_nodes": float((found == sides).double().mean()),
            "accuracy_by_seed": curves["with edges"][-1],
            "misplaced": wrong,
            "predictions": found[0],
            "embedding": embedding[0],
        },
        trace=_few_labels_steps(params, scores, wrong),
        figures=(
            _predicted(params, places, found[0], sides),
            _predicted(params, embedding[0], found[0], sides, name="embedding"),
            _curves(curves, params.labelled),
            _scores_table(scores, len(others)),
        ),
    )


def _oriented(found: Tensor, sides: Tensor) -> Tensor:
    """Sides without names, named so that most are right."""
    return found if (found == sides).double().mean() >= 0.5 else 1 - found


def _predicted(params: FewLabels, places: Tensor, found: Tensor, sides: Tensor, name: str = "prediction") -> Graph:
    wrong = [int(node) for node in (found != sides).nonzero().flatten()]
    where = "Where the network's last hidden layer puts each node" if name == "embedding" else "Predicted sides"
    labels = " and ".join(map(str, params.labelled)) if len(params.labelled) <= 4 else f"{len(params.labelled)} nodes"
    return graph_figure(
        name, f"{where} (first seed)", params.edges, places, found.tolist(), params.names, wrong, "on the wrong side",
        f"Only {labels} were labelled; all other sides were spread along the edges.",
    )  # fmt: skip


def _curves(curves: dict[str, list[Tensor]], labelled: tuple[int, ...]) -> Lines:
    series = []
    for name, history in curves.items():
        by_epoch = torch.stack(history)
        epochs = [float(i) for i in range(len(history))]
        series.append(line(name, epochs, by_epoch.mean(1), low=by_epoch.amin(1), high=by_epoch.amax(1)))
    return Lines(
        "accuracy",
        f"Accuracy on the nodes that were not labelled ({len(labelled)} were)",
        tuple(series),
        x_label="epoch",
        y_label="accuracy",
        caption="Mean over the seeds, from the worst to the best. Without edges the network can only guess.",
    )


def _scores_table(scores: dict[str, float], nodes: int) -> Table:
    rows = [(name, f"{score:.3f}", f"{score * nodes:.1f} of {nodes}") for name, score in scores.items()]
    return table(
        "controls",
        "Who gets how many nodes right",
        ("by", "accuracy", "nodes"),
        rows,
        align="lrr",
        caption="Averaging labels over neighbours does about as well: it is the graph that does the work.",
    )


def _few_labels_steps(params: FewLabels, scores: dict[str, float], wrong: list[int]) -> tuple[Step, ...]:
    n = len(params.sides)
    told = ", ".join(map(str, wrong)) or "none"
    return (
        Step(
            "dimensions",
            f"Identity features have one column a node, so the first layer takes {n} inputs; {params.hidden} and "
            f"{EMBEDDING} hidden units follow, and one output for each of the {CLASSES} classes.",
        ),
        Step(
            "accuracy",
            f"Over {params.seeds} seeds the network gets {scores['with edges']:.3f} of the other nodes right, without "
            f"edges {scores['without edges']:.3f}, which is guessing; label propagation gets "
            f"{scores['label propagation']:.3f}.",
        ),
        Step("misplaced", f"Most seeds put these nodes on the wrong side: {told}."),
    )


@experiment(Masking)
def masking(params: Masking, run: Run) -> Result:
    """The same network on two sets of labels, and with test nodes in its loss."""
    clubs = torch.tensor(KARATE_SIDES, device=run.device)
    n = len(clubs)
    a = adjacency(torch.tensor(KARATE_EDGES, device=run.device), n).to(run.dtype)
    s = normalised(a)
    communities = modularity_communities(a.cpu())
    labels = torch.tensor([int(node in communities[0]) for node in range(n)], device=run.device)
    test = torch.tensor(params.test_nodes, device=run.device)
    training = torch.tensor([node for node in range(n) if node not in params.test_nodes], device=run.device)
    everything = torch.arange(n, device=run.device)
    cases = {
        "communities, right mask": (labels, training),
        "communities, leaking mask": (labels, everything),
        "clubs, right mask": (clubs, training),
    }
    scores: dict[str, Tensor] = {}
    missed: dict[str, list[int]] = {}
    for i, (name, (truth, nodes)) in enumerate(cases.items()):

        def on_epoch(epoch: int, *_: Tensor, start: float = i / len(cases), case: str = name) -> None:
            figure = _masking_table(scores, missed) if scores and epoch == 0 else None
            run.progress(start + epoch / params.epochs / len(cases), f"{case}: epoch {epoch}", figure)

        weights = init(run, "weights", params.seeds, (n, params.hidden, EMBEDDING, CLASSES))
        logits, _ = forward(s, train(s, truth, nodes, weights, params.learning_rate, params.epochs, on_epoch))
        scores[name] = accuracy(logits, truth, test)
        often = (logits[:, test].argmax(-1) != truth[test]).double().mean(0) > 0.5
        missed[name] = test[often].tolist()
    differing = (labels != clubs).nonzero().flatten().tolist()
    return Result(
        values={
            "communities": communities,
            "training_labels": labels,
            "differing": differing,
            "differing_in_test": [node for node in differing if node in params.test_nodes],
            "test_accuracy": float(scores["communities, right mask"].mean()),
            "test_accuracy_leak": float(scores["communities, leaking mask"].mean()),
            "test_accuracy_clubs": float(scores["clubs, right mask"].mean()),
            "missed": missed["communities, right mask"],
            "training_nodes": len(training),
        },
        trace=_masking_steps(params, scores, communities, differing),
        figures=(
            _masking_table(scores, missed),
            graph_figure(
                "labels", "The labels that the network is trained on", KARATE_EDGES, layout(a), labels.tolist(),
                ("instructor's community", "administrator's community"), differing, "joined the other club",
                "Communities by modularity are no clubs: the nodes in brackets are labelled otherwise than they went.",
            ),
        ),
    )  # fmt: skip


def _masking_table(scores: dict[str, Tensor], missed: dict[str, list[int]]) -> Table:
    rows = [
        (name, f"{score.mean():.3f}", f"{score.min():.3f}", ", ".join(map(str, missed[name])) or "none")
        for name, score in scores.items()
    ]
    return table(
        "masks",
        "Accuracy on the test nodes",
        ("labels, mask", "mean", "worst seed", "mostly missed"),
        rows,
        align="lrrl",
        caption="Perfect test accuracy is a sign that the test nodes were trained on, not of a good network.",
    )


def _masking_steps(
    params: Masking, scores: dict[str, Tensor], communities: list[list[int]], differing: list[int]
) -> tuple[Step, ...]:
    sizes = ", ".join(str(len(group)) for group in communities)
    return (
        Step(
            "labels",
            f"Greedy modularity finds communities of {sizes} members; the largest is one label and the rest the other. "
            f"Nodes {', '.join(map(str, differing))} are labelled otherwise than the clubs that they joined, so a plot "
            "with the clubs shows them as mistakes although the network learned what it was taught.",
        ),
        Step(
            "mask",
            f"Trained on the {len(KARATE_SIDES) - len(params.test_nodes)} training nodes alone, the test accuracy is "
            f"{scores['communities, right mask'].mean():.3f}. With a mask that is 1 everywhere (indexing an array with "
            f"`None` selects all of it) it is {scores['communities, leaking mask'].mean():.3f}, and says nothing.",
        ),
    )


@experiment(Layer)
def one_layer(params: Layer, run: Run) -> Result:
    """Forward and backward of one layer with random numbers, checked in three ways."""
    n = params.nodes
    ring = torch.tensor([[i, (i + 1) % n] for i in range(n if n > 2 else 1)], device=run.device)
    s = normalised(adjacency(ring, n).to(run.dtype))
    x, w = run.randn("x", n, params.features), run.randn("w", params.features, params.outputs)
    upstream = run.randn("gradient", n, params.outputs)
    h = layer(s, x, w)
    run.progress(0.3, "backwards by formula, by autograd and by differences")
    dx, dw = layer_backward(s, x, w, h, upstream)

    def weighed(x: Tensor, w: Tensor) -> Tensor:
        return layer(s, x, w) * upstream

    exact = autograd_gradients(weighed, {"X": x, "W": w})
    differences = difference_quotients(weighed, {"X": x, "W": w}, step=1e-6)
    rows = []
    for name, formula in (("X", dx), ("W", dw)):
        to_autograd, to_differences = ((formula - other[name]).abs().max() for other in (exact, differences))
        rows.append((name, f"{formula.abs().max():.4g}", f"{to_autograd:.1e}", f"{to_differences:.1e}"))
    return Result(
        values={
            "inputs": {"S": s, "X": x, "W": w, "G": upstream},
            "output": h,
            "output_without_propagation": torch.tanh(x @ w),
            "gradient_x": dx,
            "gradient_w": dw,
            "gradient_w_without_slope": (s @ x).T @ upstream,
            "gradient_w_without_propagation": x.T @ (upstream * (1 - h**2)),
        },
        trace=(
            Step("forward", "$H = \\tanh(S X W)$: average over neighbours, map, squash."),
            Step(
                "backward",
                "With $D = G \\circ (1 - H \\circ H)$, the slope of tanh at every entry, the product rule gives "
                "$\\nabla_W = (S X)^\\top D$ and $\\nabla_X = S^\\top D W^\\top$.",
            ),
        ),
        figures=(
            table(
                "gradients",
                "The backward pass by formula",
                ("of", "largest entry", "from autograd", "from differences"),
                rows,
                align="lrrr",
                caption="Autograd agrees to rounding, differences to the square of their step.",
            ),
        ),
    )


# -- fresh variants


@draws(FewLabels)
def draw_few_labels(draws: Draws) -> FewLabels:
    """Another graph of two sides, with the node of highest degree labelled on each."""
    edges, sides = draw_block_graph(draws)
    degree = adjacency(torch.tensor(edges), len(sides)).sum(1)
    half = len(sides) // 2
    leaders = (int(degree[:half].argmax()), half + int(degree[half:].argmax()))
    return FewLabels(edges=edges, sides=sides, labelled=leaders, names=("first side", "second side"))


@draws(Layer)
def draw_layer(draws: Draws) -> Layer:
    """Other sizes, all different, so that a transposed factor does not fit."""
    nodes, features, outputs = draws.stream("sizes").sample(range(2, 24), 3)
    return Layer(nodes=nodes, features=features, outputs=outputs)
