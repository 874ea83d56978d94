"""The computation behind an exercise: run it, watch it, stop it, look at what came out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from textwrap import wrap
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widget import Widget

from engines.fields import BadData
from engines.figures import Figure
from engines.result import Result
from workbench.compute.local import Handle
from workbench.compute.messages import Cancelled, Event, Failed, Finished, Progress, Started
from workbench.session import Session
from workbench.tui.screens import Keys, WorkbenchScreen
from workbench.tui.widgets.block import Block
from workbench.tui.widgets.figure import FigureView
from workbench.tui.widgets.lines import cut

BAR_CELLS = 24


class Gauge(Block):
    """With what the engine runs, and below it how far it is, or in as many lines as it takes how it ended."""

    DEFAULT_CSS = "Gauge { height: auto; }"

    def __init__(self) -> None:
        super().__init__(self._standing)
        self.parameters = ""
        self.state = ""
        self.fraction: float | None = None

    def tell(self, state: str, fraction: float | None = None) -> None:
        """Say how it stands."""
        self.state, self.fraction = state, fraction
        self.show(self._standing)

    def _standing(self, width: int) -> Text:
        """Parameters above, progress below."""
        out = cut(Text(f" {self.parameters}", style=self.ink.muted), width)
        out.append("\n")
        if self.fraction is None:
            return out.append("\n".join(f" {line}" for line in wrap(self.state, width - 2)), self.ink.text)
        full = round(self.fraction * BAR_CELLS)
        progress = Text(" ")
        progress.append("█" * full, self.ink.primary)
        progress.append("░" * (BAR_CELLS - full), self.ink.muted)
        progress.append(f" {self.fraction:4.0%} {self.state}")
        return out.append_text(cut(progress, width))


class RunScreen(WorkbenchScreen):
    """One exercise's engine at this variant's parameters."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,r,f5", "run", "run", show=False),
        Binding("c", "cancel", "cancel", show=False),
        Binding("right,l", "turn(1)", "next figure", show=False),
        Binding("left,h", "turn(-1)", "previous figure", show=False),
        Binding("d", "describe", "in words", show=False),
        Binding("v", "values", "values", show=False),
        Binding("escape,q", "back", "back", show=False),
    ]
    KEYS: ClassVar[tuple[tuple[str, Keys], ...]] = (
        ("the run", (("enter  r", "run the computation"), ("c", "cancel it"), ("esc", "back; a run goes on"))),
        ("the figures", (("left right", "previous and next figure"), ("d", "the figure in words"),
                         ("v", "the named values of the result"))),
    )  # fmt: skip
    IDLE: ClassVar[Keys] = (("enter", "run"), ("left right", "figures"), ("d", "in words"), ("v", "values"),
                            ("?", "help"), ("esc", "back"))  # fmt: skip
    BUSY: ClassVar[Keys] = (("c", "cancel"), ("esc", "back"))

    class Heard(Message):
        """The run has said something. Newer progress replaces older."""

        def __init__(self, event: Event) -> None:
            super().__init__()
            self.event = event

        def can_replace(self, message: Message) -> bool:
            """Only progress gives way, and only to progress."""
            return (
                isinstance(message, RunScreen.Heard)
                and isinstance(message.event, Progress)
                and isinstance(self.event, Progress)
            )

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.view = FigureView()
        self.gauge = Gauge()
        self.handle: Handle | None = None
        self.result: Result | None = None
        self.figures: tuple[Figure, ...] = ()
        self.at = 0
        self.where = ""

    def content(self) -> Iterator[Widget]:
        """Figure and gauge."""
        yield self.view
        yield self.gauge

    def on_mount(self) -> None:
        """Show what an earlier run gave, if there was one; else start."""
        self.key_bar.tell(self.workbench.device)
        self.gauge.parameters = f"{self.session.variant.exercise.engine}: {_parameters(self.session)}"
        self.show_title()
        running = self.workbench.runs.get(self.place)
        if running is not None and running.ending is None:
            self.watch_run(running)
            return
        self.in_background(self.session.last_run, self.show_stored)

    @property
    def place(self) -> tuple[str, int]:
        """The exercise and variant that the run belongs to."""
        return self.session.exercise_id, self.session.variant.number

    def show_title(self) -> None:
        """What is on the screen."""
        which = f"figure {self.at + 1} of {len(self.figures)}" if self.figures else ""
        self.title_bar.show(f"{self.session.variant.exercise.title}, run", which)

    def show_stored(self, found: Any) -> None:
        """The figures of an earlier run."""
        if not isinstance(found, Finished):
            self.action_run()
            return
        self.show_result(found)
        when = time.strftime("%d %B, %H:%M", time.localtime(found.stored_at))
        self.gauge.tell(f"kept from {when}: {found.device}, {found.dtype}, {found.elapsed:.2f} s; enter runs it again")
        self.key_bar.show(self.IDLE)

    # -- running

    def action_run(self) -> None:
        """Start."""
        if self.handle is not None and self.handle.ending is None:
            return
        try:
            handle = self.session.run(self.heard_from_worker)
        except (BadData, RuntimeError) as error:
            self.gauge.tell(str(error))
            return
        self.workbench.runs[self.place] = handle
        self.watch_run(handle)

    def watch_run(self, handle: Handle) -> None:
        """Follow a run, just started or still going on."""
        self.handle = handle
        self.where = ""
        self.key_bar.show(self.BUSY)
        self.gauge.tell("starting the worker" if not self.workbench.device else "starting", 0.0)
        if not self.figures:
            self.view.show(None, "running")

    def heard_from_worker(self, event: Event) -> None:
        """Called in the compute thread: pass it on, to whichever screen shows this run now."""
        for screen in self.app.screen_stack:
            if isinstance(screen, RunScreen) and screen.place == self.place:
                screen.post_message(self.Heard(event))

    @on(Heard)
    def heard(self, message: Heard) -> None:
        """Show how the run goes."""
        event = message.event
        if isinstance(event, Started):
            threads = f", {event.threads} thread{'s' * (event.threads != 1)}" if event.device == "cpu" else ""
            self.where = f"{event.device_name} ({event.device}), {event.dtype}{threads}"
            self.gauge.tell(self.where, 0.0)
        elif isinstance(event, Progress):
            left = (
                f", about {event.elapsed / event.fraction - event.elapsed:.0f} s left" if event.fraction > 0.1 else ""
            )
            self.gauge.tell(f"{event.elapsed:.1f} s{left}  {event.message}", event.fraction)
            if event.figure is not None:
                self.view.show(event.figure)
        elif isinstance(event, Finished):
            self.show_result(event)
            self.gauge.tell(f"{self.where or event.device}: done in {event.elapsed:.2f} s")
            self.key_bar.show(self.IDLE)
        elif isinstance(event, Failed):
            advice = f"; {event.advice}" if event.advice else ""
            self.gauge.tell(f"failed: {event.message}{advice}")
            self.key_bar.show(self.IDLE)
        elif isinstance(event, Cancelled):
            self.gauge.tell("cancelled; what was drawn so far stays")
            self.key_bar.show(self.IDLE)

    def show_result(self, event: Finished) -> None:
        """The figures of a result."""
        self.result = Result.from_plain(event.output)
        self.figures = self.result.figures
        self.at = min(self.at, max(0, len(self.figures) - 1))
        self.view.show(self.figures[self.at] if self.figures else None, "this engine draws no figure")
        self.show_title()

    def action_cancel(self) -> None:
        """Stop the run."""
        if self.handle is not None and self.handle.ending is None:
            self.gauge.tell("cancelling")
            self.handle.cancel()

    # -- looking

    def action_turn(self, by: int) -> None:
        """Another figure."""
        if self.figures:
            self.at = (self.at + by) % len(self.figures)
            self.view.show(self.figures[self.at])
            self.show_title()

    def action_describe(self) -> None:
        """The figure in words and numbers."""
        from workbench.tui.figure_screen import words_screen

        if self.figures:
            self.app.push_screen(words_screen(self.figures[self.at]))

    def action_values(self) -> None:
        """The named values of the result."""
        if self.result is None:
            return
        from workbench.session.values import in_words
        from workbench.tui.text_screen import TextScreen, wrapped

        text = "\n".join(f"{name} = {in_words(value)}" for name, value in self.result.values.items())
        self.app.push_screen(TextScreen("values", lambda width: wrapped(text, width)))

    def action_back(self) -> None:
        """Back to the exercise."""
        self.dismiss()


def _parameters(session: Session) -> str:
    """What the student is told of the parameters, as far as it is single numbers or words."""
    given = session.variant.given.items()
    shown = [
        f"{name} = {value}" for name, value in given if isinstance(value, int | float | str) and " " not in str(value)
    ]
    return ", ".join(shown) or "the data of this variant"
