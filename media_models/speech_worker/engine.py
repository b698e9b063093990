"""What the server of a worker process needs of a synthesis engine."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

OnAudio = Callable[[NDArray[np.float32]], bool]
"""Takes a block of samples in [-1, 1]; True asks the engine to stop as soon as it can."""


class Engine(Protocol):
    """One thread uses it. Its level may be its own: the server brings every voice to one loudness."""

    name: str
    rate_hz: int

    def speak(self, text: str, language: str, on_audio: OnAudio) -> None:
        """Speaks one clause. Blocks go to on_audio while they are made. ValueError: cannot speak this."""
        ...

    def phonemes(self, text: str, language: str) -> dict[str, list[str]]:
        """How the engine says a text: "mnemonics" and "ipa", a word each. A word may have its stress marked (U+0301),
        and [[...]] holds mnemonics to be checked. ValueError: names what is wrong with them."""
        ...


def build_engine(name: str, settings: Mapping[str, Any]) -> Engine:
    """The engine of WorkerOptions, imported only here so that a worker loads nothing it does not use."""
    if name == "espeak":
        from media_models.speech_worker.espeak import EspeakEngine

        return EspeakEngine(**settings)
    if name == "piper":
        from media_models.speech_worker.piper import PiperEngine

        return PiperEngine(**settings)
    raise ValueError(f"no synthesis engine {name}: espeak or piper")
