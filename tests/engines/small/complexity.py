"""Small settings of the engines on cost."""

from engines.parameters.attention_costs import Forms, Recurrent, Shares
from engines.parameters.complexity import AttentionCost

SMALL = [
    AttentionCost(longest=256),
    Forms(form="separable", longest=256),
    Shares(width=8, heads=2, longest=64),
    Recurrent(width=8, longest=32),
]
