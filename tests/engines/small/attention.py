"""Small settings of the engines on attention."""

from engines.parameters.attention import Argmax

SMALL = [Argmax()]
