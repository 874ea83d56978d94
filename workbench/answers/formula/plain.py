r"""From what was typed to plain text with few signs, remembering where each character came from.

`\mathbf{W}_1`, `W₁` and `W_{1}` all become `W_1`; `x²` becomes `x^{2}`; `\sigma` becomes `σ`. Every
character of the plain text knows its place in the typed text, so that an error points into the latter.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Final

from workbench.answers.formula.errors import Unreadable
from workbench.answers.formula.vocabulary import (
    CHARACTERS,
    COMMANDS,
    FONTS,
    GREEK,
    SIZES,
    SUBSCRIPTS,
    SUPERSCRIPTS,
)

_COMMAND: Final = re.compile(r"\\([A-Za-z]+|.)?", re.DOTALL)
# A subscript in brackets, which may hold one word in a font: d_{\text{model}}, v_{t-1}, S_(i-1).
_BRACED: Final = re.compile(r"_\s*\{((?:[^{}]|\\[a-z]+\s*\{[^{}]*\})*)\}")
_PARENTHESISED: Final = re.compile(r"_\(([\w+\-, ]*)\)")
_FONT_IN_SUBSCRIPT: Final = re.compile(r"\\(?:" + "|".join(sorted(FONTS)) + r")\s*\{([^{}]*)\}")
_GREEK_IN_SUBSCRIPT: Final = re.compile(r"\\(" + "|".join(sorted(GREEK, key=len, reverse=True)) + r")(?![a-z])")


@dataclass
class Plain:
    """Plain text and, for each of its characters, where the typed text has it: from `starts` to `ends`."""

    text: str = ""
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    def add(self, text: str, start: int, end: int) -> None:
        """Append characters that all stand for the typed text from `start` to `end`."""
        self.text += text
        self.starts += [start] * len(text)
        self.ends += [end] * len(text)


def plain(text: str, start: int = 0, stop: int | None = None) -> Plain:
    """The plain form of `text[start:stop]`.

    Raises:
        Unreadable: at a character or a LaTeX command that no formula has.
    """
    out = Plain()
    stop = len(text) if stop is None else stop
    dropped: set[int] = set()  # closing braces of fonts
    at = start
    while at < stop:
        if at in dropped:
            at += 1
        elif text[at] == "\\":
            at = _command(text, at, stop, out, dropped)
        elif text[at] == "_":
            at = _subscript(text, at, stop, out)
        elif text[at] in SUPERSCRIPTS or text[at] in SUBSCRIPTS:
            at = _small(text, at, stop, out)
        else:
            out.add(_character(text[at], at), at, at + 1)
            at += 1
    return out


def _character(char: str, at: int) -> str:
    if char.isspace():
        return " "
    if char in CHARACTERS:
        return CHARACTERS[char]
    if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn"):
        raise Unreadable(f"an invisible character (U+{ord(char):04X}) cannot be read here", at)
    # 𝑁, Ｎ and ϕ are N, N and φ in other clothes; ① is no 1
    form = unicodedata.decomposition(char)
    if form.startswith("<") and not form.startswith(("<font>", "<wide>", "<narrow>", "<compat>")):
        return char
    simple = unicodedata.normalize("NFKC", char)
    return simple if len(simple) == 1 else char


def _command(text: str, at: int, stop: int, out: Plain, dropped: set[int]) -> int:
    r"""A LaTeX command at `at`; returns where to go on."""
    found = _COMMAND.match(text, at, stop)
    assert found is not None
    word, end = found[1], found.end()
    if word in FONTS:
        return _font(text, end, stop, dropped)
    if word in SIZES:
        dot = re.compile(r"\s*\.").match(text, end, stop)
        return dot.end() if dot else end
    if word not in COMMANDS:
        shown = found[0] if found[0].isprintable() else "\\"
        raise Unreadable(f"'{shown}' is not known here", at, end - at)
    if COMMANDS[word] == "_":
        return _subscript(text, end - 1, stop, out)
    out.add(COMMANDS[word], at, end)
    return end


def _font(text: str, at: int, stop: int, dropped: set[int]) -> int:
    r"""The braces of `\mathbf{W}` vanish with the command, so that `\mathbf{W}_1` is one name."""
    while at < stop and (text[at].isspace() or text[at] == "*"):
        at += 1
    if at >= stop or text[at] != "{":
        return at
    depth = 0
    for end in range(at, stop):
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        if not depth:
            dropped.add(end)
            return at + 1
    raise Unreadable("the brace opened here is never closed", at)


def _subscript(text: str, at: int, stop: int, out: Plain) -> int:
    found = _BRACED.match(text, at, stop) or _PARENTHESISED.match(text, at, stop)
    if not found:
        out.add("_", at, at + 1)
        return at + 1
    inner = _FONT_IN_SUBSCRIPT.sub(r"\1", found[1])
    inner = _GREEK_IN_SUBSCRIPT.sub(lambda word: GREEK[word[1]], inner).replace("\\_", "_")
    inner = re.sub(r"\s", "", inner.translate(str.maketrans("−–", "--")))
    if not re.fullmatch(r"[\w+\-,']+", inner):
        raise Unreadable("a subscript is made of letters and digits, as in d_{model}", at, found.end() - at)
    out.add(_joined(inner), at, found.end())
    return found.end()


def _joined(subscript: str) -> str:
    return f"_{subscript}" if subscript.isalnum() else f"_{{{subscript}}}"


def _small(text: str, at: int, stop: int, out: Plain) -> int:
    """A run of raised or lowered characters; raised ᵀ stands by itself, A⁻¹ᵀ being (A⁻¹)ᵀ."""
    table = SUPERSCRIPTS if text[at] in SUPERSCRIPTS else SUBSCRIPTS
    end = at + 1
    while end < stop and text[end] in table and not (text[end] == "ᵀ" and text[end - 1] != "⁻"):
        if text[end - 1] == "ᵀ":
            break
        end += 1
    inner = "".join(table[char] for char in text[at:end])
    out.add(f"^{{{inner}}}" if table is SUPERSCRIPTS else _joined(inner), at, end)
    return end
