"""Small settings of the engines on random features."""

from engines.parameters.feature_grid import AttentionErrors
from engines.parameters.random_features import KernelEstimate, PositiveEstimate

SMALL = [
    KernelEstimate(features=(4, 32), repeats=20),
    PositiveEstimate(samples=1000),
    AttentionErrors(widths=(2, 5), features=(3, 9, 20), seeds=3, length=9, value_width=2),
]
