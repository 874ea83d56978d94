"""Small settings of the engines on multi-head attention."""

from engines.parameters.multihead import GroupedConvolution, Heads

SMALL = [Heads(mask="causal-padding"), GroupedConvolution()]
