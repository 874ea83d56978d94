"""Frames: what is packed comes back, and any bytes at all either make a message or are refused."""

from __future__ import annotations

import json
import math
import socket
import struct
import threading
from array import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.arrays import STORAGE, Array
from workbench.compute.wire import HEAD_SIZE, BadFrame, Bounds, Channel, lengths, pack, unpack, unpack_frame

SMALL = Bounds(header=1000, arrays=1000, count=3)

shapes = st.lists(st.integers(0, 4), max_size=4).map(tuple)


@st.composite
def arrays(draw: st.DrawFn) -> Array:
    dtype, shape = draw(st.sampled_from(sorted(STORAGE))), draw(shapes)
    size = math.prod(shape) * (1 if dtype == "bool" else array(STORAGE[dtype]).itemsize)
    data = draw(st.binary(min_size=size, max_size=size))
    return Array(dtype, shape, bytes(byte & 1 for byte in data) if dtype == "bool" else data)


keys = st.text().filter(lambda key: key != "$array")  # that one is taken
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | arrays()
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
)
messages = st.dictionaries(keys, values, max_size=5)


def as_lists(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [as_lists(item) for item in value]
    return {key: as_lists(item) for key, item in value.items()} if isinstance(value, dict) else value


@given(messages)
def test_what_is_packed_comes_back(message: dict[str, Any]) -> None:
    assert unpack_frame(pack(message)) == as_lists(message)


def test_numbers_that_are_none_come_back() -> None:
    back = unpack_frame(pack({"x": [math.inf, -math.inf, math.nan]}))["x"]
    assert back[:2] == [math.inf, -math.inf]
    assert math.isnan(back[2])


@given(st.binary(max_size=400))
def test_any_bytes_are_a_message_or_refused(raw: bytes) -> None:
    try:
        message = unpack_frame(raw, SMALL)
    except BadFrame:
        return
    assert isinstance(message, dict)


@given(
    st.text(max_size=200)
    | st.recursive(leaves.filter(lambda leaf: not isinstance(leaf, Array)), st.lists).map(json.dumps)
)
def test_any_header_is_a_message_or_refused(header: str) -> None:
    try:
        message = unpack(header.encode(errors="replace"), bytes(64), SMALL)
    except BadFrame:
        return
    assert isinstance(message, dict)


anything: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 70)
    | st.integers()
    | st.floats()
    | st.sampled_from(["float64", "bool", ""]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["$array", "x"]), inner, max_size=2),
    max_leaves=8,
)


@given(st.lists(anything, max_size=4) | anything)
def test_any_mark_of_an_array_is_one_or_refused(mark: Any) -> None:
    header = json.dumps({"x": {"$array": mark}}).encode()
    try:
        found = unpack(header, bytes(64), SMALL)["x"]
    except BadFrame:
        return
    assert isinstance(found, Array)
    assert len(found.data) <= 64


@given(messages, st.data())
def test_a_frame_that_is_cut_or_longer_is_refused(message: dict[str, Any], data: st.DataObject) -> None:
    frame = pack(message)
    with pytest.raises(BadFrame):
        unpack_frame(frame[: data.draw(st.integers(0, len(frame) - 1))])
    with pytest.raises(BadFrame):
        unpack_frame(frame + b"x")


def marked(*mark: Any, extra: str = "") -> bytes:
    return json.dumps({"x": {"$array": list(mark)}}).encode() + extra.encode()


@pytest.mark.parametrize(
    "header",
    [
        marked("float64", [2], 1),  # ends behind the last byte
        marked("float64", [3], 0),
        marked("float64", [2], 16),
        marked("float64", [1 << 40], 0),
        marked("float64", [1 << 20, 1 << 20, 1 << 20], 0),
        marked("float64", [-1], 0),
        marked("float64", [1], -8),
        marked("float64", [1.0], 0),
        marked("float64", [True], 0),
        marked("float64", 1, 0),
        marked("float64", [0] * 17, 0),
        marked("float64", [1], 1 << 60),
        marked("complex64", [1], 0),
        marked(["float64"], [1], 0),
        marked("object", [1], 0),
        marked("float64", [1]),
        marked(),
        b'{"x": {"$array": null}}',
        b"[1]",
        b"3",
        b"null",
        b"",
        b"{",
        b'{"x": 1}{"y": 2}',
        b'{"x": "\xff"}',
        b"[" * 100_000,
        b'{"x":' * 50_000,
        b'{"x": ' + b"9" * 10_000 + b"}",
    ],
)
def test_a_header_that_lies_is_refused(header: bytes) -> None:
    with pytest.raises(BadFrame):
        unpack(header, bytes(16))


def test_arrays_may_be_empty_and_may_touch_the_end() -> None:
    assert unpack(marked("float64", [2], 0), bytes(16)) == {"x": Array("float64", (2,), bytes(16))}
    assert unpack(marked("float64", [0, 5], 16), bytes(16)) == {"x": Array("float64", (0, 5), b"")}
    assert unpack(marked("float64", [], 8), bytes(16)) == {"x": Array("float64", (), bytes(8))}


def test_arrays_cannot_share_their_bytes() -> None:
    mark = {"$array": ["float64", [2], 0]}
    with pytest.raises(BadFrame):
        unpack(json.dumps({"x": [mark, mark]}).encode(), bytes(16))


def test_bounds_hold_before_anything_is_read() -> None:
    assert lengths(struct.pack("<IQ", 1000, 1000), SMALL) == (1000, 1000)
    for head in (struct.pack("<IQ", 1001, 0), struct.pack("<IQ", 0, 1001), b"\xff" * HEAD_SIZE):
        with pytest.raises(BadFrame):
            lengths(head, SMALL)
    four = {str(i): Array.of([]) for i in range(4)}
    with pytest.raises(BadFrame):
        unpack_frame(pack(four), SMALL)
    assert len(unpack_frame(pack(four))) == 4


@pytest.mark.parametrize("odd", [{1, 2}, b"bytes", object(), {"$array": [1]}, 1j])
def test_what_is_no_plain_data_is_not_packed(odd: Any) -> None:
    with pytest.raises(TypeError):
        pack({"x": odd})


# -- over a socket


def channels() -> tuple[Channel, Channel]:
    ours, theirs = socket.socketpair()
    return Channel(ours), Channel(theirs)


def test_messages_of_any_size_arrive_whole_and_in_order() -> None:
    ours, theirs = channels()
    sent = [{"n": i, "x": Array("uint8", (size,), bytes(size))} for i, size in enumerate((0, 1, 3 << 20, 7))]
    sender = threading.Thread(target=lambda: [*map(ours.send, sent)])
    sender.start()
    assert [theirs.receive() for _ in sent] == sent
    sender.join()
    ours.close()
    with pytest.raises(EOFError):
        theirs.receive()
    theirs.close()


@pytest.mark.parametrize("sent", [b"", b"\x02", pack({"x": 1})[:-1], pack({"x": Array.of([1.0])})[:-3]])
def test_an_end_in_the_middle_of_a_message_is_an_end(sent: bytes) -> None:
    ours, theirs = channels()
    ours.socket.sendall(sent)
    ours.close()
    with pytest.raises(EOFError):
        theirs.receive()
    theirs.close()


def test_a_channel_refuses_what_is_beyond_its_bounds_without_waiting_for_it() -> None:
    ours, theirs = channels()
    theirs.bounds = SMALL
    ours.socket.sendall(struct.pack("<IQ", 10, 1 << 50))
    with pytest.raises(BadFrame):
        theirs.receive()
    ours.close()
    theirs.close()
