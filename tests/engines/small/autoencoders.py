"""Small settings of the engines on autoencoders."""

from engines.parameters.autoencoder_step import TrainingStep
from engines.parameters.autoencoders import Sweep, Variants
from engines.parameters.digit_autoencoders import Digits

SMALL = [
    Sweep(bottlenecks=(2, 8), dimensions=10, strong=3, samples=500, epochs=1, seeds=2),
    Sweep(
        bottlenecks=(4,),
        dimensions=10,
        strong=3,
        samples=500,
        epochs=1,
        seeds=1,
        hidden=6,
        activation="relu",
        variant="denoising",
    ),
    Variants(bottlenecks=(3,), samples=500, epochs=1, seeds=1),
    Digits(bottleneck=4, hidden=8, steps=10, images=300, tested=100, budgets=(20,), draws=2),
    TrainingStep(),
    TrainingStep(sizes=(6, 3), batch=3),
]
