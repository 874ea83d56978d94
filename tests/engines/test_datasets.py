"""The data sets that are shipped."""

from __future__ import annotations

import pytest
import torch

from engines.datasets import digits


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
