"""Small settings of the engines on softmax attention."""

from engines.parameters.attention_weights import Weights

SMALL = [Weights()]
