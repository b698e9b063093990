"""How the agent words dates, times, money, people and services in Russian, written form.

Written form may hold digits («4 декабря», «15:30», «1800 рублей»): `agent.language.ru.spoken.to_speech` turns it
into words before a synthesiser reads it, and messengers send it as it is.
"""

import re
from collections.abc import Sequence
from datetime import date, time, timedelta

from agent.language.ru.morph import Case, Gender, Morphology
from agent.language.ru.plural import plural
from core.money import Money
from crm.model import Price

MONTHS_GENITIVE = (
    "января", "февраля", "марта", "апреля", "мая", "июня",
    "июля", "августа", "сентября", "октября", "ноября", "декабря",
)  # fmt: skip
WEEKDAYS_ACCUSATIVE = ("понедельник", "вторник", "среду", "четверг", "пятницу", "субботу", "воскресенье")
WEEKDAYS = ("понедельник", "вторник", "среда", "четверг", "пятница", "суббота", "воскресенье")
_CURRENCY = {
    "RUB": ("рубль", "рубля", "рублей"),
    "KZT": ("тенге", "тенге", "тенге"),
    "USD": ("доллар", "доллара", "долларов"),
}
_HEAD_STOP = re.compile(r"^(с|без|по|на|для|до|от|из|в|у|за|под|над|при|со)$", re.IGNORECASE)
_VOWELS = "аеёиоуыэюя"


class RussianPhrases:
    """Wording that needs word forms. Build one with the understander's Morphology and share it."""

    def __init__(self, morphology: Morphology | None = None) -> None:
        self._morph = morphology if morphology is not None else Morphology()

    # --- days and times ------------------------------------------------------------------------------------------

    def say_date(self, day: date, today: date, *, preposition: str = "в") -> str:
        """«сегодня», «завтра, 2 декабря», «в пятницу, 4 декабря», with the year once it is not this one's.

        Preposition "на" gives «на завтра, 2 декабря», «на пятницу, 4 декабря»; an empty one gives the bare
        nominative «пятница, 4 декабря».
        """
        days_ahead = (day - today).days
        near = {0: "сегодня", 1: "завтра", 2: "послезавтра"}.get(days_ahead)
        tail = f"{day.day} {MONTHS_GENITIVE[day.month - 1]}"
        if day.year != today.year and days_ahead > 60:
            tail += f" {day.year} года"
        if near is not None:
            prefix = "на " if preposition == "на" else ""
            return f"{prefix}{near}" if days_ahead == 0 else f"{prefix}{near}, {tail}"
        return f"{self.say_weekday(day, preposition=preposition)}, {tail}"

    def say_weekday(self, day: date, *, preposition: str = "в") -> str:
        """«в пятницу», «во вторник», «на среду»; nominative without a preposition."""
        if not preposition:
            return WEEKDAYS[day.weekday()]
        word = WEEKDAYS_ACCUSATIVE[day.weekday()]
        if preposition == "в" and word == "вторник":
            return "во вторник"
        return f"{preposition} {word}"

    def say_time(self, moment: time, *, preposition: str = "в") -> str:
        """«в 15:30», «на 15:00»; the bare «15:30» without a preposition."""
        text = f"{moment.hour}:{moment.minute:02d}"
        return f"{preposition} {text}" if preposition else text

    def say_period(self, first: date, last: date, today: date) -> str:
        """One day as say_date; a stretch as «с 7 по 13 декабря»."""
        if first == last:
            return self.say_date(first, today)
        start = f"{first.day}" if first.month == last.month else f"{first.day} {MONTHS_GENITIVE[first.month - 1]}"
        preposition = "со" if first.day == 2 else "с"
        return f"{preposition} {start} по {last.day} {MONTHS_GENITIVE[last.month - 1]}"

    def say_duration(self, duration: timedelta) -> str:
        """«1 час 15 минут», «45 минут», «3 часа»; rounded to minutes."""
        minutes = round(duration.total_seconds() / 60)
        hours, rest = divmod(minutes, 60)
        parts = []
        if hours:
            parts.append(f"{hours} {plural(hours, 'час', 'часа', 'часов')}")
        if rest or not hours:
            parts.append(f"{rest} {plural(rest, 'минута', 'минуты', 'минут')}")
        return " ".join(parts)

    # --- money ---------------------------------------------------------------------------------------------------

    def say_money(self, money: Money) -> str:
        """«1800 рублей», «1 рубль», «1 рубль 50 копеек»; «бесплатно» for nothing."""
        if money.minor == 0:
            return "бесплатно"
        major, minor = divmod(money.minor, 100)
        forms = _CURRENCY.get(money.currency, (money.currency,) * 3)
        text = f"{major} {plural(major, *forms)}"
        if minor and money.currency == "RUB":
            text += f" {minor} {plural(minor, 'копейка', 'копейки', 'копеек')}"
        return text

    def say_price(self, price: Price) -> str:
        """«1800 рублей», «от 9000 рублей», «бесплатно»."""
        if price.starting_at and price.amount.minor:
            major = price.amount.minor // 100
            forms = _CURRENCY.get(price.amount.currency, (price.amount.currency,) * 3)
            # «от» governs the genitive: «от 9001 рубля», «от 9000 рублей».
            genitive = {"рубль": ("рубля", "рублей", "рублей"), "доллар": ("доллара", "долларов", "долларов")}
            return f"от {major} {plural(major, *genitive.get(forms[0], forms))}"
        return self.say_money(price.amount)

    # --- people --------------------------------------------------------------------------------------------------

    def gender_of(self, name: str) -> Gender | None:
        """By the first name; for names the dictionary lacks, by a patronymic or the ending; None when unclear."""
        words = name.split()
        for word in words:
            found = self._morph.first_name_gender(word)
            if found is not None:
                return found
        for word in words:
            lowered = word.lower()
            if lowered.endswith(("вна", "чна", "кызы")):
                return Gender.FEMININE
            if lowered.endswith(("вич", "ьич", "оглы")):
                return Gender.MASCULINE
        if words and words[0].lower().endswith(("а", "я")):
            return Gender.FEMININE
        if words and words[0].lower()[-1:] not in _VOWELS + "ь" and words[0].isalpha():
            return Gender.MASCULINE
        return None

    def name_in(self, name: str, case: Case) -> str:
        """A person's name in a case: «Анна Белова» -> «Анне Беловой»; foreign and unknown names stay as they are."""
        gender = self.gender_of(name)
        words = name.split()
        return " ".join(self._name_word(word, index, case, gender) for index, word in enumerate(words))

    def _name_word(self, word: str, index: int, case: Case, gender: Gender | None) -> str:
        if case is Case.NOMINATIVE or not re.fullmatch(r"[А-Яа-яЁё-]+", word) or gender is None:
            return word
        if "-" in word:
            return "-".join(self._name_word(part, index, case, gender) for part in word.split("-"))
        lowered = word.lower()
        if index > 0 and gender is Gender.FEMININE and lowered[-1:] not in "ая":
            return word  # «у Ольги Ким», «к Вере Дан»: a woman's surname on a consonant or о stays
        if index > 0 and lowered.endswith(("ко", "их", "ых", "аго", "дзе", "швили")):
            return word
        for want in ("Name", "Patr", "Surn") if index == 0 else ("Surn", "Patr"):
            known = [r for r in self._morph.readings(lowered) if want in r.grammemes and "nomn" in r.grammemes]
            known = [r for r in known if gender.value in r.grammemes or "ms-f" in r.grammemes]
            if known and all("Fixd" not in r.grammemes for r in known):
                return self._morph.inflect(word, case, gender=gender, plural=False, want=want)
        return _by_ending(word, case, gender)

    def to_master(self, name: str) -> str:
        """«к Игорю», «ко Льву»."""
        form = self.name_in(name, Case.DATIVE)
        heavy = form.lower().startswith(("льв", "всев", "мстисл"))
        return f"{'ко' if heavy else 'к'} {form}"

    def at_master(self, name: str) -> str:
        """«у Анны»."""
        return f"у {self.name_in(name, Case.GENITIVE)}"

    def with_master(self, name: str) -> str:
        """«с Марией», «со Светланой»."""
        form = self.name_in(name, Case.INSTRUMENTAL)
        first, second = form[:1].lower(), form[1:2].lower()
        heavy = (first in "сзшжщ" and second not in _VOWELS and second != "") or form.lower().startswith("льв")
        return f"{'со' if heavy else 'с'} {form}"

    def first_name(self, name: str) -> str:
        return name.split()[0] if name.split() else name

    # --- services ------------------------------------------------------------------------------------------------

    def service_in(self, name: str, case: Case) -> str:
        """«Мужская стрижка» -> «мужскую стрижку»; attributes behind the head noun stay: «чистку лица»."""
        text = lower_first(name)
        if case is Case.NOMINATIVE:
            return text
        pieces = re.findall(r"[A-Za-zА-Яа-яЁё-]+|[^A-Za-zА-Яа-яЁё-]+", text)
        head_done = False
        joined = False
        for index, piece in enumerate(pieces):
            if not re.match(r"[A-Za-zА-Яа-яЁё]", piece):
                if "(" in piece or (head_done and "," in piece):
                    break
                joined = joined or "+" in piece
                continue
            if _HEAD_STOP.match(piece):
                break
            if piece.lower() in ("и", "или"):
                joined = True
                continue
            if head_done and not joined:
                break
            kind = self._nominative_kind(piece)
            if kind == "NOUN":
                head_done, joined = True, False
            elif kind == "":
                if head_done:
                    break
                continue
            pieces[index] = self._inflect_service_word(piece, case, kind, pieces[index + 1 :])
        return "".join(pieces)

    def _nominative_kind(self, word: str) -> str:
        for reading in self._morph.readings(word.lower()):
            if "nomn" in reading.grammemes and reading.pos in ("NOUN", "ADJF", "PRTF"):
                return "NOUN" if reading.pos == "NOUN" else reading.pos
        return ""

    def _inflect_service_word(self, word: str, case: Case, kind: str, rest: Sequence[str]) -> str:
        if "-" in word and kind == "NOUN":
            head, _, tail = word.partition("-")  # «спа-педикюр»: only the last part is declined
            return f"{head}-{self._morph.inflect(tail, case, want='NOUN')}"
        if kind == "NOUN":
            return self._morph.inflect(word, case, want=kind)
        masculine = any("masc" in r.grammemes for r in self._morph.readings(word.lower()) if r.pos == kind)
        if case is Case.ACCUSATIVE and (masculine or "plur" in self._morph.readings(word.lower())[0].grammemes):
            return word  # services are inanimate: «мужской маникюр» does not change
        return self._morph.inflect(word, case, want=kind)

    def for_services(self, names: Sequence[str]) -> str:
        """«на мужскую стрижку», «на маникюр с гель-лаком и педикюр»."""
        forms = [self.service_in(name, Case.ACCUSATIVE) for name in names]
        return f"на {join_and(forms)}"


def join_and(parts: Sequence[str]) -> str:
    """«а», «а и б», «а, б и в»."""
    if len(parts) <= 1:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} и {parts[-1]}"


def lower_first(text: str) -> str:
    """The first letter small, but not in abbreviations and Latin names: «СПА-уход», «LPG-массаж» stay."""
    word = text.split(" ", 1)[0]
    letters = [ch for ch in word if ch.isalpha()]
    if len(letters) > 1 and letters[1].isupper():
        return text
    if letters and letters[0] in "ABCDEFGHIJKLMNOPQRSTUVWXYZ":
        return text
    return text[:1].lower() + text[1:]


_ENDING_ORDER = (Case.GENITIVE, Case.DATIVE, Case.ACCUSATIVE, Case.INSTRUMENTAL, Case.PREPOSITIONAL)
_FEMININE_A = dict(zip(_ENDING_ORDER, ("ы", "е", "у", "ой", "е"), strict=True))
_FEMININE_YA = dict(zip(_ENDING_ORDER, ("и", "е", "ю", "ей", "е"), strict=True))
_MASCULINE = dict(zip(_ENDING_ORDER, ("а", "у", "а", "ом", "е"), strict=True))
_MASCULINE_SOFT = dict(zip(_ENDING_ORDER, ("я", "ю", "я", "ем", "е"), strict=True))


def _by_ending(word: str, case: Case, gender: Gender) -> str:
    """Regular declension of a name that the dictionary lacks: «Снежана», «Айгуль» (unchanged), «Тигран»."""
    last, stem = word[-1:].lower(), word[:-1]
    if last == "а":
        ending = _FEMININE_A[case]
        if ending == "ы" and stem[-1:].lower() in "гкхжшщч":
            ending = "и"
        return stem + ending
    if last == "я":
        if stem[-1:].lower() == "и" and case in (Case.DATIVE, Case.PREPOSITIONAL):
            return stem + "и"
        return stem + _FEMININE_YA[case]
    if gender is Gender.MASCULINE:
        if last in "ьй":
            return stem + _MASCULINE_SOFT[case]
        if last not in _VOWELS and last.isalpha():
            return word + _MASCULINE[case]
    return word
