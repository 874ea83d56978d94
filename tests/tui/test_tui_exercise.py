"""An exercise, from the first wrong answer to the last right one."""

from __future__ import annotations

import pytest
from textual.widgets import TextArea

from tests.tui.tui_harness import lines, open_exercise, running, shown, type_text, until
from workbench import paths
from workbench.compute.local import ComputeError, LocalCompute
from workbench.compute.messages import Failed
from workbench.progress.store import Store
from workbench.tui.exercise_screen import ExerciseScreen
from workbench.tui.figure_screen import FigureScreen
from workbench.tui.text_screen import TextScreen


def attempts() -> list[tuple[str, str, str]]:
    store = Store(paths.progress_file())
    made = [(attempt.part, attempt.answer, attempt.status) for attempt in store.attempts()]
    store.close()
    return made


async def test_a_wrong_answer_gets_a_reason_and_a_right_one_its_points(compute: LocalCompute) -> None:
    async with running(compute) as (app, pilot):
        await open_exercise(app, pilot, "attention/argmax")
        await type_text(pilot, "3 11 5 3")
        assert "read as [3, 11, 5, 3]" in shown(app)
        await pilot.press("enter")
        await until(pilot, lambda: "wrong" in shown(app))
        assert "Entry 4 should be 2, not 3. 3 of 4 entries are right." in shown(app)
        await pilot.press("backspace")
        assert "wrong" not in shown(app), "the verdict was about another answer"
        await type_text(pilot, "2")
        await pilot.press("enter")
        await until(pilot, lambda: "correct" in shown(app))
        assert "1/4 done, 1 of 7 pt" in lines(app)[0]
    assert attempts() == [("scores", "3 11 5 3", "wrong"), ("scores", "3 11 5 2", "correct")]


async def test_what_cannot_be_read_is_marked_and_costs_no_attempt(compute: LocalCompute) -> None:
    async with running(compute) as (app, pilot):
        await open_exercise(app, pilot, "attention/argmax")
        await type_text(pilot, "3 11 x")
        rows = lines(app)
        typed = next(i for i, row in enumerate(rows) if row.strip() == "3 11 x")
        assert rows[typed + 1].index("^") == rows[typed].index("x")
        await pilot.press("enter")
        assert "not checked" in shown(app)
    assert attempts() == []


async def test_what_was_typed_is_there_again_after_leaving(compute: LocalCompute) -> None:
    async with running(compute) as (app, pilot):
        await open_exercise(app, pilot, "attention/argmax")
        await type_text(pilot, "3 11")
        await pilot.press("escape", "escape")
        await until(pilot, lambda: not isinstance(app.screen, ExerciseScreen))
        await open_exercise(app, pilot, "attention/argmax")
        assert any(row.strip() == "3 11" for row in lines(app))
    async with running(compute) as (app, pilot):
        await open_exercise(app, pilot, "attention/argmax")
        assert any(row.strip() == "3 11" for row in lines(app))


async def test_hanging_up_keeps_what_was_typed(compute: LocalCompute) -> None:
    async with running(compute) as (app, pilot):
        await open_exercise(app, pilot, "attention/argmax")
        await type_text(pilot, "7 7")
        app.hang_up(1)
        await until(pilot, lambda: not app.is_running)
        assert app.return_code == 129
    store = Store(paths.progress_file())
    assert store.drafts("attention/argmax", 0) == {"scores": "7 7"}


async def test_tab_goes_through_the_parts_and_the_place_is_kept(compute: LocalCompute) -> None:
    async with running(compute) as (app, pilot):
        await open_exercise(app, pilot, "attention/argmax")
        await pilot.press("tab", "tab")
        assert "What does the layer return for q?" in shown(app)
        await until(
            pilot, lambda: app.workplace.store.last_visit("attention/argmax") == ("attention/argmax", 0, "output")
        )
        await pilot.press("shift+tab")
        assert "What weights does the layer give the values?" in shown(app)


async def test_hints_come_one_by_one_and_are_counted(compute: LocalCompute) -> None:
    async with running(compute) as (app, pilot):
        await open_exercise(app, pilot, "attention/argmax")
        await pilot.press("f2")
        await until(pilot, lambda: "hint 1: A score is one number for each key." in shown(app))
        assert "1 more hint" in shown(app)
        await pilot.press("f2")
        await until(pilot, lambda: "hint 2:" in shown(app))
        await pilot.press("f2")
        await until(pilot, lambda: "no more hints" in shown(app))
        assert app.workplace.store.noted("hint", "attention/argmax", 0) == {"scores": 2}


async def test_the_solution_is_shown_only_when_asked_twice(compute: LocalCompute) -> None:
    async with running(compute) as (app, pilot):
        await open_exercise(app, pilot, "attention/argmax")
        await pilot.press("f3")
        await until(pilot, lambda: "give up" in shown(app))
        assert app.workplace.store.noted("solution", "attention/argmax", 0) == {}
        await pilot.press("f3")
        await until(pilot, lambda: isinstance(app.screen, TextScreen))
        assert "q⊤k₁" in shown(app) or "qᵀk₁" in shown(app)
        assert app.workplace.store.noted("solution", "attention/argmax", 0) == {"scores": 1}


async def test_a_prediction_is_recorded_and_then_the_run_is_shown(compute: LocalCompute) -> None:
    async with running(compute) as (app, pilot):
        await open_exercise(app, pilot, "attention/argmax")
        await pilot.press("shift+tab")
        await pilot.press("down", "down", "space", "enter")
        await until(pilot, lambda: isinstance(app.screen, FigureScreen))
        assert "learns?" in shown(app)
        assert attempts() == [("gradients", "V", "correct")]
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, ExerciseScreen))


async def test_another_variant_has_other_data_and_its_own_answer(compute: LocalCompute) -> None:
    async with running(compute) as (app, pilot):
        await open_exercise(app, pilot, "attention/argmax")
        await pilot.press("f4")
        await until(pilot, lambda: "variant 1" in lines(app)[0])
        given = app.screen.session.variant.given  # type: ignore[attr-defined]
        scores = [sum(a * b for a, b in zip(given["query"], key, strict=True)) for key in given["keys"]]
        await type_text(pilot, " ".join(f"{score:g}" for score in scores))
        await pilot.press("enter")
        await until(pilot, lambda: "correct" in shown(app))
        await pilot.press("escape", "p")
        await until(pilot, lambda: "as published" in lines(app)[0])


async def test_a_program_is_mended_in_the_editor(compute: LocalCompute) -> None:
    async with running(compute, size=(120, 40)) as (app, pilot):
        await open_exercise(app, pilot, "debug/zero-grad")
        editor = app.screen.query_one(TextArea)
        assert editor.text.startswith("def train(")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "the sum of all gradients so" in shown(app))
        editor.text = editor.text.replace("        prediction", "        optimizer.zero_grad()\n        prediction")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "correct" in shown(app))
        assert "0 limits only" in shown(app), "the isolation that was used is shown"
        await pilot.press("f7")
        await until(pilot, lambda: isinstance(app.screen, FigureScreen))
        assert "yours" in shown(app)


async def test_a_wrong_answer_to_a_solved_part_is_not_met_with_praise(compute: LocalCompute) -> None:
    async with running(compute, size=(120, 40)) as (app, pilot):
        await open_exercise(app, pilot, "debug/zero-grad")
        editor = app.screen.query_one(TextArea)
        broken = editor.text
        editor.text = broken.replace("        prediction", "        optimizer.zero_grad()\n        prediction")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "all parts are solved" in shown(app))
        editor.text = broken
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "the sum of all gradients so" in shown(app))
        assert "all parts are solved" not in shown(app)


async def test_a_program_that_python_cannot_read_is_no_attempt(compute: LocalCompute) -> None:
    async with running(compute, size=(120, 40)) as (app, pilot):
        await open_exercise(app, pilot, "debug/zero-grad")
        editor = app.screen.query_one(TextArea)
        editor.text = "def train(:\n"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "line 1" in shown(app) and "not checked" in shown(app))
        editor.text = "def train():\n    pass\n"
        await until(pilot, lambda: "line 1" not in shown(app) and "not checked" not in shown(app))
    assert attempts() == []


async def test_a_long_message_is_shown_to_its_end(compute: LocalCompute) -> None:
    async with running(compute, size=(60, 15)) as (app, pilot):
        await open_exercise(app, pilot, "attention/argmax")
        store = app.workplace.store
        store.warning = f"progress cannot be written: {'/long' * 12}. The session goes on, but nothing is kept."
        await type_text(pilot, "3 11 5 2")
        await pilot.press("enter")
        await until(pilot, lambda: "nothing is kept." in " ".join(shown(app).split()))
        assert "enter check" in lines(app)[-1], "the keys keep their place"


async def test_a_check_that_fails_says_so_and_loses_nothing(
    compute: LocalCompute, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(compute) as (app, pilot):
        await open_exercise(app, pilot, "attention/argmax")

        def dies(*args: object, **options: object) -> None:
            raise ComputeError(Failed("x", "worker_died", "the worker process was killed", "run it again"))

        monkeypatch.setattr(app.workplace.compute, "ask", dies)
        await type_text(pilot, "3 11 5 2")
        await pilot.press("enter")
        await until(pilot, lambda: "not checked: the worker process was killed; run it again" in shown(app))
        assert any(row.strip() == "3 11 5 2" for row in lines(app))


async def test_the_claim_is_drawn_through_what_was_measured(compute: LocalCompute) -> None:
    async with running(compute) as (app, pilot):
        await open_exercise(app, pilot, "kernel-attn/cost")
        await type_text(pilot, "N^2*D")
        await pilot.press("enter")
        await until(pilot, lambda: "the right answer's" in shown(app))
        await pilot.press("f7")
        await until(pilot, lambda: isinstance(app.screen, FigureScreen))
        assert "measured, slope 2.00" in shown(app)
        assert "your claim, slope 2.00" in shown(app)


async def test_zoom_gives_the_whole_screen_to_the_statement_then_to_the_questions(compute: LocalCompute) -> None:
    async with running(compute) as (app, pilot):
        await open_exercise(app, pilot, "attention/argmax")
        await pilot.press("f6")
        await pilot.pause()
        assert "the query q" in shown(app)
        assert "pt" not in lines(app)[12]
        await pilot.press("f6")
        await pilot.pause()
        assert "1 scores" in lines(app)[1]
        await pilot.press("f6")
        await pilot.pause()
        assert "An attention layer" in lines(app)[1]


async def test_errata_are_one_key_away(compute: LocalCompute) -> None:
    async with running(compute) as (app, pilot):
        await open_exercise(app, pilot, "attention/argmax")
        await pilot.press("escape", "e")
        await until(pilot, lambda: isinstance(app.screen, TextScreen))
        assert "one in six" in " ".join(shown(app).split())
