"""Small settings of the engines on the scale of inner products."""

from engines.parameters.scaling import DotProduct, Saturation

SMALL = [
    DotProduct(dimension=8, mean=(1.0, -2.0), samples=300, dimensions=(2, 16)),
    Saturation(keys=6, dimensions=(4, 64), queries=40),
]
