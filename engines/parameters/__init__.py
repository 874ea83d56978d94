"""What each engine may be asked: its parameters with their limits. Imports no torch.

One module an area, named like the module of `engines/` that computes it. A class declares one engine::

    @dataclass(frozen=True)
    class Argmax(Parameters, engine="attention.argmax", summary="Attention that returns one value whole"):
        query: tuple[float, ...] = field((1.0, 1.0, 2.0), min_length=1)
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from typing import ClassVar, Literal

Dtype = Literal["float32", "float64", "bfloat16"]
DTYPES: tuple[Dtype, ...] = ("float32", "float64", "bfloat16")
PRECISE: tuple[Dtype, ...] = ("float32", "float64")

# What a run may take without announcing it: small matrices, and what torch itself keeps for them.
SMALL = 32 << 20

_DECLARED: dict[str, type[Parameters]] = {}


class Parameters:
    """Base of all parameter records; a subclass is one engine.

    Attributes:
        engine: its name, `area.experiment`.
        summary: one line on what it does.
        dtype: the floating-point type it runs in unless asked otherwise.
        dtypes: all types that it makes sense in.
        parallel: whether its matrices are large enough for more than one CPU thread. The others keep to one:
            several are slower on small matrices, many times so beside other work, and give other bits.
    """

    engine: ClassVar[str]
    summary: ClassVar[str]
    dtype: ClassVar[Dtype]
    dtypes: ClassVar[tuple[Dtype, ...]]
    parallel: ClassVar[bool]

    def __init_subclass__(
        cls,
        *,
        engine: str,
        summary: str,
        dtype: Dtype = "float32",
        dtypes: tuple[Dtype, ...] = PRECISE,
        parallel: bool = False,
    ) -> None:
        cls.engine, cls.summary, cls.dtype, cls.dtypes, cls.parallel = engine, summary, dtype, dtypes, parallel
        known = _DECLARED.get(engine)
        # A dataclass with slots is made twice under one name; anything else is two engines at one name.
        if known is not None and known.__qualname__ != cls.__qualname__:
            raise ValueError(f"engine {engine} is declared by {known.__qualname__} and by {cls.__qualname__}")
        _DECLARED[engine] = cls

    def peak_bytes(self, itemsize: int) -> int:
        """The most bytes of tensors that a run with these parameters has alive at once.

        A run that would not fit is refused before it begins. An engine whose tensors can outgrow `SMALL`
        overrides this with the sum of its large ones, by the same formula that an exercise on cost would use.

        Args:
            itemsize: bytes of one number of the run's floating-point type.
        """
        return SMALL


def declared() -> dict[str, type[Parameters]]:
    """Every engine's parameters by the engine's name, in alphabetical order."""
    _import_all()
    return dict(sorted(_DECLARED.items()))


@functools.cache
def _import_all() -> None:
    """Import every module of this package, once: to look for them takes half a millisecond, and every job asks."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
