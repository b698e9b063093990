"""Every offline voice that can read Russian: espeak-ng variants, festival's Russian voice, four Czech diphone voices.

Voices named in HELD_OUT are never trained on. A synthesiser absent from training is hardly understood, hence the variety.
"""

import random
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import espeakng_loader
import numpy as np
from numpy.typing import NDArray
from piper.phonemize_espeak import EspeakPhonemizer

from media_models.espeak_library import EspeakLibrary

Pcm = NDArray[np.int16]

ESPEAK_HELD_OUT = ("f5", "m8", "klatt3", "anika", "Andy", "Gene2", "steph2", "pablo")
_NOT_SPEECH = {"whisper", "whisperf", "croak", "Demonic", "UniRobot", "anikaRobot", "AnxiousAndy", "Mr serious", "fast", "Tweaky",
               "Storm", "robosoft", *(f"robosoft{n}" for n in range(2, 9))}  # fmt: skip
_COMMON = ["", "f1", "f2", "f3", "f4", "m1", "m2", "m3", "m4", "m7"]
CZECH_TRAINED = ("machac", "ph", "krb")
CZECH_HELD_OUT = ("dita",)


@dataclass(frozen=True, slots=True)
class Spoken:
    text: str
    pcm: Pcm
    rate_hz: int


class Espeak:
    """espeak-ng in this process, whole utterances at a time; training has no need for the product's worker."""

    def __init__(self) -> None:
        self._library = EspeakLibrary()
        self.rate_hz = self._library.rate_hz

    @staticmethod
    def variants() -> list[str]:
        """Variants for training: all but the held-out ones; the common ones stand several times."""
        folder = Path(espeakng_loader.get_data_path()) / "voices" / "!v"
        usable = [path.name for path in folder.iterdir() if path.name not in _NOT_SPEECH]
        return sorted(name for name in usable if name not in ESPEAK_HELD_OUT) + _COMMON * 2

    def speak(self, text: str, variant: str, rng: random.Random) -> Spoken:
        """One utterance with a random rate, pitch and range, sometimes a pause inside."""
        voice = f"ru+{variant}" if variant else "ru"
        self._library.set_voice(
            voice, rng.choice((105, 120, 135, 150, 165, 180, 200)), min(99, max(5, round(rng.gauss(50, 18)))), rng.randint(20, 85)
        )
        written = text.split()
        if len(written) > 3 and rng.random() < 0.3:
            written[rng.randrange(1, len(written) - 1)] += ","
        sentence = " ".join(written) + (rng.choice("?.!") if rng.random() < 0.3 else "")
        pieces: list[Pcm] = []

        def take(block: Pcm) -> bool:
            pieces.append(block)
            return False

        self._library.speak(sentence, take)
        return Spoken(text, np.concatenate(pieces) if pieces else np.zeros(0, np.int16), self.rate_hz)


def festival(texts: Sequence[str], voices: Sequence[str], rng: random.Random) -> list[Spoken]:
    """Reads the texts with festival voices drawn at random: "ru" or a Czech one. Empty when festival is not installed."""
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
            commands.append(b"(%s)\n(set! u (SynthText \"%s\"))\n(utt.save.wave u \"%s\" 'riff)\n" % (name.encode(), encoded, wav))
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


# Czech spelling is phonetic: Russian text -> IPA by espeak-ng -> Czech letters gives four more human timbres, with an accent.
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
