"""Small settings of the engines on Performer attention."""

from engines.parameters.performer import FeatureChoice, Recall

SMALL = [
    FeatureChoice(features=(4, 16), length=24, width=4, seeds=2),
    Recall(features=(4,), steps=5, batch=4),
]
