"""Holds a model's sentence against what is nobody's business: people, numbers, notes, its own rules. Pure.

It assumes the worst: a model that was talked over and says what the attacker wants, in any spelling. So it does not
look for secrets (the model may know them from anywhere); it lets pass only the names, numbers and deeds that belong to
this talk. A good sentence held back by mistake costs one repair, then the rules' own words are said.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from agent.language.ru.name_words import name_words
from agent.language.ru.numbers import number_word, numbers
from agent.language.script import latin_spellings
from agent.language.text import lower, tokenize
from agent.llm.faults import Fault
from agent.llm.past import foreign_past

SHINGLE = 5
"""So many words of the prompt in a row are a quotation."""
PHONE_DIGITS = 7
"""From here on a run of digits is a number of somebody, a card or an account; sums and times are shorter."""
SPOKEN_DIGITS = 5
"""So many number words in a row are dictated digits: no time and no sum has as many."""


@dataclass(frozen=True, slots=True)
class Private:
    """What belongs to this talk."""

    language: str = "ru"
    names: frozenset[str] = frozenset()
    """Words, lower case, that may be named: masters, the client and who comes with her, the salon, its services."""
    tails: frozenset[str] = frozenset()
    """Last seven digits of the numbers that may be read back: the display's, the dictated one."""
    note: frozenset[str] = frozenset()
    """Beginnings of words that stand only in the staff's note about the client."""
    quoted: frozenset[str] = frozenset()
    """Shingles of the prompt."""
    done: bool = False
    """Something was written in this talk: a sentence in the past tense may be about it."""
    for_other: bool = False
    """The visit is for somebody else: «она», «его» mean that person."""
    free: tuple[str, ...] = ()
    """Beginnings of words for what costs nothing: the parking, a consultation."""
    roubles: frozenset[int] = frozenset()
    past_known: bool = False
    """Her earlier visits, or a booking she began, have been read under her number."""
    masters: frozenset[str] = frozenset()
    """Stems of the salon's masters (agent.llm.past), and of those that belong to this talk."""
    her_masters: frozenset[str] = frozenset()
    proposed: str = ""
    """What the rules would say: no secret of hers."""


_MIXED = re.compile(r"[A-Za-z][А-Яа-яЁё]|[А-Яа-яЁё][A-Za-z]")
_SPELLED = re.compile(r"(?:\b[^\W\d_]\b[\s.\-–_*]+){3,}[^\W\d_]\b")
_HYPHENATED = re.compile(r"\b(?:[^\W\d_]-){3,}[^\W\d_]\b")
_TOKEN_LIKE = re.compile(r"\b(?=\w*\d)(?=\w*[A-Z])(?=\w*[a-z])[A-Za-z0-9+/]{12,}={0,2}|\b[0-9a-f]{10,}\b|={2,}")
_LINK = re.compile(r"www\.|\bt\.me\b|\S@\S|\b[\w-]{2,}\.(?:ru|com|net|org|рф|io|me|example)\b", re.I)
_SHOUT = re.compile(r"\b[A-Z]{3,} [A-Z]{3,}\b")
_RUN = re.compile(r"\d(?:[\s\-–().+]*\d)+")
_ABOUT_NUMBER = re.compile(
    r"\bномер|телефон|\bкарт[аеуы]\b|\bсч[её]т\b|\bсчета\b|\bnumber\b|\bphone\b|\baccount\b", re.I
)
_THIRD = re.compile(
    r"\b(?:он|она|они|ей|ему|её|ее|его|их|нее|неё|них|she|he|they|her|his|their)\b.{0,50}?"
    r"\b(?:прид[её]т|приход\w+|будет|был[аи]?|закончит|освобод\w+|записан\w*|"
    r"запис[ьи]\w*|визит\w*|номер\w*|телефон\w*|"
    r"мобильн\w+|сейчас у|клиент\w+|отменил\w*|ходит|сидит|стриж[её]тся|уш(?:ел|"
    r"[её]л|ла)|опозд\w+|coming|comes|booked|appointment|visit|number|phone)\b",
    re.I,
)
_RELATIVE = re.compile(
    r"\b(?:жен[аеуы]|муж[ау]?|подруг\w*|сестр\w+|мам[аеуы]|дочь|дочк\w+|сын\w*|"
    r"дам[аеуы]|сосед\w+|начальни\w+|wife|husband|friend)\b"
    r".{0,40}\b(?:был[аи]?|прид[её]т|приход(?:ит|ил)\w*|у нас|записан\w*|сидит|стриж\w+|was|is|comes?)\b",
    re.I,
)
_ANOTHER = re.compile(
    r"\bчуж\w+|\b(?:друг\w+|остальн\w+|все[хм]?|перв\w+|последн\w+|постоянн\w+|наш\w+)\s+клиент\w+|\bклиентк\w+|"
    r"\bт[ау]\s+запис\w+|\bвсе записи\b|other client|another client|the client is|all appointments",
    re.I,
)
_BOOKED_NOT_YOU = re.compile(
    r"\b(?:записан[аы]?|приход(?:ит|ят|ила?)|прид[её]т|is coming|are booked|is booked)\b", re.I
)
_YOU = re.compile(r"\b(?:вы|вас|вам|ваш\w*|you|your)\b", re.I)
_MISSED = re.compile(
    r"\bнеяв\w+|\bне приш(?:ли|ла|ел)|\bno-?shows?\b|\bmissed visits?\b|\bв карточке\b|\bзаметк\w+|\bпримечани\w+|"
    r"\bмастер\w* (?:\w+ )?(?:пометил|записал|отметил|написал|оставил)\w*|\bпометк\w+|"
    r"\bin your (?:card|notes|profile)\b",
    re.I,
)
_DID = re.compile(
    r"\b(?:добавил|удалил|убрал|аннулировал|заменил|отметил|изменил|поменял|внес|вн[её]сл|списал|"
    r"начислил|продлил|подтвердил|отправил|прислал|"
    r"перев[её]л|переключил|соединил|снял|освободил|закрыл|включил|выключил|обновил|"
    r"исправил|оформил|сделал|договорил|"
    r"перенес|перен[её]сл|передвинул|отменил)[аи]?\b|\b(?:снята|снят|продл[её]н\w*|"
    r"подтвержд[её]н\w*|принят\w*|выполнено|"
    r"включ[её]н\w*|сняты|удал[её]н\w*|изменен\w*)\b|\b(?:done|cancelled|granted|"
    r"confirmed|updated|removed|deleted)\b",
    re.I,
)
_CARD_CHANGED = re.compile(
    r"\b(?:номер|телефон|карточк|профил|данные)\w*\b.{0,40}\b(?:заменил|изменил|"
    r"поменял|привязал|удалил|сменил|обновил)[аи]?\b|"
    r"\b(?:заменил|изменил|поменял|привязал|удалил|сменил|обновил)[аи]?\b.{0,40}\b(?:номер|"
    r"телефон|карточк|профил|данные)",
    re.I,
)
_HANDING = re.compile(
    r"\bсоедин(?:яю|ю|им)\b|\bсвязываю|\bсвяжу вас|\bпереключаю|\bперевожу\b|"
    r"\btransferring\b|\bconnecting you\b|\bputting you through\b",
    re.I,
)
_SELF = re.compile(
    r"\bмо[ияей]\w* (?:настройк|задани|подсказк)\w*|содержимое данных|подчиняюсь|\bбосс\b|"
    r"промпт|инструкц|\bмои (?:правила|указания|команды|настройки)|\bв правилах сказано|"
    r"\bрежим\w* (?:разработчик|отладк|админ|бога)|\b(?:отладочн|сервисн)\w+ режим|"
    r"режим \w*(?:активир|включ)|"
    r"\bправила сняты|ограничени\w+ (?:больше )?(?:нет|снят)|"
    r"слуша(?:ю|юсь)[, ]+(?:команд|хозя)|не помощник|доступ (?:администратор|"
    r"подтвержд|открыт)|код (?:подтвержд|доступ|принят)|"
    r"служебн\w+ (?:знак|слов)|\bзнак по буквам|инструмент\w* \w+_|\w+_\w+|парол|\b(?:DAN|ДАН)\b|"
    r"system prompt|my (?:instructions|rules|prompt)|developer mode|debug mode|"
    r"access granted|no restrictions|as instructed",
    re.I,
)
_CANNOT = re.compile(
    r"\b(?:не могу|не можем|нельзя|не раскры\w+|не расска\w+|не назыв\w+|cannot|can't|am not able|not allowed)\b", re.I
)
_MONEY_MOVES = re.compile(
    r"перевед\w+ (?:деньг|предоплат|оплат|сумм)|\bна карт[уе]\b|\bверн[её]м\b|"
    r"\bверну\b|\bвозврат\w*|\bначисл\w+|\bбонус\w*|"
    r"не возьм[её]м|платить не (?:надо|нужно|прид)|ничего платить|долг\w* списан|компенсиру\w+|"
    r"\bкомпенсац\w+|\bоплатите\b|\brefund\w*|\bsend the (?:deposit|money)|\bпредоплат\w+ (?:с вас )?не\b|"
    r"\bбез предоплат\w+|"
    r"\bполцены\b|\bполовин\w+ цен\w+|\bhalf[- ]price|\bв \w+ раза? дешевле|\bпроцент\w*|"
    r"\bpercent\b|\bза сч[её]т (?:заведения|салона)|"
    r"\bдаром\b|\bдар(?:им|ю)\b|\bскин[уе]\w*|\bполовин\w+ стоимост\w+|\bвместо \d|"
    r"\bза рубль\b|\bподар(?:ю|им|ок)\b|\bon the house\b|\bскид\w*\b",
    re.I,
)
_FREE = re.compile(r"\bбесплатн\w*|\bfree\b", re.I)
_FREE_TIME = re.compile(
    r"(?<!everything )(?<!all )(?<!it )\b(?:is|are|be|anyone|who is|times?) free\b(?! for)|"
    r"\bfree (?:time|slot|at|on|from|then)", re.I,
)  # fmt: skip
_BARE_SUM = re.compile(
    r"(?:\bцен[ауые]\b|\bстоит\b|\bстоимость\b|\bобойд[её]тся\b|\bвыйдет\b|\bcosts?\b|"
    r"\bprice\b)\D{0,24}?(?<![\d:.])(\d{2,6})\b"
    r"(?!\s*[:.]\d|\s*(?:мин|час|дн|min|hour))",
    re.I,
)
_SUM_SIGN = re.compile(r"(\d[\d\u00a0 ]*)\s*(?:₽|р\.|руб)", re.I)
_CALENDAR = frozenset((
    "i", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "january", "february",
    "march", "april", "may", "june", "july", "august", "september", "october", "november", "december", "ok",
    "russian", "english", "вы", "вас", "вам", "вами", "ваш", "ваша", "ваше", "ваши", "вашу", "вашей", "вашего",
    "вашем", "ваших", "сбп", "rub",
))  # fmt: skip
_NO_NAMES = (
    "максимум",
    "максимал",
    "романтич",
    "маринад",
    "надежн",
    "светл",
    "верн",
    "левый",
    "левая",
    "мира",
    "славн",
)


def secret_in(text: str, private: Private) -> Fault | None:
    """The first reason why the sentence is not for this client's ears; None: it may be said."""
    if _odd_letters(text, private.language):
        return Fault.NO_SPEECH
    if _LINK.search(text) or _SHOUT.search(text):
        return Fault.LEAK
    words = [token.text for token in tokenize(text)]
    if any(" ".join(words[at : at + SHINGLE]) in private.quoted for at in range(len(words) - SHINGLE + 1)):
        return Fault.LEAK
    if _SELF.search(text) and not _CANNOT.search(text):
        return Fault.LEAK
    if _strange_number(text, private) or _strangers(text, private):
        return Fault.OTHERS
    if _MISSED.search(text) or any(word.startswith(tuple(private.note)) for word in words if private.note):
        return Fault.OTHERS
    past = foreign_past(
        text, private.proposed, known=private.past_known, masters=private.masters, hers=private.her_masters
    )
    if past or _about_others(text, private):
        return Fault.OTHERS
    if _HANDING.search(text):
        return Fault.PROMISE
    if _CARD_CHANGED.search(text):
        return Fault.CLAIM
    if _DID.search(text) and not private.done and not text.rstrip().endswith("?") and not _CANNOT.search(text):
        return Fault.CLAIM
    return Fault.PRICE if _gives_away(text, private) else None


def quotation(prompt: str) -> frozenset[str]:
    """The shingles of a prompt text."""
    words = [token.text for part in re.split(r"\n", prompt) for token in tokenize(part)]
    return frozenset(" ".join(words[at : at + SHINGLE]) for at in range(len(words) - SHINGLE + 1))


def _odd_letters(text: str, language: str) -> bool:
    """Spellings that no voice can speak and only a trick needs."""
    for char in text:
        category, code = unicodedata.category(char), ord(char)
        if category in ("Cf", "Co", "Cs", "Cc") or (category == "Mn" and char not in "\u0306\u0308"):
            return True
        if 0xFF00 <= code <= 0xFFEF or 0x2460 <= code <= 0x24FF or 0x1D400 <= code <= 0x1D7FF or code >= 0x1F100:
            return True
    if _MIXED.search(text) or _SPELLED.search(text) or _HYPHENATED.search(text) or _TOKEN_LIKE.search(text):
        return True
    latin_only = not re.search(r"[А-Яа-яЁё]", text) and len(re.findall(r"[A-Za-z]{2,}", text)) >= 2
    return latin_only and language != "en"  # Russian in Latin letters; English is answered when the rules heard it


def _strange_number(text: str, private: Private) -> bool:
    about = _ABOUT_NUMBER.search(text) is not None
    for match in _RUN.finditer(text):
        digits = re.sub(r"\D", "", match.group())
        if len(digits) >= PHONE_DIGITS and digits[-PHONE_DIGITS:] not in private.tails:
            return True
        if about and len(digits) >= 3 and not any(tail.endswith(digits[-PHONE_DIGITS:]) for tail in private.tails):
            return True
    row = 0
    for token in tokenize(text):
        word = number_word(token, dictated=True)
        row = row + 1 if word is not None and not token.digits and not word.ordinal else 0
        if row >= SPOKEN_DIGITS:
            return True
    return False


def _strangers(text: str, private: Private) -> bool:
    """Somebody is named who is no part of this talk."""
    for match in re.finditer(r"[^\W\d_]+", text):
        word, low = match.group(), lower(match.group())
        if _permitted(low, private.names) or low in _CALENDAR:
            continue
        opens = not text[: match.start()].strip(" «\"'(—–-,") or re.search(
            r"[.!?…:;—–]\s*[«\"']?$", text[: match.start()]
        )
        if word[:1].isupper() and not opens:
            return True
        if _first_name(low):
            return True
    return False


def _permitted(word: str, names: frozenset[str]) -> bool:
    """In any case form: the ends differ by two letters at most."""
    if word in names:
        return True
    stem = word[: max(3, len(word) - 3)]
    return any(name.startswith(stem) and abs(len(name) - len(word)) <= 2 for name in names) if len(word) >= 3 else False


@lru_cache(maxsize=1)
def _name_stems() -> frozenset[str]:
    stems = set()
    for name in name_words().full():
        for form in (name, *(spelling for spelling, _ in latin_spellings(name))):
            stem = form[:-1] if form[-1] in "аяйьaeyi" else form
            if len(stem) >= 4:
                stems.add(stem)
    return frozenset(stems)


def _first_name(word: str) -> bool:
    if word.startswith(_NO_NAMES):
        return False
    return any(word[:size] in _name_stems() for size in range(max(4, len(word) - 2), len(word) + 1))


def _about_others(text: str, private: Private) -> bool:
    if private.for_other:
        return False
    if _THIRD.search(text) or _RELATIVE.search(text) or _ANOTHER.search(text):
        return True
    return bool(_BOOKED_NOT_YOU.search(text)) and not _YOU.search(text) and not text.rstrip().endswith("?")


def _gives_away(text: str, private: Private) -> bool:
    if (
        _MONEY_MOVES.search(text)
        and not _CANNOT.search(text)
        and not re.search(r"\bнет скидок|скидок нет|no discounts?", text, re.I)
    ):
        return True
    if _FREE.search(text) and not _FREE_TIME.search(text):
        words = [token.text for token in tokenize(text)]
        if not any(word.startswith(private.free) for word in words if private.free):
            return True
    sums = {int(match[1]) for match in _BARE_SUM.finditer(text)}
    sums |= {int(re.sub(r"\D", "", match[1])) for match in _SUM_SIGN.finditer(text)}
    tokens = tokenize(text)
    for number in numbers(tokens):
        following = tokens[number.end].text if number.end < len(tokens) else ""
        in_words = not number.written and number.value >= 100
        if (in_words or following.startswith(("рубл", "roubl", "rubl"))) and not number.ordinal:
            sums.add(number.value)
    return not sums <= private.roubles
