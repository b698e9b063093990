"""Calls through Twilio's door of the running server, from a simulated edge that speaks only the public protocol."""

import asyncio
import base64
import contextlib
import json
import secrets
from pathlib import Path
from typing import Any

import httpx
import pytest
from twilio.request_validator import RequestValidator
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.e2e import hearing
from tests.e2e.server import RunningServer, new_bookings
from tests.simulators.twilio.edge import TwilioEdge
from tests.simulators.twilio.phone import Phone
from tests.simulators.twilio.wire import ConnectStream, read_twiml

pytestmark = pytest.mark.timeout(150)

CALLER = "+79000000109"
"""A client whom the demo salon knows: Тимур Ахметов."""
LINES = ("запишите меня на мужскую стрижку завтра", "первое", "да всё верно", "спасибо до свидания")


def edge_of(server: RunningServer, caller: str = CALLER, **options: Any) -> TwilioEdge:
    door = server.ready["twilio"]
    token = options.pop("auth_token", door["auth_token"])
    return TwilioEdge(door["webhook"], door["number"], token, caller=caller, **options)


async def test_a_call_through_twilio_books(server: RunningServer, tmp_path: Path) -> None:
    spoken = await asyncio.to_thread(hearing.speak, LINES)
    before, known = server.company(), server.conversations()

    async def script(phone: Phone) -> None:
        await phone.wait_agent_speaks()
        for line in spoken:
            await phone.wait_agent_silent(800)
            phone.say(line.tobytes())
            await phone.spoken()
            await phone.wait_agent_speaks()
        await phone.wait_agent_silent(1500)

    record = await edge_of(server).place(script, limit_s=100)
    assert record.vendor_errors == []
    assert record.streams == 1
    row = server.conversation_of(CALLER, known)
    created = new_bookings(before, server.company())
    timeline = server.timeline(row["id"])
    assert [(b["client"], b["services"], b["status"]) for b in created] == [("C09", ["S03"], "booked")], timeline
    assert row["outcome"], row
    caller, agent = hearing.decode_stereo(server.recording(row["id"], tmp_path / "call.ogg"))
    assert len(hearing.utterances(caller)) == len(LINES)
    # What the far end played is what the recording holds.
    greeting = hearing.utterances(agent)[0]
    found_ms, likeness = hearing.shift_and_likeness(hearing.cut(agent, greeting), record.agent_pcm())
    assert likeness > 0.9
    assert abs(found_ms - max(0, greeting[0] - 150)) < 250, "the play-out of Twilio's side is an estimate"
    heard = await asyncio.to_thread(hearing.understand, [hearing.cut(caller, hearing.utterances(caller)[0])])
    assert "стрижку" in heard[0]


async def test_a_forged_signature_is_refused(server: RunningServer) -> None:
    known = server.conversations()
    record = await edge_of(server, auth_token=secrets.token_hex(16)).place(lambda phone: phone.wait(0.1), limit_s=20)
    assert [status for _, status in record.requests] == [403]
    assert record.streams == 0
    form = edge_of(server).form({})
    unsigned = await asyncio.to_thread(httpx.post, server.ready["twilio"]["webhook"], data=form)
    assert unsigned.status_code == 403
    assert server.conversations() == known


async def genuine_stream(server: RunningServer) -> tuple[ConnectStream, TwilioEdge]:
    """What the webhook answers to a genuine request: the stream with its one-time token."""
    edge, door = edge_of(server, "+79000000399"), server.ready["twilio"]
    form = edge.form({})
    signature = RequestValidator(door["auth_token"]).compute_signature(door["webhook"], form)
    async with httpx.AsyncClient() as http:
        answer = await http.post(door["webhook"], data=form, headers={"X-Twilio-Signature": signature})
    stream = next(verb for verb in read_twiml(answer.headers["content-type"], answer.text)
                  if isinstance(verb, ConnectStream))  # fmt: skip
    return stream, edge


def start_message(edge: TwilioEdge, parameters: dict[str, str]) -> dict[str, Any]:
    return {
        "event": "start", "sequenceNumber": "1", "streamSid": "MZ" + "0" * 32,
        "start": {
            "accountSid": edge.account_sid, "streamSid": "MZ" + "0" * 32, "callSid": edge.call_sid,
            "tracks": ["inbound"], "customParameters": parameters,
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        },
    }  # fmt: skip


CONNECTED = json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"})
SILENCE = base64.b64encode(b"\xff" * 160).decode()


def media_message(payload: str) -> str:
    media = {"track": "inbound", "chunk": "1", "timestamp": "5", "payload": payload}
    return json.dumps({"event": "media", "sequenceNumber": "2", "streamSid": "MZ" + "0" * 32, "media": media})


BEFORE_START: dict[str, list[str | bytes]] = {
    "not JSON": ["{"],
    "nothing": [""],
    "a list": ["[1, 2]"],
    "a number": ["7"],
    "null": ["null"],
    "deep": ["[" * 5000],
    "no event": ["{}"],
    "event of a wrong type": ['{"event": {"a": 1}}'],
    "media before start": [CONNECTED, media_message(SILENCE)],
    "start without a body": [CONNECTED, '{"event": "start"}'],
    "start with a wrong body": [CONNECTED, '{"event": "start", "start": 5, "streamSid": []}'],
    "binary": [b"\x00\xff" * 500],
    "too large": ["x" * 5_000_000],
}


async def closed_by_server(url: str, messages: list[str | bytes], within_s: float = 15.0) -> int | None:
    """The code with which the server closes after these messages."""
    async with asyncio.timeout(within_s), connect(url, compression=None, ping_interval=None) as socket:
        with contextlib.suppress(ConnectionClosed):
            for message in messages:
                await socket.send(message)
        return await close_code(socket)


async def close_code(socket: ClientConnection) -> int | None:
    """Reads on until the other side closes; None: it cut the connection."""
    try:
        while True:
            await socket.recv()
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None


@pytest.mark.parametrize("name", BEFORE_START)
async def test_rubbish_instead_of_a_start_is_closed_cleanly(server: RunningServer, name: str) -> None:
    stream, _ = await genuine_stream(server)
    known = server.conversations()
    code = await closed_by_server(stream.url, BEFORE_START[name])
    assert code is not None, "cut instead of closed"
    assert 1000 < code < 1011 or code >= 3000, f"{code}: 1011 would be an error of the server itself"
    assert server.conversations() == known
    assert server.alive()


async def test_a_stream_without_a_genuine_token_is_refused(server: RunningServer) -> None:
    stream, edge = await genuine_stream(server)
    for parameters in ({}, {**stream.parameters, "token": "x" * 40}):
        code = await closed_by_server(stream.url, [CONNECTED, json.dumps(start_message(edge, parameters))])
        assert code == 1008


async def test_a_token_opens_one_stream_only_and_rubbish_inside_a_call_does_not_end_the_server(
    server: RunningServer,
) -> None:
    stream, edge = await genuine_stream(server)
    known = server.conversations()
    start = json.dumps(start_message(edge, stream.parameters))
    async with asyncio.timeout(30), connect(stream.url, compression=None, ping_interval=None) as socket:
        await socket.send(CONNECTED)
        await socket.send(start)
        first = json.loads(await socket.recv())
        assert first["event"] == "media", "the greeting begins"
        assert await closed_by_server(stream.url, [CONNECTED, start]) == 1008, "the token was used"
        for payload in ("!!!", "", "AAAA" * 10, SILENCE, "ж"):
            await socket.send(media_message(payload))
        await socket.send('{"event": "mark", "streamSid": "other", "mark": {"name": 5}}')
        await socket.send('{"event": "unheard of"}')
        await socket.send("x" * 5_000_000)
        assert await close_code(socket) in (1008, 1009)
    assert server.alive()
    row = server.conversation_of("+79000000399", known, within_s=30)
    assert row["end_reason"], row
