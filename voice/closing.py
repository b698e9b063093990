"""How a call ends: hang up or transfer once the last words were heard, at limits, and when something has failed.

Every wait is bounded by the clock: a goodbye is heard before the line closes, but a leg that never tells cannot keep
the line open.
"""

import asyncio
from collections.abc import Callable

import structlog

from agent.model import EndCall, Expect, Handoff, Turn, TurnKind
from agent.ports import Agent
from core.clock import Clock
from voice import timings
from voice.aiter import close_iterator
from voice.answering import Answering
from voice.call_log import CallLog
from voice.phrases import Phrases
from voice.ports import CallDesk, CallLeg, CompanyLine, HangUpReason

log = structlog.get_logger(__name__)

_TECHNICAL_FAILURE = "technical_failure"


class Closing:
    def __init__(
        self,
        leg: CallLeg,
        line: CompanyLine,
        desk: CallDesk,
        agent: Agent,
        answering: Answering,
        call_log: CallLog,
        phrases: Phrases,
        now_ms: Callable[[], int],
        clock: Clock,
    ) -> None:
        self.over = asyncio.Event()
        self.reason = HangUpReason.FAILED
        self.closing = False
        """The last words are being said, or the line is being closed: no further turn is taken."""
        self._leg = leg
        self._line = line
        self._desk = desk
        self._agent = agent
        self._answering = answering
        self._log = call_log
        self._phrases = phrases
        self._now_ms = now_ms
        self._clock = clock
        self._end_after_reply = False
        self._given_up = False
        self._target = ""
        self._hang_up_by_ms: int | None = None
        """The last words are taken as heard then, whatever the leg says."""
        self._over_by_ms: int | None = None
        """The leg is taken as closed then."""

    # --- what leads to the end --------------------------------------------------------------------------------

    def end_after_reply(self) -> None:
        """The prompts are used up: the next reply is the last one, unless the caller speaks."""
        self._end_after_reply = True

    def cancelled(self) -> None:
        """The caller has words: a goodbye that was cut is no goodbye."""
        if not self.closing:
            self._end_after_reply = False

    async def give_up(self, reason: str) -> None:
        """The agent, the voice or the ears have failed for good: a clear end, with a person or a call back."""
        if self._given_up or self.over.is_set():
            return
        self._given_up = self.closing = True
        self._answering.discard_speculation()
        self._answering.settle()
        self._answering.outcome = self._answering.outcome or _TECHNICAL_FAILURE
        self._log.error(self._now_ms(), reason, "given_up")
        phrase = self._phrases.connecting
        if self._line.fallback_number:
            self._target = self._line.fallback_number
        else:
            filed = await self._file_call_back(reason)
            phrase = self._phrases.call_back if filed else self._phrases.call_later
        self._last_words(phrase)

    def all_heard(self) -> None:
        """The reply has been heard to its end."""
        pending = self._answering.pending
        if self.closing:
            self._leave()
        elif isinstance(pending, Handoff):
            self._hand_off(pending)
        elif isinstance(pending, EndCall):
            self.closing = True
            self._filed(pending)
            self._leave()
        elif self._end_after_reply:
            self.closing = True
            self._leave()

    def hung_up(self, reason: HangUpReason) -> None:
        if not self.over.is_set():
            self.reason = reason
            self.over.set()

    def no_media(self) -> None:
        self._leg.hang_up()
        self.hung_up(HangUpReason.NO_MEDIA)

    def tick(self, now_ms: int) -> None:
        if not self.closing and now_ms >= timings.MAX_CALL_S * 1000:
            self._answering.discard_speculation()
            self._answering.settle()
            self._last_words(self._phrases.time_is_up)
        if self._hang_up_by_ms is not None and now_ms >= self._hang_up_by_ms:
            self._leave()
        if self._over_by_ms is not None and now_ms >= self._over_by_ms:
            self._leg.hang_up()
            self.hung_up(HangUpReason.TRANSFERRED if self._target else HangUpReason.AGENT)

    # --- afterwards -------------------------------------------------------------------------------------------

    async def file_outcome(self) -> None:
        """The caller has left: the agent files how it ended, unless that is known."""
        if self._answering.outcome and not self._given_up:
            return
        turn = Turn(TurnKind.HANG_UP, self._clock.now())
        events = self._agent.reply(self._answering.conversation, turn)
        try:
            async with asyncio.timeout(timings.FILE_OUTCOME_S):
                async for event in events:
                    self._answering.after_hang_up(event)
                    if isinstance(event, EndCall) and not self._answering.outcome:
                        self._filed(event)
        except (Exception, TimeoutError) as fault:
            log.warning("voice.outcome_not_filed", fault=type(fault).__name__)
            self._log.error(self._now_ms(), "agent", "outcome_not_filed")
        finally:
            await close_iterator(events)

    # --- inside -----------------------------------------------------------------------------------------------

    def _filed(self, end: EndCall) -> None:
        self._answering.outcome = end.outcome.value
        self._log.outcome(self._now_ms(), end)

    def _hand_off(self, handoff: Handoff) -> None:
        self._answering.pending = None
        target = handoff.to.e164 if handoff.to else self._line.fallback_number
        self._log.handoff(self._now_ms(), handoff, target)
        if target:
            self._target = target
        if target or self._answering.expect is Expect.NOTHING:
            # Without a number to give the call to, what the agent has promised is all there is.
            self.closing = True
            self._leave()

    def _last_words(self, phrase: str) -> None:
        self.closing = True
        self._answering.say_phrase(phrase)
        self._hang_up_by_ms = self._now_ms() + int(
            self._answering.remaining_ms + timings.HEARD_WAIT_S * 1000 + timings.SYNTHESIS_FIRST_S * 1000
        )

    def _leave(self) -> None:
        """Once: gives the call away or hangs it up."""
        self._hang_up_by_ms = None
        if self._over_by_ms is not None:
            return
        if self._target:
            self._leg.transfer(self._target)
            wait_s = timings.TRANSFER_WAIT_S
        else:
            self._leg.hang_up()
            wait_s = timings.HANG_UP_WAIT_S
        self._over_by_ms = self._now_ms() + int(wait_s * 1000)

    async def _file_call_back(self, reason: str) -> bool:
        try:
            async with asyncio.timeout(timings.DESK_DEADLINE_S):
                return await self._desk.call_back(self._line, self._answering.conversation, reason)
        except (Exception, TimeoutError) as fault:
            log.warning("voice.call_back_not_filed", fault=type(fault).__name__)
            return False
