"""Masters by name, diminutive, case, role word or by sound: the salon's own list decides what matches."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz.distance import DamerauLevenshtein

from agent.language.ru.morph import Case, Gender, Morphology
from agent.language.ru.name_words import NameWords
from agent.language.ru.phonetics import sound
from agent.language.ru.phrases import RussianPhrases
from agent.language.text import Token, lower, tokenize, wordlist
from agent.understanding import StaffMention
from crm.model import Staff, StaffId

_CASES = tuple(Case)
_TO_STAFF = frozenset(wordlist("к ко у с со мастер мастеру мастера мастером мастерица стилист стилисту барбер барберу"))
_ANY = (
    "к любому", "к любой", "любой мастер", "любая мастер", "любого мастера", "любому мастеру", "любой свободн",
    "без разницы", "все равно к кому",
    "не важно к кому", "неважно к кому", "кто свободен", "кто свободна", "кто угодно", "к кому угодно", "кому "
    "угодно", "любой подойдет",
    "любая подойдет", "кто есть", "мне все равно кто", "все равно кто", "не принципиально", "без разницы кто",
    "мастер не важен",
    "мастер неважен", "к кому нибудь", "к кому-нибудь", "к кому есть", "к кому можно", "кто раньше", "к кому "
    "раньше", "любому свободн",
    "мне не важно кто", "не важно кто", "неважно кто", "пофиг кто", "пофиг к кому", "к кому получится", "кто "
    "будет", "к кому попаду",
    "кто из мастеров свободен", "у кого есть окн", "у кого окн", "у кого свободн", "кого угодно", "любой из", "к "
    "другому мастеру",
    "к кому хотите", "к кому запишете", "всё равно", "все равно", "безразлич", "не имеет значения", "какая разница",
)  # fmt: skip
_ROLE_STEMS = ("барбер", "топ", "стилист", "парикмахер", "косметолог", "визажист", "бровист", "лэшмейкер",
"колорист", "маникюр",
               "педикюр", "массаж", "подолог", "универсал", "мастер")  # fmt: skip
_GREETINGS = frozenset(wordlist("але алле алло ало аллё алё"))
"""«алё» sounds like a case of «Аля»."""
_ROLE_QUERY = re.compile(
    r"^(барбер|топ|стилист|парикмахер|косметолог|визажист|бровист|лешмейкер|лэшмейкер|колорист|подолог|массажист)"
)


@dataclass(frozen=True, slots=True)
class FoundStaff:
    """tokens[start:end] name a master."""

    start: int
    end: int
    mention: StaffMention
    weak: bool = False
    """Without «к», «у», «мастер»: may as well be the caller's own name."""


class StaffMatcher:
    """The masters of one salon, with every form of their names. Build one per lexicon."""

    def __init__(self, staff: Sequence[Staff], names: NameWords, morphology: Morphology) -> None:
        self._morph = morphology
        self._phrases = RussianPhrases(morphology)
        self._forms: dict[str, dict[StaffId, int]] = {}
        self._surnames: dict[str, set[StaffId]] = {}
        self._roles: dict[str, list[StaffId]] = {}
        self._genders: dict[StaffId, Gender | None] = {}
        for person in staff:
            self._add(person, names)
        self._sounds: dict[str, dict[StaffId, int]] = {}
        for form, ids in self._forms.items():
            for staff_id, rank in ids.items():
                known = self._sounds.setdefault(sound(form), {})
                known[staff_id] = min(rank, known.get(staff_id, 9))

    def _add(self, person: Staff, names: NameWords) -> None:
        words = person.name.split()
        if not words:
            return
        gender = self._phrases.gender_of(person.name)
        self._genders[person.id] = gender
        self._add_forms(words[0], person.id, gender, rank=0)
        for short in names.diminutives(words[0]):
            self._add_forms(short.capitalize(), person.id, gender, rank=1)
        # «Вера» is short for «Вероника» too, but a master listed by a full name is not called by another one
        for full in () if lower(words[0]) in names.full() else names.full_names(words[0]):
            self._add_forms(full, person.id, gender, rank=2)
        for other in words[1:]:
            for case in _CASES:
                form = self._phrases.name_in(f"{words[0]} {other}", case).split()[-1]
                self._surnames.setdefault(lower(form), set()).add(person.id)
        for token in tokenize(lower(person.role)):
            for stem in _ROLE_STEMS:
                if any(part.startswith(stem) for part in token.text.split("-")):
                    known = self._roles.setdefault(stem, [])
                    if person.id not in known:
                        known.append(person.id)

    def _add_forms(self, name: str, staff_id: StaffId, gender: Gender | None, rank: int) -> None:
        for case in _CASES:
            form = lower(self._phrases.name_in(name, case))
            ids = self._forms.setdefault(form, {})
            ids[staff_id] = min(rank, ids.get(staff_id, 9))
        lowered = lower(name)
        if lowered.endswith(("ша", "жа", "ча", "ща")) or lowered[-1:] in "ая":
            for ending in ("е", "у", "ю", "ой", "ей", "ы", "и", "ь"):
                ids = self._forms.setdefault(lowered[:-1] + ending, {}) if len(lowered) > 3 else {}
                ids[staff_id] = min(rank, ids.get(staff_id, 9))
        ids = self._forms.setdefault(lowered, {})
        ids[staff_id] = min(rank, ids.get(staff_id, 9))

    def candidates(self, word: str) -> tuple[StaffId, ...]:
        """Masters whom the word may name, best first; exact forms only."""
        ids = self._forms.get(word)
        if ids:
            return _best(ids)
        if word in self._surnames:
            return tuple(sorted(self._surnames[word]))
        return ()

    def _glued(self, word: str) -> tuple[StaffId, ...]:
        """«кигорю», «канне»: a recogniser writes the short preposition and the name as one word."""
        for preposition in ("ко", "со", "на", "к", "у", "с", "в"):
            rest = word.removeprefix(preposition)
            if rest != word and len(rest) >= 4 and (ids := self._forms.get(rest)):
                return _best(ids)
        return ()

    def _by_sound(self, word: str) -> tuple[StaffId, ...]:
        if len(word) < 3:
            return ()
        key = sound(word)
        ids = self._sounds.get(key)
        if ids:
            return _best(ids)
        if len(key) < 4:
            return ()
        found: dict[StaffId, int] = {}
        for known, owners in self._sounds.items():
            near = abs(len(known) - len(key)) <= 1 and known[:1] == key[:1] and len(known) >= 4
            if near and DamerauLevenshtein.distance(known, key, score_cutoff=1) <= 1:
                for staff_id, rank in owners.items():
                    found[staff_id] = min(rank, found.get(staff_id, 9))
        return _best(found) if found else ()

    def find(self, tokens: Sequence[Token], taken: frozenset[int] = frozenset()) -> list[FoundStaff]:
        """All mentions of masters, left to right."""
        found: list[FoundStaff] = []
        position = 0
        while position < len(tokens):
            item = None if position in taken else self._at(tokens, position)
            if item is None:
                position += 1
            else:
                found.append(item)
                position = item.end
        return found

    def _at(self, tokens: Sequence[Token], index: int) -> FoundStaff | None:
        token = tokens[index]
        if self._closed_class(token.text):
            return None
        previous = tokens[index - 1].text if index else ""
        before = tokens[index - 2].text if index > 1 else ""
        addressed = previous in _TO_STAFF or (
            before in _TO_STAFF
            and previous
            in ("этой", "вашей", "моей", "нашей", "самой", "мастеру", "топу", "косметологу", "стилисту", "барберу")
        )
        ids = self.candidates(token.text)
        weak = not addressed
        if not ids and not addressed and self._unknown(token.text):
            ids = self._glued(token.text)
            weak = weak and not ids
        if not ids and addressed and len(token.text) >= 3:
            unknown = not self._morph.readings(token.text) or self._maybe_name(token.text)
            ids = self._by_sound(token.text) if unknown else ()
        if not ids and len(token.text) >= 6 and self._unknown(token.text):
            ids = self._by_sound(token.text)
        if not ids:
            return self._role(tokens, index) or self._stranger(tokens, index, addressed)
        if weak and not self._plausible(token.text):
            return None
        end = index + 1
        if end < len(tokens):
            narrowed = self._surnames.get(tokens[end].text, set()).intersection(ids)
            if narrowed:
                ids, end = tuple(staff_id for staff_id in ids if staff_id in narrowed), end + 1
            elif self._is(tokens[end].text, "Patr"):
                end += 1
        return FoundStaff(index, end, self._mention(tokens, index, end, ids), weak)

    def _closed_class(self, word: str) -> bool:
        """«у вас», «к тому»: pronouns and particles, whatever name they resemble."""
        readings = self._morph.readings(word)
        return (
            len(word) < 2
            or word in _GREETINGS
            or (bool(readings) and readings[0].pos in ("NPRO", "PREP", "CONJ", "PRCL", "INTJ", "PRED"))
            or (bool(readings) and "Apro" in readings[0].grammemes)
        )

    def _plausible(self, word: str) -> bool:
        """A bare word counts as a name only if it is likelier a name than an ordinary word («света», «веру»)."""
        readings = self._morph.readings(word)
        if not readings or "Name" in readings[0].grammemes or self._unknown(word):
            return True
        return any("Name" in reading.grammemes and reading.score >= 0.2 for reading in readings)

    def _unknown(self, word: str) -> bool:
        return not self._morph.known(word)

    def _maybe_name(self, word: str) -> bool:
        return self._unknown(word) or any("Name" in reading.grammemes for reading in self._morph.readings(word))

    def _is(self, word: str, grammeme: str) -> bool:
        return any(grammeme in reading.grammemes for reading in self._morph.readings(word))

    def _role(self, tokens: Sequence[Token], index: int) -> FoundStaff | None:
        match = _ROLE_QUERY.match(tokens[index].text)
        if match is None:
            return None
        stem = match.group(1)
        ids = tuple(self._roles.get(stem, ()))
        start, end = index, index + 1
        if stem == "топ" and end < len(tokens) and tokens[end].text.startswith(("стилист", "мастер")):
            end += 1
        if not ids:
            return None
        following = tokens[end].text if end < len(tokens) else ""
        if following and self.candidates(following):
            return None
        return FoundStaff(start, end, self._mention(tokens, start, end, ids))

    def _stranger(self, tokens: Sequence[Token], index: int, addressed: bool) -> FoundStaff | None:
        """«к Эвелине» where no Evelina works: a mention without candidates."""
        previous = tokens[index - 1].text if index else ""
        if previous not in ("к", "ко", "мастер", "мастеру") or not addressed:
            return None
        readings = self._morph.readings(tokens[index].text)
        if not any("Name" in r.grammemes and r.score >= 0.15 for r in readings):
            return None
        return FoundStaff(index, index + 1, self._mention(tokens, index, index + 1, ()))

    def _mention(self, tokens: Sequence[Token], start: int, end: int, ids: tuple[StaffId, ...]) -> StaffMention:
        window = [token.text for token in tokens[max(0, start - 4) : start]]
        negated = (
            "не" in window[-3:]
            and not any(word in ("против", "могу", "знаю") for word in window)
            and (window[-1:] == ["не"] or window[-2:-1] == ["не"] or window[-3:-2] == ["не"])
        )
        after = [token.text for token in tokens[end : end + 2]]
        if after[:1] == ["не"] and after[1:] and after[1].startswith(("хо", "надо", "нуж", "под", "нрав", "пойд")):
            negated = True
        only = any(word in ("только", "именно", "лишь", "исключительно") for word in window) or after[:1] == ["только"]
        return StaffMention(" ".join(token.text for token in tokens[start:end]), ids, negated, only and not negated)


def _best(ids: dict[StaffId, int]) -> tuple[StaffId, ...]:
    best = min(ids.values())
    return tuple(sorted(staff_id for staff_id, rank in ids.items() if rank == best))


def any_staff(text: str) -> bool:
    """«к любому», «без разницы», «кто свободен» in normalised text."""
    return any(phrase in text for phrase in _ANY)
