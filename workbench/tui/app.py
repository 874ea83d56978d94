"""The app: it holds the theme, the surroundings of a session, and what must be done before leaving."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from functools import cached_property, partial
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from workbench import themes
from workbench.settings import Settings
from workbench.tui.catalog_screen import CatalogScreen
from workbench.tui.compositor import DiffingApp, ascii_everywhere
from workbench.tui.hangup import when_terminal_goes
from workbench.tui.ink import Ink, textual_name
from workbench.tui.keyboard import PatientApp
from workbench.tui.screens import WorkbenchScreen

if TYPE_CHECKING:
    from workbench.compute.local import Handle
    from workbench.compute.messages import Event
    from workbench.session import Workplace

# What a shell reports for a program ended by a signal.
SIGNALLED = 128
# How long keys that were pressed before may take to be taken.
PATIENCE_SECONDS = 0.3


class WorkbenchApp(PatientApp[int], DiffingApp[int]):
    """Everything on the terminal."""

    TITLE = "workbench"
    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False
    CSS = """
    Screen { background: $background; color: $foreground; }
    Lines { background: $background; color: $foreground; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f1,question_mark", "help", "help", show=False),
        Binding("ctrl+q", "quit", "quit", show=False, priority=True),
        Binding("ctrl+c", "quit", "quit", show=False),
        Binding("ctrl+z", "suspend_process", "suspend", show=False),
        Binding("ctrl+l", "redraw", "draw the screen again", show=False),
    ]

    class DeviceFound(Message):
        """The first worker is warm and has told where it runs."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, *, theme: str = "", ascii_only: bool = False, no_colour: bool = False) -> None:
        self.settings = Settings.load()
        self.themes, self.theme_problems = themes.load_all()
        wanted = themes.MONO if no_colour else theme or self.settings.theme
        self.ink = Ink(self.themes.get(wanted) or self.themes[themes.DEFAULT], ascii_only)
        # With NO_COLOR Textual drops colours only where it was told beforehand that there are none but the
        # terminal's own; otherwise it turns them into greys.
        super().__init__(ansi_color=True if no_colour else None)
        self.animation_level = "none"
        if ascii_only:
            ascii_everywhere(self)
        self.register_theme(self.ink.textual())
        self.theme = textual_name(self.ink.theme.name)
        self.device = ""
        self.runs: dict[tuple[str, int], Handle] = {}
        self.leaving: list[Callable[[], None]] = []
        self.left = False

    @cached_property
    def workplace(self) -> Workplace:
        """What sessions work with. Made after the first frame: it imports what answers need, 50 ms."""
        from workbench.session import Workplace

        return Workplace()

    # -- beginning

    def get_default_screen(self) -> CatalogScreen:
        """The list of exercises."""
        return CatalogScreen()

    def on_mount(self) -> None:
        """With the first frame out, start what takes longer; until the end, listen to the system."""
        self.app_resume_signal.subscribe(self, lambda _: self.forget_screen())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGHUP, signal.SIGTERM):
            loop.add_signal_handler(number, partial(self.hang_up, number))
        when_terminal_goes(loop, partial(self.hang_up, signal.SIGHUP))
        self.call_after_refresh(self.warm_up)

    def warm_up(self) -> None:
        """Start a worker, and import what the first exercise needs, while nobody waits for it."""

        def prepare() -> None:
            from workbench.compute.messages import Finished, Job

            def told(event: Event) -> None:
                if isinstance(event, Finished):
                    self.post_message(self.DeviceFound(str(event.output.get("auto", ""))))

            self.workplace.compute.submit(Job("describe", task="describe"), told)
            import workbench.tui.exercise_screen
            import workbench.tui.widgets.editor  # noqa: F401
            from workbench.statement import draw_markdown

            draw_markdown("$x$", 20)
            self.workplace.store.back_up()

        threading.Thread(target=prepare, name="warm-up", daemon=True).start()

    def on_workbench_app_device_found(self, message: DeviceFound) -> None:
        """Say where runs will happen."""
        self.device = message.text
        for screen in self.screen_stack:
            if isinstance(screen, WorkbenchScreen):
                screen.key_bar.tell(message.text)

    # -- themes

    def use_theme(self, name: str) -> None:
        """Change the colours, and remember the choice."""
        self.ink = Ink(self.themes[name], self.ink.ascii_only)
        self.register_theme(self.ink.textual())
        self.theme = textual_name(name)
        self.settings = self.settings.with_theme(name)
        threading.Thread(target=self.settings.save, daemon=True).start()
        for screen in self.screen_stack:
            screen.refresh(layout=True)
            for widget in screen.walk_children():
                widget.refresh()

    def next_theme(self) -> str:
        """The theme after the one in use, by name."""
        names = list(self.themes)
        return names[(names.index(self.ink.theme.name) + 1) % len(names)]

    # -- keys

    def action_help(self) -> None:
        """Say what one can press here."""
        from workbench.tui.text_screen import help_screen

        if isinstance(self.screen, WorkbenchScreen) and self.screen.KEYS:
            self.push_screen(help_screen(self.screen))

    def action_redraw(self) -> None:
        """Draw everything again, whatever the terminal shows."""
        self.forget_screen()

    def on_resize(self) -> None:
        """A terminal that was resized, or looked at through another one, may show anything."""
        self.shadow.forget()

    # -- ending

    async def action_quit(self) -> None:
        """Leave, with everything kept."""
        self.leave(0)

    def hang_up(self, number: int) -> None:
        """The terminal has gone, or the system wants the program to end: keep everything, and leave."""
        self.when_typed(partial(self.leave, SIGNALLED + number))
        self.set_timer(PATIENCE_SECONDS, partial(self.leave, SIGNALLED + number))

    def leave(self, status: int) -> None:
        """Save what was typed, end the workers, and exit."""
        if self.left:
            return
        self.left = True
        for save in self.leaving:
            save()
        self.exit(return_code=status, result=status)
