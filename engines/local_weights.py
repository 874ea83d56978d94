"""Attention maps of a model of the user's own: GPT-2, BERT and the like, from local Hugging Face files.

`transformers` is no dependency; where it is installed it reads the model. Nothing is ever downloaded, and weights are
read from safetensors alone: the other formats can carry code.
"""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engines.local_files import NoWeights, find_weights
from engines.run import Run

MOST_TOKENS = 256


@dataclass(frozen=True)
class Observed:
    """A text as a model saw it: weights `(layers, 1, heads, n, n)`, tokens `(1, n)`, and the tokens as words.

    `special` are the ids of special tokens ([CLS], [SEP] …) and `causal` says whether a query sees earlier tokens only.
    """

    name: str
    weights: Tensor
    tokens: Tensor
    words: list[str]
    causal: bool
    special: tuple[int, ...]


def observe(name: str, text: str, run: Run, *, trained: bool = True) -> Observed:
    """Read a model by folder or cached name, show it a text, and return the weights of all layers and heads.

    Args:
        name: a folder with config.json, safetensors and a tokenizer, or a name in the local cache.
        text: what the model is shown.
        run: the device and the seed of random weights.
        trained: False keeps the architecture and draws its weights at random.

    Raises:
        NoWeights: if `transformers` or the files are missing, saying what to do.
        ValueError: if the model has no attention maps, or the text is too long.
    """
    folder = find_weights(name)
    transformers = _transformers()
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, ImportError) as error:
        raise NoWeights(f"{folder} has no tokenizer that can be read: save it there with save_pretrained") from error
    encoded = tokenizer(text, return_tensors="pt")["input_ids"].to(run.device)
    if not 1 <= encoded.shape[1] <= MOST_TOKENS:
        raise ValueError(f"the text has {encoded.shape[1]} tokens: between 1 and {MOST_TOKENS} can be drawn")
    model = _model(transformers, folder, run, trained=trained)
    with torch.no_grad():
        maps = model(encoded, output_attentions=True).attentions
    if not maps or maps[0] is None:
        raise ValueError(f"{type(model).__name__} returns no attention maps")
    weights = torch.stack(list(maps)).to(torch.float32)
    words = [_readable(token) for token in tokenizer.convert_ids_to_tokens(encoded[0].tolist())]
    state = "" if trained else ", weights drawn at random"
    return Observed(
        f"{type(model).__name__} from {folder.name}{state}",
        weights,
        encoded,
        words,
        causal=not bool(weights.triu(1).any()),
        special=tuple(tokenizer.all_special_ids),
    )


def _transformers() -> Any:
    # Read when the library is imported: it must not look for anything outside.
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TRANSFORMERS_OFFLINE"] = "1"
    try:
        transformers: Any = importlib.import_module("transformers")
    except ImportError:
        raise NoWeights(
            "reading local weights needs the package transformers, which is not installed here: pip install "
            "'transformers>=5,<6' 'safetensors'; without it leave 'weights' empty and a model is trained here"
        ) from None
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


def _model(transformers: Any, folder: Path, run: Run, *, trained: bool) -> Any:
    # Only "eager" attention keeps its maps: with any other `output_attentions` gives nothing, and says so in a warning.
    eager = {"attn_implementation": "eager"}
    if trained:
        model = transformers.AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True, **eager)
    else:
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
        with torch.random.fork_rng([]):
            torch.manual_seed(run.seed)
            model = transformers.AutoModel.from_config(config, **eager)
    return model.to(run.device, run.dtype).eval()


def _readable(token: str) -> str:
    """A token as it stands in a label: the signs for a blank before it (Ġ) and a continued word (##) made plain."""
    return token.replace("Ġ", "␣").replace("Ċ", "⏎")
