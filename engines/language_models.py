"""Language models: what searches and samplers of sequences run on (`engines.search.LanguageModel`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from engines.search import LanguageModel, State

StepFunction = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class PrefixModel:
    """Any function from whole prefixes to log-probabilities: the literal form, which computes everything again.

    Attributes:
        function: token ids `(R, L)`, the prompt included, to log-probabilities `(R, M)` of the next token.
        prompts: `(P, L)`; L may be 0.

    The state is the prefixes themselves.
    """

    function: StepFunction
    prompts: Tensor

    def start(self) -> tuple[Tensor, Tensor]:
        """The prompts' own rows."""
        return self.function(self.prompts), self.prompts

    def step(self, tokens: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One token longer."""
        state = torch.cat([state, tokens.unsqueeze(1)], 1)
        return self.function(state), state

    def reorder(self, state: Tensor, parents: Tensor) -> Tensor:
        """Other prefixes."""
        return state[parents]


def tree_size(vocabulary: int, length: int) -> int:
    """How many prefixes shorter than `length` there are: 1 + M + … + M^(T−1)."""
    return sum(vocabulary**t for t in range(length))


@dataclass(frozen=True)
class TreeModel:
    """A table of log-probabilities for every prefix, one for each of P trees.

    Attributes:
        table: `(P, nodes, M)`; the root is node 0, and token i leads from node n to node n·M + 1 + i, so that
            prefixes stand in order of length and then of their tokens.

    The state is, for each row, its tree and its node. A sequence longer than the tree is deep is an IndexError.
    """

    table: Tensor

    def start(self) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """The roots."""
        trees = torch.arange(len(self.table), device=self.table.device)
        return self.table[:, 0], (trees, torch.zeros_like(trees))

    def step(self, tokens: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """One level down."""
        trees, nodes = state
        nodes = nodes * self.table.shape[2] + 1 + tokens
        return self.table[trees, nodes], (trees, nodes)

    def reorder(self, state: tuple[Tensor, Tensor], parents: Tensor) -> tuple[Tensor, Tensor]:
        """Other nodes."""
        trees, nodes = state
        return trees[parents], nodes[parents]


@dataclass(frozen=True)
class MarkovChain:
    """The next token depends on the last one alone: first `(P, M)` and transitions `(M, M)` in log-probabilities.

    There is no state: the token that is handed in says it all.
    """

    first: Tensor
    transitions: Tensor

    def start(self) -> tuple[Tensor, None]:
        """What sequences begin with."""
        return self.first, None

    def step(self, tokens: Tensor, state: None) -> tuple[Tensor, None]:
        """The rows of the last tokens."""
        return self.transitions[tokens], None

    def reorder(self, state: None, parents: Tensor) -> None:
        """Nothing to do."""


class Counting(LanguageModel[State]):
    """Another model, with a count of the rows it computed: a model step is one row of log-probabilities."""

    def __init__(self, model: LanguageModel[State]) -> None:
        self.model = model
        self.model_steps = 0

    def start(self) -> tuple[Tensor, State]:
        """Counts the prompts."""
        log_probs, state = self.model.start()
        self.model_steps += len(log_probs)
        return log_probs, state

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Counts the rows."""
        self.model_steps += len(tokens)
        return self.model.step(tokens, state)

    def reorder(self, state: State, parents: Tensor) -> State:
        """Costs no model step."""
        return self.model.reorder(state, parents)


@dataclass(frozen=True)
class Automaton:
    """A language with finitely many states: in state q, token i has log-probability `log_probs[q, i]`.

    It leads to state `following[q, i]`; both are `(Q, M)`, and state 0 is the start. A Markov chain is the automaton
    whose state is the last token. The state carried for each row is its q.
    """

    log_probs: Tensor
    following: Tensor

    def start(self) -> tuple[Tensor, Tensor]:
        """One prompt."""
        return self.log_probs[:1], torch.zeros(1, dtype=torch.long, device=self.log_probs.device)

    def step(self, tokens: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One transition a row."""
        state = self.following[state, tokens]
        return self.log_probs[state], state

    def reorder(self, state: Tensor, parents: Tensor) -> Tensor:
        """Other states."""
        return state[parents]


def score(model: LanguageModel[State], sequences: Tensor, lengths: Tensor) -> Tensor:
    """Log-probabilities of given sequences `(S, T)` up to their `lengths (S,)`, for a model of one prompt: `(S,)`."""
    log_probs, state = model.start()
    rows = torch.zeros(len(sequences), dtype=torch.long, device=sequences.device)
    log_probs, state = log_probs[rows], model.reorder(state, rows)
    total = log_probs.new_zeros(len(sequences))
    for t in range(sequences.shape[1]):
        if t:
            log_probs, state = model.step(sequences[:, t - 1], state)
        own = log_probs.gather(1, sequences[:, t : t + 1]).squeeze(1)
        total = total + own.where(t < lengths, 0)
    return total
