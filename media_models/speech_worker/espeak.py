"""espeak-ng by ctypes, as the package espeakng-loader brings it."""

import ctypes
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import espeakng_loader  # type: ignore[import-untyped]
import numpy as np

from media_models.speech_worker.engine import OnAudio
from media_models.speech_worker.phonemes import STRESS_MARK, PhonemeTable

_SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS: audio through the callback, in the calling thread
_POS_CHARACTER = 1
_CHARS_UTF8 = 0x01
_PHONEMES = 0x100  # [[...]] holds phoneme mnemonics
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4
_AS_MNEMONICS, _AS_IPA = 0, 0x02
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
BUFFER_MS = 20
"""Audio of one callback: also the grain of an abort."""


class EspeakEngine:
    """The library is one global state: one instance a process, one call at a time."""

    def __init__(self, voices: Mapping[str, str], words_per_minute: int, pitch: int, pitch_range: int) -> None:
        """voices: language to voice with an optional variant, {"ru": "ru+f1"}. pitch and pitch_range: 0 to 100."""
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
        self._lib.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self._lib.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_int, ctypes.c_int]
        self.rate_hz: int = self._lib.espeak_Initialize(
            _SYNCHRONOUS, BUFFER_MS, espeakng_loader.get_data_path().encode(), 0
        )
        if self.rate_hz <= 0:
            raise RuntimeError("espeak-ng does not start: its data folder is missing or damaged")
        self._on_audio: OnAudio | None = None
        self._callback = _CALLBACK(self._receive)  # kept: the library holds only its address
        self._lib.espeak_SetSynthCallback(self._callback)
        self._variants = Path(espeakng_loader.get_data_path()) / "voices" / "!v"
        self.name = f"espeak-ng {self._lib.espeak_Info(None).decode().split(' ')[0]}"
        self._voices = dict(voices)
        self._parameters = ((_RATE, words_per_minute), (_VOLUME, 100), (_PITCH, pitch), (_RANGE, pitch_range))
        self._voice = ""

    def speak(self, text: str, language: str, on_audio: OnAudio) -> None:
        """Returns when done or aborted; an abort takes effect within 20 ms of audio."""
        self._set_voice(self._voices.get(language, language))
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

    def phonemes(self, text: str, language: str) -> dict[str, list[str]]:
        voice = self._voices.get(language, language)
        self._set_voice(voice)
        table = PhonemeTable.read(Path(espeakng_loader.get_data_path()) / "phontab", voice.partition("+")[0])
        if text.startswith("[["):
            mnemonics = table.checked(text.removeprefix("[[").removesuffix("]]")).split()
        else:
            words = text.split()
            plain = [self._translated(word.replace(STRESS_MARK, ""), _AS_MNEMONICS) for word in words]
            mnemonics = [table.stressed(word, said) for word, said in zip(words, plain, strict=True)]
        # The library takes [[...]] for phonemes in a translation once a synthesis has allowed it.
        self.speak(" ", language, lambda _samples: True)
        return {
            "mnemonics": mnemonics,
            "ipa": [self._translated(f"[[{said}]]", _AS_IPA) for said in mnemonics],
        }

    def _translated(self, text: str, form: int) -> str:
        buffer = ctypes.create_string_buffer(text.encode())
        position = ctypes.c_void_p(ctypes.addressof(buffer))
        said = []
        while position.value:
            said.append(self._lib.espeak_TextToPhonemes(ctypes.byref(position), _CHARS_UTF8, form).decode())
        return "".join(said).strip()

    def _set_voice(self, name: str) -> None:
        if name == self._voice:
            return
        # A variant that does not exist is passed over in silence by the library.
        variant = name.partition("+")[2]
        known = not variant or (self._variants / variant).is_file()
        if not known or self._lib.espeak_SetVoiceByName(name.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {name}")
        for parameter, value in self._parameters:
            self._lib.espeak_SetParameter(parameter, value, 0)
        self._voice = name

    def _receive(self, samples: Any, count: int, _events: Any) -> int:
        if not samples or count <= 0 or self._on_audio is None:
            return 0
        return int(self._on_audio(np.ctypeslib.as_array(samples, shape=(count,)).astype(np.float32) / 32768.0))
