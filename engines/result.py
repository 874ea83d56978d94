"""What a run gives back: named values, the worked steps, and figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from engines.arrays import Array, Value
from engines.figures import Figure, from_plain, to_plain


@dataclass(frozen=True)
class Step:
    """One step of a worked solution: `name` says which question it answers, `text` is Markdown with $…$."""

    name: str
    text: str


@dataclass(frozen=True)
class Result:
    """Named values (tensors become `Array`s), a trace of worked steps, and figures.

    Raises:
        TypeError: if a value is of a kind that could not be sent or stored.
    """

    values: dict[str, Any]
    trace: tuple[Step, ...] = ()
    figures: tuple[Figure, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", {name: _value(item) for name, item in self.values.items()})

    def figure(self, name: str) -> Figure | None:
        """The figure of that name, if there is one."""
        return next((figure for figure in self.figures if figure.name == name), None)

    def to_plain(self) -> dict[str, Any]:
        """As a mapping whose leaves are scalars and `Array`s."""
        return {
            "values": self.values,
            "trace": [{"name": step.name, "text": step.text} for step in self.trace],
            "figures": [to_plain(figure) for figure in self.figures],
            "notes": list(self.notes),
        }

    @classmethod
    def from_plain(cls, data: dict[str, Any]) -> Result:
        """The result that `to_plain` was given.

        Raises:
            ValueError: if the data describe no result.
        """
        try:
            return cls(
                values=dict(data["values"]),
                trace=tuple(Step(step["name"], step["text"]) for step in data["trace"]),
                figures=tuple(from_plain(figure) for figure in data["figures"]),
                notes=tuple(data["notes"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a result: {error!r}") from None


def _value(item: Any) -> Value:
    if item is None or isinstance(item, bool | int | float | str | Array):
        return item
    if hasattr(item, "detach"):
        return Array.of(item)
    if isinstance(item, list | tuple):
        return [_value(inner) for inner in item]
    if isinstance(item, dict) and all(isinstance(key, str) for key in item):
        return {key: _value(inner) for key, inner in item.items()}
    raise TypeError(f"a result cannot hold {type(item).__name__}")
