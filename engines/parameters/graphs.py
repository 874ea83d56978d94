"""What the engines on graphs may be asked."""

from __future__ import annotations

from dataclasses import dataclass

from engines.fields import BadData, Fault, field
from engines.parameters import SMALL, Parameters

Pairs = tuple[tuple[int, ...], ...]

# Who met whom in the karate club outside of training, and in how many of eight situations (Zachary 1977, figures 2
# and 3); members are counted from 0, so that 0 is the instructor and 33 the administrator.
KARATE_EDGES: Pairs = (
    *((0, b) for b in (1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 17, 19, 21, 31)),
    *((1, b) for b in (2, 3, 7, 13, 17, 19, 21, 30)),
    *((2, b) for b in (3, 7, 8, 9, 13, 27, 28, 32)),
    *((3, b) for b in (7, 12, 13)),
    *((4, b) for b in (6, 10)),
    *((5, b) for b in (6, 10, 16)),
    *((6, 16), (8, 30), (8, 32), (8, 33), (9, 33), (13, 33), (14, 32), (14, 33), (15, 32), (15, 33)),
    *((18, 32), (18, 33), (19, 33), (20, 32), (20, 33), (22, 32), (22, 33)),
    *((23, b) for b in (25, 27, 29, 32, 33)),
    *((24, b) for b in (25, 27, 31)),
    *((25, 31), (26, 29), (26, 33), (27, 33), (28, 31), (28, 33), (29, 32), (29, 33), (30, 32), (30, 33)),
    *((31, 32), (31, 33), (32, 33)),
)
KARATE_WEIGHTS = (
    *(4, 5, 3, 3, 3, 3, 2, 2, 2, 3, 1, 3, 2, 2, 2, 2),
    *(6, 3, 4, 5, 1, 2, 2, 2),
    *(3, 4, 5, 1, 3, 2, 2, 2),
    *(3, 3, 3),
    *(2, 3),
    *(5, 3, 3),
    *(3, 3, 3, 4, 2, 3, 3, 2, 3, 4),
    *(1, 2, 1, 3, 1, 2, 3),
    *(5, 4, 3, 5, 4),
    *(2, 3, 2),
    *(7, 4, 2, 4, 2, 2, 4, 2, 3, 3),
    *(4, 4, 5),
)
# The club that each member joined when the old one broke in two (table 3).
KARATE_SIDES = (*(0,) * 9, 1, *(0,) * 4, 1, 1, 0, 0, 1, 0, 1, 0, *(1,) * 12)

MOST_NODES = 256


def check_graph(edges: Pairs, sides: tuple[int, ...], nodes: dict[str, tuple[int, ...]]) -> None:
    """Refuse a graph that is none.

    Args:
        edges: pairs of different nodes.
        sides: 0 or 1 for each node.
        nodes: names of other fields, with the nodes that they name.

    Raises:
        BadData: naming the field and the entry.
    """
    n = len(sides)
    faults = [
        Fault(("edges", i), f"{list(edge)} is no pair of two different nodes from 0 to {n - 1}")
        for i, edge in enumerate(edges)
        if len(edge) != 2 or edge[0] == edge[1] or max(edge) >= n
    ]
    if len({frozenset(edge) for edge in edges}) < len(edges):
        faults.append(Fault(("edges",), "an edge stands there twice"))
    for name, named in nodes.items():
        absent = [(i, node) for i, node in enumerate(named) if node >= n]
        faults += [Fault((name, i), f"there is no node {node}: 0 to {n - 1}") for i, node in absent]
    if faults:
        raise BadData(faults)


@dataclass(frozen=True)
class Spread(
    Parameters,
    engine="graphs.spread",
    summary="The normalised adjacency matrix of a graph, its spectrum, and what its powers forget",
    dtype="float64",
):
    """Propagation S = D^(-1/2) (A + I) D^(-1/2) on a graph of two sides, Zachary's karate club by default."""

    edges: Pairs = field(KARATE_EDGES, min_length=1, max_length=5000, low=0, help="pairs of nodes, counted from 0")
    weights: tuple[int, ...] = field(KARATE_WEIGHTS, low=1, high=1000, help="strength of each edge, for the cut")
    sides: tuple[int, ...] = field(
        KARATE_SIDES, low=0, high=1, min_length=2, max_length=MOST_NODES, help="side of each node"
    )
    leaders: tuple[int, ...] = field((0, 33), low=0, min_length=2, max_length=2, help="the nodes that a cut parts")
    entry: tuple[int, ...] = field((0, 1), low=0, min_length=2, max_length=2, help="row and column of S to ask for")
    powers: int = field(32, low=2, high=256, help="how many times to propagate")

    def __post_init__(self) -> None:
        check_graph(self.edges, self.sides, {"leaders": self.leaders, "entry": self.entry})
        if len(self.weights) != len(self.edges):
            raise BadData([Fault(("weights",), f"{len(self.weights)} weights for {len(self.edges)} edges")])


def network_bytes(seeds: int, nodes: int, hidden: int, itemsize: int) -> int:
    """Bytes of training `seeds` networks at once.

    Five copies of the weights (the first ones, value, gradient, two moments of Adam), and the activations of both
    layers with what the backward pass keeps of them.
    """
    weights, activations = 5 * seeds * nodes * hidden, 8 * seeds * nodes * (hidden + 4)
    return SMALL + itemsize * (weights + activations)
