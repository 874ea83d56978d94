"""The questions of an exercise, one below the other; the current one is unfolded, with its input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from rich.style import Style
from rich.text import Text
from textual import events, on
from textual.containers import VerticalScroll
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input

from workbench.answers.formula import Unreadable, caret
from workbench.glyphs import sign
from workbench.statement import draw_markdown
from workbench.tui.widgets.block import Block
from workbench.tui.widgets.lines import Lines, cut
from workbench.tui.widgets.options import Options

if TYPE_CHECKING:
    from workbench.session import Checked, PartState

PLACEHOLDERS = {
    "tensor": "[1, 2, 3] or 1 2 3; rows on lines or after ;",
    "number": "a number such as 0.25, 1/4 or sqrt(2)",
    "sequences": "words with blanks between them; a ; between two sequences",
    "complexity": "a class such as N^2*D or O(N log N)",
}


class PartHead(Lines):
    """One line for one part: folded or not, how it stands, its name and worth."""

    DEFAULT_CSS = "PartHead { height: 1; }"

    @dataclass
    class Chosen(Message):
        """The part was clicked."""

        index: int

    def __init__(self, index: int, state: PartState) -> None:
        super().__init__()
        self.index = index
        self.state = state
        self.unfolded = False

    def show(self, state: PartState, *, unfolded: bool) -> None:
        """Show another state."""
        if (state, unfolded) != (self.state, self.unfolded):
            self.state, self.unfolded = state, unfolded
            self.refresh()

    def status(self) -> str:
        """The status whose sign is shown."""
        if self.state.solved:
            return "done"
        if self.state.last is None:
            return "open"
        return {"partial": "partly", "undecided": "undecided"}.get(self.state.last.status, "wrong")

    def line_style(self, index: int) -> Style:
        """The current part is marked."""
        return self.ink.primary if self.unfolded else self.ink.text

    def line(self, index: int, width: int) -> Text:
        """Sign, name, points, and the last answer of a folded part."""
        ascii_only = self.ink.ascii_only
        status = self.status()
        part = self.state.part
        out = Text(f"{sign('unfolded' if self.unfolded else 'folded', ascii_only=ascii_only)} ")
        out.append(sign(status, ascii_only=ascii_only), self.ink.status(status))
        out.append(f" {self.index + 1} {part.id}")
        facts = f"{part.points:g} pt"
        if self.state.tries:
            facts = f"{self.state.tries} tr{'y' if self.state.tries == 1 else 'ies'}, {facts}"
        if not self.unfolded and self.state.draft and part.kind != "patch":
            room = width - out.cell_len - len(facts) - 6
            if room > 8:
                draft = cut(Text(" ".join(self.state.draft.split())), room)
                out.append("  ")
                out.append_text(Text(draft.plain, style=self.ink.muted))
        out.append(" " * max(1, width - out.cell_len - len(facts) - 1))
        out.append(facts, self.ink.muted)
        return cut(out, width)

    def on_click(self) -> None:
        """A click unfolds."""
        self.post_message(self.Chosen(self.index))


class PartsPane(VerticalScroll, can_focus=True):
    """All parts; the one unfolded has question, hints, input, echo and verdict below its head."""

    DEFAULT_CSS = """
    PartsPane { height: 1fr; scrollbar-size-vertical: 1; }
    PartsPane #body { height: auto; padding: 0 0 0 2; }
    PartsPane Input { width: 1fr; background: $surface; }
    PartsPane TextArea { height: auto; min-height: 6; max-height: 24; width: 1fr; background: $surface; }
    """

    @dataclass
    class Edited(Message):
        """What stands in the current input has changed."""

        part: str
        text: str

    @dataclass
    class Submitted(Message):
        """The current answer is to be checked."""

        part: str
        text: str

    def __init__(self, states: tuple[PartState, ...], variant: int, current: int, texts: dict[str, str]) -> None:
        super().__init__(id="parts")
        self.states = states
        self.variant = variant
        self.current = current
        self.texts = texts
        self.heads = [PartHead(i, state) for i, state in enumerate(states)]
        self.question = Block(self._question)
        self.echo = Block()
        self.verdict = Block()
        self.input: Widget | None = None

    @property
    def part(self) -> Any:
        """The part that is unfolded."""
        return self.states[self.current].part

    @property
    def text(self) -> str:
        """What stands in its input."""
        return self.texts.get(self.part.id, "")

    def value(self) -> str:
        """What stands in its input at this moment."""
        found = getattr(self.input, "value", None)
        return str(getattr(self.input, "text", "") if found is None else found)

    # -- building

    def compose(self) -> Any:
        """Heads, and the body of the current part below its head."""
        for i, head in enumerate(self.heads):
            head.unfolded = i == self.current
            yield head
            if i == self.current:
                yield from self._body()

    def _body(self) -> list[Widget]:
        from textual.containers import Vertical

        self.question = Block(self._question)
        self.echo = Block()
        self.verdict = Block()
        self.input = self._make_input()
        return [Vertical(self.question, self.input, self.echo, self.verdict, id="body")]

    def _make_input(self) -> Widget:
        part = self.part
        if part.kind in ("choice", "prediction"):
            return Options(part, self.variant, self.text)
        if part.kind == "patch":
            from workbench.tui.widgets.editor import Editor

            return Editor(self.text)
        field = Input(
            self.text, placeholder=PLACEHOLDERS.get(part.kind, ""), compact=True, select_on_focus=False, id="answer"
        )
        field.cursor_blink = False
        return field

    async def unfold(self, index: int) -> None:
        """Make another part the current one."""
        if index == self.current:
            self.focus_input()
            return
        self.current = index
        with self.app.batch_update():
            await self.query_one("#body").remove()
            await self.mount(*self._body(), after=self.heads[index])
            self.show(self.states)
        self.focus_input()

    def focus_input(self) -> None:
        """Put the focus where one types."""
        if self.input is not None:
            self.input.focus()
            self.call_after_refresh(self._bring_into_view)

    def _bring_into_view(self) -> None:
        """The head of the part at the top if there is room; in any case the input."""
        self.scroll_to_widget(self.heads[self.current], animate=False, top=True, force=True)
        if self.input is not None:
            self.scroll_to_widget(self.input, animate=False, force=True)

    # -- drawing

    @property
    def ink(self) -> Any:
        """The styles of the theme in use."""
        return self.question.ink

    def _question(self, width: int) -> Text:
        """The question, and the hints shown so far."""
        ink = self.ink
        text = draw_markdown(self.part.ask, width, ascii_only=ink.ascii_only, ink=ink.statement)
        for i, hint in enumerate(self.states[self.current].hints, 1):
            text.append("\n")
            shown = draw_markdown(f"hint {i}: {hint}", width, ascii_only=ink.ascii_only, ink=ink.statement)
            shown.stylize(ink.accent, 0, len(f"hint {i}:"))
            text.append_text(shown)
        return text

    def show(self, states: tuple[PartState, ...]) -> None:
        """Show where the student stands now."""
        self.states = states
        for i, head in enumerate(self.heads):
            head.show(states[i], unfolded=i == self.current)
        self.question.show(self._question)
        state = states[self.current]
        if state.last is not None and state.last.answer == self.text:
            self.show_verdict(state.last.status, state.last.message)
        else:
            self.verdict.show(lambda _: Text())

    def show_echo(self, understood: str, error: Unreadable | None) -> None:
        """How the answer is understood while it is typed, or where that stops."""
        ink = self.ink
        if error is not None and self.text.strip():
            typed = self.text

            def trouble(width: int) -> Text:
                # The line itself stands in the input, right above, unless that has scrolled sideways.
                marks = caret(typed, error, width).partition("\n")[2] + "\n" if len(typed) < width else ""
                return Text(marks + "\n".join(wrap(error.message, width)), style=ink.status("unreadable"))

            self.echo.show(trouble)
        elif understood and understood != self.text:
            self.echo.show(lambda width: cut(Text(f"read as {understood}", style=ink.muted), width))
        else:
            self.echo.show(lambda _: Text())

    def show_checking(self, message: str) -> None:
        """Say that a check is under way."""
        self.verdict.show(lambda _: Text(message, style=self.ink.muted))

    def show_checked(self, checked: Checked) -> None:
        """Show a verdict in full: tolerance, isolation, and that there is a figure."""
        verdict = checked.verdict
        more = []
        if verdict.tolerance:
            more.append(f"compared {verdict.tolerance}")
        if verdict.isolation:
            more.append(f"isolation {verdict.isolation}")
        if verdict.figure is not None:
            more.append("F7 shows a figure")
        self.show_verdict(verdict.status, verdict.message, more)

    def show_verdict(self, status: str, message: str, more: Sequence[str] = ()) -> None:
        """Show a verdict beside its part."""
        ink = self.ink
        kind = {"correct": "done", "partial": "partly", "undecided": "undecided"}.get(status, "wrong")
        mark = sign(kind, ascii_only=ink.ascii_only)

        def make(width: int) -> Text:
            text = Text(f"{mark} {status.replace('_', ' ')}. ", style="")
            text.stylize(ink.status(status))
            body = draw_markdown(f"{text.plain}{message}", width, ascii_only=ink.ascii_only, ink=ink.statement)
            body.stylize(ink.status(status), 0, len(text.plain))
            for note in more:
                for line in wrap(note, width):
                    body.append(f"\n{line}", ink.muted)
            return body

        self.verdict.show(make)
        self.call_after_refresh(self.scroll_to_widget, self.verdict, animate=False, force=True)

    # -- what is typed

    @on(Input.Changed)
    def typed(self, event: Input.Changed) -> None:
        """A letter more or less."""
        event.stop()
        self.edited(event.value)

    @on(Input.Submitted)
    def entered(self, event: Input.Submitted) -> None:
        """Enter checks."""
        event.stop()
        self.post_message(self.Submitted(self.part.id, event.value))

    @on(Options.Changed)
    def chosen(self, event: Options.Changed) -> None:
        """Another choice."""
        event.stop()
        self.edited(event.text)

    @on(Options.Submitted)
    def decided(self, event: Options.Submitted) -> None:
        """Enter checks."""
        event.stop()
        self.edited(event.text)
        self.post_message(self.Submitted(self.part.id, event.text))

    def edited(self, text: str) -> None:
        """Note what stands in the input now."""
        if text != self.texts.get(self.part.id, ""):
            self.texts[self.part.id] = text
            self.verdict.show(lambda _: Text())  # it was about another answer
            self.post_message(self.Edited(self.part.id, text))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """The wheel, without animation."""
        self.scroll_relative(y=3, animate=False)
        event.stop()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """The wheel, without animation."""
        self.scroll_relative(y=-3, animate=False)
        event.stop()
