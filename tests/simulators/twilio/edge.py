"""A simulated Twilio edge: speaks only the public protocol, plays what it is sent, and keeps what was heard.

By hand: python -m tests.simulators.twilio.edge --webhook URL --number +7… --auth-token-env VAR --say FILE.wav…
"""

import asyncio
import base64
import json
import secrets
import sys
import wave
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.simulators.twilio import wire
from tests.simulators.twilio.phone import TICK_S, CallRecord, Phone
from tests.simulators.twilio.playback import FRAME_BYTES, Playback

WEBHOOK_TIMEOUT_S = 15.0
MAX_VERBS = 20


def new_sid(prefix: str) -> str:
    return prefix + secrets.token_hex(16)


Script = Callable[[Phone], Awaitable[None]]


@dataclass(slots=True)
class Faults:
    """What a bad line or a bad vendor does."""

    no_marks: bool = False
    media_bytes: int = FRAME_BYTES
    """Size of a media message; the vendor promises none. A multiple of 160."""
    drop_socket_after_ticks: int | None = None
    """The connection is cut (no close frame) once."""
    duplicate_start: bool = False
    start_edit: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    """Changes the start message."""


class TwilioEdge:
    """Places one call: place(script) runs until the call is over and returns what happened on the line."""

    def __init__(
        self,
        webhook_url: str,
        number: str,
        auth_token: str,
        *,
        caller: str = "+79000000101",
        account_sid: str = "",
        sign_upgrade: bool = True,
        faults: Faults | None = None,
        registry: "dict[str, TwilioEdge] | None" = None,
    ) -> None:
        self._webhook_url = webhook_url
        self._validator = RequestValidator(auth_token)
        self._sign_upgrade = sign_upgrade
        self._faults = faults or Faults()
        self._registry = registry if registry is not None else {}
        self.call_sid = new_sid("CA")
        self.account_sid = account_sid or new_sid("AC")
        self._caller, self._number = caller, number
        self.record = CallRecord(self.call_sid)
        self.phone = Phone(self.record)
        self._playback = Playback()
        self._new_document: list[wire.Verb] | None = None
        self._rest_hang_up = False
        self._socket: ClientConnection | None = None

    async def place(self, script: Script, limit_s: float = 120.0) -> CallRecord:
        self._registry[self.call_sid] = self
        script_task = asyncio.create_task(self._run_script(script), name="caller script")
        try:
            async with asyncio.timeout(limit_s), httpx.AsyncClient(timeout=WEBHOOK_TIMEOUT_S) as http:
                await self._run_document(http, await self._fetch(http, self._webhook_url, {}))
        finally:
            self.phone.end()
            self._registry.pop(self.call_sid, None)
            done, pending = await asyncio.wait({script_task}, timeout=2.0)
            for task in pending:
                task.cancel()
            for task in done:
                task.result()
        return self.record

    async def _run_script(self, script: Script) -> None:
        await script(self.phone)
        self.phone.hang_up()

    # --- REST requests about this call, see rest.py ---

    def update_by_rest(self, *, document: list[wire.Verb] | None, completed: bool) -> bool:
        """False: the call is not in progress (error 21220)."""
        if self.phone.ended.is_set() or self._socket is None:
            return False
        self._new_document = document
        self._rest_hang_up = completed
        return True

    # --- TwiML ---

    def form(self, extra: dict[str, str]) -> dict[str, str]:
        return {
            "CallSid": self.call_sid,
            "AccountSid": self.account_sid,
            "From": self._caller,
            "To": self._number,
            "CallStatus": "ringing",
            "Direction": "inbound",
            "ApiVersion": "2010-04-01",
            **extra,
        }

    async def _fetch(self, http: httpx.AsyncClient, url: str, extra: dict[str, str]) -> list[wire.Verb]:
        form = self.form(extra)
        signature = self._validator.compute_signature(url, form)
        headers = {"X-Twilio-Signature": signature, "I-Twilio-Idempotency-Token": secrets.token_hex(8)}
        response = await http.post(url, data=form, headers=headers)
        self.record.requests.append((response.url.path, response.status_code))
        if response.status_code >= 400:
            self.record.vendor_errors.append(f"11200: webhook answered {response.status_code}")
            return []
        return wire.read_twiml(response.headers.get("content-type", ""), response.text)

    async def _run_document(self, http: httpx.AsyncClient, verbs: list[wire.Verb]) -> None:
        budget = MAX_VERBS
        while verbs and budget:
            budget -= 1
            verb, verbs = verbs[0], verbs[1:]
            self.record.verbs.append(verb)
            match verb:
                case wire.ConnectStream():
                    await self._stream(verb)
                    if self.record.caller_hung_up or self._rest_hang_up:
                        return
                    if self._new_document is not None:
                        verbs, self._new_document = self._new_document, None
                case wire.Redirect(url):
                    verbs = await self._fetch(http, urljoin(self._webhook_url, url), {"CallStatus": "in-progress"})
                case wire.Dial(_, action):
                    if not action:
                        return
                    verbs = await self._fetch(http, action, {"DialCallStatus": "completed"})
                case wire.Hangup():
                    return
                case wire.Say():
                    pass

    # --- the stream ---

    async def _stream(self, verb: wire.ConnectStream) -> None:
        headers = {}
        if self._sign_upgrade:
            headers["x-twilio-signature"] = self._validator.compute_signature(verb.url, {})
        try:
            socket = await connect(verb.url, additional_headers=headers, compression=None, ping_interval=None)
        except (InvalidStatus, OSError) as error:
            self.record.stream_refused = error.response.status_code if isinstance(error, InvalidStatus) else 0
            return
        self.record.streams += 1
        self._socket = socket
        stream_sid = new_sid("MZ")
        reader = asyncio.create_task(self._read(socket, stream_sid), name="edge reader")
        try:
            await self._open(socket, stream_sid, verb.parameters)
            await self._run_line(socket, stream_sid, reader)
        except ConnectionClosed:
            pass
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
            await socket.close()
            self.record.close_code = socket.close_code
            self._playback.clear()
            self._socket = None

    async def _open(self, socket: ClientConnection, stream_sid: str, parameters: dict[str, str]) -> None:
        start: dict[str, Any] = {
            "event": "start",
            "sequenceNumber": "1",
            "streamSid": stream_sid,
            "start": {
                "accountSid": self.account_sid,
                "streamSid": stream_sid,
                "callSid": self.call_sid,
                "tracks": ["inbound"],
                "customParameters": parameters,
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            },
        }
        if self._faults.start_edit is not None:
            start = self._faults.start_edit(start)
        await socket.send(json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
        await socket.send(json.dumps(start))
        if self._faults.duplicate_start:
            await socket.send(json.dumps(start))

    async def _run_line(self, socket: ClientConnection, stream_sid: str, reader: asyncio.Task[None]) -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        sequence, chunk, pending, tick = 2, 1, bytearray(), 0
        while not reader.done():
            tick += 1
            due_s = began_s + tick * TICK_S
            if (wait_s := due_s - loop.time()) > 0:
                await asyncio.sleep(wait_s)
            elif wait_s < -TICK_S:
                self.record.late_ticks += 1
            # What is sent at the end of a tick was spoken during it; what is played from now on is heard in the next.
            frame = self.phone.next_frame()
            self.record.caller_audio += frame
            pending += frame
            if len(pending) >= self._faults.media_bytes:
                media = {
                    "track": "inbound",
                    "chunk": str(chunk),
                    "timestamp": str(tick * 20 - len(pending) // 8 + 5),
                    "payload": base64.b64encode(pending).decode(),
                }
                message = {"event": "media", "sequenceNumber": str(sequence), "streamSid": stream_sid, "media": media}
                await socket.send(json.dumps(message))
                sequence, chunk = sequence + 1, chunk + 1
                pending.clear()
            for digit in self.phone.take_keys():
                dtmf = {"track": "inbound_track", "digit": digit}
                key = {"event": "dtmf", "streamSid": stream_sid, "sequenceNumber": str(sequence), "dtmf": dtmf}
                await socket.send(json.dumps(key))
                sequence += 1
            await self._play_tick(socket, stream_sid, sequence)
            if tick == self._faults.drop_socket_after_ticks:
                self._faults.drop_socket_after_ticks = None
                socket.transport.abort()
                return
            if self.phone.wants_to_hang_up or self._rest_hang_up or self._new_document is not None:
                self.record.caller_hung_up = self.phone.wants_to_hang_up
                stop = {"accountSid": self.account_sid, "callSid": self.call_sid}
                message = {"event": "stop", "sequenceNumber": str(sequence), "streamSid": stream_sid, "stop": stop}
                await socket.send(json.dumps(message))
                return

    async def _play_tick(self, socket: ClientConnection, stream_sid: str, sequence: int) -> None:
        if not self.record.agent_audio:
            # The frame pulled at the end of tick k is heard in tick k + 1: nothing is heard in the first.
            self.record.agent_audio += b"\xff" * FRAME_BYTES
        frame, names = self._playback.tick()
        self.record.agent_audio += frame
        self.phone.heard(frame)
        await self._return_marks(socket, stream_sid, names)

    async def _return_marks(self, socket: ClientConnection, stream_sid: str, names: list[str]) -> None:
        for name in names if not self._faults.no_marks else []:
            self.record.marks_returned += 1
            mark = {"event": "mark", "sequenceNumber": "0", "streamSid": stream_sid, "mark": {"name": name}}
            await socket.send(json.dumps(mark))

    async def _read(self, socket: ClientConnection, stream_sid: str) -> None:
        async for text in socket:
            try:
                command = wire.read_command(text, stream_sid)
            except wire.VendorError as error:
                self.record.vendor_errors.append(str(error))
                await socket.close(1008, "protocol error")
                return
            match command:
                case wire.Media(payload):
                    self._playback.media(payload)
                case wire.Mark(name):
                    await self._return_marks(socket, stream_sid, self._playback.mark(name))
                case wire.Clear():
                    self.record.clears += 1
                    await self._return_marks(socket, stream_sid, self._playback.clear())


async def _main(arguments: list[str] | None = None) -> None:
    import argparse
    import os

    parser = argparse.ArgumentParser(description="Places one simulated Twilio call.")
    parser.add_argument("--webhook", required=True, help="the Voice URL, as Twilio would request it")
    parser.add_argument("--number", required=True, help="the dialled number, E.164")
    parser.add_argument("--caller", default="+79000000101")
    parser.add_argument("--auth-token-env", required=True, help="environment variable with the account's auth token")
    parser.add_argument("--say", nargs="*", type=Path, default=[], help="WAV files (8 kHz mono s16), one a turn")
    parser.add_argument("--silence-ms", type=float, default=800, help="agent silence after which the next is said")
    parser.add_argument("--out", type=Path, default=Path("twilio-call.wav"), help="stereo: caller left, agent right")
    options = parser.parse_args(arguments)

    async def script(phone: Phone) -> None:
        await phone.wait_agent_speaks()
        for path in options.say:
            await phone.wait_agent_silent(options.silence_ms)
            phone.say(read_wav(path))
            await phone.spoken()
            await phone.wait_agent_speaks()
        await phone.wait_agent_silent(options.silence_ms)

    edge = TwilioEdge(options.webhook, options.number, os.environ[options.auth_token_env], caller=options.caller)
    record = await edge.place(script, limit_s=600)
    record.write_wav(options.out)
    length_s = len(record.agent_audio) / 8000
    sys.stdout.write(f"call {record.call_sid}: {length_s:.1f} s, {record.clears} clears, said {record.said}\n")
    sys.stdout.write(f"requests {record.requests}, errors {record.vendor_errors or 'none'}, recording {options.out}\n")


def read_wav(path: Path) -> bytes:
    with wave.open(str(path), "rb") as source:
        if (source.getframerate(), source.getnchannels(), source.getsampwidth()) != (8000, 1, 2):
            raise SystemExit(f"{path}: WAV of 8 kHz, mono, 16 bit is needed")
        return source.readframes(source.getnframes())


if __name__ == "__main__":
    asyncio.run(_main())
