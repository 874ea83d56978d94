"""The list of exercises."""

from __future__ import annotations

from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from workbench.catalog.view import Entry
from workbench.glyphs import sign
from workbench.tui.widgets.lines import Lines, cut


class ExerciseList(Lines, can_focus=True):
    """Entries under headings; the cursor stays on entries."""

    DEFAULT_CSS = "ExerciseList { height: 1fr; }"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "down", show=False),
        Binding("up,k", "move(-1)", "up", show=False),
        Binding("pagedown", "page(1)", "page down", show=False),
        Binding("pageup", "page(-1)", "page up", show=False),
        Binding("home,g", "move(-1000000)", "first", show=False),
        Binding("end,G", "move(1000000)", "last", show=False),
        Binding("enter", "open", "open", show=False),
    ]

    class Moved(Message):
        """The cursor is on another exercise."""

    class Opened(Message):
        """An exercise was chosen."""

        def __init__(self, entry: Entry) -> None:
            super().__init__()
            self.entry = entry

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[Entry] = []
        self.cursor = -1

    @property
    def current(self) -> Entry | None:
        """The entry under the cursor."""
        return self.entries[self.cursor] if 0 <= self.cursor < len(self.entries) else None

    def show(self, entries: list[Entry], exercise_id: str = "") -> None:
        """Show other entries, the cursor on the exercise named, else where it was, else on the first."""
        wanted = exercise_id or (self.current.exercise_id if self.current else "")
        self.entries = entries
        places = [i for i, entry in enumerate(entries) if entry.row]
        at = [i for i in places if entries[i].exercise_id == wanted]
        self.cursor = (at or places or [-1])[0]
        self.keep_in_view()
        self.refresh()

    # -- drawing

    def count(self) -> int:
        """Entries and headings."""
        return len(self.entries)

    def line_style(self, index: int) -> Style:
        """The cursor's line stands out."""
        return self.ink.cursor if index == self.cursor else self.ink.text

    def line(self, index: int, width: int) -> Text:
        """A heading, or an exercise with what is done of it."""
        entry = self.entries[index]
        if entry.row is None:
            return cut(Text(f" {entry.heading}", style=self.ink.primary), width)
        here = index == self.cursor
        row = entry.row
        mark = sign(entry.status, ascii_only=self.ink.ascii_only)
        pointer = sign("cursor", ascii_only=self.ink.ascii_only) if here else " "
        out = Text(f" {pointer} ")
        out.append(mark, None if here else self.ink.status(entry.status))
        if row["broken"]:
            out.append(f" {row['id']}: {row['broken'][0]}")
            return cut(out, width)
        facts = f"{entry.solved}/{len(row['parts'])}  {'*' * row['difficulty']:<5} {row['minutes']:>3} min "
        title = cut(Text(f" {row['title']}"), max(8, width - len(facts) - 5))
        out.append_text(title)
        out.append(" " * max(1, width - out.cell_len - len(facts)))
        out.append(facts, None if here else self.ink.muted)
        return cut(out, width)

    # -- moving

    def action_move(self, by: int) -> None:
        """Move the cursor by entries, not by lines."""
        places = [i for i, entry in enumerate(self.entries) if entry.row]
        if not places:
            return
        at = places.index(self.cursor) if self.cursor in places else 0
        self.place_cursor(places[max(0, min(at + by, len(places) - 1))])

    def action_page(self, by: int) -> None:
        """Move the cursor by a screenful."""
        self.action_move(by * max(1, self.size.height - 2))

    def place_cursor(self, index: int) -> None:
        """Put the cursor on an entry and draw the two lines that change."""
        if index == self.cursor:
            return
        old, self.cursor = self.cursor, index
        if self.keep_in_view():
            self.refresh()
        else:
            self.refresh_line(old)
            self.refresh_line(index)
        self.post_message(self.Moved())

    def keep_in_view(self) -> bool:
        """Move the window so that the cursor, and a heading above it, are in it; whether it moved."""
        height = self.size.height or 1
        first = self.cursor - 1 if self.cursor > 0 and self.entries[self.cursor - 1].row is None else self.cursor
        top = min(self.top, max(0, first))
        if self.cursor >= top + height:
            top = self.cursor - height + 1
        top = max(0, min(top, max(0, self.count() - height)))
        moved, self.top = top != self.top, top
        return moved

    def action_open(self) -> None:
        """Choose the exercise under the cursor."""
        if self.current is not None:
            self.post_message(self.Opened(self.current))

    def on_click(self, event: events.Click) -> None:
        """A click puts the cursor there; a second one opens."""
        index = self.top + event.y
        if 0 <= index < len(self.entries) and self.entries[index].row:
            if index == self.cursor:
                self.action_open()
            self.place_cursor(index)

    def on_resize(self, event: events.Resize) -> None:
        """Keep the cursor in the window."""
        del event
        self.keep_in_view()
        self.refresh()
