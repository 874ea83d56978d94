"""Files written whole or not at all, and folders that are gone afterwards."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from workbench import files, paths


def scratch_root() -> Path:
    return Path(paths.cache(), "scratch")


def test_a_scratch_folder_is_private_and_gone_afterwards_with_all_that_is_in_it(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o755)
    with files.scratch_folder() as name:
        folder = Path(name)
        assert folder.parent == scratch_root()
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "a" / "b").mkdir(parents=True)
        (folder / "a" / "b" / "c").write_text("x")
        (folder / "link").symlink_to(outside)
        (folder / "a").chmod(0)
    assert list(scratch_root().iterdir()) == []
    assert outside.stat().st_mode & 0o777 == 0o755  # a link leads nowhere


def test_a_scratch_folder_goes_when_what_used_it_fails() -> None:
    with pytest.raises(ZeroDivisionError), files.scratch_folder():
        raise ZeroDivisionError
    assert list(scratch_root().iterdir()) == []


def test_what_a_killed_program_left_is_swept_and_what_another_one_uses_is_not() -> None:
    with files.scratch_folder() as used:
        left = scratch_root() / "left"
        (left / "below").mkdir(parents=True)
        os.utime(left, (0, 0))
        with files.scratch_folder():
            assert not left.exists()
            assert Path(used).exists()


def test_without_a_cache_folder_there_is_still_a_scratch_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with files.scratch_folder() as folder:
        assert Path(folder).is_dir()
    assert not Path(folder).exists()


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    files.write_atomically(str(path), b"one")
    files.write_atomically(str(path), b"two")
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_cannot_be_written_is_named_and_the_old_one_stays(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "kept").write_text("x")
    with pytest.raises(OSError, match=r"folder'?$") as caught:
        files.write_atomically(str(tmp_path / "folder"), b"new")
    assert caught.value.filename == str(tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize(
    ("name", "says"), [("new", ""), ("file", ""), ("folder", "a directory"), ("a\0b", "NUL"), ("pipe", "no regular")]
)
def test_what_stands_against_a_file(tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    why = files.not_replaceable(f"{tmp_path}/{name}")
    assert says in why
    assert bool(why) == bool(says)


def modes(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): oct(path.stat().st_mode & 0o777) for path in folder.rglob("*")}


def test_what_is_made_is_its_owners_alone(tmp_path: Path) -> None:
    files.make_file(str(tmp_path / "new" / "below" / "file"))
    assert modes(tmp_path) == {"new": "0o700", "new/below": "0o700", "new/below/file": "0o600"}


def test_what_is_there_already_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o755)
    (tmp_path / "shared" / "file").write_text("content")
    (tmp_path / "shared" / "file").chmod(0o640)
    files.make_file(str(tmp_path / "shared" / "file"))
    files.make_folder(str(tmp_path / "shared"))
    assert modes(tmp_path) == {"shared": "0o755", "shared/file": "0o640"}
    assert (tmp_path / "shared" / "file").read_text() == "content"


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_folder_cannot_take_the_place_of_a_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileExistsError) as caught:
        files.make_folder(f"{tmp_path}/{name}")
    assert caught.value.filename == f"{tmp_path}/file"
