"""The caller's phone as a call leg, so that whoever can talk over a leg can call through the simulated edge."""

import asyncio
from collections.abc import AsyncIterator

from core.ids import CallId
from telephony.codecs import pcmu
from telephony.leg_queue import LegEvents
from tests.simulators.twilio.phone import Phone
from voice.ports import AudioIn, CallInfo, Direction, HangUpReason, HungUp, LegEvent


class PhoneLeg:
    """Implements voice.ports.CallLeg for the caller's side. Feed it with run()."""

    def __init__(self, phone: Phone) -> None:
        self._phone = phone
        self._events = LegEvents()
        self._queued_ms = 0
        self._info = CallInfo(CallId("caller"), Direction.OUTBOUND, "", "", "twilio-simulator")

    @property
    def info(self) -> CallInfo:
        return self._info

    def events(self) -> AsyncIterator[LegEvent]:
        return aiter(self._events)

    def play(self, pcm: bytes) -> None:
        self._phone.say(pcm)
        self._queued_ms += -(-len(pcm) // 320) * 20

    def mark(self, name: str) -> None: ...

    def clear(self) -> None: ...

    def transfer(self, target: str) -> None: ...

    def hang_up(self) -> None:
        self._phone.hang_up()

    async def run(self) -> None:
        """Until the call is over: what is heard becomes events."""
        law, at_ms = pcmu(), 0
        while not self._phone.ended.is_set():
            await self._phone.next_tick()
            heard = self._phone.heard_until_now()
            while (at_ms + 20) * 8 <= len(heard):
                frame = bytes(heard[at_ms * 8 : (at_ms + 20) * 8])
                played_ms = self._queued_ms - self._phone.pending_ms
                self._events.put(AudioIn(law.decode(frame), at_ms, played_ms))
                at_ms += 20
        self._events.put(HungUp(HangUpReason.CALLER))
        await asyncio.sleep(0)
