"""Messages as bytes: a JSON header, then the raw bytes of its arrays. Nothing in it can carry code.

A frame is two little-endian lengths (header u32, arrays u64), the header, the arrays. In the header an array
stands as `{"$array": [dtype, shape, offset]}`. Every length is checked against a bound before it is believed.
"""

from __future__ import annotations

import json
import math
import socket
import struct
from collections.abc import Mapping
from typing import Any

from engines.arrays import STORAGE, Array

_HEAD = struct.Struct("<IQ")
_MARK = "$array"


class BadFrame(ValueError):
    """Bytes that are no message within the bounds."""


class Bounds:
    """How large a frame may be, and how many arrays it may hold."""

    def __init__(self, header: int = 32 << 20, arrays: int = 1 << 30, count: int = 100_000) -> None:
        self.header, self.arrays, self.count = header, arrays, count


OWN = Bounds()


def pack(message: Mapping[str, Any]) -> bytes:
    """A message as one frame.

    Raises:
        TypeError: if it holds something that is neither plain data nor an array.
    """
    arrays: list[bytes] = []
    offset = 0

    def plain(value: Any) -> Any:
        nonlocal offset
        if isinstance(value, Array):
            mark = {_MARK: [value.dtype, list(value.shape), offset]}
            arrays.append(value.data)
            offset += len(value.data)
            return mark
        if isinstance(value, Mapping):
            if _MARK in value:
                raise TypeError(f"the key {_MARK} is taken")
            return {str(key): plain(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [plain(item) for item in value]
        return value

    header = json.dumps(plain(message), separators=(",", ":")).encode()
    return b"".join((_HEAD.pack(len(header), offset), header, *arrays))


def lengths(head: bytes, bounds: Bounds = OWN) -> tuple[int, int]:
    """The lengths of header and arrays that a frame announces in its first `HEAD_SIZE` bytes.

    Raises:
        BadFrame: if they break the bounds.
    """
    header, arrays = _HEAD.unpack(head)
    if header > bounds.header or arrays > bounds.arrays:
        raise BadFrame(f"a frame of {header} + {arrays} bytes is too large")
    return header, arrays


HEAD_SIZE = _HEAD.size


def unpack(header: bytes, arrays: bytes, bounds: Bounds = OWN) -> dict[str, Any]:
    """The message of a frame's two halves.

    Raises:
        BadFrame: if they do not make one.
    """
    seen = taken = 0

    def full(value: Any) -> Any:
        nonlocal seen, taken
        if isinstance(value, dict):
            if _MARK in value:
                array = _array(value[_MARK], arrays)
                seen, taken = seen + 1, taken + len(array.data)
                # Marks that share their bytes would make many large arrays of one.
                if seen > bounds.count or taken > len(arrays):
                    raise BadFrame("too many arrays")
                return array
            return {key: full(item) for key, item in value.items()}
        if isinstance(value, list):
            return [full(item) for item in value]
        return value

    try:
        message = full(json.loads(header))
    except (ValueError, RecursionError, TypeError, KeyError) as error:
        raise BadFrame(f"not a message: {error}") from None
    if not isinstance(message, dict):
        raise BadFrame("not a message: no mapping")
    return message


def _array(mark: Any, arrays: bytes) -> Array:
    if not isinstance(mark, list) or len(mark) != 3:
        raise BadFrame("an array's mark is malformed")
    dtype, shape, offset = mark
    if dtype not in STORAGE or not isinstance(shape, list) or not _whole(offset):
        raise BadFrame("an array's mark is malformed")
    if len(shape) > 16 or not all(map(_whole, shape)):
        raise BadFrame("an array's shape is malformed")
    size = math.prod(shape) * Array(dtype, (0,), b"").itemsize
    if offset + size > len(arrays):
        raise BadFrame("an array reaches beyond the frame")
    return Array(dtype, tuple(shape), arrays[offset : offset + size])


def _whole(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 48


def unpack_frame(frame: bytes, bounds: Bounds = OWN) -> dict[str, Any]:
    """The message of one whole frame, as it was stored.

    Raises:
        BadFrame: if it is cut short, too long, or no message.
    """
    if len(frame) < HEAD_SIZE:
        raise BadFrame("cut short")
    header, arrays = lengths(frame[:HEAD_SIZE], bounds)
    if len(frame) != HEAD_SIZE + header + arrays:
        raise BadFrame("cut short, or followed by something else")
    body = frame[HEAD_SIZE:]
    return unpack(body[:header], body[header:], bounds)


class Channel:
    """Frames over a stream socket. Sending and receiving may happen in two threads, each in one."""

    def __init__(self, sock: socket.socket, bounds: Bounds = OWN) -> None:
        self.socket = sock
        self.bounds = bounds

    def send(self, message: Mapping[str, Any]) -> None:
        """Send one message, waiting until the other side has room for it.

        Raises:
            OSError: if the other side is gone.
        """
        self.socket.sendall(pack(message))

    def receive(self) -> dict[str, Any]:
        """The next message, waiting for it.

        Raises:
            EOFError: when the other side has closed.
            BadFrame: if what came is no message.
            OSError: if the connection broke.
        """
        header, arrays = lengths(self._exactly(HEAD_SIZE), self.bounds)
        return unpack(self._exactly(header), self._exactly(arrays), self.bounds)

    def _exactly(self, count: int) -> bytes:
        buffer = bytearray(count)
        view = memoryview(buffer)
        while view:
            got = self.socket.recv_into(view)
            if not got:
                raise EOFError
            view = view[got:]
        return bytes(buffer)

    def close(self) -> None:
        """Close the socket; a receiver on the other side sees the end."""
        self.socket.close()
