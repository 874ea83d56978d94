"""Keys to parts whose right values are given here, without an engine behind them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from engines.figures import Figure
from engines.result import Result
from workbench.answers import kind_named
from workbench.answers.verdict import Bench, Key, Unreadable, Verdict
from workbench.spec.exercise import AnyPart, Comparison

EXACT = Comparison(kind="exact")
# No kind but the programs asks anything of the bench.
NO_BENCH = cast(Bench, None)


def key_of(
    part: AnyPart,
    values: dict[str, Any] | None = None,
    given: dict[str, Any] | None = None,
    figures: tuple[Figure, ...] = (),
    variant: int = 0,
) -> Key:
    """The key to a part, with these values as the engine's and these as the variant's."""
    result = Result(values or {}, figures=figures)
    return Key(part, cast(Any, SimpleNamespace(**(given or {}))), lambda: result, variant)


def verdict_on(text: str, key: Key) -> Verdict:
    """What a student who types this is told."""
    kind = kind_named(key.part.kind)
    return kind.check(kind.read(text, key), key, NO_BENCH)


def unreadable(text: str, key: Key) -> Unreadable:
    """Why this cannot be read, after a look at where it points to."""
    try:
        kind_named(key.part.kind).read(text, key)
    except Unreadable as fault:
        examine(fault, text)
        return fault
    raise AssertionError(f"{text!r} was read")


def examine(fault: Unreadable, text: str) -> None:
    """A fault has a sentence on one line, and a place in the text or right behind it."""
    assert fault.message
    assert fault.message.isprintable()
    assert len(fault.message) < 300
    assert 0 <= fault.position <= len(text)
    assert fault.length >= 0
    assert fault.position + fault.length <= len(text) + 1
