"""Numbers with a shape, as bytes: how tensors leave an engine. Needs neither torch nor numpy to read."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# How each dtype is stored. Half-precision values are kept in float32, which holds them exactly.
STORAGE = {
    "bool": "?",
    "uint8": "B",
    "int32": "i",
    "int64": "q",
    "float16": "f",
    "bfloat16": "f",
    "float32": "f",
    "float64": "d",
}


@dataclass(frozen=True, slots=True)
class Array:
    """An n-dimensional array: `dtype` (torch's name), `shape`, and its elements in row-major order.

    Raises:
        ValueError: if the number of bytes does not fit dtype and shape.
    """

    dtype: str
    shape: tuple[int, ...]
    data: bytes

    def __post_init__(self) -> None:
        if self.dtype not in STORAGE:
            raise ValueError(f"dtype {self.dtype!r} is not one of {', '.join(STORAGE)}")
        if any(size < 0 for size in self.shape) or len(self.data) != self.size * self.itemsize:
            raise ValueError(f"{len(self.data)} bytes do not make {self.dtype} of shape {self.shape}")

    @property
    def size(self) -> int:
        """How many elements there are (1 for a scalar of shape `()`)."""
        return math.prod(self.shape)

    @property
    def itemsize(self) -> int:
        """Bytes of one stored element."""
        return array(STORAGE[self.dtype]).itemsize if self.dtype != "bool" else 1

    @classmethod
    def of(cls, value: Any) -> Array:
        """The array of a tensor or a numpy array, of nested sequences of numbers, or of one number.

        Raises:
            ValueError: if nested sequences are ragged, or hold what is no number or one that is too large.
        """
        if isinstance(value, Array):
            return value
        if hasattr(value, "detach"):
            return _of_tensor(value)
        if hasattr(value, "dtype") and hasattr(value, "tobytes"):
            return _of_numpy(value)
        shape = _shape_of(value)
        flat: list[Any] = []
        _flatten(value, shape, flat)
        try:
            if flat and all(isinstance(item, bool) for item in flat):
                return cls("bool", shape, bytes(flat))
            if flat and all(isinstance(item, int) for item in flat):
                return cls("int64", shape, array("q", flat).tobytes())
            return cls("float64", shape, array("d", flat).tobytes())
        except OverflowError:
            raise ValueError("a number is too large to be stored") from None

    def flat(self) -> list[Any]:
        """All elements in row-major order."""
        if self.dtype == "bool":
            return [bool(byte) for byte in self.data]
        return array(STORAGE[self.dtype], self.data).tolist()

    def tolist(self) -> Any:
        """Nested lists; a plain number for shape `()`."""
        flat = self.flat()
        if not self.shape:
            return flat[0]
        for size in reversed(self.shape[1:]):
            flat = [flat[i : i + size] for i in range(0, len(flat), size)] if size else []
        if not self.size:
            return _empty(self.shape)
        return flat


def _of_tensor(tensor: Any) -> Array:
    dtype = str(tensor.dtype).removeprefix("torch.")
    plain = tensor.detach().to("cpu").contiguous()
    if dtype in ("float16", "bfloat16"):
        plain = plain.float()
    return Array(dtype, tuple(plain.shape), plain.numpy().tobytes())


def _of_numpy(value: Any) -> Array:
    """Of a numpy array or one of its scalars, without importing numpy."""
    dtype = str(value.dtype)
    plain = value.astype("float32") if dtype == "float16" else value
    return Array(dtype, tuple(value.shape), plain.tobytes())


def _shape_of(value: Any) -> tuple[int, ...]:
    shape: list[int] = []
    while isinstance(value, Sequence) and not isinstance(value, str):
        shape.append(len(value))
        if not value:
            break
        value = value[0]
    return tuple(shape)


def _flatten(value: Any, shape: tuple[int, ...], out: list[Any]) -> None:
    if not shape:
        if not isinstance(value, int | float):
            raise ValueError(f"{value!r} is not a number")
        out.append(value)
        return
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != shape[0]:
        raise ValueError("rows of different lengths do not make an array")
    for item in value:
        _flatten(item, shape[1:], out)


def _empty(shape: tuple[int, ...]) -> list[Any]:
    """Nested lists of a shape with a zero in it."""
    return [_empty(shape[1:]) for _ in range(shape[0])] if len(shape) > 1 else [None] * shape[0]


Value = None | bool | int | float | str | Array | list[Any] | dict[str, Any]


def to_json(value: Any) -> Any:
    """A value with its arrays as nested lists and its non-finite numbers as "nan", "inf" and "-inf".

    JSON has no such numbers; `null` would not tell them apart.
    """
    if isinstance(value, Array):
        return to_json(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    return value
