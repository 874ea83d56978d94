"""A terminal workbench for deep-learning homework."""

__version__ = "0.1.0"
