"""What the synthetic caller answers to what it hears. Pure: text in, text out.

It knows nothing of the agent but its voice: it understands by key words, repeats itself when it is not understood,
and gives up politely after too many turns, as a caller would.
"""

import re
from dataclasses import dataclass, field

MAX_LINES = 14


@dataclass(frozen=True, slots=True)
class Wish:
    """What the caller wants, in the words that it will say."""

    service: str
    """«на мужскую стрижку»"""
    staff: str
    """«к Игорю»"""
    day: str
    """«на завтра», «на среду»"""
    time: str
    """«в три часа дня»"""
    name: str
    """«Алексей»"""


@dataclass(slots=True)
class CallerPolicy:
    wish: Wish
    said: list[str] = field(default_factory=list)
    heard_booked: bool = False
    done: bool = False

    def answer(self, heard: str) -> str | None:
        """The next line to say, or None to stay silent. After `done` the caller hangs up."""
        line = self._choose(_plain(heard))
        if line is not None:
            self.said.append(line)
        return line

    def _choose(self, heard: str) -> str | None:
        wish = self.wish
        if len(self.said) >= MAX_LINES:
            self.done = True
            return "извините я перезвоню до свидания"
        if _has(heard, "до свидания", "всего доброго", "хорошего дня") and self.heard_booked:
            self.done = True
            return None
        if _has(heard, "записал", "записан", "запись подтвержд", "подтверждение при", "ждем вас", "будем ждать"):
            self.heard_booked = True
            self.done = True
            return "спасибо до свидания"
        if not self.said:
            return f"здравствуйте запишите меня пожалуйста {wish.service} {wish.staff} {wish.day} {wish.time}"
        if _has(heard, "все верно", "верно", "правильно", "подтвержда", "записать вас", "записываю", "записываем"):
            return "да всё верно"
        if _has(heard, "как вас зовут", "ваше имя", "имя", "представ", "как к вам", "на чье"):
            return f"меня зовут {wish.name}"
        if _has(heard, "номер", "телефон"):
            return "да этот номер с которого звоню"
        if _has(heard, "к какому мастеру", "к кому", "мастер"):
            return wish.staff
        if _has(heard, "бород"):
            return "нет только стрижку"
        if _has(heard, "какую услугу", "что будем делать", "мужск", "женск"):
            return wish.service
        if _has(heard, "на какой день", "когда", "какой день", "во сколько", "какое время"):
            return f"{wish.day} {wish.time}"
        if _has(heard, "свободно", "могу предложить", "есть время", "подойдет", "удобно"):
            return "да подходит"
        if _has(heard, "секунд", "минут", "ищу", "смотрю") and len(heard.split()) <= 4:
            return None
        return f"{wish.service} {wish.staff} {wish.day} {wish.time}"


def _plain(text: str) -> str:
    return re.sub(r"[^\w ]+", " ", text.lower().replace("ё", "е"))


def _has(text: str, *needles: str) -> bool:
    return any(needle in text for needle in needles)
