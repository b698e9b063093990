"""Short facts of an answer: which offer, hair length, whose number, «любое время», certificates, minutes of delay."""

import re
from collections.abc import Sequence
from datetime import timedelta

from agent.language.ru.numbers import number_at, number_word
from agent.language.ru.times import span_minutes
from agent.language.text import Token

_CHOICES: tuple[tuple[int, re.Pattern[str]], ...] = (
    (0, re.compile(r"\bперв(ое|ый|ая|ую|ого|ым|ом|ой)\b|\bсамое раннее\b|\bчто раньше\b|\bкоторое раньше\b|"
    r"\bкоторый раньше\b")),
    (1, re.compile(r"\bвтор(ое|ой|ая|ую|ого|ым|ом)\b")),
    (2, re.compile(r"\bтреть(е|я|ю|его)\b|\bтретий\b")),
    (3, re.compile(r"\bчетверт(ое|ый|ая|ую)\b")),
    (-1, re.compile(r"\bпоследн(ее|ий|яя|юю|его)\b|\bчто позже\b|\bкоторое позже\b|\bсамое позднее\b|"
    r"\bкоторый позже\b")),
)  # fmt: skip
_NOT_A_CHOICE = re.compile(
    r"\b(перв(ый|ая|ое|ой|ую) раз|перв\w+ половин\w+|втор\w+ половин\w+|перв\w+ числ\w+|половин\w+ \w+|втор(ой|"
    r"ая) мастер)"
)
_LONG = re.compile(
    r"\b(ниже лопаток|ниже плеч|до пояс\w*|по пояс\w*|до поп\w*|до талии|до копчик\w*|по лопатк\w*|до лопаток|"
    r"длинн\w+|коса до|почти до пояса|густые и длинные)"
)
_SHORT = re.compile(
    r"\b(до плеч\w*|по плеч\w*|выше плеч\w*|коротк\w+|средн\w+|каре|боб\b|обычн\w+|до подбородк\w*|пикси|"
    r"не длинн\w+|недлинн\w+|чуть ниже плеч|стандартн\w+)"
)
_NOT_LONG = re.compile(r"\b(не (очень |слишком )?длинн\w+|недлинн\w+|чуть ниже плеч|немного ниже плеч)")
_THIS_NUMBER = re.compile(
    r"\b(с котор\w+ (я )?(вам )?(сейчас )?(звон\w+|набира\w+|говор\w+)|на котор\w+ (вы )?(звон\w+|говор\w+|перезвон\w+)"
    r"|эт(от|ом|им|ому) (же )?(самый )?(номер\w*|телефон\w*)|тот же (самый )?(номер|телефон)|с этого (номера|телефона)"
    r"|мой номер (определил\w*|высветил\w*|у вас)|он (же )?у вас (определил|высветил|отобра)\w*"
    r"|(который|что) (у вас )?(определил\w*|высветил\w*|отобра\w*|на экране)|с моего звоню|да этот\b)"
)
_THIS_ONE = re.compile(
    r"^(да |ну |ага |конечно |на |по |с |вот |и |пишите |можно )*(этот|этого|этому|этом|тот же|сюда)( же| самый|"
    r" и| верно| пожалуйста| правильно)*$"
)
_ANY_TIME = re.compile(
    r"\b(люб(ое|ым|ому|ого) (удобное )?врем\w+|в любое( время)?|любое время|во сколько угодно|когда угодно|"
    r"в какое угодно|неважно во сколько|не важно во сколько|время не важно|время неважно"
    r"|время любое|без разницы (во сколько|когда)|все равно (во сколько|когда)|хоть (когда|во сколько)|"
    r"целый день свобод\w+|весь день свобод\w+|свобод\w+ весь день|свобод\w+ целый день|когда (есть|будет) (место|"
    r"окно|время)|по времени (без разницы|все равно|не важно|неважно|любое)"
    r"|на ваше усмотрение|как вам удобно|когда вам удобно|время не принципиально|любое подойдет|любое устроит|"
    r"любое свободное|любое окно|любой час)"
)
_ANY_DAY = re.compile(
    r"\b(люб(ой|ого|ому|ым|ая) (удобный |свободный )?(день|дня|дню|дата)|в любой( день)?|день (не важен|неважен|"
    r"любой|без разницы)|какой угодно день|хоть какой день|без разницы какой день|хоть когда|когда угодно|"
    r"на любой день|на любое число|на любую дату|любая дата|на ближайш\w+ (дат\w+|врем\w+|день|запись|окно|"
    r"свободн\w+)|ближайшее (свободное )?(время|окно|окошко)"
    r"|как можно (скорее|раньше|быстрее)|поскорее|побыстрее|чем раньше|чем скорее|самое ближайшее|ближайшая дата)"
)
_ORDER_ANY = re.compile(
    r"\b(порядок (не важен|неважен|любой|без разницы|не имеет)|в любом порядке|без разницы что (сначала|первым)|"
    r"не важно что (сначала|первым)|неважно что (сначала|первым)|все равно что (сначала|первым))"
)
_DELAYS = ("опазд", "опозд", "задерж", "пробк", "позже", "попозже", "раньше", "пораньше", "застря", "late")
_ANY_OF_THEM = re.compile(
    r"^(?:давайте |да |ну |мне |ой |можно )*(?:люб(?:ое|ой|ую)|какое угодно|оба|обе|и то и то|"
    r"и то и другое|оба времени)"
    r"(?: (?:вариант\w*|подход\w+|подойд\w+|устраива\w+|устро\w+|удобн\w+|хорош\w+|давайте|можно|мне|нормально))*$"
)
_LETTERS = {
    "а": "A", "б": "B", "бэ": "B", "бе": "B", "вэ": "V", "ве": "V", "в": "V", "гэ": "G", "ге": "G", "г": "G",
    "жэ": "G", "джи": "G", "дэ": "D", "де": "D", "д": "D",
    "е": "E", "зэ": "Z", "ка": "K", "к": "K", "эль": "L", "эл": "L", "л": "L", "эм": "M", "м": "M", "эн": "N",
    "н": "N", "пэ": "P", "пе": "P", "п": "P", "эр": "R",
    "р": "R", "эс": "S", "с": "S", "тэ": "T", "те": "T", "т": "T", "эф": "F", "ф": "F", "икс": "X", "си": "C",
}  # fmt: skip


def read_choice(text: str) -> int | None:
    """0 for «первое», 1 for «второе», -1 for «последнее»."""
    if _NOT_A_CHOICE.search(text):
        return None
    found = [(match.start(), index) for index, pattern in _CHOICES if (match := pattern.search(text))]
    return max(found)[1] if found else None


def read_hair_long(text: str) -> bool | None:
    """True below the shoulder blades, False short or medium."""
    if _NOT_LONG.search(text):
        return False
    if _LONG.search(text):
        return True
    return False if _SHORT.search(text) else None


def read_gender(text: str) -> str:
    """female or male, of a haircut or the person it is for."""
    found = [
        (match.start(), gender)
        for gender, pattern in (
            ("female", r"\b(?<!не )женск\w+|\bдля женщин\w*|\bдамск\w+"),
            ("male", r"\b(?<!не )мужск\w+|\bдля мужчин\w*"),
        )
        for match in re.finditer(pattern, text)
    ]
    return max(found)[1] if found else ""


def is_this_number(text: str, *, asked: bool) -> bool:
    """«да, этот, с которого звоню»; a bare «этот» only when a number was asked for."""
    return bool(_THIS_NUMBER.search(text)) or (asked and bool(_THIS_ONE.search(text)))


def is_any_time(text: str) -> bool:
    return bool(_ANY_TIME.search(text) or _ANY_OF_THEM.search(text))


def is_any_day(text: str) -> bool:
    return bool(_ANY_DAY.search(text))


def is_order_any(text: str) -> bool:
    return bool(_ORDER_ANY.search(text))


def read_late_by(tokens: Sequence[Token]) -> tuple[timedelta | None, int, int]:
    """«опаздываю минут на десять», «на полчаса задержусь»: the delay and the tokens that say it."""
    if not any(token.text.startswith(_DELAYS) for token in tokens):
        return None, 0, 0
    for index, token in enumerate(tokens):
        if token.text == "минут" and index + 2 < len(tokens) and tokens[index + 1].text in ("на", "через"):
            number = number_at(tokens, index + 2)
            if number is not None and not number.ordinal and number.value < 240:
                return timedelta(minutes=number.value), index, number.end
        minutes, end = span_minutes(tokens, index)
        if (
            minutes
            and minutes <= 240
            and (token.text != "час" or (index and tokens[index - 1].text in ("на", "минут")))
        ):
            previous = tokens[index - 1].text if index else ""
            hour = number_at(tokens, end) if end < len(tokens) else None
            if hour is not None and hour.ordinal:
                continue  # «двадцать минут девятого»
            if previous not in ("через", "за", "в", "к") or previous == "через":
                return timedelta(minutes=minutes), index, end
    return None, 0, 0


def read_certificate(tokens: Sequence[Token], text: str) -> tuple[str, int, int]:
    """The number of a gift certificate as printed («гэ один ноль ноль один» -> G-1001) and its tokens."""
    if (
        "сертификат" not in text
        and "купон" not in text
        and "абонемент" not in text
        and not re.search(r"\bномер \S{1,3} \w+", text)
    ):
        return "", 0, 0
    for index, token in enumerate(tokens):
        letter = _LETTERS.get(token.text) or (
            token.text.upper() if len(token.text) == 1 and token.text.isascii() and not token.digits else ""
        )
        if not letter or (
            letter in "VKSA"
            and token.text in ("в", "к", "с", "а")
            and not (index and tokens[index - 1].text in ("номер", "серия"))
        ):
            continue
        digits, position = "", index + 1
        while position < len(tokens):
            word = number_word(tokens[position], dictated=True)
            if word is None or word.ordinal:
                break
            if tokens[position].digits:
                digits += tokens[position].text
                position += 1
                continue
            number = number_at(tokens, position)
            if number is None or number.ordinal:
                break
            digits += str(number.value)
            position = number.end
        if len(digits) >= 2:
            return f"{letter}-{digits}", index, position
    return "", 0, 0
