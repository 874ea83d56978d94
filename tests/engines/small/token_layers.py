"""Small settings of the engines on the other layers of a transformer."""

from engines.parameters.token_layers import FeedForward, LayerNorm

SMALL = [FeedForward(d_model=16, d_ff=32), LayerNorm()]
