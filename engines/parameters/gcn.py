"""What the engines on graph convolutional networks may be asked."""

from __future__ import annotations

from dataclasses import dataclass

from engines.fields import BadData, Fault, field
from engines.parameters import Parameters
from engines.parameters.graphs import KARATE_EDGES, KARATE_SIDES, MOST_NODES, Pairs, check_graph, network_bytes

EDGES_HELP = "pairs of nodes, counted from 0"
SIDES_HELP = "the true side of each node, 0 or 1"


@dataclass(frozen=True)
class FewLabels(
    Parameters,
    engine="gcn.few_labels",
    summary="A graph network that learns both sides of a graph from two labelled nodes",
):
    """A graph convolutional network on identity features, trained on few nodes, beside controls without a network."""

    edges: Pairs = field(KARATE_EDGES, min_length=1, max_length=5000, low=0, help=EDGES_HELP)
    sides: tuple[int, ...] = field(KARATE_SIDES, low=0, high=1, min_length=4, max_length=MOST_NODES, help=SIDES_HELP)
    names: tuple[str, ...] = field(("instructor", "administrator"), min_length=2, max_length=2, help="their names")
    labelled: tuple[int, ...] = field((0, 33), low=0, min_length=2, help="the nodes whose side is told")
    hidden: int = field(16, low=1, high=64, help="width of the first layer; the second has 2, so that it can be drawn")
    seeds: int = field(20, low=1, high=200, help="networks trained at once, each from weights of its own")
    epochs: int = field(200, low=1, high=2000, help="steps of Adam")
    learning_rate: float = field(0.02, low=1e-4, high=1.0, help="step size of Adam")

    def __post_init__(self) -> None:
        check_graph(self.edges, self.sides, {"labelled": self.labelled})
        if {self.sides[node] for node in self.labelled} != {0, 1}:
            raise BadData([Fault(("labelled",), "one node of each side at least has to be labelled")])

    def peak_bytes(self, itemsize: int) -> int:
        """Weights and activations of all networks."""
        return network_bytes(2 * self.seeds, len(self.sides), self.hidden, itemsize)


@dataclass(frozen=True)
class Masking(
    Parameters,
    engine="gcn.masking",
    summary="Which labels a graph network is trained on, and a mask that lets the test nodes through",
):
    """Training and test nodes on communities found by modularity, with the right mask and with one that leaks."""

    test_nodes: tuple[int, ...] = field(
        (0, 1, 3, 8, 15, 16, 20, 25, 28, 30), low=0, high=33, min_length=1, max_length=32, help="nodes of the test"
    )
    hidden: int = field(16, low=1, high=64, help="width of the first layer")
    seeds: int = field(20, low=1, high=200, help="networks trained at once")
    epochs: int = field(200, low=1, high=2000, help="steps of Adam")
    learning_rate: float = field(0.05, low=1e-4, high=1.0, help="step size of Adam")

    def peak_bytes(self, itemsize: int) -> int:
        """Weights and activations of all networks."""
        return network_bytes(3 * self.seeds, len(KARATE_SIDES), self.hidden, itemsize)


@dataclass(frozen=True)
class Layer(
    Parameters,
    engine="gcn.layer",
    summary="One graph convolution forwards and backwards, by formula, by autograd and by differences",
    dtype="float64",
    dtypes=("float64",),
):
    """H = tanh(S X W) on a small random graph."""

    nodes: int = field(6, low=2, high=32, help="nodes of the graph")
    features: int = field(4, low=1, high=32, help="features a node, columns of X")
    outputs: int = field(3, low=1, high=32, help="outputs a node, columns of W")
