"""Small settings of the engines on multi-head attention."""

from engines.parameters.multihead import GroupedConvolution, Heads, Untrained

SMALL = [Heads(mask="causal-padding"), Untrained(d_model=32, n_heads=4, layers=2), GroupedConvolution()]
