"""The compiled list of exercises: as true as the files, whatever happens to them or to the cache."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

import workbench
from tests.catalog.catalog_samples import exercise, file, small_pack
from workbench import paths
from workbench.catalog import Catalog, build, index
from workbench.spec import BadFile


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    return small_pack(tmp_path / "pack")


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are read, in order."""
    names: list[str] = []
    real = build.row

    def row(folder: str, name: str) -> Any:
        names.append(name)
        return real(folder, name)

    monkeypatch.setattr(build, "row", row)
    return names


def titles(pack: Path) -> list[str]:
    return [row["title"] for row in index.load(str(pack))["exercises"]]


ALL = ["alpha/middle.yaml", "assignments/week-1.yaml", "beta/easy.yaml", "beta/hard.yaml"]


def test_what_the_list_knows(pack: Path) -> None:
    found = index.load(str(pack))
    assert [row["id"] for row in found["exercises"]] == ["alpha/middle", "beta/easy", "beta/hard"]
    row = found["exercises"][2]
    assert row["topic"] == "beta"
    assert row["points"] == 3
    assert row["tags"] == ["search", "deep"]
    assert row["difficulty"] == 5
    assert row["parts"][0] == {"id": "one", "kind": "number", "points": 1, "covers": ["beta/hard"]}
    assert "how small?" in index.texts(str(pack))[row["id"]]
    assert row["broken"] == []
    assert found["assignments"][0]["title"] == "Sheet week-1"
    assert [item["exercise"] for item in found["assignments"][0]["exercises"]] == ["beta/hard", "alpha/middle"]


def test_nothing_is_read_twice(pack: Path, compiled: list[str]) -> None:
    assert not index.is_fresh(str(pack))
    first = index.load(str(pack))
    assert compiled == ALL
    assert index.is_fresh(str(pack))
    assert index.load(str(pack)) == first
    assert compiled == ALL


def test_only_what_changed_is_read_again(pack: Path, compiled: list[str]) -> None:
    index.load(str(pack))
    compiled.clear()
    exercise(pack, "beta/easy", title="Another title")
    assert not index.is_fresh(str(pack))
    assert titles(pack) == ["In the middle", "Another title", "The hard one"]
    exercise(pack, "alpha/new", title="A new one")
    assert titles(pack)[0] == "A new one"
    (pack / "beta/hard.yaml").unlink()
    assert titles(pack) == ["A new one", "In the middle", "Another title"]
    assert compiled == ["beta/easy.yaml", "alpha/new.yaml"]


def test_a_change_of_the_same_size_with_its_time_put_back(pack: Path) -> None:
    index.load(str(pack))
    path = pack / "beta/easy.yaml"
    before = path.stat()
    text = path.read_text()
    path.write_text(text.replace("The easy one", "The eazy one"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert not index.is_fresh(str(pack))
    assert "The eazy one" in titles(pack)


def test_a_file_that_takes_the_place_of_another(pack: Path, tmp_path: Path) -> None:
    index.load(str(pack))
    other = exercise(tmp_path / "elsewhere", "beta/easy", title="The eazy one")
    old = (pack / "beta/easy.yaml").stat()
    os.utime(other, ns=(old.st_atime_ns, old.st_mtime_ns))
    other.replace(pack / "beta/easy.yaml")
    assert "The eazy one" in titles(pack)


def test_one_bad_file_hides_no_other(pack: Path) -> None:
    file(pack, "beta/broken.yaml", "format_version: 1\nid: beta/broken\ntitel: x\n")
    file(pack, "beta/empty.yaml", "")
    (pack / "beta/binary.yaml").write_bytes(bytes(range(256)))
    file(pack, "beta/wrong.yml", "format_version: 1")
    (pack / "beta/folder.yaml").mkdir()
    os.mkfifo(pack / "beta/pipe.yaml")
    (pack / "beta/gone.yaml").symlink_to("nowhere")
    file(pack, "assignments/broken.yaml", "[")
    found = index.load(str(pack))
    good = [row["id"] for row in found["exercises"] if not row["broken"]]
    assert good == ["alpha/middle", "beta/easy", "beta/hard"]
    bad = {row["file"]: row["broken"] for row in found["exercises"] if row["broken"]}
    assert sorted(bad) == [
        f"beta/{name}"
        for name in sorted(
            ("binary.yaml", "broken.yaml", "empty.yaml", "folder.yaml", "gone.yaml", "pipe.yaml", "wrong.yml")
        )
    ]
    assert bad["beta/broken.yaml"][0].startswith("pack/beta/broken.yaml:3:1: unknown key 'titel'")
    assert bad["beta/empty.yaml"] == ["pack/beta/empty.yaml: is empty"]
    assert "not a regular file" in bad["beta/pipe.yaml"][0]
    assert "rename it to .yaml" in bad["beta/wrong.yml"][0]
    assert found["assignments"][0]["broken"][0].startswith("pack/assignments/broken.yaml:1:2: ")
    with pytest.raises(BadFile):
        Catalog(str(pack)).exercise("beta/broken")


def test_a_mended_file_is_whole_again(pack: Path) -> None:
    path = file(pack, "beta/broken.yaml", "[")
    assert Catalog(str(pack)).row("beta/broken")["broken"]
    path.unlink()
    exercise(pack, "beta/broken", title="Mended")
    assert Catalog(str(pack)).row("beta/broken")["title"] == "Mended"


def test_what_is_left_out(pack: Path) -> None:
    for name in (
        "_drafts/x.yaml",
        ".git/x.yaml",
        "beta/_draft.yaml",
        "beta/.hidden.yaml",
        "beta/notes.txt",
        "top.yaml",
    ):
        file(pack, name, "[")
    (pack / "beta" / "deep").mkdir()
    file(pack, "beta/deep/x.yaml", "[")
    assert sorted(index.sweep(str(pack))) == ALL


@pytest.mark.parametrize("folder", ["nowhere", "file", "empty"])
def test_no_pack_at_all(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    assert index.load(str(tmp_path / folder)) == {"exercises": [], "assignments": []}
    assert Catalog(str(tmp_path / folder)).topics() == []


@pytest.mark.parametrize("name", ["pack with blanks", "päck-日本", os.fsdecode(b"p\xffck")])
def test_odd_names_of_folders(tmp_path: Path, name: str) -> None:
    pack = small_pack(tmp_path / name)
    assert len(titles(pack)) == 3
    assert index.is_fresh(str(pack))
    (pack / "beta" / os.fsdecode(b"\xff.yaml")).write_text("[")
    assert len(index.load(str(pack))["exercises"]) == 4
    assert index.is_fresh(str(pack))


# -- the cache


def cache_of(pack: Path) -> Path:
    return Path(index.cache_path(str(pack)))


def parts(pack: Path) -> dict[str, Any]:
    """The lines of a stored index by name."""
    lines = cache_of(pack).read_text().splitlines()
    return dict(zip(("head", *index.LINES), map(json.loads, lines), strict=True))


def store(pack: Path, content: dict[str, Any]) -> None:
    cache_of(pack).write_text("\n".join(map(json.dumps, content.values())))


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"folder": 1}',
    ],
    ids=range(7),
)
def test_a_damaged_cache_is_made_anew(pack: Path, compiled: list[str], damage: bytes) -> None:
    first = index.load(str(pack))
    cache_of(pack).write_bytes(damage)
    compiled.clear()
    assert not index.is_fresh(str(pack))
    assert index.load(str(pack)) == first
    assert compiled == ALL
    assert index.is_fresh(str(pack))


@pytest.mark.parametrize("length", [0.1, 0.5, 0.9, 0.999])
def test_a_cache_cut_short(pack: Path, length: float) -> None:
    first = index.load(str(pack))
    raw = cache_of(pack).read_bytes()
    cache_of(pack).write_bytes(raw[: int(len(raw) * length)])
    assert index.load(str(pack)) == first


@pytest.mark.parametrize(
    "change",
    [
        {"folder": "/elsewhere"},
        {"program": [0, "0.0", 0, 0]},
        {"program": None},
        {"rows": None},
        {"rows": {}},
        {"rows": [1]},
        {"rows": {"exercises": 1, "assignments": []}},
        {"rows": {"exercises": [{}], "assignments": []}},
        {"stamps": None},
        {"stamps": {}},
        {"stamps": {"alpha/middle.yaml": 3}},
    ],
    ids=str,
)
def test_a_cache_of_other_content_is_not_believed(pack: Path, change: dict[str, Any]) -> None:
    first = index.load(str(pack))
    stored = parts(pack)
    if "rows" in change or "stamps" in change:
        store(pack, {**stored, **change})
    else:
        store(pack, {**stored, "head": {**stored["head"], **change}})
    assert index.load(str(pack)) == first
    assert index.is_fresh(str(pack))


def test_a_cache_without_one_of_its_files(pack: Path) -> None:
    first = index.load(str(pack))
    stored = parts(pack)
    stored["rows"]["exercises"] = [row for row in stored["rows"]["exercises"] if row["file"] != "beta/easy.yaml"]
    del stored["stamps"]["beta/easy.yaml"]
    store(pack, stored)
    assert index.load(str(pack)) == first


def test_another_version_reads_everything_again(
    pack: Path, compiled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    index.load(str(pack))
    compiled.clear()
    monkeypatch.setattr(workbench, "__version__", "999.0")
    assert not index.is_fresh(str(pack))
    index.load(str(pack))
    assert compiled == ALL


def test_newer_rules_read_everything_again(pack: Path, compiled: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    index.load(str(pack))
    compiled.clear()
    rules = index.program_stamp()
    monkeypatch.setattr(index, "program_stamp", lambda: [*rules[:2], rules[2] + 1, rules[3]])
    index.load(str(pack))
    assert compiled == ALL


def test_a_cache_that_cannot_be_written(pack: Path, compiled: list[str]) -> None:
    """A file stands where the folder should be: every start compiles, and nothing else happens."""
    blocked = Path(paths.cache())
    blocked.parent.mkdir(parents=True)
    blocked.write_text("in the way")
    first = index.load(str(pack))
    assert index.load(str(pack)) == first
    assert compiled == ALL * 2
    assert not index.is_fresh(str(pack))
    assert blocked.read_text() == "in the way"


def test_a_folder_in_place_of_the_cache(pack: Path) -> None:
    cache_of(pack).mkdir(parents=True)
    assert len(titles(pack)) == 3
    assert list(cache_of(pack).parent.iterdir()) == [cache_of(pack)]  # no half-written file is left


def test_two_packs_do_not_share_a_cache(pack: Path, tmp_path: Path, compiled: list[str]) -> None:
    other = small_pack(tmp_path / "other")
    exercise(other, "beta/easy", title="Elsewhere")
    assert titles(pack) != titles(other)
    compiled.clear()
    assert titles(pack) != titles(other)
    assert compiled == []


def test_the_list_needs_no_yaml_once_it_is_compiled() -> None:
    import subprocess
    import sys

    code = "import sys; from workbench.catalog import Catalog; print(len(Catalog().rows), 'yaml' in sys.modules)"
    first, second = (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
        for _ in range(2)
    )
    assert int(first[0]) >= 5
    assert (first[1], second[1]) == ("True", "False")


def test_what_was_compiled_last_is_there_at_once_whatever_the_files_say_now(pack: Path, compiled: list[str]) -> None:
    assert index.stored(str(pack)) is None
    first = index.load(str(pack))
    compiled.clear()
    (pack / "beta" / "easy.yaml").unlink()
    assert index.stored(str(pack)) == first
    assert not index.is_fresh(str(pack))
    assert compiled == []
    assert len(index.load(str(pack))["exercises"]) == len(first["exercises"]) - 1
