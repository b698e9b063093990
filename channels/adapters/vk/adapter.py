"""One VK community as a channel: Callback API or long poll in, messages.send out."""

import base64
import hmac
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import structlog

from channels import json_fields as read
from channels.adapters.vk import composing, reading
from channels.adapters.vk.probing import probe
from channels.adapters.vk.refusals import KEYBOARD, refused
from channels.adapters.vk.setup import Servers
from channels.adapters.vk.wire import Answer, Community, failure
from channels.downloads import download
from channels.model import Account, Event, Media, MessageReceived, Outgoing, Part, SendResult, Sent
from channels.ports import AdapterTools, Capability, Probe, Reading, WebhookReply, WebhookRequest
from core.errors import ConfigurationError, Forbidden, InvalidInput, NotFound, Unavailable
from core.outside_http import Kind, OutcomeUnknown, before_writing

log = structlog.get_logger(__name__)

POLL_S = 25
CAPABILITIES = frozenset(
    {
        Capability.CHOICES,
        Capability.TYPING,
        Capability.READ_MARKS,
        Capability.DELIVERY,
        Capability.IDEMPOTENT_SEND,
        Capability.VOICE_OUT,
        Capability.STAFF_REPLIES,
    }
)


class VkAdapter:
    def __init__(self, account: Account, tools: AdapterTools) -> None:
        self._community = Community(account, tools)
        self._servers = Servers(self._community)
        self._tools = tools
        self._secret = account.secrets.get("callback_secret", "")
        self._confirmation = str(account.settings.get("confirmation") or "").strip()
        self._mode = str(account.settings.get("mode") or "")
        if self._mode not in ("", "webhook", "poll"):
            raise ConfigurationError(f"mode: {self._mode!r} is neither webhook nor poll")

    @property
    def capabilities(self) -> frozenset[Capability]:
        return CAPABILITIES

    # --- in

    def verify(self, request: WebhookRequest) -> None:
        """VK puts the secret into the body. Only the question for the confirmation string may lack it."""
        try:
            body = read.parsed(request.body)
        except InvalidInput:
            raise Forbidden("the callback is no JSON, so it has no secret") from None
        if read.text(body, "group_id") != self._community.group_id:
            raise Forbidden("the callback is of another community")
        if body.get("type") == "confirmation" and "secret" not in body:
            return
        given = read.text(body, "secret")
        if not self._secret or not hmac.compare_digest(given.encode(), self._secret.encode()):
            raise Forbidden("the secret of the callback is not ours")

    def read(self, request: WebhookRequest) -> Reading:
        body = read.parsed(request.body)
        if body.get("type") == "confirmation":
            return Reading(reply=WebhookReply(body=self._confirmation.encode()))
        return Reading(tuple(reading.events(body, request.arrived_at)), WebhookReply(body=b"ok"))

    async def challenge(self, request: WebhookRequest) -> WebhookReply | None:
        """VK asks for a string that it tells only by its API, and that changes with every change of a server."""
        if self._confirmation or b"confirmation" not in request.body[:2000]:
            return None  # nearly always, and without parsing twice
        if read.parsed(request.body).get("type") != "confirmation":
            return None
        return WebhookReply(body=(await self._servers.confirmation()).encode())

    async def poll(self, cursor: str) -> AsyncIterator[tuple[Sequence[Event], str]]:
        """The cursor is the server's `ts`."""
        ts = cursor
        while True:
            found = read.fields(await self._community.result("groups.getLongPollServer", self._own()))
            server, key = read.text(found, "server"), read.text(found, "key")
            if not server or not key:
                raise Unavailable("VK names no long poll server")
            if not ts:
                ts = read.text(found, "ts")
                yield (), ts  # from here on nothing is lost, whoever asks next
            while True:
                asked = {"act": "a_check", "key": key, "ts": ts, "wait": POLL_S}
                told = await self._community.get(server, asked, POLL_S + 10.0)
                failed = read.whole(told, "failed")
                ts = read.text(told, "ts") or ts
                if failed == 1:
                    continue
                if failed is not None:  # 2: the key ended; 3: what was told is lost, all anew
                    ts = "" if failed >= 3 else ts
                    break
                events = [e for row in read.rows(told, "updates") for e in reading.events(row, self._tools.clock.now())]
                yield events, ts

    async def fetch(self, media: Media, most_bytes: int) -> bytes:
        if not media.ref:
            raise NotFound("this message has no file that VK gives out")
        if media.size is not None and media.size > most_bytes:
            raise InvalidInput(f"the file is larger than {most_bytes} bytes")
        return await download(self._tools.http, media.ref, most_bytes, guard=self._tools.guard)

    # --- out

    def compose(self, message: Outgoing) -> Sequence[Part]:
        return composing.compose(message)

    async def send(self, part: Part, marker: str) -> SendResult:
        """`random_id` is made of the marker: sent again, VK answers with the first message. The marker itself comes
        back in the payload of message_reply."""
        params = dict(part.body["params"])
        params["random_id"] = composing.random_id(marker)
        params["payload"] = json.dumps({reading.MARKER: marker})
        if "voice" in part.body:
            with before_writing():
                attachment = await self._voice(params["peer_id"], base64.b64decode(part.body["voice"]))
            if attachment:
                params["attachment"] = attachment
        answer = await self._community.call("messages.send", params, Kind.WRITE)
        if not answer.ok and answer.code in KEYBOARD and params.pop("keyboard", None):
            log.info("vk_sent_without_buttons", code=answer.code)
            answer = await self._community.call("messages.send", params, Kind.WRITE)
        return _sent(answer) if answer.ok else refused(answer)

    async def _voice(self, peer_id: int, voice: bytes) -> str:
        """Three steps: address, upload, save. Empty: VK takes no voice here, the words must do."""
        where = await self._community.call(
            "docs.getMessagesUploadServer", {"type": "audio_message", "peer_id": peer_id}
        )
        url = read.text(read.fields(where.result), "upload_url")
        if not where.ok or not url:
            return ""
        uploaded = read.text(await self._community.upload(url, voice), "file")
        if not uploaded:
            return ""
        saved = await self._community.call("docs.save", {"file": uploaded}, Kind.REPEATABLE)
        found = read.fields(saved.result, "audio_message") or read.fields(saved.result, "doc")
        owner, number = read.whole(found, "owner_id"), read.whole(found, "id")
        if not saved.ok or owner is None or number is None:
            return ""
        key = read.text(found, "access_key")
        return f"doc{owner}_{number}" + (f"_{key}" if key else "")

    async def typing(self, thread: str, newest: MessageReceived | None) -> None:
        peer = {"peer_id": int(thread)}
        await self._community.result("messages.setActivity", {**peer, "type": "typing"}, Kind.REPEATABLE)
        if newest is not None:
            await self._community.result(
                "messages.markAsRead", {**peer, "mark_conversation_as_read": 1}, Kind.REPEATABLE
            )

    async def acknowledge(self, event: MessageReceived) -> None:
        if not event.callback:
            return
        query, _, user = event.callback.rpartition("|")
        params = {"event_id": query, "user_id": user, "peer_id": event.thread}
        answer = await self._community.call("messages.sendMessageEventAnswer", params, Kind.REPEATABLE)
        if not answer.ok and answer.code != 100:  # 100: too late, the button turns no more
            raise failure(answer, "messages.sendMessageEventAnswer")

    # --- the account

    async def probe(self) -> Probe:
        return await probe(self._community, self._servers, self._mode)

    async def connect(self, url: str) -> None:
        if self._mode == "poll" or not (self._mode or url):
            await self._servers.poll_instead()
            return
        if not url:
            raise ConfigurationError(
                "public_url: VK needs an address to call (AI_ADMIN_PUBLIC_URL); or set mode to poll"
            )
        if not self._secret:
            raise ConfigurationError("callback_secret: a callback without a secret would believe anybody")
        await self._servers.install(url, self._secret)

    async def disconnect(self) -> None:
        await self._servers.remove()

    def _own(self) -> Mapping[str, Any]:
        return {"group_id": self._community.group_id}


def _sent(answer: Answer) -> Sent:
    """A bare number for one receiver; a list or an object where VK answers as for many."""
    found = answer.result
    if isinstance(found, list) and found:
        found = found[0]
    number = read.whole({"id": found}, "id")
    if number is None:
        number = read.whole(read.fields(found), "message_id")
        inside = read.text(read.fields(found), "conversation_message_id")
        if not number and inside:
            return Sent(f"c{inside}")
    if number is None:
        raise OutcomeUnknown("VK did not name the message it sent")
    return Sent(str(number))
