"""Unpacking a model's zip archive into a folder: whole or not at all, and nothing outside that folder.

The one folder that archives of models wrap their content in is dropped: what is read is always FOLDER/am, FOLDER/conf …
"""

import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from core.errors import AppError

_BLOCK_BYTES = 1 << 20
MOST_FILES = 10_000


class BadArchive(AppError):
    """The file is no zip archive, or one that would write outside its folder."""

    code = "bad_archive"


def unpacked_bytes(archive: Path) -> int:
    """What the content takes on disk, as the archive says. BadArchive: it is none."""
    with _opened(archive) as content:
        return sum(item.file_size for item in content.infolist())


def unpack(archive: Path, folder: Path, on_bytes: Callable[[int, int], None]) -> int:
    """Writes the content to folder, replacing it, and returns its size in bytes. on_bytes gets bytes done and in all.

    Cut off in the middle (a signal, a full disk) it leaves what was there before. BadArchive: a damaged archive, or
    an entry with an absolute path, with `..`, or that is a link."""
    growing = folder.with_name(folder.name + ".unpacking")
    shutil.rmtree(growing, ignore_errors=True)
    try:
        with _opened(archive) as content:
            files = [item for item in content.infolist() if not item.is_dir()]
            targets = _targets(archive, files)
            total, done = sum(item.file_size for item in files), 0
            for item, target in zip(files, targets, strict=True):
                path = growing / target
                path.parent.mkdir(parents=True, exist_ok=True)
                with content.open(item) as source, path.open("wb") as copy:
                    while block := source.read(_BLOCK_BYTES):
                        copy.write(block)
                        done += len(block)
                        on_bytes(done, total)
        shutil.rmtree(folder, ignore_errors=True)
        growing.replace(folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise BadArchive(f"{archive.name} is a damaged archive: {error}", file=archive.name) from error
    finally:
        shutil.rmtree(growing, ignore_errors=True)
    return done


def folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _opened(archive: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(archive)
    except zipfile.BadZipFile as error:
        raise BadArchive(f"{archive.name} is no zip archive: {error}", file=archive.name) from error


def _targets(archive: Path, files: list[zipfile.ZipInfo]) -> list[Path]:
    """Where each file goes, relative to the folder."""
    if not files or len(files) > MOST_FILES:
        raise BadArchive(f"{archive.name} holds {len(files)} files: 1 to {MOST_FILES} are expected", file=archive.name)
    paths = []
    for item in files:
        path = PurePosixPath(item.filename)
        link = stat.S_ISLNK(item.external_attr >> 16)
        if link or path.is_absolute() or ".." in path.parts or "\\" in item.filename or ":" in item.filename:
            raise BadArchive(f"{archive.name} holds {item.filename!r}, which leaves its folder", file=archive.name)
        paths.append(path)
    wrapped = len({path.parts[0] for path in paths}) == 1 and all(len(path.parts) > 1 for path in paths)
    return [Path(*path.parts[1:]) if wrapped else Path(*path.parts) for path in paths]
