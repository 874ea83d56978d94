"""Keys that come in one bunch, as over a link that lags: each finds what the one before it has done."""

from __future__ import annotations

import pytest
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import Screen
from textual.widgets import Input, Static

from tests.tui.tui_harness import lines, running, shown, until
from workbench.compute.local import LocalCompute
from workbench.tui.catalog_screen import CatalogScreen
from workbench.tui.exercise_screen import ExerciseScreen
from workbench.tui.keyboard import PatientApp


class Second(Screen[None]):
    BINDINGS = [Binding("escape", "app.pop_screen"), Binding("d", "remove")]  # noqa: RUF012

    def compose(self) -> ComposeResult:
        yield Input(id="third")

    async def action_remove(self) -> None:
        await self.query_one(Input).remove()


class Form(PatientApp[None]):
    """Two inputs below something, keys that change where typing goes, and one that fails to arrive."""

    BINDINGS = [Binding("f2", "second"), Binding("f3", "forget")]  # noqa: RUF012
    CSS = "Input { height: 1; border: none; }"

    def compose(self) -> ComposeResult:
        yield Vertical(
            Input(id="one", select_on_focus=False), Vertical(Input(id="two", select_on_focus=False)), Static("text")
        )

    def action_second(self) -> None:
        self.push_screen(Second())

    def action_forget(self) -> None:
        self.query_one("#two", Input).remove()


def bunch(app: PatientApp[None], *keys: str) -> None:
    """All at once, as a driver hands over what it read in one go."""
    for key in keys:
        app.post_message(events.Key(key, key if len(key) == 1 else None))


async def settled(pilot: object, app: PatientApp[None]) -> None:
    await until(pilot, lambda: app._patience is None and not app._typed)  # type: ignore[arg-type]


async def test_what_is_typed_behind_tab_goes_where_tab_leads() -> None:
    app = Form()
    async with app.run_test() as pilot:
        bunch(app, "a", "b", "tab", "c", "d", "shift+tab", "e", "tab", "f")
        await settled(pilot, app)
        assert (app.query_one("#one", Input).value, app.query_one("#two", Input).value) == ("abe", "cdf")


async def test_what_is_typed_behind_a_key_that_opens_a_screen_goes_there() -> None:
    app = Form()
    async with app.run_test() as pilot:
        bunch(app, "a", "f2", "tab", "b", "escape", "c")
        await settled(pilot, app)
        assert app.query_one("#one", Input).value == "ac"


async def test_a_paste_keeps_its_place_among_keys() -> None:
    app = Form()
    async with app.run_test() as pilot:
        bunch(app, "a")
        app.post_message(events.Paste("pasted"))
        bunch(app, "tab", "b")
        await settled(pilot, app)
        assert app.query_one("#one", Input).value == "apasted"
        assert app.query_one("#two", Input).value == "b"


async def test_a_key_whose_widget_goes_holds_nothing_up() -> None:
    app = Form()
    async with app.run_test() as pilot:
        bunch(app, "tab", "f3", "x", "tab", "y")
        await settled(pilot, app)
        assert "y" in app.query_one("#one", Input).value


async def test_something_can_be_done_when_all_is_typed() -> None:
    app = Form()
    seen: list[str] = []
    async with app.run_test() as pilot:
        app.when_typed(lambda: seen.append("at once"))
        assert seen == ["at once"]
        await app.on_event(events.Key("a", "a"))
        bunch(app, "b", "c")
        app.when_typed(lambda: seen.append(app.query_one("#one", Input).value))
        await settled(pilot, app)
        assert seen[1] == "abc"
        assert app.query_one("#one", Input).value == "abc"


@pytest.mark.parametrize("query", ["converge", "after"])
async def test_a_search_typed_at_once_takes_every_letter(compute: LocalCompute, query: str) -> None:
    async with running(compute) as (app, pilot):
        bunch(app, "slash", *query)  # type: ignore[arg-type]
        await until(pilot, lambda: f"search: {query}_" in lines(app)[0])
        screen = app.screen
        assert isinstance(screen, CatalogScreen)
        assert screen.view.grouping == "topic"  # the a of "after" was a letter
        bunch(app, "escape")  # type: ignore[arg-type]
        await until(pilot, lambda: "search" not in lines(app)[0])


async def test_an_answer_typed_before_leaving_is_kept(compute: LocalCompute) -> None:
    async with running(compute) as (app, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ExerciseScreen) and "What are the scores" in shown(app))
        session = app.screen.session  # type: ignore[attr-defined]
        bunch(app, *"4 5", "ctrl+q")  # type: ignore[arg-type]
        await until(pilot, lambda: app.left)
        assert session.store.drafts("attention/argmax", 0) == {"scores": "4 5"}
