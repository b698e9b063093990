"""What the intent classifier sees of a turn: rules, hints, words and lemmas, with what was read in its place."""

import zlib
from collections.abc import Iterable, Mapping, Sequence

from agent.language.ru.cues import Cues
from agent.language.ru.intent_rules import IntentRules
from agent.language.ru.morph import Morphology
from agent.language.text import Token

BUCKETS = 1 << 15
"""Features are hashed into so many columns: the weights stay small and new words need no vocabulary."""

_FORMS = (
    "Name", "Surn", "Patr", "impr", "1per", "2per", "3per", "past", "futr", "pres", "NUMR", "INTJ", "NPRO", "INFN",
    "COMP",
)  # fmt: skip
"""Grammemes that tell what a word does: «придите» asks, «приду» promises, «Зуева» is somebody's name."""


class FeatureMaker:
    def __init__(self, morphology: Morphology, rules: IntentRules, cues: Cues) -> None:
        self._morph = morphology
        self._rules = rules
        self._cues = cues

    def columns(self, tokens: Sequence[Token], slots: Mapping[int, str], raw: str) -> list[int]:
        """Column numbers, sorted, without repetition. `slots` says what a token was read as: day, time, service…"""
        return sorted({zlib.crc32(name.encode()) % BUCKETS for name in self._names(tokens, slots, raw)})

    def letter_columns(self, tokens: Sequence[Token], slots: Mapping[int, str]) -> list[int]:
        """The same for runs of three to five letters: they bear spelling, endings and mishearing."""
        text = f" {' '.join(_words([token.text for token in tokens], slots))} "
        runs = {text[at : at + size] for size in (3, 4, 5) for at in range(len(text) - size + 1)}
        return sorted({zlib.crc32(run.encode()) % BUCKETS for run in runs}) or [0]

    def _names(self, tokens: Sequence[Token], slots: Mapping[int, str], raw: str) -> Iterable[str]:
        text = " ".join(token.text for token in tokens)
        shape = _shape([token.text for token in tokens], slots, self._morph)
        yield "bias"
        yield f"length {min(len(tokens), 12)}"
        for mark in "?!*":
            if mark in raw:
                yield f"mark {mark}"
        for index, intent in enumerate(self._rules.sure(text)):
            yield f"rule {intent.value}"
            if index == 0:
                yield f"first {intent.value}"
        for intent in self._rules.hints(text):
            yield f"hint {intent.value}"
        for name in self._cues.found(raw.lower().replace("ё", "е")):
            yield f"cue {name}"
        for name in self._cues.words(raw.lower().replace("ё", "е")):
            yield f"said {name}"
        for unit in shape:
            yield f"s {unit}"
        for first, second in zip(["^", *shape], [*shape, "$"], strict=True):
            yield f"t {first} {second}"
        yield from _said(_words([token.text for token in tokens], slots))
        if shape:
            yield f"start {shape[0]}"
            yield f"end {shape[-1]}"
        yield from self._forms(tokens, slots)
        for name in set(slots.values()):
            yield f"has {name}"
        yield f"slots {' '.join(sorted(set(slots.values())))}"

    def _forms(self, tokens: Sequence[Token], slots: Mapping[int, str]) -> Iterable[str]:
        forms = [f"<{slots[i]}>" if i in slots else self._form(token.text) for i, token in enumerate(tokens)]
        for form in forms:
            yield f"form {form}"
        if forms:
            yield f"start form {forms[0]}"
        if len(forms) <= 4:
            yield f"forms {' '.join(forms)}"

    def _form(self, word: str) -> str:
        readings = self._morph.readings(word)
        if not readings:
            return "-"
        likeliest = readings[0]
        return "+".join(name for name in _FORMS if name in likeliest.grammemes or name == likeliest.pos)


def _said(words: Sequence[str]) -> Iterable[str]:
    for word in words:
        yield f"w {word}"
    for first, second in zip(["^", *words], [*words, "$"], strict=True):
        yield f"v {first} {second}"


def _words(words: Sequence[str], slots: Mapping[int, str]) -> list[str]:
    """Words as said, with what was read folded into its name."""
    said: list[str] = []
    for index, word in enumerate(words):
        slot = slots.get(index)
        unit = f"<{slot}>" if slot else "<n>" if word.isdigit() else word
        if not slot or not said or said[-1] != unit:
            said.append(unit)
    return said


def _shape(words: Sequence[str], slots: Mapping[int, str], morphology: Morphology) -> list[str]:
    """Lemmas, with what was read folded into its name: «запишите на <day> на <service>»."""
    shape: list[str] = []
    for index, word in enumerate(words):
        slot = slots.get(index)
        unit = f"<{slot}>" if slot else "<n>" if word.isdigit() else morphology.lemma(word)
        if slot and shape and shape[-1] == unit:
            continue
        shape.append(unit)
    return shape
