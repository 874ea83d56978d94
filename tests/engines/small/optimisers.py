"""Small settings of the engines on optimisers."""

from engines.parameters.optimisers import Bias, Momentum

SMALL = [Momentum(), Bias(steps=4, runs=200)]
