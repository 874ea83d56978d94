"""Small settings of the engines on decoding."""

from engines.parameters.decoding import Beam

SMALL = [Beam()]
