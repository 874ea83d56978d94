"""Small settings of the engine on training with hard attention."""

from engines.parameters.lookup import Lookup

SMALL = [Lookup(steps=6, batch_size=16)]
