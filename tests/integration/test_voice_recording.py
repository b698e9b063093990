"""Recordings on a real disk with real processes: alignment, drift, kill -9, a full disk."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest

from voice.recording.finish import finish, repair_folder
from voice.recording.journal import JournalReader, RecordingJournal, Track

RATE = 8000
FRAME = 160


def decoded(path: Path) -> tuple[np.ndarray, int]:
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        blocks = [frame.to_ndarray() for frame in container.decode(stream)]
        audio = np.concatenate(blocks, axis=1)
        if audio.shape[0] == 1:
            audio = audio.reshape(-1, 2).T
        return audio.astype(np.float64), stream.rate


def onsets_ms(track: np.ndarray, rate: int) -> list[float]:
    """Beginnings of bursts, by energy in 1 ms windows."""
    size = rate // 1000
    level = np.sqrt(np.mean(track[: len(track) // size * size].reshape(-1, size) ** 2, axis=1))
    loud = level > 0.2 * level.max()
    starts, quiet = [], 100
    for ms, on in enumerate(loud):
        if on and quiet >= 100:
            starts.append(float(ms))
        quiet = 0 if on else quiet + 1
    return starts


def burst(at: int) -> bytes:
    t = np.arange(at, at + FRAME) / RATE
    return (12000 * np.sin(2 * np.pi * 700 * t)).astype("<i2").tobytes()


QUIET = bytes(FRAME * 2)


def test_ten_minutes_do_not_drift_and_both_sides_stay_together(tmp_path: Path) -> None:
    path = tmp_path / "long.journal"
    journal = RecordingJournal.open(path, RATE, {"call_id": "long"})
    seed = np.random.default_rng(7)
    expected = []
    for index in range(30_000):
        # Stamps jitter like those of a clock that is read after waking; a stall loses frames now and then.
        at_ms = index * 20 + int(seed.integers(-3, 4)) if index else 0
        if index % 5000 in range(2000, 2040):
            continue
        loud = index % 500 < 5
        if loud and index % 500 == 0:
            expected.append(index * 20.0)
        journal.caller(at_ms, burst(index * FRAME) if loud else QUIET)
        if loud:
            journal.agent(index * 20, burst(index * FRAME))
    journal.close()
    recording = finish(path)
    assert not path.exists()
    assert abs(recording.duration_ms - 600_000) <= 20
    audio, rate = decoded(recording.path)
    assert abs(audio.shape[1] / rate - 600.0) < 0.03
    for track in (0, 1):
        found = onsets_ms(audio[track], rate)
        assert len(found) == len(expected)
        assert max(abs(a - b) for a, b in zip(found, expected, strict=True)) < 20.0


def test_left_is_the_caller_and_the_file_says_that_the_voice_is_synthetic(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    journal = RecordingJournal.open(path, RATE, {"call_id": "c-7"})
    for index in range(100):
        journal.caller(index * 20, burst(index * FRAME) if index < 50 else QUIET)
        if index >= 50:
            journal.agent(index * 20, burst(index * FRAME))
    journal.close()
    recording = finish(path)
    audio, rate = decoded(recording.path)
    half = rate
    assert np.abs(audio[0, : half - 2000]).mean() > 50 * np.abs(audio[0, half + 2000 :]).mean()
    assert np.abs(audio[1, half + 2000 :]).mean() > 50 * np.abs(audio[1, : half - 2000]).mean()
    with av.open(str(recording.path)) as container:
        tags = {**container.metadata, **container.streams.audio[0].metadata}
    tags = {key.upper(): value for key, value in tags.items()}
    assert "synthetic" in tags["AI_GENERATED"]
    assert tags["AI_ADMIN_CALL_ID"] == "c-7"


WRITER = """
import sys, time
from pathlib import Path
from voice.recording.journal import RecordingJournal
journal = RecordingJournal.open(Path(sys.argv[1]), 8000, {"call_id": "killed"})
index = 0
while True:
    journal.caller(index * 20, bytes([index % 251 + 1, 0]) * 160)
    journal.agent(index * 20, bytes([index % 251 + 1, 0]) * 160)
    index += 1
    if index % 10 == 0:
        print(index, flush=True)
    time.sleep(0.002)
"""


def test_kill_9_loses_nothing_that_was_written(tmp_path: Path) -> None:
    path = tmp_path / "killed.journal"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    told = 0
    while told < 150:
        told = int(writer.stdout.readline())
    assert repair_folder(tmp_path) == [], "a journal in use is left alone"
    os.kill(writer.pid, signal.SIGKILL)
    rest = writer.stdout.read().split()
    writer.stdout.close()
    writer.wait(10)
    told = int(rest[-1]) if rest else told
    records = list(JournalReader(path))
    assert sum(record.track is Track.CALLER for record in records) >= told
    assert sum(record.track is Track.AGENT for record in records) >= told
    # A torn tail on top of it: half a record.
    with path.open("ab") as file:
        file.write(b"\xa5\x00\x10")
    started = time.monotonic()
    (recording,) = repair_folder(tmp_path)
    assert time.monotonic() - started < 10
    assert not recording.clean
    assert recording.duration_ms >= told * 20
    audio, rate = decoded(recording.path)
    assert audio.shape[1] / rate >= told * 0.02 - 0.03
    assert repair_folder(tmp_path) == []


def test_a_journal_that_is_none_is_kept_and_does_not_stop_the_repair(tmp_path: Path) -> None:
    (tmp_path / "a.journal").write_bytes(b"something else")
    journal = RecordingJournal.open(tmp_path / "b.journal", RATE, {})
    journal.caller(0, burst(0))
    journal.close()
    RecordingJournal.open(tmp_path / "never-a-frame.journal", RATE, {}).close()
    (recording,) = repair_folder(tmp_path)
    assert recording.path.name == "b.ogg"
    assert not (tmp_path / "never-a-frame.journal").exists()
    assert (tmp_path / "a.journal").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_does_not_stop_the_call() -> None:
    journal = RecordingJournal(os.open("/dev/full", os.O_WRONLY), 0, RATE)
    for index in range(10):
        journal.caller(index * 20, QUIET)
        journal.agent(index * 20, QUIET)
    assert journal.lost_frames == 10
    journal.close()
