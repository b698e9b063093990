"""From words to the salon's own services: «постричь кончики» -> the services it may mean, best first.

Both sides are described by the same tags (what is done, to what, which variant); words of a service's name that the
tag list does not know stay words and must match by lemma or by sound. So any salon's list works.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent.language.ru.morph import Morphology
from agent.language.ru.phonetics import sound
from agent.language.ru.service_words import Concept, Hit, ServiceWords
from agent.language.text import Token, clean, tokenize, wordlist
from agent.understanding import ServiceMention
from crm.model import Service, ServiceId

_LINKS = frozenset(wordlist("и плюс потом затем еще также а с + или да"))
_GAP = 3
"""Words that may stand between the parts of one mention («подровнять мне пожалуйста кончики»)."""
_NEGATIVE_BEFORE = frozenset(wordlist("без не кроме"))
_NEGATIVE_AFTER = (
    "не надо",
    "не нужн",
    "не хочу",
    "не буд",
    "убери",
    "уберит",
    "отмени",
    "исключ",
    "не делайте",
    "не стоит",
)


_Group = tuple[int, int, list[Concept], set[int]]
"""(start, end, concepts, positions of the salon's own words)"""


@dataclass(frozen=True, slots=True)
class Described:
    """A service by its tags and by the words no tag covers."""

    id: ServiceId
    procedures: frozenset[str]
    subjects: frozenset[str]
    modifiers: frozenset[str]
    words: frozenset[str]
    head: str = ""

    @property
    def tags(self) -> frozenset[str]:
        return self.procedures | self.subjects | self.modifiers


@dataclass(frozen=True, slots=True)
class FoundService:
    """tokens[start:end] are the mention."""

    start: int
    end: int
    mention: ServiceMention
    tags: frozenset[str]


class ServiceMatcher:
    """The services of one salon, described once. Build one per lexicon; `find` is pure."""

    def __init__(self, services: Sequence[Service], words: ServiceWords, morphology: Morphology) -> None:
        self._words = words
        self._morph = morphology
        self._services = tuple(self._describe(service) for service in services)
        self._order = {service.id: index for index, service in enumerate(self._services)}
        self._own_words: dict[str, set[int]] = {}
        for index, service in enumerate(self._services):
            for word in service.words:
                self._own_words.setdefault(sound(word), set()).add(index)

    def _describe(self, service: Service) -> Described:
        tokens = tokenize(clean(service.name))
        hits = self._words.hits(tokens)
        covered = {index for hit in hits for index in range(hit.start, hit.end)}
        rest = {
            self._morph.lemma(token.text)
            for index, token in enumerate(tokens)
            if index not in covered and not token.digits and len(token.text) > 2
        } - self._words.ignored
        by_kind = _by_kind([hit.concept for hit in hits])
        return Described(service.id, by_kind["procedure"], by_kind["subject"], by_kind["modifier"], frozenset(rest))

    # --- finding ---------------------------------------------------------------------------------------------

    def find(self, tokens: Sequence[Token], taken: frozenset[int] = frozenset()) -> list[FoundService]:
        """All mentions left to right. Positions in `taken` belong to names, dates or times."""
        hits = [
            hit
            for hit in self._words.hits(tokens)
            if not taken.intersection(range(hit.start, hit.end)) and not _of_a_booking(tokens, hit)
        ]
        own = self._own_hits(tokens, hits, taken)
        groups = self._group(tokens, hits, own)
        groups = self._share_modifiers(tokens, groups)
        found = [self._mention(tokens, group) for group in groups]
        return _without_echoes([mention for mention in found if mention is not None])

    def _own_hits(self, tokens: Sequence[Token], hits: Sequence[Hit], taken: frozenset[int]) -> dict[int, set[int]]:
        """Token position -> services whose own words it sounds like."""
        covered = {index for hit in hits for index in range(hit.start, hit.end)} | taken
        own: dict[int, set[int]] = {}
        for index, token in enumerate(tokens):
            if index in covered or len(token.text) < 4 or token.text in self._words.ignored:
                continue
            for lemma in {token.text, *self._morph.lemmas(token.text)}:
                if sound(lemma) in self._own_words:
                    own.setdefault(index, set()).update(self._own_words[sound(lemma)])
        return own

    def _group(self, tokens: Sequence[Token], hits: Sequence[Hit], own: dict[int, set[int]]) -> list[_Group]:
        """Neighbouring hits that describe one service: (start, end, concepts, own-word positions)."""
        events: list[tuple[int, int, Concept | None]] = [(hit.start, hit.end, hit.concept) for hit in hits]
        events += [(index, index + 1, None) for index in own]
        events.sort(key=lambda event: (event[0], event[1]))
        groups: list[_Group] = []
        for start, end, concept in events:
            if groups and self._joins(tokens, groups[-1], start, concept):
                first, last, concepts, positions = groups[-1]
                groups[-1] = (first, max(last, end), [*concepts, concept] if concept else concepts,
                              positions if concept else positions | {start})  # fmt: skip
            else:
                groups.append((start, end, [concept] if concept else [], set() if concept else {start}))
        return groups

    def _joins(self, tokens: Sequence[Token], group: _Group, start: int, concept: Concept | None) -> bool:
        _, end, concepts, _ = group
        if start < end:
            return True
        between = tokens[end:start]
        if any(ch in token.gap for token in tokens[end : start + 1] for ch in ".!?;\n"):
            return False
        if concept is not None and concept.tag == "child" and (start - end > 1 or "," in tokens[start].gap):
            return False
        if start - end > _GAP:
            return False
        linked = any(token.text in _LINKS - {"с"} for token in between) or tokens[start].gap.strip() in (
            ",",
            "+",
            ";",
            ".",
            "/",
        )
        if concept is None:
            return not linked
        if concept.kind != "modifier" and any(token.text in ("без", "не") for token in between):
            return False
        kinds = {known.kind for known in concepts}
        if concept in concepts:
            return not linked
        if self._conflict(concept.tag, {known.tag for known in concepts}):
            return False
        if linked:
            # «коррекция и окрашивание бровей»: the second part needs what the first lacks
            if not self._one_service_has([known.tag for known in concepts] + [concept.tag]):
                return False
            return concept.kind == "procedure" or (concept.kind not in kinds and concept.kind != "subject")
        if concept.kind != "modifier" and self._complete_without([known.tag for known in concepts], concept.tag):
            return False
        if concept.kind == "procedure" and "procedure" in kinds:
            together = [known.tag for known in concepts if known.kind == "procedure"] + [concept.tag]
            return self._one_service_has(together)
        if concept.kind == "subject" and "subject" in kinds:
            return self._one_service_has([known.tag for known in concepts if known.kind == "subject"] + [concept.tag])
        return not any(token.text in ("потом", "еще", "также") for token in between)

    def _conflict(self, tag: str, others: set[str]) -> bool:
        return any(tag in group and others & (group - {tag}) for group in self._words.conflicts)

    def _complete_without(self, tags: Sequence[str], extra: str) -> bool:
        """«мужская стрижка с бородой»: the first part is a service already, and none has both."""
        whole = any(set(tags) == service.tags for service in self._services)
        return whole and not self._one_service_has([*tags, extra])

    def _one_service_has(self, tags: Sequence[str]) -> bool:
        return any(set(tags) <= service.tags for service in self._services)

    def _share_modifiers(self, tokens: Sequence[Token], groups: list[_Group]) -> list[_Group]:
        """«маникюр и педикюр, оба с покрытием»: what is said of both belongs to both."""
        both = next(
            (i for i, token in enumerate(tokens) if token.text in ("оба", "обе", "обоих", "обеих", "всё", "все")), -1
        )
        if both < 0:
            return groups
        shared = [c for start, end, concepts, _ in groups if end > both for c in concepts if c.kind == "modifier"]
        result = []
        for start, end, concepts, positions in groups:
            tags = {concept.tag for concept in concepts}
            extra = [c for c in shared if c.tag not in tags and not self._conflict(c.tag, tags)]
            own = [concept for concept in concepts if concept.kind != "modifier"]
            result.append((start, end, concepts + extra if own else concepts, positions))
        return [
            group for group in result if any(c.kind != "modifier" for c in group[2]) or group[3] or len(result) == 1
        ]

    # --- matching --------------------------------------------------------------------------------------------

    def _mention(self, tokens: Sequence[Token], group: _Group) -> FoundService | None:
        start, end, concepts, positions = group
        words = {lemma for position in positions for lemma in self._morph.lemmas(tokens[position].text)}
        by_kind = _by_kind(concepts)
        if not by_kind["procedure"] and not by_kind["subject"] and not words:
            concepts = concepts + self._implied(concepts)
            by_kind = _by_kind(concepts)
            if not by_kind["procedure"]:
                return None
        candidates = self._candidates(concepts, words)
        phrase = " ".join(token.text for token in tokens[start:end])
        negated = _negated(tokens, start, end) or (
            "removal" in by_kind["procedure"] and _by_herself(tokens, start, end)
        )
        if (
            by_kind["subject"] == {"nails"}
            and not by_kind["procedure"]
            and _NAILS_AS_THEY_ARE.search(_around(tokens, start, end))
        ):
            return None
        tags = frozenset(concept.tag for concept in concepts)
        return FoundService(start, end, ServiceMention(phrase, candidates, negated), tags)

    def _implied(self, concepts: Sequence[Concept]) -> list[Concept]:
        implied = []
        kinds = {concept.kind for concept in concepts}
        for concept in concepts:
            for kind, tag in concept.implies.items():
                if kind not in kinds or concept.kind == kind or kind == "modifier":
                    implied.append(self._words.concepts[tag])
        return implied

    def _candidates(self, concepts: Sequence[Concept], words: set[str]) -> tuple[ServiceId, ...]:
        scored = self._score(concepts, words)
        if not scored:
            implied = self._implied(concepts)
            scored = self._score([*concepts, *implied], words) if implied else scored
        if not scored:
            return ()
        best = max(score for score, _ in scored)
        kept = [(score, service) for score, service in scored if score >= best - 2.01]
        kept.sort(key=lambda pair: (-pair[0], self._order[pair[1].id]))
        return tuple(service.id for _, service in kept)

    def _score(self, concepts: Sequence[Concept], words: set[str]) -> list[tuple[float, Described]]:
        by_kind = _by_kind(concepts)
        procedures, subjects, modifiers = by_kind["procedure"], by_kind["subject"], by_kind["modifier"]
        scored = []
        for service in self._services:
            if service.procedures & self._words.exclusive - procedures:
                continue
            if any(
                self._conflict(tag, set(service.tags)) and tag not in service.tags for tag in modifiers | procedures
            ):
                continue
            other_procedure = bool(procedures) and not procedures & service.procedures
            if other_procedure and not subjects & service.subjects and not words & service.words:
                continue
            if subjects and not subjects <= service.subjects and not (procedures and not service.subjects):
                continue
            if other_procedure and service.procedures and not self._loose(procedures, service):
                continue  # a procedure that the salon does not do on that part of the body
            if words and not words & service.words and not (procedures & service.procedures):
                continue
            if not (procedures & service.procedures or subjects & service.subjects or words & service.words):
                continue
            score = 3.0 * len(procedures & service.procedures) + 3.0 * len(subjects & service.subjects)
            score += 2.5 * len(modifiers & service.modifiers) + 3.0 * len(words & service.words)
            score -= 1.0 * len(procedures - service.procedures) + 3.0 * len(subjects - service.subjects)
            score -= 0.5 * len(modifiers - service.modifiers)
            score -= 0.9 * len(service.modifiers - modifiers) + 1.5 * len(service.procedures - procedures)
            score -= 3.2 * len(service.subjects - subjects) + 1.0 * len(service.words - words)
            scored.append((score, service))
        return scored

    def _loose(self, procedures: frozenset[str], service: Described) -> bool:
        """«подровнять брови», «сделать бороду»: shaping words stand for the usual procedure of a body part."""
        return procedures <= {"haircut", "correction", "coloring", "shaving"} and bool(
            service.subjects - {"face", "body"}
        )


def _by_kind(concepts: Sequence[Concept]) -> dict[str, frozenset[str]]:
    return {
        kind: frozenset(concept.tag for concept in concepts if concept.kind == kind)
        for kind in ("procedure", "subject", "modifier")
    }


def _of_a_booking(tokens: Sequence[Token], hit: Hit) -> bool:
    """«снимите запись», «снять бронь»: the booking is taken off, not the polish."""
    near = tokens[max(0, hit.start - 2) : hit.end + 3]
    return hit.concept.tag == "removal" and any(token.text.startswith(("запис", "брон")) for token in near)


def _without_echoes(found: list[FoundService]) -> list[FoundService]:
    """«причесаться уложить волосы»: a word for what the salon has not, said in one breath with one that it has, is
    the same wish in other words."""
    known = [item for item in found if item.mention.candidates]
    return [
        item
        for item in found
        if item.mention.candidates or not any(k.start == item.end or k.end == item.start for k in known)
    ]


def _around(tokens: Sequence[Token], start: int, end: int) -> str:
    return " ".join(token.text for token in tokens[max(0, start - 2) : end + 2])


def _by_herself(tokens: Sequence[Token], start: int, end: int) -> bool:
    """«сниму сама»: the client does it at home."""
    return bool({"сама", "сам", "дома"} & {token.text for token in tokens[max(0, start - 2) : end + 2]})


_NAILS_AS_THEY_ARE = re.compile(r"ногт\w+ (у меня )?(чист|свои|голые|без|ничего|пуст)|чист\w+ ногт")
"""Says how the nails are now, asks for nothing."""


def _negated(tokens: Sequence[Token], start: int, end: int) -> bool:
    """«без бороды», «маникюр не надо», «не стрижку а укладку»."""
    for index in range(start - 1, max(-1, start - 3), -1):
        word = tokens[index].text
        if word in _NEGATIVE_BEFORE and (word != "не" or index == start - 1):
            return True
        if word not in ("на", "самой", "самого", "этой", "эту"):
            break
    after = " ".join(token.text for token in tokens[end : end + 3])
    return after.startswith(_NEGATIVE_AFTER) or after.removeprefix("уже ").startswith(_NEGATIVE_AFTER)
