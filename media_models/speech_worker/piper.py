"""Piper: a neural voice (VITS) as an ONNX file with a JSON beside it."""

from pathlib import Path

import numpy as np
from piper import PiperVoice, SynthesisConfig

from media_models.speech_worker.engine import OnAudio


class PiperEngine:
    """The session stays warm. Piper makes a sentence in one go: an abort takes effect at the end of the clause."""

    def __init__(self, model: str, length_scale: float | None = None, speaker_id: int | None = None) -> None:
        self._voice = PiperVoice.load(model)
        self.name = f"piper {Path(model).stem}"
        self.rate_hz: int = self._voice.config.sample_rate
        # normalize_audio would lift every sentence to full scale by itself: the level would jump from one to the next.
        self._config = SynthesisConfig(speaker_id=speaker_id, length_scale=length_scale, normalize_audio=False)

    def speak(self, text: str, language: str, on_audio: OnAudio) -> None:
        for chunk in self._voice.synthesize(text, self._config):
            if on_audio(np.asarray(chunk.audio_float_array, dtype=np.float32)):
                return

    def phonemes(self, text: str, language: str) -> dict[str, list[str]]:
        raise ValueError("a Piper voice names no phonemes: ask espeak-ng")
