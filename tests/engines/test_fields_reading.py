"""Plain data become typed records, and every fault is named with its place and its mend."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.fields import BadData, Fault, describe, plain, read, show_path
from tests.engines.fields_samples import Circle, Sheet, Square, sheets


@dataclass(frozen=True, kw_only=True)
class Ordered:
    low: int = 0
    high: int = 1

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise BadData([Fault(("high",), "is below low"), Fault((), "is no range")])


@dataclass(frozen=True, kw_only=True)
class Ranges:
    ranges: tuple[Ordered, ...] = ()


def faults(data: object, record: type[Any] = Sheet) -> list[tuple[str, str]]:
    with pytest.raises(BadData) as caught:
        read(record, data)
    return [(show_path(fault.path), fault.message) for fault in caught.value.faults]


def fault(**data: Any) -> tuple[str, str]:
    """The only fault of a sheet that is right but for these values."""
    found = faults({"name": "ok", **data})
    assert len(found) == 1, found
    return found[0]


def test_what_is_right_is_read() -> None:
    sheet = read(
        Sheet,
        {
            "name": "abc",
            "count": 9,
            "open": True,
            "colour": "green",
            "size": 2,
            "weights": [1, -0.5],
            "rows": [[1, 2], []],
            "notes": {"a": "b"},
            "title": None,
            "shape": {"kind": "square", "side": 3},
            "only": {"radius": 2},
            "names": ["x"],
            "mixed": ["x", {"radius": 3.0}],
            "anything": [object],
        },
    )
    assert sheet.weights == (1.0, -0.5)
    assert all(type(weight) is float for weight in sheet.weights)
    assert sheet.rows == ((1, 2), ())
    assert sheet.shape == Square(side=3.0)
    assert sheet.only == Circle(radius=2.0)
    assert sheet.mixed == ("x", Circle(radius=3.0))
    assert sheet.names == ("x",)
    assert sheet.anything == [object]


def test_a_default_mapping_is_not_shared() -> None:
    first, second = Sheet(name="a"), Sheet(name="b")
    first.notes["x"] = "y"
    assert second.notes == {}


@pytest.mark.parametrize(
    ("data", "path", "message"),
    [
        ({"count": True}, "count", "expected a whole number, got true"),
        ({"count": 1.0}, "count", "expected a whole number, got 1 (write it without a point)"),
        ({"count": 0}, "count", "0 is too small: write 1 to 9"),
        ({"count": 10}, "count", "10 is too large: write 1 to 9"),
        ({"count": "5"}, "count", "expected a whole number, got '5' (without quotes; 1e-3 is written 1.0e-3 in YAML)"),
        ({"count": None}, "count", "expected a whole number, got nothing"),
        ({"open": 1}, "open", "expected true or false, got 1"),
        ({"open": "yes"}, "open", "expected true or false, got 'yes' (true or false, without quotes)"),
        ({"title": 5}, "title", "expected text, got 5 (put it in quotes)"),
        ({"title": ["x"]}, "title", "expected text, got a list"),
        ({"colour": "rad"}, "colour", "'rad' is not one of red, green (did you mean red?)"),
        ({"colour": None}, "colour", "nothing is not one of red, green"),
        ({"size": True}, "size", "true is not one of 1, 2"),
        ({"size": 1.0}, "size", "1.0 is not one of 1, 2"),
        ({"weights": 3}, "weights", "expected a list of numbers, got 3"),
        ({"weights": [0, 2]}, "weights[1]", "2 is too large: write -1 to 1"),
        ({"weights": [0, False]}, "weights[1]", "expected a number, got false"),
        ({"weights": [0, math.nan]}, "weights[1]", "expected a finite number, got nan"),
        ({"weights": [math.inf]}, "weights[0]", "expected a finite number, got inf"),
        ({"weights": [10**400]}, "weights[0]", "expected a finite number, got inf"),
        ({"weights": [0, 0, 0, 0]}, "weights", "has 4 items: at most 3"),
        ({"weights": "abc"}, "weights", "expected a list of numbers, got 'abc'"),
        ({"rows": [[1], 2]}, "rows[1]", "expected a list of whole numbers, got 2"),
        ({"rows": [[1], [0, -1]]}, "rows[1][1]", "-1 is too small: write 0 or more"),
        ({"notes": {1: "x"}}, "notes[1]", 'write "1" in quotes, got 1'),
        ({"notes": {"a": 1}}, "notes.a", "expected text, got 1 (put it in quotes)"),
        ({"notes": {"a": "", "b": "", "c": ""}}, "notes", "has 3 keys: at most 2"),
        ({"notes": ["a"]}, "notes", "expected keys and values, got a list"),
        ({"shape": {"side": 1}}, "shape", "'kind' is missing: one of circle, square"),
        ({"shape": {"kind": "sqare"}}, "shape.kind", "'sqare' is not one of circle, square (did you mean square?)"),
        ({"shape": {"kind": ["x"]}}, "shape.kind", "a list is not one of circle, square"),
        ({"shape": {"kind": "square"}}, "shape", "'side' is missing"),
        ({"shape": {"kind": "square", "side": -1}}, "shape.side", "-1 is too small: write 0 or more"),
        ({"shape": 3}, "shape", "expected keys and values, got 3"),
        ({"only": {"radius": 101}}, "only.radius", "101 is too large: write 0 to 100"),
        ({"names": 3}, "names", "expected a list of texts or text, got 3 (put it in quotes)"),
        ({"names": ["a", 3]}, "names[1]", "expected text, got 3 (put it in quotes)"),
        ({"mixed": [3]}, "mixed[0]", "expected text or keys and values, got 3 (put it in quotes)"),
        ({"mixed": [{"radius": "x"}]}, "mixed[0].radius", "expected a number, got 'x'"),
        ({"colr": "red"}, "colr", "unknown key 'colr'; did you mean 'colour'?"),
        ({None: 1}, "None", "unknown key nothing; known keys are"),
    ],
)
def test_each_fault(data: dict[Any, Any], path: str, message: str) -> None:
    found = faults({"name": "ok", **data})
    assert len(found) == 1, found
    assert found[0][0] == path
    assert found[0][1].startswith(message)


@pytest.mark.parametrize(
    ("name", "messages"),
    [
        ("", ["is empty", "'' is not lower-case letters"]),
        ("   ", ["is blank", "'   ' is not lower-case letters"]),
        ("Abc", ["'Abc' is not lower-case letters"]),
        ("abc\n", ["'abc?' is not lower-case letters"]),
        ("a" * 11, ["has 11 characters: at most 10"]),
    ],
)
def test_limits_of_text(name: str, messages: list[str]) -> None:
    assert faults({"name": name}) == [("name", message) for message in messages]


def test_every_fault_is_found_in_one_go() -> None:
    found = faults({"nam": "x", "count": 0, "weights": [2, "a", -2], "shape": {"kind": "square", "x": 1}})
    assert [path for path, _ in found] == [
        "nam",
        "",
        "count",
        "weights[0]",
        "weights[1]",
        "weights[2]",
        "shape.x",
        "shape",
    ]
    assert found[1][1] == "'name' is missing"


def test_no_mapping_at_all() -> None:
    assert faults([1]) == [("", "expected keys and values, got a list")]
    assert faults(None) == [("", "expected keys and values, got nothing")]


def test_what_a_record_checks_across_its_fields_has_a_path() -> None:
    found = faults({"ranges": [{"low": 0}, {"low": 5}]}, Ranges)
    assert found == [("ranges[1].high", "is below low"), ("ranges[1]", "is no range")]


def test_an_unknown_key_is_marked_as_the_key_and_not_its_value() -> None:
    with pytest.raises(BadData) as caught:
        read(Sheet, {"name": "x", "colr": 1, "count": 0})
    assert [fault.at_key for fault in caught.value.faults] == [True, False]


def test_a_fault_fits_on_a_line_whatever_is_in_the_data() -> None:
    nasty = "\x1b[2J\n\t\u202e" * 1000
    found = faults({"name": nasty, "title": [nasty], nasty: 1, "colour": nasty, "notes": {nasty: 1, "b": nasty}})
    assert len(found) >= 4
    for path, message in found:
        assert path.isprintable()
        assert message.isprintable()
        assert len(path) <= 70
        assert len(message) < 160


def test_a_list_of_known_names_does_not_run_on() -> None:
    message = fault(zzzzzz=1)[1]
    assert message.startswith("unknown key 'zzzzzz'; known keys are name, count, open")
    assert message.endswith("more")
    assert len(message) < 130


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "nothing"),
        (True, "true"),
        (3, "3"),
        (3.0, "3"),
        (-0.5, "-0.5"),
        (math.inf, "inf"),
        (math.nan, "nan"),
        (1e300, "1e+300"),
        ("x" * 50, "'" + "x" * 37 + "…'"),
        ([], "an empty list"),
        ((1,), "a list"),
        ({}, "an empty mapping"),
        ({"a": 1}, "keys and values"),
        (object(), "object"),
    ],
)
def test_describing(value: object, text: str) -> None:
    assert describe(value) == text


def test_describing_a_whole_number_that_python_will_not_write_out() -> None:
    assert describe(10**5000) == "a number of more than 30 digits"


def test_showing_a_path() -> None:
    assert show_path(("parts", 0, "hints", 2)) == "parts[0].hints[2]"
    assert show_path((0, "a")) == "[0].a"
    assert show_path(("tree", "", "neural")) == 'tree."".neural'
    assert str(Fault(("a",), "is wrong")) == "a: is wrong"
    assert str(Fault((), "is wrong")) == "is wrong"


@settings(max_examples=150, deadline=None)
@given(sheets)
def test_plain_data_read_back_as_the_same_record(sheet: Sheet) -> None:
    assert read(Sheet, plain(sheet)) == sheet


def test_plain_leaves_out_defaults_and_keeps_the_kind() -> None:
    assert plain(Sheet(name="a", only=Circle(), weights=(1.0,))) == {
        "name": "a",
        "only": {"kind": "circle"},
        "weights": [1.0],
    }


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=4),
    max_leaves=12,
)
keys = st.sampled_from(["name", "count", "shape", "only", "weights", "rows", "notes", "names", "mixed", "kind", "side"])


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(keys, junk | st.dictionaries(keys, junk, max_size=3), max_size=6) | junk)
def test_anything_is_read_or_refused_with_a_reason(data: Any) -> None:
    found: list[Fault] = []
    try:
        sheet = read(Sheet, data)
    except BadData as bad:
        found = bad.faults
    else:
        assert read(Sheet, plain(sheet)) == sheet
        return
    assert found
    assert all(one.message.isprintable() for one in found)
