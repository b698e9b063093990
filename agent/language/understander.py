"""The understander of the product: rules and a small trained classifier, Russian first. Pure and deterministic."""

from collections import OrderedDict

from agent.language.ru.morph import Morphology
from agent.language.ru.reader import RussianReader, SalonWords
from agent.language.text import clean, tokenize
from agent.model import Turn
from agent.understanding import Context, Lexicon, Understood

_LEXICONS_KEPT = 64
"""Prepared lexicons kept, least recently used leaves first: about 200 kB each."""


class RuleUnderstander:
    """Implements agent.understanding.Understander. Construction loads the dictionaries (0.2 s); share one per process."""

    def __init__(self, morphology: Morphology | None = None) -> None:
        self.morphology = morphology if morphology is not None else Morphology()
        self._russian = RussianReader(self.morphology)
        self._prepared: OrderedDict[Lexicon, SalonWords] = OrderedDict()

    def understand(self, turn: Turn, lexicon: Lexicon, context: Context) -> Understood:
        raw = clean(turn.text)
        return self._russian.read(tokenize(raw), raw, self._salon(lexicon), context, turn.at)

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
