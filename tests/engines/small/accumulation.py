"""Small settings of the engine on gradient accumulation."""

from engines.parameters.accumulation import Accumulation

SMALL = [Accumulation(updates=5, effective_batch=8, width=4)]
