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
_CLOSED_ALONE = frozenset(
    wordlist(
        "можно нужно надо хочу ну давайте сейчас мастер номер телефон имя фамилия часа часов вы я она он скажите "
        "подскажите запишите лучше мне может секунду минуту секундочку это вот тогда"
    )
)
"""Open at the end of a longer phrase; alone, or where asked for, they are an answer."""
_ENDINGS = (("до", "скольки"), ("то", "есть"))


def is_complete(tokens: Sequence[Token], text: str, expect: Expect, phone_digits: int, heard: bool) -> bool:
    """False when more is to come. `phone_digits`: digits of the number known with this turn; `heard`: a fact was read."""
    if not tokens:
        return True
    stripped = text.rstrip()
    if stripped.endswith(("...", "…", "-", ",")):
        return False
    last = tokens[-1].text
    if expect is Expect.PHONE and 0 < phone_digits < 10:
        return False
    if last not in _OPEN:
        return True
    if stripped.endswith((".", "!", "?")):
        return last not in ("в", "на", "к", "с", "и", "или", "у", "до", "без", "через")
    if last in _CLOSED_ALONE and (len(tokens) == 1 or heard or last in ("можно", "надо", "нужно")):
        return last in ("ну", "вот", "это", "номер", "имя", "фамилия", "запишите",
        "секунду") if len(tokens) == 1 else last not in ("можно", "надо", "нужно", "тогда", "он", "она", "часов",
        "часа")  # fmt: skip
    return False
