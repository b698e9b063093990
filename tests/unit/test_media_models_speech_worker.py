"""The worker's order of service and its pipe protocol."""

import io
import json
import threading
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_models.clauses import Clause
from media_models.frames import HEADER, Frame, decode_header, json_payload
from media_models.speech_worker.engine import OnAudio, build_engine
from media_models.speech_worker.fair import FairSpeech
from media_models.speech_worker.server import Server
from media_models.speech_worker.wire import Kind, WorkerOptions


def clauses(*texts: str) -> list[Clause]:
    return [Clause(text, 0) for text in texts]


def test_a_new_request_goes_before_one_that_has_audio() -> None:
    speech = FairSpeech()
    speech.add(1, clauses("a", "b", "c"))
    assert speech.next() == (1, Clause("a", 0), False)
    speech.produced(1, 800)
    speech.add(2, clauses("x"))
    assert speech.next() == (2, Clause("x", 0), True)


def test_a_request_does_not_run_ahead_of_its_listener() -> None:
    speech = FairSpeech(read_ahead_ms=1000)
    speech.add(1, clauses("a", "b"))
    speech.next()
    speech.produced(1, 1200)
    assert speech.next() is None
    speech.consumed(1, 300)
    assert speech.next() == (1, Clause("b", 0), True)


def test_equal_needs_take_turns() -> None:
    speech = FairSpeech()
    speech.add(1, clauses("a", "b"))
    speech.add(2, clauses("x", "y"))
    assert [speech.next()[0] for _ in range(4)] == [1, 2, 1, 2]  # type: ignore[index]


def test_a_removed_request_is_not_served() -> None:
    speech = FairSpeech()
    speech.add(1, clauses("a"))
    speech.remove(1)
    speech.produced(1, 10)
    assert 1 not in speech
    assert speech.next() is None


@given(st.sampled_from(Kind), st.integers(0, 2**32 - 1), st.binary(max_size=2000))
@settings(max_examples=60, deadline=None)
def test_frames_survive_the_pipe(kind: Kind, request: int, payload: bytes) -> None:
    encoded = Frame(kind, request, payload).encode()
    assert decode_header(encoded[: HEADER.size]) == (kind, request, len(payload))
    assert encoded[HEADER.size :] == payload


@pytest.mark.parametrize("header", [HEADER.pack(Kind.AUDIO, 1, 1 << 30), HEADER.pack(255, 1, 0xFFFFFFFF)])
def test_a_foreign_frame_is_refused(header: bytes) -> None:
    with pytest.raises(ValueError, match=r"99|payload"):
        decode_header(header)


def test_options_survive_the_command_line() -> None:
    options = WorkerOptions("espeak", 8000, {"voices": {"ru": "ru+f1"}, "pitch": 50})
    assert WorkerOptions.decode(options.encode()) == options


def test_an_unknown_engine_is_named() -> None:
    with pytest.raises(ValueError, match="festival"):
        build_engine("festival", {})


class Tone:
    """An engine of 100 ms a word, in blocks of 20 ms, that notes what it was asked and whether it was stopped."""

    name = "tone"
    rate_hz = 16_000

    def __init__(self) -> None:
        self.spoken: list[str] = []
        self.stopped = False
        self.before_block: Callable[[], None] | None = None

    def phonemes(self, text: str, language: str) -> dict[str, list[str]]:
        if "broken" in text:
            raise ValueError("no such phoneme")
        return {"mnemonics": text.split(), "ipa": []}

    def speak(self, text: str, language: str, on_audio: OnAudio) -> None:
        self.spoken.append(text)
        if "broken" in text:
            raise ValueError("cannot say this")
        turn = np.sin(2 * np.pi * 400 * np.arange(320) / 16000).astype(np.float32)
        for _ in range(5 * len(text.split())):
            if self.before_block is not None:
                self.before_block()
            if on_audio(turn * 0.5):
                self.stopped = True
                return


def serve(engine: Tone, *frames: Frame, rate_hz: int = 8000) -> list[Frame]:
    """Runs a server over the frames until it has answered them, and returns what it sent."""
    answers = io.BytesIO()
    Server(engine, rate_hz, io.BytesIO(b"".join(frame.encode() for frame in frames)), answers).run()
    sent, buffer = [], io.BytesIO(answers.getvalue())
    while header := buffer.read(HEADER.size):
        kind, request, length = decode_header(header)
        sent.append(Frame(kind, request, buffer.read(length)))
    return sent


def speak(request: int, text: str) -> Frame:
    return Frame(Kind.SPEAK, request, json_payload({"text": text, "language": "ru"}))


def test_a_server_speaks_at_the_asked_rate_and_loudness() -> None:
    sent = serve(Tone(), speak(7, "раз два, три"))
    assert sent[0].kind == Kind.READY
    assert json.loads(sent[0].payload)["engine"] == "tone"
    assert sent[-1] == Frame(Kind.DONE, 7)
    pcm = np.frombuffer(b"".join(frame.payload for frame in sent if frame.kind == Kind.AUDIO), "<i2") / 32768
    assert len(pcm) == pytest.approx(8000 * (0.3 + 0.16), abs=200)
    assert 20 * np.log10(np.sqrt((pcm[400:1200] ** 2).mean())) == pytest.approx(-20, abs=0.5)


class LongTone(Tone):
    """One tone that goes on through all blocks of a clause, which are of uneven length, at a rate of its own."""

    rate_hz = 22_050

    def speak(self, text: str, language: str, on_audio: OnAudio) -> None:
        wave = 0.3 * np.sin(2 * np.pi * 400 * np.arange(2 * self.rate_hz) / self.rate_hz)
        begun = 0
        for size in (441, 17, 3_000, 220, 1) * 12:
            on_audio(wave[begun : begun + size].astype(np.float32))
            begun += size


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 24_000])
def test_blocks_are_joined_and_resampled_without_a_step(rate_hz: int) -> None:
    """What comes out is one sine: a sample lost, doubled or bent at a border would stand out of it."""
    sent = serve(LongTone(), speak(1, "раз"), rate_hz=rate_hz)
    pcm = np.frombuffer(b"".join(frame.payload for frame in sent if frame.kind == Kind.AUDIO), "<i2") / 32768
    tone = pcm[rate_hz // 10 : rate_hz * 3 // 2]
    at = 2 * np.pi * 400 * np.arange(len(tone)) / rate_hz
    basis = np.stack([np.sin(at), np.cos(at)])
    rest = tone - np.linalg.lstsq(basis.T, tone, rcond=None)[0] @ basis
    assert len(tone) == rate_hz * 3 // 2 - rate_hz // 10
    assert np.abs(rest).max() < 0.002 * np.abs(tone).max()


def test_a_clause_that_cannot_be_spoken_fails_alone() -> None:
    sent = serve(Tone(), speak(1, "broken"), speak(2, "целое"))
    assert Frame(Kind.FAILED, 1, b"cannot say this") in sent
    assert Frame(Kind.DONE, 2) in sent


def test_phonemes_are_answered_beside_speech_and_errors_named() -> None:
    def ask(request: int, text: str) -> Frame:
        return Frame(Kind.PHONEMES, request, json_payload({"text": text, "language": "ru"}))

    sent = serve(Tone(), speak(1, "раз"), ask(2, "a b"), ask(3, "broken"))
    assert Frame(Kind.PHONEMES_ARE, 2, json_payload({"mnemonics": ["a", "b"], "ipa": []})) in sent
    assert Frame(Kind.FAILED, 3, b"no such phoneme") in sent
    assert Frame(Kind.DONE, 1) in sent


def test_a_text_without_words_is_done_at_once() -> None:
    assert serve(Tone(), speak(1, "…"))[-1] == Frame(Kind.DONE, 1)


def test_an_abort_stops_the_engine_inside_a_clause() -> None:
    engine = Tone()
    sending, speaking = threading.Event(), threading.Event()

    class Commands(io.RawIOBase):
        """Gives the request, waits until it is being spoken, then gives the abort."""

        def __init__(self) -> None:
            self._first = io.BytesIO(speak(1, "слово " * 50).encode())
            self._second = io.BytesIO(Frame(Kind.ABORT, 1).encode())

        def read(self, size: int = -1) -> bytes:
            if (data := self._first.read(size)) != b"":
                return data
            assert speaking.wait(5)
            data = self._second.read(size)
            if data == b"":
                sending.set()
            return data

    def at_block() -> None:
        if len(engine.spoken) > 1:  # the first sentence measures the loudness
            speaking.set()
            assert sending.wait(5)

    engine.before_block = at_block
    answers = io.BytesIO()
    Server(engine, 8000, Commands(), answers).run()  # type: ignore[arg-type]
    assert engine.stopped
    assert Frame(Kind.DONE, 1).encode() not in answers.getvalue()
