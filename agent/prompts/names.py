"""Which words are names of people, by the dictionary: for masking what was said before others see it."""

from functools import cached_property

from agent.language.ru.morph import Morphology

_LIKELY = 0.1
"""Score of the reading: «роман» is a book before it is a man."""


class Names:
    """The dictionary is opened with the first word; that takes some tenths of a second."""

    @cached_property
    def _morph(self) -> Morphology:
        return Morphology()

    def kind(self, word: str) -> str:
        """Name, Surn or Patr; empty for a word that is none."""
        for reading in self._morph.readings(word.lower()):
            for kind in ("Name", "Patr", "Surn"):
                if kind in reading.grammemes and reading.score > _LIKELY:
                    return kind
        return ""

    def is_name(self, word: str) -> bool:
        return bool(self.kind(word))
