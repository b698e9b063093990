"""Callers for the voice bench: one script, through the simulated Twilio edge or through SIP."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.voice_capture import RATE_HZ, CallNumbers, Pcm, Spoken, read_call, voiced_span
from telephony.codecs import pcmu
from telephony.sip.trunk import LOOPBACK, SourcePolicy
from telephony.sip.ua import SipClient
from tests.simulators.twilio.edge import TwilioEdge
from tests.simulators.twilio.phone import TICK_S, CallRecord, Phone
from tests.simulators.twilio.playback import FRAME_BYTES
from voice.ports import AudioIn, CallLeg, HungUp

CLIPS = Path(__file__).parents[1] / "tests" / "data" / "speech"
QUESTIONS = ("12.ulaw", "13.ulaw", "14.ulaw", "40.ulaw", "35.ulaw", "33.ulaw", "38.ulaw")
"""Telephone-band questions that any salon answers in one turn: prices, hours, address."""
INTERRUPTIONS = ("27.ulaw", "12.ulaw", "33.ulaw", "23.ulaw", "38.ulaw", "46.ulaw", "32.ulaw", "14.ulaw")
"""Words with which callers break in, none of which ends a call: soft and hard first sounds, women and men."""
MARGIN = 240
"""Samples of a clip kept before and after its voiced part."""
BARGE_AFTER_S = 0.9
"""The caller breaks in so long after the agent's first sound."""
AGENT_DONE_MS = 700


@dataclass(frozen=True, slots=True)
class Clip:
    text: str
    pcm: bytes
    first_voiced: int
    last_voiced: int


def load_clip(name: str) -> Clip:
    facts = {fact["file"]: fact["text"] for fact in json.loads((CLIPS / "clips.json").read_text("utf-8"))}
    pcm = pcmu().decode((CLIPS / "clips" / name).read_bytes())
    first, last = voiced_span(np.frombuffer(pcm, np.int16))
    # Without the silence of the studio around it: the line has its own.
    start = max(0, first - MARGIN)
    return Clip(facts[name], pcm[start * 2 : (last + 1 + MARGIN) * 2], first - start, last - start)


class Caller:
    """Asks questions, one a turn, and breaks into some of the answers."""

    def __init__(self, turns: int, barge_every: int, offset: int = 0) -> None:
        """barge_every: each so-manyth answer is interrupted; 0 for none. offset: which question comes first."""
        self._turns = turns
        self._barge_every = barge_every
        self._offset = offset
        self._questions = [load_clip(name) for name in QUESTIONS]
        self._interruptions = [load_clip(name) for name in INTERRUPTIONS]
        self._broke_in = offset
        self.spoken: list[Spoken] = []

    async def __call__(self, phone: Phone) -> None:
        await phone.wait_agent_speaks(15)
        for turn in range(self._turns):
            await phone.wait_agent_silent(AGENT_DONE_MS, 30)
            if phone.ended.is_set():
                return
            question = self._questions[(turn + self._offset) % len(self._questions)]
            self._say(phone, question)
            await phone.spoken()
            answered = await phone.wait_agent_speaks(8)
            if answered and self._barge_every and turn % self._barge_every == self._barge_every - 1:
                await phone.wait(BARGE_AFTER_S)
                if phone.agent_silent_ms < 100:
                    interruption = self._interruptions[self._broke_in % len(self._interruptions)]
                    self._broke_in += 1
                    self._say(phone, interruption, barge_in=True)
                    await phone.spoken()
                    await phone.wait_agent_speaks(8)
        await phone.wait_agent_silent(AGENT_DONE_MS, 30)

    def _say(self, phone: Phone, clip: Clip, *, barge_in: bool = False) -> None:
        start = phone.say(clip.pcm)
        self.spoken.append(Spoken(start + clip.first_voiced, start + clip.last_voiced, barge_in))


@dataclass(frozen=True, slots=True)
class Measured:
    numbers: CallNumbers
    late_ticks: int
    """20 ms ticks of the caller that were late by more than 20 ms: the machine, not the server."""
    agent: Pcm
    problems: tuple[str, ...]


async def call_twilio(ready: dict[str, Any], caller: Caller, limit_s: float) -> Measured:
    """ready: the line that the server printed."""
    door = ready["twilio"]
    edge = TwilioEdge(door["webhook"], door["number"], door["auth_token"])
    record = await edge.place(caller, limit_s=limit_s)
    agent = record.agent_pcm()
    problems = tuple(record.vendor_errors)
    if record.stream_refused is not None:
        problems += (f"stream refused: {record.stream_refused}",)
    return Measured(read_call(agent, caller.spoken), record.late_ticks, agent, problems)


class SipWire:
    """When each packet of one call left and came at the caller's socket: a phone without a jitter buffer of its own, as
    the vendor's edge is on the other door. Hangs between the leg and its RTP session, which know nothing of it."""

    def __init__(self) -> None:
        self._clock = asyncio.get_running_loop().time
        self._decode = pcmu().decode
        self._sent_s: list[float] = []
        self._arrived: list[tuple[int, bytes, float]] = []

    def attach(self, leg: Any) -> None:
        session = leg._rtp  # noqa: SLF001
        inbound = session._inbound  # noqa: SLF001
        self._decode = session.path.audio_format.codec.decode
        send, push = session.send, inbound.push

        def sending(index: int, pcm: bytes | None, now_s: float) -> None:
            if pcm is not None:
                self._sent_s.append(self._clock())
            send(index, pcm, now_s)

        def arriving(packet: Any, now_s: float) -> Any:
            self._arrived.append((packet.timestamp, packet.payload, now_s))
            return push(packet, now_s)

        session.send, inbound.push = sending, arriving

    def read(self, spoken: Sequence[Spoken]) -> tuple[Pcm, list[Spoken]]:
        """The agent's track, free of the network's jitter, and what was spoken, both from the first frame spoken."""
        start_s = self._sent_s[0] - TICK_S
        first = self._arrived[0][0]
        places = [((stamp - first + (1 << 31)) % (1 << 32)) - (1 << 31) for stamp, _, _ in self._arrived]
        fastest_s = min(at_s - place / RATE_HZ for place, (_, _, at_s) in zip(places, self._arrived, strict=True))
        shift = round((fastest_s - start_s) * RATE_HZ)
        track = np.zeros(max(0, max(places) + shift) + FRAME_BYTES, np.int16)
        for place, (_, payload, _) in zip(places, self._arrived, strict=True):
            if place + shift >= 0:
                track[place + shift : place + shift + len(payload)] = np.frombuffer(self._decode(payload), np.int16)

        def when(sample: int) -> int:
            frame = min(sample // FRAME_BYTES, len(self._sent_s) - 1)
            return round((self._sent_s[frame] - TICK_S - start_s) * RATE_HZ) + sample % FRAME_BYTES

        return track, [Spoken(when(item.first_voiced), when(item.last_voiced), item.barge_in) for item in spoken]


@contextlib.asynccontextmanager
async def sip_phones() -> AsyncIterator[SipClient]:
    """All phones of a row behind one client and one clock, so that the callers cost the machine little."""
    client = SipClient("127.0.0.1", 0, policy=SourcePolicy((), LOOPBACK))
    await client.start()
    try:
        yield client
    finally:
        await client.stop()


async def call_sip(client: SipClient, ready: dict[str, Any], caller: Caller, limit_s: float) -> Measured:
    record = CallRecord("sip")
    phone = Phone(record)
    script = asyncio.create_task(caller(phone), name="caller script")
    wire = SipWire()
    try:
        async with asyncio.timeout(limit_s):
            leg = await client.call(ready["sip"], from_user="79000000101")
            wire.attach(leg)
            await _run_sip_line(leg, phone, record, script)
    finally:
        phone.end()
        await asyncio.gather(script, return_exceptions=True)
    agent, spoken = wire.read(caller.spoken)
    return Measured(read_call(agent, spoken), 0, agent, ())


async def _run_sip_line(leg: CallLeg, phone: Phone, record: CallRecord, script: "asyncio.Task[None]") -> None:
    law = pcmu()
    async for event in leg.events():
        if isinstance(event, HungUp):
            return
        if not isinstance(event, AudioIn):
            continue
        frame = law.encode(event.pcm)
        # A gap of the call clock is a gap of the record.
        record.agent_audio += b"\xff" * (event.at_ms * 8 - len(record.agent_audio)) + frame
        phone.heard(frame)
        ulaw = phone.next_frame()
        record.caller_audio += ulaw
        leg.play(law.decode(ulaw))
        if script.done():
            leg.hang_up()
