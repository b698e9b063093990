"""Unpacking: whole or not at all, and never outside the folder."""

import stat
import zipfile
from pathlib import Path

import pytest

from media_models.archive import BadArchive, folder_bytes, unpack, unpacked_bytes


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def ignore(_done: int, _total: int) -> None:
    return None


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_wrapping_folder_is_dropped(tmp_path: Path) -> None:
    archive = write_zip(
        tmp_path / "a.zip", {"model-1/": b"", "model-1/am/final.mdl": b"weights", "model-1/README": b"?"}
    )
    seen: list[tuple[int, int]] = []
    assert unpack(archive, tmp_path / "model", lambda *step: seen.append(step)) == 8
    assert contents(tmp_path / "model") == {"am/final.mdl": b"weights", "README": b"?"}
    assert seen[-1] == (8, 8)
    assert unpacked_bytes(archive) == folder_bytes(tmp_path / "model") == 8


def test_without_a_wrapping_folder_nothing_is_dropped(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", {"am/final.mdl": b"w", "conf/model.conf": b"c"})
    unpack(archive, tmp_path / "model", ignore)
    assert set(contents(tmp_path / "model")) == {"am/final.mdl", "conf/model.conf"}


@pytest.mark.parametrize("name", ["../outside", "m/../../outside", "/etc/outside", "m\\..\\outside", "c:/outside"])
def test_an_entry_that_leaves_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    archive = write_zip(tmp_path / "a.zip", {"m/good": b"1", name: b"2"})
    with pytest.raises(BadArchive, match="leaves its folder"):
        unpack(archive, tmp_path / "inner" / "model", ignore)
    assert not list(tmp_path.rglob("outside"))
    assert not (tmp_path / "inner" / "model").exists()


def test_a_link_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        link = zipfile.ZipInfo("m/link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(BadArchive, match="leaves its folder"):
        unpack(tmp_path / "a.zip", tmp_path / "model", ignore)


@pytest.mark.parametrize("damage", ["no archive", "cut", "flipped", "empty"])
def test_a_damaged_archive_leaves_what_was_there(tmp_path: Path, damage: str) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "old").write_bytes(b"old")
    archive = write_zip(tmp_path / "a.zip", {} if damage == "empty" else {"m/a": b"abc" * 1000, "m/b": b"d" * 1000})
    content = bytearray(archive.read_bytes())
    if damage == "cut":
        content = content[:40]
    elif damage == "flipped":
        content[45] ^= 0xFF
    elif damage == "no archive":
        content = bytearray(b"<html>not found</html>")
    archive.write_bytes(bytes(content))
    with pytest.raises(BadArchive, match=r"a\.zip"):
        unpack(archive, tmp_path / "model", ignore)
    assert contents(tmp_path / "model") == {"old": b"old"}
    assert {path.name for path in tmp_path.iterdir()} == {"a.zip", "model"}


def test_an_interruption_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "old").write_bytes(b"old")
    archive = write_zip(tmp_path / "a.zip", {"m/a": b"a" * 100, "m/b": b"b" * 100})

    def interrupt(done: int, _total: int) -> None:
        if done > 100:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack(archive, tmp_path / "model", interrupt)
    assert contents(tmp_path / "model") == {"old": b"old"}
    assert not (tmp_path / "model.unpacking").exists()
    unpack(archive, tmp_path / "model", ignore)
    assert set(contents(tmp_path / "model")) == {"a", "b"}
