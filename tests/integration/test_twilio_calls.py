"""Calls through the simulated Twilio edge over real sockets; the handler echoes, so that what is heard is known."""

import asyncio
import secrets

import numpy as np

from telephony.twilio.rest import TwilioRest
from tests.simulators.twilio.edge import Faults
from tests.simulators.twilio.phone import Phone
from tests.simulators.twilio.rest import rest_app
from tests.simulators.twilio.stack import free_listener, http_server, twilio_stack
from voice.ports import AudioIn, CallLeg, Dtmf, HangUpReason, HungUp, MarkReached


def tone(duration_s: float, hz: float = 440, level: float = 8000) -> bytes:
    samples = np.arange(round(duration_s * 8000))
    return (level * np.sin(2 * np.pi * hz * samples / 8000)).astype("<i2").tobytes()


def loud(pcm: np.ndarray) -> np.ndarray:
    """Indices of audible samples."""
    return np.flatnonzero(np.abs(pcm.astype(int)) > 1000)


class Echo:
    """Plays back what it hears; keeps the events."""

    def __init__(self) -> None:
        self.events: list = []
        self.legs: list[CallLeg] = []

    async def __call__(self, leg: CallLeg) -> None:
        self.legs.append(leg)
        async for event in leg.events():
            self.events.append(event)
            if isinstance(event, AudioIn):
                leg.play(event.pcm)

    @property
    def reasons(self) -> list[HangUpReason]:
        return [event.reason for event in self.events if isinstance(event, HungUp)]


async def say_tone(phone: Phone) -> None:
    await phone.wait(0.3)
    phone.say(tone(0.4))
    phone.press("5")
    phone.press("#")
    await phone.spoken()
    await phone.wait(0.6)


async def test_the_caller_hears_the_echo_of_her_own_words() -> None:
    echo = Echo()
    async with twilio_stack(echo) as stack:
        record = await stack.edge().place(say_tone)
    assert record.vendor_errors == []
    said, heard = loud(record.caller_pcm()), loud(record.agent_pcm())
    assert len(said) > 2500
    assert abs(len(heard) - len(said)) < 50
    delay_ms = (heard[0] - said[0]) / 8
    assert 20 <= delay_ms < 300  # a frame has to end before it is sent; the rest is a busy machine
    assert [event.digit for event in echo.events if isinstance(event, Dtmf)] == ["5", "#"]
    assert echo.reasons == [HangUpReason.CALLER]
    assert isinstance(echo.events[-1], HungUp)
    leg = echo.legs[0]
    assert (leg.info.caller, leg.info.called, leg.info.resumed) == ("+79000000101", stack.number, False)


async def test_frames_follow_each_other_whatever_the_size_of_messages() -> None:
    echo = Echo()
    async with twilio_stack(echo) as stack:
        record = await stack.edge(faults=Faults(media_bytes=800, duplicate_start=True)).place(say_tone)
    assert record.vendor_errors == []
    frames = [event for event in echo.events if isinstance(event, AudioIn)]
    assert all(len(frame.pcm) == 320 for frame in frames)
    times = [frame.at_ms for frame in frames]
    assert times == list(range(0, 20 * len(times), 20))
    assert len(loud(record.agent_pcm())) > 2500


async def test_played_ms_follows_what_the_far_end_has_played() -> None:
    seen: list[AudioIn] = []
    marks: list[str] = []

    async def handler(leg: CallLeg) -> None:
        leg.play(tone(0.5))
        leg.mark("end")
        async for event in leg.events():
            if isinstance(event, AudioIn):
                seen.append(event)
            elif isinstance(event, MarkReached):
                marks.append(event.name)

    async with twilio_stack(handler) as stack:
        record = await stack.edge().place(lambda phone: phone.wait(1.2))
    assert marks == ["end"]
    assert seen[-1].played_ms == 500
    played = [event.played_ms for event in seen]
    assert played == sorted(played)
    start = loud(record.agent_pcm())[0] / 8
    for event in seen:
        true_ms = min(max(event.at_ms - start, 0), 500)
        assert abs(event.played_ms - true_ms) < 120


async def test_clear_silences_the_far_end() -> None:
    async def handler(leg: CallLeg) -> None:
        leg.play(tone(3))
        leg.mark("never played")
        async for event in leg.events():
            if isinstance(event, AudioIn) and event.at_ms == 600:
                leg.clear()
                leg.play(tone(0.2, 880))

    async with twilio_stack(handler) as stack:
        record = await stack.edge().place(lambda phone: phone.wait(1.5))
    assert record.clears == 1
    heard = loud(record.agent_pcm())
    assert 600 < heard[-1] / 8 < 1200


async def test_hang_up_waits_for_the_goodbye_and_ends_the_call_by_twiml() -> None:
    async def handler(leg: CallLeg) -> None:
        leg.play(tone(0.8))

    for faults in (Faults(), Faults(no_marks=True)):
        async with twilio_stack(handler) as stack:
            record = await stack.edge(faults=faults).place(lambda phone: phone.wait(10))
        heard = loud(record.agent_pcm())
        assert len(heard) / 8 > 700
        assert (len(record.agent_audio) - heard[-1]) / 8 < 800
        assert not record.caller_hung_up
        assert [type(verb).__name__ for verb in record.verbs] == ["ConnectStream", "Redirect", "Hangup"]


async def test_a_lost_socket_resumes_once_with_the_same_call_id() -> None:
    echo = Echo()
    async with twilio_stack(echo) as stack:
        edge = stack.edge(faults=Faults(drop_socket_after_ticks=20))
        record = await edge.place(lambda phone: phone.wait(1.5))
    assert record.streams == 2
    assert [leg.info.resumed for leg in echo.legs] == [False, True]
    assert echo.legs[0].info.call_id == echo.legs[1].info.call_id
    assert sorted(echo.reasons) == [HangUpReason.CALLER, HangUpReason.FAILED]


async def test_a_broken_handler_is_an_apology_not_silence() -> None:
    async def handler(leg: CallLeg) -> None:
        raise RuntimeError("broken on purpose")

    async with twilio_stack(handler) as stack:
        record = await stack.edge().place(lambda phone: phone.wait(10))
    assert len(record.said) == 1
    assert "перезвоните" in record.said[0]


async def test_transfer_and_hang_up_over_rest() -> None:
    calls: dict = {}
    account, password = "AC" + secrets.token_hex(16), secrets.token_hex(16)
    listener = free_listener()
    base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    rest = TwilioRest(account, account, password, base_url)
    reasons = []

    def handler(act):
        async def handle(leg: CallLeg) -> None:
            leg.play(tone(0.3))
            act(leg)
            reasons.extend([event.reason async for event in leg.events() if isinstance(event, HungUp)])

        return handle

    async with http_server(rest_app(account, password, calls), listener):
        async with twilio_stack(handler(lambda leg: leg.hang_up()), rest=rest, calls=calls) as stack:
            record = await stack.edge(account_sid=account).place(lambda phone: phone.wait(10))
        assert len(record.requests) == 1  # no redirect: the call was completed over REST
        target = "+79000000009"
        async with twilio_stack(handler(lambda leg: leg.transfer(target)), rest=rest, calls=calls) as stack:
            record = await stack.edge(account_sid=account).place(lambda phone: phone.wait(10))
        dial = record.verbs[1]
        assert dial.target == target
        assert dial.attributes["callerId"] == stack.number
        async with twilio_stack(handler(lambda leg: leg.transfer(target)), calls=calls) as stack:
            record = await stack.edge(account_sid=account).place(lambda phone: phone.wait(10))
        assert [type(verb).__name__ for verb in record.verbs][:3] == ["ConnectStream", "Redirect", "Dial"]
    await rest.close()
    assert reasons == [HangUpReason.AGENT, HangUpReason.TRANSFERRED, HangUpReason.TRANSFERRED]


async def test_drain_refuses_new_streams_and_lets_running_calls_end() -> None:
    echo = Echo()
    async with twilio_stack(echo) as stack:
        first = asyncio.create_task(stack.edge().place(lambda phone: phone.wait(1.0)))
        await asyncio.sleep(0.4)
        drain = asyncio.create_task(stack.server.drain(5.0))
        await asyncio.sleep(0)
        refused = await stack.edge().place(lambda phone: phone.wait(3.0))
        assert refused.stream_refused == 503
        assert "перезвоните" in refused.said[0]
        assert await drain == 0
        assert (await first).caller_hung_up
    assert echo.reasons == [HangUpReason.CALLER]


async def test_silence_on_the_wire_ends_the_call() -> None:
    echo = Echo()
    async with twilio_stack(echo, no_media_s=0.5) as stack:
        edge = stack.edge(faults=Faults(media_bytes=160_000))
        record = await edge.place(lambda phone: phone.wait(10))
    assert echo.reasons == [HangUpReason.NO_MEDIA]
    assert len(record.agent_audio) / 8 < 2000


async def test_an_unknown_number_is_told_so() -> None:
    async with twilio_stack(Echo()) as stack:
        record = await stack.edge(number="+79000009999").place(lambda phone: phone.wait(3))
    assert "не обслуживается" in record.said[0]
    assert record.streams == 0
