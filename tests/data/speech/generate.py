"""Makes the clips of this folder: espeak-ng variants through a telephone band into mu-law files."""

import json
import shutil
from pathlib import Path

import numpy as np
import soxr

from media_models.speech_worker.espeak import EspeakEngine

HERE = Path(__file__).parent
VOICES = ("f5", "m8", "klatt3", "anika", "Andy", "Gene2", "steph2", "pablo")
PHRASES = """
здравствуйте можно записаться на маникюр
хочу подстричься завтра вечером
запишите меня к ольге на субботу
мне нужна женская стрижка и укладка
в четверг после шести
на понедельник на десять утра
да давайте
нет спасибо
любой свободный мастер
меня зовут светлана
перенесите мою запись на пятницу
я хочу отменить запись на завтра
сколько стоит мужская стрижка
во сколько вы работаете в воскресенье
где вы находитесь
на двадцать пятое ноября в пятнадцать часов
в одиннадцать тридцать
девятьсот шестнадцать двести тридцать четыре пятьдесят шесть семьдесят восемь
запишите на окрашивание волос
есть время сегодня после обеда
к анне если можно
всё верно
на двенадцать часов дня
а пораньше есть
мне удобно во вторник
педикюр с покрытием
позовите администратора
повторите пожалуйста
спасибо большое до свидания
подойдет
добрый день девушка у вас можно подстричь ребенка
я опоздаю минут на пятнадцать
а мастер хороший
вы принимаете карты
мне нужно покрасить корни
какие у вас цены на наращивание ресниц
хотелось бы на следующей неделе
мы с подругой хотим прийти вместе
а парковка рядом есть
я уже была у вас в прошлом месяце
подскажите пожалуйста ваш адрес
я перезвоню позже
мне все равно к какому мастеру
только не в понедельник
можно оформить подарочный сертификат
я записана на среду но не помню на какое время
это салон красоты
алло вы меня слышите
давайте на первое декабря
лучше в первой половине дня
"""


def mulaw(samples: np.ndarray) -> bytes:
    """16-bit linear to G.711 mu-law (ITU-T G.711 table 2a, by its closed form)."""
    magnitude = np.minimum(np.abs(samples.astype(np.int32)), 32635) + 132
    exponent = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    sign = np.where(samples < 0, 0x80, 0)
    return (~(sign | (exponent << 4) | mantissa) & 0xFF).astype(np.uint8).tobytes()


def telephone(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """8 kHz float to 16-bit: 300-3400 Hz, a level of -26 to -16 dBFS, line noise 30 dB below."""
    spectrum = np.fft.rfft(samples)
    frequency = np.fft.rfftfreq(len(samples), 1 / 8000)
    spectrum *= 1 / (1 + (300 / np.maximum(frequency, 1)) ** 8) / (1 + (frequency / 3400) ** 16)
    banded = np.fft.irfft(spectrum, len(samples))
    speech = np.sqrt(np.mean(banded[np.abs(banded) > 0.02 * np.abs(banded).max()] ** 2))
    level = 10 ** (rng.uniform(-26, -16) / 20)
    noisy = banded / speech * level + rng.standard_normal(len(banded)) * level * 10 ** (-30 / 20)
    return np.clip(noisy * 32767, -32768, 32767).astype(np.int16)


def main() -> None:
    rng = np.random.default_rng(20)
    clips = HERE / "clips"
    shutil.rmtree(clips, ignore_errors=True)
    clips.mkdir()
    facts = []
    for number, text in enumerate(PHRASES.strip().splitlines()):
        voice = VOICES[number % len(VOICES)]
        pace = int(rng.integers(135, 175))
        # An engine a clip: espeak keeps its parameters from one voice to the next.
        engine = EspeakEngine({"ru": f"ru+{voice}"}, pace, int(rng.integers(40, 60)), 50)
        blocks: list[np.ndarray] = []
        engine.speak(text, "ru", lambda block, kept=blocks: bool(kept.append(block)))
        speech = soxr.resample(np.concatenate(blocks), engine.rate_hz, 8000)
        silence = np.zeros(2400, np.float32)
        name = f"{number:02d}.ulaw"
        (clips / name).write_bytes(mulaw(telephone(np.concatenate([silence, speech, silence]), rng)))
        facts.append({"file": name, "voice": voice, "words_per_minute": pace, "text": text})
    (HERE / "clips.json").write_text(json.dumps(facts, ensure_ascii=False, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
