"""The tree that a search went through, as a figure."""

from __future__ import annotations

from typing import Literal

from engines.figures import Node, Tree
from engines.search import Candidates


def search_tree(
    name: str, title: str, steps: list[Candidates], tokens: tuple[str, ...], best: list[int], caption: str
) -> Tree:
    """Every node that a beam search looked at: kept, pruned, or `best` itself where that is kept.

    Children stand in the order of the vocabulary; a note gives the token's own log-probability and the total.
    """
    nodes = [Node("(start)", state="kept")]
    place: dict[tuple[int, ...], int] = {(): 0}
    looked_at: dict[tuple[int, ...], tuple[float, bool]] = {(): (0.0, True)}
    for candidates in steps:
        scored = zip(candidates.sequences.tolist(), candidates.log_probs.tolist(), strict=True)
        looked_at |= {tuple(ids): (total, rank < candidates.kept) for rank, (ids, total) in enumerate(scored)}

    def grow(prefix: tuple[int, ...]) -> None:
        for token, word in enumerate(tokens):
            child = (*prefix, token)
            if child in looked_at:
                total, kept = looked_at[child]
                note = f"{total - looked_at[prefix][0]:.2f}, total {total:.2f}"
                place[child] = len(nodes)
                nodes.append(Node(word, place[prefix], note, _state(kept=kept, best=list(child) == best)))
                grow(child)

    grow(())
    return Tree(name, title, tuple(nodes), caption=caption)


def _state(*, kept: bool, best: bool) -> Literal["kept", "pruned", "best"]:
    if not kept:
        return "pruned"
    return "best" if best else "kept"
