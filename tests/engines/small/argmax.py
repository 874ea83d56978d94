"""Small settings of the engines on hard attention."""

from engines.parameters.argmax import Argmax

SMALL = [Argmax()]
