"""Themes: what is shipped can be read on any of its grounds; a file that cannot be used is left out, and said so."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.style import Style
from textual.color import Color

from workbench import paths, themes
from workbench.themes import DEFAULT, MONO, Theme, load_all

NAMES = ["ansi", "contrast", "dark", "light", "mono", "safe"]
SHIPPED = themes._compile({path: [0] for path in themes._files([paths.themes()])})["themes"]
FULL = [name for name, data in SHIPPED.items() if data["colours"] == "full"]
GROUNDS = ("background", "surface", "panel")
INKS = ("text", "muted", "primary", "accent", "success", "warning", "error")


def luminance(colour: str) -> float:
    """Of #rrggbb, by the formula of WCAG 2."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_the_formula_of_contrast() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_the_themes_that_are_shipped() -> None:
    found, problems = load_all()
    assert problems == []
    assert sorted(found) == NAMES
    assert {DEFAULT, MONO} <= set(found)
    assert {theme.colours for theme in found.values()} == {"full", "ansi", "none"}
    assert {theme.dark for theme in found.values()} == {True, False}


@pytest.mark.parametrize(("name", "ink", "ground"), list(itertools.product(FULL, INKS, GROUNDS)))
def test_every_ink_can_be_read_on_every_ground(name: str, ink: str, ground: str) -> None:
    screen = SHIPPED[name]["screen"]
    assert contrast(screen[ink], screen[ground]) >= 4.5


@pytest.mark.parametrize("name", FULL)
def test_the_line_under_the_cursor_can_be_read(name: str) -> None:
    screen = SHIPPED[name]["screen"]
    assert contrast(screen["cursor_text"], screen["cursor"]) >= 4.5
    assert screen["cursor"] not in {screen[ground] for ground in GROUNDS}


@pytest.mark.parametrize("name", FULL)
def test_plots_can_be_seen(name: str) -> None:
    theme = SHIPPED[name]
    background, plot = theme["screen"]["background"], theme["plot"]
    for colour in plot["palette"]:
        assert contrast(colour, background) >= 3
    assert len(set(plot["palette"])) == len(plot["palette"]) >= 6
    for role in ("kept", "pruned", "best"):
        assert contrast(plot[role].split()[-1], background) >= 3
    shades = [luminance(colour) for colour in plot["ramp"]]
    assert shades == sorted(shades, reverse=not theme["dark"])  # from the ground's side to the other


@pytest.mark.parametrize("name", FULL)
def test_the_ground_is_as_dark_as_the_theme_says(name: str) -> None:
    assert (luminance(SHIPPED[name]["screen"]["background"]) < 0.2) == SHIPPED[name]["dark"]


@pytest.mark.parametrize("name", NAMES)
def test_every_colour_is_one_that_can_be_drawn(name: str) -> None:
    theme = SHIPPED[name]
    for colour in theme["screen"].values():
        assert Color.parse(colour).hex
    plot = theme["plot"]
    for style in (*plot["palette"], *plot["ramp"], plot["kept"], plot["pruned"], plot["best"]):
        assert Style.parse(style)


# -- files of one's own


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = Path(paths.config(), "themes")
    folder.mkdir(parents=True)
    return folder


def dark() -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(Path(paths.themes(), "dark.yaml").read_text())
    return data


def write(own: Path, name: str, text: str) -> str:
    path = own / f"{name}.yaml"
    path.write_text(text)
    return str(path)


def test_a_theme_of_ones_own(own: Path) -> None:
    write(own, "mine", yaml.safe_dump({**dark(), "name": "mine", "title": "Mine"}))
    found, problems = load_all()
    assert problems == []
    assert found["mine"].title == "Mine"
    assert found["mine"].screen == found["dark"].screen
    assert isinstance(found["mine"], Theme)


def test_it_may_take_the_place_of_a_shipped_one(own: Path) -> None:
    path = write(own, "dark", yaml.safe_dump({**dark(), "title": "Darker"}))
    assert load_all()[0]["dark"].title == "Darker"
    Path(path).unlink()
    assert load_all()[0]["dark"].title == "Dark"


TEXT = Path(paths.themes(), "dark.yaml").read_text()


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        ("format_version: 1", "format_version: 2", "1:17", "format_version: 2 is not one of 1"),
        ("title: Dark", "titel: Dark", "3:1", "unknown key 'titel'; did you mean 'title'?"),
        ("dark: true", "dark: yes", "4:7", "dark: expected true or false, got 'yes'"),
        ("colours: full", "colours: many", "5:10", "colours: 'many' is not one of full, ansi, none"),
        ('"#12161c"', '"#12161"', "7:15", "screen.background: '#12161' is not a colour such as"),
        ('"#12161c"', "#12161c", "7:14", "screen.background: expected text, got nothing"),
        ('"#12161c"', "ansi_purple", "7:15", "screen.background: 'ansi_purple' is not a colour"),
        ('"#12161c"', "black", "7:15", "screen.background: 'black' is not a colour"),
        ("  panel:", "  pannel:", "9:3", "screen: unknown key 'pannel'; did you mean 'panel'?"),
        ('best: "bold #ffc66d"', "best: bold redd", "24:9", "plot.best: 'bold redd' is not a style"),
        ('best: "bold #ffc66d"', "best: bold#ffc66d", "24:9", "plot.best: 'bold#ffc66d' is not a style"),
        ('best: "bold #ffc66d"', "best: blink", "24:9", "plot.best: 'blink' is not a style"),
        ('["#7fb4ff", ', '["#7fb4f", ', "20:13", "plot.palette[0]: '#7fb4f' is not a style"),
        ("plot:", "plot: [", "21:3", ""),
    ],
)
def test_a_bad_file_is_left_out_with_the_place_that_is_wrong(
    own: Path, old: str, new: str, place: str, words: str
) -> None:
    assert old in TEXT
    path = write(own, "dark", TEXT.replace(old, new, 1))
    found, problems = load_all()
    assert sorted(found) == NAMES
    assert found["dark"].title == "Dark"  # the shipped one
    assert any(problem.startswith(f"{path}:{place}: ") and words in problem for problem in problems), problems


def test_bad_files_of_other_kinds(own: Path) -> None:
    write(own, "other", TEXT)
    write(own, "empty", "")
    (own / "folder.yaml").mkdir()
    os.mkfifo(own / "pipe.yaml")
    (own / "binary.yaml").write_bytes(b"\xff\xfe")
    found, problems = load_all()
    assert sorted(found) == NAMES
    assert len(problems) == 5
    assert f"{own}/other.yaml: the theme is called 'dark'; call the file dark.yaml" in problems


def test_a_start_reads_no_yaml_and_a_change_is_seen(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[int] = []
    real = themes._compile

    def compile_(stamps: dict[str, Any]) -> dict[str, Any]:
        compiled.append(len(stamps))
        return real(stamps)

    monkeypatch.setattr(themes, "_compile", compile_)
    write(own, "mine", yaml.safe_dump({**dark(), "name": "mine"}))
    write(own, "bad", "[")
    first = load_all()
    assert load_all() == first
    assert compiled == [8]
    write(own, "bad", "[[")
    assert load_all() != first
    assert compiled == [8, 8]


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"themes": 3}', b"\xff", b"[" * 100_000], ids=range(6))
def test_a_damaged_cache_is_made_anew(damage: bytes) -> None:
    first = load_all()
    Path(paths.cache(), "themes.json").write_bytes(damage)
    assert load_all() == first


def test_a_cache_of_another_version_is_made_anew() -> None:
    first = load_all()
    cache = Path(paths.cache(), "themes.json")
    stored = json.loads(cache.read_text())
    for theme in ({"name": "dark"}, {**stored["themes"]["dark"], "new": 1}, 3):
        cache.write_text(json.dumps({**stored, "themes": {"dark": theme}}))
        assert load_all() == first
    del stored["problems"]
    cache.write_text(json.dumps(stored))
    assert load_all() == first


def test_no_themes_at_all(tmp_path: Path) -> None:
    assert load_all([str(tmp_path / "nowhere")]) == ({}, [])
