"""Pairs of a text and its summary that every machine holds: docstrings, their body and their first paragraph.

Sources of installed packages are read with `ast`; nothing is imported, so nothing of theirs runs. What is read is
bounded by counts (files, bytes, depth) and never by a clock, so that the same files give the same pairs on a fast
machine and on a slow one. A file that cannot be read is skipped and counted.
"""

from __future__ import annotations

import ast
import contextlib
import gc
import hashlib
import json
import os
import re
import stat
import sys
import sysconfig
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

STDLIB = "stdlib"
SKIPPED_FOLDERS = frozenset({"__pycache__", "_vendor", "site-packages", "test", "tests"})
MAX_FILES = 8000  # of one package
MAX_FILE_BYTES = 512 << 10
MAX_BYTES = 128 << 20  # of all files together
MAX_DEPTH = 16  # folders below the package
MIN_SUMMARY, MAX_SUMMARY = 3, 24  # words
MIN_BODY, MAX_BODY = 8, 120
MAX_DOCSTRING = 64 << 10  # characters; what is longer is data
KEPT_FILES = 8

# Told (fraction, message, pairs so far by package) between files; may raise to stop.
Progress = Callable[[float, str, Mapping[str, int]], None]


def silent(fraction: float, message: str, found: Mapping[str, int]) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Pair:
    """The body of a docstring and its summary, with the object's name and the file that holds it."""

    file: str
    name: str
    body: str
    summary: str

    @property
    def package(self) -> str:
        """The top-level package, or `stdlib`."""
        return self.file.partition("/")[0]


@dataclass(frozen=True)
class Source:
    """A file to read: `name` is `package/path/in/package.py`; `stamp` changes when the file does."""

    name: str
    path: str
    size: int
    stamp: int


@dataclass(frozen=True)
class Harvest:
    """Pairs in the order of their files, and how many things were passed over, by reason."""

    pairs: tuple[Pair, ...]
    files: int
    skipped: dict[str, int]

    def by_package(self) -> dict[str, int]:
        """Pairs of every package, most first."""
        return dict(Counter(pair.package for pair in self.pairs).most_common())


# -- which files


def find(package: str, path: Sequence[str] | None = None) -> Path | None:
    """The folder or single file of a top-level package, looked up as `import` would, and not imported.

    Args:
        package: a name, or `stdlib` for the whole standard library.
        path: folders to look in, `sys.path` unless given.
    """
    if package == STDLIB:
        return Path(sysconfig.get_paths()["stdlib"])
    folders = [Path(folder or ".") for folder in (sys.path if path is None else path)]
    for folder in folders:
        if _is(stat.S_ISREG, folder / package / "__init__.py"):
            return folder / package
        if _is(stat.S_ISREG, folder / f"{package}.py"):
            return folder / f"{package}.py"
    # Without an __init__ it is a package too, after all others.
    return next((folder / package for folder in folders if _is(stat.S_ISDIR, folder / package)), None)


def _is(kind: Callable[[int], bool], path: Path) -> bool:
    try:
        return kind(path.stat().st_mode)
    except (OSError, ValueError):  # ValueError: a NUL byte in a folder's name
        return False


def sources(package: str, root: Path, skipped: Counter[str]) -> list[Source]:
    """The Python files of a package in the order of their names, without its tests.

    Folders that are links are not entered (they may lead in circles); links to files are followed.
    """
    if root.suffix == ".py":
        return [file for file in [_look(root.name, package, root, skipped)] if file]
    found: list[Source] = []
    for relative, path in _walk(root, "", 0, skipped):
        if len(found) == MAX_FILES:
            skipped["beyond the number of files"] += 1
            break
        if file := _look(relative, package, path, skipped):
            found.append(file)
    return found


def _walk(folder: Path, below: str, depth: int, skipped: Counter[str]) -> Iterator[tuple[str, Path]]:
    try:
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        skipped["folder unreadable"] += 1
        return
    for entry in listed:
        if entry.is_dir(follow_symlinks=False):
            if entry.name in SKIPPED_FOLDERS:
                continue
            if depth == MAX_DEPTH:
                skipped["folder too deep"] += 1
                continue
            yield from _walk(Path(entry.path), f"{below}{entry.name}/", depth + 1, skipped)
        elif entry.name.endswith(".py"):
            yield f"{below}{entry.name}", Path(entry.path)


def _look(relative: str, package: str, path: Path, skipped: Counter[str]) -> Source | None:
    try:
        status = path.stat()
    except OSError:  # a link to nowhere or to itself
        skipped["unreadable"] += 1
        return None
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
        skipped["no regular file"] += 1
        return None
    if status.st_size > MAX_FILE_BYTES:
        skipped["too large"] += 1
        return None
    return Source(f"{package}/{relative}", str(path), status.st_size, status.st_mtime_ns)


# -- what is in them


def docstrings(source: bytes) -> Iterator[tuple[str, str]]:
    """(name, docstring) of the module's classes and functions, methods included, in the order of the source.

    Functions within functions are left out.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: if the source is no Python that this version reads.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd escapes in other people's strings
        tree = ast.parse(source)
    yield from _described(tree)


def _described(node: ast.AST) -> Iterator[tuple[str, str]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if text := ast.get_docstring(child):
                yield child.name, text
            if isinstance(child, ast.ClassDef):
                yield from _described(child)
        elif isinstance(child, ast.If | ast.Try | ast.With | ast.ExceptHandler):
            yield from _described(child)


_PARAGRAPHS = re.compile(r"\n[ \t]*\n")
_RULE = re.compile(r"[-=~^*+#_.`\s]+$")
_OPENING = re.compile(r"[A-Za-z`'\"]")


def split(docstring: str) -> tuple[str, str] | None:
    """(body, summary) of a docstring, or None where one of them is missing, a signature, or not mostly prose.

    The summary is the first paragraph; the body is the rest, without examples at the prompt and rules under
    headings, cut after `MAX_BODY` words.
    """
    if len(docstring) > MAX_DOCSTRING:
        return None
    first, *rest = _PARAGRAPHS.split(docstring.strip(), maxsplit=1)
    summary = first.split()
    if not rest or not MIN_SUMMARY <= len(summary) <= MAX_SUMMARY or not _OPENING.match(first) or "->" in summary:
        return None
    lines = [line.strip() for line in rest[0].splitlines()]
    words = " ".join(line for line in lines if not line.startswith((">>>", "...")) and not _RULE.match(line)).split()
    texts = " ".join(words[:MAX_BODY]), " ".join(summary)
    if len(words) < MIN_BODY or not all(map(_is_prose, texts)):
        return None
    return texts


def _is_prose(text: str) -> bool:
    """Mostly letters, and nothing in it that would steer a terminal."""
    letters = sum(map(str.isalpha, text))
    return text.isprintable() and letters >= 0.6 * len(text)


def spoken(name: str) -> str:
    """An object's name as words: `lastTokenOf_this` → `last token of this`."""
    return " ".join(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).replace("_", " ").lower().split())


def harvest(files: Sequence[Source], skipped: Counter[str], progress: Progress = silent) -> Harvest:
    """All different pairs of the files, in order."""
    pairs: dict[tuple[str, str], Pair] = {}
    found: Counter[str] = Counter()
    total = sum(file.size for file in files)
    done = read = 0
    with _no_collection():
        for file in files:
            progress(done / max(total, 1), f"reading {file.name}", found)
            done += file.size
            if done > MAX_BYTES:
                skipped["beyond the number of bytes"] += 1
                continue
            try:
                read_here = list(_pairs_of(file))
            except OSError:
                skipped["unreadable"] += 1
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                skipped["not Python"] += 1
            else:
                read += 1
                for pair in read_here:
                    if pairs.setdefault((pair.body.lower(), pair.summary.lower()), pair) is pair:
                        found[pair.package] += 1
    return Harvest(tuple(pairs.values()), read, dict(skipped))


def _pairs_of(file: Source) -> Iterator[Pair]:
    with open(file.path, "rb") as stream:  # noqa: PTH123  (a string already, for thousands of files)
        content = stream.read(MAX_FILE_BYTES + 1)
    if content.count(b'"""') + content.count(b"'''") < 2:  # no docstring of two paragraphs
        return
    for name, text in docstrings(content):
        if parts := split(text):
            yield Pair(file.name, name, *parts)


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Syntax trees have no cycles, and looking for some while they are built takes half of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


# -- kept on disk


def installed(
    packages: Sequence[str],
    cache: Path | None = None,
    progress: Progress = silent,
    path: Sequence[str] | None = None,
) -> Harvest:
    """The pairs of installed packages; read once, and again only when one of their files has changed.

    A package that is not installed is skipped and counted like a file that cannot be read.

    Args:
        packages: top-level names; `stdlib` is the standard library.
        cache: a folder to keep the pairs in, or None.
        progress: told how far it is.
        path: folders to look in, `sys.path` unless given.
    """
    skipped: Counter[str] = Counter()
    files: list[Source] = []
    for package in packages:
        progress(0.0, f"looking for the files of {package}", {})
        root = find(package, path)
        if root is None:
            skipped[f"{package} is not installed"] += 1
            continue
        files += sources(package, root, skipped)
    state = hashlib.blake2b(repr([VERSION, sys.version_info[:2], *map(astuple, files)]).encode("utf-8", "replace"))

    def make() -> list[Any]:
        made = harvest(files, skipped, progress)
        return [[astuple(pair) for pair in made.pairs], made.files, made.skipped]

    pairs, read, passed_over = kept(cache, f"docstrings {' '.join(packages)}", state.hexdigest(), make)
    return Harvest(tuple(Pair(*fields) for fields in pairs), read, passed_over)


# Part of what is kept: another way to choose or clean pairs needs another number.
VERSION = 1


def kept(folder: Path | None, name: str, state: str, make: Callable[[], Any]) -> Any:
    """What `make` gives, as plain JSON data, from the folder where it was made before in the same state.

    A damaged or outdated file is made anew; a folder that cannot be written loses the copy and nothing else.

    Args:
        folder: where to keep it, or None for nowhere.
        name: what it is; one file each, of which the `KEPT_FILES` last used stay.
        state: what it was made from; another state replaces the file.
        make: called where there is nothing to take.
    """
    if folder is None:
        return make()
    path = folder / f"{hashlib.blake2b(name.encode(), digest_size=12).hexdigest()}.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        digest, _, content = path.read_bytes().partition(b"\n")
        if digest == _digest(content):
            stored = json.loads(content)
            if stored["state"] == state:
                os.utime(path)
                return stored["data"]
    data = make()
    content = json.dumps({"state": state, "data": data}, separators=(",", ":")).encode()
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.urandom(4).hex()}.tmp")
        try:
            temporary.write_bytes(_digest(content) + b"\n" + content)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        for old in sorted(folder.glob("*.json"), key=lambda file: file.stat().st_mtime_ns)[:-KEPT_FILES]:
            old.unlink()
    return data


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).hexdigest().encode()
