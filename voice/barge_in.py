"""What the agent does when the caller makes a sound while it speaks or is about to. Pure.

Sound over the agent first only pauses it; what the caller then turns out to have said decides. Words stop it for
good, a listener's «угу», a cough or noise lets it go on from the word where it was cut. After one false alarm in a
reply, the next pause needs a recognised word.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto

from agent.model import Expect
from voice import timings

BACKCHANNELS = frozenset(
    [
        "угу",
        "ага",
        "так",
        "м",
        "мм",
        "ммм",
        "мгм",
        "эм",
        "э",
        "хм",
        "да-да",
        "ну",
        "ясно",
        "понятно",
        "понял",
        "поняла",
        "хорошо",
        "ладно",
        "окей",
        "ок",
        "uh-huh",
        "mhm",
        "mm",
        "hmm",
        "yeah",
        "okay",
        "ok",
        "right",
        "sure",
        "i",
        "see",
    ]
)
"""Words of a listener. A phrase of at most three of them does not ask for the floor."""

_ANSWERS = frozenset(
    ["да", "нет", "не", "угу", "ага", "хорошо", "ладно", "окей", "давайте", "yes", "no", "yeah", "okay", "ok", "sure"]
)
_SOFT_YES = frozenset(["да", "yes"])
_WORD = re.compile(r"[\w-]+")


def words_of(text: str) -> tuple[str, ...]:
    """Lower-case words without punctuation, ё as е: a text of punctuation alone has none."""
    return tuple(_WORD.findall(text.lower().replace("ё", "е")))


def is_backchannel(text: str) -> bool:
    words = words_of(text)
    return 0 < len(words) <= 3 and all(word in BACKCHANNELS or word in _SOFT_YES for word in words)


class Move(Enum):
    KEEP = auto()
    PAUSE = auto()
    RESUME = auto()
    YIELD = auto()
    """Stop for good: the caller has the floor."""


@dataclass(frozen=True, slots=True)
class AgentVoice:
    """What the agent is doing at this moment."""

    audible_ms: int
    """Of this reply, played so far. 0: nothing heard yet."""
    remaining_ms: int
    """Still to be played of what is known."""
    expect: Expect
    """Of the sentence being spoken."""


class BargeInPolicy:
    def __init__(self) -> None:
        self.paused = False
        self._paused_at_ms = 0
        self._needs_words = False
        self._judged_noise = False

    def new_reply(self) -> None:
        self.paused = False
        self._needs_words = False
        self._judged_noise = False

    def new_sound(self) -> None:
        """Another stretch of caller's sound begins."""
        self._judged_noise = False

    def step(
        self,
        now_ms: int,
        voiced_ms: int,
        hushed: bool,
        text: str | None,
        known_voiced_ms: int,
        agent: AgentVoice,
    ) -> Move:
        """voiced_ms: caller's voice in this stretch. text: newest reading, None while there is none;
        known_voiced_ms: the voice it covers. hushed: silence follows the voice."""
        first_words = agent.audible_ms < timings.FIRST_WORDS_MS
        needed_ms = timings.FIRST_WORDS_BARGE_IN_MS if first_words else timings.BARGE_IN_MS
        if known_voiced_ms < needed_ms:
            # A reading of so little voice is a guess.
            text = None
        if text and self._takes_floor(text, hushed, first_words, agent):
            return Move.YIELD
        if not self.paused:
            return self._maybe_pause(now_ms, voiced_ms, hushed, text, needed_ms)
        return self._while_paused(now_ms, voiced_ms, hushed, text, known_voiced_ms)

    def _takes_floor(self, text: str, hushed: bool, first_words: bool, agent: AgentVoice) -> bool:
        words = words_of(text)
        if not words:
            return False
        if not is_backchannel(text):
            return True
        if first_words and hushed and agent.audible_ms > 0:
            return any(word in _ANSWERS for word in words)
        asked = agent.expect is Expect.YES_NO and agent.remaining_ms <= timings.TAIL_ANSWER_MS
        return asked and hushed and any(word in _ANSWERS for word in words)

    def _maybe_pause(self, now_ms: int, voiced_ms: int, hushed: bool, text: str | None, needed_ms: int) -> Move:
        if hushed or self._needs_words or self._judged_noise:
            return Move.KEEP
        if text and is_backchannel(text):
            return Move.KEEP
        if voiced_ms < needed_ms:
            return Move.KEEP
        self.paused = True
        self._paused_at_ms = now_ms
        return Move.PAUSE

    def _while_paused(self, now_ms: int, voiced_ms: int, hushed: bool, text: str | None, known_voiced_ms: int) -> Move:
        nothing = text is not None and not words_of(text)
        listener = text is not None and is_backchannel(text)
        if hushed and known_voiced_ms >= voiced_ms and (nothing or listener):
            return self._resume(false_alarm=nothing)
        if nothing and known_voiced_ms >= timings.NOISE_VERDICT_MS:
            self._judged_noise = True
            return self._resume(false_alarm=True)
        if now_ms - self._paused_at_ms < timings.PAUSE_MAX_MS:
            return Move.KEEP
        # Nothing is known because the recogniser is late: a long voice is a person, a short one is not worth silence.
        return Move.YIELD if voiced_ms >= timings.PAUSE_MAX_MS // 2 and not nothing else self._resume(False)

    def _resume(self, false_alarm: bool) -> Move:
        self.paused = False
        self._needs_words = self._needs_words or false_alarm
        return Move.RESUME
