"""A small pack, written to a folder."""

from __future__ import annotations

import textwrap
from pathlib import Path

EXERCISE = """\
format_version: 1
id: {id}
title: {title}
tags: [{tags}]
difficulty: {difficulty}
engine: attention.argmax
statement: {statement}
parts:
  - {{id: one, kind: number, ask: How large?, expect: margin, comparison: {{atol: 1}}, covers: [{id}]}}
  - {{id: two, kind: number, ask: How small?, expect: margin, comparison: {{atol: 1}}, points: 2}}
"""


def exercise(
    pack: Path, id_: str, *, title: str = "A title", tags: str = "", difficulty: int = 1, statement: str = "Words."
) -> Path:
    """Write one exercise, and give its path."""
    text = EXERCISE.format(id=id_, title=title, tags=tags, difficulty=difficulty, statement=statement)
    return file(pack, f"{id_}.yaml", text)


def assignment(pack: Path, id_: str, *exercises: str) -> Path:
    """Write one assignment, and give its path."""
    lines = "".join(f"  - {{exercise: {name}}}\n" for name in exercises)
    head = f"format_version: 1\nid: {id_}\ntitle: Sheet {id_}\nexercises:\n"
    return file(pack, f"assignments/{id_}.yaml", head + lines)


def file(pack: Path, name: str, text: str) -> Path:
    """Write one file of a pack, and give its path."""
    path = pack / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def small_pack(folder: Path) -> Path:
    """Three exercises in two topics, and an assignment that has two of them in another order."""
    exercise(folder, "beta/hard", title="The hard one", tags="search, deep", difficulty=5)
    exercise(folder, "beta/easy", title="The easy one", statement="About Beams.")
    exercise(folder, "alpha/middle", title="In the middle", difficulty=3)
    assignment(folder, "week-1", "beta/hard", "alpha/middle")
    return folder
