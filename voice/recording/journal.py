"""The recording journal: raw frames of both legs as heard and as played, appended on one time line.

Layout, little endian. Header: 8 bytes magic, u32 length, that many bytes of JSON {"rate_hz", "meta", "opened_at"}.
Records: u8 0xA5, u8 track (0 caller, 1 agent, 2 end), u32 at_ms, u16 length, s16le mono PCM. A frame pair goes out in
one write(), which the kernel keeps when the process is killed; a torn record at the end is recognised and left out.
Time that no record covers is silence.
"""

import fcntl
import json
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path

import structlog

from core.errors import InvalidInput

log = structlog.get_logger(__name__)

MAGIC = b"AIADMJ1\n"
SUFFIX = ".journal"
_SYNC = 0xA5
_RECORD = struct.Struct("<BBIH")
_LENGTH = struct.Struct("<I")
_LONGEST_HEADER = 1 << 20
_READ_BYTES = 1 << 18


class Track(IntEnum):
    CALLER = 0
    AGENT = 1
    END = 2


class RecordingJournal:
    """Written by the process that owns the sockets. No method raises for a full disk: the call goes on, the loss is
    counted in lost_frames."""

    def __init__(self, descriptor: int, size: int, rate_hz: int) -> None:
        self._descriptor = descriptor
        self._size = size
        self._most_bytes = rate_hz * 2
        self._pending = b""
        self._end_ms = 0
        self.lost_frames = 0

    @classmethod
    def open(cls, path: Path, rate_hz: int, meta: Mapping[str, str | int | float | bool]) -> "RecordingJournal":
        """Creates the file (its folder must exist). meta: call id, company, anything the finished file should carry.
        Raises FileExistsError for a second journal of one call, OSError where the folder cannot be written."""
        if rate_hz not in (8000, 16000, 24000, 48000):
            raise InvalidInput(
                f"rate_hz: {rate_hz} is not a rate that can be recorded; use 8000, 16000, 24000 or 48000"
            )
        described = {"rate_hz": rate_hz, "meta": dict(meta), "opened_at": datetime.now(UTC).isoformat()}
        body = json.dumps(described, ensure_ascii=False).encode()
        header = MAGIC + _LENGTH.pack(len(body)) + body
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            # Held until close or death: repair leaves journals alone that are still being written.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(descriptor, header)
        except OSError:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise
        return cls(descriptor, len(header), rate_hz)

    def caller(self, at_ms: int, pcm: bytes) -> None:
        """20 ms from the caller that began at at_ms of the call clock. Written together with the agent's frame of
        the same tick, or with the next call when the agent is silent."""
        pending, self._pending = self._pending, self._record(Track.CALLER, at_ms, pcm)
        if pending:
            self._append(pending)

    def agent(self, at_ms: int, pcm: bytes) -> None:
        """The agent's frame that was put on the wire at at_ms. Silence need not be written."""
        pending, self._pending = self._pending, b""
        self._append(pending + self._record(Track.AGENT, at_ms, pcm))

    def close(self) -> None:
        """The call is over. May be called again."""
        if self._descriptor < 0:
            return
        self._append(self._pending + _RECORD.pack(_SYNC, Track.END, self._end_ms, 0))
        self._pending = b""
        os.close(self._descriptor)
        self._descriptor = -1

    def _record(self, track: Track, at_ms: int, pcm: bytes) -> bytes:
        pcm = pcm[: min(len(pcm), 0xFFFE) // 2 * 2]
        at_ms = min(max(at_ms, 0), 0xFFFFFFFF)
        self._end_ms = max(self._end_ms, at_ms + len(pcm) * 1000 // self._most_bytes)
        return _RECORD.pack(_SYNC, track, at_ms, len(pcm)) + pcm

    def _append(self, records: bytes) -> None:
        if self._descriptor < 0 or not records:
            return
        written = 0
        try:
            written = os.write(self._descriptor, records)
        except OSError as fault:
            if self.lost_frames == 0:
                log.error("recording.write_failed", errno=fault.errno)
        if written == len(records):
            self._size += written
            return
        self.lost_frames += 1
        if written:
            # Half a record would make everything behind it unreadable.
            try:
                os.ftruncate(self._descriptor, self._size)
            except OSError as fault:
                log.error("recording.truncate_failed", errno=fault.errno)


@dataclass(frozen=True, slots=True)
class Record:
    track: Track
    at_ms: int
    pcm: bytes


class JournalReader:
    """Reads a journal once, record by record. After iterating, `closed` and `torn_bytes` tell how it ended."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.closed = False
        """The writer closed it; False after a crash."""
        self.torn_bytes = 0
        """Bytes at the end that are no whole record."""
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise InvalidInput(f"{path.name}: not a recording journal")
            raw = file.read(_LENGTH.size)
            length = _LENGTH.unpack(raw)[0] if len(raw) == _LENGTH.size else 0
            body = file.read(min(length, _LONGEST_HEADER))
            if not length or len(body) != length:
                raise InvalidInput(f"{path.name}: the header of the recording journal is cut")
            try:
                described = json.loads(body)
                self.rate_hz = int(described["rate_hz"])
                self.meta: dict[str, str] = {str(k): str(v) for k, v in dict(described["meta"]).items()}
                self.opened_at = str(described["opened_at"])
            except (ValueError, KeyError, TypeError) as fault:
                raise InvalidInput(f"{path.name}: the header of the recording journal cannot be read") from fault
            self._start = file.tell()

    def __iter__(self) -> Iterator[Record]:
        with self._path.open("rb") as file:
            file.seek(self._start)
            waiting = b""
            while True:
                block = file.read(_READ_BYTES)
                waiting += block
                at = 0
                while len(waiting) - at >= _RECORD.size:
                    sync, track, at_ms, length = _RECORD.unpack_from(waiting, at)
                    if sync != _SYNC or track > Track.END or length % 2:
                        self.torn_bytes = self._rest(file.tell(), len(waiting) - at)
                        return
                    if len(waiting) - at - _RECORD.size < length:
                        break
                    pcm = waiting[at + _RECORD.size : at + _RECORD.size + length]
                    at += _RECORD.size + length
                    if track == Track.END:
                        self.closed = True
                        return
                    yield Record(Track(track), at_ms, pcm)
                waiting = waiting[at:]
                if not block:
                    self.torn_bytes = len(waiting)
                    return

    def _rest(self, position: int, waiting: int) -> int:
        return self._path.stat().st_size - position + waiting


def is_being_written(path: Path) -> bool:
    """A living process holds the journal open."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
