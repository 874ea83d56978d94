"""Small settings of the engines on linear autoencoders."""

from engines.parameters.linear_autoencoder import Conditions, Gradients
from engines.parameters.linear_regularised import Regularised
from engines.parameters.linear_training import Training

SMALL = [
    Gradients(),
    Conditions(),
    Training(steps=25, samples=200),
    Training(spectrum="geometric", bottleneck=3, steps=3, samples=200),
    Regularised(),
]
