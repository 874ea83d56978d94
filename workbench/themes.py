"""Colour themes: YAML files with the colours of the screen and of plots.

Like the catalogue they are compiled to JSON in the cache, so that a start reads no YAML; themes of one's own
lie in the configuration folder. Light, for the first frame waits for it: the rules that a file must keep are in
`workbench.spec.theme`.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from workbench import paths
from workbench.catalog.index import read_cache, stamp_of, write_cache

DEFAULT = "dark"
MONO = "mono"


class Theme(NamedTuple):
    """One theme: `screen` holds colours by role, `plot` the palette, the ramp and the styles of trees."""

    name: str
    title: str
    dark: bool
    colours: str
    screen: dict[str, str]
    plot: dict[str, Any]


def load_all(folders: list[str] | None = None) -> tuple[dict[str, Theme], list[str]]:
    """All themes by name, and what is wrong with the files that could not be used.

    A theme of the configuration folder takes the place of a built-in one of the same name.
    """
    places = folders or [paths.themes(), os.path.join(paths.config(), "themes")]
    stamps = {path: stamp_of(path) for path in _files(places)}
    cache = os.path.join(paths.cache(), "themes.json")
    stored = read_cache(cache)
    if stored.get("stamps") == stamps:
        try:
            return {name: Theme(**data) for name, data in stored["themes"].items()}, list(stored["problems"])
        except (KeyError, TypeError, AttributeError):  # the cache of another version
            pass
    stored = _compile(stamps)
    write_cache(cache, stored)
    return {name: Theme(**data) for name, data in stored["themes"].items()}, stored["problems"]


def _files(folders: list[str]) -> list[str]:
    found: list[str] = []
    for folder in folders:
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            continue
        found += [os.path.join(folder, name) for name in names if name.endswith(".yaml")]
    return found


def _compile(stamps: dict[str, Any]) -> dict[str, Any]:
    """Read every theme file; a bad one is left out, and said so."""
    from pathlib import Path

    from engines.fields import BadData, plain, read
    from workbench.spec.source import BadFile, load
    from workbench.spec.theme import ThemeFile

    themes: dict[str, Any] = {}
    problems: list[str] = []
    for path in stamps:
        try:
            document = load(Path(path), path)
            try:
                theme = read(ThemeFile, document.data)
            except BadData as bad:
                raise BadFile([document.problem(fault) for fault in bad.faults]) from None
        except BadFile as bad:
            problems += map(str, bad.problems)
            continue
        if theme.name != Path(path).stem:
            problems.append(f"{path}: the theme is called '{theme.name}'; call the file {theme.name}.yaml")
            continue
        data = plain(theme)  # lists and mappings, as they come back from the cache
        del data["format_version"]
        themes[theme.name] = data
    return {"stamps": stamps, "themes": themes, "problems": problems}
