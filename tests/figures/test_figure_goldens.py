"""What each sample looks like at three sizes, with and without Unicode, as files to be read.

After a change that is meant, write them anew and look at the difference::

    GOLDENS=write python -m pytest tests/figures/test_figure_goldens.py
    git diff tests/figures/goldens
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from tests.figures.figure_samples import SAMPLES
from workbench.figures.describe import describe
from workbench.figures.draw import draw
from workbench.figures.look import MONO

GOLDENS = Path(__file__).parent / "goldens"
SIZES = ((60, 15), (80, 20), (120, 30))
# Without colours, so that shades are characters and a file shows all there is.
FORMS = {"unicode": MONO, "ascii": dataclasses.replace(MONO, ascii_only=True)}


def compare(path: Path, text: str) -> None:
    text = "\n".join(line.rstrip() for line in text.split("\n")) + "\n"
    if os.environ.get("GOLDENS") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"{path.name} differs: see the head of this file"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", SIZES, ids="{0[0]}x{0[1]}".format)
@pytest.mark.parametrize("name", SAMPLES)
def test_drawn(name: str, size: tuple[int, int], form: str) -> None:
    drawn = draw(SAMPLES[name], *size, FORMS[form])
    compare(GOLDENS / f"{name}-{size[0]}x{size[1]}-{form}.txt", drawn.plain)


@pytest.mark.parametrize("name", SAMPLES)
def test_described(name: str) -> None:
    compare(GOLDENS / f"{name}-words.txt", describe(SAMPLES[name]))
