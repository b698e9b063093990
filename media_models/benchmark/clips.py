"""What recognisers are measured on: lines that a synthesiser speaks through a telephone, or recordings of one's own.

The lines are rendered on the spot by espeak-ng voices that the embedded recogniser was not trained on, so nothing has
to be stored or downloaded. They say how an engine copes with the words and the line, not how it copes with people:
only recordings of real callers say that (a folder of WAV files, each with its text in a .txt file beside it).
"""

import json
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr  # type: ignore[import-untyped]
from numpy.typing import NDArray

from core.errors import InvalidInput
from media_models.adapters.espeak import EspeakOptions, EspeakSynthesizer

RATE_HZ = 8_000
VOICES = ("f5", "m8", "klatt3", "anika", "Andy", "Gene2", "steph2", "pablo")
"""espeak-ng variants that the training of the embedded recogniser holds out."""
LINES = (
    "здравствуйте хочу записаться на стрижку",
    "есть ли свободное время завтра после обеда",
    "сколько стоит окрашивание в один тон",
    "мне нужно отменить запись на пятницу",
    "запишите меня к марине на маникюр",
    "можно перенести визит на следующую неделю",
    "а вы работаете в воскресенье",
    "подскажите как до вас доехать",
    "меня зовут екатерина соколова",
    "я хотела бы сделать укладку и макияж",
    "нет давайте лучше утром",
    "да всё верно спасибо",
    "ребёнку нужна стрижка и укладка",
    "мастер мне не важен главное побыстрее",
    "я немного опоздаю предупредите мастера",
    "а оплатить картой можно",
)
TELEPHONE_BAND_HZ = (300, 3_400)
CLEAR_SNR_DB, NOISY_SNR_DB = 30.0, 10.0
QUIET_S = 0.3
"""Before and after the words, as a turn has it."""

Samples = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Clip:
    text: str
    """What is said; empty: nothing, only noise."""
    samples: Samples
    """At 8 kHz, mono."""
    noisy: bool = False


async def rendered_clips() -> list[Clip]:
    """The lines in a clear and in a noisy version, and noise alone. The same on every machine."""
    voices = {"ru": "ru", **{voice: f"ru+{voice}" for voice in VOICES}}
    speaker = EspeakSynthesizer(EspeakOptions(rate_hz=RATE_HZ, voices=voices, workers=1))
    rng = np.random.default_rng(20)
    clips: list[Clip] = []
    try:
        for number, line in enumerate(LINES):
            pcm = b"".join([piece async for piece in speaker.synthesize(line, VOICES[number % len(VOICES)])])
            clear = np.frombuffer(pcm, "<i2")
            clips += [
                Clip(line, over_telephone(clear, CLEAR_SNR_DB, rng)),
                Clip(line, over_telephone(clear, NOISY_SNR_DB, rng), noisy=True),
            ]
    finally:
        await speaker.close()
    for level in (30, 100, 300, 1000):
        hiss = rng.standard_normal(3 * RATE_HZ) * level
        clips.append(Clip("", through_codec(in_band(hiss)), noisy=True))
    return clips


def over_telephone(speech: Samples, snr_db: float, rng: np.random.Generator) -> Samples:
    """Band, background and G.711 of a telephone line."""
    quiet = np.zeros(int(QUIET_S * RATE_HZ))
    wave_form = np.concatenate([quiet, speech.astype(np.float64), quiet])
    level = float(np.sqrt(np.mean(speech.astype(np.float64) ** 2)))
    spectrum = np.fft.rfft(rng.standard_normal(len(wave_form)))
    spectrum /= np.sqrt(np.maximum(1.0, np.arange(len(spectrum))))  # rooms hum more than they hiss
    background = np.fft.irfft(spectrum, len(wave_form))
    background = in_band(background)
    background *= level * 10 ** (-snr_db / 20) / max(1e-9, float(np.sqrt(np.mean(background**2))))
    return through_codec(in_band(wave_form) + background)


def in_band(wave_form: NDArray[np.float64]) -> NDArray[np.float64]:
    """Only what a telephone carries."""
    spectrum = np.fft.rfft(wave_form)
    hz = np.fft.rfftfreq(len(wave_form), 1 / RATE_HZ)
    spectrum[(hz < TELEPHONE_BAND_HZ[0]) | (hz > TELEPHONE_BAND_HZ[1])] = 0
    return np.asarray(np.fft.irfft(spectrum, len(wave_form)))


def through_codec(wave_form: NDArray[np.float64]) -> Samples:
    """To mu-law and back (ITU-T G.711, the continuous curve of its 255-step law)."""
    x = np.clip(wave_form / 32768.0, -1.0, 1.0)
    code = np.round(np.sign(x) * np.log1p(255 * np.abs(x)) / np.log1p(255) * 127) / 127
    back = np.sign(code) * np.expm1(np.abs(code) * np.log1p(255)) / 255
    return np.asarray(back * 32767, dtype=np.int16)


def recordings(folder: Path) -> list[Clip]:
    """Recordings of one's own: NAME.wav (16 bit, mono, 8 kHz or more) with NAME.txt. InvalidInput names the file."""
    found = sorted(folder.glob("*.wav"))
    if not found:
        raise InvalidInput(f"no .wav files in {folder}: put recordings there, each with its text in a .txt beside it")
    return [Clip(_text_of(path), _samples_of(path)) for path in found]


def write_clips(clips: Sequence[Clip], folder: Path) -> None:
    """For the process that measures: one array file and one list."""
    np.savez(folder / "clips.npz", *[clip.samples for clip in clips])
    facts = [{"text": clip.text, "noisy": clip.noisy} for clip in clips]
    (folder / "clips.json").write_text(json.dumps(facts, ensure_ascii=False), "utf-8")


def read_clips(folder: Path) -> list[Clip]:
    facts = json.loads((folder / "clips.json").read_text("utf-8"))
    with np.load(folder / "clips.npz") as arrays:
        return [Clip(fact["text"], arrays[f"arr_{at}"], fact["noisy"]) for at, fact in enumerate(facts)]


def _text_of(path: Path) -> str:
    try:
        return path.with_suffix(".txt").read_text("utf-8").strip()
    except FileNotFoundError as error:
        raise InvalidInput(f"{path.name} has no text: write what is said into {path.stem}.txt beside it") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path.stem}.txt is not UTF-8 text: save it as UTF-8") from error


def _samples_of(path: Path) -> Samples:
    try:
        with wave.open(str(path), "rb") as file:
            width, channels, rate_hz = file.getsampwidth(), file.getnchannels(), file.getframerate()
            pcm = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise InvalidInput(f"{path.name} is no WAV file of plain PCM: {error}") from error
    if width != 2 or channels != 1 or rate_hz < RATE_HZ:  # bytes a sample
        raise InvalidInput(
            f"{path.name} has {8 * width} bits, {channels} channels and {rate_hz} Hz: 16 bits, mono and 8000 Hz or "
            "more are needed (sox IN.wav -b 16 -c 1 OUT.wav)"
        )
    samples = np.frombuffer(pcm, "<i2")
    return samples if rate_hz == RATE_HZ else np.asarray(soxr.resample(samples, rate_hz, RATE_HZ), np.int16)
