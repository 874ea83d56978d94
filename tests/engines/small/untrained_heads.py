"""Small settings of the engine on heads before training."""

from engines.parameters.untrained_heads import Untrained

SMALL = [Untrained(d_model=32, n_heads=4, layers=2)]
