"""Numbers, vectors, matrices and tensors that are typed by hand.

Read: `3/4`, `1e-3`, `sqrt(2)`; `[1, 4, 3]`, `1 4 3`, `(1; 4; 3)`; rows in brackets, on lines, or parted by `;`.
"""

from __future__ import annotations

import math
import re
from typing import Any

from engines.arrays import Array
from engines.fields import describe
from engines.figures import Heatmap
from workbench.answers.compare import apart, close, differing, in_words, index_of, ordinal
from workbench.answers.formula import Unreadable
from workbench.answers.verdict import Bench, Key, Verdict, correct, wrong
from workbench.spec.exercise import Comparison, Mistake

MAX_ENTRIES = 10_000
MAX_DEPTH = 6

# Answers typed after rounding still show which mistake was made.
MISTAKE = Comparison(rtol=1e-2, atol=1e-6)

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_OPEN, _CLOSE = "([{⟨", ")]}⟩"
_ARITHMETIC = tuple("+-−*/^·×²³")
_INFINITY = {
    **dict.fromkeys(("inf", "+inf", "infinity", "∞", "+∞"), math.inf),
    **dict.fromkeys(("-inf", "-infinity", "-∞"), -math.inf),
    "nan": math.nan,
}


class Tensor:
    """Numbers with a shape."""

    def read(self, text: str, key: Key) -> Array:
        """The numbers in a text, with the shape that its brackets, lines and semicolons give it."""
        return read_tensor(text)

    def show(self, answer: Array, key: Key) -> str:
        """Rows in brackets, and the shape where that could be in doubt."""
        return written(answer)

    def write(self, value: Any, key: Key) -> str:
        """With all digits that a float64 has, so that it reads back as the same number."""
        return written(Array.of(value), digits=17)

    def uses(self, part: Any) -> list[str]:
        """The right value, and those of the known mistakes."""
        return [part.expect, *(mistake.value for mistake in part.mistakes)]

    def check(self, answer: Array, key: Key, bench: Bench) -> Verdict:
        """Shape first, then known mistakes, then the first entry that differs and how many are right."""
        want = Array.of(key.value(key.part.expect))
        tolerance = in_words(key.part.comparison)
        if squeezed(answer.shape) == squeezed(want.shape):
            answer = Array(answer.dtype, want.shape, answer.data)
        if answer.shape == want.shape and not differing(answer.flat(), want.flat(), key.part.comparison):
            every = f"All {want.size} entries are right."
            return correct(every if want.size > 1 else "That is the value.", tolerance=tolerance)
        mistake = self._mistake(answer, key)
        if mistake is not None:
            return wrong(mistake.note, mistake.say, tolerance=tolerance, witness=_first(answer, want, key))
        if answer.shape != want.shape:
            message = f"That is {shape_in_words(answer.shape)}; {shape_in_words(want.shape)} is asked for."
            witness = {"got_shape": list(answer.shape), "expected_shape": list(want.shape)}
            return wrong("shape", message, witness=witness, tolerance=tolerance)
        return _wrong_entries(answer, want, key, tolerance)

    def _mistake(self, answer: Array, key: Key) -> Mistake | None:
        for mistake in key.part.mistakes:
            known = Array.of(key.value(mistake.value))
            if squeezed(known.shape) == squeezed(answer.shape) and not differing(answer.flat(), known.flat(), MISTAKE):
                found: Mistake = mistake
                return found
        return None


class Number(Tensor):
    """One number."""

    def read(self, text: str, key: Key) -> Array:
        """The number in a text."""
        found = read_tensor(text)
        if found.size != 1:
            raise Unreadable(f"one number is asked for, here are {found.size}", 0, len(text))
        return Array(found.dtype, (), found.data)


def _first(answer: Array, want: Array, key: Key) -> dict[str, Any]:
    """The first entry that differs, where the shapes agree."""
    if answer.shape != want.shape:
        return {}
    got, wanted = answer.flat(), want.flat()
    place = differing(got, wanted, key.part.comparison)[0]
    return {"index": index_of(place, want.shape), "got": got[place], "expected": wanted[place]}


def _wrong_entries(answer: Array, want: Array, key: Key, tolerance: str) -> Verdict:
    got, wanted = answer.flat(), want.flat()
    bad = differing(got, wanted, key.part.comparison)
    witness = _first(answer, want, key)
    right = want.size - len(bad)
    witness |= {"right": right, "of": want.size}
    where = ordinal(witness["index"])
    mine, right_one = apart(witness["got"], witness["expected"])
    message = f"{where[0].upper()}{where[1:]} should be {right_one}, not {mine}."
    if want.size > 1:
        message += f" {right} of {want.size} entries are right."
    note = "wrong-entries" if want.size > 1 else "wrong-value"
    if len(set(wanted)) == want.size > 1 and sorted(got) == sorted(wanted):
        note, message = "order", f"{message} The numbers are the right ones, in another order."
    elif all(close(-a, b, key.part.comparison) for a, b in zip(got, wanted, strict=True)):
        note, message = "sign", f"{message} All of them have the wrong sign."
    return wrong(note, message, witness=witness, tolerance=tolerance, figure=_mask(want.shape, set(bad)))


def _mask(shape: tuple[int, ...], bad: set[int]) -> Heatmap | None:
    """Which entries are right (1) and which are not (0), for a vector or a matrix."""
    if len(shape) not in (1, 2) or math.prod(shape) < 2:
        return None
    rows, columns = (1, *shape)[-2:]
    mask = [[0.0 if row * columns + column in bad else 1.0 for column in range(columns)] for row in range(rows)]
    labels = tuple(map(str, range(1, columns + 1)))
    names = tuple(map(str, range(1, rows + 1))) if rows > 1 else ("entry",)
    return Heatmap("mask", "Right entries are 1, wrong ones 0", Array.of(mask), names, labels)


# -- reading


def read_tensor(text: str) -> Array:
    """The numbers in a text as an array.

    Raises:
        Unreadable: at the first thing that is no number, at rows of unequal length, or beyond the bounds.
    """
    if not text.strip():
        raise Unreadable("nothing is written here yet", 0)
    rows = _Scanner(text).rows()
    try:
        return Array.of(rows)
    except ValueError:
        lengths = [len(row) for row in rows if isinstance(row, list)]
        detail = f" ({', '.join(map(str, lengths[:8]))} numbers)" if len(set(lengths)) > 1 else ""
        raise Unreadable(f"the rows are not equally long{detail}", 0, len(text)) from None


class _Scanner:
    """Reads nested lists of numbers; commas, blanks, semicolons and line ends part them."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0
        self.count = 0

    def rows(self) -> Any:
        """The whole text: a number, a list, or rows parted by `;` or line ends."""
        items = self.items("")
        return items[0] if len(items) == 1 and isinstance(items[0], list) else items if len(items) > 1 else items[0]

    def items(self, closing: str, depth: int = 0) -> list[Any]:
        """Entries up to the closing bracket. Entries parted by `;` or line ends make rows if there are several."""
        if depth > MAX_DEPTH:
            raise Unreadable(f"brackets are nested more than {MAX_DEPTH} deep", self.place)
        began = self.place
        rows: list[list[Any]] = [[]]
        while True:
            char = self.skip()
            if char == closing or not char:
                if char != closing:
                    raise Unreadable(f"the bracket opened here is not closed; '{closing}' is missing", began - 1)
                self.place += bool(char)
                break
            if char in ";\n":
                self.place += 1
                if rows[-1]:
                    rows.append([])
            elif char in _OPEN and not self.formula_begins():
                self.place += 1
                rows[-1].append(self.items(_CLOSE[_OPEN.index(char)], depth + 1))
            elif char in _CLOSE:
                raise Unreadable(f"'{char}' closes no bracket", self.place)
            else:
                rows[-1].append(self.entry())
        return self.joined([row for row in rows if row], began)

    def joined(self, rows: list[list[Any]], began: int) -> list[Any]:
        """Rows as one list: `1; 4; 3` is a vector, `1 2; 3 4` a matrix."""
        if not rows:
            raise Unreadable("there is no number in these brackets", max(began - 1, 0))
        if len(rows) == 1:
            return rows[0]
        if all(len(row) == 1 for row in rows):
            return [row[0] for row in rows]
        return list(rows)

    def skip(self) -> str:
        """The next character that means something, "" at the end. A line that ends in a comma goes on."""
        after_comma = False
        while self.place < len(self.text):
            char = self.text[self.place]
            if char == ",":
                if after_comma:
                    raise Unreadable("a number is missing between two commas", self.place)
                after_comma = True
            elif (char == "\n" and not after_comma) or not char.isspace():
                return char
            self.place += 1
        return ""

    def formula_begins(self) -> bool:
        """Whether the bracket here belongs to one number, as in (1+2)/4: a sign of arithmetic stands right behind."""
        end, depth = self.place, 0
        while self.text[self.place] == "(" and end < len(self.text):
            depth += (self.text[end] == "(") - (self.text[end] == ")")
            end += 1
            if not depth:
                return self.text[end : end + 1] in _ARITHMETIC
        return False

    def entry(self) -> float | int:
        """One number: a literal, or a small formula without blanks such as 3/4 or sqrt(2)."""
        self.count += 1
        if self.count > MAX_ENTRIES:
            raise Unreadable(f"more than {MAX_ENTRIES} numbers", self.place)
        end = self.place
        depth = 0
        while end < len(self.text):
            char = self.text[end]
            depth += (char == "(") - (char == ")")
            if depth < 0 or (not depth and (char.isspace() or char in ",;[]{}⟨⟩")):
                break
            end += 1
        start, self.place = self.place, end
        return _value(self.text[start:end], start)


def _value(word: str, start: int) -> float | int:
    """The value of one entry."""
    plain = word.replace("−", "-")
    if plain.lower() in _INFINITY:
        return _INFINITY[plain.lower()]
    if _NUMBER.fullmatch(plain) and len(plain) <= 40:
        value = float(plain)
        if math.isinf(value):
            raise Unreadable(f"{describe(word)} is too large for a number", start, len(word))
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    from workbench.answers.formula import Undecidable, read
    from workbench.answers.formula.growth import evaluate
    from workbench.answers.formula.growth.constants import Constants

    try:
        tree = read(word, ()).tree
        # A fraction is the float nearest to it; `evaluate` goes through logarithms and may be a bit off.
        fraction = Constants().value(tree)
        return evaluate(tree, {}) if fraction is None else float(fraction)
    except Unreadable as error:
        at = min(start + error.position, start + len(word) - 1)
        raise Unreadable(f"{describe(word)} is not a number: {error.message}", at, error.length) from None
    except Undecidable as error:
        raise Unreadable(f"{describe(word)} has no value: {error.message}", start, len(word)) from None


# -- words


def squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without its sizes of one: a row, a column and a vector are typed alike."""
    return tuple(size for size in shape if size != 1)


def shape_in_words(shape: tuple[int, ...]) -> str:
    """A shape as a person says it."""
    if not shape:
        return "one number"
    if len(shape) == 1:
        return f"a vector of {shape[0]} number{'s' * (shape[0] != 1)}"
    if len(shape) == 2:
        return f"a matrix of {shape[0]} rows and {shape[1]} columns"
    return f"a tensor of shape {' × '.join(map(str, shape))}"


def written(array: Array, digits: int = 6) -> str:
    """An array on one line, in brackets."""

    def write(value: Any) -> str:
        if isinstance(value, list):
            return f"[{', '.join(map(write, value))}]"
        if isinstance(value, bool):
            return str(int(value))
        if value == int(value) and abs(value) < 1e15 if math.isfinite(value) else False:
            return str(int(value))
        return f"{value:.{digits}g}"

    return write(array.tolist())
