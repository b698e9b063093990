"""Rendered phrases on disk: one file each, checked on reading, the least recently used ones dropped over a size bound.

A damaged, foreign or half-written file is a miss, never an error: the phrase is spoken anew. Blocking calls: the owner
runs them in a thread.
"""

import contextlib
import os
import struct
import tempfile
import zlib
from pathlib import Path

_HEADER = struct.Struct("<4sII")  # magic, rate in Hz, CRC-32 of the samples
_MAGIC = b"AAP1"
_SUFFIX = ".pcm"
_TRIM_SHARE = 0.9
"""Trimming goes below the bound by a tenth, so that it is not needed again at once."""


class PhraseStore:
    def __init__(self, folder: Path, rate_hz: int, most_bytes: int) -> None:
        self._folder = folder
        self._rate_hz = rate_hz
        self._most_bytes = most_bytes

    def read(self, key: str) -> bytes | None:
        """s16le mono of a phrase, or None. Marks it as used."""
        path = self._path(key)
        try:
            content = path.read_bytes()
            magic, rate_hz, checksum = _HEADER.unpack_from(content)
        except (OSError, struct.error):
            return None
        pcm = content[_HEADER.size :]
        if magic != _MAGIC or rate_hz != self._rate_hz or zlib.crc32(pcm) != checksum:
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return pcm

    def write(self, key: str, pcm: bytes) -> None:
        """Stores a phrase whole or not at all. OSError: the disk is full or not writable."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self._folder, suffix=".part", delete=False) as file:
            temporary = Path(file.name)
            try:
                file.write(_HEADER.pack(_MAGIC, self._rate_hz, zlib.crc32(pcm)) + pcm)
                file.close()
                temporary.replace(self._path(key))
            except OSError:
                temporary.unlink(missing_ok=True)
                raise
        self._trim()

    def size_bytes(self) -> int:
        return sum(size for _, size, _ in self._files())

    def _trim(self) -> None:
        files = sorted(self._files())
        total = sum(size for _, size, _ in files)
        if total <= self._most_bytes:
            return
        for _, size, path in files:
            path.unlink(missing_ok=True)
            total -= size
            if total <= self._most_bytes * _TRIM_SHARE:
                return

    def _files(self) -> list[tuple[float, int, Path]]:
        """Last use, size and path of every phrase."""
        found: list[tuple[float, int, Path]] = []
        if not self._folder.is_dir():
            return found
        for path in self._folder.glob(f"*{_SUFFIX}"):
            with contextlib.suppress(OSError):
                facts = path.stat()
                found.append((facts.st_mtime, facts.st_size, path))
        return found

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}{_SUFFIX}"
