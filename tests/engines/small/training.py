"""Small settings of the engines on training loops."""

from engines.parameters.training import Accumulation, ZeroGrad

SMALL = [ZeroGrad(steps=12), Accumulation(updates=5, effective_batch=8, width=4)]
