"""A stand-in for the package vosk that is as strict as the library: same names, same types, same order of calls.

Its "model" hears loudness: 0.2 s (the step of Kaldi's decoder in vosk) at 100 * (n + 1) is word n of WORDS, quiet is a
pause. Two quiet steps after a word end the utterance, as Kaldi's endpointing does: AcceptWaveform then returns 1.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

WORDS = ("запишите", "меня", "на", "маникюр", "завтра", "вечером")
CONFIDENCE = 0.8
_STEP_S = 0.2
_ENDING_STEPS = 2


class Model:
    def __init__(self, model_path: str | None = None, model_name: str | None = None, lang: str | None = None) -> None:
        if not isinstance(model_path, str):
            raise TypeError("'PosixPath' object has no attribute 'encode'")
        if not (Path(model_path) / "am" / "final.mdl").read_bytes():
            raise Exception("Failed to create a model")  # noqa: TRY002


class KaldiRecognizer:
    def __init__(self, *args: Any) -> None:
        model, rate_hz = args
        if not isinstance(model, Model) or not isinstance(rate_hz, float):
            raise TypeError("Unknown arguments")
        self._step = int(rate_hz * _STEP_S)
        self._words_wanted = False
        self._waiting = np.zeros(0, np.int16)
        self._heard: list[str] = []
        self._quiet = 0
        self._ended = False

    def SetWords(self, enable_words: bool) -> None:  # noqa: N802
        self._words_wanted = bool(enable_words)

    def AcceptWaveform(self, data: bytes) -> int:  # noqa: N802
        if type(data) is not bytes or not data or len(data) % 2:
            raise Exception("Failed to process waveform")  # noqa: TRY002
        assert not self._ended, "Result() of the finished utterance was not taken"
        self._waiting = np.concatenate([self._waiting, np.frombuffer(data, "<i2")])
        while len(self._waiting) >= self._step:
            self._hear(self._waiting[: self._step])
            self._waiting = self._waiting[self._step :]
        self._ended = bool(self._heard) and self._quiet >= _ENDING_STEPS
        return int(self._ended)

    def Result(self) -> str:  # noqa: N802
        self._ended = False
        return self._told()

    def PartialResult(self) -> str:  # noqa: N802
        return json.dumps({"partial": " ".join(self._heard)})

    def FinalResult(self) -> str:  # noqa: N802
        if len(self._waiting):
            self._hear(self._waiting)
            self._waiting = np.zeros(0, np.int16)
        self._ended = False
        return self._told()

    def _hear(self, samples: np.ndarray) -> None:
        level = round(float(np.abs(samples.astype(np.float64)).mean()) / 100)
        self._quiet = 0 if level else self._quiet + 1
        if level:
            self._heard.append(WORDS[level - 1] if level <= len(WORDS) else "[unk]")

    def _told(self) -> str:
        heard, self._heard, self._quiet = self._heard, [], 0
        result: dict[str, Any] = {"text": " ".join(heard)}
        if self._words_wanted and heard:
            result["result"] = [
                {"conf": CONFIDENCE, "start": 0.2 * index, "end": 0.2 * index + 0.2, "word": word}
                for index, word in enumerate(heard)
            ]
        return json.dumps(result, ensure_ascii=False)


def SetLogLevel(level: int) -> None:  # noqa: N802
    if not isinstance(level, int):
        raise TypeError("an integer is required")


def write_model(folder: Path, rate_hz: int | None = 8_000) -> Path:
    """A folder that looks like an unpacked Vosk model."""
    (folder / "am").mkdir(parents=True)
    (folder / "am" / "final.mdl").write_bytes(b"weights")
    (folder / "conf").mkdir()
    line = f"--sample-frequency={rate_hz}\n" if rate_hz else ""
    (folder / "conf" / "mfcc.conf").write_text(f"--use-energy=false\n{line}--num-mel-bins=40\n")
    return folder


def spoken(*words: str | None, rate_hz: int = 8_000) -> bytes:
    """s16le mono: each word, or None for a pause, is 0.2 s."""
    levels = [0 if word is None else 100 * ((*WORDS, word).index(word) + 1) for word in words]
    return np.repeat(np.array(levels, "<i2"), int(rate_hz * _STEP_S)).tobytes()
