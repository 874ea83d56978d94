"""A record with a field of every type that is understood, and what makes one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from hypothesis import strategies as st

from engines.fields import field


@dataclass(frozen=True, kw_only=True)
class Circle:
    kind: Literal["circle"] = "circle"
    radius: float = field(1.0, low=0.0, high=100.0, help="in centimetres")


@dataclass(frozen=True, kw_only=True)
class Square:
    kind: Literal["square"] = "square"
    side: float = field(low=0.0)


@dataclass(frozen=True, kw_only=True)
class Sheet:
    name: str = field(min_length=1, max_length=10, pattern=r"[a-z]+", pattern_help="lower-case letters")
    count: int = field(1, low=1, high=9, help="how many")
    open: bool = False
    colour: Literal["red", "green"] = "red"
    size: Literal[1, 2] = 1
    weights: tuple[float, ...] = field((), max_length=3, low=-1.0, high=1.0)
    rows: tuple[tuple[int, ...], ...] = field((), low=0)
    notes: dict[str, str] = field({}, max_length=2)
    title: str | None = None
    shape: Circle | Square | None = None
    only: Circle | None = None
    names: tuple[str, ...] | str = field("", min_length=0)
    mixed: tuple[str | Circle, ...] = ()
    anything: Any = None


sheets = st.builds(
    Sheet,
    name=st.text("abc", min_size=1, max_size=10),
    count=st.integers(1, 9),
    open=st.booleans(),
    colour=st.sampled_from(["red", "green"]),
    size=st.sampled_from([1, 2]),
    weights=st.lists(st.floats(-1, 1), max_size=3).map(tuple),
    rows=st.lists(st.lists(st.integers(0, 5), max_size=3).map(tuple), max_size=3).map(tuple),
    notes=st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
    title=st.none() | st.text(max_size=5),
    shape=st.none() | st.builds(Circle, radius=st.floats(0, 100)) | st.builds(Square, side=st.floats(0, 1e9)),
    only=st.none() | st.builds(Circle, radius=st.floats(0, 100)),
    names=st.text(max_size=3) | st.lists(st.text(max_size=3), max_size=3).map(tuple),
    mixed=st.lists(st.text(max_size=3) | st.builds(Circle, radius=st.floats(0, 100)), max_size=3).map(tuple),
    anything=st.none() | st.integers() | st.text(max_size=3),
)
