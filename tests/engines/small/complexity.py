"""Small settings of the engines on cost."""

from engines.parameters.complexity import AttentionCost

SMALL = [AttentionCost(longest=256)]
