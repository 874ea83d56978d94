"""Small settings of the engines on deep networks."""

from engines.parameters.depth import Degradation, Gradients

SMALL = [Degradation(depths=(2, 4), seeds=2, steps=6, width=8), Gradients(depth=6, seeds=2)]
