"""Whole screens as text, at several sizes, in Unicode and in ASCII: readable in a diff.

To write them anew after a change that is meant: GOLDENS=write python -m pytest tests/tui/test_tui_goldens.py
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.tui.tui_harness import lines, open_exercise, running, shown, type_text, until
from workbench.tui.app import WorkbenchApp

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from workbench.compute.local import LocalCompute

FOLDER = Path(__file__).parent / "goldens"
SIZES = [(60, 15), (80, 24), (120, 40)]


async def catalogue(app: WorkbenchApp, pilot: Pilot[int]) -> None:
    """The list."""
    await pilot.press("down")
    await pilot.pause()


async def verdict(app: WorkbenchApp, pilot: Pilot[int]) -> None:
    """An exercise with a wrong answer."""
    await open_exercise(app, pilot, "attention/argmax")
    await type_text(pilot, "3 11 5 3")
    await pilot.press("enter")
    await until(pilot, lambda: "wrong" in shown(app))


async def options(app: WorkbenchApp, pilot: Pilot[int]) -> None:
    """A prediction, about to be made."""
    await open_exercise(app, pilot, "attention/argmax")
    await pilot.press("shift+tab", "down", "space")
    await pilot.pause()


async def program(app: WorkbenchApp, pilot: Pilot[int]) -> None:
    """A program to be mended."""
    await open_exercise(app, pilot, "debug/zero-grad")
    await pilot.pause()


async def search(app: WorkbenchApp, pilot: Pilot[int]) -> None:
    """The tree of a beam search."""
    await open_exercise(app, pilot, "beam/two-words")
    await pilot.press("f5")
    await until(pilot, lambda: "done in" in shown(app) or "kept from" in shown(app))


async def keys(app: WorkbenchApp, pilot: Pilot[int]) -> None:
    """The help of an exercise."""
    await open_exercise(app, pilot, "attention/argmax")
    await pilot.press("f1")
    await until(pilot, lambda: lines(app)[0].strip() == "keys")


SCREENS = {screen.__name__: screen for screen in (catalogue, verdict, options, program, search, keys)}


def settled(rows: list[str]) -> str:
    """A screen without what differs from run to run: times, devices, folders."""
    moving = ("done in", "kept from", "  progress  ", "  results  ", "  themes  ")
    text = "\n".join(row for row in rows if not any(word in row for word in moving))
    for word in ("cpu, 1 threads", "cpu, 2 threads", "cpu, 1 thread", "cpu, 2 thread"):
        text = text.replace(word, "")
    return "\n".join(row.rstrip() for row in text.splitlines()) + "\n"


@pytest.mark.parametrize("ascii_only", [False, True], ids=["unicode", "ascii"])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", SCREENS)
async def test_screen(
    compute: LocalCompute, name: str, size: tuple[int, int], ascii_only: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whether the first worker is warm yet, and what device it has found, is no part of what is compared.
    monkeypatch.setattr(WorkbenchApp, "on_workbench_app_device_found", lambda app, message: None)
    async with running(compute, size, ascii_only=ascii_only) as (app, pilot):
        await SCREENS[name](app, pilot)
        got = settled(lines(app))
    if ascii_only:
        assert got.isascii()
    assert all(len(row) <= size[0] for row in got.splitlines())
    golden = FOLDER / f"{name}-{size[0]}x{size[1]}-{'ascii' if ascii_only else 'unicode'}.txt"
    if os.environ.get("GOLDENS") == "write":
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(got, encoding="utf-8")
    assert got == golden.read_text(encoding="utf-8")
