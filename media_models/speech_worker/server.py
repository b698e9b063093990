"""Serving many requests with one engine: one thread reads commands, the other speaks, clause by clause.

Audio is sent while it is made, at one rate and one loudness whatever the engine.
"""

import contextlib
import json
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
import soxr  # type: ignore[import-untyped]
from numpy.typing import NDArray

from media_models.clauses import Clause, split_clauses
from media_models.frames import Frame, json_payload, read_frame_blocking
from media_models.loudness import gain_to_target, to_pcm
from media_models.speech_worker.engine import Engine
from media_models.speech_worker.fair import FairSpeech
from media_models.speech_worker.wire import Kind

_CALIBRATION = {
    "ru": "Добрый день, подскажите, пожалуйста, на какое время вас записать?",
    "en": "Good afternoon, could you please tell me what time suits you best?",
}


@dataclass(slots=True)
class _Voice:
    """How one request sounds: its language and the resampler that carries over clause borders."""

    language: str
    resampler: soxr.ResampleStream


@dataclass(slots=True)
class _Desk:
    """What both threads share."""

    changed: threading.Condition = field(default_factory=threading.Condition)
    speech: FairSpeech = field(default_factory=FairSpeech)
    voices: dict[int, _Voice] = field(default_factory=dict)
    questions: deque[tuple[int, dict[str, str]]] = field(default_factory=deque)
    """Requests for phonemes: the thread that speaks answers them too, since an engine knows one thread."""
    ended: bool = False


class Server:
    """Serves until its command stream ends."""

    def __init__(self, engine: Engine, rate_hz: int, commands: BinaryIO, answers: BinaryIO) -> None:
        self._engine = engine
        self._rate_hz = rate_hz
        self._commands = commands
        self._answers = answers
        self._desk = _Desk()
        self._gains: dict[str, float] = {}

    def run(self) -> None:
        self._gain("ru")
        ready = {"engine": self._engine.name, "rate_hz": self._engine.rate_hz}
        self._send(Kind.READY, 0, json_payload(ready))
        threading.Thread(target=self._read, name="commands", daemon=True).start()
        desk = self._desk
        while True:
            self._answer_questions()
            with desk.changed:
                while not desk.questions and (chosen := desk.speech.next()) is None and not desk.ended:
                    desk.changed.wait()
                if desk.questions:
                    continue
                if chosen is None:
                    return
                request, clause, last = chosen
                voice = desk.voices[request]
            try:
                self._speak(request, voice, clause, last)
            except (RuntimeError, ValueError) as error:
                self._forget(request)
                self._send(Kind.FAILED, request, str(error).encode())

    def _answer_questions(self) -> None:
        while self._desk.questions:
            request, content = self._desk.questions.popleft()
            try:
                said = self._engine.phonemes(content["text"], content["language"])
            except (RuntimeError, ValueError) as error:
                self._send(Kind.FAILED, request, str(error).encode())
            else:
                self._send(Kind.PHONEMES_ARE, request, json_payload(said))

    def _speak(self, request: int, voice: _Voice, clause: Clause, last: bool) -> None:
        gain = np.float32(self._gain(voice.language))

        def on_audio(samples: NDArray[np.float32]) -> bool:
            if request not in self._desk.speech:
                return True
            self._resample(request, voice, samples * gain, False)
            return False

        self._engine.speak(clause.text, voice.language, on_audio)
        if request not in self._desk.speech:
            return
        pause = np.zeros(self._engine.rate_hz * clause.pause_ms // 1000, np.float32)
        self._resample(request, voice, pause, last)
        if last:
            self._forget(request)
            self._send(Kind.DONE, request)

    def _resample(self, request: int, voice: _Voice, samples: NDArray[np.float32], last: bool) -> None:
        out = voice.resampler.resample_chunk(samples, last=last)
        if len(out):
            self._desk.speech.produced(request, 1000 * len(out) / self._rate_hz)
            self._send(Kind.AUDIO, request, to_pcm(out))

    def _gain(self, language: str) -> float:
        """Measured once per language, on a sentence of the kind that will be spoken."""
        if language not in self._gains:
            blocks: list[NDArray[np.float32]] = []

            def keep(block: NDArray[np.float32]) -> bool:
                blocks.append(block)
                return False

            self._engine.speak(_CALIBRATION.get(language, _CALIBRATION["ru"]), language, keep)
            self._gains[language] = gain_to_target(np.concatenate(blocks), self._engine.rate_hz)
        return self._gains[language]

    def _forget(self, request: int) -> None:
        with self._desk.changed:
            self._desk.speech.remove(request)
            self._desk.voices.pop(request, None)

    def _send(self, kind: Kind, request: int, payload: bytes = b"") -> None:
        self._answers.write(Frame(kind, request, payload).encode())
        self._answers.flush()

    def _read(self) -> None:
        with contextlib.suppress(ValueError, OSError):
            while (frame := read_frame_blocking(self._commands)) is not None:
                self._obey(Kind(frame.kind), frame.request, frame.payload)
        with self._desk.changed:
            self._desk.ended = True
            self._desk.changed.notify()

    def _obey(self, kind: Kind, request: int, payload: bytes) -> None:
        desk = self._desk
        with desk.changed:
            if kind == Kind.SPEAK:
                content = json.loads(payload)
                clauses = split_clauses(content["text"]) or [Clause(" ", 0)]
                resampler = soxr.ResampleStream(self._engine.rate_hz, self._rate_hz, 1, dtype="float32")
                desk.voices[request] = _Voice(content["language"], resampler)
                desk.speech.add(request, clauses)
            elif kind == Kind.PHONEMES:
                desk.questions.append((request, json.loads(payload)))
            elif kind == Kind.CONSUMED:
                desk.speech.consumed(request, int.from_bytes(payload, "little"))
            elif kind == Kind.ABORT:
                desk.speech.remove(request)
                desk.voices.pop(request, None)
            desk.changed.notify()
