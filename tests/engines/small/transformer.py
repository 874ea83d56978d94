"""Small settings of the engines on transformers and on looking at attention."""

from engines.parameters.attention_maps import Agreement, Text
from engines.parameters.induction import Induction
from engines.parameters.norm_placement import NormPlacement
from engines.parameters.positions import ShiftMatrix
from engines.parameters.seq2seq_masks import TransformerMasks
from engines.parameters.sublayers import (
    AttentionCode,
    CrossWidths,
    Equivariance,
    FeedForwardNetwork,
    IdenticalQueriesKeys,
    LayerNormalisation,
    ParameterCounts,
)
from engines.parameters.two_senses import TwoSenses
from engines.parameters.untrained import LogitGradients, Untrained
from engines.parameters.vit import DigitsVit, PatchEmbedding

SMALL = [
    Agreement(steps=3, batch_size=4),
    Text(steps=3),
    Induction(steps=3, shortest=3, longest=5, length=12, width=8, batch_size=4),
    NormPlacement(n_layers=2, steps=3, batch_size=4),
    ShiftMatrix(),
    TransformerMasks(),
    AttentionCode(),
    CrossWidths(),
    Equivariance(),
    FeedForwardNetwork(),
    IdenticalQueriesKeys(n=5, d=8),
    LayerNormalisation(),
    ParameterCounts(d_model=32, d_ff=64, n_layers=2),
    TwoSenses(steps=3, batch_size=4),
    LogitGradients(steps=20, batch_size=4),
    Untrained(width=96),
    DigitsVit(steps=2, batch_size=4, width=8, n_layers=1, patch_size=4),
    PatchEmbedding(image_size=32, patch_size=8, width=64),
]
