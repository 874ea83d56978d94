"""What the engine on a single training step of an autoencoder may be asked."""

from __future__ import annotations

from dataclasses import dataclass

from engines.fields import field
from engines.parameters import Parameters


@dataclass(frozen=True)
class TrainingStep(
    Parameters,
    engine="autoencoders.step",
    summary="One training step of each kind of autoencoder on given weights: loss, update, probe accuracy",
    dtype="float64",
):
    """An encoder and its mirror image on one small batch, with the loss summed over features and averaged."""

    sizes: tuple[int, ...] = field(
        (7, 5, 4), min_length=2, max_length=5, low=1, high=64, help="sizes of the encoder's layers, the code last"
    )
    batch: int = field(6, low=1, high=64, help="examples of the batch, B")
    noise_std: float = field(0.5, low=0.01, high=10.0, help="standard deviation of the noise, s")
    mask_ratio: float = field(0.25, low=0.05, high=0.9, help="chance that an entry is set to 0, p")
    learning_rate: float = field(0.1, low=1e-4, high=1.0, help="step size of SGD")
    classes: int = field(3, low=2, high=10, help="classes of the probe")
