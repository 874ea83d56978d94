"""What the engines that look at attention may be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engines.fields import field
from engines.local_files import size_of
from engines.parameters import Parameters

MODEL_HELP = "gpt: causal, predicts the next word; bert: sees both sides, predicts masked words"


@dataclass(frozen=True)
class Agreement(
    Parameters,
    engine="attention_maps.agreement",
    summary="A small GPT or BERT learns subject-verb agreement: which head finds the subject",
):
    """Sentences of a toy language with a noun between subject and verb."""

    model: Literal["gpt", "bert"] = field("gpt", help=MODEL_HELP)
    steps: int = field(500, low=1, high=5000, help="training steps")
    batch_size: int = field(64, low=1, high=256, help="sentences a step")
    n_layers: int = field(2, low=1, high=4, help="layers")
    n_heads: int = field(4, low=1, high=8, help="heads a layer, of 12 dimensions each")

    def peak_bytes(self, itemsize: int) -> int:
        """What every head keeps of 400 tested sentences and of a batch, 10 tokens each, maps in float64 among it."""
        return (24 << 20) + self.n_layers * self.n_heads * 350 * 10 * (400 + self.batch_size) * itemsize


@dataclass(frozen=True)
class Text(
    Parameters,
    engine="attention_maps.text",
    summary="Maps of every layer and head for a text, on a model trained here or on your own weights",
    dtypes=("float32",),
):
    """A toy model trained on the spot, or GPT-2, BERT and the like from a folder or the Hugging Face cache."""

    text: str = field("the dog near the cars sees some tree", min_length=1, max_length=2000, help="the text")
    weights: str = field(
        "", max_length=500, help="folder with safetensors weights, or a name in the local cache; empty: train one here"
    )
    model: Literal["gpt", "bert"] = field("gpt", help=f"what is trained here: {MODEL_HELP}")
    trained: bool = field(True, help="no: the same model with random weights")
    layer: int = field(0, low=0, high=200, help="layer whose heads are drawn one by one; 0: all, if they are few")
    steps: int = field(500, low=1, high=5000, help="training steps of the model trained here")

    def peak_bytes(self, itemsize: int) -> int:
        """Twice the weights' files while they are read, and room for the maps of a text."""
        return (32 << 20) + 3 * size_of(self.weights) + (1 << 30 if self.weights else 0)
