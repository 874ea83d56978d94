"""The app under a pilot, with a shared worker, and its screen as text."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from workbench.session import Workplace
from workbench.tui.app import WorkbenchApp

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from workbench.compute.local import LocalCompute

# Seconds: a guard against waiting for ever, not a time to wait.
GUARD = 60.0


def make_app(compute: LocalCompute, *, theme: str = "", ascii_only: bool = False) -> WorkbenchApp:
    """An app that uses the worker of the test session and leaves it alone at its end."""
    app = WorkbenchApp(theme=theme, ascii_only=ascii_only)
    workplace = Workplace()
    workplace.compute = compute
    app.workplace = workplace
    return app


@asynccontextmanager
async def running(
    compute: LocalCompute, size: tuple[int, int] = (80, 24), **options: object
) -> AsyncIterator[tuple[WorkbenchApp, Pilot[int]]]:
    """The app on its first screen."""
    app = make_app(compute, **options)  # type: ignore[arg-type]
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: " done" in lines(app)[0])
        yield app, pilot


async def until(pilot: Pilot[int], condition: Callable[[], bool]) -> None:
    """Let the app work until something is so."""
    deadline = time.monotonic() + GUARD
    while time.monotonic() < deadline:
        await pilot.pause()
        if condition():
            return
        await pilot.pause(0.01)
    raise AssertionError("it never came to be:\n" + "\n".join(lines(pilot.app)))  # type: ignore[arg-type]


def lines(app: WorkbenchApp) -> list[str]:
    """What the screen shows, row by row."""
    compositor = app.screen._compositor
    strips = compositor.render_strips()
    return ["".join(segment.text for segment in strip).rstrip() for strip in strips]


def shown(app: WorkbenchApp) -> str:
    """What the screen shows, as one text."""
    return "\n".join(lines(app))


async def open_exercise(app: WorkbenchApp, pilot: Pilot[int], exercise_id: str) -> None:
    """Put the cursor on an exercise and open it."""
    from workbench.tui.catalog_screen import CatalogScreen
    from workbench.tui.exercise_screen import ExerciseScreen

    screen = app.screen
    assert isinstance(screen, CatalogScreen)
    place = next(i for i, entry in enumerate(screen.listing.entries) if entry.exercise_id == exercise_id)
    screen.listing.place_cursor(place)
    await pilot.press("enter")
    await until(pilot, lambda: isinstance(app.screen, ExerciseScreen))
    await pilot.pause()


async def type_text(pilot: Pilot[int], text: str) -> None:
    """Type letter by letter."""
    names = {" ": "space", ",": "comma", "[": "left_square_bracket", "]": "right_square_bracket", ";": "semicolon",
             "*": "asterisk", "^": "circumflex_accent", "(": "left_parenthesis", ")": "right_parenthesis",
             "+": "plus", "-": "minus", "/": "slash"}  # fmt: skip
    await pilot.press(*(names.get(char, char) for char in text))
