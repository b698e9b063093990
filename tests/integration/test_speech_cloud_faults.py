"""The fault table, held: whatever a cloud engine does, the caller's words are whole and the agent's sentence is."""

import asyncio
from collections.abc import Sequence

import pytest

from bench import cloud_faults
from bench.cloud_faults import LINE_CUT, LINE_DEAD, REFUSED, Local, RecognizerRow, VoiceRow
from media_models.adapters.stub import StubSynthesizer, StubSynthesizerOptions
from media_models.ports import Transcript
from tests.simulators.google_speech.auth import ServiceAccount
from tests.simulators.speech_vendor import Fault, scripted

WORDS = "запишите меня на стрижку"
MS_PER_WORD = 300
EXPECTED = {
    Fault.NONE: "",
    Fault.KEY: "auth",
    Fault.QUOTA: "quota",
    Fault.BUSY: "unreachable",
    Fault.HANG_BEFORE: "silent",
    Fault.HANG_AFTER: "silent",
    Fault.RESET: "reset",
    Fault.GARBAGE: "garbage",
    Fault.LATE_FINAL: "silent",
    Fault.PARTIAL_ONLY: "silent",
    Fault.CLOSE_EARLY: "reset",
    Fault.CUT: "",
    Fault.SLOW: "silent",
    REFUSED: "unreachable",
    LINE_CUT: "reset",
    LINE_DEAD: "silent",
}


class LocalEar:
    """Hears one word for each 300 ms that it was given: a turn of which it got less has fewer words."""

    name = "local"

    def open_stream(self, rate_hz: int, language: str = "ru", hints: Sequence[str] = ()) -> "LocalTurn":
        return LocalTurn(rate_hz)

    async def warm_up(self) -> None: ...

    async def close(self) -> None: ...


class LocalTurn:
    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._pcm = b""

    def feed(self, pcm: bytes) -> None:
        self._pcm += pcm

    async def partial(self) -> Transcript:
        return await self.final()

    async def final(self) -> Transcript:
        text = scripted(WORDS, MS_PER_WORD)(self._pcm, self._rate_hz)
        assert isinstance(text, str)
        return Transcript(text, len(text))

    def close(self) -> None: ...


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> Local:
    # Rows wait rather than work: many fit side by side.
    monkeypatch.setattr(cloud_faults, "AT_ONCE", 10)
    utterance = bytes(len(WORDS.split()) * MS_PER_WORD * 16)
    voice = StubSynthesizer(StubSynthesizerOptions(speed=1000))
    return Local(LocalEar(), voice, scripted(WORDS, MS_PER_WORD), utterance, ServiceAccount())


async def test_no_fault_of_a_recogniser_costs_a_word(local: Local) -> None:
    async with asyncio.timeout(110):
        rows: list[RecognizerRow] = await cloud_faults.rows(
            cloud_faults.recognizer_row, cloud_faults.recognizer_cases(), local
        )
    assert len(rows) == len({(row.engine, row.fault) for row in rows}) == 28
    assert [row for row in rows if row.text != WORDS] == []
    assert [row for row in rows if row.reason != EXPECTED[row.fault]] == []  # type: ignore[index]
    assert [row for row in rows if (row.answered_by == "embedded") != bool(row.reason)] == []


async def test_no_fault_of_a_voice_leaves_a_word_out(local: Local) -> None:
    async with asyncio.timeout(110):
        rows: list[VoiceRow] = await cloud_faults.rows(cloud_faults.voice_row, cloud_faults.voice_cases(), local)
    assert len(rows) == 37
    assert [row for row in rows if row.lost] == []
    assert [row for row in rows if len(row.repeated) > 45] == [], "a clause may be said again, not half the sentence"
    # A line that breaks when the sentence is already here is no fault.
    assert [row for row in rows if row.reason not in ("", EXPECTED[row.fault])] == []  # type: ignore[index]
    assert [row for row in rows if not row.reason and row.fault not in (Fault.NONE, LINE_CUT, LINE_DEAD)] == []
