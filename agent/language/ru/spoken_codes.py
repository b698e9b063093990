"""Numbers that are names: roman numerals, telephone numbers, codes, «3D», the floor a salon is on."""

import re

from agent.language.ru.morph import Case, Gender
from agent.language.ru.numerals import cardinal, ordinal
from agent.language.ru.spoken_clean import LETTER_NAMES

# --- roman numerals ----------------------------------------------------------------------------------------------

_ROMAN = re.compile(r"(?:\b([А-Яа-яЁё]+)\s+)?\b([IVX]{1,5})\b(?![-'’.][A-Za-z])(?:\s+([А-Яа-яЁё]+))?")
_VALID_ROMAN = re.compile(r"X{0,3}(?:IX|IV|V?I{0,3})")
_NOUNS = (
    ("этаж", Gender.MASCULINE), ("век", Gender.MASCULINE), ("квартал", Gender.MASCULINE), ("класс", Gender.MASCULINE),
    ("тип", Gender.MASCULINE), ("фототип", Gender.MASCULINE), ("корпус", Gender.MASCULINE), ("уров", Gender.MASCULINE),
    ("разряд", Gender.MASCULINE), ("групп", Gender.FEMININE), ("недел", Gender.FEMININE), ("степен", Gender.FEMININE),
    ("стади", Gender.FEMININE), ("зон", Gender.FEMININE), ("категори", Gender.FEMININE), ("мест", Gender.NEUTER),
)  # fmt: skip
_MASCULINE_ENDS = {"а": Case.GENITIVE, "я": Case.GENITIVE, "у": Case.DATIVE, "ю": Case.DATIVE, "ом": Case.INSTRUMENTAL,
                   "ем": Case.INSTRUMENTAL, "е": Case.PREPOSITIONAL}  # fmt: skip
_FEMININE_ENDS = {"ы": Case.GENITIVE, "и": Case.GENITIVE, "у": Case.ACCUSATIVE, "ю": Case.ACCUSATIVE,
                  "ой": Case.INSTRUMENTAL, "ей": Case.INSTRUMENTAL, "е": Case.PREPOSITIONAL}  # fmt: skip


def say_romans(text: str) -> str:
    """«XXI век», «во II квартале», «Екатерина II»."""
    return _ROMAN.sub(_say_roman, text)


def _say_roman(match: re.Match[str]) -> str:
    before, numeral, behind = match.groups()
    if not _VALID_ROMAN.fullmatch(numeral):
        return match[0]
    noun = (behind or "").lower()
    gender = next((gender for stem, gender in _NOUNS if noun.startswith(stem)), None)
    named = before is not None and before[:1].isupper() and len(before) > 2
    if gender is None and not named and len(numeral) < 2:
        return match[0]
    case = Case.NOMINATIVE
    if gender is not None:
        ends = _FEMININE_ENDS if gender is Gender.FEMININE else _MASCULINE_ENDS
        case = next((case for end, case in ends.items() if noun.endswith(end)), Case.NOMINATIVE)
    elif named and before is not None and before.lower().endswith(("а", "я")):
        gender = Gender.FEMININE
    words = ordinal(_roman(numeral), case, gender or Gender.MASCULINE)
    if gender is None or (named and behind is None) or (named and not _is_noun(noun)):
        words = words.capitalize() if named else words
    return " ".join(part for part in (before, words, behind) if part)


def _is_noun(noun: str) -> bool:
    return any(noun.startswith(stem) for stem, _ in _NOUNS)


def _roman(numeral: str) -> int:
    values = [{"I": 1, "V": 5, "X": 10}[letter] for letter in numeral]
    following = [*values[1:], 0]
    return sum(-value if value < after else value for value, after in zip(values, following, strict=True))


# --- codes and telephone numbers ---------------------------------------------------------------------------------

_CODE = re.compile(r"\b([A-ZА-ЯЁ]{1,3})-?(\d{3,})\b")
_DIMENSION = re.compile(r"(?<![\w.,])(\d{1,2}(?:[.,]\d)?)-?([DXKА-ЯЁ])(?![A-Za-zА-Яа-яёЁ])")
_LETTER_NUMBER = re.compile(r"(?<![\w-])([A-ZА-ЯЁ])-?(\d{1,2})(?![\w])")
_PHONE = re.compile(r"(?<![\d.])(?:(\+?7|8)[\s\-(]*)?\(?(\d{3})\)?[\s\-]*(\d{3})[\s\-]*(\d{2})[\s\-]*(\d{2})(?!\d)")
_OTHER_PHONE = re.compile(r"\+(\d[\d\s\-()]{6,17}\d)")
_LOCAL_PHONE = re.compile(r"(?<![\d-])(\d{2,3})-(\d{2})-(\d{2})(?![\d-])")
_DIGIT_CODE = re.compile(
    r"\b((?:код|кода|коду|кодом|пин|артикул|заказ[а-я]*|домофон|договор[а-я]*)\s*:?\s+)(\d{4,})\b", re.IGNORECASE
)


_MIXED_CODE = re.compile(r"(?<![\w])(?:\d+[A-ZА-ЯЁ]\d+|[A-ZА-ЯЁ]\d+[A-ZА-ЯЁ]{2}\d+)(?![\w])")


def _code_part(part: str) -> str:
    if not part.isdigit():
        return LETTER_NAMES[part]
    pairs = [part[at : at + 2] for at in range(0, len(part), 2)] if len(part) != 3 else [part]
    return " ".join(digit_group(pair) for pair in pairs)


def say_codes(text: str) -> str:
    """«G-1001» as «гэ один ноль ноль один»: numbers of certificates are dictated; «3D» as «три дэ»."""

    def dictated(match: re.Match[str]) -> str:
        letters = [LETTER_NAMES[letter] for letter in match[1]]
        return " ".join([*letters, *(cardinal(int(digit)) for digit in match[2])])

    text = _CODE.sub(dictated, text)
    text = _MIXED_CODE.sub(lambda m: " ".join(_code_part(part) for part in re.findall(r"\d+|\D", m[0])), text)
    text = re.sub(r"(?<![\w.])\d+(?:\.\d+){2,}(?![\w])", lambda m: m[0].replace(".", " точка "), text)
    text = _DIGIT_CODE.sub(
        lambda m: m[1] + ", ".join(digit_group(m[2][at : at + 2]) for at in range(0, len(m[2]), 2)), text
    )
    text = _DIMENSION.sub(lambda m: f"{m[1]} {LETTER_NAMES[m[2]]}", text)
    return _LETTER_NUMBER.sub(lambda m: f"{LETTER_NAMES[m[1]]} {cardinal(int(m[2]))}", text)


_PLACES = "этаж|корпус|кабинет|подъезд|зал|филиал|класс"
_PLACE = re.compile(
    rf"(?:\b([А-Яа-яЁё]+)\s+)?(?<![\d.,–-])(\d{{1,3}})\s+({_PLACES})(е|у|а|ом)?(?![А-Яа-яЁё]|\s+\d)", re.IGNORECASE
)
_PLACE_RANGE = re.compile(rf"\b([Сс]о?)\s+(\d{{1,3}})\s+(по|до)\s+(\d{{1,3}})\s+({_PLACES})(а?)(?![А-Яа-яЁё])")
_PLACE_CASES = {"е": Case.PREPOSITIONAL, "у": Case.DATIVE, "ом": Case.INSTRUMENTAL, "а": Case.GENITIVE}
_OUT_OF = frozenset(("с", "со", "до", "от", "из", "у", "около", "для"))


def say_places(text: str) -> str:
    """«на 3 этаже» as «на третьем этаже»; «3 этажа» counts them and stays."""

    def both(match: re.Match[str]) -> str:
        start, until = match[1], match[3]
        first, last = ordinal(int(match[2]), Case.GENITIVE), int(match[4])
        end = ordinal(last, Case.GENITIVE if match[6] else Case.NOMINATIVE)
        start = f"{start}о" if start in ("с", "С") and first.startswith("вт") else start
        return f"{start} {first} {until} {end} {match[5]}{match[6]}"

    def one(match: re.Match[str]) -> str:
        word, number, noun, ending = match.groups()
        lowered = (word or "").lower()
        if ending and ending.lower() == "а" and lowered not in _OUT_OF:
            return match[0]
        case = _PLACE_CASES.get((ending or "").lower(), Case.NOMINATIVE)
        return f"{before(word, said := ordinal(int(number), case))}{said} {noun}{ending or ''}"

    return _PLACE.sub(one, _PLACE_RANGE.sub(both, text))


def before(word: str | None, said: str) -> str:
    """The preposition as it sounds before what follows: «во втором», «со ста», «ко второму», «об одном»."""
    if not word:
        return ""
    lowered = word.lower()
    if (lowered in ("в", "к") and said.startswith(("вт", "вс"))) or (lowered == "с" and said.startswith(("вт", "ст"))):
        word += "о"
    elif lowered == "о" and said[:1] in "оа":
        word += "б"
    return f"{word} "


def say_phones(text: str) -> str:
    """In the groups in which they are written."""

    def words(match: re.Match[str]) -> str:
        prefix, *groups = match.groups()
        parts = [digit_group(group) for group in groups]
        if prefix:
            parts.insert(0, "плюс семь" if prefix.endswith("7") else "восемь")
        return ", ".join(parts)

    def other(match: re.Match[str]) -> str:
        digits = re.sub(r"\D", "", match.group(1))
        pairs = [digits[index : index + 2] for index in range(0, len(digits), 2)]
        return "плюс " + ", ".join(digit_group(pair) for pair in pairs)

    text = _OTHER_PHONE.sub(other, _PHONE.sub(words, text))
    return _LOCAL_PHONE.sub(lambda match: ", ".join(digit_group(group) for group in match.groups()), text)


def digit_group(digits: str) -> str:
    """A group of a dictated number: 926 as one number, 05 and 000 digit by digit where zeros lead."""
    zeros = len(digits) - len(digits.lstrip("0"))
    words = ["ноль"] * zeros
    if digits[zeros:]:
        words.append(cardinal(int(digits[zeros:])))
    return " ".join(words)
