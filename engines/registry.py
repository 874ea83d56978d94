"""From an engine's name to the function that runs it, and to the one that draws fresh questions."""

from __future__ import annotations

import functools
import hashlib
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from engines.parameters import Parameters, declared
from engines.randomness import Draws
from engines.result import Result

if TYPE_CHECKING:
    from engines.run import Run

P = TypeVar("P", bound=Parameters)

_EXPERIMENTS: dict[str, Callable[[Any, Run], Result]] = {}
_DRAWS: dict[str, Callable[[Draws], Any]] = {}


class UnknownEngine(LookupError):
    """No engine has that name."""


def experiment(parameters: type[P]) -> Callable[[Callable[[P, Run], Result]], Callable[[P, Run], Result]]:
    """Register the function that runs the engine declared by `parameters`."""

    def register(function: Callable[[P, Run], Result]) -> Callable[[P, Run], Result]:
        _EXPERIMENTS[parameters.engine] = function
        return function

    return register


def draws(parameters: type[P]) -> Callable[[Callable[[Draws], P]], Callable[[Draws], P]]:
    """Register the function that draws well-posed parameters for a fresh variant."""

    def register(function: Callable[[Draws], P]) -> Callable[[Draws], P]:
        _DRAWS[parameters.engine] = function
        return function

    return register


def parameters_of(engine: str) -> type[Parameters]:
    """The parameter record of an engine.

    Raises:
        UnknownEngine: if there is none of that name.
    """
    found = declared().get(engine)
    if found is None:
        raise UnknownEngine(engine)
    return found


def execute(parameters: Parameters, run: Run) -> Result:
    """Run the engine that `parameters` belong to."""
    _load(parameters.engine)
    return _EXPERIMENTS[parameters.engine](parameters, run)


def drawable(engine: str) -> bool:
    """Whether an engine draws fresh parameters, so that an exercise on it has variants."""
    _load(engine)
    return engine in _DRAWS


def draw(engine: str, seed: int) -> Parameters:
    """Fresh parameters for an engine: a function of the seed alone.

    Raises:
        UnknownEngine: if there is no such engine, or it draws no variants.
    """
    if not drawable(engine):
        raise UnknownEngine(f"{engine} draws no variants")
    found: Parameters = _DRAWS[engine](Draws(seed))
    return found


def _load(engine: str) -> None:
    """Import the module that computes an engine: the one named like the module that declares it."""
    importlib.import_module(parameters_of(engine).__module__.replace(".parameters.", "."))


@functools.cache
def version() -> str:
    """A digest of the engines' own sources: what a stored result must agree with to be still true."""
    digest = hashlib.blake2b(digest_size=8)
    root = Path(__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
