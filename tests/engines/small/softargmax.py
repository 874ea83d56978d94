"""Small settings of the engine on softargmax attention."""

from engines.parameters.softargmax import Sweep

SMALL = [Sweep()]
