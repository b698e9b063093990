"""espeak-ng by ctypes, as the package espeakng-loader brings it. Imported by the worker process alone (GPL-3)."""

import ctypes
from collections.abc import Callable
from typing import Any

import espeakng_loader  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

_SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS: audio through the callback, in the calling thread
_POS_CHARACTER = 1
_CHARS_UTF8 = 0x01
_PHONEMES = 0x100  # [[...]] holds phoneme mnemonics
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
BUFFER_MS = 20
"""Audio of one callback: also the grain of an abort."""

OnAudio = Callable[[NDArray[np.int16]], bool]
"""Takes a block of samples; True aborts the synthesis."""


class EspeakLibrary:
    """The library is one global state: one instance a process, one call at a time."""

    def __init__(self) -> None:
        self._lib: Any = ctypes.CDLL(espeakng_loader.get_library_path())
        self._lib.espeak_Synth.argtypes = [
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_uint,
            ctypes.c_int,
            ctypes.c_uint,
            ctypes.c_uint,
            ctypes.c_void_p,
            ctypes.c_void_p,
        ]
        self._lib.espeak_Info.restype = ctypes.c_char_p
        self.rate_hz: int = self._lib.espeak_Initialize(
            _SYNCHRONOUS, BUFFER_MS, espeakng_loader.get_data_path().encode(), 0
        )
        if self.rate_hz <= 0:
            raise RuntimeError("espeak-ng does not start: its data folder is missing or damaged")
        self._on_audio: OnAudio | None = None
        self._callback = _CALLBACK(self._receive)  # kept: the library holds only its address
        self._lib.espeak_SetSynthCallback(self._callback)
        self._voice = ""

    @property
    def version(self) -> str:
        return str(self._lib.espeak_Info(None).decode().split(" ")[0])

    def set_voice(self, name: str, words_per_minute: int, pitch: int, pitch_range: int) -> None:
        """name: a language with an optional variant, "ru" or "ru+f2". ValueError: there is no such voice."""
        if name == self._voice:
            return
        if self._lib.espeak_SetVoiceByName(name.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {name}")
        for parameter, value in ((_RATE, words_per_minute), (_VOLUME, 100), (_PITCH, pitch), (_RANGE, pitch_range)):
            self._lib.espeak_SetParameter(parameter, value, 0)
        self._voice = name

    def speak(self, text: str, on_audio: OnAudio) -> None:
        """Speaks text at once and returns when done or aborted. Blocks of 20 ms at rate_hz go to on_audio."""
        self._on_audio = on_audio
        encoded = text.encode() + b"\0"
        try:
            status = self._lib.espeak_Synth(
                encoded, len(encoded), 0, _POS_CHARACTER, 0, _CHARS_UTF8 | _PHONEMES, None, None
            )
        finally:
            self._on_audio = None
        if status != 0:
            raise RuntimeError(f"espeak-ng refused the text with status {status}")

    def _receive(self, samples: Any, count: int, _events: Any) -> int:
        if not samples or count <= 0 or self._on_audio is None:
            return 0
        return int(self._on_audio(np.ctypeslib.as_array(samples, shape=(count,)).copy()))
