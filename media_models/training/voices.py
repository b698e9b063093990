"""Every offline voice that can read Russian: espeak-ng variants, festival's Russian voice, four Czech diphone voices.

Voices named in HELD_OUT are never trained on. A synthesiser that training lacks is hardly understood.
"""

import ctypes
import random
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import espeakng_loader  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray
from piper.phonemize_espeak import EspeakPhonemizer

Pcm = NDArray[np.int16]

_SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS
_RATE, _PITCH, _RANGE = 1, 3, 4

ESPEAK_HELD_OUT = ("f5", "m8", "klatt3", "anika", "Andy", "Gene2", "steph2", "pablo")
_NOT_SPEECH = {"whisper", "whisperf", "croak", "Demonic", "UniRobot", "anikaRobot", "AnxiousAndy", "Mr serious",
               "fast", "Tweaky", "Storm", "robosoft", *(f"robosoft{n}" for n in range(2, 9))}  # fmt: skip
_COMMON = ["", "f1", "f2", "f3", "f4", "m1", "m2", "m3", "m4", "m7"]
CZECH_TRAINED = ("machac", "ph", "krb")
CZECH_HELD_OUT = ("dita",)


@dataclass(frozen=True, slots=True)
class Spoken:
    text: str
    pcm: Pcm
    rate_hz: int
    word_starts: tuple[int, ...] = ()
    """Samples at which the words begin; empty when the voice does not tell."""

    def cut_after(self, words: int, rng: random.Random) -> "Spoken":
        """The voice breaks off, up to 80 ms into the next word, as a partial hears it."""
        end = min(len(self.pcm), self.word_starts[words] + int(rng.uniform(0, 0.08) * self.rate_hz))
        return Spoken(" ".join(self.text.split()[:words]), self.pcm[:end], self.rate_hz)


class _Event(ctypes.Structure):
    """espeak_EVENT of espeak-ng's speak_lib.h; its last member, a union of 8 bytes, is not read."""

    _fields_ = (
        ("type", ctypes.c_int), ("unique_identifier", ctypes.c_uint), ("text_position", ctypes.c_int),
        ("length", ctypes.c_int), ("audio_position", ctypes.c_int), ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p), ("id", ctypes.c_char * 8),
    )  # fmt: skip


_WORD_EVENT = 1


class Espeak:
    """espeak-ng in this process, whole utterances at a time; training has no need for the product's worker."""

    def __init__(self) -> None:
        self._lib = ctypes.CDLL(espeakng_loader.get_library_path())
        self.rate_hz: int = self._lib.espeak_Initialize(_SYNCHRONOUS, 200, espeakng_loader.get_data_path().encode(), 0)
        if self.rate_hz <= 0:
            raise RuntimeError("espeak-ng did not start: is the package espeakng-loader whole?")
        self._pieces: list[Pcm] = []
        self._word_starts: list[int] = []
        callback_type = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
        )
        self._callback = callback_type(self._take)
        self._lib.espeak_SetSynthCallback(self._callback)
        self._lib.espeak_Synth.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint,
                                           ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p]  # fmt: skip

    @staticmethod
    def variants() -> list[str]:
        """Variants for training: all but the held-out ones; the common ones stand several times."""
        folder = Path(espeakng_loader.get_data_path()) / "voices" / "!v"
        usable = [path.name for path in folder.iterdir() if path.name not in _NOT_SPEECH]
        return sorted(name for name in usable if name not in ESPEAK_HELD_OUT) + _COMMON * 2

    def speak(self, text: str, variant: str, rng: random.Random) -> Spoken:
        """One utterance with a random rate, pitch and range, sometimes a pause inside."""
        voice = f"ru+{variant}" if variant else "ru"
        if self._lib.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {voice}")
        for parameter, value in (
            (_RATE, rng.choice((105, 120, 135, 150, 165, 180, 200))),
            (_PITCH, min(99, max(5, round(rng.gauss(50, 18))))),
            (_RANGE, rng.randint(20, 85)),
        ):
            self._lib.espeak_SetParameter(parameter, value, 0)
        written = text.split()
        if len(written) > 3 and rng.random() < 0.3:
            written[rng.randrange(1, len(written) - 1)] += ","
        sentence = " ".join(written) + (rng.choice("?.!") if rng.random() < 0.3 else "")
        self._pieces, self._word_starts = [], []
        data = sentence.encode() + b"\0"
        self._lib.espeak_Synth(data, len(data), 0, 1, 0, 1, None, None)
        pcm = np.concatenate(self._pieces) if self._pieces else np.zeros(0, np.int16)
        told = len(self._word_starts) == len(written)
        return Spoken(text, pcm, self.rate_hz, tuple(self._word_starts) if told else ())

    def _take(self, wav: "ctypes._Pointer[ctypes.c_short]", count: int, events: "ctypes._Pointer[_Event]") -> int:
        if wav and count > 0:
            self._pieces.append(np.ctypeslib.as_array(wav, shape=(count,)).copy())
        number = 0
        while events and events[number].type:
            if events[number].type == _WORD_EVENT:
                self._word_starts.append(events[number].audio_position * self.rate_hz // 1000)
            number += 1
        return 0


def festival(texts: Sequence[str], voices: Sequence[str], rng: random.Random) -> list[Spoken]:
    """Reads the texts with festival voices drawn at random: "ru" or a Czech one. Empty without festival."""
    if shutil.which("festival") is None:
        return []
    spoken: list[Spoken] = []
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "say.scm"
        commands = []
        for number, text in enumerate(texts):
            voice = rng.choice(voices)
            name = "voice_msu_ru_nsh_clunits" if voice == "ru" else f"voice_czech_{voice}"
            words = text if voice == "ru" else czech_spelling(text)
            encoded = words.encode("utf-8" if voice == "ru" else "iso-8859-2", "replace")
            wav = f"{folder}/{number}.wav".encode()
            commands.append(
                b'(%s)\n(set! u (SynthText "%s"))\n(utt.save.wave u "%s" \'riff)\n' % (name.encode(), encoded, wav)
            )
        script.write_bytes(b"".join(commands))
        subprocess.run(  # noqa: S603 (a script that we have just written)
            ["festival", "-b", str(script)],  # noqa: S607
            check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=1800,
        )  # fmt: skip
        for number, text in enumerate(texts):
            path = Path(folder) / f"{number}.wav"
            if path.exists() and path.stat().st_size > 2000:
                with wave.open(str(path)) as reader:
                    pcm = np.frombuffer(reader.readframes(reader.getnframes()), np.int16)
                    spoken.append(Spoken(text, pcm, reader.getframerate()))
    return spoken


# Czech spelling is phonetic: Russian text -> IPA by espeak-ng -> Czech letters gives four more human timbres.
_VOWELS = dict(zip("ɑaʌəæoɔɵeɛiɪyɨuʊʉ", "aaaaaoooeeiiyyuuu", strict=True))
_LONG = dict(zip("aeiouy", "áéíóúý", strict=True))
_CONSONANTS = {**dict(zip("bdfɡgklɭɫmnprstvzʃʂʒʐɕʑjʦʧhɣ", "bdfggklllmnprstvzššžžšžjcčhh", strict=True)), "x": "ch"}
_SOFT = {"t": "ť", "d": "ď", "n": "ň"}
_phonemizers: list[EspeakPhonemizer] = []


def czech_spelling(text: str) -> str:
    if not _phonemizers:
        _phonemizers.append(EspeakPhonemizer())
    phonemes = "".join("".join(sentence) for sentence in _phonemizers[0].phonemize("ru", text))
    phonemes = phonemes.replace("tʃ", "ʧ").replace("ts", "ʦ")
    out, stressed, soft = "", False, False
    for symbol in phonemes:
        if symbol == "ˈ":
            stressed = True
        elif symbol == "ʲ":
            soft = True
        elif symbol in _VOWELS:
            vowel, glide = _VOWELS[symbol], ""
            if soft and out:
                if out[-1] in _SOFT:
                    out = out[:-1] + _SOFT[out[-1]]
                elif vowel in "aou" and out[-1] not in "čšžjcl":
                    glide = "j"
                vowel = "i" if vowel == "y" else vowel
            out += glide + (_LONG[vowel] if stressed else vowel)
            stressed = soft = False
        elif symbol in _CONSONANTS or symbol == " ":
            if soft and out and out[-1] in _SOFT:
                out = out[:-1] + _SOFT[out[-1]]
            soft = False
            out += _CONSONANTS.get(symbol, " ")
    return out
