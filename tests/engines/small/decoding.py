"""Small settings of the engines on decoding."""

from engines.parameters.beam_width import Width
from engines.parameters.decoding import Beam, Cost
from engines.parameters.decoding_model import Decoded
from engines.parameters.sampling import Sampling, Truncation

SMALL = [
    Beam(),
    Cost(length=4, beam_size=3, vocabulary=5),
    Width(models=6, vocabulary=3, length=4, beam_sizes=(1, 3)),
    Truncation(),
    Sampling(vocabulary=8, length=4, samples=5, repeats=4, temperatures=(0.3, 1.0), k=3),
    Decoded(steps=3, batch_size=4, d_model=8, n_layers=1, samples=4, beam_sizes=(2,), penalties=(0.0, 1.0)),
]
