"""Graphs as matrices: normalised adjacency, propagation, and ways to part a graph in two without learning.

Shapes: edges `(m, 2)` pairs of node indices, adjacency matrices `(n, n)`, node features `(n, d)`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from engines.arrays import Array
from engines.figures import Graph, Heatmap, Lines, Table, line, table
from engines.parameters.graphs import Spread
from engines.randomness import Draws
from engines.registry import draws, experiment
from engines.result import Result, Step
from engines.run import Run

# -- matrices of a graph


def adjacency(edges: Tensor, n: int, weights: Tensor | None = None) -> Tensor:
    """The symmetric matrix with 1 (or the weight) where two of n nodes share an edge, float64, `(n, n)`."""
    matrix = torch.zeros(n, n, dtype=torch.float64, device=edges.device)
    values = torch.ones(len(edges), dtype=torch.float64, device=edges.device) if weights is None else weights.double()
    matrix[edges[:, 0], edges[:, 1]] = values
    matrix[edges[:, 1], edges[:, 0]] = values
    return matrix


def normalised(a: Tensor) -> Tensor:
    """D^(-1/2) (A + I) D^(-1/2), D the row sums of A + I: its eigenvalues lie in (-1, 1] (Kipf and Welling 2017)."""
    with_loops = a + torch.eye(len(a), dtype=a.dtype, device=a.device)
    root = with_loops.sum(1).rsqrt()
    scaled: Tensor = root.unsqueeze(1) * with_loops * root
    return scaled


def pass_messages(a: Tensor, x: Tensor) -> Tensor:
    """What `normalised(a) @ x` is, node by node: every neighbour, and the node itself, sends x/√(dᵢ dⱼ)."""
    degree = [1 + float(row.sum()) for row in a]
    out = torch.zeros_like(x)
    for i in range(len(a)):
        for j in range(len(a)):
            weight = float(a[i, j]) + (i == j)
            if weight:
                out[i] += weight * x[j] / math.sqrt(degree[i] * degree[j])
    return out


def outside_top(s: Tensor, powers: int) -> Tensor:
    """‖Sᵏ − u uᵀ‖ / ‖Sᵏ‖ for k = 1 … powers, u the eigenvector of 1: what k propagations still tell nodes apart by.

    In Frobenius norms, from the eigenvalues alone.
    """
    values = torch.linalg.eigvalsh(s)
    k = torch.arange(1, powers + 1, dtype=s.dtype, device=s.device)
    squares = values.abs().unsqueeze(1) ** (2 * k)
    share: Tensor = (squares[:-1].sum(0) / squares.sum(0)).sqrt()
    return share


# -- two sides without learning


def fiedler_sides(a: Tensor) -> Tensor:
    """Sides by the sign of the Laplacian's second eigenvector, the best cut of a relaxed count of cut edges."""
    laplacian = torch.diag(a.sum(1)) - a
    signs: Tensor = torch.linalg.eigh(laplacian).eigenvectors[:, 1] > 0
    return signs.long()


def min_cut(capacity: Tensor, source: int, sink: int) -> tuple[float, Tensor]:
    """The least total capacity that parts two nodes, and the side of each node: 0 where the source is.

    Shortest augmenting paths (Edmonds and Karp 1972); of all least cuts the one nearest the source.
    """
    residual = capacity.tolist()
    flow = 0.0
    while (path := _path(residual, source))[sink] >= 0:
        steps = []
        node = sink
        while node != source:
            steps.append((path[node], node))
            node = path[node]
        room = min(residual[a][b] for a, b in steps)
        for a, b in steps:
            residual[a][b] -= room
            residual[b][a] += room
        flow += room
    reached = _path(residual, source)
    return flow, torch.tensor([int(parent < 0) for parent in reached], device=capacity.device)


def _path(residual: list[list[float]], source: int) -> list[int]:
    """For each node that still can be reached from the source, the node before it; -1 for the others."""
    before = [-1] * len(residual)
    before[source] = source
    queue = [source]
    for node in queue:
        for other, room in enumerate(residual[node]):
            if room > 0 and before[other] < 0:
                before[other] = node
                queue.append(other)
    return before


def modularity_communities(a: Tensor) -> list[list[int]]:
    """Communities by greedy modularity (Clauset, Newman and Moore 2004), largest first.

    The pair whose union gains most is merged until no union gains; of equal gains the first pair.
    """
    total = float(a.sum())
    degree = (a.sum(1) / total).tolist()
    groups = {i: [i] for i in range(len(a))}
    links = {(i, j): 2 * float(a[i, j]) / total for i in groups for j in groups if i < j and a[i, j]}
    share = dict(enumerate(degree))

    def gain(pair: tuple[int, int]) -> float:
        return float(links[pair] - 2 * share[pair[0]] * share[pair[1]])

    while links:
        best = max(links, key=lambda pair: (round(gain(pair), 12), -pair[0], -pair[1]))
        if gain(best) <= 1e-12:
            break
        kept, gone = best
        groups[kept] += groups.pop(gone)
        share[kept] += share.pop(gone)
        merged: dict[tuple[int, int], float] = {}
        for pair, value in links.items():
            x, y = (kept if node == gone else node for node in pair)
            if x != y:
                key = (min(x, y), max(x, y))
                merged[key] = merged.get(key, 0.0) + value
        links = merged
    return sorted((sorted(group) for group in groups.values()), key=lambda group: (-len(group), group))


def label_propagation(s: Tensor, sides: Tensor, labelled: Tensor, rounds: int = 200) -> Tensor:
    """Sides by repeated averaging over neighbours, the labelled nodes held fast (Zhu and Ghahramani 2002)."""
    known = torch.zeros(len(s), 2, dtype=s.dtype, device=s.device)
    known[labelled, sides[labelled]] = 1
    belief = known.clone()
    for _ in range(rounds):
        belief = s @ belief
        belief[labelled] = known[labelled]
    return belief.argmax(1)


def wrong_nodes(found: Tensor, sides: Tensor) -> list[int]:
    """The nodes on the wrong side, whichever of the two found sides is called 0."""
    wrong = (found != sides).nonzero().flatten().tolist()
    other = (found == sides).nonzero().flatten().tolist()
    return min(wrong, other, key=len)


# -- where to draw the nodes


def layout(a: Tensor, rounds: int = 100) -> Tensor:
    """Places `(n, 2)` whose distances are near those along the edges (stress majorisation, Gansner et al. 2005).

    Begins from the eigenvectors of the Laplacian, so that the same graph always gives the same picture.
    """
    a = a.cpu().double()
    n = len(a)
    hops = torch.where(a > 0, 1.0, float(n)).to(a.dtype).fill_diagonal_(0)
    for k in range(n):
        hops = torch.minimum(hops, hops[:, k : k + 1] + hops[k])
    weight = (hops + torch.eye(n)).pow(-2) * (1 - torch.eye(n))
    pinv = torch.linalg.pinv(torch.diag(weight.sum(1)) - weight)
    vectors = torch.linalg.eigh(torch.diag(a.sum(1)) - a).eigenvectors[:, 1:3]
    places: Tensor = vectors * torch.where(vectors[:1] < 0, -1.0, 1.0) * n
    if places.shape[1] < 2:
        places = torch.cat([places, torch.zeros(n, 2 - places.shape[1])], 1)
    for _ in range(rounds):
        distance = torch.cdist(places, places, compute_mode="donot_use_mm_for_euclid_dist")
        ratio = torch.where(distance > 1e-9, weight * hops / distance.clamp_min(1e-9), 0.0)
        places = pinv @ ((torch.diag(ratio.sum(1)) - ratio) @ places)
    return places


def graph_figure(
    name: str,
    title: str,
    edges: Sequence[Sequence[int]],
    places: Tensor,
    group: Sequence[int],
    groups: tuple[str, ...],
    singled: Sequence[int],
    singled_label: str,
    caption: str,
) -> Graph:
    """A graph at some places, its nodes numbered from 0."""
    labels = tuple(map(str, range(len(group))))
    pairs = Array.of([list(edge) for edge in edges])
    where = Array.of(places.double())
    sides = Array.of(list(group))
    return Graph(name, title, labels, where, pairs, groups, sides, tuple(singled), singled_label, caption)


# -- experiments


@experiment(Spread)
def spread(params: Spread, run: Run) -> Result:
    """Facts of the graph, S and its spectrum, what powers of S forget, and how three cuts part the graph."""
    n = len(params.sides)
    edges = torch.tensor(params.edges, device=run.device)
    sides = torch.tensor(params.sides, device=run.device)
    weights = torch.tensor(params.weights, device=run.device)
    a = adjacency(edges, n).to(run.dtype)
    s = normalised(a)
    spectrum = torch.linalg.eigvalsh(s)
    run.progress(0.2, "cutting the graph")
    value, cut = min_cut(adjacency(edges, n, weights), *params.leaders)
    parted = {"minimum cut": cut, "Fiedler vector": fiedler_sides(a)}
    wrong = {name: wrong_nodes(found, sides) for name, found in parted.items()}
    places = layout(a)
    drawn = graph_figure(
        "graph", "The graph and its two sides", params.edges, places, params.sides, ("side 0", "side 1"),
        wrong["Fiedler vector"], "misplaced by the Fiedler vector",
        "A cut finds most of the sides without a single label; in brackets the nodes that it puts on the wrong one.",
    )  # fmt: skip
    run.progress(0.6, "propagating", drawn)
    left = outside_top(s, params.powers)
    weighted = normalised(adjacency(edges, n, weights).to(run.dtype))
    row, column = params.entry
    degree = a.sum(1)
    return Result(
        values={
            "nodes": n,
            "edges": len(params.edges),
            "club_sizes": [int((sides == side).sum()) for side in (0, 1)],
            "adjacency": a,
            "self_loops": a + torch.eye(n, dtype=a.dtype, device=a.device),
            "normalised": s,
            "features": torch.eye(n, dtype=a.dtype, device=a.device),
            "entry": s[row, column].item(),
            "entry_without_loops": (a[row, column] / (degree[row] * degree[column]).sqrt()).item(),
            "entry_weighted": weighted[row, column].item(),
            "entry_row_normalised": ((a[row, column] + (row == column)) / (degree[row] + 1)).item(),
            "smallest_eigenvalue": spectrum[0].item(),
            "largest_eigenvalue": spectrum[-1].item(),
            "outside_top": left,
            "cut_value": value,
            "cut_wrong": wrong["minimum cut"],
            "fiedler_wrong": wrong["Fiedler vector"],
            "weight_sum": int(2 * weights.sum()),
        },
        trace=_worked(params, a, s, wrong, value),
        figures=(
            drawn,
            _smoothing_figure(left),
            Heatmap(
                "normalised", "S = D^(-1/2) (A + I) D^(-1/2)", Array.of(s), scale="sqrt",
                caption="Symmetric, as large as the graph, and zero wherever there is neither an edge nor a self-loop.",
            ),
            _cuts_table(wrong, value),
        ),
    )  # fmt: skip


def _smoothing_figure(left: Tensor) -> Lines:
    k = [float(i) for i in range(1, len(left) + 1)]
    return Lines(
        "smoothing",
        "What k propagations still tell the nodes apart by",
        (line("share of S^k outside the top eigenvector", k, left),),
        x_label="k",
        y_label="share",
        caption="Every propagation averages; after many all nodes look alike, up to the root of their degree.",
    )


def _cuts_table(wrong: dict[str, list[int]], value: float) -> Table:
    rows = [(name, len(nodes), ", ".join(map(str, nodes)) or "none") for name, nodes in wrong.items()]
    return table(
        "cuts",
        "Two sides without a label",
        ("by", "wrong", "which nodes"),
        rows,
        align="lrl",
        caption=f"The minimum cut between the two leaders, by how strong the edges are, has the value {value:g}.",
    )


def _worked(params: Spread, a: Tensor, s: Tensor, wrong: dict[str, list[int]], value: float) -> tuple[Step, ...]:
    row, column = params.entry
    degree = [int(d) + 1 for d in a.sum(1).tolist()]
    entry = int(a[row, column]) + (row == column)
    sizes = [params.sides.count(side) for side in (0, 1)]
    return (
        Step(
            "facts",
            f"{len(params.sides)} nodes and {len(params.edges)} edges, each counted once though it fills two entries "
            f"of $A$; {sizes[0]} nodes on one side, {sizes[1]} on the other.",
        ),
        Step("self-loops", "$A + I$: every node is a neighbour of itself, so that it keeps a share of what it knows."),
        Step(
            "normalised",
            f"With self-loops node {row} has degree {degree[row]} and node {column} has degree {degree[column]}. "
            f"The entry of $A + I$ is {entry}, so $S_{{{row},{column}}} = {entry} / \\sqrt{{{degree[row]} \\cdot "
            f"{degree[column]}}} = {s[row, column].item():.6f}$. The edges count as 1, however strong they are.",
        ),
        Step(
            "splits",
            f"The minimum cut between {params.leaders[0]} and {params.leaders[1]}, by how strong the edges are, has "
            f"the value {value:g} and misplaces {_listed(wrong['minimum cut'])}; the sign of the Fiedler vector "
            f"misplaces {_listed(wrong['Fiedler vector'])}.",
        ),
        Step(
            "learned",
            "Identity features say nothing by themselves: whatever is known spreads along the edges. The largest "
            "eigenvalue of $S$ is 1, the others are smaller in size, so repeated propagation keeps one direction only: "
            "a few layers spread labels, many make all nodes alike.",
        ),
    )


def _listed(nodes: list[int]) -> str:
    return "no node" if not nodes else "node" + "s" * (len(nodes) > 1) + " " + ", ".join(map(str, nodes))


# -- fresh variants

SIDE = 17
WITHIN, ACROSS = 0.30, 0.04


def block_graph(draws: Draws) -> tuple[tuple[int, ...], ...]:
    """The edges of a graph with two sides of 17 nodes, dense within and sparse between: (0 … 16) and (17 … 33)."""
    rng = draws.stream("edges")
    n = 2 * SIDE
    return tuple(
        (i, j)
        for i in range(n)
        for j in range(i + 1, n)
        if rng.random() < (WITHIN if (i < SIDE) == (j < SIDE) else ACROSS)
    )


def draw_block_graph(draws: Draws) -> tuple[tuple[tuple[int, ...], ...], tuple[int, ...]]:
    """Edges and sides of a connected graph like the karate club, whose sides the Fiedler vector finds but for three."""
    sides = tuple(int(i >= SIDE) for i in range(2 * SIDE))
    for attempt in range(1000):
        edges = block_graph(draws.again(attempt))
        if not 60 <= len(edges) <= 95:
            continue
        a = adjacency(torch.tensor(edges), 2 * SIDE)
        connected = all(parent >= 0 for parent in _path(a.tolist(), 0))
        if connected and len(wrong_nodes(fiedler_sides(a), torch.tensor(sides))) <= 3:
            return edges, sides
    raise RuntimeError("no well-posed graph in 1000 draws")


@draws(Spread)
def draw_spread(draws: Draws) -> Spread:
    """Another graph of two sides, led by the node of highest degree on each; an entry of S that is no zero."""
    edges, sides = draw_block_graph(draws)
    degree = adjacency(torch.tensor(edges), len(sides)).sum(1).tolist()
    leaders = tuple(max(range(first, first + SIDE), key=degree.__getitem__) for first in (0, SIDE))
    strengths = draws.stream("weights")
    uneven = [edge for edge in edges if degree[edge[0]] != degree[edge[1]]]
    return Spread(
        edges=edges,
        weights=tuple(strengths.randint(1, 5) for _ in edges),
        sides=sides,
        leaders=leaders,
        entry=draws.stream("entry").choice(uneven),
    )
