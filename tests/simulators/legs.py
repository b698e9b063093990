"""A call leg in memory that plays in real time of the loop: for what stands between a door and a conversation."""

import asyncio
from collections.abc import AsyncIterator

from core.ids import CallId
from telephony.leg_queue import LegEvents
from voice.ports import AudioIn, CallInfo, Direction, HangUpReason, HungUp, LegEvent, MarkReached


class MemoryLeg:
    """tick() moves the call 20 ms: one frame in, up to 20 ms of the queue played."""

    def __init__(self, call_id: str = "a-call") -> None:
        self._info = CallInfo(CallId(call_id), Direction.INBOUND, "+79000000101", "+79000000001", "memory")
        self._events = LegEvents()
        self._queue = bytearray()
        self.heard = bytearray()
        self.calls: list[str] = []
        self.at_ms = 0
        self.played_ms = 0

    @property
    def info(self) -> CallInfo:
        return self._info

    def events(self) -> AsyncIterator[LegEvent]:
        return aiter(self._events)

    def play(self, pcm: bytes) -> None:
        self._queue += pcm

    def mark(self, name: str) -> None:
        self.calls.append(f"mark {name}")
        self._events.put(MarkReached(name))

    def clear(self) -> None:
        self.calls.append("clear")
        self._queue.clear()

    def transfer(self, target: str) -> None:
        self.calls.append(f"transfer {target}")
        self.end(HangUpReason.TRANSFERRED)

    def hang_up(self) -> None:
        self.calls.append("hang_up")
        self.end(HangUpReason.AGENT)

    def end(self, reason: HangUpReason) -> None:
        self._events.put(HungUp(reason))

    def put(self, event: LegEvent) -> None:
        self._events.put(event)

    def tick(self, pcm: bytes = bytes(320)) -> None:
        self._events.put(AudioIn(pcm, self.at_ms, self.played_ms))
        played = bytes(self._queue[:320])
        del self._queue[:320]
        self.heard += played
        self.played_ms += len(played) // 16
        self.at_ms += 20

    async def run(self, ticks: int, period_s: float = 0.02) -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        for index in range(ticks):
            self.tick()
            await asyncio.sleep(max(0.0, began_s + (index + 1) * period_s - loop.time()))
