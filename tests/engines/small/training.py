"""Small settings of the engine on training loops."""

from engines.parameters.training import ZeroGrad

SMALL = [ZeroGrad(steps=12)]
