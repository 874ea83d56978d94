"""The data sets that are shipped, made, or the user's own."""

from __future__ import annotations

import gzip
import os
import struct
from pathlib import Path
from typing import Any

import pytest
import torch

from engines.datasets import Labelled, StrongDirections, digits, mnist
from engines.parameters.digit_autoencoders import Digits
from engines.registry import execute
from engines.run import Run


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_digits_are_what_they_are_known_to_be() -> None:
    data = digits()
    assert data.x.shape == (1797, 64)
    assert data.x.min() == 0
    assert data.x.max() == 1
    assert data.y.bincount().tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_digits_are_those_of_scikit_learn() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    theirs = datasets.load_digits()
    assert torch.equal(digits().x * 16, torch.from_numpy(theirs.data))
    assert digits().y.tolist() == theirs.target.tolist()


def test_a_split_is_a_function_of_the_seed_and_loses_nothing() -> None:
    data = Labelled(torch.arange(20.0).unsqueeze(1), torch.arange(20))
    train, test = data.split(6, generator(1))
    assert (len(train.x), len(test.x)) == (14, 6)
    assert sorted([*train.y.tolist(), *test.y.tolist()]) == list(range(20))
    assert torch.equal(train.x.flatten(), train.y.float())
    assert torch.equal(data.split(6, generator(1))[1].y, test.y)
    assert not torch.equal(data.split(6, generator(2))[1].y, test.y)
    for size in (0, 20, 21):
        with pytest.raises(ValueError, match="leave nothing"):
            data.split(size, generator())


# -- Gaussian data with a few strong directions


def test_strong_directions_decide_the_class_and_nothing_else_does() -> None:
    source = StrongDirections.drawn(30, 6, 10.0, generator())
    assert torch.allclose(source.basis @ source.basis.T, torch.eye(30, dtype=torch.float64), atol=1e-12)
    data = source.sample(50_000, generator(1))
    s = data.x @ source.basis.T
    assert torch.equal(data.y, (s[:, :6].sum(1) > 0).long())
    assert data.y.double().mean() == pytest.approx(0.5, abs=0.01)
    assert torch.allclose(s.var(0), source.variances, rtol=0.05)
    found = data.x.T @ data.x / 50_000
    assert (found - source.covariance).abs().max() < 0.15
    values = torch.linalg.eigvalsh(source.covariance)
    assert values.tolist() == pytest.approx([1.0] * 24 + [10.0] * 6)


def test_bases_are_uniform_over_rotations_and_reflections() -> None:
    """Without the signs of R's diagonal the first entry would be negative in every draw."""
    firsts = torch.stack([StrongDirections.drawn(3, 1, 2.0, generator(i)).basis for i in range(400)])
    assert firsts.mean(0).abs().max() < 0.1
    assert (firsts.square().mean(0) - 1 / 3).abs().max() < 0.05


# -- MNIST files


def images(n: int, side: int = 4, seed: int = 0) -> bytes:
    pixels = torch.randint(256, (n * side * side,), generator=generator(seed), dtype=torch.uint8)
    return struct.pack(">4B3I", 0, 0, 8, 3, n, side, side) + bytes(pixels.tolist())


def labels(n: int, last: int = 9) -> bytes:
    return struct.pack(">4BI", 0, 0, 8, 1, n) + bytes(i % (last + 1) for i in range(n))


def write(folder: Path, **parts: bytes) -> Path:
    """Files by what they hold: train_images=… and so on, gzipped where the name ends with _gz."""
    for name, data in parts.items():
        part, what, *end = name.split("_")
        stem = {"train": "train", "test": "t10k"}[part]
        file = f"{stem}-{what}-idx{3 if what == 'images' else 1}-ubyte"
        (folder / (file + ".gz" if end else file)).write_bytes(gzip.compress(data) if end else data)
    return folder


def test_files_are_read_plain_and_zipped(tmp_path: Path) -> None:
    write(
        tmp_path, train_images=images(12), train_labels_gz=labels(12), test_images_gz=images(5), test_labels=labels(5)
    )
    train, test = mnist(tmp_path), mnist(str(tmp_path), "test")
    assert train.x.shape == (12, 16)
    assert train.x.dtype == torch.float64
    assert (train.x * 255).to(torch.uint8).flatten().tolist() == list(images(12)[16:])
    assert train.y.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    assert torch.equal(test.x, train.x[:5])
    assert torch.equal(mnist(tmp_path, limit=3).x, train.x[:3])
    assert mnist(tmp_path, limit=500).x.shape == (12, 16)


def test_the_dotted_spelling(tmp_path: Path) -> None:
    (tmp_path / "train-images.idx3-ubyte").write_bytes(images(2))
    (tmp_path / "train-labels.idx1-ubyte").write_bytes(labels(2))
    assert mnist(tmp_path).y.tolist() == [0, 1]


GOOD = images(12)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("train_images", b"", "no IDX file of images"),
        ("train_images", labels(12), "no IDX file of images"),
        ("train_images", b"\x89PNG" + GOOD[4:], "no IDX file of images"),
        ("train_images", GOOD[:10], "ends early: 2 bytes"),
        ("train_images", GOOD[:-1], "ends early: 1 bytes"),
        ("train_images", GOOD + b"x", "goes on after the 12 items"),
        ("train_images", struct.pack(">4B3I", 0, 0, 8, 3, 0, 4, 4), "announces the sizes"),
        ("train_images", struct.pack(">4B3I", 0, 0, 8, 3, 12, 0, 4), "announces the sizes"),
        ("train_images", struct.pack(">4B3I", 0, 0, 8, 3, 2**32 - 1, 28, 28), "announces the sizes"),
        ("train_images", struct.pack(">4B3I", 0, 0, 8, 3, 12, 2**31, 2**31), "announces the sizes"),
        ("train_images", struct.pack(">4B3I", 0, 0, 8, 3, 1_000_000, 256, 256), "bytes; at most"),
        ("train_images", struct.pack(">4B3I", 0, 0, 8, 3, 300_000, 28, 28), "ends early"),
        ("train_images", images(11), "do not belong together"),
        ("train_labels", labels(12, last=11), "label 11"),
        ("train_labels", GOOD, "no IDX file of labels"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_files_that_are_not_what_they_say(tmp_path: Path, name: str, data: bytes, message: str, zipped: bool) -> None:
    write(tmp_path, **{"train_images": GOOD, "train_labels": labels(12), name: data})
    if zipped:
        for path in list(tmp_path.iterdir()):
            path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
    with pytest.raises(ValueError, match=message):
        mnist(tmp_path)


@pytest.mark.parametrize("damage", ["text", "cut", "bits"])
def test_damaged_archives(tmp_path: Path, damage: str) -> None:
    write(tmp_path, train_images_gz=images(400), train_labels=labels(400))
    path = tmp_path / "train-images-idx3-ubyte.gz"
    data = path.read_bytes()
    half = len(data) // 2
    path.write_bytes(
        {"text": b"<html>", "cut": data[:half], "bits": data[:half] + b"\xff" * 40 + data[half + 40 :]}[damage]
    )
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte\.gz"):
        mnist(tmp_path)


def test_a_bomb_is_left_in_its_box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """64 MiB of zeros behind a header for one image: no more is unpacked than the header says, and one byte."""
    read: list[int] = []
    bomb = gzip.compress(struct.pack(">4B3I", 0, 0, 8, 3, 1, 4, 4) + bytes(64 << 20))
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(bomb)
    write(tmp_path, train_labels=labels(1))
    whole = gzip.GzipFile.read

    def counted(self: Any, size: int | None = -1) -> bytes:
        data = whole(self, size)
        read.append(len(data))
        return data

    monkeypatch.setattr(gzip.GzipFile, "read", counted)
    with pytest.raises(ValueError, match="goes on after"):
        mnist(tmp_path)
    assert sum(read) < 100


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    write(tmp_path, train_labels=labels(1))
    with pytest.raises(ValueError, match="there is no train-images-idx3-ubyte in"):
        mnist(tmp_path)
    os.mkfifo(tmp_path / "train-images-idx3-ubyte")  # opening it would wait for ever
    with pytest.raises(ValueError, match="there is no"):
        mnist(tmp_path)
    (tmp_path / "train-images-idx3-ubyte.gz").symlink_to("/dev/zero")
    with pytest.raises(ValueError, match="there is no"):
        mnist(tmp_path)
    with pytest.raises(ValueError, match="there is no"):
        mnist(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="at least one image"):
        mnist(tmp_path, limit=0)


def test_an_experiment_runs_on_the_users_files(tmp_path: Path) -> None:
    write(
        tmp_path,
        train_images=images(300, 28),
        train_labels=labels(300),
        test_images=images(90, 28),
        test_labels=labels(90),
    )
    params = Digits(mnist=str(tmp_path), images=250, tested=80, budgets=(20,), draws=2, steps=3, hidden=8, bottleneck=4)
    result = execute(params, Run())
    assert set(result.values["accuracies"]) == {"pixels", "pca", "untrained", "vanilla", "denoising", "masked"}
    with pytest.raises(ValueError, match="250 of 250 to train on, 90 of 100 to test on"):
        execute(Digits(mnist=str(tmp_path), images=250, tested=100, budgets=(20,), draws=2, steps=3), Run())
