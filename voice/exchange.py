"""One turn of the caller and what is known of the reply to it. Data without behaviour."""

from dataclasses import dataclass, field, replace

from agent.model import Conversation, Turn, Utterance
from agent.model import Speaker as Side
from voice.replies import ReplyRun
from voice.script import Script


@dataclass(slots=True)
class TurnTimes:
    """When things happened to a turn, in call milliseconds; None: does not apply."""

    last_speech_ms: int
    decided_ms: int
    stt_final_ms: float | None = None
    """What the final decode took."""


@dataclass(slots=True)
class Exchange:
    """One turn of the caller and the reply to it."""

    turn: Turn
    before: Conversation
    """Without this turn: what to go back to when the turn turns out to go on."""
    run: ReplyRun
    script: Script
    times: TurnTimes
    speculative: bool = False
    prepared: int = 0
    """Sentences of the run that are in the script already."""
    said: list[str] = field(default_factory=list)
    skip: list[str] = field(default_factory=list)
    """After a rerun: words that were said in the first run and are not said again."""
    fillers: int = 0
    settled: bool = False
    answered: bool = False
    """The reply's first sound has been heard."""
    committing: bool = False
    audible_at_ms: int | None = None


@dataclass(slots=True)
class Speculation:
    """A reply begun in advance, for words that may be the whole turn."""

    text: str
    before: Conversation
    run: ReplyRun
    script: Script
    prepared: int = 0


def with_turn(conversation: Conversation, turn: Turn) -> Conversation:
    """The history a reply is given ends with the turn it answers."""
    if not turn.text:
        return conversation
    return replace(conversation, history=(*conversation.history, Utterance(Side.CALLER, turn.text, turn.at)))
