"""The picture in the README is what the app draws.

To write it anew after a change that is meant: GOLDENS=write python -m pytest tests/hygiene/test_hygiene_goldens.py
"""

from __future__ import annotations

import os
import re

import pytest

from tests.hygiene.sources import ROOT
from tests.tui.tui_harness import lines, open_exercise, running, shown, type_text, until
from workbench.compute.local import LocalCompute
from workbench.tui.app import WorkbenchApp

README = ROOT / "README.md"
PICTURE = re.compile(r"(?<=\n```\n).*?(?=```\n)", re.DOTALL)


async def test_the_picture_in_the_readme_is_what_the_app_draws(
    compute: LocalCompute, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What device there is depends on the machine.
    monkeypatch.setattr(WorkbenchApp, "on_workbench_app_device_found", lambda app, message: None)
    async with running(compute, (80, 24)) as (app, pilot):
        await open_exercise(app, pilot, "attention/argmax")
        await type_text(pilot, "3 11 5 2")
        await pilot.press("enter")
        await until(pilot, lambda: "1/4 done" in shown(app))
        await pilot.press("tab", "tab")
        await type_text(pilot, "[0, 3, 4]")
        await pilot.press("enter")
        await until(pilot, lambda: "wrong" in shown(app))
        drawn = "".join(f"{row}\n" for row in lines(app)).rstrip("\n") + "\n"
    page = README.read_text(encoding="utf-8")
    if os.environ.get("GOLDENS") == "write":
        page = PICTURE.sub(lambda _: drawn, page, count=1)
        README.write_text(page, encoding="utf-8")
    assert PICTURE.search(page).group() == drawn  # type: ignore[union-attr]
