"""Small settings of the engines on recurrent gradients."""

from engines.parameters.recurrent import Conventions, Exploding, Vanishing

SMALL = [Conventions(steps=5), Vanishing(steps=10), Exploding(steps=20, matrices=20)]
