"""How the formulas of the course are drawn, in a file to be read: golden.txt beside this one.

An entry is a name, the LaTeX source, and four drawings: in two dimensions and on one line, in Unicode and in
ASCII. To add a formula, append its name and source and nothing else; after that, or after a change that is
meant, write the drawings anew and look at the difference::

    GOLDENS=write python -m pytest tests/maths
    git diff tests/maths/golden.txt
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from workbench.maths import inline, layout

GOLDEN = Path(__file__).parent / "golden.txt"
_ENTRY = re.compile(r"^=== (?P<name>.*)\n(?P<source>(?:(?!===|unicode$).*\n)+)", re.MULTILINE)


def entries() -> dict[str, str]:
    """Name and source of each formula in the file."""
    text = GOLDEN.read_text(encoding="utf-8")
    return {found["name"]: found["source"].strip() for found in _ENTRY.finditer(text)}


def drawn(name: str, source: str) -> str:
    """An entry of the file, written anew."""
    parts = [f"=== {name}", source]
    for form, ascii_only in (("unicode", False), ("ascii", True)):
        parts += [form, _indented(str(layout(source, ascii_only=ascii_only)))]
    parts += ["on one line", *(_indented(inline(source, ascii_only=only) or "(none)") for only in (False, True))]
    return "\n".join(parts) + "\n"


def _indented(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.split("\n"))


FORMULAS = entries()
if os.environ.get("GOLDENS") == "write":
    GOLDEN.write_text("\n".join(drawn(*entry) for entry in FORMULAS.items()), encoding="utf-8")


def test_the_file_is_whole() -> None:
    text = GOLDEN.read_text(encoding="utf-8")
    assert text == "\n".join(drawn(*entry) for entry in FORMULAS.items())
    assert len(FORMULAS) >= 60


@pytest.mark.parametrize("name", FORMULAS)
def test_drawing(name: str) -> None:
    entry = drawn(name, FORMULAS[name])
    assert f"\n{entry}\n" in f"\n{GOLDEN.read_text(encoding='utf-8')}\n", f"{name}: see the head of this file"
