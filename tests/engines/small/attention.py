"""Small settings of the engines on softmax attention."""

from engines.parameters.attention import Weights

SMALL = [Weights()]
