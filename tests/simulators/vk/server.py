"""The vendor's half: methods with their parameters and codes, callback servers, long poll, uploads."""

import asyncio
import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from channels.model import Refusal
from tests.simulators.channel.protocol import Now, Received, Webhook
from tests.simulators.vk.keyboard import Refused, checked
from tests.simulators.vk.people import VkPeople

CODES = {Refusal.UNREACHABLE: (901, "Can't send messages for users without permission"),
         Refusal.BAD_MESSAGE: (100, "One of the parameters specified was missing or invalid"),
         Refusal.ACCOUNT: (27, "Group authorization failed: method is unavailable with group auth."),
         Refusal.WINDOW_CLOSED: (950, "Can't send message, reply timed out"),
         Refusal.POLICY: (943, "Cannot use this intent")}  # fmt: skip
EVENTS = {"message_new", "message_reply", "message_edit", "message_allow", "message_deny", "message_read",
          "message_event", "message_typing_state", "user_block", "user_unblock", "group_join"}  # fmt: skip
_SEND = {"peer_id", "user_id", "random_id", "message", "attachment", "keyboard", "payload", "reply_to",
         "disable_mentions", "dont_parse_links", "intent"}  # fmt: skip
_GROUP = {"group_id"}


class VkSimulator(VkPeople):
    name = "vk"
    send_write = r"POST /method/messages\.send\?"
    most_text = 4096
    measure = staticmethod(len)
    polls = True

    def __init__(self, now: Now) -> None:
        super().__init__(now)
        self.token = f"vk1.a.{secrets.token_urlsafe(60)}"
        self.servers: dict[int, dict[str, Any]] = {}
        self.poll_key = secrets.token_hex(8)
        self.uploads: dict[str, bytes] = {}
        self.docs: dict[str, bytes] = {}
        self.no_bots = False
        """«Возможности ботов» are off: error 912 for keyboards."""
        self._by_random: dict[tuple[int, int], int] = {}
        server = {"server_id", "url", "title", "secret_key"}
        self._methods: dict[str, tuple[Callable[[dict[str, str]], Any], set[str]]] = {
            "messages.send": (self._send, _SEND),
            "messages.setActivity": (self._activity, {"type", "peer_id", "user_id", *_GROUP}),
            "messages.markAsRead": (self._read, {"peer_id", "mark_conversation_as_read", "up_to_cmid", *_GROUP}),
            "messages.sendMessageEventAnswer": (
                self._press, {"event_id", "user_id", "peer_id", "event_data"}
            ),
            "groups.getById": (self._by_id, {"group_id", "group_ids", "fields"}),
            "groups.getCallbackConfirmationCode": (lambda p: {"code": self.code}, _GROUP),
            "groups.getCallbackServers": (self._list_servers, {"server_ids", *_GROUP}),
            "groups.addCallbackServer": (self._add_server, {*server, *_GROUP} - {"server_id"}),
            "groups.editCallbackServer": (self._edit_server, {*server, *_GROUP}),
            "groups.deleteCallbackServer": (self._delete_server, {"server_id", *_GROUP}),
            "groups.setCallbackSettings": (self._set_events, {"server_id", "api_version", *EVENTS, *_GROUP}),
            "groups.setLongPollSettings": (self._set_poll, {"enabled", "api_version", *EVENTS, *_GROUP}),
            "groups.getLongPollServer": (self._poll_server, _GROUP),
            "docs.getMessagesUploadServer": (self._upload_server, {"type", "peer_id"}),
            "docs.save": (self._save, {"file", "title", "tags"}),
        }  # fmt: skip
        self.app = self.behind_faults(
            Starlette(
                routes=[
                    Route("/method/{method}", self._call, methods=["GET", "POST"]),
                    Route("/lp", self._long_poll, methods=["GET"]),
                    Route("/upload/{key}", self._upload, methods=["POST"]),
                    Route("/files/{path}", self._file, methods=["GET"]),
                ]
            )
        )

    def settings(self, base_url: str) -> tuple[dict[str, Any], dict[str, str]]:
        self.base_url = base_url
        return {"base_url": base_url, "group_id": str(self.group_id)}, {"token": self.token}

    def can_refuse(self, why: Refusal) -> bool:
        return why in CODES

    def accepts(self, status: int, body: bytes) -> bool:
        """An event wants exactly `ok`; the question for the string wants exactly the string."""
        if body == self.code.encode() and status == 200:
            for server in self.servers.values():
                server["status"] = "ok"
            return True
        return status == 200 and body == b"ok"

    # --- signatures: the secret lies in the body

    def _with_secret(self, webhook: Webhook, secret: str | None) -> Webhook:
        body = {name: value for name, value in json.loads(webhook.body).items() if name != "secret"}
        if secret is not None:
            body["secret"] = secret
        return Webhook(json.dumps(body).encode(), webhook.headers)

    def forged(self, webhook: Webhook) -> Webhook:
        return self._with_secret(webhook, self.secret[:-1] + ("a" if self.secret[-1] != "a" else "b"))

    def unsigned(self, webhook: Webhook) -> Webhook:
        return self._with_secret(webhook, None)

    def foreign(self, webhook: Webhook) -> Webhook:
        return self._with_secret(webhook, secrets.token_hex(20))

    # --- HTTP

    async def _call(self, request: Request) -> Response:
        if request.headers.get("content-type", "").split(";")[0] not in ("application/x-www-form-urlencoded", ""):
            return _error(Refused(100, "parameters come as form fields"))
        form = {name: str(value) for name, value in {**request.query_params, **await request.form()}.items()}
        try:
            return JSONResponse({"response": self._done(request.path_params["method"], form)})
        except Refused as refused:
            return _error(refused)

    def _done(self, method: str, form: dict[str, str]) -> Any:
        token, version = form.pop("access_token", ""), form.pop("v", "")
        if self.revoked or token != self.token:
            raise Refused(5, "User authorization failed: invalid access_token (4).")
        if not version:
            raise Refused(8, "Invalid request: v (version) is required")
        if self.next_limit_due(method):
            raise Refused(9, "Flood control")
        if method not in self._methods:
            raise Refused(3, "Unknown method passed")
        run, known = self._methods[method]
        if unknown := set(form) - known:
            raise Refused(100, f"One of the parameters specified was missing or invalid: {sorted(unknown)}")
        if "group_id" in form and form["group_id"] != str(self.group_id):
            raise Refused(15, "Access denied: group")
        return run(form)

    def next_limit_due(self, method: str) -> bool:
        """`limit(1)` is the limit of a second (code 6), anything longer is flood control (code 9)."""
        seconds = self.next_limit()
        if seconds == 1:
            raise Refused(6, "Too many requests per second")
        return seconds is not None

    # --- messages

    def _peer(self, form: Mapping[str, str]) -> str:
        key = self.key_of(int(form.get("peer_id") or form.get("user_id") or 0))
        if key is None:
            raise Refused(100, "One of the parameters specified was missing or invalid: peer_id is invalid")
        return key

    def _send(self, form: dict[str, str]) -> Any:
        if "random_id" not in form or not -(2**31) <= int(form["random_id"]) < 2**31:
            raise Refused(100, "One of the parameters specified was missing or invalid: random_id is a required param")
        key, number = self._peer(form), int(form["random_id"])
        peer = self.user_id(key)
        if number and (peer, number) in self._by_random:
            return self._by_random[peer, number]
        if key in self.blocked or key not in self.allowed:
            raise Refused(901, "Can't send messages for users without permission")
        if (why := self.next_refusal(key)) is not None:
            raise Refused(*CODES[why])
        text = form.get("message", "")
        if not text and "attachment" not in form:
            raise Refused(100, "One of the parameters specified was missing or invalid: message is empty or invalid")
        if len(text) > 4096:
            raise Refused(914, "Message is too long")
        if len(form.get("payload", "")) > 1000:
            raise Refused(100, "One of the parameters specified was missing or invalid: payload")
        if "reply_to" in form and int(form["reply_to"]) not in self.messages:
            raise Refused(100, "One of the parameters specified was missing or invalid: reply_to")
        actions: list[dict[str, Any]] = []
        if "keyboard" in form:
            if self.no_bots:
                raise Refused(912, "This is a chat bot feature, change this status in settings")
            actions, _ = checked(form["keyboard"])
        voice = None
        if "attachment" in form:
            voice = self.docs.get(form["attachment"])
            if voice is None:
                raise Refused(100, "One of the parameters specified was missing or invalid: attachment")
        payload = {"payload": form["payload"]} if "payload" in form else {}
        message = self.message(key, text, from_id=-self.group_id, out=1, random_id=number, **payload)
        if number:
            self._by_random[peer, number] = message["id"]
        labels = tuple(action["label"] for action in actions)
        self.receive(Received(key, str(message["id"]), text, labels, False, voice, {**form, "actions": actions}))
        self.event("message_reply", message)
        return message["id"]

    def _activity(self, form: dict[str, str]) -> Any:
        if form.get("type") not in ("typing", "audiomessage"):
            raise Refused(100, "One of the parameters specified was missing or invalid: type")
        self.typed(self._peer(form))
        return 1

    def _read(self, form: dict[str, str]) -> Any:
        self._peer(form)
        if "mark_conversation_as_read" not in form and "up_to_cmid" not in form:
            raise Refused(100, "One of the parameters specified was missing or invalid: what to mark")
        return 1

    def _press(self, form: dict[str, str]) -> Any:
        if form.get("event_id") not in self.presses_waiting:
            raise Refused(100, "One of the parameters specified was missing or invalid: event_id")
        self.presses_waiting.discard(form["event_id"])
        self.answered_press()
        return 1

    # --- the community

    def _by_id(self, form: dict[str, str]) -> Any:
        group = {
            "id": self.group_id,
            "name": "Салон Мята",
            "screen_name": "myata_salon",
            "is_closed": 0,
            "type": "page",
        }
        return {"groups": [group], "profiles": []}

    def _list_servers(self, form: dict[str, str]) -> Any:
        return {"count": len(self.servers), "items": list(self.servers.values())}

    def _add_server(self, form: dict[str, str]) -> Any:
        if len(self.servers) >= 10:
            raise Refused(2000, "Servers number limit is reached")
        number = max(self.servers, default=0) + 1
        self._write_server(number, form)
        return {"server_id": number}

    def _edit_server(self, form: dict[str, str]) -> Any:
        if int(form["server_id"]) not in self.servers:
            raise Refused(100, "One of the parameters specified was missing or invalid: server_id")
        self._write_server(int(form["server_id"]), form)
        return 1

    def _write_server(self, number: int, form: dict[str, str]) -> None:
        title, secret = form.get("title", ""), form.get("secret_key", "")
        if not 1 <= len(title) <= 14 or not form.get("url", "").startswith(("http://", "https://")):
            raise Refused(100, "One of the parameters specified was missing or invalid: title, url")
        if len(secret) > 50 or not secret.replace("_", "").isalnum():
            raise Refused(100, "One of the parameters specified was missing or invalid: secret_key")
        self.servers[number] = {"id": number, "title": title, "creator_id": 1, "url": form["url"],
                                "secret_key": secret, "status": "wait"}  # fmt: skip
        self.hook, self.secret, self.code = form["url"], secret, secrets.token_hex(4)
        self.tell(self.signed({"type": "confirmation", "group_id": self.group_id}))

    def _delete_server(self, form: dict[str, str]) -> Any:
        if self.servers.pop(int(form["server_id"]), None) is None:
            raise Refused(100, "One of the parameters specified was missing or invalid: server_id")
        self.hook = ""
        return 1

    def _set_events(self, form: dict[str, str]) -> Any:
        if int(form["server_id"]) not in self.servers or not form.get("api_version", "").startswith("5."):
            raise Refused(100, "One of the parameters specified was missing or invalid: server_id, api_version")
        self.subscribed = {name for name in EVENTS if form.get(name) == "1"}
        return 1

    def _set_poll(self, form: dict[str, str]) -> Any:
        self.polling_on = form.get("enabled") == "1"
        self.subscribed = {name for name in EVENTS if form.get(name) == "1"}
        return 1

    # --- long poll

    def _poll_server(self, form: dict[str, str]) -> Any:
        if not self.polling_on:
            raise Refused(100, "One of the parameters specified was missing or invalid: long poll is off")
        return {"key": self.poll_key, "server": f"{self.base_url}/lp", "ts": str(self.ts)}

    async def _long_poll(self, request: Request) -> Response:
        asked = request.query_params
        if asked.get("act") != "a_check" or not asked.get("ts", "").isdigit():
            return JSONResponse({"failed": 3})
        if asked.get("key") != self.poll_key:
            return JSONResponse({"failed": 2})
        since, loop = int(asked["ts"]), asyncio.get_running_loop()
        if self.polled and since < self.polled[0][0] - 1:
            return JSONResponse({"failed": 1, "ts": str(self.polled[0][0] - 1)})
        deadline = loop.time() + min(90, int(asked.get("wait", "25")))
        while self.ts <= since and loop.time() < deadline:  # noqa: ASYNC110 - as the vendor waits
            await asyncio.sleep(0.02)
        updates = [body for number, body in self.polled if number > since]
        return JSONResponse({"ts": str(self.ts), "updates": updates})

    # --- files

    def _upload_server(self, form: dict[str, str]) -> Any:
        if form.get("type") not in ("doc", "audio_message", "graffiti"):
            raise Refused(100, "One of the parameters specified was missing or invalid: type")
        self._peer(form)
        return {"upload_url": f"{self.base_url}/upload/{secrets.token_hex(8)}"}

    async def _upload(self, request: Request) -> Response:
        async with request.form() as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                return JSONResponse({"error": "no_file"})
            content = await file.read()
        if not content.startswith(b"OggS"):
            return JSONResponse({"error": "unknown_format"})
        ticket = secrets.token_hex(12)
        self.uploads[ticket] = content
        return JSONResponse({"file": ticket})

    def _save(self, form: dict[str, str]) -> Any:
        content = self.uploads.pop(form.get("file", ""), None)
        if content is None:
            raise Refused(105, "Couldn't save file")
        number = secrets.randbelow(10**6)
        self.docs[f"doc{-self.group_id}_{number}_key"] = content
        note = {"id": number, "owner_id": -self.group_id, "duration": 2, "waveform": [], "link_ogg": "", "link_mp3": "",
                "access_key": "key"}  # fmt: skip
        return {"type": "audio_message", "audio_message": note}

    async def _file(self, request: Request) -> Response:
        found = self.files.get(request.path_params["path"])
        return Response(found) if found is not None else Response(status_code=404)


def _error(refused: Refused) -> Response:
    params = [{"key": "method", "value": "?"}]
    return JSONResponse({"error": {"error_code": refused.code, "error_msg": refused.message, "request_params": params}})
