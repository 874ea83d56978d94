"""The list of exercises, as a student uses it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.tui.tui_harness import lines, make_app, open_exercise, running, shown, until
from workbench import paths
from workbench.catalog import Catalog
from workbench.compute.local import LocalCompute
from workbench.progress.store import Attempt, Store
from workbench.settings import Settings
from workbench.tui.catalog_screen import CatalogScreen
from workbench.tui.text_screen import TextScreen

IDS = ["attention/argmax", "beam/two-words", "debug/zero-grad", "debug/accumulation", "kernel-attn/cost"]


def listed(app: object) -> list[str]:
    screen = app.screen  # type: ignore[attr-defined]
    assert isinstance(screen, CatalogScreen)
    return [entry.exercise_id for entry in screen.listing.entries if entry.row]


async def test_all_exercises_are_listed_by_topic(compute: LocalCompute) -> None:
    async with running(compute) as (app, _):
        assert listed(app) == IDS
        assert "by topic" in lines(app)[0]
        assert "0 of 5 done" in lines(app)[0]
        for title in ("Argmax attention by hand", "Beam search over two words"):
            assert title in shown(app)


async def test_the_cursor_moves_over_exercises_and_not_over_headings(compute: LocalCompute) -> None:
    async with running(compute) as (app, pilot):
        seen = []
        for _ in range(6):
            seen.append(app.screen.listing.current.exercise_id)  # type: ignore[attr-defined]
            await pilot.press("down")
        assert seen == [*IDS, IDS[-1]]
        await pilot.press("home")
        assert app.screen.listing.current.exercise_id == IDS[0]  # type: ignore[attr-defined]


async def test_details_follow_the_cursor(compute: LocalCompute) -> None:
    async with running(compute) as (app, pilot):
        await pilot.press("down")
        await until(pilot, lambda: "difficulty 2 of 5" in shown(app))
        assert "EECS 182, homework 6 (fall 2022), question 5" in shown(app)


async def test_nothing_is_said_to_be_missing_before_the_list_is_read(
    compute: LocalCompute, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CatalogScreen, "in_background", lambda *_: None)
    app = make_app(compute)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "reading exercises" in lines(app)[0])
        assert "no exercise here" not in shown(app)


async def test_typing_searches_titles_tags_and_statements(compute: LocalCompute) -> None:
    async with running(compute) as (app, pilot):
        await pilot.press("slash", *"greedy")
        assert listed(app) == ["beam/two-words"]
        await pilot.press("enter")
        assert listed(app) == ["beam/two-words"]
        await pilot.press("escape")
        assert listed(app) == IDS


async def test_letters_of_a_search_are_not_commands(compute: LocalCompute) -> None:
    async with running(compute) as (app, pilot):
        await pilot.press("slash", "q", "a", "t", "f")
        assert listed(app) == []
        assert "search: qatf" in lines(app)[0]
        assert "esc clears the search" in shown(app)


async def test_assignments_keep_their_order(compute: LocalCompute) -> None:
    async with running(compute) as (app, pilot):
        await pilot.press("a")
        assert listed(app) == [
            *("kernel-attn/cost", "beam/two-words"),
            *("attention/argmax", "kernel-attn/cost", "debug/accumulation", "debug/zero-grad"),
        ]
        assert "EECS 182, homework 7 (spring 2023)" in shown(app)


async def test_filters_show_what_is_open_begun_and_done(compute: LocalCompute) -> None:
    store = Store(paths.progress_file())
    store.record(Attempt("debug/zero-grad", 0, "patch", "x", "correct", 3, 3))
    store.record(Attempt("beam/two-words", 0, "t1", "x", "wrong", 0, 1))
    store.close()
    async with running(compute) as (app, pilot):
        assert "1 of 5 done" in lines(app)[0]
        expected = {
            "open": ["attention/argmax", "debug/accumulation", "kernel-attn/cost"],
            "partly": ["beam/two-words"],
            "done": ["debug/zero-grad"],
        }
        for name, ids in expected.items():
            await pilot.press("f")
            assert f"{name} only" in lines(app)[0]
            assert listed(app) == ids
        await pilot.press("f")
        assert listed(app) == IDS


async def test_the_cursor_is_where_the_student_left(compute: LocalCompute) -> None:
    async with running(compute) as (app, pilot):
        await open_exercise(app, pilot, "debug/accumulation")
        await until(pilot, lambda: app.workplace.store.last_visit() is not None)
    async with running(compute) as (app, _):
        assert app.screen.listing.current.exercise_id == "debug/accumulation"  # type: ignore[attr-defined]


async def test_themes_change_and_are_remembered(compute: LocalCompute) -> None:
    async with running(compute) as (app, pilot):
        before = app.ink.theme.name
        await pilot.press("t")
        after = app.ink.theme.name
        assert after != before
        assert app.themes[after].title in shown(app)
        await until(pilot, lambda: Settings.load().theme == after)
    async with running(compute) as (app, _):
        assert app.ink.theme.name == after


@pytest.fixture
def own_pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the pack that a test may spoil."""
    pack = tmp_path / "pack"
    shutil.copytree(paths.exercises(), pack)
    monkeypatch.setattr(paths, "exercises", lambda: str(pack))
    return pack


async def test_a_broken_file_is_shown_and_hides_no_other(compute: LocalCompute, own_pack: Path) -> None:
    file = own_pack / "beam" / "two-words.yaml"
    file.write_text(file.read_text().replace("minutes: 20", "minuets: 20"))
    async with running(compute) as (app, pilot):
        assert set(listed(app)) == set(IDS)
        assert "1 broken" in lines(app)[0]
        place = next(i for i, e in enumerate(app.screen.listing.entries) if e.exercise_id == "beam/two-words")  # type: ignore[attr-defined]
        app.screen.listing.place_cursor(place)  # type: ignore[attr-defined]
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, TextScreen))
        assert "pack/beam/two-words.yaml:6:1" in shown(app)
        assert "did you mean 'minutes'?" in shown(app)


async def test_files_are_read_again_on_request(compute: LocalCompute, own_pack: Path) -> None:
    async with running(compute) as (app, pilot):
        (own_pack / "beam" / "two-words.yaml").unlink()
        await pilot.press("r")
        await until(pilot, lambda: "beam/two-words" not in listed(app))


async def test_help_lists_the_keys_of_the_screen(compute: LocalCompute) -> None:
    async with running(compute) as (app, pilot):
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, TextScreen))
        for word in ("search", "by topic or by assignment", "next theme", "quit"):
            assert word in shown(app)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, CatalogScreen))


async def test_q_leaves(compute: LocalCompute) -> None:
    async with running(compute) as (app, pilot):
        await pilot.press("q")
        await until(pilot, lambda: not app.is_running)
        assert app.return_code == 0


async def test_a_file_that_changed_since_the_list_was_compiled_is_read_behind_the_first_frame(
    compute: LocalCompute, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = tmp_path / "pack"
    shutil.copytree(paths.exercises(), pack)
    monkeypatch.setattr(paths, "exercises", lambda: str(pack))
    Catalog()
    file = pack / "attention" / "argmax.yaml"
    file.write_text(file.read_text().replace("title: Argmax attention by hand", "title: Another title"))
    async with running(compute) as (app, pilot):
        await until(pilot, lambda: "Another title" in shown(app))
        assert "0 of 5 done" in shown(app)


async def test_a_window_that_is_too_small_says_so_and_keeps_what_was_typed(compute: LocalCompute) -> None:
    async with running(compute) as (app, pilot):
        await open_exercise(app, pilot, "attention/argmax")
        await pilot.press("3", "space", "1")
        for columns, rows in ((59, 24), (80, 14), (20, 5)):
            await pilot.resize_terminal(columns, rows)
            await until(pilot, lambda: "too small" in lines(app)[0])
            assert f"{columns} x {rows}" in lines(app)[0]
            assert "at least 60 x 15" in lines(app)[1]
        await pilot.resize_terminal(60, 15)
        await until(pilot, lambda: "too small" not in shown(app) and "3 1" in shown(app))
        await pilot.press("1")
        await until(pilot, lambda: "3 11" in shown(app))
