"""Small settings of the engines on attention as something else."""

from engines.parameters.self_attention import Convolution, Permutation

SMALL = [Permutation(trials=100), Convolution()]
