"""Small settings of the engines on kernel attention."""

from engines.parameters.kernel_attention import Quadratic
from engines.parameters.separable_attention import Separable
from engines.parameters.similarities import Denominator

SMALL = [
    Quadratic(width=4, longest=256),
    Denominator(tries=200, steps=60),
    Separable(length=12, width=3, steps=40, longest=128),
]
