"""Where a user's own Hugging Face weights lie: a folder they name, or the cache. Nothing is fetched; no torch."""

from __future__ import annotations

import os
from pathlib import Path

WEIGHTS = "*.safetensors"


class NoWeights(ValueError):
    """No weights to read; the message says what to do."""


def cache_folder() -> Path:
    """The folder of the Hugging Face cache, by the variables that its own tools read."""
    if "HF_HUB_CACHE" in os.environ:
        return Path(os.environ["HF_HUB_CACHE"]).expanduser()
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "huggingface"
    return Path(home).expanduser() / "hub"


def find_weights(name: str) -> Path:
    """The folder with config.json and safetensors of a folder's or a cached model's name ("gpt2", "org/model").

    Raises:
        NoWeights: if there is none, or its weights are in a format that could carry code.
    """
    folder = Path(name).expanduser()
    if not folder.is_dir():
        folder = _cached(name)
    if not (folder / "config.json").is_file():
        raise NoWeights(f"{folder} has no config.json: name the folder that save_pretrained wrote")
    if not any(folder.glob(WEIGHTS)):
        others = sorted(path.name for path in folder.iterdir() if path.suffix in {".bin", ".pt", ".h5", ".ckpt"})
        mend = "save them again with save_pretrained(folder, safe_serialization=True)"
        raise NoWeights(
            f"{folder} has {', '.join(others)}, which can carry code and is not read: {mend}"
            if others
            else f"{folder} has no .safetensors file: {mend}"
        )
    return folder


def _cached(name: str) -> Path:
    """The newest snapshot of a model in the cache; a bare name may belong to any organisation there."""
    cache = cache_folder()
    wanted = f"models--{name.replace('/', '--')}"
    models = [cache / wanted] if "/" in name else [cache / wanted, *sorted(cache.glob(f"models--*--{_plain(name)}"))]
    for model in models:
        snapshots = sorted((model / "snapshots").glob("*/config.json"), key=lambda path: path.stat().st_mtime)
        if snapshots:
            return snapshots[-1].parent
    raise NoWeights(
        f"there is no folder '{name}' and no model of that name in {cache}; nothing is downloaded here: copy the model "
        "to this machine and name its folder, or set HF_HOME"
    )


def _plain(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def size_of(name: str) -> int:
    """Bytes of the weights of that name, 0 where there are none."""
    try:
        return sum(path.stat().st_size for path in find_weights(name).glob(WEIGHTS)) if name else 0
    except (NoWeights, OSError):
        return 0
