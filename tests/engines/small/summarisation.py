"""Small settings of the engines on summarisation. The package that is read is this repository's own."""

from engines.parameters.docstring_summaries import Docstrings
from engines.parameters.report_summaries import Reports

SMALL = [
    Reports(steps=3, batch_size=4, d_model=8, n_heads=2, held_out=8),
    Docstrings(
        packages=("engines",),
        pairs=40,
        held_out=8,
        vocabulary=300,
        source_length=12,
        target_length=6,
        steps=3,
        batch_size=4,
        d_model=8,
        n_heads=2,
        n_layers=1,
        beam_size=2,
    ),
]
