"""What the intent classifier sees of a turn: rules, hints, words and lemmas, with what was read in its place."""

import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.language.ru.concepts import Concepts
from agent.language.ru.cues import Cues
from agent.language.ru.intent_rules import IntentRules
from agent.language.ru.morph import Morphology
from agent.language.text import Token

BUCKETS = 1 << 16
"""Features are hashed into so many columns: the weights stay small and new words need no vocabulary."""
_LETTERS = 0.8
_CONCEPTS = 0.5
"""What runs of letters and groups of words weigh beside words: the best of a few values in cross-validation."""

_FORMS = (
    "Name", "Surn", "Patr", "impr", "1per", "2per", "3per", "past", "futr", "pres", "NUMR", "INTJ", "NPRO", "INFN",
    "COMP",
)  # fmt: skip
"""Grammemes that tell what a word does: «придите» asks, «приду» promises, «Зуева» is somebody's name."""


@dataclass(frozen=True, slots=True)
class Row:
    """A turn as a sparse row: the same column may stand twice (two names that hash alike), its values add up."""

    columns: NDArray[np.int64]
    values: NDArray[np.float32]


class FeatureMaker:
    def __init__(self, morphology: Morphology, rules: IntentRules, cues: Cues, concepts: Concepts) -> None:
        self._morph = morphology
        self._rules = rules
        self._cues = cues
        self._concepts = concepts

    def row(self, tokens: Sequence[Token], slots: Mapping[int, str], raw: str) -> Row:
        """Columns and values of a turn. `slots` says what a token was read as: day, time, service…"""
        words = [token.text for token in tokens]
        text = f" {' '.join(_words(words, slots))} "
        runs = {f"c {text[at : at + size]}" for size in (3, 4, 5) for at in range(len(text) - size + 1)}
        columns: list[int] = []
        values: list[float] = []
        for names, weight in (
            (set(self._names(tokens, slots, raw)), 1.0),
            (runs, _LETTERS),
            (self._concepts.names(words, slots), _CONCEPTS),
        ):
            columns.extend(sorted(zlib.crc32(name.encode()) % BUCKETS for name in names))
            values.extend([weight / math.sqrt(len(names) or 1)] * len(names))
        return Row(np.array(columns, np.int64), np.array(values, np.float32))

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
