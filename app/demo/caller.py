"""A synthetic caller: listens with the embedded recogniser, decides by its policy, speaks with a voice of its own.

It is a telephone user like any other: all it has is a call leg. It never looks into the product.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from app.demo.caller_policy import CallerPolicy
from media_models.ports import Recognizer, RecognizerStream, SpeechDetector, Synthesizer
from voice.ports import FRAME_MS, AudioIn, CallLeg, HungUp

AGENT_DONE_MS = 800
"""Silence of the agent after which the caller takes the turn: longer than the pauses between the agent's sentences."""

GOODBYE_MS = 3000
"""After its last words the caller waits so long for the agent's goodbye before it puts the receiver down."""

LOST_MS = 9000
"""Silence of both after which the caller asks whether anybody is there."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What the caller believes to have heard, and what it answers."""

    text: str
    answer: str | None


class SyntheticCaller:
    def __init__(
        self,
        policy: CallerPolicy,
        recognizer: Recognizer,
        synthesizer: Synthesizer,
        detector: SpeechDetector,
        on_heard: Callable[[Heard], None],
        *,
        interrupts_greeting_after_ms: int | None = None,
    ) -> None:
        """interrupts_greeting_after_ms: begin to speak so long after the agent's first sound, as the impatient do."""
        self._policy = policy
        self._recognizer = recognizer
        self._synthesizer = synthesizer
        self._detector = detector
        self._on_heard = on_heard
        self._interrupt_ms = interrupts_greeting_after_ms

    async def talk(self, leg: CallLeg) -> bool:
        """Holds the conversation until it hangs up or is hung up on. True: it heard that it is booked."""
        rate_hz = leg.info.rate_hz
        detector = self._detector.open_stream(rate_hz)
        ear: RecognizerStream | None = None
        agent_since_ms = quiet_ms = speaking_ms = 0
        speaking_until_ms = 0
        async for event in leg.events():
            if isinstance(event, HungUp):
                break
            if not isinstance(event, AudioIn):
                continue
            speech = detector.feed(event.pcm).speech
            own_voice = event.played_ms < speaking_until_ms
            if speech:
                if ear is None:
                    ear, agent_since_ms = self._recognizer.open_stream(rate_hz), event.at_ms
                quiet_ms, speaking_ms = 0, speaking_ms + FRAME_MS
            else:
                quiet_ms += FRAME_MS
            if ear is not None:
                ear.feed(event.pcm)
            if self._impatient(event.at_ms - agent_since_ms if ear else 0):
                speaking_until_ms = await self._say(leg, self._policy.answer("") or "", event.played_ms)
                self._interrupt_ms = None
            elif ear is not None and quiet_ms >= AGENT_DONE_MS and not own_voice:
                text = (await ear.final()).text if speaking_ms >= 200 else ""
                ear.close()
                ear, speaking_ms = None, 0
                if text:
                    speaking_until_ms = await self._answer(leg, text, event.played_ms)
            elif ear is None and quiet_ms >= LOST_MS and not own_voice:
                quiet_ms = 0
                speaking_until_ms = await self._say(leg, "алло вы меня слышите", event.played_ms)
            since_own_words_ms = event.played_ms - speaking_until_ms
            if self._policy.done and not own_voice and min(quiet_ms, since_own_words_ms) >= GOODBYE_MS:
                leg.hang_up()
        return self._policy.heard_booked

    def _impatient(self, agent_speaks_ms: int) -> bool:
        return self._interrupt_ms is not None and agent_speaks_ms >= self._interrupt_ms

    async def _answer(self, leg: CallLeg, heard: str, played_ms: int) -> int:
        line = self._policy.answer(heard)
        self._on_heard(Heard(heard, line))
        return await self._say(leg, line, played_ms) if line else played_ms

    async def _say(self, leg: CallLeg, line: str, played_ms: int) -> int:
        """Queues the line; returns the value of played_ms at which it will have been said."""
        pieces = [piece async for piece in self._synthesizer.synthesize(line)]
        pcm = b"".join(pieces)
        leg.play(pcm)
        await asyncio.sleep(0)
        return played_ms + len(pcm) * 1000 // (2 * self._synthesizer.rate_hz)
