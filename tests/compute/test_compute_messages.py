"""Messages: every one survives the way, nothing else passes for one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.arrays import Array
from engines.figures import Lines, line
from workbench.compute.messages import (
    Cancel,
    Cancelled,
    Command,
    Event,
    Failed,
    Finished,
    Hello,
    Job,
    Progress,
    Started,
    Submit,
    Watch,
    decode,
    encode,
)
from workbench.compute.wire import pack, unpack_frame

FIGURE = Lines("loss", "Loss", (line("train", [1.0, 2.0], [0.5, 0.25]),), x_label="step", caption="σ")
MESSAGES: list[Command | Event] = [
    Submit(Job("a")),
    Submit(
        Job("b", "draw", "attention.argmax", {"keys": [[1.0, 2.0]], "tree": {"": {"x": -1.0}}}, 7, "float64", "cpu", 2)
    ),
    Submit(Job("c"), "/srv/ada/.cache/workbench/runs"),
    Cancel("a"),
    Watch("a"),
    Hello(123, "2.13.0"),
    Started("a", "cuda:0", "NVIDIA", "float32", 4),
    Progress("a", 0.5, "half", 1.5),
    Progress("a", 0.5, "half", 1.5, FIGURE),
    Finished("a", {"values": {"x": Array.of([[1.0, 2.0]]), "n": 3}, "notes": ["σ"]}, 0.1, "cpu", "float64"),
    Finished("a", {}, 0.1, "cpu", "", stored_at=1.0),
    Failed("a", "out_of_memory", "no room", "make it smaller"),
    Cancelled("a"),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_survives_the_way(message: Command | Event) -> None:
    assert decode(unpack_frame(pack(encode(message)))) == message


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from([type(message).__name__ for message in MESSAGES])
fields = st.sampled_from(["job", "job_id", "pid", "torch", "figure", "output", "fraction", "message", "kind"])


@given(st.dictionaries(fields, json_values, max_size=6), names | json_values)
def test_any_data_are_a_message_or_refused(data: dict[str, Any], name: Any) -> None:
    try:
        message = decode({**data, "type": name})
    except ValueError:
        return
    assert type(message).__name__ == name


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"type": None},
        {"type": []},
        {"type": "Job", "id": "a"},
        {"type": "Submit"},
        {"type": "Submit", "job": 3},
        {"type": "Submit", "job": {"id": "a", "shell": "rm"}},
        {"type": "Cancel"},
        {"type": "Cancel", "job_id": "a", "extra": 1},
        {"type": "Progress", "job_id": "a", "fraction": 1, "message": "", "elapsed": 0, "figure": {"kind": "none"}},
    ],
)
def test_what_is_no_message_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"message|figure"):
        decode(data)
