"""WhatsApp Cloud API: one phone number of a salon."""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from channels.adapters.whatsapp import setup
from channels.adapters.whatsapp.composing import compose, text_body
from channels.adapters.whatsapp.errors import GraphError, Pause
from channels.adapters.whatsapp.reading import read
from channels.adapters.whatsapp.templates import Template, kept, template_of
from channels.adapters.whatsapp.wire import Graph, denied
from channels.downloads import download
from channels.json_fields import Fields, fields, rows, text, whole
from channels.model import Account, Media, MessageReceived, Outgoing, Part, Refusal, SendResult, Sent
from channels.ports import AdapterTools, Capability, Probe, Reading, WebhookReply, WebhookRequest
from core.errors import Forbidden, InvalidInput, NotFound
from core.outside_http import Kind, Malformed, OutcomeUnknown, before_writing

MARKER_MOST = 512
_META_HOSTS = (".fbsbx.com", ".facebook.com", ".fbcdn.net", ".whatsapp.net", ".whatsapp.com")
"""Where files lie; the token is shown nowhere else."""
_THIS_MACHINE = {"127.0.0.1", "localhost", "::1"}
MOST_TEMPLATE_PAGES = 50
_MEDIA_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")


class WhatsappAdapter:
    def __init__(self, account: Account, tools: AdapterTools) -> None:
        self._account = account
        self._tools = tools
        self._graph = Graph(account, tools)
        self._language = str(account.settings.get("template_language") or "ru")
        known = account.settings.get("templates")
        self._templates: tuple[Template, ...] = (
            tuple(template_of(fields(row)) for row in known) if isinstance(known, list | tuple) else ()
        )

    @property
    def capabilities(self) -> frozenset[Capability]:
        return frozenset(
            {
                Capability.CHOICES,
                Capability.TYPING,
                Capability.READ_MARKS,
                Capability.DELIVERY,
                Capability.MARKER,
                Capability.VOICE_OUT,
                Capability.WINDOW,
                Capability.STAFF_REPLIES,
            }
        )

    # --- in

    def verify(self, request: WebhookRequest) -> None:
        expected = self._account.secrets.get("verify_token", "")
        if not expected:
            raise Forbidden("this account was never set up: it has no verify token")
        if request.method == "GET":
            given = request.query.get("hub.verify_token", "")
            if request.query.get("hub.mode") != "subscribe" or not _same(given, expected):
                raise Forbidden("the verify token is not the one of this account")
            return
        secret = self._account.secrets.get("app_secret", "")
        kind, _, given = request.headers.get("x-hub-signature-256", "").partition("=")
        signature = hmac.new(secret.encode(), request.body, hashlib.sha256).hexdigest()
        if not secret or kind != "sha256" or not _same(given.strip().lower(), signature):
            raise Forbidden("the webhook is not signed with the secret of this app")

    def read(self, request: WebhookRequest) -> Reading:
        if request.method == "GET":
            return Reading(reply=WebhookReply(body=request.query.get("hub.challenge", "").encode()))
        return read(request, self._graph.number)

    # --- out

    def compose(self, message: Outgoing) -> Sequence[Part]:
        return compose(message, self._tools.clock.now(), self._templates, self._language)

    async def send(self, part: Part, marker: str) -> SendResult:
        body = {name: value for name, value in part.body.items() if not name.startswith("_")}
        person = str(body.get("to") or body.get("recipient"))
        await self._graph.wait_for_person(person)
        if "_upload" in part.body:
            media_id = await self._upload(base64.b64decode(part.body["_upload"]))
            if media_id is None:
                body = text_body(_recipient(body), str(part.body["_fallback"]))
            else:
                body["audio"] = {"id": media_id, **body["audio"]}
        result, error = await self._post(body, marker, person)
        if error is None:
            return result
        plain = _plainer(body, part)
        refused = error.refused()
        if plain is not None and refused.why is Refusal.BAD_MESSAGE:
            result, error = await self._post(plain, marker, person)
            return result if error is None else error.refused()
        return refused

    async def _post(self, body: Mapping[str, Any], marker: str, person: str) -> tuple[Sent, GraphError | None]:
        marked = {**body, "biz_opaque_callback_data": marker[:MARKER_MOST]} if marker else body
        answer, error = await self._graph.request("send", "POST", self._messages, kind=Kind.WRITE, json_body=marked)
        if error is not None:
            if error.meaning is not None and error.meaning.why is Pause.PAIR:
                raise await self._graph.pause_person(person)
            return Sent(""), error
        self._graph.person_is_fine(person)
        message_id = text(next(rows(answer, "messages"), {}), "id")
        if not message_id:
            raise OutcomeUnknown("WhatsApp took a message and named no id", error="malformed")
        return Sent(message_id), None

    async def _upload(self, voice: bytes) -> str | None:
        """The media id; None when Meta does not take the recording. Nothing is shown to anybody yet."""
        with before_writing():
            answer, error = await self._graph.request(
                "upload",
                "POST",
                f"/{self._graph.number}/media",
                kind=Kind.REPEATABLE,
                form={"messaging_product": "whatsapp", "type": "audio/ogg"},
                files={"file": ("voice.ogg", voice, "audio/ogg")},
                deadline_s=30.0,
            )
        if error is not None:
            if error.meaning is not None and error.meaning.why is Refusal.ACCOUNT:
                raise denied(error, "upload")
            return None
        media_id = text(answer, "id")
        if not media_id:
            raise Malformed("WhatsApp took a file and named no id", sent=False)
        return media_id

    @property
    def _messages(self) -> str:
        return f"/{self._graph.number}/messages"

    async def fetch(self, media: Media, most_bytes: int) -> bytes:
        media_id, _, digest = media.ref.partition("#")
        if not _MEDIA_ID.fullmatch(media_id):
            raise NotFound("this message holds no file of WhatsApp's")
        for last in (False, True):  # the address lives five minutes: a dead one is asked for once more
            where = await self._where(media_id)
            size = whole(where, "file_size")
            if size is not None and size > most_bytes:
                raise InvalidInput(f"the file is larger than {most_bytes} bytes", size=size)
            url = text(where, "url")
            self._may_see_the_token(url)
            try:
                found = await download(
                    self._tools.http, url, most_bytes, headers={"Authorization": f"Bearer {self._graph.token}"}
                )
                break
            except NotFound:
                if last:
                    raise
        _check_digest(found, digest, text(where, "sha256"))
        return found

    async def _where(self, media_id: str) -> Fields:
        answer, error = await self._graph.request(
            "media", "GET", f"/{media_id}", params={"phone_number_id": self._graph.number}
        )
        if error is not None:
            if error.meaning is not None and error.meaning.why is Refusal.ACCOUNT and error.code != 33:
                raise denied(error, "media")
            raise NotFound("WhatsApp has the file no more", code=error.code)
        return answer

    def _may_see_the_token(self, url: str) -> None:
        parts, own = urlsplit(url), urlsplit(self._graph.base_url)
        host = (parts.hostname or "").lower()
        if (
            host == own.hostname
            or {host, own.hostname} <= _THIS_MACHINE
            or (parts.scheme == "https" and host.endswith(_META_HOSTS))
        ):
            return
        raise Malformed("the address of the file is none of Meta's")

    async def typing(self, thread: str, newest: MessageReceived | None) -> None:
        if newest is None or not newest.message_id:
            return
        body = {
            "messaging_product": "whatsapp",
            "status": "read",
            "message_id": newest.message_id,
            "typing_indicator": {"type": "text"},
        }
        await self._graph.tell("read_and_typing", "POST", self._messages, body)

    async def acknowledge(self, event: MessageReceived) -> None:
        """A pressed button waits for nothing here."""

    # --- the account

    async def probe(self) -> Probe:
        return await setup.probe(self._graph, self._account)

    async def connect(self, url: str) -> None:
        await setup.connect(self._graph, self._account, url)

    async def disconnect(self) -> None:
        await setup.disconnect(self._graph)

    async def sync_templates(self) -> Sequence[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        params = {"limit": "100", "fields": "id,name,language,status,category,components"}
        for _ in range(MOST_TEMPLATE_PAGES):
            page = await self._graph.ask("templates", f"/{self._graph.waba}/message_templates", params)
            found += [kept(row) for row in rows(page, "data")]
            paging = fields(page, "paging")
            after = text(fields(paging, "cursors"), "after")
            if not paging.get("next") or not after:
                self._templates = tuple(template_of(row) for row in found)
                return found
            params = {**params, "after": after}
        raise Malformed("the list of templates does not end", pages=MOST_TEMPLATE_PAGES)


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


def _recipient(body: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(body[name]) for name in ("to", "recipient") if name in body}


def _plainer(body: Mapping[str, Any], part: Part) -> dict[str, Any] | None:
    """The same words without what this number, or this WhatsApp, may not know yet."""
    if body.get("type") == "audio":
        return text_body(_recipient(body), str(part.body.get("_fallback") or part.text))
    if body.get("type") == "interactive" and fields(body, "interactive").get("type") == "request_contact_info":
        return text_body(_recipient(body), part.text)
    return None


def _check_digest(found: bytes, *said: str) -> None:
    """SHA-256, in base64 in webhooks, in hexadecimal in answers; either may be in the other form."""
    digest = hashlib.sha256(found)
    forms = {digest.hexdigest(), base64.b64encode(digest.digest()).decode()}
    for value in said:
        if value and value not in forms and value.lower() not in forms:
            raise Malformed("the file is not the one that was sent: its SHA-256 differs")
