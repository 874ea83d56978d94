"""One exercise: statement, questions, answers, verdicts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual import events, on
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.timer import Timer
from textual.widget import Widget

from workbench.answers.formula import Unreadable
from workbench.session import Checked, ComputeError, PartState, Session
from workbench.statement import draw_given, draw_markdown
from workbench.tui.screens import Keys, WorkbenchScreen
from workbench.tui.widgets.lines import Lines, cut
from workbench.tui.widgets.pager import Pager
from workbench.tui.widgets.parts import PartHead, PartsPane

if TYPE_CHECKING:
    from engines.figures import Figure

DRAFT_SECONDS = 0.4


class Rule(Lines):
    """A line between statement and questions."""

    def line(self, index: int, width: int) -> Text:
        """A rule from side to side."""
        return cut(Text("─" * width, style=self.ink.muted), width)


@dataclass(frozen=True)
class Reading:
    """How a text was understood, or where that stopped."""

    part: str
    text: str
    understood: str = ""
    error: Unreadable | None = None


class ExerciseScreen(WorkbenchScreen):
    """A session: it shows states and sends on what is typed."""

    DEFAULT_CSS = """
    ExerciseScreen #panes { layout: vertical; height: 1fr; }
    ExerciseScreen #statement { height: 1fr; min-height: 5; }
    ExerciseScreen PartsPane { height: auto; max-height: 62%; }
    ExerciseScreen.-wide #panes { layout: horizontal; }
    ExerciseScreen.-wide Rule { display: none; }
    ExerciseScreen.-wide #statement { height: 1fr; width: 48%; }
    ExerciseScreen.-wide PartsPane { padding: 0 0 0 2; height: 1fr; max-height: 100%; }
    ExerciseScreen.-reading #parts, ExerciseScreen.-reading Rule { display: none; }
    ExerciseScreen.-reading #statement { height: 1fr; width: 1fr; }
    ExerciseScreen.-answering #statement, ExerciseScreen.-answering Rule { display: none; }
    ExerciseScreen.-answering PartsPane { height: 1fr; max-height: 100%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "part(1)", "next part", show=False),
        Binding("shift+tab", "part(-1)", "previous part", show=False),
        Binding("pagedown", "statement(1)", "statement down", show=False),
        Binding("pageup", "statement(-1)", "statement up", show=False),
        # Function keys work everywhere, also in an editor that has other uses for them; letters outside inputs.
        Binding("f2", "hint", "hint", show=False, priority=True),
        Binding("f3", "solution", "solution", show=False, priority=True),
        Binding("f4", "variant(1)", "another one", show=False, priority=True),
        Binding("f5", "run", "run", show=False, priority=True),
        Binding("f6", "zoom", "zoom", show=False, priority=True),
        Binding("f7", "figure", "figure", show=False, priority=True),
        Binding("h", "hint", "hint", show=False),
        Binding("s", "solution", "solution", show=False),
        Binding("n", "variant(1)", "another one", show=False),
        Binding("p", "variant(-1)", "the one before", show=False),
        Binding("r", "run", "run", show=False),
        Binding("z", "zoom", "zoom", show=False),
        Binding("f", "figure", "figure", show=False),
        Binding("e", "errata", "errata", show=False),
        Binding("enter", "write", "answer", show=False),
        Binding("escape", "leave", "back", show=False),
        Binding("q", "back", "back", show=False),
    ]
    KEYS: ClassVar[tuple[tuple[str, Keys], ...]] = (
        ("answering", (("enter", "check the answer (ctrl+s in a program)"), ("tab", "next part; shift+tab goes back"),
                       ("pgup pgdn", "scroll the statement"), ("space", "choose an option"),
                       ("ctrl+e", "edit a program in $EDITOR"),
                       ("esc", "leave the input; single letters then work as below"))),
        ("the exercise", (("F2  h", "next hint; each one is counted"), ("F3  s", "worked solution"),
                          ("F4  n", "another variant; p goes back"), ("F5  r", "run the computation"),
                          ("F6  z", "statement, questions or both"), ("F7  f", "figure of the last check"),
                          ("e", "errata of the published solution"), ("esc  q", "back to the list"))),
    )  # fmt: skip
    TYPING: ClassVar[Keys] = (("enter", "check"), ("tab", "part"), ("F2", "hint"), ("F3", "solution"),
                              ("F4", "another"), ("F5", "run"), ("esc", "more"))  # fmt: skip
    PROGRAM: ClassVar[Keys] = (("ctrl+s", "check"), ("F2", "hint"), ("F3", "solution"), ("F5", "run"), ("F6", "zoom"),
                               ("ctrl+e", "$EDITOR"), ("esc", "more"))  # fmt: skip
    CHOOSING: ClassVar[Keys] = (("space", "choose"), ("enter", "check"), ("tab", "part"), ("h", "hint"),
                                ("s", "solution"), ("n", "another"), ("r", "run"), ("esc", "more"))  # fmt: skip
    FREE: ClassVar[Keys] = (("enter", "answer"), ("h", "hint"), ("s", "solution"), ("n", "another"), ("r", "run"),
                            ("z", "zoom"), ("f", "figure"), ("?", "help"), ("q", "back"))  # fmt: skip

    def __init__(self, session: Session, states: tuple[PartState, ...], visited: str) -> None:
        super().__init__()
        self.session = session
        self.states = states
        self.figure: Figure | None = None
        self.checking = ""
        self.sure_of_solution = ""
        texts = {state.part.id: state.draft or session.starter(state.part.id) for state in states}
        ids = [state.part.id for state in states]
        unsolved = next((i for i, state in enumerate(states) if not state.solved), 0)
        current = ids.index(visited) if visited in ids else unsolved
        self.parts = PartsPane(states, session.variant.number, current, texts)
        self.statement = Pager(id="statement")
        self.statement.make = self.draw_statement
        self.unsaved: dict[str, str] = {}
        self.timer: Timer | None = None

    def content(self) -> Iterator[Widget]:
        """Statement and questions, one above or beside the other."""
        yield Container(self.statement, Rule(), self.parts, id="panes")
        yield self.message_line

    def on_mount(self) -> None:
        """Put the focus where the student goes on."""
        self.workbench.leaving.append(self.save_everything)
        self.key_bar.tell(self.workbench.device)
        self.show(self.states)
        self.parts.focus_input()
        self.in_background(lambda: self.session.visit(self.parts.part.id), lambda _: None)
        if self.session.store.warning or self.session.store.notice:
            self.say(self.session.store.warning or self.session.store.notice, "error")

    # -- drawing

    def draw_statement(self, width: int) -> Text:
        """The statement with this variant's data."""
        variant = self.session.variant
        ink = self.workbench.ink
        given = draw_given(variant.given, type(variant.params), width, ascii_only=ink.ascii_only)
        return draw_markdown(variant.statement, width, ascii_only=ink.ascii_only, given=given, ink=ink.statement)

    def show(self, states: Any) -> None:
        """Show where the student stands."""
        if isinstance(states, Exception):
            self.say(str(states), "error")
            return
        self.states = states
        variant = self.session.variant
        number = "as published" if variant.number == 0 else f"variant {variant.number}"
        points = sum(state.part.points for state in states if state.solved)
        done = sum(state.solved for state in states)
        right = f"{number}, {done}/{len(states)} done, {points:g} of {variant.exercise.points:g} pt"
        self.title_bar.show(f"{variant.exercise.title}", right)
        self.parts.show(states)
        self.show_keys()

    def show_keys(self) -> None:
        """Keys that work where the focus is."""
        if self.focused is None or self.focused.id != "answer":
            self.key_bar.show(self.FREE)
            return
        bars = {"patch": self.PROGRAM, "choice": self.CHOOSING, "prediction": self.CHOOSING}
        self.key_bar.show(bars.get(self.parts.part.kind, self.TYPING))

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Other keys work now."""
        del event
        self.show_keys()

    # -- typing

    @on(PartsPane.Edited)
    def edited(self, message: PartsPane.Edited) -> None:
        """Say how it is understood, and keep it soon."""
        self.unsaved[message.part] = message.text
        if self.timer is not None:
            self.timer.stop()
        self.timer = self.set_timer(DRAFT_SECONDS, self.save_drafts_soon)
        if self.message_line.kind == "unreadable":
            self.say("")  # it was about another answer
        if self.parts.part.kind in ("tensor", "number", "sequences", "complexity"):
            reading = self.read(message.part, message.text)
            self.parts.show_echo(reading.understood, reading.error)
        else:
            self.parts.show_echo("", None)

    def read(self, part: str, text: str) -> Reading:
        """How a text is understood."""
        try:
            return Reading(part, text, self.session.read(part, text)[1])
        except Unreadable as error:
            return Reading(part, text, error=error)

    def save_drafts_soon(self) -> None:
        """Keep what was typed, off the screen's own thread."""
        self.in_background(self.save_drafts, lambda _: None)

    def note_text(self) -> None:
        """Take what stands in the input now, also where the news of it is still on its way."""
        if self.parts.value() != self.parts.text:
            self.unsaved[self.parts.part.id] = self.parts.value()

    def save_everything(self) -> None:
        """Keep what was typed, to the last letter: the program ends."""
        self.note_text()
        self.save_drafts()

    def save_drafts(self) -> None:
        """Keep what was typed."""
        while self.unsaved:
            part, text = self.unsaved.popitem()
            if text != self.session.starter(part):
                self.session.save_draft(part, text)

    # -- checking

    @on(PartsPane.Submitted)
    def submitted(self, message: PartsPane.Submitted) -> None:
        """Check an answer, unless it cannot be read: that costs no attempt."""
        if self.checking:
            self.say(f"still checking {self.checking}")
            return
        reading = self.read(message.part, message.text)
        if reading.error is not None:
            self.parts.show_echo("", reading.error)
            self.say("not checked, as it cannot be read; that costs no try", "unreadable")
            return
        self.checking = message.part
        self.say("")
        self.parts.show_checking("checking")

        def check() -> tuple[Checked, tuple[PartState, ...]]:
            checked = self.session.check(message.part, message.text)
            return checked, self.session.states()

        self.in_background(check, self.checked)

    def checked(self, found: Any) -> None:
        """Show a verdict, which is on disk already."""
        part, self.checking = self.checking, ""
        if isinstance(found, Exception):
            self.parts.show_checking("")
            advice = getattr(getattr(found, "event", None), "advice", "") if isinstance(found, ComputeError) else ""
            self.say(f"not checked: {found}{'; ' + advice if advice else ''}", "error")
            return
        checked, states = found
        self.unsaved.pop(part, None)
        self.figure = checked.verdict.figure
        self.show(states)
        if self.parts.part.id == part:
            self.parts.show_checked(checked)
        if checked.warning:
            self.say(checked.warning, "error")
        elif checked.verdict.status == "correct" and all(state.solved for state in states):
            self.say("all parts are solved; F4 gives another one", "correct")
        if self.figure is not None and self.parts.part.kind == "prediction":
            self.action_figure()

    # -- keys

    async def action_part(self, by: int) -> None:
        """Go to the next or the previous part."""
        await self.go_to((self.parts.current + by) % len(self.states))

    @on(PartHead.Chosen)
    async def chosen(self, message: PartHead.Chosen) -> None:
        """A part was clicked."""
        await self.go_to(message.index)

    async def go_to(self, index: int) -> None:
        """Unfold a part."""
        self.sure_of_solution = ""
        await self.parts.unfold(index)
        self.in_background(lambda: self.session.visit(self.parts.part.id), lambda _: None)

    def action_write(self) -> None:
        """Back into the input."""
        self.remove_class("-reading")
        self.parts.focus_input()

    def action_leave(self) -> None:
        """Out of the input; from there, back to the list."""
        if self.focused is not None and self.focused.id != "statement" and self.focused is not self.parts:
            self.set_focus(self.parts)
        else:
            self.action_back()

    def action_back(self) -> None:
        """Back to the list, with everything kept."""
        self.note_text()
        self.in_background(self.save_drafts, lambda _: None)
        self.workbench.leaving.remove(self.save_everything)
        self.dismiss()

    def action_statement(self, by: int) -> None:
        """Scroll the statement while one types."""
        self.statement.action_pages(by)

    def action_hint(self) -> None:
        """The next hint of the current part."""
        part = self.parts.part.id

        def ask() -> tuple[str | None, tuple[PartState, ...]]:
            return self.session.hint(part), self.session.states()

        def told(found: Any) -> None:
            if isinstance(found, Exception):
                self.say(str(found), "error")
                return
            hint, states = found
            self.show(states)
            left = len(self.parts.part.hints) - len(states[self.parts.current].hints)
            self.say("there are no more hints" if hint is None else f"{left} more hint{'s' * (left != 1)}")

        self.in_background(ask, told)

    def action_solution(self) -> None:
        """The worked solution: at once for a part that is solved, else when asked twice."""
        state = self.states[self.parts.current]
        part = state.part.id
        if not (state.solved or state.revealed or self.sure_of_solution == part):
            self.sure_of_solution = part
            self.say("give up and see the solution? Later attempts count as made after it. Press again to see it")
            return
        self.say("")
        self.in_background(lambda: (self.session.solution(part), self.session.states()), self.show_solution)

    def show_solution(self, found: Any) -> None:
        """A screen with the worked solution."""
        if isinstance(found, Exception):
            self.say(f"no solution: {found}", "error")
            return
        steps, states = found
        self.show(states)
        from workbench.tui.text_screen import TextScreen

        ink = self.workbench.ink
        text = "\n\n".join(step.text for step in steps)
        title = f"{self.session.variant.exercise.title}: {self.parts.part.id}, worked"
        self.app.push_screen(
            TextScreen(title, lambda width: draw_markdown(text, width, ascii_only=ink.ascii_only, ink=ink.statement))
        )

    def action_variant(self, by: int) -> None:
        """Another variant of the exercise."""
        exercise = self.session.variant.exercise
        number = self.session.variant.number + by
        if number < 0 or not exercise.variants:
            self.say("there is no other variant" if not exercise.variants else "this is the published one")
            return
        self.save_drafts_soon()
        self.say(f"drawing variant {number}")
        workplace = self.workbench.workplace

        def draw() -> tuple[Session, tuple[PartState, ...]]:
            session = workplace.open(exercise.id, number)
            return session, session.states()

        self.in_background(draw, self.switch)

    def switch(self, found: Any) -> None:
        """Show the other variant in the place of this one."""
        if isinstance(found, Exception):
            self.say(f"no variant: {found}", "error")
            return
        self.workbench.leaving.remove(self.save_everything)
        session, states = found
        self.app.switch_screen(ExerciseScreen(session, states, ""))

    def action_run(self) -> None:
        """The computation behind the exercise."""
        from workbench.tui.run_screen import RunScreen

        self.app.push_screen(RunScreen(self.session))

    def action_zoom(self) -> None:
        """Both panes, the statement alone, the questions alone, and again both."""
        reading, answering = self.has_class("-reading"), self.has_class("-answering")
        self.set_class(not reading and not answering, "-reading")
        self.set_class(reading, "-answering")
        if self.has_class("-reading"):
            self.set_focus(self.statement)
        else:
            self.parts.focus_input()

    def action_figure(self) -> None:
        """The figure of the last check."""
        if self.figure is None:
            self.say("there is no figure yet; check an answer or press F5 to run the computation")
            return
        from workbench.tui.figure_screen import FigureScreen

        self.app.push_screen(FigureScreen(self.session.variant.exercise.title, (self.figure,)))

    def action_errata(self) -> None:
        """Where the published solution is wrong."""
        errata = self.session.variant.exercise.errata
        if not errata:
            self.say("no errata are known for this question")
            return
        from workbench.tui.text_screen import TextScreen

        ink = self.workbench.ink
        self.app.push_screen(
            TextScreen("errata", lambda width: draw_markdown(errata, width, ascii_only=ink.ascii_only))
        )
