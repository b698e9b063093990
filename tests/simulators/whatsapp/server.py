"""The HTTP side: every header, field and type is checked, as the vendor does."""

import json
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from hashlib import sha256
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from channels.model import Refusal
from tests.simulators.channel.protocol import ANNA, Client, Now, Received
from tests.simulators.whatsapp.graph import GraphError, check_message, check_read, must, units
from tests.simulators.whatsapp.people import File, People

REFUSALS = {
    Refusal.UNREACHABLE: 131026,
    Refusal.WINDOW_CLOSED: 131047,
    Refusal.BAD_MESSAGE: 131009,
    Refusal.ACCOUNT: 131042,
    Refusal.POLICY: 131048,
}
WINDOW = timedelta(hours=24)
URL_LIVES = timedelta(minutes=5)


class WhatsappSimulator(People):
    name = "whatsapp"
    send_write = r"^POST /v\d+\.\d+/\d+/messages"
    most_text = 4096
    measure = staticmethod(units)
    signs_body = True

    def __init__(self, now: Now) -> None:
        super().__init__(now)
        self.app_id, self.waba_id = "700100200300", "800100200300"
        self.access_token = secrets.token_urlsafe(32)
        self.pin = f"{secrets.randbelow(10**6):06d}"
        self.status, self.verification = "CONNECTED", "VERIFIED"
        self.numbers = [self.number_id]
        self.read_marks: list[str] = []
        self.templates: list[dict[str, Any]] = []
        self.page = 2
        self.late_refusals = True
        """A closed window and a blocked salon are told by a `failed` status after a 200, as Meta does mostly."""
        self.pair_burst: int | None = None
        self.knows_contact_request = True
        self._pairs: dict[str, int] = {}
        self._urls: dict[str, tuple[str, Any]] = {}
        self.bare = Starlette(routes=[Route("/{path:path}", self._entry, methods=["GET", "POST", "DELETE"])])
        self.app = self.behind_faults(self.bare)

    def settings(self, base_url: str) -> tuple[dict[str, Any], dict[str, str]]:
        self.base_url = base_url
        return (
            {
                "phone_number_id": self.number_id,
                "waba_id": self.waba_id,
                "app_id": self.app_id,
                "base_url": base_url,
            },
            {"access_token": self.access_token, "app_secret": self.app_secret},
        )

    def install(self, hook: str, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        """App Dashboard, WhatsApp, Configuration: address, verify token, the field messages."""
        self.hook, self.verify_token = hook, secrets.get("verify_token", "")

    def can_refuse(self, why: Refusal) -> bool:
        return True

    def lose_files(self) -> None:
        self.files.clear()
        self._urls.clear()

    # --- the door

    async def _entry(self, request: Request) -> Response:
        try:
            return await self._routed(request)
        except GraphError as error:
            return error.reply

    async def _routed(self, request: Request) -> Response:
        path = "/" + request.path_params["path"]
        if path.startswith("/media-files/"):
            return self._file_bytes(request, path.removeprefix("/media-files/"))
        found = re.fullmatch(r"/v\d+\.\d+/([0-9]+)(/[a-z_]+)?", path)
        must(found, "Unknown path components", 100)
        node, edge = found.group(1), found.group(2) or ""
        if (node, edge) != (self.app_id, "/subscriptions"):
            self._authorise(request)
        if (seconds := self.next_limit()) is not None:
            raise GraphError(130429, "Cloud API message throughput has been reached.", retry_after_s=seconds)
        handler = self._handler(request.method, node, edge)
        return await handler(request)

    def _authorise(self, request: Request) -> None:
        if self.revoked or request.headers.get("authorization") != f"Bearer {self.access_token}":
            raise GraphError(190, "Authentication Error", 401)

    def _handler(self, method: str, node: str, edge: str) -> Callable[[Request], Awaitable[Response]]:
        number, waba, app = self.number_id, self.waba_id, self.app_id
        table = {
            ("GET", number, ""): self._number,
            ("POST", number, "/messages"): self._messages,
            ("POST", number, "/media"): self._upload,
            ("POST", number, "/register"): self._register,
            ("GET", waba, "/subscribed_apps"): self._apps,
            ("POST", waba, "/subscribed_apps"): self._subscribe,
            ("DELETE", waba, "/subscribed_apps"): self._unsubscribe,
            ("GET", waba, "/message_templates"): self._templates,
            ("GET", waba, "/phone_numbers"): self._numbers,
            ("POST", app, "/subscriptions"): self._subscriptions,
        }
        if (handler := table.get((method, node, edge))) is not None:
            return handler
        if method == "GET" and edge == "" and node in self.files:
            return self._media
        raise GraphError(100, f"Unsupported {method.lower()} request. Object with ID '{node}' does not exist")

    async def _json(self, request: Request) -> Any:
        if request.headers.get("content-type", "").split(";")[0] != "application/json":
            raise GraphError(100, "Content-Type must be application/json")
        try:
            return json.loads(await request.body())
        except ValueError:
            raise GraphError(100, "Invalid JSON") from None

    # --- the account

    async def _number(self, request: Request) -> Response:
        known = {
            "id": self.number_id, "verified_name": "Мята", "display_phone_number": "+7 900 000-00-00",
            "code_verification_status": self.verification, "quality_rating": "GREEN", "status": self.status,
        }  # fmt: skip
        wanted = request.query_params.get("fields", "").split(",")
        must(set(wanted) <= set(known), f"Tried accessing nonexisting field among {wanted}", 100)
        return JSONResponse({name: known[name] for name in (*wanted, "id")})

    async def _register(self, request: Request) -> Response:
        body = await self._json(request)
        must(set(body) == {"messaging_product", "pin"} and body["messaging_product"] == "whatsapp", "register", 100)
        must(body["pin"] == self.pin, "The PIN is wrong", 133005)
        self.status = "CONNECTED"
        return JSONResponse({"success": True})

    async def _apps(self, request: Request) -> Response:
        app = {"whatsapp_business_api_data": {"link": "https://salon.example", "name": "Salon", "id": self.app_id}}
        return JSONResponse({"data": [app] if self.subscribed else []})

    async def _subscribe(self, request: Request) -> Response:
        self.subscribed = True
        return JSONResponse({"success": True})

    async def _unsubscribe(self, request: Request) -> Response:
        self.subscribed = False
        return JSONResponse({"success": True})

    async def _numbers(self, request: Request) -> Response:
        return JSONResponse({"data": [{"id": number} for number in self.numbers]})

    async def _subscriptions(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {self.app_id}|{self.app_secret}":
            raise GraphError(190, "An app access token is required", 401)
        body = await self._json(request)
        must(body.get("object") == "whatsapp_business_account", "object", 100)
        must("messages" in str(body.get("fields", "")).split(","), "fields", 100)
        challenge = str(secrets.randbelow(10**10))
        query = {"hub.mode": "subscribe", "hub.verify_token": body["verify_token"], "hub.challenge": challenge}
        if body["callback_url"].startswith("http://127.0.0.1:"):  # nothing beyond this machine is asked
            async with httpx.AsyncClient(timeout=5, trust_env=False) as http:
                try:
                    answer = await http.get(body["callback_url"], params=query)
                except httpx.HTTPError:
                    raise GraphError(100, "The URL couldn't be validated") from None
            must(answer.status_code == 200 and answer.text == challenge, "Callback verification failed", 100)
        self.hook, self.verify_token = body["callback_url"], body["verify_token"]
        return JSONResponse({"success": True})

    async def _templates(self, request: Request) -> Response:
        start = int(request.query_params.get("after") or 0)
        size = min(self.page, int(request.query_params.get("limit", "25")))
        rows = self.templates[start : start + size]
        paging: dict[str, Any] = {"cursors": {"before": str(start), "after": str(start + size)}}
        if start + size < len(self.templates):
            paging["next"] = f"{self.base_url}/v26.0/{self.waba_id}/message_templates?after={start + size}"
        return JSONResponse({"data": rows, **({"paging": paging} if rows else {})})

    # --- files

    async def _upload(self, request: Request) -> Response:
        async with request.form() as form:
            must(form.get("messaging_product") == "whatsapp", "messaging_product", 100)
            upload = form.get("file")
            must(hasattr(upload, "read"), "file is required", 131008)
            content, kind = await upload.read(), upload.content_type  # type: ignore[union-attr]
            must(form.get("type", kind) in ("audio/ogg", "audio/mpeg", "image/jpeg", "image/png"), "type", 131053)
        if kind == "audio/ogg" and not content.startswith(b"OggS"):
            raise GraphError(131053, "Media upload error: not an Ogg/Opus file")
        must(len(content) <= 16 * 1024 * 1024, "Media file size too big", 131053)
        return JSONResponse({"id": self.keep(File(content, str(kind)))})

    async def _media(self, request: Request) -> Response:
        media_id = request.path_params["path"].split("/")[1]
        owner = request.query_params.get("phone_number_id", self.number_id)
        must(owner == self.number_id, "the file belongs to another number", 100)
        file = self.files[media_id]
        key = secrets.token_urlsafe(12)
        self._urls[key] = (media_id, self.now() + URL_LIVES)
        return JSONResponse(
            {
                "messaging_product": "whatsapp", "url": f"{self.base_url}/media-files/{key}",
                "mime_type": file.mime_type, "sha256": sha256(file.content).hexdigest(),
                "file_size": str(len(file.content)), "id": media_id,
            }
        )  # fmt: skip

    def _file_bytes(self, request: Request, key: str) -> Response:
        self._authorise(request)
        media_id, until = self._urls.get(key, ("", self.now()))
        if self.now() >= until or media_id not in self.files:
            return Response("URL signature expired", 404)
        return Response(self.files[media_id].content, media_type=self.files[media_id].mime_type)

    # --- messages

    async def _messages(self, request: Request) -> Response:
        body = await self._json(request)
        if isinstance(body, Mapping) and "status" in body:
            return self._mark(body)
        check_message(body)
        client = self._receiver(body)
        if (why := self.next_refusal(client.key)) is not None:
            raise GraphError(REFUSALS[why], "ordered by the test")
        self._pair(client)
        is_template = body.get("type") == "template"
        received = self._shown(body, client)
        failure = self._undeliverable(client, is_template=is_template)
        if failure and not self.late_refusals:
            raise GraphError(failure, "told at once")
        marker = str(body.get("biz_opaque_callback_data", ""))
        self.markers[received.id] = marker
        if failure:
            self.tell_status(received.id, "failed", client, code=failure)
        else:
            self.receive(received)
            self.tell_status(received.id, "sent", client)
        contact = {"input": body.get("to") or body["recipient"]}
        contact |= {"wa_id": client.phone[1:]} if "to" in body else {"user_id": self.user_id(client)}
        message = {"id": received.id, **({"message_status": "accepted"} if is_template else {})}
        return JSONResponse({"messaging_product": "whatsapp", "contacts": [contact], "messages": [message]})

    def _mark(self, body: Mapping[str, Any]) -> Response:
        check_read(body)
        client = self.writers.get(str(body.get("message_id")))
        must(client is not None, "message_id is no message of this number", 131009)
        self.read_marks.append(body["message_id"])
        if "typing_indicator" in body:
            self.typed(client.key)  # type: ignore[union-attr]
        return JSONResponse({"success": True})

    def _receiver(self, body: Mapping[str, Any]) -> Client:
        for client in self.clients.values():
            if "to" in body:
                if client.phone.lstrip("+") == body["to"].lstrip("+"):
                    return client
            elif self.user_id(client) == body["recipient"]:
                must(body.get("type") != "template" or self.bsuid_templates, "not by user ID", 131062)
                return client
        raise GraphError(131026, "Message Undeliverable.")

    def _pair(self, client: Client) -> None:
        if self.pair_burst is None:
            return
        self._pairs[client.key] = self._pairs.get(client.key, 0) + 1
        if self._pairs[client.key] > self.pair_burst:
            raise GraphError(131056, "Too many messages to the same person", 429)

    def _undeliverable(self, client: Client, *, is_template: bool) -> int | None:
        if client.key in self.blocked:
            return 131026
        last = self.wrote_at.get(client.key)
        if not is_template and (last is None or self.now() - last > WINDOW):
            return 131047
        return None

    def _shown(self, body: Mapping[str, Any], client: Client) -> Received:
        """What the person sees."""
        kind = body.get("type", "text")
        message_id = self.new_wamid()
        text, buttons, voice, asks = "", (), None, False
        if kind == "text":
            text = body["text"]["body"]
        elif kind == "audio":
            file = self.files.get(str(body["audio"].get("id")))
            must(file is not None, "no such media", 131009)
            voice = file.content if body["audio"].get("voice") else None  # type: ignore[union-attr]
        elif kind == "template":
            text, buttons = self._filled(body["template"])
        else:
            inter = body["interactive"]
            text = inter["body"]["text"]
            asks = inter["type"] == "request_contact_info"
            must(not asks or self.knows_contact_request, "interactive type", 131009)
            rows = [row for section in inter["action"].get("sections", []) for row in section["rows"]]
            replies = rows or [button["reply"] for button in inter["action"].get("buttons", [])]
            buttons = tuple(reply["title"] for reply in replies)
            for reply in replies:
                self.buttons[message_id, reply["title"]] = ("list_reply" if rows else "button_reply", reply)
        if kind == "template":
            for component in body["template"].get("components", []):
                if component["type"] == "button":
                    label = buttons[int(component["index"])]
                    self.buttons[message_id, label] = ("button", component["parameters"][0])
        return Received(client.key, message_id, text, buttons, asks, voice, dict(body))

    def _filled(self, template: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
        code = template["language"]["code"]
        known = next((t for t in self.templates if (t["name"], t["language"]) == (template["name"], code)), None)
        if known is None:
            raise GraphError(132001, f"template name ({template['name']}) does not exist in {code}", 404)
        must(known["status"] != "PAUSED", "paused", 132015)
        must(known["status"] == "APPROVED", "not approved", 132001)
        parts = {component["type"]: component for component in known["components"]}
        text = parts["BODY"]["text"]
        places = list(dict.fromkeys(re.findall(r"\{\{(\w+)\}\}", text)))
        sent = next((c["parameters"] for c in template.get("components", []) if c["type"] == "body"), [])
        must(len(sent) == len(places), f"body: {len(sent)} given, {len(places)} expected", 132000)
        for number, parameter in enumerate(sent, 1):
            named = not places[number - 1].isdigit()
            must(not named or "parameter_name" in parameter, "parameter_name is required", 132012)
            text = text.replace("{{" + parameter.get("parameter_name", str(number)) + "}}", parameter["text"])
        return text, tuple(button["text"] for button in parts.get("BUTTONS", {}).get("buttons", []))

    def approve(self, name: str, body: str, *buttons: str, language: str = "ru", status: str = "APPROVED") -> None:
        """A template as Meta approved it."""
        components: list[dict[str, Any]] = [{"type": "BODY", "text": body}]
        if buttons:
            components.append(
                {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": text} for text in buttons]}
            )
        number = str(900 + len(self.templates))
        self.templates.append(
            {"id": number, "name": name, "language": language, "status": status, "category": "UTILITY",
             "components": components}
        )  # fmt: skip

    def silent_for(self, hours: float, client: Client = ANNA) -> None:
        """The client wrote last so long ago."""
        self.wrote_at[client.key] = self.now() - timedelta(hours=hours)
