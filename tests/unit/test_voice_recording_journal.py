"""The layout of the journal and what it does with torn and foreign bytes."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import InvalidInput
from voice.recording.journal import JournalReader, RecordingJournal, Track, is_being_written

FRAME = bytes(range(160)) * 2


def write(path: Path, frames: int = 5) -> None:
    journal = RecordingJournal.open(path, 8000, {"call_id": "c1"})
    for index in range(frames):
        journal.caller(index * 20, FRAME)
        journal.agent(index * 20, FRAME[::-1])
    journal.close()


def test_what_is_written_is_read_with_its_times(tmp_path: Path) -> None:
    write(tmp_path / "a.journal")
    reader = JournalReader(tmp_path / "a.journal")
    records = list(reader)
    assert (reader.rate_hz, reader.meta) == (8000, {"call_id": "c1"})
    assert reader.closed
    assert [(r.track, r.at_ms) for r in records][:4] == [
        (Track.CALLER, 0), (Track.AGENT, 0), (Track.CALLER, 20), (Track.AGENT, 20),
    ]  # fmt: skip
    assert records[0].pcm == FRAME
    assert records[1].pcm == FRAME[::-1]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(min_value=0, max_value=3000))
def test_a_torn_tail_costs_only_the_torn_record(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "torn.journal"
    path.unlink(missing_ok=True)
    write(path)
    whole = list(JournalReader(path))
    data = path.read_bytes()
    body = JournalReader(path)._start
    kept = max(body, len(data) - cut)
    path.write_bytes(data[:kept])
    reader = JournalReader(path)
    records = list(reader)
    assert records == whole[: (kept - body) // (8 + len(FRAME))]
    assert reader.torn_bytes < 8 + len(FRAME)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=400))
def test_foreign_bytes_are_refused_or_read_without_a_crash(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "foreign.journal"
    path.write_bytes(data)
    with pytest.raises(InvalidInput, match=r"foreign\.journal"):
        JournalReader(path)
    write(tmp_path / "good.journal", 2)
    good = (tmp_path / "good.journal").read_bytes()
    (tmp_path / "good.journal").unlink()
    path.write_bytes(good[:-8] + data)
    assert len(list(JournalReader(path))) >= 4


def test_a_journal_in_use_is_known_to_be(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    journal = RecordingJournal.open(path, 8000, {})
    assert is_being_written(path)
    journal.close()
    assert not is_being_written(path)


def test_a_second_journal_for_one_call_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.journal")
    with pytest.raises(FileExistsError):
        RecordingJournal.open(tmp_path / "a.journal", 8000, {})


def test_a_rate_that_opus_does_not_take_is_refused_with_the_field(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="rate_hz"):
        RecordingJournal.open(tmp_path / "a.journal", 11025, {})
