"""Small settings of the engines on linear attention."""

from engines.parameters.causal_attention import Causal, Streaming

SMALL = [Causal(width=4, value_width=3, chunk=16, longest=64), Streaming(width=4, value_width=3, positions=32)]
