"""Small settings of the engines on graph networks."""

from engines.parameters.gcn import FewLabels, Layer, Masking

SMALL = [FewLabels(seeds=2, epochs=12), Masking(seeds=2, epochs=8), Layer()]
