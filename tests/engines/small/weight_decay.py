"""Small settings of the engine on weight decay."""

from engines.parameters.weight_decay import Decay

SMALL = [Decay(steps=30, copies=4)]
