"""The caller's name, for whom the visit is, ages and heads counted. Pure functions over tokens and word forms."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from agent.language.ru.morph import Gender, Morphology
from agent.language.ru.name_words import NameWords
from agent.language.ru.numbers import number_at
from agent.language.text import Token, wordlist

_AFTER_INTRO = frozenset(wordlist("ну э эм вот так это будет давайте просто пишите запишите пусть"))
_AFTER_SURNAME = frozenset(wordlist("моя мое будет у меня на это"))
_CALLED_WHOM = frozenset(wordlist("меня ее его мужа дочку сына"))
_WRITE_WHOM = frozenset(
    wordlist(
        "родная милая дочка доченька голубушка меня пожалуйста как мужа сына на ее дочку маму жену подругу имя сестру"
    )
)
_NOT_BEFORE_CALLER = frozenset(wordlist("к ко у от для мастер мастеру мастера"))
_SURNAME_ENDINGS = ("ова", "ева", "ов", "ев", "ин", "ина", "ский", "ская", "ко", "ян", "швили", "дзе", "чук")
_NOT_NAMES = frozenset(
    wordlist(
        """
        да нет ага угу мне меня мы вы я он она они это то так вот ну что как где когда на в к с у по до от из за не
        и а но или можно нужно надо хочу здравствуйте привет добрый день вечер утро спасибо алло пожалуйста запишите
        имя фамилия зовут просто лучше давайте хорошо ладно ок окей мастер салон стрижка маникюр завтра сегодня
        """
    )
)
_RELATIONS = {
    "сын": "сын сына сыну сыном сыночка сыночек сынок сынишку сынишка сынишке сынули сынуле ребенка-сына",
    "дочь": "дочь дочку дочка дочери дочке доченьку доча дочу дочурку дочери дочерью дочкой",
    "муж": "муж мужа мужу мужем муженька мужик-муж",
    "жена": "жена жену жене женой",
    "мама": "мама маму маме мамой мать матери мамочку мамы",
    "папа": "папа папу папе папой отец отца отцу отцом",
    "подруга": "подруга подругу подруге подругой подружка подружку подружке подружкой",
    "друг": "друга другу другом приятеля",
    "брат": "брат брата брату братом братика",
    "сестра": "сестра сестру сестре сестрой сестренку",
    "бабушка": "бабушка бабушку бабушке бабуле бабулю",
    "дедушка": "дедушка дедушку дедушке дед деда деду",
    "внук": "внук внука внуку внучок внучка-мальчика внучонка",
    "внучка": "внучка внучку внучке",
    "ребёнок": "ребенок ребенка ребенку ребеночка малыша малыш малышу детку детей деток детям детишек",
    "девушка": "девушке-своей",
    "тёща": "теща тещу теще",
    "свекровь": "свекровь свекрови",
    "парень": "парня парню молодому-человеку",
    "племянник": "племянник племянника племяннику",
    "племянница": "племянница племянницу племяннице племяшку",
    "правнучка": "правнучка правнучку правнучке",
    "коллега": "коллегу коллеге",
}  # fmt: skip
_RELATION_FORMS = {form: relation for relation, forms in _RELATIONS.items() for form in forms.split()}
_MALE = frozenset({"сын", "муж", "папа", "друг", "брат", "дедушка", "внук", "парень", "племянник"})
_FEMALE = frozenset({"дочь", "жена", "мама", "подруга", "сестра", "бабушка", "внучка", "тёща", "свекровь",
"племянница", "правнучка"})  # fmt: skip
_YEARS = frozenset(wordlist("лет год года годик годика годиков годков годок годами г л"))
_PEOPLE = {
    "двое": 2, "вдвоем": 2, "трое": 3, "втроем": 3, "четверо": 4, "вчетвером": 4, "пятеро": 5, "впятером": 5,
    "шестеро": 6,
    "вшестером": 6, "семеро": 7, "всемером": 7, "восьмеро": 8, "двоих": 2, "троих": 3, "четверых": 4, "пятерых": 5,
    "шестерых": 6, "двойняшки": 2, "двойняшек": 2, "тройняшки": 3, "парой": 2, "двоем": 2,
}  # fmt: skip
_PERSONS = re.compile(
    r"^(человек|девуш|девоч|девч|девок|женщин|мужчин|мальчик|ребят|дет|подруж|подруг|гост|персон|взросл|невест|"
    r"парн|мест)"
)
_RELATIVE_TALK = frozenset(wordlist("с вместе пойдет приведет привезет сказала говорит посоветовала советовала "
"велела подарил подарила"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class FoundName:
    """tokens[start:end] are the caller's name."""

    start: int
    end: int
    name: str
    certain: bool
    """An introduction («меня зовут») stood before it."""


class NameFinder:
    def __init__(self, morphology: Morphology, names: NameWords) -> None:
        self._morph = morphology
        self._names = names

    def find(self, tokens: Sequence[Token], *, expected: bool, taken: Collection[int] = ()) -> FoundName | None:
        """The name given in the turn. The last introduction counts («Аня, ой, Анна»)."""
        surname = self._after(tokens, ("фамилия", "фамилию", "фамилии", "по фамилии"), taken)
        given = self._introduced(tokens, taken)
        if surname is not None and given is None:
            given = self._after(tokens, ("имя", "имени"), taken)
        if surname is not None and given is not None and surname.start != given.start:
            gender = self._gender(given.name)
            last = self._nominative(tokens[surname.start].text, "Surn", gender) or surname.name
            name = f"{given.name.split()[0]} {last}"
            return FoundName(min(given.start, surname.start), max(given.end, surname.end), name, True)
        found = given or surname
        if found is None and expected:
            found = self._bare(tokens, taken)
        if found is None and tokens and len(tokens) <= 4:
            item = self._name_at(tokens, 0, taken) if self._surely_name(tokens, 0) else None
            rest = [token.text for token in tokens[item.end :]] if item is not None else ["?"]
            found = item if rest in ([], ["я"], ["меня"]) else None
        return found

    def beside(self, tokens: Sequence[Token], start: int, end: int, taken: Collection[int]) -> FoundName | None:
        """«8 900 111-22-33, Рената», «Татьяна, 89001112233»: a name right beside the phone number tokens[start:end]."""
        for position in (end, start - 1, start - 2):
            if not 0 <= position < len(tokens) or position in taken or not self._surely_name(tokens, position):
                continue
            if position and tokens[position - 1].text in _NOT_BEFORE_CALLER:
                continue
            item = self._name_at(tokens, position, taken)
            if item is not None and (position == end or item.end == start):
                return FoundName(item.start, item.end, item.name, True)
        return None

    def _introduced(self, tokens: Sequence[Token], taken: Collection[int]) -> FoundName | None:
        """The last name behind or before an introduction."""
        found: FoundName | None = None
        for index, token in enumerate(tokens):
            before = self._before_called(tokens, index, taken) if token.text == "зовут" else None
            if before is not None:
                found = before
                continue
            position, sure_only = self._place_of_name(tokens, index)
            if position < 0 or (sure_only and not self._surely_name(tokens, position)):
                continue
            while position < len(tokens) and tokens[position].text in _AFTER_INTRO:
                position += 1
            item = self._name_at(tokens, position, taken, free=not sure_only)
            if item is not None:
                found = FoundName(item.start, item.end, item.name, True)
        return found

    def _before_called(self, tokens: Sequence[Token], index: int, taken: Collection[int]) -> FoundName | None:
        """«Рита меня зовут», «Анна Петровна меня зовут», «меня Алсу зовут»; None where the name follows."""
        if index < 2 or self._name_at(tokens, index + 1, taken) is not None:
            return None
        if tokens[index - 1].text in _CALLED_WHOM:
            for start in range(max(0, index - 3), index - 1):
                item = self._name_at(tokens, start, taken)
                if item is not None and item.end == index - 1:
                    return FoundName(item.start, index + 1, item.name, True)
        for start in range(max(1, index - 3), index):
            if tokens[start - 1].text != "меня":
                continue
            item = self._name_at(tokens, start, taken)
            if item is not None and item.end == index:
                return FoundName(item.start, index + 1, item.name, True)
        return None

    def _place_of_name(self, tokens: Sequence[Token], index: int) -> tuple[int, bool]:
        """Where the name should stand behind the introduction at the index (-1: there is none), and whether only a word
        that surely is a name may stand there: «это Ирина» is one, «это очень дорого» is not."""
        word = tokens[index].text
        following = tokens[index + 1].text if index + 1 < len(tokens) else ""
        if word == "зовут":
            if following == "а" and index + 2 < len(tokens) and tokens[index + 2].text == "меня":
                return index + 3, False
            return index + 1, False
        if word in ("клиентка", "клиент"):
            return index + 1, True
        if word == "имя" and following:
            return index + (2 if following in ("мое", "фамилия") else 1), False
        if word in ("это", "я", "звать", "беспокоит", "говорит"):
            return index + 1, True
        if word == "на" and following == "имя":
            return index + 2, True
        if word == "на" and index and tokens[index - 1].text.startswith(("запиши", "запись", "записан", "оформ")):
            return index + 1, True
        if word.startswith(("запишите", "запиши", "записывай", "пишите", "поменяйте")):
            position = index + 1
            while position < len(tokens) and tokens[position].text in _WRITE_WHOM:
                position += 1
            return position, True
        return -1, True

    def _after(self, tokens: Sequence[Token], words: Collection[str], taken: Collection[int]) -> FoundName | None:
        for index, token in enumerate(tokens):
            if token.text in words:
                position = index + 1
                while position < len(tokens) and tokens[position].text in _AFTER_SURNAME:
                    position += 1
                item = self._name_at(tokens, position, taken, free=True)
                if item is not None:
                    return FoundName(item.start, item.start + 1, item.name.split()[0], True)
        return None

    def _bare(self, tokens: Sequence[Token], taken: Collection[int]) -> FoundName | None:
        """An answer to «как вас зовут»: a name anywhere, else a short answer that is nothing else."""
        for index in range(len(tokens)):
            if self._surely_name(tokens, index) or self._surname_like(tokens[index].text):
                item = self._name_at(tokens, index, taken)
                if item is not None:
                    return item
        content = [
            i for i, token in enumerate(tokens) if token.text not in _NOT_NAMES and i not in taken and not token.digits
        ]
        if 1 <= len(content) <= 3 and content[-1] - content[0] == len(content) - 1 and len(tokens) <= 5:
            words = [tokens[i] for i in content]
            if all(len(token.text) > 1 and not self._ordinary(token.text) for token in words):
                name = " ".join(_capital(token.raw) for token in words)
                return FoundName(content[0], content[-1] + 1, name, False)
        return None

    def _ordinary(self, word: str) -> bool:
        """A word of the dictionary that is no name."""
        return self._morph.known(word) and not any(
            reading.grammemes & {"Name", "Surn", "Patr"} for reading in self._morph.readings(word)
        )

    def _surely_name(self, tokens: Sequence[Token], index: int) -> bool:
        if index >= len(tokens) or tokens[index].text in _NOT_NAMES:
            return False
        word = tokens[index].text
        readings = self._morph.readings(word)
        if any("Name" in reading.grammemes and reading.score > 0.1 for reading in readings) and self._morph.known(word):
            return True
        return self._names.known(word) and len(word) > 2

    def _surname_like(self, word: str) -> bool:
        readings = self._morph.readings(word)
        if not readings or "Surn" not in readings[0].grammemes:
            return False
        return self._morph.known(word) or word.endswith(_SURNAME_ENDINGS)

    def _name_at(
        self, tokens: Sequence[Token], index: int, taken: Collection[int], *, free: bool = False
    ) -> FoundName | None:
        """First name, then patronymic and surname in any order, from the position on."""
        if not 0 <= index < len(tokens) or index in taken or tokens[index].text in _NOT_NAMES or tokens[index].digits:
            return None
        words: list[str] = []
        kinds: list[str] = []
        gender: Gender | None = None
        end = index
        while end < len(tokens) and len(words) < 3 and end not in taken and not (words and tokens[end].new_clause):
            token = tokens[end]
            kind = self._kind(token.text)
            if not words and not kind:
                if not free or self._ordinary(token.text):
                    return None
                words.append(_capital(token.raw))
                end += 1
                if _latin(token.text):
                    while end < len(tokens) and _latin(tokens[end].text) and len(words) < 3:
                        words.append(_capital(tokens[end].raw))
                        end += 1
                break
            after_surname = kind == "Name" and kinds == ["Surn"]  # «Ковальчук Анна Сергеевна»
            if not kind or (words and kind == "Name" and not after_surname):
                break
            if words and kind == "Surn" and self._ordinary_first(token.text):
                break
            if gender is None and kind == "Name":
                of_woman = self._accusative_of_woman(tokens, end, kind)
                gender = Gender.FEMININE if of_woman else self._morph.first_name_gender(token.text)
            of_woman = kind == "Surn" and gender is None and self._accusative_of_woman(tokens, end, kind)
            word = self._nominative(token.text, kind, Gender.FEMININE if of_woman else gender) or _capital(token.raw)
            surname_first = kinds[:1] == ["Surn"] and (after_surname or "Name" in kinds)
            words.insert(len(words) - 1 if surname_first else len(words), word)
            kinds.append(kind)
            end += 1
        return FoundName(index, end, " ".join(words), False) if words else None

    def _accusative_of_woman(self, tokens: Sequence[Token], index: int, kind: str) -> bool:
        """«на Марину», «запишите Орлову»: whom, so a woman; a man's dative has the same form."""
        previous = tokens[index - 1].text if index else ""
        if previous not in ("на", "фамилию") and not previous.startswith(
            ("запиши", "записыв", "пиши", "удали", "сними")
        ):
            return False
        word = tokens[index].text
        if kind == "Surn":
            return word.endswith(("ову", "еву", "ину", "ыну"))
        return any({"Name", "femn", "accs"} <= reading.grammemes for reading in self._morph.readings(word))

    def _ordinary_first(self, word: str) -> bool:
        """«на Марию мороз»: as a surname only when the name reading leads."""
        readings = self._morph.readings(word)
        return bool(readings) and not readings[0].grammemes & {"Surn", "Patr"}

    def _kind(self, word: str) -> str:
        if word in _NOT_NAMES or len(word) < 2:
            return ""
        for reading in self._morph.readings(word):
            if reading.score < 0.05:
                continue
            for kind in ("Name", "Patr", "Surn"):
                if kind in reading.grammemes:
                    return kind
        return "Name" if self._names.known(word) else ""

    def _gender(self, name: str) -> Gender | None:
        return self._morph.first_name_gender(name.split()[0].lower())

    def _nominative(self, word: str, kind: str, gender: Gender | None) -> str | None:
        if kind == "Surn" and gender is Gender.FEMININE and word[-1:] not in "аяиеуоюый":
            return _capital(word)  # «Ольга Ким»
        return self._morph.nominative(word, kind, gender)


def _capital(word: str) -> str:
    if any(ch.isupper() for ch in word[1:]) and not word.isupper():
        return word
    return "-".join(part[:1].upper() + part[1:].lower() for part in word.split("-"))


def _latin(word: str) -> bool:
    return word.isascii() and word.isalpha()


def find_relation(tokens: Sequence[Token]) -> tuple[str, str]:
    """For whom the visit is, and that person's gender (female, male or empty): («сын», «male»)."""
    for index, token in enumerate(tokens):
        relation = _RELATION_FORMS.get(token.text)
        if relation is None:
            continue
        previous = tokens[index - 1].text if index else ""
        following = tokens[index + 1].text if index + 1 < len(tokens) else ""
        if previous == "с" or following in _RELATIVE_TALK or (relation == "друг" and previous not in ("для",
        "моего", "моему", "друга", "записать")):  # fmt: skip
            continue
        return relation, "male" if relation in _MALE else "female" if relation in _FEMALE else ""
    return "", ""


def find_age(tokens: Sequence[Token], *, expected: bool = False) -> tuple[int | None, int, int]:
    """An age in years and the tokens that say it: «ему четыре года», «6 лет», «годик», «пятилетняя»."""
    for index, token in enumerate(tokens):
        number = number_at(tokens, index)
        if number is not None and not number.ordinal and number.end < len(tokens) and number.value <= 120:
            previous = tokens[index - 1].text if index else ""
            if tokens[number.end].text in _YEARS and previous not in ("через", "за", "назад", "до", "последние", "уже"):
                unit = tokens[number.end].text
                after = tokens[number.end + 1].text if number.end + 1 < len(tokens) else ""
                if unit in ("г", "л") and tokens[number.end].gap.strip():
                    continue
                if after in ("назад", "подряд", "хожу", "отращивала", "гарантии"):
                    continue
                return number.value, index, number.end + 1
            if previous in ("ему", "ей", "мне") and number.end >= len(tokens) and number.value < 100:
                return number.value, index, number.end
        if token.text in ("годик", "годика") and index and tokens[index - 1].text in ("ему", "ей", "ребенку"):
            return 1, index, index + 1
        match = re.match(r"^(.+?)летн", token.text)
        if match:
            word = number_at((Token(match.group(1), match.group(1), ""),), 0)
            if word is not None and word.value < 100:
                return word.value, index, index + 1
    return None, 0, 0


def find_people(tokens: Sequence[Token]) -> tuple[int | None, int, int]:
    """How many people come: «нас пятеро», «вдвоём», «на пять человек», «4 девушки», «мы с подругой»."""
    for index, token in enumerate(tokens):
        if token.text in _PEOPLE:
            return _PEOPLE[token.text], index, index + 1
        number = number_at(tokens, index)
        if number is None or number.ordinal or not 2 <= number.value <= 60:
            continue
        following = tokens[number.end].text if number.end < len(tokens) else ""
        previous = tokens[index - 1].text if index else ""
        if _PERSONS.match(following):
            return number.value, index, number.end + 1
        if previous == "нас" and not following.startswith(("час", "дн", "недел")):
            return number.value, index, number.end
    words = [token.text for token in tokens]
    for index in range(len(words) - 2):
        if words[index] == "мы" and words[index + 1] == "с" and words[index + 2] in _RELATION_FORMS:
            return 2, index, index + 3
    return None, 0, 0
