"""Small settings of the engines on attention as something else."""

from engines.parameters.self_attention import Convolution, Equivariance, Identical, Permutation

SMALL = [Permutation(trials=100), Convolution(), Equivariance(shuffles=2), Identical(dimension=16, draws=2)]
