"""Small settings of the engines on a key that changes."""

from engines.parameters.key_changes import Elongate, Perturb

SMALL = [Perturb(samples=500), Elongate()]
