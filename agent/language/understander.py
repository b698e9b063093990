"""The understander of the product: rules and a small trained classifier, Russian first. Pure and deterministic."""

from collections import OrderedDict
from dataclasses import replace

from agent.language.en.reader import EnglishReader, russian_words, with_salon
from agent.language.ru.morph import Morphology
from agent.language.ru.reader import RussianReader, SalonWords
from agent.language.script import asks_another_language, language_of, repair
from agent.language.text import clean, tokenize
from agent.model import Turn
from agent.understanding import Context, Intent, Lexicon, Understood

_LEXICONS_KEPT = 64
"""Prepared lexicons kept, least recently used leaves first: about 200 kB each."""


class RuleUnderstander:
    """Implements agent.understanding.Understander. Construction loads dictionaries (0.5 s): share one per process."""

    def __init__(self, morphology: Morphology | None = None) -> None:
        self.morphology = morphology if morphology is not None else Morphology()
        self._russian = RussianReader(self.morphology)
        self._english = EnglishReader()
        self._prepared: OrderedDict[Lexicon, SalonWords] = OrderedDict()

    def understand(self, turn: Turn, lexicon: Lexicon, context: Context) -> Understood:
        raw = clean(turn.text)
        salon = self._salon(lexicon)
        english = context.language == "en" and raw.isascii()
        if not english:
            raw = repair(raw, self.morphology.known)
        if english or language_of(raw) == "en":
            facts = self._english.read(tokenize(raw), raw, context, turn.at)
            words = russian_words(raw, salon.latin_names)
            found, _ = self._russian.facts(words, "", salon, context, turn.at)
            return with_salon(facts, found)
        understood = self._russian.read(tokenize(raw), raw, salon, context, turn.at)
        if asks_another_language(raw) and Intent.OTHER_LANGUAGE not in understood.intents:
            return replace(understood, intents=(Intent.OTHER_LANGUAGE, *understood.intents))
        return understood

    def _salon(self, lexicon: Lexicon) -> SalonWords:
        found = self._prepared.get(lexicon)
        if found is None:
            found = self._russian.prepare(lexicon)
            self._prepared[lexicon] = found
            if len(self._prepared) > _LEXICONS_KEPT:
                self._prepared.popitem(last=False)
        else:
            self._prepared.move_to_end(lexicon)
        return found
