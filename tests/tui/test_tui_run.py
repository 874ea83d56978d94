"""Runs: live, cancelled, kept."""

from __future__ import annotations

from tests.tui.tui_harness import lines, open_exercise, running, shown, until
from workbench.compute.local import LocalCompute
from workbench.compute.messages import Cancelled, Failed, Finished, Progress
from workbench.tui.exercise_screen import ExerciseScreen
from workbench.tui.run_screen import RunScreen
from workbench.tui.text_screen import TextScreen


async def test_a_run_shows_its_figures_and_where_it_ran(compute: LocalCompute) -> None:
    async with running(compute) as (app, pilot):
        await open_exercise(app, pilot, "attention/argmax")
        await pilot.press("f5")
        await until(pilot, lambda: "done in" in shown(app))
        assert "figure 1 of 3" in lines(app)[0]
        assert "Weights over the keys" in shown(app)
        assert "(cpu), float64" in shown(app) or "(cuda" in shown(app)
        await pilot.press("right", "right")
        assert "figure 3 of 3" in lines(app)[0]


async def test_a_run_of_a_broken_program_does_not_name_its_bug(compute: LocalCompute) -> None:
    async with running(compute) as (app, pilot):
        await open_exercise(app, pilot, "debug/accumulation")
        await pilot.press("f5")
        await until(pilot, lambda: "done in" in shown(app))
        assert "no-division" not in shown(app)
        assert "effective_batch = 32" in shown(app)


async def test_an_earlier_run_is_there_again_with_its_date(compute: LocalCompute) -> None:
    async with running(compute) as (app, pilot):
        await open_exercise(app, pilot, "attention/argmax")
        await pilot.press("f5")
        await until(pilot, lambda: "done in" in shown(app))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, ExerciseScreen))
        await pilot.press("f5")
        await until(pilot, lambda: "kept from" in shown(app))
        assert "Weights over the keys" in shown(app)


async def test_a_run_is_cancelled_and_what_was_drawn_stays(compute: LocalCompute) -> None:
    async with running(compute) as (app, pilot):
        await open_exercise(app, pilot, "debug/zero-grad")
        session = app.screen.session  # type: ignore[attr-defined]
        app.push_screen(screen := RunScreen(session))
        await until(pilot, lambda: screen.handle is not None)
        # The variant's own run takes a moment only; a longer one is put in its place.
        await until(pilot, lambda: screen.handle is not None and screen.handle.ending is not None)
        events: list[object] = []

        def hear(event: object) -> None:
            events.append(event)
            screen.heard_from_worker(event)  # type: ignore[arg-type]

        handle = session.run(hear, {"steps": 5000})
        app.runs[screen.place] = handle
        screen.watch_run(handle)
        await until(pilot, lambda: any(isinstance(event, Progress) and event.figure for event in events))
        await pilot.press("c")
        await until(pilot, lambda: handle.ending is not None)
        assert isinstance(handle.ending, Cancelled | Finished)
        if isinstance(handle.ending, Cancelled):
            await until(pilot, lambda: "cancelled" in shown(app))
        assert "Training loss" in shown(app)


async def test_a_key_is_answered_while_a_run_draws(compute: LocalCompute) -> None:
    async with running(compute) as (app, pilot):
        await open_exercise(app, pilot, "debug/zero-grad")
        session = app.screen.session  # type: ignore[attr-defined]
        handle = session.run(lambda event: None, {"steps": 5000})
        app.runs[(session.exercise_id, 0)] = handle
        await pilot.press("f5")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, ExerciseScreen))
        handle.cancel()


async def test_values_can_be_read(compute: LocalCompute) -> None:
    async with running(compute) as (app, pilot):
        await open_exercise(app, pilot, "attention/argmax")
        await pilot.press("f5")
        await until(pilot, lambda: "done in" in shown(app) or "kept from" in shown(app))
        await pilot.press("v")
        await until(pilot, lambda: "output = [1, 4, 3]" in shown(app))


async def test_values_are_written_as_answers_are_and_to_their_end(compute: LocalCompute) -> None:
    async with running(compute) as (app, pilot):
        await open_exercise(app, pilot, "beam/two-words")
        await pilot.press("f5")
        await until(pilot, lambda: "done in" in shown(app) or "kept from" in shown(app))
        await pilot.press("v")
        await until(pilot, lambda: "stored_2 = neural network; network neural" in shown(app))
        assert "…" not in shown(app)


async def test_a_figure_is_put_into_words(compute: LocalCompute) -> None:
    async with running(compute) as (app, pilot):
        await open_exercise(app, pilot, "attention/argmax")
        await pilot.press("f5")
        await until(pilot, lambda: "done in" in shown(app) or "kept from" in shown(app))
        await pilot.press("d")
        await until(pilot, lambda: isinstance(app.screen, TextScreen))
        assert "heat map of 2 by 4" in shown(app)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))


async def test_why_a_run_failed_is_told_to_its_end(compute: LocalCompute) -> None:
    async with running(compute) as (app, pilot):
        await open_exercise(app, pilot, "attention/argmax")
        await pilot.press("f5")
        await until(pilot, lambda: "done in" in shown(app) or "kept from" in shown(app))
        advice = "its largest sizes are lengths = 4096, features = 512; halve the first, or set dtype = float32"
        app.screen.post_message(RunScreen.Heard(Failed("x", "out_of_memory", "there was no memory left", advice)))
        await until(pilot, lambda: "or set dtype = float32" in " ".join(shown(app).split()))
