"""The first screen: exercises by topic or by assignment, what is done of them, search and filters."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual import events, on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.timer import Timer
from textual.widget import Widget

from workbench import paths
from workbench.catalog import Catalog
from workbench.catalog.view import GROUPINGS, Entry, View, counts, entries
from workbench.glyphs import sign
from workbench.progress.summary import last_exercise, solved
from workbench.tui.screens import Keys, WorkbenchScreen
from workbench.tui.widgets.lines import Lines, cut
from workbench.tui.widgets.listing import ExerciseList

if TYPE_CHECKING:
    from workbench.catalog.index import Row

NOTICED_SECONDS = 0.25

# From this height on, details have a line for each part.
TALL = 12


class Details(Lines):
    """What there is to know of the exercise under the cursor."""

    def __init__(self) -> None:
        super().__init__()
        self.is_told = False  # before the list is read, nothing can be said to be missing from it
        self.entry: Entry | None = None
        self.shares: dict[str, float] = {}
        self.origin = ""
        self.lines: list[Text] = []

    def show(self, entry: Entry | None, shares: dict[str, float], origin: str) -> None:
        """Show another exercise."""
        self.is_told, self.entry, self.shares, self.origin = True, entry, shares, origin
        self.lines = self._make()
        self.refresh()

    def _make(self) -> list[Text]:
        entry = self.entry
        if entry is None or entry.row is None:
            return [Text(" no exercise here; esc clears the search", style=self.ink.muted)]
        row = entry.row
        if row["broken"]:
            return [Text(f" {row['file']} cannot be used", style=self.ink.status("broken")),
                    *(Text(f" {problem}") for problem in row["broken"])]  # fmt: skip
        facts = f" {row['minutes']} min, difficulty {row['difficulty']} of 5, {row['points']:g} points"
        heading = Text(f" {row['id']}", style=self.ink.primary)
        if self.size.height <= 1:
            return [Text.assemble(heading, "  ", self._parts(row))]
        tags = Text(f" {', '.join(row['tags'])}", style=self.ink.muted)
        origin = [Text(f" {self.origin or 'no source given'}", style=self.ink.muted)]
        erratum = Text(" its published solution has an erratum", style=self.ink.muted)
        if self.size.height < TALL:
            if row["erratum"]:
                origin[0].append(", erratum")
            return [heading, Text(facts), self._parts(row), tags, *origin]
        facts_of = {part["id"]: f" {part['id']:<18} {part['kind']:<12} {part['points']:g} pt" for part in row["parts"]}
        parts = [Text.assemble(" ", self._sign(part), text) for part, text in facts_of.items()]
        needs = [Text(f" do before: {', '.join(row['needs'])}")] if row["needs"] else []
        return [
            heading,
            Text(f" {row['title']}"),
            Text(),
            Text(facts),
            *needs,
            Text(),
            *parts,
            Text(),
            tags,
            *origin,
            *([erratum] if row["erratum"] else []),
        ]

    def _sign(self, part: str) -> Text:
        """How a part stands."""
        done = self.shares.get(part)
        status = "open" if done is None else "done" if done >= 1 else "partly"
        return Text(sign(status, ascii_only=self.ink.ascii_only), style=self.ink.status(status))

    def _parts(self, row: Row) -> Text:
        """All parts on one line."""
        out = Text(" ")
        for part in row["parts"]:
            out.append_text(self._sign(part["id"]))
            out.append(f" {part['id']}  ")
        return out

    def count(self) -> int:
        """One line a fact."""
        return len(self.lines)

    def line(self, index: int, width: int) -> Text:
        """One fact."""
        return cut(self.lines[index], width)

    def on_resize(self, event: events.Resize) -> None:
        """Make it fit."""
        del event
        if self.is_told:
            self.lines = self._make()
        self.refresh()


class CatalogScreen(WorkbenchScreen):
    """The list of exercises."""

    DEFAULT_CSS = """
    CatalogScreen #panes { layout: vertical; height: 1fr; }
    CatalogScreen Details { height: 5; }
    CatalogScreen.-low Details { height: 1; }
    CatalogScreen.-wide #panes { layout: horizontal; }
    CatalogScreen.-wide Details { width: 44%; height: 1fr; margin: 1 0 0 2; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "search", show=False),
        Binding("a", "group", "by topic or assignment", show=False),
        Binding("f", "filter", "filter", show=False),
        Binding("t", "theme", "theme", show=False),
        Binding("r", "reload", "read the files again", show=False),
        Binding("escape", "clear", "clear", show=False),
        Binding("q", "app.quit", "quit", show=False),
    ]
    KEYS: ClassVar[tuple[tuple[str, Keys], ...]] = (
        ("the list", (("up down", "move"), ("enter", "open"), ("/", "search titles, tags and statements"),
                      ("a", "by topic or by assignment"), ("f", "all, open, partly, done"))),
        ("the rest", (("t", "next theme"), ("r", "read the files again"), ("ctrl+l", "draw the screen again"),
                      ("ctrl+z", "suspend"), ("q", "quit"))),
    )  # fmt: skip
    BAR: ClassVar[Keys] = (("enter", "open"), ("/", "search"), ("a", "group"), ("f", "filter"), ("t", "theme"),
                           ("?", "help"), ("q", "quit"))  # fmt: skip
    SEARCHING: ClassVar[Keys] = (("type", "to search"), ("enter", "keep"), ("esc", "clear"))

    def __init__(self) -> None:
        super().__init__()
        self.listing = ExerciseList()
        self.details = Details()
        self.view = View()
        self.shares: dict[str, dict[str, float]] = {}
        self.searching = False
        self.was_left = False
        self.slow: Timer | None = None
        self.catalog: Catalog | None = None

    def content(self) -> Iterator[Widget]:
        """List and details."""
        yield Horizontal(self.listing, self.details, id="panes")
        yield self.message_line

    def on_mount(self) -> None:
        """Show the list at once as it was compiled last, and see in the background whether it still holds."""
        grouping = self.workbench.settings.grouping
        self.view = View(grouping=grouping if grouping in GROUPINGS else "topic")
        self.key_bar.show(self.BAR)
        self.set_focus(self.listing)
        self.shares, warning = solved(paths.progress_file())
        if warning:
            self.say(warning, "error")
        last = last_exercise(paths.progress_file())
        self.catalog = Catalog.as_stored()
        if self.catalog is None:
            self.read_files(last)
        else:
            self.fill(last)
            self.call_after_refresh(self.in_background, self.catalog.is_fresh, self.looked_at_files)
        if self.workbench.theme_problems:
            self.say(self.workbench.theme_problems[0], "error")

    def looked_at_files(self, is_fresh: Any) -> None:
        """The list that is shown was compiled before: read what has changed since."""
        if is_fresh is not True:
            self.read_files()

    def read_files(self, exercise_id: str = "") -> None:
        """Compile the list in the background, and show it then."""
        self.title_bar.show("workbench", "reading exercises")

        def show(found: Any) -> None:
            self.catalog = found
            self.fill(exercise_id)

        self.in_background(Catalog, show)

    def fill(self, exercise_id: str = "") -> None:
        """Show the list as it is to be looked at."""
        if self.catalog is None:
            return
        found = entries(self.catalog, self.shares, self.view)
        self.listing.show(found, exercise_id)
        self.describe_current()
        self.show_title(found)

    def show_title(self, found: list[Entry]) -> None:
        """How the list is looked at, and how much is done."""
        number = counts(found)
        total = sum(number.values())
        left = f"workbench, by {self.view.grouping}"
        if self.view.only != "all":
            left += f", {self.view.only} only"
        if self.searching or self.view.query:
            left += f", search: {self.view.query}{'_' if self.searching else ''}"
        broken = f", {number['broken']} broken" if number["broken"] else ""
        self.title_bar.show(left, f"{number['done']} of {total} done{broken}")

    @on(ExerciseList.Moved)
    def describe_current(self) -> None:
        """Details of what the cursor is on."""
        entry = self.listing.current
        origin = self.catalog.origin(entry.row) if self.catalog and entry and entry.row else ""
        self.details.show(entry, self.shares.get(entry.exercise_id, {}) if entry else {}, origin)

    # -- searching

    def action_search(self) -> None:
        """Search from now on: every letter typed narrows the list."""
        self.searching = True
        self.key_bar.show(self.SEARCHING)
        self.fill()

    def on_key(self, event: events.Key) -> None:
        """Letters of a search."""
        if not self.searching:
            return
        if event.key in ("enter", "down", "up"):
            self.stop_searching()
            if event.key == "enter":
                event.stop()
                event.prevent_default()
        elif event.key == "backspace":
            self.search(self.view.query[:-1])
            event.stop()
        elif event.is_printable and event.character:
            self.search(self.view.query + event.character)
            event.stop()
            event.prevent_default()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While one searches, letters are letters."""
        del parameters
        return not (self.searching and action in ("group", "filter", "theme", "reload", "search", "app.quit"))

    def search(self, query: str) -> None:
        """Narrow or widen the list."""
        self.view = self.view._replace(query=query)
        self.fill()

    def stop_searching(self) -> None:
        """Keep what was found, and give the keys back their meaning."""
        self.searching = False
        self.key_bar.show(self.BAR)
        self.fill()

    def action_clear(self) -> None:
        """No search, no filter."""
        self.view = self.view._replace(query="", only="all")
        self.stop_searching()

    # -- looking

    def action_group(self) -> None:
        """By topic or by assignment."""
        self.view = self.view.next_grouping()
        app = self.workbench
        app.settings = app.settings.with_grouping(self.view.grouping)
        threading.Thread(target=app.settings.save, daemon=True).start()
        self.fill()

    def action_filter(self) -> None:
        """The next of all, open, partly, done."""
        self.view = self.view.next_filter()
        self.fill()

    def action_theme(self) -> None:
        """The next theme."""
        name = self.workbench.next_theme()
        self.workbench.use_theme(name)
        self.say(f"theme: {self.workbench.themes[name].title}")

    def action_reload(self) -> None:
        """Read the files again."""
        self.read_files()

    # -- opening

    @on(ExerciseList.Opened)
    def open(self, message: ExerciseList.Opened) -> None:
        """Open an exercise where the student left it."""
        entry = message.entry
        if entry.row is not None and entry.row["broken"]:
            from workbench.tui.text_screen import TextScreen, wrapped

            problems = "\n\n".join(entry.row["broken"])
            self.app.push_screen(
                TextScreen(f"{entry.exercise_id} cannot be used", lambda width: wrapped(problems, width))
            )
            return
        # Said only if it takes long enough to be noticed: a message is two more frames.
        self.slow = self.set_timer(NOTICED_SECONDS, lambda: self.say(f"opening {entry.exercise_id}"))
        catalog = self.catalog
        self.in_background(lambda: self.prepare(catalog, entry.exercise_id), self.opened)

    def prepare(self, catalog: Any, exercise_id: str) -> tuple[Any, Any, str]:
        """A session with all that its screen shows first, read in a thread so that the screen need not wait."""
        workplace = self.workbench.workplace
        workplace.catalog = catalog
        session = workplace.open(exercise_id)
        visit = session.store.last_visit(exercise_id)
        return session, session.states(), visit[2] if visit else ""

    def opened(self, found: Any) -> None:
        """Show the exercise, or why it cannot be."""
        if self.slow is not None:
            self.slow.stop()
        if isinstance(found, Exception):
            self.say(f"{found}", "error")
            return
        from workbench.tui.exercise_screen import ExerciseScreen

        self.say("")
        self.was_left = True
        self.app.push_screen(ExerciseScreen(*found))

    def on_screen_resume(self) -> None:
        """Back from an exercise: show what is done now."""
        if self.catalog is not None and self.was_left:
            self.in_background(self.read_progress, self.refresh_progress)

    def read_progress(self) -> dict[str, dict[str, float]]:
        """What is done; opens the file, which may take a while on a slow home."""
        return self.workbench.workplace.store.solved()

    def refresh_progress(self, found: Any) -> None:
        """Take the progress as it is now."""
        if not isinstance(found, Exception) and found != self.shares:
            self.shares = found
            self.fill()
