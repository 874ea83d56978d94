"""The end of the terminal, heard also where no signal tells of it."""

from __future__ import annotations

import asyncio
import select
import sys
from collections.abc import Callable


def when_terminal_goes(loop: asyncio.AbstractEventLoop, gone: Callable[[], None]) -> None:
    """Call `gone` once the terminal behind standard input is no more.

    The kernel sends SIGHUP to the leader of the session alone. Below `make run` that is make, which waits for its
    child and passes nothing on: the program would be left behind, reading at full speed from what is not there.
    """
    terminal = sys.__stdin__
    if terminal is None or not terminal.isatty():
        return
    watch = select.epoll()
    watch.register(terminal, 0)  # what is typed is for Textual; a hang-up is told without being asked for

    def told() -> None:
        loop.remove_reader(watch)
        watch.close()
        gone()

    loop.add_reader(watch, told)
