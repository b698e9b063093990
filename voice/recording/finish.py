"""From a journal to a stereo Ogg/Opus file: caller left, agent right, on the call's time line.

Frames stand where their time stamps say. Neighbouring frames whose stamps jitter by less than 10 ms are joined
without a gap, so that rounding makes no clicks; a larger difference moves the frame to its stamp, so that nothing adds
up to drift. Works in blocks of a second: a long call needs no more memory than a short one. Blocking: call it outside
event loops.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import structlog

from core.errors import AppError, InvalidInput
from voice.recording.journal import SUFFIX, JournalReader, Track, is_being_written

log = structlog.get_logger(__name__)

_BIT_RATE = 32_000
"""Two telephone channels, speech: 4 KB a second."""
_JOIN_MS = 10
_REORDER_S = 5
"""A record may come this much later than its time; the legs write in order, so this is ample."""
_LONGEST_MS = 6 * 3600 * 1000
"""A time stamp beyond this is damage, not a call."""


class EmptyRecording(InvalidInput):
    """The call was over before its first frame."""

    code = "empty_recording"


@dataclass(frozen=True, slots=True)
class Recording:
    path: Path
    duration_ms: int
    rate_hz: int
    meta: dict[str, str]
    """As given when the journal was opened."""
    opened_at: str
    """ISO 8601, UTC."""
    clean: bool
    """False: the writer died; what it had written is all here."""


def finish(journal: Path, target: Path | None = None) -> Recording:
    """Writes target (default: the journal's name with .ogg), then removes the journal. The target appears complete or
    not at all. Raises EmptyRecording for a journal without frames, InvalidInput when the file is no journal, OSError
    when the disk refuses; the journal then stays."""
    target = target or journal.with_suffix(".ogg")
    reader = JournalReader(journal)
    partial = target.with_name(target.name + ".part")
    try:
        samples = _encode(reader, partial)
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    journal.unlink()
    return Recording(
        path=target,
        duration_ms=samples * 1000 // reader.rate_hz,
        rate_hz=reader.rate_hz,
        meta=reader.meta,
        opened_at=reader.opened_at,
        clean=reader.closed,
    )


def repair_folder(folder: Path) -> list[Recording]:
    """Finishes what a crash left behind, also in folders below. Journals that a living process writes are skipped;
    one that cannot be read is kept and logged."""
    repaired: list[Recording] = []
    for partial in folder.rglob("*.ogg.part"):
        if not (partial.with_name(partial.name.removesuffix(".ogg.part") + SUFFIX)).exists():
            partial.unlink(missing_ok=True)
    for journal in sorted(folder.rglob(f"*{SUFFIX}")):
        try:
            if not is_being_written(journal):
                repaired.append(finish(journal))
        except EmptyRecording:
            journal.unlink()
        except (AppError, OSError) as fault:
            log.warning("recording.not_repaired", journal=journal.name, fault=type(fault).__name__)
    return repaired


def _encode(reader: JournalReader, target: Path) -> int:
    total = 0
    with av.open(str(target), "w", format="ogg") as container:
        container.metadata.update(
            {
                "TITLE": "Telephone call",
                "DATE": reader.opened_at,
                "CHANNELS": "left: caller; right: agent",
                "AI_GENERATED": "right channel: synthetic speech",
                "COMMENT": "Right channel: speech made by an AI agent. Not for identification of persons.",
                **{f"AI_ADMIN_{key.upper()}": value for key, value in reader.meta.items()},
            }
        )
        stream = container.add_stream("libopus", rate=reader.rate_hz, layout="stereo")
        stream.bit_rate = _BIT_RATE
        for block in _blocks(reader):
            frame = av.AudioFrame.from_ndarray(block.reshape(1, -1), format="s16", layout="stereo")
            frame.sample_rate = reader.rate_hz
            frame.pts = total
            total += len(block)
            container.mux(stream.encode(frame))
        if total == 0:
            raise EmptyRecording("the journal holds no audio: nothing to finish")
        container.mux(stream.encode(None))
    return total


def _blocks(reader: JournalReader) -> Iterator[npt.NDArray[np.int16]]:
    """Blocks of one second [samples, 2], in order and without gaps; the last one may be shorter."""
    rate_hz = reader.rate_hz
    waiting: dict[int, npt.NDArray[np.int16]] = {}
    ends = [0, 0]
    next_block = 0
    for record in reader:
        if record.at_ms > _LONGEST_MS:
            log.warning("recording.absurd_time", at_ms=record.at_ms)
            continue
        stamped = record.at_ms * rate_hz // 1000
        track = 0 if record.track is Track.CALLER else 1
        start = ends[track] if abs(stamped - ends[track]) <= _JOIN_MS * rate_hz // 1000 else stamped
        samples = np.frombuffer(record.pcm, dtype="<i2")
        ends[track] = max(ends[track], start + len(samples))
        _place(waiting, samples, start, track, rate_hz, next_block)
        while next_block < max(ends) // rate_hz - _REORDER_S:
            yield waiting.pop(next_block, np.zeros((rate_hz, 2), dtype=np.int16))
            next_block += 1
    end = max(ends)
    while next_block * rate_hz < end:
        block = waiting.pop(next_block, np.zeros((rate_hz, 2), dtype=np.int16))
        yield block[: end - next_block * rate_hz]
        next_block += 1


def _place(
    waiting: dict[int, npt.NDArray[np.int16]],
    samples: npt.NDArray[np.int16],
    start: int,
    track: int,
    rate_hz: int,
    first_block: int,
) -> None:
    while len(samples):
        block, offset = divmod(start, rate_hz)
        part, samples = samples[: rate_hz - offset], samples[rate_hz - offset :]
        start += len(part)
        if block >= first_block:
            into = waiting.setdefault(block, np.zeros((rate_hz, 2), dtype=np.int16))
            into[offset : offset + len(part), track] = part
