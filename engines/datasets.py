"""Data sets by name. Nothing is downloaded: what is not made here is shipped, or is the user's own file."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO, Literal

import torch
from torch import Tensor

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Labelled:
    """Examples `x (n, features)`, float64, with their classes `y (n,)`, int64."""

    x: Tensor
    y: Tensor

    def take(self, rows: Tensor | slice) -> Labelled:
        """Some of the examples."""
        return Labelled(self.x[rows], self.y[rows])

    def split(self, test: int, generator: torch.Generator) -> tuple[Labelled, Labelled]:
        """All but `test` random examples to train on, and those to test on; a function of the generator's state.

        Raises:
            ValueError: if nothing would be left to train on.
        """
        if not 0 < test < len(self.x):
            raise ValueError(f"{test} examples to test on leave nothing to train on: there are {len(self.x)}")
        order = torch.randperm(len(self.x), generator=generator)
        return self.take(order[test:]), self.take(order[:test])


# -- shipped


@cache
def digits() -> Labelled:
    """1 797 handwritten digits of 8 × 8 pixels in [0, 1], in the order of the source: x `(1797, 64)`.

    The test part of the optical recognition of handwritten digits data set (Alpaydin and Kaynak 1998, UCI
    Machine Learning Repository, CC BY 4.0); the same that scikit-learn ships.
    """
    lines = (DATA / "digits.csv").read_text(encoding="ascii").splitlines()
    rows = torch.tensor([[float(cell) for cell in line.split(",")] for line in lines], dtype=torch.float64)
    return Labelled(rows[:, :64] / 16, rows[:, 64].long())


# -- made here


@dataclass(frozen=True)
class StrongDirections:
    """Gaussian data in which a few directions have a large variance and alone decide the class.

    x = s B with s ~ N(0, diag(variance, …, variance, 1, …, 1)) and B a random rotation; the class is 1 where the
    strong entries of s add up to more than 0 (EECS 182, homework 7 (spring 2023), question 1a).

    Attributes:
        basis: B `(dimensions, dimensions)`, one direction a row, the strong ones first; float64.
        strong: how many directions are strong.
        variance: theirs; the others have 1.
    """

    basis: Tensor
    strong: int
    variance: float

    @classmethod
    def drawn(cls, dimensions: int, strong: int, variance: float, generator: torch.Generator) -> StrongDirections:
        """With a basis drawn uniformly: the Q of a Gaussian matrix, with the signs of R's diagonal."""
        q, r = torch.linalg.qr(torch.randn(dimensions, dimensions, generator=generator, dtype=torch.float64))
        return cls(q * r.diagonal().sign(), strong, variance)

    @property
    def variances(self) -> Tensor:
        """Of each direction, `(dimensions,)`: the eigenvalues of the covariance, largest first if variance > 1."""
        out = torch.ones(len(self.basis), dtype=torch.float64)
        out[: self.strong] = self.variance
        return out

    @property
    def covariance(self) -> Tensor:
        """E[xᵀx], `(dimensions, dimensions)`."""
        return (self.basis.T * self.variances) @ self.basis

    def sample(self, n: int, generator: torch.Generator) -> Labelled:
        """N independent examples."""
        s = torch.randn(n, len(self.basis), generator=generator, dtype=torch.float64) * self.variances.sqrt()
        return Labelled(s @ self.basis, (s[:, : self.strong].sum(1) > 0).long())


# -- the user's own MNIST

# A header of the IDX format is two zero bytes, the type (8: unsigned bytes), the number of sizes, and the sizes.
IMAGES, LABELS = b"\x00\x00\x08\x03", b"\x00\x00\x08\x01"
PARTS = {"train": "train", "test": "t10k"}
MAX_IMAGES, MAX_SIDE = 1_000_000, 256
MAX_BYTES = 256 << 20
CHUNK = 1 << 20


def mnist(folder: str | Path, part: Literal["train", "test"] = "train", limit: int | None = None) -> Labelled:
    """MNIST, or a set of its form, from IDX files that the user has: x `(n, height·width)` in [0, 1].

    Args:
        folder: with `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and the like beginning with `t10k-`,
            plain or with `.gz` (the dot before `idx` is as good as the dash).
        part: which of the two.
        limit: read no more than so many, from the start.

    Raises:
        ValueError: if a file is missing, or is not what its name promises.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"at least one image has to be read, not {limit}")
    images = _file(Path(folder), f"{PARTS[part]}-images", 3)
    labels = _file(Path(folder), f"{PARTS[part]}-labels", 1)
    (n, *sides), pixels = _read(images, IMAGES, limit)
    (count,), classes = _read(labels, LABELS, limit)
    if n != count:
        raise ValueError(f"{images.name} has {n} images and {labels.name} {count} labels: they do not belong together")
    y = torch.frombuffer(classes, dtype=torch.uint8).long()
    if int(y.max()) > 9:
        raise ValueError(f"{labels.name} holds the label {int(y.max())}; digits are 0 to 9")
    x = torch.frombuffer(pixels, dtype=torch.uint8).view(-1, math.prod(sides))
    return Labelled(x.double() / 255, y)


def _file(folder: Path, stem: str, dimensions: int) -> Path:
    """The file of that name in one of its spellings."""
    names = [f"{stem}{mark}idx{dimensions}-ubyte{end}" for mark in "-." for end in ("", ".gz")]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise ValueError(f"there is no {names[0]} in {folder}, neither plain nor as .gz")


def _read(path: Path, magic: bytes, limit: int | None) -> tuple[list[int], bytearray]:
    """The sizes that an IDX file announces, and the bytes of its first `limit` items."""
    open_file: Callable[[Path, Literal["rb"]], BinaryIO] = gzip.open if path.suffix == ".gz" else open  # type: ignore[assignment]
    try:
        with open_file(path, "rb") as file:
            if file.read(4) != magic:
                raise ValueError(f"{path.name} is no IDX file of {'images' if magic == IMAGES else 'labels'}")
            sizes = [int.from_bytes(_exactly(file, 4, path), "big") for _ in range(magic[3])]
            if not 1 <= sizes[0] <= MAX_IMAGES or not all(1 <= side <= MAX_SIDE for side in sizes[1:]):
                raise ValueError(f"{path.name} announces the sizes {sizes}, which no such file has")
            items = sizes[0] if limit is None else min(limit, sizes[0])
            wanted = items * math.prod(sizes[1:])
            if wanted > MAX_BYTES:
                raise ValueError(f"{path.name} announces {wanted} bytes; at most {MAX_BYTES} are read")
            data = _exactly(file, wanted, path)
            if items == sizes[0] and file.read(1):
                raise ValueError(f"{path.name} goes on after the {sizes[0]} items that it announces")
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path.name} cannot be read: {error}") from None
    return sizes, data


def _exactly(file: BinaryIO, size: int, path: Path) -> bytearray:
    """The next `size` bytes, read piece by piece: what a header claims takes no memory before it is there."""
    data = bytearray()
    while len(data) < size:
        piece = file.read(min(CHUNK, size - len(data)))
        if not piece:
            raise ValueError(f"{path.name} ends early: {size - len(data)} bytes are missing")
        data += piece
    return data
