"""The worker's two threads over real pipes, with a decoder that is told what to answer."""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np

from media_models.agreement import Rival
from media_models.belief import Decoded
from media_models.frames import Frame, json_frame, read_frame_blocking
from media_models.ports import Transcript
from media_models.profiles import EngineProfile
from media_models.recogniser_worker.server import Server
from media_models.recogniser_worker.wire import DecodeOrder, Kind, transcript_of
from media_models.segments import Window

RATE_HZ = 8000


class TellingDecoder:
    """Says how long each window was and what fills it, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[bool, list[int]]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.begun = threading.Event()
        self.rivals: tuple[Rival, ...] = ()

    def decode(self, windows: Sequence[Window], final: bool) -> list[Decoded]:
        self.begun.set()
        assert self.gate.wait(20)
        self.asked.append((final, [len(window.samples) for window in windows]))
        if any(np.any(window.samples == 666) for window in windows):
            raise RuntimeError("personal words of a caller")
        return [Decoded(f"звук {len(w.samples) * 1000 // RATE_HZ}", -0.1, 2, self.rivals) for w in windows]


class Pipe:
    def __init__(self, commands: BinaryIO, answers: BinaryIO) -> None:
        self._commands = commands
        self._answers = answers

    def send(self, frame: Frame) -> None:
        self._commands.write(frame.encode())
        self._commands.flush()

    def open(self, stream: int) -> None:
        self.send(json_frame(Kind.OPEN, stream, {"rate_hz": RATE_HZ, "language": "ru", "hints": []}))

    def audio(self, stream: int, ms: int, value: int = 1000) -> None:
        self.send(Frame(Kind.AUDIO, stream, np.full(RATE_HZ * ms // 1000, value, "<i2").tobytes()))

    def decode(self, request: int, stream: int, ms: int, final: bool = False) -> None:
        self.send(DecodeOrder(stream, ms * RATE_HZ // 1000 * 2, final).frame(request))

    def next(self, kind: Kind) -> Frame:
        """The next frame of a kind; reports of beginnings are passed over."""
        while True:
            frame = read_frame_blocking(self._answers)
            assert frame is not None
            if frame.kind != Kind.BEGUN or kind is Kind.BEGUN:
                assert frame.kind == kind, (Kind(frame.kind), frame.payload)
                return frame

    def text(self) -> tuple[int, Transcript]:
        frame = self.next(Kind.TEXT)
        return frame.request, transcript_of(frame)


@contextmanager
def serving(decoder: TellingDecoder, **profile: object) -> Iterator[Pipe]:
    facts = {"partial_every_ms": 1, "hold_back_words": 0, **profile}
    inward, outward = os.pipe(), os.pipe()
    streams = [os.fdopen(inward[0], "rb"), os.fdopen(outward[1], "wb"), os.fdopen(inward[1], "wb"),
               os.fdopen(outward[0], "rb")]  # fmt: skip
    server = Server(decoder, EngineProfile(**facts), streams[0], streams[1])  # type: ignore[arg-type]
    thread = threading.Thread(target=server.run)
    thread.start()
    pipe = Pipe(streams[2], streams[3])
    pipe.next(Kind.READY)
    try:
        yield pipe
    finally:
        decoder.gate.set()
        streams[2].close()
        thread.join(20)
        for stream in (streams[0], streams[1], streams[3]):
            stream.close()
        assert not thread.is_alive()


def test_texts_grow_with_the_audio_and_say_how_much_they_cover() -> None:
    decoder = TellingDecoder()
    with serving(decoder) as pipe:
        pipe.open(1)
        pipe.audio(1, 300)
        pipe.decode(10, 1, 300)
        request, partial = pipe.text()
        assert (request, partial.text, partial.stable_chars, partial.audio_bytes) == (10, "звук 300", 0, 4800)
        assert 0.9 < partial.confidence < 1.0
        pipe.audio(1, 200)
        pipe.decode(11, 1, 500)
        request, partial = pipe.text()
        assert (request, partial.text[: partial.stable_chars]) == (11, "звук")
        pipe.decode(12, 1, 500, final=True)
        request, final = pipe.text()
        assert (final.text, final.stable_chars, final.audio_bytes) == ("звук 500", len("звук 500"), 8000)
    assert [final for final, _ in decoder.asked] == [False, False, True]


def test_a_final_for_the_same_audio_is_not_decoded_again() -> None:
    decoder = TellingDecoder()
    with serving(decoder) as pipe:
        pipe.open(1)
        pipe.audio(1, 300)
        for request in (1, 2):
            pipe.decode(request, 1, 300, final=True)
            pipe.text()
    assert len(decoder.asked) == 1


def test_a_final_asked_for_early_stands_while_silence_follows_and_no_longer() -> None:
    decoder = TellingDecoder()
    with serving(decoder) as pipe:
        pipe.open(1)
        pipe.audio(1, 300)
        pipe.audio(1, 40, value=3)
        pipe.decode(1, 1, 340, final=True)
        early = pipe.text()[1]
        pipe.audio(1, 100, value=3)
        pipe.decode(2, 1, 440, final=True)
        assert pipe.text()[1] == early
        pipe.audio(1, 40, value=90)
        pipe.decode(3, 1, 480, final=True)
        assert pipe.text()[1].text == "звук 480"
        pipe.audio(1, 600, value=3)
        pipe.decode(4, 1, 1080, final=True)
        assert pipe.text()[1].text == "звук 1080"
    assert len(decoder.asked) == 3


def test_many_calls_are_decoded_together_up_to_the_batch() -> None:
    decoder = TellingDecoder()
    with serving(decoder, batch=3) as pipe:
        for stream in range(5):
            pipe.open(stream)
            pipe.audio(stream, 200 + stream * 10)
        decoder.gate.clear()
        pipe.decode(0, 0, 200, final=True)
        assert decoder.begun.wait(20)
        for stream in range(1, 5):
            pipe.decode(stream, stream, 200 + stream * 10, final=True)
        pipe.send(Frame(Kind.PING, 99))
        assert pipe.next(Kind.PONG).request == 99  # answered during a decode; all orders before it are in the line
        decoder.gate.set()
        texts = dict(pipe.text() for _ in range(5))
    assert {key: text.text for key, text in texts.items()} == {n: f"звук {200 + n * 10}" for n in range(5)}
    assert [len(sizes) for _, sizes in decoder.asked] == [1, 3, 1]


def test_partials_that_come_too_soon_get_the_text_before() -> None:
    decoder = TellingDecoder()
    with serving(decoder, partial_every_ms=500) as pipe:
        pipe.open(1)
        pipe.audio(1, 1000)
        got = []
        for request, ms in enumerate((200, 400, 600, 800)):
            pipe.decode(request, 1, ms)
            got.append(pipe.text()[1].text)
    assert got == ["звук 200", "звук 200", "звук 200", "звук 800"]


def test_a_model_without_partials_answers_them_at_once_with_nothing() -> None:
    decoder = TellingDecoder()
    with serving(decoder, partial_every_ms=0) as pipe:
        pipe.open(1)
        pipe.audio(1, 300)
        pipe.decode(1, 1, 300)
        assert pipe.text() == (1, Transcript("", audio_bytes=0))
        pipe.decode(2, 1, 300, final=True)
        assert pipe.text()[1].text == "звук 300"


def test_a_long_turn_is_cut_and_its_beginning_decoded_once() -> None:
    decoder = TellingDecoder()
    with serving(decoder, window_s=2.0) as pipe:
        pipe.open(1)
        pipe.audio(1, 1500)
        pipe.audio(1, 300, value=0)
        pipe.audio(1, 1200)
        pipe.decode(1, 1, 3000)
        first = pipe.text()[1].text
        pipe.decode(2, 1, 3000, final=True)
        assert pipe.text()[1].text == first
    assert first.count("звук") == 2
    assert len(decoder.asked) == 3  # the cut-off beginning once, the tail as partial and as final


def test_a_decode_that_fails_names_no_words_and_the_next_call_is_served() -> None:
    with serving(TellingDecoder()) as pipe:
        for stream, value in ((1, 666), (2, 1000)):
            pipe.open(stream)
            pipe.audio(stream, 300, value)
        pipe.decode(1, 1, 300, final=True)
        assert pipe.next(Kind.FAILED).payload == b"RuntimeError"
        pipe.decode(2, 2, 300, final=True)
        assert pipe.text()[1].text == "звук 300"


def test_a_closed_stream_frees_its_audio_and_is_answered_with_nothing() -> None:
    decoder = TellingDecoder()
    with serving(decoder) as pipe:
        pipe.open(1)
        pipe.audio(1, 300)
        pipe.send(Frame(Kind.CLOSE, 1))
        pipe.audio(1, 300)
        pipe.decode(5, 1, 300, final=True)
        assert pipe.text() == (5, Transcript("", audio_bytes=0))
    assert decoder.asked == []
