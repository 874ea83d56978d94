"""Typed records read from plain data: what an engine may be asked, what a file may say.

A record is a frozen dataclass whose fields carry their limits and their help text::

    @dataclass(frozen=True)
    class Softmax:
        length: int = field(64, low=1, high=65536, help="sequence length N")
        scale: float = field(1.0, low=0.0)

`read` turns what a YAML or JSON file held into such a record and reports *every* fault it finds, each
with the path to the offending value and a sentence on what to write instead. `json_schema` describes
the same record to an editor. There is no second place where a limit is written down.

Understood annotations: `bool`, `int`, `float`, `str`, `Literal[...]`, `tuple[T, ...]`, `dict[str, T]`,
`T | None`, records, unions of records told apart by their `kind`, and `Any` for data that is checked
by somebody else.
"""

from __future__ import annotations

import copy
import dataclasses
import difflib
import math
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeVar, Union

T = TypeVar("T")
Path = tuple[str | int, ...]

MISSING = dataclasses.MISSING


@dataclass(frozen=True)
class Fault:
    """One thing wrong with the data: where it is, and a sentence with the mend.

    `at_key` is true when the name itself is wrong (an unknown key), not the value behind it.
    """

    path: Path
    message: str
    at_key: bool = False

    def __str__(self) -> str:
        return f"{show_path(self.path)}: {self.message}" if self.path else self.message


class BadData(ValueError):
    """Data that does not make the record asked for; `.faults` says why, fault by fault."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = faults


@dataclass(frozen=True)
class Limits:
    """What a field's value must satisfy beyond its type, and how it is described."""

    help: str = ""
    low: float | None = None
    high: float | None = None
    min_length: int = 0
    max_length: int | None = None
    pattern: str | None = None
    pattern_help: str = ""


def field(
    default: Any = MISSING,
    *,
    help: str = "",  # noqa: A002  (the word the command line uses)
    low: float | None = None,
    high: float | None = None,
    min_length: int = 0,
    max_length: int | None = None,
    pattern: str | None = None,
    pattern_help: str = "",
) -> Any:
    """A dataclass field with limits. Lengths hold for text, tuples and mappings; low and high for numbers.

    A limit on numbers inside a tuple of numbers (of tuples) holds for every one of them.
    """
    metadata = {"limits": Limits(help, low, high, min_length, max_length, pattern, pattern_help)}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=lambda: copy.deepcopy(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def default_of(spec: dataclasses.Field[Any]) -> Any:
    """A field's default, or MISSING where it must be given."""
    return spec.default if spec.default_factory is MISSING else spec.default_factory()


def limits_of(spec: dataclasses.Field[Any]) -> Limits:
    """The limits a field was declared with."""
    limits: Limits = spec.metadata.get("limits", Limits())
    return limits


def show_path(path: Path) -> str:
    """`parts[0].hints[2]`, as an author would say it."""
    text = ""
    for step in path:
        name = str(step) if isinstance(step, int) else _printable(str(step), 60) or '""'
        text += f"[{name}]" if isinstance(step, int) else f".{name}" if text else name
    return text


def read(record: type[T], data: object, path: Path = ()) -> T:
    """Make a `record` of plain `data`.

    Raises:
        BadData: with every fault found, in the order of the data.
    """
    faults: list[Fault] = []
    value = _read_record(record, data, path, faults)
    if faults:
        raise BadData(faults)
    return typing.cast(T, value)


_HINTS: dict[type[Any], dict[str, Any]] = {}


def hints_of(record: type[Any]) -> dict[str, Any]:
    """The annotations of a record's fields, resolved once per class."""
    if record not in _HINTS:
        _HINTS[record] = typing.get_type_hints(record)
    return _HINTS[record]


def plain(value: Any) -> Any:
    """A record as plain data again: mappings, lists and scalars; fields at their default are left out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        out = {}
        for spec in dataclasses.fields(value):
            item = getattr(value, spec.name)
            if spec.name == "kind" or item != default_of(spec):
                out[spec.name] = plain(item)
        return out
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return value


# -- reading


def _read_record(record: type[Any], data: object, path: Path, faults: list[Fault]) -> Any:
    if isinstance(data, record):
        return data
    if not isinstance(data, Mapping):
        faults.append(Fault(path, f"expected keys and values, got {describe(data)}"))
        return None
    hints = hints_of(record)
    specs = {spec.name: spec for spec in dataclasses.fields(record) if spec.init}
    faults += [Fault((*path, key), _unknown(key, list(specs)), at_key=True) for key in data if key not in specs]
    values: dict[str, Any] = {}
    before = len(faults)
    for name, spec in specs.items():
        if name in data:
            values[name] = _read_value(hints[name], data[name], (*path, name), limits_of(spec), faults)
        elif default_of(spec) is MISSING:
            faults.append(Fault(path, f"'{name}' is missing{_why(limits_of(spec))}"))
    if len(faults) > before:
        return None
    try:
        return record(**values)
    except BadData as bad:  # what a record checks across its fields, in __post_init__
        faults.extend(Fault((*path, *fault.path), fault.message, fault.at_key) for fault in bad.faults)
        return None


def _read_value(hint: Any, data: object, path: Path, limits: Limits, faults: list[Fault]) -> Any:
    origin = typing.get_origin(hint)
    if hint is Any:
        return data
    if origin in (Union, types.UnionType):
        return _read_union(typing.get_args(hint), data, path, limits, faults)
    if origin is Literal:
        return _read_literal(typing.get_args(hint), data, path, faults)
    if origin is tuple:
        return _read_tuple(typing.get_args(hint)[0], data, path, limits, faults)
    if origin is dict:
        return _read_dict(typing.get_args(hint)[1], data, path, limits, faults)
    if dataclasses.is_dataclass(hint):
        return _read_record(typing.cast(type[Any], hint), data, path, faults)
    return _read_scalar(hint, data, path, limits, faults)


def _read_union(choices: tuple[Any, ...], data: object, path: Path, limits: Limits, faults: list[Fault]) -> Any:
    if type(None) in choices:
        if data is None:
            return None
        choices = tuple(choice for choice in choices if choice is not type(None))
    if len(choices) == 1:
        return _read_value(choices[0], data, path, limits, faults)
    records = [choice for choice in choices if dataclasses.is_dataclass(choice)]
    if isinstance(data, Mapping) and records:
        return _read_tagged(records, data, path, faults)
    alike = []
    for choice in choices:
        attempt: list[Fault] = []
        value = _read_value(choice, data, path, limits, attempt)
        if not attempt:
            return value
        if _same_shape(choice, data):
            alike.append(attempt)
    if len(alike) == 1:  # a list with a fault in it: say which, not that something else might stand here
        faults += alike[0]
        return None
    names = " or ".join(dict.fromkeys(type_name(choice) for choice in choices))
    mend = _mend(str, data) if str in choices else ""
    faults.append(Fault(path, f"expected {names}, got {describe(data)}{mend}"))
    return None


def _same_shape(hint: Any, data: object) -> bool:
    """Whether data are of the outer form of a type, whatever is inside."""
    origin = typing.get_origin(hint)
    if origin is tuple:
        return isinstance(data, list | tuple)
    if origin is dict or dataclasses.is_dataclass(hint):
        return isinstance(data, Mapping)
    return isinstance(hint, type) and type(data) is hint


def _read_tagged(records: list[Any], data: Mapping[Any, Any], path: Path, faults: list[Fault]) -> Any:
    """One of several records, told apart by `kind`; a single one needs no tag."""
    if len(records) == 1:
        return _read_record(records[0], data, path, faults)
    by_kind = {kind_of(record): record for record in records}
    kind = data.get("kind", MISSING)
    if kind is MISSING:
        faults.append(Fault(path, f"'kind' is missing: one of {_listed(list(by_kind))}"))
        return None
    if not isinstance(kind, str) or kind not in by_kind:
        faults.append(Fault((*path, "kind"), _not_among(kind, list(by_kind))))
        return None
    return _read_record(by_kind[kind], data, path, faults)


def _read_literal(choices: tuple[Any, ...], data: object, path: Path, faults: list[Fault]) -> Any:
    for choice in choices:
        if data == choice and type(data) is type(choice):
            return choice
    faults.append(Fault(path, _not_among(data, list(choices))))
    return None


def _read_tuple(item: Any, data: object, path: Path, limits: Limits, faults: list[Fault]) -> Any:
    if not isinstance(data, list | tuple):
        faults.append(Fault(path, f"expected a list of {type_name(item, plural=True)}, got {describe(data)}"))
        return None
    _check_length(data, "items", path, limits, faults)
    inner = dataclasses.replace(limits, min_length=0, max_length=None)
    return tuple(_read_value(item, value, (*path, i), inner, faults) for i, value in enumerate(data))


def _read_dict(item: Any, data: object, path: Path, limits: Limits, faults: list[Fault]) -> Any:
    if not isinstance(data, Mapping):
        faults.append(Fault(path, f"expected keys and values, got {describe(data)}"))
        return None
    _check_length(data, "keys", path, limits, faults)
    inner = dataclasses.replace(limits, min_length=0, max_length=None)
    out = {}
    for key, value in data.items():
        if not isinstance(key, str):
            mend = f'write "{key}" in quotes' if isinstance(key, int | float) else "a key is a piece of text"
            faults.append(Fault((*path, key), f"{mend}, got {describe(key)}", at_key=True))
            continue
        out[key] = _read_value(item, value, (*path, key), inner, faults)
    return out


def _read_scalar(hint: Any, data: object, path: Path, limits: Limits, faults: list[Fault]) -> Any:
    if hint is float and isinstance(data, int) and not isinstance(data, bool):
        data = float(data) if abs(data) < 2**1000 else math.inf
    if type(data) is not hint:
        faults.append(Fault(path, f"expected {type_name(hint)}, got {describe(data)}{_mend(hint, data)}"))
        return None
    if isinstance(data, str):
        _check_text(data, path, limits, faults)
    elif not isinstance(data, bool):
        _check_number(typing.cast(float, data), path, limits, faults)
    return data


def _check_text(text: str, path: Path, limits: Limits, faults: list[Fault]) -> None:
    _check_length(text, "characters", path, limits, faults)
    if limits.min_length and text and not text.strip():
        faults.append(Fault(path, "is blank"))
    if limits.pattern and not re.fullmatch(limits.pattern, text):
        faults.append(Fault(path, f"{describe(text)} is not {limits.pattern_help or limits.pattern}"))


def _check_number(number: float, path: Path, limits: Limits, faults: list[Fault]) -> None:
    if not math.isfinite(number):
        faults.append(Fault(path, f"expected a finite number, got {describe(number)}"))
    elif limits.low is not None and number < limits.low:
        faults.append(Fault(path, f"{describe(number)} is too small: write {_range(limits)}"))
    elif limits.high is not None and number > limits.high:
        faults.append(Fault(path, f"{describe(number)} is too large: write {_range(limits)}"))


def _check_length(data: Any, unit: str, path: Path, limits: Limits, faults: list[Fault]) -> None:
    size = len(data)
    if size < limits.min_length:
        faults.append(Fault(path, "is empty" if not size else f"has {size} {unit}: at least {limits.min_length}"))
    if limits.max_length is not None and size > limits.max_length:
        faults.append(Fault(path, f"has {size} {unit}: at most {limits.max_length}"))


# -- words


def kind_of(record: type[Any]) -> str:
    """The value of a record's `kind` tag: its `Literal["..."]` annotation."""
    return str(typing.get_args(hints_of(record)["kind"])[0])


def describe(value: object) -> str:
    """A value as a short quotation, for an error message."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"'{_printable(value, 40)}'"
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    if isinstance(value, int):
        return str(value) if value.bit_length() <= 100 else "a number of more than 30 digits"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    if isinstance(value, Mapping):
        return "keys and values" if value else "an empty mapping"
    return type(value).__name__


def _printable(text: str, length: int) -> str:
    """A text cut to a length, without characters that would break the line or that a terminal would act upon."""
    shown = text if len(text) <= length else text[: length - 3] + "…"
    return "".join(char if char.isprintable() else "?" for char in shown)


def type_name(hint: Any, *, plural: bool = False) -> str:
    """How a type is called in a sentence."""
    names = {
        bool: ("true or false", "true/false values"),
        int: ("a whole number", "whole numbers"),
        float: ("a number", "numbers"),
        str: ("text", "texts"),
    }
    if hint in names:
        return names[hint][plural]
    origin = typing.get_origin(hint)
    if origin is tuple:
        inner = type_name(typing.get_args(hint)[0], plural=True)
        return f"lists of {inner}" if plural else f"a list of {inner}"
    if origin is Literal:
        return " or ".join(map(str, typing.get_args(hint)))
    return "mappings" if plural else "keys and values"


def _mend(hint: Any, data: object) -> str:
    if hint is str and isinstance(data, int | float):
        return " (put it in quotes)"
    if (
        hint in (int, float)
        and isinstance(data, str)
        and re.fullmatch(r"\s*[-+]?[\d.]+(e[-+]?\d+)?\s*", data, re.IGNORECASE)
    ):
        return " (without quotes; 1e-3 is written 1.0e-3 in YAML)"
    if hint is int and isinstance(data, float) and data.is_integer():
        return " (write it without a point)"
    if hint is bool and isinstance(data, str):
        return " (true or false, without quotes)"
    return ""


def _why(limits: Limits) -> str:
    return f": {limits.help}" if limits.help else ""


def _range(limits: Limits) -> str:
    if limits.low is not None and limits.high is not None:
        return f"{describe(limits.low)} to {describe(limits.high)}"
    if limits.low is not None:
        return f"{describe(limits.low)} or more"
    return f"{describe(limits.high)} or less"


def _not_among(value: object, choices: list[Any]) -> str:
    close = difflib.get_close_matches(str(value), [str(choice) for choice in choices], 1)
    guess = f" (did you mean {close[0]}?)" if close else ""
    shown = repr(value) if isinstance(value, float) else describe(value)  # 1.0 where 1 is meant
    return f"{shown} is not one of {_listed(list(map(str, choices)))}{guess}"


def _unknown(key: object, known: list[str]) -> str:
    close = difflib.get_close_matches(str(key), known, 1)
    mend = f"did you mean '{close[0]}'?" if close else f"known keys are {_listed(known)}"
    return f"unknown key {describe(key)}; {mend}"


def _listed(names: list[str], length: int = 72) -> str:
    """Names in a sentence: as many as fit on most of a line, and how many more there are."""
    shown: list[str] = []
    for name in names:
        if shown and len(", ".join([*shown, name])) > length:
            return f"{', '.join(shown)} and {len(names) - len(shown)} more"
        shown.append(name)
    return ", ".join(shown)


# -- JSON Schema


class Schema:
    """Collects the JSON Schema (2020-12) of records, one definition each."""

    dialect: ClassVar[str] = "https://json-schema.org/draft/2020-12/schema"

    def __init__(self) -> None:
        self.definitions: dict[str, Any] = {}

    def record(self, record: type[Any]) -> dict[str, Any]:
        """A reference to the record's definition, which is made on the first call."""
        name = record.__name__
        if name not in self.definitions:
            self.definitions[name] = {}  # stands here already for a record that contains itself
            hints = hints_of(record)
            specs = [spec for spec in dataclasses.fields(record) if spec.init]
            self.definitions[name] = {
                "type": "object",
                "description": (record.__doc__ or "").split("\n", maxsplit=1)[0],
                "properties": {spec.name: self._field(hints[spec.name], spec) for spec in specs},
                "required": [spec.name for spec in specs if default_of(spec) is MISSING],
                "additionalProperties": False,
            }
        return {"$ref": f"#/$defs/{name}"}

    def _field(self, hint: Any, spec: dataclasses.Field[Any]) -> dict[str, Any]:
        limits = limits_of(spec)
        out = self._type(hint, limits)
        if limits.help:
            out["description"] = limits.help
        default = default_of(spec)
        if default is not MISSING and default is not None and spec.name != "kind":
            out["default"] = plain(default)
        return out

    def _choice(self, hint: Any, limits: Limits, *, tagged: bool) -> dict[str, Any]:
        """One of a union; a record among several is told by its `kind`, which it must have then."""
        tag = {"required": ["kind"]} if tagged and dataclasses.is_dataclass(hint) else {}
        return {**self._type(hint, limits), **tag}

    def _type(self, hint: Any, limits: Limits) -> dict[str, Any]:
        origin, args = typing.get_origin(hint), typing.get_args(hint)
        if hint is Any:
            return {}
        if origin in (Union, types.UnionType):
            tagged = sum(dataclasses.is_dataclass(choice) for choice in args) > 1
            return {"anyOf": [self._choice(choice, limits, tagged=tagged) for choice in args]}
        if origin is Literal:
            return {"enum": list(args)}
        inner = dataclasses.replace(limits, min_length=0, max_length=None)
        if origin is tuple:
            sizes = {"minItems": limits.min_length or None, "maxItems": limits.max_length}
            return _without_none({"type": "array", "items": self._type(args[0], inner), **sizes})
        if origin is dict:
            sizes = {"minProperties": limits.min_length or None, "maxProperties": limits.max_length}
            return _without_none({"type": "object", "additionalProperties": self._type(args[1], inner), **sizes})
        if dataclasses.is_dataclass(hint):
            return self.record(typing.cast(type[Any], hint))
        if hint is type(None):
            return {"type": "null"}
        names = {bool: "boolean", int: "integer", float: "number", str: "string"}
        bounds: dict[str, float | None] = {}
        if hint in (int, float):
            bounds = {"minimum": limits.low, "maximum": limits.high}
        elif hint is str:
            bounds = {"minLength": limits.min_length or None, "maxLength": limits.max_length}
        pattern = {"pattern": f"^(?:{limits.pattern})$"} if hint is str and limits.pattern else {}
        return _without_none({"type": names[hint], **bounds, **pattern})


def _without_none(mapping: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if value is not None}


def json_schema(record: type[Any], **head: Any) -> dict[str, Any]:
    """The JSON Schema of a record and of all the records inside it."""
    schema = Schema()
    reference = schema.record(record)
    return {"$schema": Schema.dialect, **head, **reference, "$defs": schema.definitions}
