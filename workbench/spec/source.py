"""YAML as data with places: where in the file each value and each key stands.

Nothing but plain scalars, lists and mappings comes out, read by YAML 1.2's rules (`no` is text and `1e-3` a
number). The file is hostile until read: its size, depth and the growth of its aliases are bounded first.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engines.fields import Fault, describe, show_path
from engines.fields import Path as DataPath

MAX_BYTES = 1_000_000
MAX_DEPTH = 32
MAX_NODES = 50_000


@dataclass(frozen=True)
class Problem:
    """One fault of one file, with its place counted from 1; line 0 is the file as a whole."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.message}"


class BadFile(Exception):
    """A file that cannot be used; `.problems` says why, each with its place."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


@dataclass
class Document:
    """The data of one file, and the (line, column) of every key and value by its path."""

    file: str
    data: Any = None
    values: dict[DataPath, tuple[int, int]] = field(default_factory=dict)
    keys: dict[DataPath, tuple[int, int]] = field(default_factory=dict)

    def problem(self, fault: Fault) -> Problem:
        """A fault of the data as a problem of the file: at its value, its key, or the nearest thing around it."""
        places = (self.keys, self.values) if fault.at_key else (self.values, self.keys)
        path = fault.path
        while path and path not in self.values and path not in self.keys:
            path = path[:-1]
        line, column = places[0].get(path) or places[1].get(path) or (1, 1)
        where = show_path(fault.path[:-1] if fault.at_key else fault.path)
        return Problem(self.file, line, column, f"{where}: {fault.message}" if where else fault.message)


def read_bytes(path: Path, name: str) -> bytes:
    """The bytes of a regular file of bounded size.

    Raises:
        BadFile: if it is no such file, or cannot be read.
    """
    try:
        # O_NONBLOCK: opening a FIFO that nobody writes would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise BadFile([Problem(name, 0, 0, "is not a regular file")])
            raw = file.read(MAX_BYTES + 1)
    except IsADirectoryError:
        raise BadFile([Problem(name, 0, 0, "is a directory")]) from None
    except (OSError, ValueError) as error:
        raise BadFile([Problem(name, 0, 0, f"cannot be read: {getattr(error, 'strerror', None) or error}")]) from None
    if len(raw) > MAX_BYTES:
        raise BadFile([Problem(name, 0, 0, f"is larger than {MAX_BYTES // 1000} kB")])
    return raw


def load(path: Path, name: str | None = None) -> Document:
    """The document in a YAML file.

    Raises:
        BadFile: if it is not YAML, breaks a limit, or repeats a key.
    """
    name = name or str(path)
    return parse(read_bytes(path, name), name)


def parse(raw: bytes, name: str) -> Document:
    """The document in some YAML text.

    Raises:
        BadFile: as `load` does.
    """
    import yaml

    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = error.object  # without the byte order mark
        place = _place(found[: error.start].decode())
        raise BadFile([Problem(name, *place, f"is not UTF-8: byte {found[error.start]:#04x}")]) from None
    control = _CONTROL.search(text)
    if control:
        message = f"there is a control character here (U+{ord(control.group()):04X})"
        raise BadFile([Problem(name, *_place(text[: control.start()]), message)])
    try:
        _check_depth(text, name)
        node = _Composer(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        raise BadFile([Problem(name, *_explained(error, text))]) from None
    except yaml.YAMLError as error:
        raise BadFile([Problem(name, 0, 0, f"is not YAML: {getattr(error, 'reason', None) or error}")]) from None
    document = Document(name)
    if node is None:
        raise BadFile([Problem(name, 0, 0, "is empty")])
    document.data = _Builder(document).build(node, (), 0)
    return document


def _check_depth(text: str, name: str) -> None:
    """Refuse deep nesting while it is still a stream of events: composing it would recurse."""
    import yaml

    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                message = f"is nested more than {MAX_DEPTH} deep"
                raise BadFile([Problem(name, *_mark(event), message)])
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _place(before: str) -> tuple[int, int]:
    """Line and column, from 1, of what comes after a text."""
    lines = _LINE_END.split(before)
    return len(lines), len(lines[-1]) + 1


def _explained(error: Any, text: str) -> tuple[int, int, str]:
    """Where YAML's rules are broken, in PyYAML's own words, with a mend for what is most often meant."""
    problem = error.problem or "is not YAML"
    if "another document" in problem:
        return (*_start(error.problem_mark), "a second document begins here; a file holds one")
    if "unexpected end of stream" in problem and error.context_mark:
        return (*_start(error.context_mark), "the quote that opens here is not closed")
    line, column = min(_start(error.problem_mark or error.context_mark), _place(text))  # its end may lie beyond ours
    mend = ""
    if "cannot start any token" in problem:
        found = _LINE_END.split(text)[line - 1][column - 1 : column]
        mend = "; indent with blanks, not tabs" if found == "\t" else f"; a text that starts with {found} needs quotes"
    elif "mapping values are not allowed" in problem:
        mend = "; a text with ': ' in it needs quotes"
    elif "did not find expected key" in problem or "did not find expected '-'" in problem:
        mend = "; check the indentation, and quote a text that starts with a special character"
    return line, column, f"{problem}{mend}"


# What YAML allows in no text, and what ends a line to its reader.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
_LINE_END = re.compile("\r\n|[\r\n\x85\u2028\u2029]")

# The core schema of YAML 1.2: what a plain scalar means.
_SCALARS = (
    ("null", re.compile(r"(?:~|null|Null|NULL|)$"), "~nN\0"),
    ("bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), "tTfF"),
    ("int", re.compile(r"(?:[-+]?[0-9]+|0x[0-9a-fA-F]+)$"), "-+0123456789"),
    ("float", re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$"), "-+0123456789."),
    ("float", re.compile(r"(?:[-+]?\.(?:inf|Inf|INF)|\.nan|\.NaN|\.NAN)$"), "-+."),
)
_TAG = "tag:yaml.org,2002:"


def _Composer(text: str) -> Any:  # noqa: N802  (a class, made on first use so that yaml is imported only then)
    global _COMPOSER  # noqa: PLW0603
    if _COMPOSER is None:
        import yaml

        resolvers: dict[str, list[Any]] = {}
        for kind, pattern, first in _SCALARS:
            for char in first:
                resolvers.setdefault("" if char == "\0" else char, []).append((_TAG + kind, pattern))
        _COMPOSER = type("Composer", (yaml.CSafeLoader,), {"yaml_implicit_resolvers": resolvers})
    return _COMPOSER(text)


_COMPOSER: Any = None


class _Builder:
    """Turns composed nodes into plain data, noting places."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.nodes = 0

    def build(self, node: Any, path: DataPath, depth: int) -> Any:
        self.nodes += 1
        if self.nodes > MAX_NODES or depth > MAX_DEPTH:
            self.refuse(node, f"grows beyond {MAX_NODES} values or {MAX_DEPTH} levels (aliases count each time)")
        self.document.values.setdefault(path, _mark(node))
        if node.id != "scalar" and node.tag not in (_TAG + "seq", _TAG + "map"):
            self.refuse(node, f"the tag {node.tag.removeprefix(_TAG)} is not read here")
        if node.id == "sequence":
            return [self.build(item, (*path, i), depth + 1) for i, item in enumerate(node.value)]
        if node.id == "mapping":
            return self.mapping(node, path, depth)
        return self.scalar(node)

    def mapping(self, node: Any, path: DataPath, depth: int) -> dict[Any, Any]:
        out: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            if key_node.id != "scalar":
                self.refuse(key_node, "a key is a piece of text")
            key = self.scalar(key_node)
            if key in out:
                self.refuse(key_node, f"the key {describe(key)} stands here twice")
            self.document.keys[*path, key] = _mark(key_node)
            out[key] = self.build(value_node, (*path, key), depth + 1)
        return out

    def scalar(self, node: Any) -> Any:
        kind = node.tag.removeprefix(_TAG)
        text = node.value
        if kind == "str":
            return text
        patterns = [pattern for known, pattern, _ in _SCALARS if known == kind]
        if not any(pattern.match(text) for pattern in patterns):
            self.refuse(node, f"{describe(text)} is no {kind}" if patterns else f"the tag {kind} is not read here")
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        if text.startswith("0x"):
            return int(text, 16) if len(text) <= 40 else self.refuse(node, "a number of so many digits is not read")
        if kind == "int" and len(text) <= 40:
            return int(text)
        return float(re.sub(r"\.(inf|nan)", r"\1", text, flags=re.IGNORECASE))

    def refuse(self, node: Any, message: str) -> Any:
        raise BadFile([Problem(self.document.file, *_mark(node), message)])


def _mark(node: Any) -> tuple[int, int]:
    """Line and column, from 1, of where a node or an event begins."""
    return _start(node.start_mark)


def _start(mark: Any) -> tuple[int, int]:
    """Line and column, from 1, of a mark; (0, 0) where there is none."""
    return (mark.line + 1, mark.column + 1) if mark else (0, 0)
