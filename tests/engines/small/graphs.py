"""Small settings of the engines on graphs."""

from engines.parameters.graphs import Spread

SMALL = [Spread()]
