"""The process that holds espeak-ng: `python -m media_models.espeak_worker OPTIONS`, frames on stdin and stdout.

A process of its own keeps a crash of the library, and its licence, away from the calls. It ends when stdin ends. One
thread reads commands; the main thread speaks clause by clause, whoever's turn it is, and sends audio while it is made.
"""

import contextlib
import json
import os
import sys
import threading
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
import soxr  # type: ignore[import-untyped]
from numpy.typing import NDArray

from media_models.clauses import Clause, split_clauses
from media_models.espeak_library import EspeakLibrary
from media_models.espeak_wire import HEADER, Frame, Kind, WorkerOptions, decode_header, json_payload
from media_models.fair_speech import FairSpeech
from media_models.loudness import gain_to_target, to_pcm

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
    ended: bool = False


class Worker:
    def __init__(self, options: WorkerOptions, commands: BinaryIO, answers: BinaryIO) -> None:
        self._options = options
        self._commands = commands
        self._answers = answers
        self._desk = _Desk()
        self._library = EspeakLibrary()
        self._gains: dict[str, float] = {}

    def run(self) -> None:
        """Serves until stdin ends."""
        self._gain("ru")
        self._send(Kind.READY, 0, json_payload({"espeak": self._library.version}))
        threading.Thread(target=self._read, name="commands", daemon=True).start()
        desk = self._desk
        while True:
            with desk.changed:
                while (chosen := desk.speech.next()) is None and not desk.ended:
                    desk.changed.wait()
                if chosen is None:
                    return
                request, clause, last = chosen
                voice = desk.voices[request]
            try:
                self._speak(request, voice, clause, last)
            except (RuntimeError, ValueError) as error:
                self._forget(request)
                self._send(Kind.FAILED, request, str(error).encode())

    def _speak(self, request: int, voice: _Voice, clause: Clause, last: bool) -> None:
        gain = self._gain(voice.language)
        self._set_voice(voice.language)

        def on_audio(samples: NDArray[np.int16]) -> bool:
            if request not in self._desk.speech:
                return True
            self._resample(request, voice, samples.astype(np.float32) * (gain / 32768.0), False)
            return False

        self._library.speak(clause.text, on_audio)
        if request not in self._desk.speech:
            return
        pause = np.zeros(self._library.rate_hz * clause.pause_ms // 1000, np.float32)
        self._resample(request, voice, pause, last)
        if last:
            self._forget(request)
            self._send(Kind.DONE, request)

    def _resample(self, request: int, voice: _Voice, samples: NDArray[np.float32], last: bool) -> None:
        out = voice.resampler.resample_chunk(samples, last=last)
        if len(out):
            self._desk.speech.produced(request, 1000 * len(out) / self._options.rate_hz)
            self._send(Kind.AUDIO, request, to_pcm(out))

    def _gain(self, language: str) -> float:
        if language not in self._gains:
            self._set_voice(language)
            blocks: list[NDArray[np.int16]] = []

            def keep(block: NDArray[np.int16]) -> bool:
                blocks.append(block)
                return False

            self._library.speak(_CALIBRATION.get(language, _CALIBRATION["ru"]), keep)
            sample = np.concatenate(blocks).astype(np.float32) / 32768.0
            self._gains[language] = gain_to_target(sample, self._library.rate_hz)
        return self._gains[language]

    def _set_voice(self, language: str) -> None:
        options = self._options
        voice = options.voices.get(language, language)
        self._library.set_voice(voice, options.words_per_minute, options.pitch, options.pitch_range)

    def _forget(self, request: int) -> None:
        with self._desk.changed:
            self._desk.speech.remove(request)
            self._desk.voices.pop(request, None)

    def _send(self, kind: Kind, request: int, payload: bytes = b"") -> None:
        self._answers.write(Frame(kind, request, payload).encode())
        self._answers.flush()

    def _read(self) -> None:
        with contextlib.suppress(ValueError, OSError):
            while len(header := self._commands.read(HEADER.size)) == HEADER.size:
                kind, request, length = decode_header(header)
                self._obey(kind, request, self._commands.read(length))
        with self._desk.changed:
            self._desk.ended = True
            self._desk.changed.notify()

    def _obey(self, kind: Kind, request: int, payload: bytes) -> None:
        desk = self._desk
        with desk.changed:
            if kind is Kind.SPEAK:
                content = json.loads(payload)
                clauses = split_clauses(content["text"]) or [Clause(" ", 0)]
                resampler = soxr.ResampleStream(self._library.rate_hz, self._options.rate_hz, 1, dtype="float32")
                desk.voices[request] = _Voice(content["language"], resampler)
                desk.speech.add(request, clauses)
            elif kind is Kind.CONSUMED:
                desk.speech.consumed(request, int.from_bytes(payload, "little"))
            elif kind is Kind.ABORT:
                desk.speech.remove(request)
                desk.voices.pop(request, None)
            desk.changed.notify()


def main() -> None:
    # The real stdout is for frames alone: whatever a library prints goes to stderr.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with contextlib.suppress(BrokenPipeError):
        Worker(WorkerOptions.decode(sys.argv[1]), sys.stdin.buffer, answers).run()
    os._exit(0)  # the reader may hang in read(); nothing is left to clean up


if __name__ == "__main__":
    main()
