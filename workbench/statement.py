"""Statements as terminal text: Markdown with LaTeX in it, and the data of a variant.

Formulas that fit on one line stand in their sentence; taller ones, and those between `$$`, stand on lines of
their own. What the layouter cannot draw faithfully is shown as its source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from rich.cells import cell_len
from rich.text import Text

from engines.fields import limits_of
from workbench.glyphs import sign, to_ascii
from workbench.maths import Box, Unsupported, beside, inline, layout, matrix, stack, text_box
from workbench.spec.exercise import GIVEN

INDENT = 2
GAP = "   "


@dataclass(frozen=True)
class Ink:
    """Styles for what a statement marks, as rich understands them."""

    strong: str = "bold"
    emphasis: str = "italic"
    code: str = "bold"
    heading: str = "bold underline"
    formula: str = ""


PLAIN = Ink()


def draw_markdown(
    source: str, width: int, *, ascii_only: bool = False, given: Text | None = None, ink: Ink = PLAIN
) -> Text:
    """A Markdown text as lines of at most `width` cells; `{{given}}` becomes the data drawn before.

    A display formula wider than that is not cut: whoever shows it scrolls.
    """
    page = _Page(max(width, 10), ascii_only, ink)
    before, mark, after = source.partition(f"{{{{{GIVEN}}}}}")
    page.blocks(_parser().parse(before))
    if mark and given is not None:
        page.paste(given)
    if after.strip():
        page.blocks(_parser().parse(after))
    return page.text()


@cache
def _parser() -> Any:
    """CommonMark with $…$; made on first use, for it takes 40 ms to import."""
    from markdown_it import MarkdownIt
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    return MarkdownIt("commonmark", {"html": False}).use(dollarmath_plugin, double_inline=True, allow_space=True)


# -- inline text: words that are kept whole, each made of styled pieces


@dataclass
class _Word:
    """What is not broken over lines; `space` is whether a blank may stand before it."""

    pieces: list[tuple[str, str]] = field(default_factory=list)
    space: bool = False

    @property
    def cells(self) -> int:
        return sum(cell_len(text) for text, _ in self.pieces)


class _Display(str):
    """A formula that has to stand on lines of its own."""

    __slots__ = ()


class _Whole(str):
    """A piece of text that is not broken at its blanks."""

    __slots__ = ()


class _Page:
    """Lines of text as they are set, block after block."""

    def __init__(self, width: int, ascii_only: bool, ink: Ink) -> None:
        self.width = width
        self.ascii_only = ascii_only
        self.ink = ink
        self.lines: list[Text] = []

    def text(self) -> Text:
        """Everything set so far."""
        while self.lines and not self.lines[-1].plain.strip():
            self.lines.pop()
        return Text("\n").join(self.lines)

    def gap(self) -> None:
        """A blank line between blocks."""
        if self.lines and self.lines[-1].plain.strip():
            self.lines.append(Text())

    def paste(self, text: Text) -> None:
        """Lines that are set already."""
        self.gap()
        self.lines += text.split("\n", allow_blank=True)
        self.gap()

    def plain(self, line: str, style: str = "", indent: int = 0) -> None:
        """One line as it stands."""
        shown = to_ascii(line) if self.ascii_only else line
        self.lines.append(Text((" " * indent + shown).rstrip(), style=style))

    # -- blocks

    def blocks(self, tokens: Sequence[Any]) -> None:
        """Set a stream of Markdown tokens."""
        lists: list[str] = []  # what the next item of each open list begins with
        mark, style = "", ""
        for token in tokens:
            indent = INDENT * len(lists)
            if token.type in ("bullet_list_open", "ordered_list_open"):
                start = f"{token.attrs.get('start', 1)}. " if token.type[0] == "o" else f"{sign('bullet')} "
                self.gap_outside(lists)
                lists.append(start)
            elif token.type in ("bullet_list_close", "ordered_list_close"):
                lists.pop()
                self.gap_outside(lists)
            elif token.type == "list_item_open":
                mark = lists[-1]
                if mark[0].isdigit():
                    lists[-1] = f"{int(mark[:-2]) + 1}. "
            elif token.type in ("paragraph_open", "heading_open"):
                self.gap_outside(lists)
                style = self.ink.heading if token.type[0] == "h" else ""
            elif token.type == "inline":
                self.inline(token.children or [], indent, mark, style)
                mark = ""
            else:
                self.verbatim(token, indent)

    def gap_outside(self, lists: list[str]) -> None:
        """A blank line, unless a list is open."""
        if not lists:
            self.gap()

    def verbatim(self, token: Any, indent: int) -> None:
        """What is not filled into lines: programs and display formulas."""
        if token.type in ("fence", "code_block"):
            self.gap()
            for line in token.content.rstrip("\n").split("\n"):
                self.plain(line, self.ink.code, indent + INDENT)
            self.gap()
        elif token.type.startswith("math_block"):
            self.display(token.content, indent)

    def inline(self, children: Sequence[Any], indent: int, mark: str, style: str) -> None:
        """A paragraph: words filled into lines, interrupted by display formulas."""
        words: list[_Word] = []
        hang = indent + cell_len(mark) - (INDENT if mark else 0)
        for item in self._items(children, style):
            if isinstance(item, _Display):
                self.fill(words, hang, mark)
                words, mark = [], ""
                self.display(item, hang)
            else:
                words.append(item)
        self.fill(words, hang, mark)

    def _items(self, children: Sequence[Any], style: str) -> Iterator[_Word | _Display]:
        """The words of inline tokens; pieces that touch are one word."""
        word = _Word()
        for text, ink in self._pieces(children, style):
            if isinstance(text, _Display):
                if word.pieces:
                    yield word
                word = _Word()
                yield text
                continue
            # A formula or a piece of code is never broken; other text is broken at its blanks.
            parts = [text] if isinstance(text, _Whole) else text.replace("\n", " ").split(" ")
            for i, part in enumerate(parts):
                if i and word.pieces:
                    yield word
                    word = _Word()
                word.space = word.space or (i > 0 and not word.pieces)
                if part:
                    # Before lines are filled: a sign may be wider in ASCII.
                    word.pieces.append((to_ascii(part) if self.ascii_only else str(part), ink))
        if word.pieces:
            yield word

    def _pieces(self, children: Sequence[Any], style: str) -> Iterator[tuple[str, str]]:
        """Texts with their styles; what must stay whole is a `_Whole`, what stands apart a `_Display`."""
        styles = [style]
        for token in children:
            if token.type in ("strong_open", "em_open"):
                mark = self.ink.strong if token.type == "strong_open" else self.ink.emphasis
                styles.append(f"{styles[-1]} {mark}".strip())
            elif token.type in ("strong_close", "em_close"):
                styles.pop()
            elif token.type == "math_inline":
                line = self.one_line(token.content)
                yield (_Display(token.content), "") if line is None else (_Whole(line), styles[-1] or self.ink.formula)
            elif token.type.startswith("math_"):
                yield _Display(token.content), ""
            elif token.type == "code_inline":
                yield _Whole(token.content), self.ink.code
            elif token.type in ("softbreak", "hardbreak"):
                yield " ", ""
            elif token.content:
                yield token.content, styles[-1]

    def one_line(self, source: str) -> str | None:
        """A formula as it stands in a sentence; its source where it cannot be drawn."""
        try:
            return inline(source.strip(), ascii_only=self.ascii_only)
        except Unsupported:
            return f"${source}$"

    def display(self, source: str, indent: int) -> None:
        """A formula on lines of its own."""
        try:
            box = layout(" ".join(source.split()), ascii_only=self.ascii_only)
        except Unsupported:
            box = text_box(source.strip())
        if box.height > 1:
            self.gap()
        for line in box.lines:
            self.plain(line, self.ink.formula, indent + INDENT)
        if box.height > 1:
            self.gap()

    def fill(self, words: list[_Word], hang: int, mark: str) -> None:
        """Words into lines of the page's width; the first begins with the mark of a list item."""
        if not words:
            return
        shown_mark = to_ascii(mark) if self.ascii_only else mark
        line = Text(" " * (hang - cell_len(mark)) + shown_mark)
        used = hang
        fresh = True
        for word in words:
            blank = word.space and not fresh
            if not fresh and used + blank + word.cells > self.width and word.space:
                self.lines.append(line)
                line, used, blank = Text(" " * hang), hang, False
            line.append(" " * blank)
            used += blank
            for text, style in word.pieces:
                line.append(text, style or None)
            used += word.cells
            fresh = False
        self.lines.append(line)


# -- the data of a variant


def draw_given(given: Mapping[str, Any], record: type[Any], width: int, *, ascii_only: bool = False) -> Text:
    """The data of a question: vectors and matrices in brackets, side by side where they fit, tables, numbers."""
    boxes: list[Box] = []
    tables: list[Text] = []
    facts: list[str] = []
    for name, value in given.items():
        label = _label(name, record)
        if isinstance(value, Mapping):
            tables.append(_table(value, ascii_only))
        elif isinstance(value, list) and value and all(isinstance(item, list) for item in value):
            boxes.append(_labelled(label, matrix([[_number(x) for x in row] for row in value], ascii_only=ascii_only)))
        elif isinstance(value, list) and value and not isinstance(value[0], str):
            boxes.append(_labelled(label, matrix([[_number(x) for x in value]], ascii_only=ascii_only)))
        else:
            facts.append(f" {label}: {', '.join(map(_number, value)) if isinstance(value, list) else _number(value)}")
    lines = [*_side_by_side(boxes, width)]
    out = Text("\n".join(lines))
    for block in [*tables, Text("\n".join(facts))]:
        if out.plain and block.plain:
            out.append("\n\n")
        out.append_text(block)
    if ascii_only:
        return Text(to_ascii(out.plain))
    return out


def _label(name: str, record: type[Any]) -> str:
    """What a parameter is called for a student: the words before the first bracket of its help."""
    specs = {spec.name: spec for spec in record.__dataclass_fields__.values()}
    text = limits_of(specs[name]).help if name in specs else ""
    return text.partition(" (")[0] or name.replace("_", " ")


def _labelled(label: str, box: Box) -> Box:
    return stack([text_box(label), box], 1 + box.base)


def _side_by_side(boxes: list[Box], width: int) -> Iterator[str]:
    """Boxes in rows as long as the page is wide."""
    row: list[Box] = []
    for box in [*boxes, None]:
        used = sum(item.width + len(GAP) for item in row)
        if row and (box is None or used + box.width > width - 1):
            tallest = max(item.height for item in row)
            tops = [Box(item.lines + (" " * item.width,) * (tallest - item.height), 0) for item in row]
            joined = beside([piece for item in tops for piece in (text_box(" "), item, text_box(GAP[1:]))])
            yield from (line.rstrip() for line in joined.lines)
            row = []
        if box is not None:
            row.append(box)


def _table(rows: Mapping[str, Mapping[str, float]], ascii_only: bool) -> Text:
    """A mapping of mappings as a table: one row a key."""
    columns = list(next(iter(rows.values())))
    first = max(len("after"), *(len(key or "(start)") for key in rows))
    widths = [max(len(column), 6) for column in columns]
    rule = "-" if ascii_only else "─"
    head = "after".ljust(first) + "".join(f"  {column:>{size}}" for column, size in zip(columns, widths, strict=True))
    lines = [head, rule * len(head)]
    for key, row in rows.items():
        cells = (f"{row[column]:.2f}".replace("-", "-" if ascii_only else "−") for column in columns)
        numbers = "".join(f"  {cell:>{size}}" for cell, size in zip(cells, widths, strict=True))
        lines.append(f"{key or '(start)':<{first}}{numbers}")
    return Text("\n".join(" " + line for line in lines))


def _number(value: Any) -> str:
    return f"{value:g}".replace("-", "−") if type(value) in (int, float) else str(value)


# -- options


def option_lines(
    part: Any,
    variant: int,
    width: int,
    *,
    ascii_only: bool = False,
    chosen: Callable[[str], bool] = lambda _: False,
    ink: Ink = PLAIN,
) -> list[Text]:
    """The options of a choice, one block of text each, in the order in which this variant shows them."""
    if not hasattr(part, "options"):
        return []
    from engines.randomness import Draws

    options = list(part.options)
    if part.shuffle:
        Draws(variant).stream(f"order of {part.id}").shuffle(options)
    many = part.select == "many"
    signs = ("unticked", "ticked") if many else ("unchosen", "chosen")
    ids = [to_ascii(option.id) if ascii_only else option.id for option in options]
    room = max(10, *map(cell_len, ids))
    out = []
    for option, shown in zip(options, ids, strict=True):
        mark = sign(signs[chosen(option.id)], ascii_only=ascii_only)
        body = draw_markdown(option.text, width - room - 6, ascii_only=ascii_only, ink=ink)
        lines = body.split("\n", allow_blank=True)
        block = Text(f"{mark} {shown}{' ' * (room - cell_len(shown))} ")
        block.append_text(lines[0])
        for line in lines[1:]:
            block.append("\n" + " " * (room + 3))
            block.append_text(line)
        out.append(block)
    return out
