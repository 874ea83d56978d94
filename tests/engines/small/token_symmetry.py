"""Small settings of the engines on what attention can tell of its tokens."""

from engines.parameters.token_symmetry import Equivariance, Identical

SMALL = [Equivariance(shuffles=2), Identical(dimension=16, draws=2)]
