"""Files hold the numbers, name every label, and are there whole or not at all."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from engines.arrays import Array
from engines.figures import Bars, Figure, Graph, Heatmap, Lines, Tree, line, to_plain
from tests.figures.figure_samples import SAMPLES
from workbench.figures.describe import describe
from workbench.figures.export import save

SVG = "{http://www.w3.org/2000/svg}"


def words_in(figure: Figure) -> set[str]:
    """Every label of a figure."""
    if isinstance(figure, Lines):
        return {figure.title, figure.x_label, figure.y_label, *(series.label for series in figure.series)}
    if isinstance(figure, Bars):
        groups = figure.groups if len(figure.groups) > 1 else ()
        return {figure.title, figure.y_label, *figure.labels, *groups}
    if isinstance(figure, Heatmap):
        return {figure.title, *figure.rows, *figure.columns}
    if isinstance(figure, Tree):
        return {figure.title, *(node.label for node in figure.nodes), *(node.note for node in figure.nodes)}
    if isinstance(figure, Graph):
        return {figure.title, *figure.labels, *figure.groups, figure.singled_label}
    return {figure.title, *figure.columns, *(cell for row in figure.rows for cell in row)}


@pytest.mark.parametrize("figure", SAMPLES.values(), ids=SAMPLES)
def test_json_holds_the_figure(figure: Figure, tmp_path: Path) -> None:
    save(figure, tmp_path / "figure.json")
    data = json.loads((tmp_path / "figure.json").read_text(encoding="utf-8"))
    assert data["kind"] == figure.kind
    assert data["title"] == figure.title
    assert set(data) == set(to_plain(figure))
    if isinstance(figure, Lines):
        last = data["series"][-1]["y"]
        numbers = [math.nan if value == "nan" else value for value in last]
        assert all(
            a == b or (math.isnan(a) and math.isnan(b))
            for a, b in zip(numbers, figure.series[-1].y.flat(), strict=True)
        )


def test_csv_holds_the_numbers_exactly(tmp_path: Path) -> None:
    xs, ys = [0.1, 1 / 3, 1e-300], [math.nan, -math.inf, 2 / 7]
    save(Lines("p", "t", (line('a "quoted", name', xs, ys),)), tmp_path / "figure.csv")
    with (tmp_path / "figure.csv").open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["series", "x", "y", "low", "high"]
    assert [float(row[1]) for row in rows] == xs
    assert math.isnan(float(rows[0][2]))
    assert [float(row[2]) for row in rows[1:]] == ys[1:]
    assert {row[0] for row in rows} == {'a "quoted", name'}


@pytest.mark.parametrize(
    ("name", "head", "lines"),
    [
        ("accuracies", ["group", "label", "height"], 6),
        ("attention", ["row", "column", "value"], 36),
        ("beams", ["node", "parent", "label", "state", "note"], 12),
        ("costs", ["method", "operations", "N", "ms", "peak"], 5),
    ],
)
def test_csv_has_a_head_for_each_kind(name: str, head: list[str], lines: int, tmp_path: Path) -> None:
    save(SAMPLES[name], tmp_path / "figure.csv")
    with (tmp_path / "figure.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == head
    assert len(rows) == lines + 1


def test_csv_of_several_names_each_figure(tmp_path: Path) -> None:
    save([SAMPLES["attention"], SAMPLES["long-attention"], SAMPLES["beams"]], tmp_path / "all.csv")
    blocks = (tmp_path / "all.csv").read_text(encoding="utf-8").split("\n\n")
    heads = [block.split("\n")[0] for block in blocks]
    assert heads == ["figure,row,column,value", "figure,node,parent,label,state,note"]
    assert {row.split(",")[0] for row in blocks[0].split("\n")[1:]} == {"attention", "long"}


def test_txt_shows_and_tells(tmp_path: Path) -> None:
    save(list(SAMPLES.values()), tmp_path / "figure.txt")
    text = (tmp_path / "figure.txt").read_text(encoding="utf-8")
    assert "\x1b" not in text
    for figure in SAMPLES.values():
        assert describe(figure) in text
    assert max(map(len, text.split("\n"))) > 90


@pytest.mark.parametrize("figure", SAMPLES.values(), ids=SAMPLES)
def test_svg_is_well_formed_and_names_every_label(figure: Figure, tmp_path: Path) -> None:
    save(figure, tmp_path / "figure.svg")
    root = ET.parse(tmp_path / "figure.svg").getroot()
    shown = {"".join(element.itertext()) for element in root.iter(f"{SVG}text")}
    together = " ".join(shown)
    assert all(word in shown or word in together for word in words_in(figure))
    assert root.find(f"{SVG}g/{SVG}title") is not None
    told = root.find(f"{SVG}g/{SVG}desc")
    assert told is not None
    assert told.text == describe(figure).split("\n", maxsplit=1)[0]


def test_svg_is_self_contained_and_escaped(tmp_path: Path) -> None:
    evil = Heatmap("h", '<script>alert("x")</script>', Array.of([[1.0]]), ('"><script>',), ("&amp;\x1b",))
    save(evil, tmp_path / "figure.svg")
    root = ET.parse(tmp_path / "figure.svg").getroot()
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {"svg", "g", "rect", "text", "title", "desc", "path", "line", "polygon", "circle"}
    text = (tmp_path / "figure.svg").read_text(encoding="utf-8")
    assert "href" not in text
    assert "url(" not in text


def test_several_figures_in_one_svg_stand_below_each_other(tmp_path: Path) -> None:
    save(list(SAMPLES.values()), tmp_path / "all.SVG")
    root = ET.parse(tmp_path / "all.SVG").getroot()
    groups = root.findall(f"{SVG}g")
    assert len(groups) == len(SAMPLES)
    tops = [float(group.attrib["transform"].split()[1].rstrip(")")) for group in groups]
    assert tops == sorted(set(tops))


def test_an_unknown_suffix_names_the_four(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"figure\.png.*\.json, \.csv, \.txt or \.svg"):
        save(SAMPLES["beams"], tmp_path / "figure.png")


def test_a_missing_folder_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        save(SAMPLES["beams"], tmp_path / "nowhere" / "figure.json")


def test_a_folder_in_the_way_is_an_os_error_and_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "figure.json").mkdir()
    with pytest.raises(OSError, match=r"figure\.json"):
        save(SAMPLES["beams"], tmp_path / "figure.json")
    assert [path.name for path in tmp_path.iterdir()] == ["figure.json"]


def test_a_full_disk_leaves_the_old_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "figure.json"
    path.write_text("old", encoding="utf-8")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save(SAMPLES["beams"], path)
    assert path.read_text(encoding="utf-8") == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["figure.json"]


def test_the_file_has_the_usual_permissions(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.touch()
    save(SAMPLES["beams"], tmp_path / "figure.json")
    assert (tmp_path / "figure.json").stat().st_mode == other.stat().st_mode
