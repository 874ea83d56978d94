"""A tree, one node a line: what was kept and what was pruned is told by a sign as well as by style."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

from engines.figures import Tree
from workbench.figures.look import Look
from workbench.figures.page import count
from workbench.figures.words import pad, shorten, width_of

LEAST = 4

STATES = ("best", "kept", "pruned")


# Branches are not built further than this: those of a deep tree would take the square of its depth.
DEEPEST = 100


@dataclass(frozen=True)
class Place:
    """Where a node stands: its index, how deep it is, and the branches that lead to it."""

    index: int
    depth: int
    branches: str


def in_order(figure: Tree) -> list[Place]:
    """The nodes as they are to be read: each followed by those under it."""
    children: dict[int, list[int]] = {}
    for index, node in enumerate(figure.nodes):
        children.setdefault(node.parent if -1 < node.parent < index else -1, []).append(index)
    order: list[Place] = []
    # A stack of our own: a tree may be deeper than Python's.
    todo = [Place(root, 0, "") for root in reversed(children.get(-1, []))]
    while todo:
        place = todo.pop()
        order.append(place)
        above = place.branches[:-3] + {"": "", "├─ ": "│  ", "└─ ": "   "}[place.branches[-3:]]
        last = True
        for child in reversed(children.get(place.index, [])):
            branches = above + ("└─ " if last else "├─ ") if place.depth < DEEPEST else place.branches
            todo.append(Place(child, place.depth + 1, branches))
            last = False
    return order


def wanted(figure: Tree, width: int) -> int:  # noqa: ARG001 - the other kinds look at it
    """The height below which a caption has to make room."""
    return min(len(figure.nodes) + 1, 10)


def rows(figure: Tree, width: int, height: int, look: Look) -> list[Text]:
    """The tree in at most `height` lines; the nodes below the edge are counted."""
    order = in_order(figure)
    if not order:
        return [Text("no nodes to draw", look.faint)]
    states: Counter[str] = Counter(node.state for node in figure.nodes)
    legend = _legend(states, look)
    room = height - len(legend)
    more = []
    if len(order) > room:
        hidden = [figure.nodes[place.index].state for place in order[room - 1 :]]
        order = order[: room - 1]
        more = [_more(hidden, width, look)]
    prefixes = [_prefix(place, width, look) for place in order]
    nodes = [figure.nodes[place.index] for place in order]
    notes = min(max(width_of(node.note) for node in nodes), width // 3) if nodes else 0
    heads = [width_of(prefix) + 2 + width_of(node.label) for prefix, node in zip(prefixes, nodes, strict=True)]
    column = min(max(heads, default=0), width - (notes + 2 if notes else 0))
    lines = []
    for prefix, node in zip(prefixes, nodes, strict=True):
        style = look.state(node.state)
        line = Text().append(prefix, look.faint).append(f"{_sign(node.state, look)} ", style)
        line.append(shorten(node.label, column - line.cell_len, look), style)
        if node.note:
            line.append(" " * (column - line.cell_len + 2))
            line.append(pad(shorten(node.note, notes, look), notes, "r"), look.faint)
        lines.append(line)
    return lines + more + [Text.assemble(line, overflow="crop") for line in legend]


def _prefix(place: Place, width: int, look: Look) -> str:
    """The branches before a node, or its depth where they would leave no room for it."""
    if 3 * place.depth <= min(3 * DEEPEST, width // 2):
        return look.glyphs(place.branches)
    return shorten(f"{look.sign('more')} {place.depth} deep ", width // 2, look)


def _sign(state: str, look: Look) -> str:
    return look.sign("open" if state == "plain" else state)


def _legend(states: Counter[str], look: Look) -> list[Text]:
    """The signs that occur, if any says more than that there is a node."""
    shown = [state for state in STATES if states[state]]
    entries = [Text(f"{_sign(state, look)} {state}", look.state(state)) for state in shown]
    return [Text("   ").join(entries)] if entries else []


def _more(hidden: Sequence[str], width: int, look: Look) -> Text:
    states = Counter(hidden)
    parts = [f"{states[state]} {state}" for state in STATES if states[state]]
    told = f" ({', '.join(parts)})" if parts else ""
    start = f"{look.sign('more')} {count(len(hidden), 'more node')}"
    texts = (f"{start} not shown{told}", f"{start}{told}")
    fitting = [text for text in texts if width_of(text) <= width]
    return Text(fitting[0] if fitting else shorten(start, width, look), look.faint)
