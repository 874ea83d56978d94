"""The JSON Schema of a record accepts what reading it accepts, and refuses what an editor should mark."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings

from engines.fields import BadData, json_schema, plain, read
from engines.parameters import declared
from tests.engines.fields_samples import Sheet, sheets
from workbench.spec import exercise_schema
from workbench.spec.exercise import Comparison, Exercise


def valid(data: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    """Whether data satisfy a schema, for the few keywords that are used, by the words of the standard."""
    if "$ref" in schema and not valid(data, root["$defs"][schema["$ref"].rpartition("/")[2]], root):
        return False
    if "anyOf" in schema and not any(valid(data, choice, root) for choice in schema["anyOf"]):
        return False
    if "enum" in schema and not any(
        data == item and isinstance(data, bool) == isinstance(item, bool) for item in schema["enum"]
    ):
        return False
    return _typed(data, schema.get("type")) and _bounded(data, schema) and _inside(data, schema, root)


def _typed(data: Any, name: str | None) -> bool:
    number = isinstance(data, int | float) and not isinstance(data, bool)
    return {
        None: True,
        "null": data is None,
        "boolean": isinstance(data, bool),
        "integer": number and data == int(data),
        "number": number,
        "string": isinstance(data, str),
        "array": isinstance(data, list),
        "object": isinstance(data, dict),
    }[name]


def _bounded(data: Any, schema: dict[str, Any]) -> bool:
    if isinstance(data, int | float) and not isinstance(data, bool):
        return bool(schema.get("minimum", data) <= data <= schema.get("maximum", data))
    unit = {"str": "Length", "list": "Items", "dict": "Properties"}.get(type(data).__name__)
    fits = not unit or schema.get(f"min{unit}", 0) <= len(data) <= schema.get(f"max{unit}", len(data))
    return fits and (not isinstance(data, str) or bool(re.search(schema.get("pattern", ""), data)))


def _inside(data: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    if isinstance(data, list):
        return all(valid(item, schema.get("items", {}), root) for item in data)
    if not isinstance(data, dict):
        return True
    known, rest = schema.get("properties", {}), schema.get("additionalProperties", {})
    if not all(name in data for name in schema.get("required", ())):
        return False
    if rest is False and not data.keys() <= known.keys():
        return False
    return all(valid(item, known.get(name, rest), root) for name, item in data.items())


def accepts(schema: dict[str, Any], data: Any) -> bool:
    return valid(json.loads(json.dumps(data)), schema, schema)


@settings(max_examples=150, deadline=None)
@given(sheets)
def test_what_reading_accepts_the_schema_accepts(sheet: Sheet) -> None:
    data = plain(sheet)
    read(Sheet, data)
    assert accepts(json_schema(Sheet), data), data


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": "A"},
        {"count": 0},
        {"count": 1.5},
        {"count": True},
        {"colour": "rad"},
        {"weights": [0, 0, 0, 0]},
        {"weights": [2]},
        {"rows": [[-1]]},
        {"notes": {"a": "", "b": "", "c": ""}},
        {"shape": {"side": 1}},
        {"shape": {"kind": "square"}},
        {"unknown": 1},
    ],
)
def test_what_an_editor_should_mark_is_refused(change: dict[str, Any]) -> None:
    data = {"name": "ok", **change}
    with pytest.raises(BadData):
        read(Sheet, data)
    assert not accepts(json_schema(Sheet), data)


def test_a_missing_key_is_refused() -> None:
    assert not accepts(json_schema(Sheet), {})


def test_a_kind_with_a_default_need_not_be_written() -> None:
    read(Comparison, {"atol": 1})
    assert accepts(json_schema(Comparison), {"atol": 1})


@pytest.mark.parametrize("engine", sorted(declared()))
def test_every_engine_describes_its_own_defaults(engine: str) -> None:
    record = declared()[engine]
    schema = json_schema(record)
    properties = schema["$defs"][record.__name__]["properties"]
    # None, and a `kind`, are defaults that need not be written.
    everything = {name: item["default"] for name, item in properties.items() if "default" in item}
    left_out = {name: getattr(record(), name) for name in properties.keys() - everything.keys()}
    assert all(value is None or name == "kind" for name, value in left_out.items())
    assert accepts(schema, everything)
    assert read(record, everything) == record()


def test_the_schema_of_an_exercise_accepts_the_files_that_are_shipped() -> None:
    from pathlib import Path

    from workbench import paths
    from workbench.spec.source import load

    schema = exercise_schema()
    files = [path for path in Path(paths.exercises()).glob("*/*.yaml") if path.parent.name != "assignments"]
    assert files
    for path in files:
        data = load(path).data
        read(Exercise, data)
        assert accepts(schema, data), path
