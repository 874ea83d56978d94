"""Counting what a computation costs: its operations, and the numbers it keeps for the backward pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

Exponents = tuple[int, ...]


@dataclass(frozen=True)
class Cost:
    """What a computation cost.

    Attributes:
        operations: multiply-adds of matrix products, and one for each element that another operation makes.
        kept: how many numbers are in memory when the backward pass begins, inputs and output included, each
            storage once.
        peak_bytes: the most that was in memory at once during the forward pass, inputs and output included.
    """

    operations: int
    kept: int
    peak_bytes: int


class Watch(TorchDispatchMode):
    """Adds up operations, and the bytes of living storages, as operations are dispatched.

    A context: what runs inside it is counted, in `operations` and `peak_bytes`.
    """

    def __init__(self, inputs: tuple[Tensor, ...] = ()) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations: int = 0
        self.peak_bytes: int = 0
        self._living: dict[int, tuple[StorageWeakRef, int]] = {}
        self._bytes = 0
        self._note(inputs)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.operations += _operations(func, args, out)
        self._note(out if isinstance(out, tuple | list) else (out,))
        return out

    def _note(self, tensors: Iterable[Any]) -> None:
        for tensor in tensors:
            if isinstance(tensor, Tensor):
                storage = tensor.untyped_storage()
                known = self._living.get(storage.data_ptr())
                # Where a dead storage lay a new one may lie.
                if known is None or known[0].expired():
                    self._living[storage.data_ptr()] = (StorageWeakRef(storage), int(storage.nbytes()))
                    self._bytes += int(storage.nbytes()) - (known[1] if known else 0)
        # The dead are still among these bytes: they are only looked for where it could make a difference.
        if self._bytes > self.peak_bytes:
            self._living = {place: (ref, size) for place, (ref, size) in self._living.items() if not ref.expired()}
            self._bytes = sum(size for _, size in self._living.values())
            self.peak_bytes = max(self.peak_bytes, self._bytes)


# Where the inner dimension of a product stands: the position of its first factor among the arguments.
_FACTOR = {"mm": 0, "bmm": 0, "mv": 0, "dot": 0, "addmm": 1, "addmm_": 1, "addmv": 1, "baddbmm": 1, "baddbmm_": 1}
_REDUCTIONS = {"sum", "mean", "prod", "amax", "amin", "max", "min", "argmax", "argmin", "var", "linalg_vector_norm"}
_FUSED_ATTENTION = "_scaled_dot_product"


def _operations(func: Any, args: Any, out: Any) -> int:
    """How many operations one dispatched call is."""
    name = func.overloadpacket.__name__
    if name in _FACTOR:
        return int(out.numel() * args[_FACTOR[name]].shape[-1])
    if name.startswith(_FUSED_ATTENTION):
        return _fused_attention(name, *args[:4])
    if name in _REDUCTIONS and isinstance(args[0], Tensor):
        return int(args[0].numel())
    if _is_view(func) or "empty" in name:
        return 0
    made = out if isinstance(out, tuple | list) else (out,)
    return sum(tensor.numel() for tensor in made if isinstance(tensor, Tensor))


def _fused_attention(name: str, *tensors: Tensor) -> int:
    """Operations of a fused softmax attention, which dispatches as one call and is otherwise seen as none.

    torch's own counter knows no entry for the kernel of the CPU and says 0 (as of torch 2.13). A causal one is
    counted whole, as if it computed what it masks.
    """
    backward = "backward" in name
    q, k, v = tensors[1:4] if backward else tensors[:3]
    width: int = q.shape[-1]
    pairs: int = q.numel() // width * k.shape[-2]
    products: int = pairs * (width + v.shape[-1])
    # Backward: the scores again, then two products for each of the two of the forward pass.
    return 2 * products + pairs * width + 2 * pairs if backward else products + 2 * pairs


def _is_view(func: Any) -> bool:
    """Whether an operator only looks at its input in another way: it computes nothing."""
    return any(arg.alias_info is not None and not arg.alias_info.is_write for arg in func._schema.arguments)  # noqa: SLF001


def count(function: Callable[..., Tensor], *inputs: Tensor) -> Cost:
    """The cost of `function(*inputs)`, run for real with gradients switched on."""
    leaves = tuple(tensor.detach().requires_grad_() for tensor in inputs)
    kept = {_place(leaf): leaf.numel() for leaf in leaves}
    alive: list[Tensor] = []  # or a freed block could be used again and look like one already counted

    def keep(tensor: Tensor) -> Tensor:
        kept[_place(tensor)] = tensor.untyped_storage().nbytes() // tensor.element_size()
        alive.append(tensor)
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor), Watch(leaves) as watch:
        output = function(*leaves)
    keep(output)
    return Cost(watch.operations, sum(kept.values()), watch.peak_bytes)


def working_set(function: Callable[..., Tensor], *inputs: Tensor) -> int:
    """The most numbers in memory at once in `function(*inputs)` when nothing is kept for a backward pass."""
    with torch.no_grad(), Watch(inputs) as watch:
        function(*inputs)

    return int(watch.peak_bytes // inputs[0].element_size())


def _place(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def fit_polynomial(
    measure: Callable[[tuple[int, ...]], int], degrees: tuple[int, ...], start: int | tuple[int, ...] = 2
) -> dict[Exponents, Fraction]:
    """The polynomial in several sizes that `measure` is, exactly, by interpolation on a small grid.

    Args:
        measure: sizes → a whole number that is a polynomial of them.
        degrees: an upper bound of the degree in each size.
        start: the smallest size tried, of all or of each: where `measure` is a largest of several sums, it names
            the regime in which one of them leads.

    Returns:
        Exponents → coefficient, without the zero ones.

    Raises:
        ValueError: if a point outside the grid disagrees, so that it is no such polynomial.
    """
    starts = (start,) * len(degrees) if isinstance(start, int) else start
    axes = [range(first, first + degree + 1) for first, degree in zip(starts, degrees, strict=True)]
    table = {point: Fraction(measure(point)) for point in product(*axes)}
    for i, degree in enumerate(degrees):
        table = _along(table, i, list(axes[i]), degree)
    found = {exponents: value for exponents, value in table.items() if value}
    outside = tuple(axis[-1] + 2 for axis in axes)
    if evaluate(found, outside) != measure(outside):
        raise ValueError("the counts are no polynomial of the degrees assumed")
    return found


def _along(
    table: Mapping[tuple[int, ...], Fraction], axis: int, nodes: list[int], degree: int
) -> dict[tuple[int, ...], Fraction]:
    """Replace the coordinate `axis` of a table of values by the exponent of a polynomial through them."""
    basis = [_lagrange(nodes, i) for i in range(degree + 1)]
    out: dict[tuple[int, ...], Fraction] = {}
    for point, value in table.items():
        for power, coefficient in enumerate(basis[nodes.index(point[axis])]):
            key = (*point[:axis], power, *point[axis + 1 :])
            out[key] = out.get(key, Fraction(0)) + coefficient * value
    return out


def _lagrange(nodes: list[int], i: int) -> list[Fraction]:
    """Coefficients, constant first, of the polynomial that is 1 at node i and 0 at the others."""
    coefficients = [Fraction(1)]
    for j, node in enumerate(nodes):
        if j != i:
            shifted = [Fraction(0), *coefficients]
            scaled = [*(-node * c for c in coefficients), Fraction(0)]
            coefficients = [(a + b) / (nodes[i] - node) for a, b in zip(shifted, scaled, strict=True)]
    return coefficients


def evaluate(polynomial: Mapping[Exponents, Fraction], sizes: tuple[int, ...]) -> Fraction:
    """The value of a polynomial at some sizes."""
    return sum(
        (
            c * math.prod(size**e for size, e in zip(sizes, exponents, strict=True))
            for exponents, c in polynomial.items()
        ),
        Fraction(0),
    )


def leading_terms(polynomial: Mapping[Exponents, Fraction]) -> list[Exponents]:
    """The monomials that no other one outgrows, largest exponents first.

    Raises:
        ValueError: if one of them has a negative coefficient: then it is no growth class.
    """
    tops = [
        a for a in polynomial if not any(a != b and all(x <= y for x, y in zip(a, b, strict=True)) for b in polynomial)
    ]
    if any(polynomial[a] < 0 for a in tops):
        raise ValueError("a leading term is negative")
    return sorted(tops, reverse=True)


def show_class(polynomial: Mapping[Exponents, Fraction], letters: tuple[str, ...]) -> str:
    """The growth class of a polynomial, as a student would type it: `N^2*D + N^2*M`."""

    def power(letter: str, exponent: int) -> str:
        return letter if exponent == 1 else f"{letter}^{exponent}"

    terms = [
        "*".join(power(letter, e) for letter, e in zip(letters, exponents, strict=True) if e) or "1"
        for exponents in leading_terms(polynomial)
    ]
    return " + ".join(terms)


def show_terms(polynomial: Mapping[Exponents, Fraction], letters: tuple[str, ...]) -> str:
    """All terms of a polynomial, largest first."""
    terms = []
    for exponents in sorted(polynomial, key=lambda e: (sum(e), e), reverse=True):
        coefficient = polynomial[exponents]
        factors = [letter if e == 1 else f"{letter}^{e}" for letter, e in zip(letters, exponents, strict=True) if e]
        if coefficient != 1 or not factors:
            factors.insert(0, str(coefficient))
        terms.append(" ".join(factors))
    return " + ".join(terms).replace("+ -", "- ")


def slope(x: list[float], y: list[float]) -> float:
    """The least-squares slope of log y against log x: the exponent of a power law."""
    a = torch.tensor(x, dtype=torch.float64).log()
    b = torch.tensor(y, dtype=torch.float64).log()
    a = a - a.mean()
    return float((a @ b) / (a @ a))


def crossover(x: list[float], ours: list[float], theirs: list[float]) -> float | None:
    """The x from which on `ours` stays below `theirs`, by interpolation of logarithms between the points.

    Returns:
        None if ours is still the larger one at the last x; the first x if it is never.
    """
    gaps = [math.log(a / b) for a, b in zip(ours, theirs, strict=True)]
    if gaps[-1] > 0:
        return None
    last = max((i for i, gap in enumerate(gaps) if gap > 0), default=-1)
    if last < 0:
        return x[0]
    share = gaps[last] / (gaps[last] - gaps[last + 1])
    return math.exp(math.log(x[last]) + share * math.log(x[last + 1] / x[last]))


def break_even(
    ours: Callable[[int], Fraction], theirs: Callable[[int], Fraction], largest: int = 1 << 40
) -> int | None:
    """The smallest size at which `ours` is at most `theirs`, for a difference that changes its sign once.

    Returns:
        None if there is none up to `largest`.
    """
    high = 1
    while ours(high) > theirs(high):
        high *= 2
        if high > largest:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if ours(middle) > theirs(middle) else (low, middle)
    return high
