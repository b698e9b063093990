"""Sixty lines of the agent, whether they are understood, and whether borders of pieces can be heard."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

from agent.language.ru.spoken import to_speech
from media_models.ports import Recognizer

WRITTEN = """
Здравствуйте! Чем могу помочь?
На какой день вам удобно?
К какому мастеру вас записать?
Как вас зовут?
Назовите, пожалуйста, ваш номер телефона.
Завтра к Анне свободно в 10:00 и в 12:00.
Есть время в пятницу, в 15:00.
Мужская стрижка, завтра, в 12:00. Записываю?
К сожалению, на это время записи нет.
Вы записаны. Спасибо, до свидания!
На завтра есть время в 12:00 и в 15:30. Что вам удобнее?
Записываю вас на маникюр, на субботу, на 11:00.
Стрижка стоит 1 500 ₽.
Маникюр с покрытием стоит 2 300 рублей.
Это займёт 1 час 30 минут.
Это займёт около 45 минут.
Мы работаем с 10:00 до 21:00.
Мы работаем каждый день.
Могу предложить в 14:00 или в 16:45.
В среду свободно в 9:30.
К Марии или к Ольге?
Хорошо, перенесла на пятницу, на 17:00.
Запись отменена. Хотите выбрать другое время?
На какую услугу вас записать?
Есть окно в понедельник в 13:00.
Во вторник свободного времени нет.
Ближайшее время в четверг в 18:00.
Вас записать на 5 декабря?
В субботу, 5 декабря, в 12:15.
До 15 декабря мест нет.
Окрашивание стоит от 3000 до 5000 рублей.
Повторите, пожалуйста.
Я вас слушаю.
Секунду, смотрю расписание.
Одну минуту.
Правильно ли я поняла: завтра в 10:00?
Всё верно?
Ждём вас завтра в 12:00.
Педикюр у Анны, в пятницу, в 14:30.
Стрижка и укладка, 2 часа.
Вы хотите записаться, перенести или отменить запись?
Номер оканчивается на 45-67?
Спасибо, записала ваш номер.
До встречи в салоне!
Переключаю на администратора.
Администратор перезвонит вам в течение часа.
Массаж лица свободен в воскресенье в 16:00.
На утро или на вечер?
После 18:00 есть только 19:30.
К сожалению, мастер заболел.
Мастер Ирина работает в среду и в пятницу.
Детская стрижка стоит 900 рублей.
Скидка 10% по вторникам.
Можно оплатить картой или наличными.
Парковка есть во дворе.
Мы находимся на улице Садовой, дом 14.
Вход со двора, второй этаж.
Запись подтверждена.
Других вопросов нет?
Хорошего дня!
"""
AGENT_LINES = tuple(to_speech(line) for line in WRITTEN.strip().splitlines())
PIECE_MS = 20


@dataclass(frozen=True, slots=True)
class Heard:
    said: str
    text: str
    wrong: int
    """Words replaced, left out or put in."""
    words: int


def words_of(text: str) -> list[str]:
    """Lower case, ё as е, without punctuation."""
    kept = "".join(letter if letter.isalnum() else " " for letter in text.lower().replace("ё", "е"))
    return kept.split()


async def heard(recognizer: Recognizer, line: str, pcm: bytes, rate_hz: int) -> Heard:
    stream = recognizer.open_stream(rate_hz)
    silence = bytes(rate_hz * 3 // 10 * 2)
    for part in (silence, pcm, silence):
        stream.feed(part)
    text = (await stream.final()).text
    stream.close()
    said = words_of(line)
    return Heard(line, text, Levenshtein.distance(said, words_of(text)), len(said))


def click_score(samples: NDArray[np.float32], rate_hz: int) -> float:
    """How much the borders of 20 ms pieces stand out: the largest second difference of samples there against the
    largest one elsewhere (99.9 %), each in units of the level around. About 1: not at all."""
    size = rate_hz * PIECE_MS // 1000
    bend = np.abs(np.diff(samples.astype(np.float64), 2))
    around = np.sqrt(np.convolve(bend**2, np.ones(size) / size, "same")) + 1e-4
    crest = bend / around
    at = np.arange(size, len(samples) - 1, size)
    borders = np.concatenate([at - 2, at - 1])
    inside = np.delete(crest, borders[borders < len(crest)])
    return float(crest[borders[borders < len(crest)]].max() / np.percentile(inside, 99.9))
