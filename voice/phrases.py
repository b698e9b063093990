"""What the voice says by itself, when the agent cannot: fillers, apologies, goodbyes. In spoken form, no digits."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phrases:
    fillers: tuple[str, ...]
    """First, second word while an answer takes long."""
    not_now: tuple[str, ...]
    """The agent failed once: ask to say it again."""
    call_back: str
    """The agent failed again and a task for the staff is filed."""
    call_later: str
    """The agent failed again and no task could be filed."""
    connecting: str
    """The agent failed and the call goes to a person."""
    time_is_up: str
    goodbye: str
    unknown_number: str

    @property
    def all(self) -> tuple[str, ...]:
        return (
            *self.fillers,
            *self.not_now,
            self.call_back,
            self.call_later,
            self.connecting,
            self.time_is_up,
            self.goodbye,
            self.unknown_number,
        )


RUSSIAN = Phrases(
    fillers=("Секунду, смотрю.", "Ещё немного, проверяю."),
    not_now=(
        "Простите, связь подвела. Повторите, пожалуйста.",
        "Извините, не получилось. Скажите, пожалуйста, ещё раз.",
    ),
    call_back="Простите, у нас неполадка. Я передала администратору, вам перезвонят. Всего доброго.",
    call_later="Простите, у нас неполадка, и записать вас сейчас не получится. Пожалуйста, позвоните чуть позже.",
    connecting="Простите, у меня неполадка. Соединяю с администратором.",
    time_is_up="Простите, время разговора вышло. Перезвоните, пожалуйста, если что-то осталось. Всего доброго.",
    goodbye="Всего доброго, до свидания.",
    unknown_number="Здравствуйте. Этот номер пока не подключён. Всего доброго.",
)

ENGLISH = Phrases(
    fillers=("One moment, let me look.", "Just a little longer, I am checking."),
    not_now=("Sorry, the line let us down. Could you say that again?", "Sorry, that did not work. Once more, please."),
    call_back="Sorry, we have a fault here. I have passed it on and somebody will call you back. Goodbye.",
    call_later="Sorry, we have a fault here and I cannot book you now. Please call a little later.",
    connecting="Sorry, I have a fault. Connecting you to the administrator.",
    time_is_up="Sorry, our time is up. Please call again if anything is left. Goodbye.",
    goodbye="Goodbye.",
    unknown_number="Hello. This number is not connected yet. Goodbye.",
)

BY_LANGUAGE: Mapping[str, Phrases] = {"ru": RUSSIAN, "en": ENGLISH}


def phrases_for(language: str) -> Phrases:
    return BY_LANGUAGE.get(language[:2].lower(), RUSSIAN)
