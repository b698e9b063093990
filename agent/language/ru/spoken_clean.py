"""What is not words is taken out or named: markdown, emoji, brackets, addresses of the net, abbreviations, acronyms."""

import re
import unicodedata
from collections.abc import Callable

_MARKDOWN: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"```[a-z]*\n?|```"), " "),
    (re.compile(r"^\s{0,3}#{1,6}\s+", re.MULTILINE), ""),
    (re.compile(r"^\s*(?:[-*+•▪◦·]|>+)\s+", re.MULTILINE), ""),
    (re.compile(r"^\s*([*_-])(?:\s*\1){2,}\s*$", re.MULTILINE), ""),
    (re.compile(r"(\*\*|__|~~|`)(?=\S)(.+?)(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<![\w*])\*(?=\S)([^*\n]+?)(?<=\S)\*(?![\w*])"), r"\1"),
    (re.compile(r"(?<!\w)_(?=\S)([^_\n]+?)(?<=\S)_(?!\w)"), r"\1"),
)
_LINK = re.compile(r"!?\[([^\]\n]*)\]\([^)\s]*\)")
_SYMBOLS = str.maketrans(
    {
        **dict.fromkeys("«»„“”\"*_#`|<>[]{}^\\", " "),
        "\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2011": "-", "\u2212": "-", "\u00ad": "", "\u200b": "",
    }
)  # fmt: skip
_LOUD = {"≈": " примерно ", "~": " примерно ", "±": " плюс-минус ", "=": " равно ", "→": " — ", "½": ",5", "¼": ",25",
         "¾": ",75", "²": " в квадрате", "³": " в кубе"}  # fmt: skip
_TRANSFER = re.compile(r"(?<=\d)\s*м(?:²|2)(?![\w])")


def without_links(text: str) -> str:
    """Markdown's links by their names."""
    return _LINK.sub(r"\1", text)


_TWINS = str.maketrans("acekoxyABCEHKMOPTX", "асекохуАВСЕНКМОРТХ")
_TWIN = re.compile(r"(?<![A-Za-z\d'’.@/-])[acekoyABCKO](?=\s+(?:[а-яё]|\d))")
_ROMAN_TWIN = re.compile(r"\b(?=[ХIVX]*[IVX])(?=[IVX]*Х)[ХIVX]{2,}\b")


def without_twins(text: str) -> str:
    """Latin letters that stand for Russian ones, and the other way round: «c 10», «ХХI»."""
    text = _TWIN.sub(lambda match: match[0].translate(_TWINS), text)
    return _ROMAN_TWIN.sub(lambda match: match[0].replace("Х", "X"), text)


def without_markup(text: str) -> str:
    """Plain text: markdown, emoji and characters of no sound are gone; line ends are ends of sentences."""
    for pattern, kept in _MARKDOWN:
        text = pattern.sub(kept, text)
    text = _TRANSFER.sub(" кв.м", text)
    text = re.sub(r"(?<!\d)\s*([½¼¾])", lambda match: f" 0{_LOUD[match[1]]}", text)
    text = re.sub(r"(?<=\d)\s*([½¼¾])", lambda match: _LOUD[match[1]], text)
    text = re.sub(r"[<](?=\s*\d)", " меньше ", re.sub(r"[>](?=\s*\d)", " больше ", text))
    text = "".join(_LOUD.get(letter, letter) for letter in text)
    text = "".join(letter if _sounds(letter) else " " for letter in text.translate(_SYMBOLS))
    text = re.sub(r"(?<=[\w)])[ \t]*\n\s*", ". ", text)
    text = re.sub(r"\s*\n\s*", " ", text)
    return re.sub(r"(?<=\w) +(?=[.,;:!?](?:\s|$))", "", text)


def _sounds(letter: str) -> bool:
    """Letters, digits, marks of stress, punctuation and currency; no pictures, controls or private characters."""
    category = unicodedata.category(letter)
    if category in ("So", "Sk", "Cc", "Cf", "Co", "Cs", "Cn", "Me"):
        return letter in "\n\t№°"
    return not (category == "Mn" and letter != "\u0301" and ord(letter) in range(0xFE00, 0xFE10))


# --- addresses of the net ----------------------------------------------------------------------------------------

_TOP = "ru|com|org|net|io|example|su|рф|me|by|kz|info|shop|pro|moscow|москва"
_ADDRESS = re.compile(
    rf"(?:https?://)?(?:[\w.+-]+@)?(?<![\w@])?[\w-]+(?:\.[\w-]+)*\.(?:{_TOP})(?![\w-])(?:/[\w./?=&%-]*[\w/])?",
    re.IGNORECASE,
)
_LONGEST_ADDRESS = 200
_POINTED = re.compile(r"(?<!\S)[^\s.]+\.\S+")
"""Only words with a point inside are searched: the pattern of an address goes back over long words."""
_HANDLE = re.compile(r"(?<![\w.])@(?=[A-Za-z])([\w.]*\w)")
_SIGNS = (
    ("@", " собака "),
    (".", " точка "),
    ("/", " слэш "),
    ("-", " дефис "),
    ("_", " подчёркивание "),
    ("?", " вопросительный знак "),
    ("=", " равно "),
    ("&", " амперсанд "),
    ("%", " процент "),
    ("+", " плюс "),
)


def say_addresses(text: str) -> str:
    """Mail and web addresses, names in networks: «info собака salon точка ru», in Latin letters still."""

    def inside(token: re.Match[str]) -> str:
        if len(token[0]) > _LONGEST_ADDRESS:
            return token[0]
        return _ADDRESS.sub(lambda match: _spelled(re.sub(r"^https?://", "", match[0], flags=re.IGNORECASE)), token[0])

    text = _POINTED.sub(inside, text)
    return _HANDLE.sub(lambda match: _spelled("@" + match[1]), text)


def _spelled(address: str) -> str:
    address = address.rstrip("/")
    for sign, name in _SIGNS:
        address = address.replace(sign, name)
    return f" {' '.join(address.split())} "


# --- abbreviations -----------------------------------------------------------------------------------------------


def _initials(match: re.Match[str]) -> str:
    return f"{LETTER_NAMES[match[1]]} {LETTER_NAMES[match[2]]}"


_ABBREVIATIONS: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    (r"\b([Нн]а|[Пп]о) ул\.\s*", r"\1 улице "), (r"\b([Сс]|[Оо]т|[Дд]о) ул\.\s*", r"\1 улицы "),
    (r"\b([Нн]а|[Пп]о) пр(?:-т|-кт)[еу]?\.?\s+", r"\1 проспекте "), (r"\b([Нн]а) пл\.\s*", r"\1 площади "),
    (r"\b([Вв]) г\.\s*(?=[А-ЯЁ])", r"\1 городе "), (r"\b([Оо]т|[Уу]|[Дд]о) ст\.\s*м\.\s*", r"\1 станции метро "),
    (r"(?<=[а-яё] )([А-ЯЁ])\.\s?([А-ЯЁ])\.", _initials),
    (r"\bул\.\s*", "улица "), (r"\bпр(?:-т|-кт|осп)\.?\s+", "проспект "), (r"\bпер\.\s*", "переулок "),
    (r"\bпл\.\s*", "площадь "), (r"\bнаб\.\s*", "набережная "), (r"\bб-р\.?\s+", "бульвар "),
    (r"\bбул\.\s*", "бульвар "), (r"\bш\.\s*(?=[А-ЯЁ,]|$)", "шоссе "), (r"\bмкр\.?\s*", "микрорайон "),
    (r"\bр-н\b", "район"), (r"\bобл\.", "область"), (r"\bпос\.\s*(?=[А-ЯЁ])", "посёлок "),
    (r"\b[Дд]\.\s*(?=\d)", "дом "), (r"\bкорп?\.\s*(?=\d)", "корпус "), (r"\bк\.\s*(?=\d)", "корпус "),
    (r"\bстр\.\s*(?=\d)", "строение "), (r"\bкв\.\s*(?=\d)", "квартира "), (r"\bоф\.\s*(?=\d)", "офис "),
    (r"\bкаб\.\s*(?=\d)", "кабинет "), (r"\b[Ээ]т\.\s*(?=\d)", "этаж "), (r"(?<=\d)\s*эт\.(?=\W|$)", " этаж"),
    (r"\bпод\.\s*(?=\d)", "подъезд "), (r"\bпом\.\s*(?=\d)", "помещение "), (r"\bг\.\s*(?=[А-ЯЁ])", "город "),
    (r"\bст\.\s*м\.\s*", "станция метро "), (r"\bм\.\s*(?=[А-ЯЁ])", "метро "), (r"\b[Тт]ел\.\s*:?\s*(?=\S)",
    "телефон "),
    (r"\b[Тт]ел\.", "телефон"), (r"\bдоб\.\s*(?=\d)", "добавочный "), (r"\b[Тт]\.\s?е\.", "то есть"),
    (r"\bт\.\s?д\.", "так далее"), (r"\bт\.\s?п\.", "тому подобное"), (r"\b[Тт]\.\s?к\.", "так как"),
    (r"\bт\.\s?ч\.", "том числе"), (r"\bи др\.(?=\W|$)", "и другие"), (r"\bпр\.\s+(?=[А-ЯЁ])", "проспект "),
    (r"\bи пр\.(?=\W|$)", "и прочее"), (r"\bвых\.", "выходной"),
    (r"\bв нед\.", "в неделю"), (r"\bв мес\.", "в месяц"), (r"(?<=\d)к(?=\d)", " корпус "),
    (r"(?<![\d/])1/2 часа", "полчаса"), (r"(?<![\d/])1/3(?= (?:длины|цены|стоимости|суммы))", "треть"),
    (r"(?<![\d/])2/3(?= (?:длины|цены|стоимости|суммы))", "две трети"), (r"(?<=[а-яё])/(?=\d)", " или "),
    (r"(?<=\d)\s*\+\s*(?=\d)", " плюс "),
    (r"\bим\.\s+", "имени "), (r"\bсм\.\s+(?=[а-яё])", "смотрите "), (r"\bнапр\.(?=\W|$)", "например"),
    (r"\bмакс\.\s*(?=\d)", "максимум "), (r"\bмин\.\s*(?=\d)", "минимум "), (r"\bок\.\s*(?=\d)", "около "),
    (r"\b(?:прим|приб?л)\.\s*(?=\d)", "примерно "), (r"\bруб\./", "руб/"), (r"\bч\./", "ч/"),
    (r"\bб/у\b", "бэ у"), (r"\bн/д\b", "нет данных"), (r"\bс/с\b", "самообслуживание"),
    (r"(?<=[₽\w])/(?:ч|час)\b\.?", " в час"), (r"(?<=[₽\w])/(?:мес|месяц)\b\.?", " в месяц"),
    (r"(?<=[₽\w])/(?:шт)\b\.?", " за штуку"), (r"(?<=[₽\w])/(?:день|сут)\b\.?", " в день"),
    (r"(?<=[₽\w])/(?:чел)\b\.?", " с человека"), (r"\bи/или\b", "и или"),
    (r"№\s*(?=\d)", "номер "), (r"№", "номер "), (r"&", " и "), (r"\b24/7\b", "24 на 7"),
    (r"(?<=\d[DД])/(?=\d)", " или "), (r"(?<=\d)/(?=\d)", " дробь "), (r"(?<=[А-Яа-яёЁ])/(?=[А-Яа-яёЁ])", " или "),
    (r"\s*\+\s*(?=[А-Яа-яЁёA-Za-z])", " плюс "),
    (r"(?<![\d)])\+(?=\d{1,3}(?:\s*[%°₽]|\s*(?:руб|р)\b))", "плюс "), (r"(?<=\d)\+(?=\s|$|[.,)])", " плюс"),
    (r"(?<=\d)\s*[xх×]\s*(?=\d)", " на "),
)  # fmt: skip
_COMPILED = tuple((re.compile(pattern), words) for pattern, words in _ABBREVIATIONS)
_ACRONYMS = {
    "СБП": "эс бэ пэ", "СПА": "спа", "ВИП": "вип", "УЗИ": "узи", "ЦУМ": "цум", "ГУМ": "гум", "МКАД": "эмкад",
    "ТЦ": "тэ цэ", "ТРЦ": "тэ эр цэ", "ТРК": "тэ эр ка", "БЦ": "бэ цэ", "ЖК": "жэ ка", "ООО": "о о о", "ИП": "и пэ",
    "АО": "а о", "ЗАО": "зэ а о", "ОАО": "о а о", "СМС": "эсэмэс", "НДС": "эн дэ эс", "ВДНХ": "вэ дэ эн ха",
    "РФ": "эр эф", "США": "сэ шэ а",
    "МСК": "по москве", "ТТК": "тэ тэ ка", "ИНН": "и эн эн", "ОГРН": "о гэ эр эн", "ОМС": "о эм эс",
    "ДМС": "дэ эм эс", "ЛФК": "эл эф ка", "МРТ": "эм эр тэ", "ПВХ": "пэ вэ ха", "ЧП": "чэ пэ", "ПК": "пэ ка",
    "ВК": "вэ ка", "ФИО": "фио", "МФО": "эм эф о", "ЕМС": "е эм эс", "ИИ": "и и", "ДР": "дэ эр", "ЧС": "чэ эс",
    "ЦАО": "цао", "ЮАО": "юао", "ЖД": "жэ дэ", "ТВ": "тэ вэ", "СНГ": "эс эн гэ", "ДНК": "дэ эн ка",
}  # fmt: skip
LETTER_NAMES = {
    "А": "а", "Б": "бэ", "В": "вэ", "Г": "гэ", "Д": "дэ", "Е": "е", "Ё": "ё", "Ж": "жэ", "З": "зэ", "И": "и",
    "Й": "и краткое",
    "К": "ка", "Л": "эль", "М": "эм", "Н": "эн", "О": "о", "П": "пэ", "Р": "эр", "С": "эс", "Т": "тэ", "У": "у",
    "Ф": "эф", "Х": "ха", "Ц": "цэ", "Ч": "че", "Ш": "ша", "Щ": "ща", "Ъ": "твёрдый знак", "Ы": "ы",
    "Ь": "мягкий знак", "Э": "э", "Ю": "ю", "Я": "я",
    "A": "а", "B": "бэ", "C": "цэ", "D": "дэ", "E": "е", "F": "эф", "G": "гэ", "H": "аш", "I": "и", "J": "йот",
    "K": "ка", "L": "эль", "M": "эм", "N": "эн", "O": "о", "P": "пэ", "Q": "ку", "R": "эр", "S": "эс", "T": "тэ",
    "U": "у", "V": "вэ", "W": "дубль вэ", "X": "икс", "Y": "игрек", "Z": "зет",
}  # fmt: skip
_CAPITALS = re.compile(r"(?<![А-ЯЁа-яё\w])[А-ЯЁ]{2,6}(?![А-ЯЁа-яё\w])")
_NO_VOWEL = re.compile(r"(?<![\w-])(?:[бвгджзйклмнпрстфхцчшщ]{2,}|[гдзйлмнпртфхцчшщ])(?![\w.-])", re.IGNORECASE)
_VOWELS = frozenset("АЕЁИОУЫЭЮЯ")


def say_abbreviations(text: str) -> str:
    for pattern, words in _COMPILED:
        text = pattern.sub(words, text)
    return text


def say_acronyms(text: str) -> str:
    """«ТЦ» by its letters; words that merely shout stay words."""
    text = _CAPITALS.sub(_acronym, text)
    return _NO_VOWEL.sub(lambda match: _by_letters(match[0]), text)


def _acronym(match: re.Match[str]) -> str:
    word = match[0]
    if word in _ACRONYMS:
        return _ACRONYMS[word]
    return word.lower() if set(word) & _VOWELS else _by_letters(word)


def _by_letters(word: str) -> str:
    return " ".join(LETTER_NAMES[letter] for letter in word.upper())


# --- days of the week --------------------------------------------------------------------------------------------

_WEEKDAYS = {
    "пн": ("понедельник", "понедельника", "понедельнику", "понедельник", "понедельникам"),
    "вт": ("вторник", "вторника", "вторнику", "вторник", "вторникам"),
    "ср": ("среда", "среды", "среде", "среду", "средам"),
    "чт": ("четверг", "четверга", "четвергу", "четверг", "четвергам"),
    "пт": ("пятница", "пятницы", "пятнице", "пятницу", "пятницам"),
    "сб": ("суббота", "субботы", "субботе", "субботу", "субботам"),
    "вс": ("воскресенье", "воскресенья", "воскресенью", "воскресенье", "воскресеньям"),
}
_DAY = "|".join(_WEEKDAYS)
_DAY_RANGE = re.compile(rf"(?<![\w-])({_DAY})\.?\s*[-–—]\s*({_DAY})(?![\w-])\.?(?=\W|$)", re.IGNORECASE)
_DAY_FROM_TO = re.compile(rf"\b([Сс]о?)\s+({_DAY})\s+(по|до)\s+({_DAY})\b", re.IGNORECASE)
_ONE_DAY = re.compile(
    rf"(?:\b([А-Яа-яЁё]+)\s+)?(?<![\w-])({_DAY})\b(?![-\w])(\.(?=\s*(?:(?-i:[а-яё\d,])|$)))?", re.IGNORECASE
)
_DAY_CASES = {
    **dict.fromkeys(("в", "во", "на", "за"), 3),
    **dict.fromkeys(("с", "со", "до", "кроме", "после", "от"), 1),
    **dict.fromkeys(("к", "ко"), 2),
    "по": 4,
}
_CASE_OF_END = {"по": 3, "до": 1}


def say_weekdays(text: str) -> str:
    """«пн–пт» as «с понедельника по пятницу», «в ср» as «в среду», «по вт» as «по вторникам»."""
    text = _DAY_RANGE.sub(lambda m: _like(m[1], f"{_from(m[1])} по {_weekday(m[2], 3)}"), text)
    text = _DAY_FROM_TO.sub(
        lambda m: _like(m[1], f"{_from(m[2])} {m[3]} {_weekday(m[4], _CASE_OF_END[m[3].lower()])}"), text
    )
    form, end = 0, -1

    def say(match: re.Match[str]) -> str:
        nonlocal form, end
        before = (match[1] or "").lower()
        goes_on = before in ("", "и", "или") and match.string[end : match.start()].strip() in ("", ",") and end > 0
        form, end = form if goes_on else _DAY_CASES.get(before, 0), match.end()
        return _say_day(match, form)

    return _ONE_DAY.sub(say, text)


def _say_day(match: re.Match[str], form: int) -> str:
    before, day, _point = match.groups()
    words = _weekday(day, form)
    if before and before.lower() in ("в", "с") and words.startswith(("вт",)):
        before += "о"
    return f"{before} {words}" if before else _like(day, words)


def _from(day: str) -> str:
    return f"{'со' if day.lower() in ('вт', 'ср') else 'с'} {_weekday(day, 1)}"


def _weekday(day: str, form: int) -> str:
    return _WEEKDAYS[day.lower()][form]


def _like(sample: str, words: str) -> str:
    """With a capital letter where the sample has one."""
    return words[:1].upper() + words[1:] if sample[:1].isupper() else words
