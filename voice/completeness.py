"""The end of a turn by its words, from the same understanding that the dialogue uses, and by its sound."""

import structlog

from agent.model import Expect, Turn, TurnKind
from agent.understanding import Context, Intent, Lexicon, Understander, Understood
from core.clock import Clock
from voice import timings
from voice.end_of_turn.model import EndOfTurnModel
from voice.end_of_turn.wording import Wording, wording_of
from voice.ports import Said, TurnCompleteness

log = structlog.get_logger(__name__)

_NOTHING_TO_ADD = frozenset({Intent.AFFIRM, Intent.DENY})


class UnderstoodCompleteness:
    """Asks the salon's understanding whether words break off, or leave nothing to add. One per company."""

    def __init__(
        self,
        understander: Understander,
        lexicon: Lexicon,
        timezone: str,
        clock: Clock,
        model: EndOfTurnModel | None = None,
    ) -> None:
        """model: judges Russian turns; without it, and for other languages, timers do."""
        self._model = model
        self._last: tuple[str, Expect, Understood] | None = None
        self._understander = understander
        self._lexicon = lexicon
        self._timezone = timezone
        self._clock = clock

    def complete(self, text: str, expect: Expect) -> bool:
        return self._understand(text, expect).complete

    def wait_ms(self, said: Said) -> int:
        if not said.text:
            return timings.END_OF_TURN_MS[said.expect]
        understood = self._understand(said.text, said.expect)
        definite = is_definite(understood, said.text, said.expect)
        if self._model is None or understood.language != "ru":
            return timed_wait_ms(said, understood.complete, definite)
        return self._model.wait_ms(said, wording_of(understood, said.text, said.expect, definite))

    def wording(self, text: str, expect: Expect) -> Wording:
        """What the end-of-turn model sees of a text."""
        understood = self._understand(text, expect)
        return wording_of(understood, text, expect, is_definite(understood, text, expect))

    def _understand(self, text: str, expect: Expect) -> Understood:
        # The words of a turn are asked about twice: is there something to answer, and how long to wait.
        if self._last is not None and self._last[:2] == (text, expect):
            return self._last[2]
        understood = self._read(text, expect)
        self._last = (text, expect, understood)
        return understood

    def _read(self, text: str, expect: Expect) -> Understood:
        turn = Turn(TurnKind.WORDS, self._clock.now(), text, provisional=True)
        return self._understander.understand(turn, self._lexicon, Context(expect, self._timezone))


def is_definite(understood: Understood, text: str, expect: Expect) -> bool:
    """True when nothing sensible can follow: a bare yes or no to a question, a whole phone number, a goodbye."""
    if not understood.complete:
        return False
    if Intent.BYE in understood.intents[:2]:
        return True
    if expect is Expect.PHONE:
        return understood.phone is not None
    if expect is not Expect.YES_NO:
        return False
    return len(text.split()) <= 2 and bool(understood.intents) and set(understood.intents) <= _NOTHING_TO_ADD


def timed_wait_ms(said: Said, complete: bool, definite: bool) -> int:
    """By timers alone: what was asked, longer when the words break off, shorter when nothing can follow."""
    wait_ms = timings.END_OF_TURN_MS[said.expect]
    if not complete:
        doubtful = said.confidence < timings.DOUBTFUL_CONFIDENCE
        return wait_ms + (timings.UNFINISHED_DOUBTFUL_EXTRA_MS if doubtful else timings.UNFINISHED_EXTRA_MS)
    return min(wait_ms, timings.DEFINITE_MS) if definite else wait_ms


class PatientCompleteness:
    """Where no understanding of a language is at hand: every text may be whole, none is certain to be."""

    def complete(self, text: str, expect: Expect) -> bool:
        return True

    def wait_ms(self, said: Said) -> int:
        return timings.END_OF_TURN_MS[said.expect]


class SafeCompleteness:
    """Around another one: a fault in understanding costs patience, not the call."""

    def __init__(self, inner: TurnCompleteness) -> None:
        self._inner = inner

    def complete(self, text: str, expect: Expect) -> bool:
        try:
            return self._inner.complete(text, expect)
        except Exception as fault:
            log.warning("voice.completeness_failed", fault=type(fault).__name__)
            return True

    def wait_ms(self, said: Said) -> int:
        try:
            return self._inner.wait_ms(said)
        except Exception as fault:
            log.warning("voice.completeness_failed", fault=type(fault).__name__)
            return timings.END_OF_TURN_MS[said.expect]
