"""What all screens share: a title, keys, and the way to the app and to background work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import on
from textual.message import Message
from textual.screen import Screen
from textual.widget import Widget

from workbench.tui.widgets.bar import SMALLEST, KeyBar, MessageLine, TitleBar, TooSmall

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp

Keys = tuple[tuple[str, str], ...]


class Done(Message):
    """Background work has ended."""

    def __init__(self, then: Callable[[Any], None], found: Any) -> None:
        super().__init__()
        self.then = then
        self.found = found


class WorkbenchScreen(Screen[Any]):
    """A screen with a title bar, a message line and a key bar."""

    AUTO_FOCUS = ""
    DEFAULT_CSS = """
    WorkbenchScreen { layers: base above; }
    WorkbenchScreen.-small TooSmall { display: block; }
    """
    ALLOW_SELECT = False
    # Shown by F1: (key, what it does), in groups.
    KEYS: ClassVar[tuple[tuple[str, Keys], ...]] = ()
    # The narrowest width at which two panes stand side by side.
    WIDE = 110

    def __init__(self) -> None:
        super().__init__()
        self.title_bar = TitleBar()
        self.message_line = MessageLine()
        self.key_bar = KeyBar()

    @property
    def workbench(self) -> WorkbenchApp:
        """The app."""
        return cast("WorkbenchApp", self.app)

    def say(self, message: str, kind: str = "") -> None:
        """Say something on the message line."""
        self.message_line.say(message, kind)

    def in_background(self, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Do slow work in a thread, and pass what it gives, or the exception it ends with, to `then` over here.

        The thread is a daemon: leaving the program waits for none of them.
        """

        def job() -> None:
            try:
                found = work()
            except Exception as error:  # noqa: BLE001  (shown by `then`, whatever it is)
                found = error
            self.post_message(Done(then, found))

        threading.Thread(target=job, daemon=True).start()

    @on(Done)
    def deliver(self, message: Done) -> None:
        """Take what a thread has found."""
        message.stop()
        message.then(message.found)

    def compose(self) -> Iterator[Widget]:
        """The bars, and between them what a screen is about; laid out for the size there is from the start."""
        self.fit()
        yield self.title_bar
        yield from self.content()
        yield self.key_bar
        yield TooSmall()

    def content(self) -> Iterator[Widget]:
        """What stands between title and keys."""
        raise NotImplementedError

    def fit(self) -> None:
        """Two panes side by side where there is room."""
        size = self.app.size
        self.set_class(size.width >= self.WIDE, "-wide")
        self.set_class(size.height < 18, "-low")
        self.set_class(size.width < SMALLEST[0] or size.height < SMALLEST[1], "-small")

    def on_resize(self) -> None:
        """Fit the new size."""
        self.fit()
