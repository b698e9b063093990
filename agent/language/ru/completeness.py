"""Whether the words stand as a turn or break off: end-of-turn waits longer after «на», «в», «ну»."""

from collections.abc import Sequence

from agent.language.text import Token, wordlist
from agent.model import Expect

_OPEN = frozenset(
    wordlist(
        """
        в во на к ко с со у о об от до для без из за по под над при про через между перед около после не ни и а но
        или либо что чтобы если когда где который которая которое потому как так-как ну э эм эээ ээ мм вот значит
        это мне мой моя мое моей моего хочу хотел хотела можно нужно надо мне-бы бы ли же то есть мы вы я он она они
        давайте сейчас-скажу минуту секунду секундочку типа короче где-то примерно может лучше тогда либо какой
        какая какие чем скажите подскажите запишите пожалуйста-на номер телефон зовут фамилия имя числа часов часа
        часика половина половину половине пол без четверть плюс следующий следующую следующей этой эту мастер
        мастеру
        """
    )
)
_CLOSED_ALONE = frozenset(wordlist("можно нужно надо это вот номер имя фамилия запишите секунду минуту он она я"))
"""Open at the end of a phrase, but alone an answer or a request."""
_CLOSED_AFTER_FACT = frozenset(
    wordlist("хочу хотел хотела ну давайте сейчас мастер номер вы он она скажите подскажите запишите лучше мне вот")
)
"""Open at the end, unless the phrase already said something: «завтра в три мне»."""
_NEVER_LAST = frozenset(wordlist("в во на к ко с у и или до без через для от"))


def is_complete(tokens: Sequence[Token], text: str, expect: Expect, phone_digits: int, *, heard: bool) -> bool:
    """False when more is to come.

    `phone_digits`: how many digits of the number are known with this turn; `heard`: a fact was read in it.
    """
    stripped = text.rstrip()
    if not tokens:
        return True
    if stripped.endswith(("...", "…", "-", ",")):
        return False
    if expect is Expect.PHONE and 0 < phone_digits < 10:
        return False
    last = tokens[-1].text
    if last not in _OPEN:
        return True
    if last == "есть" and (len(tokens) == 1 or tokens[-2].text != "то"):
        # «а пораньше есть» asks; only «то есть» goes on.
        return True
    if stripped.endswith((".", "!", "?")):
        return last not in _NEVER_LAST
    if len(tokens) == 1:
        return last in _CLOSED_ALONE
    return heard and last in _CLOSED_AFTER_FACT
