"""Small settings of the engines on softargmax attention."""

from engines.parameters.softargmax import Elongate, Perturb, Sweep

SMALL = [Sweep(), Perturb(samples=500), Elongate()]
