"""What the company's words gain: `python -m bench.word_biasing`.

Phrases with the demo salon's masters, services and clients, by voices that no model was trained on. Printed: how many
of these words are heard right as recognised, and after the match by sound; words spoilt by it; the same for names that
are none of the salon's, which must stay as they are.
"""

import argparse
import time
from importlib import resources
from pathlib import Path

import numpy as np
import yaml
from rapidfuzz.distance import Levenshtein

from bench.speech import machine
from bench.telephone import callers
from media_models.biasing import RussianWords, Vocabulary, corrected
from media_models.decoder import WhisperDecoder
from media_models.engines import embedded_recognizer_folder
from media_models.profiles import EngineProfile
from media_models.segments import Window

SALON = """
запишите меня к анне беловой
к марии крыловой на субботу
можно к игорю сафину
хочу к ольге ким на маникюр
к светлане юриной завтра
вера дан работает сегодня
я к вере на чистку лица
мне на окрашивание корней к анне
запишите на маникюр с гель лаком
педикюр с гель лаком на пятницу
снятие чужого покрытия сколько стоит
коррекция и окрашивание бровей
хочу сложное окрашивание
мужская стрижка и стрижка бороды
на пилинг к вере
массаж лица в среду
детская стрижка для сына
укладка на вечер к марии
консультация по окрашиванию
женская стрижка к анне беловой
у ольги есть время
а игорь сафин завтра есть
к светлане на маникюр без покрытия
анна белова свободна
можно перенести стрижку бороды
отмените пилинг
педикюр и маникюр в один день
крылова мария во сколько заканчивает
меня зовут ирина павлова
это елена соколова
дмитрий орлов
наталья громова
екатерина зайцева
тимур ахметов
меня зовут юлия мороз
александра ковалева
""".strip().splitlines()
OTHERS = """
к алле на завтра
запишите к инне
можно к олегу
к марине на стрижку
а светлана сергеева есть
меня зовут игнат
это варвара
вероника меня зовут
к анжеле на маникюр
у олеси есть время
меня зовут марьяна
это регина
я хочу массаж спины
шугаринг ног
наращивание ресниц
ламинирование бровей
""".strip().splitlines()


def salon_words() -> list[str]:
    content = yaml.safe_load((resources.files("app") / "demo" / "myata.yaml").read_text("utf-8"))["fixture"]
    return [item["name"] for kind in ("services", "staff", "clients") for item in content[kind].values()]


def wrong(reference: str, text: str) -> int:
    return int(Levenshtein.distance(reference.split(), text.split()))


def measure(decoder: WhisperDecoder, vocabulary: Vocabulary, texts: list[str], snr_db: float, name: str) -> None:
    words = before = after = phrases = better = worse = 0
    took = []
    for number in range(3):
        pace = (140, 160, 180)[number]
        for call in callers(texts[number:] + texts[:number], 11 + number, snr_db, pace):
            window = Window(np.frombuffer(call.pcm, "<i2"), 8000, "ru")
            heard = decoder.decode([window])[0].text
            begun = time.perf_counter()
            put_right = corrected(heard, vocabulary.corrections(heard.split()))
            took.append((time.perf_counter() - begun) * 1000)
            was, now = wrong(call.text, heard), wrong(call.text, put_right)
            words, before, after, phrases = words + len(call.text.split()), before + was, after + now, phrases + 1
            better, worse = better + (now < was), worse + (now > was)
            if put_right != heard:
                print(
                    f"    {'+' if now < was else '-' if now > was else '='} {call.text!r}: {heard!r} -> {put_right!r}"
                )
    print(
        f"  {name}, SNR {snr_db:.0f} dB: word errors {100 * before / words:.1f} -> {100 * after / words:.1f} %, "
        f"phrases better {better}, worse {worse} of {phrases}; {np.median(took):.2f} ms, at most {max(took):.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=None, help="folder of a CTranslate2 Whisper")
    arguments = parser.parse_args()
    print(machine())
    folder = arguments.model or embedded_recognizer_folder()
    decoder = WhisperDecoder(folder, EngineProfile.read(folder))
    hints = salon_words()
    begun = time.perf_counter()
    vocabulary = RussianWords().vocabulary(hints)
    print(f"{len(hints)} hints, {len(vocabulary)} forms, built in {(time.perf_counter() - begun) * 1000:.0f} ms")
    for snr_db in (30.0, 10.0):
        measure(decoder, vocabulary, SALON, snr_db, "the salon's words")
        measure(decoder, vocabulary, OTHERS, snr_db, "words of others")


if __name__ == "__main__":
    main()
