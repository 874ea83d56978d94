"""Numbers with a shape survive every way that they take: from tensors, through bytes, to lists and to JSON."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.arrays import STORAGE, Array, to_json

DTYPES = [
    torch.bool,
    torch.uint8,
    torch.int32,
    torch.int64,
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
]
SHAPES = [(), (1,), (3,), (0,), (2, 3), (2, 0), (0, 3), (2, 1, 4), (2, 0, 3)]


def sample(dtype: torch.dtype, shape: tuple[int, ...]) -> torch.Tensor:
    numbers = torch.arange(math.prod(shape), dtype=torch.float64).reshape(shape)
    return (numbers % 2 > 0) if dtype == torch.bool else (numbers * 1.37 + 0.1).to(dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_tensor_keeps_its_numbers(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    tensor = sample(dtype, shape)
    array = Array.of(tensor)
    assert array.dtype == str(dtype).removeprefix("torch.")
    assert array.shape == shape
    assert array.size == tensor.numel()
    assert array.tolist() == tensor.tolist()
    assert array.flat() == tensor.flatten().tolist()
    assert Array(array.dtype, array.shape, bytes(array.data)) == array


def test_layout_and_gradients_do_not_matter() -> None:
    tensor = torch.arange(6.0).reshape(2, 3)
    assert Array.of(tensor.T.requires_grad_()).tolist() == [[0, 3], [1, 4], [2, 5]]
    assert Array.of(tensor[:, ::2]).tolist() == [[0, 2], [3, 5]]
    assert Array.of(torch.ones(1).expand(2, 2)).tolist() == [[1, 1], [1, 1]]


def test_numbers_that_are_none() -> None:
    array = Array.of(torch.tensor([math.nan, math.inf, -math.inf], dtype=torch.bfloat16))
    values = array.flat()
    assert math.isnan(values[0])
    assert values[1:] == [math.inf, -math.inf]


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "int64", "float16", "float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_numpy_is_as_good_as_torch(dtype: str, shape: tuple[int, ...]) -> None:
    numbers = (np.arange(math.prod(shape)).reshape(shape) % 3).astype(dtype)
    array = Array.of(numbers)
    assert (array.dtype, array.shape, array.tolist()) == (dtype, shape, numbers.tolist())
    assert Array.of(numbers.T).tolist() == numbers.T.tolist()


def test_numpy_scalars_are_numbers() -> None:
    assert Array.of(np.int64(3)) == Array.of(3)
    assert Array.of(np.float32(0.5)).tolist() == 0.5
    assert Array.of(np.bool_(True)).tolist() is True


@pytest.mark.parametrize(
    ("value", "dtype", "shape"),
    [
        (3, "int64", ()),
        (0.5, "float64", ()),
        (True, "bool", ()),
        ([True, False], "bool", (2,)),
        ([1, 2], "int64", (2,)),
        ([1, 0.5], "float64", (2,)),
        ([True, 2], "int64", (2,)),
        ((1, (2)), "int64", (2,)),
        ([[1, 2], [3, 4]], "int64", (2, 2)),
        ([], "float64", (0,)),
        ([[], []], "float64", (2, 0)),
        ([[[1]]], "int64", (1, 1, 1)),
        ([math.nan], "float64", (1,)),
    ],
)
def test_nested_numbers(value: Any, dtype: str, shape: tuple[int, ...]) -> None:
    array = Array.of(value)
    assert (array.dtype, array.shape) == (dtype, shape)
    assert Array.of(array) is array


@pytest.mark.parametrize(
    "value",
    [
        [[1, 2], [3]],
        [1, [2]],
        [[1], 2],
        [[], [1]],
        "12",
        ["a"],
        [None],
        None,
        {"a": 1},
        [2**63],
        [10**400, 0.5],
        10**400,
        torch.zeros(2, dtype=torch.complex64),
        np.zeros(2, dtype=complex),
        np.array(["a"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_array_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Array.of(value)


@pytest.mark.parametrize(
    ("dtype", "shape", "data"),
    [
        ("float32", (2,), b"1234567"),
        ("float32", (2, 3), b""),
        ("float64", (), b""),
        ("float8", (0,), b""),
        ("int64", (-1,), b""),
        ("int64", (-1, -1), b"12345678"),
    ],
)
def test_bytes_that_do_not_fit_are_refused(dtype: str, shape: tuple[int, ...], data: bytes) -> None:
    with pytest.raises(ValueError, match=r"dtype|bytes"):
        Array(dtype, shape, data)


def test_sizes_of_elements() -> None:
    for name in STORAGE:
        tensor = torch.zeros(3, dtype=getattr(torch, name))
        array = Array.of(tensor)
        assert len(array.data) == 3 * array.itemsize
        assert array.itemsize == (4 if name in ("float16", "bfloat16") else tensor.element_size())


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 4), max_size=4).map(tuple), st.data())
def test_nested_lists_come_back(shape: tuple[int, ...], data: st.DataObject) -> None:
    size = math.prod(shape)
    numbers = data.draw(st.lists(st.floats(allow_nan=False), min_size=size, max_size=size))
    nested: Any = torch.tensor(numbers, dtype=torch.float64).reshape(shape).tolist()
    array = Array.of(nested)
    assert array.tolist() == nested
    assert array.flat() == numbers
    if 0 not in shape:  # an empty list does not say what would be in it
        assert array.shape == shape


def test_json_tells_apart_what_is_no_number() -> None:
    value = {
        "array": Array.of([[1.5, math.nan], [math.inf, -math.inf]]),
        "plain": [math.nan, 1, True, None, "text"],
        "empty": Array.of(torch.zeros(2, 0)),
        3: (1, 2),
    }
    found = to_json(value)
    assert json.loads(json.dumps(found, allow_nan=False)) == {
        "array": [[1.5, "nan"], ["inf", "-inf"]],
        "plain": ["nan", 1, True, None, "text"],
        "empty": [[], []],
        "3": [1, 2],
    }
