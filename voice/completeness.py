"""The end of a turn by its words, from the same understanding that the dialogue uses."""

import structlog

from agent.model import Expect, Turn, TurnKind
from agent.understanding import Context, Intent, Lexicon, Understander
from core.clock import Clock
from voice.ports import TurnCompleteness

log = structlog.get_logger(__name__)

_NOTHING_TO_ADD = frozenset({Intent.AFFIRM, Intent.DENY})


class UnderstoodCompleteness:
    """Asks the salon's understanding whether words break off, or leave nothing to add. One per company."""

    def __init__(self, understander: Understander, lexicon: Lexicon, timezone: str, clock: Clock) -> None:
        self._understander = understander
        self._lexicon = lexicon
        self._timezone = timezone
        self._clock = clock

    def complete(self, text: str, expect: Expect) -> bool:
        turn = Turn(TurnKind.WORDS, self._clock.now(), text, provisional=True)
        return self._understander.understand(turn, self._lexicon, Context(expect, self._timezone)).complete

    def definite(self, text: str, expect: Expect) -> bool:
        turn = Turn(TurnKind.WORDS, self._clock.now(), text, provisional=True)
        understood = self._understander.understand(turn, self._lexicon, Context(expect, self._timezone))
        if not understood.complete:
            return False
        if Intent.BYE in understood.intents[:2]:
            return True
        if expect is Expect.PHONE:
            return understood.phone is not None
        if expect is not Expect.YES_NO:
            return False
        return len(text.split()) <= 2 and bool(understood.intents) and set(understood.intents) <= _NOTHING_TO_ADD


class PatientCompleteness:
    """Where no understanding of a language is at hand: every text may be whole, none is certain to be."""

    def complete(self, text: str, expect: Expect) -> bool:
        return True

    def definite(self, text: str, expect: Expect) -> bool:
        return False


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

    def definite(self, text: str, expect: Expect) -> bool:
        try:
            return self._inner.definite(text, expect)
        except Exception as fault:
            log.warning("voice.completeness_failed", fault=type(fault).__name__)
            return False
