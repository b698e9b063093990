"""The HTTP side: every header, field and type is checked, as the vendor does."""

import asyncio
import json
import secrets
from collections.abc import Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from channels.model import Refusal
from tests.simulators.channel.protocol import Client, Now, Received
from tests.simulators.max.people import People
from tests.simulators.max.shape import MaxError, check_message, check_subscription, must, only, shown, units

ACTIONS = {"typing_on", "sending_photo", "sending_video", "sending_audio", "sending_file"}
REFUSALS = {
    Refusal.UNREACHABLE: (403, "chat.denied", "error.dialog.suspended"),
    Refusal.BAD_MESSAGE: (400, "proto.payload", "ordered by the test"),
    Refusal.ACCOUNT: (401, "verify.token", "Invalid access_token"),
}
SUCCESS = {"success": True}


class MaxSimulator(People):
    name = "max"
    send_write = r"^POST /messages"
    most_text = 4000
    measure = staticmethod(units)
    polls = True

    def __init__(self, now: Now) -> None:
        super().__init__(now)
        self.token = secrets.token_urlsafe(48)
        self.not_ready = 0
        """So many sendings of a recording are told that it is still being looked at."""
        self.takes_audio = True
        self.uploads: dict[str, bytes | None] = {}
        self.subscriptions: dict[str, Mapping[str, Any]] = {}
        routes = [
            Route("/me", self._entry, methods=["GET"]),
            Route("/subscriptions", self._entry, methods=["GET", "POST", "DELETE"]),
            Route("/messages", self._entry, methods=["POST"]),
            Route("/answers", self._entry, methods=["POST"]),
            Route("/uploads", self._entry, methods=["POST"]),
            Route("/updates", self._entry, methods=["GET"]),
            Route("/chats/{chat}/actions", self._entry, methods=["POST"]),
            Route("/upload-host/{token}", self._upload_host, methods=["POST"]),
            Route("/files/{key}", self._file, methods=["GET"]),
        ]
        self.app = self.behind_faults(Starlette(routes=routes))

    def settings(self, base_url: str) -> tuple[dict[str, Any], dict[str, str]]:
        self.base_url = base_url
        return {"base_url": base_url}, {"token": self.token}

    def can_refuse(self, why: Refusal) -> bool:
        return why in REFUSALS

    def lose_files(self) -> None:
        self.files.clear()

    # --- the door

    async def _entry(self, request: Request) -> Response:
        try:
            self._admit(request)
            return await self._handle(request)
        except MaxError as error:
            return error.reply

    def _admit(self, request: Request) -> None:
        if self.revoked or request.headers.get("authorization") != self.token:
            raise MaxError(401, "verify.token", "Invalid access_token")
        if (seconds := self.next_limit()) is not None:
            raise MaxError(429, "too.many.requests", "Too many requests", seconds)

    async def _handle(self, request: Request) -> Response:
        match request.method, request.url.path:
            case "GET", "/me":
                return JSONResponse(
                    {
                        "user_id": self.bot_id, "first_name": "Салон Мята", "name": "Салон Мята",
                        "username": "myata_bot", "is_bot": True, "last_activity_time": self.stamp(),
                    }
                )  # fmt: skip
            case "GET", "/subscriptions":
                return JSONResponse({"subscriptions": list(self.subscriptions.values())})
            case "POST", "/subscriptions":
                return self._subscribe(await self._json(request))
            case "DELETE", "/subscriptions":
                return self._unsubscribe(request)
            case "POST", "/messages":
                return self._message(request, await self._json(request))
            case "POST", "/answers":
                return self._answer(request, await self._json(request))
            case "POST", "/uploads":
                return self._upload(request)
            case "GET", "/updates":
                return await self._updates(request)
            case _:
                return self._action(request, await self._json(request))

    async def _json(self, request: Request) -> Any:
        must(request.headers.get("content-type", "").split(";")[0] == "application/json", "Content-Type")
        try:
            return json.loads(await request.body())
        except ValueError:
            raise MaxError(400, "proto.payload", "invalid JSON") from None

    # --- the account

    def _subscribe(self, body: Any) -> Response:
        check_subscription(body)
        self.subscriptions = {  # one address at a time is told: the newest
            body["url"]: {"url": body["url"], "time": self.stamp(), "update_types": body.get("update_types")}
        }
        self.hook, self.secret = body["url"], body.get("secret")
        self.types = set(body["update_types"]) if body.get("update_types") else None
        return JSONResponse(SUCCESS)

    def _unsubscribe(self, request: Request) -> Response:
        url = request.query_params.get("url")
        must(url, "url is required")
        if self.subscriptions.pop(str(url), None) is None:
            return JSONResponse({"success": False, "message": "no such subscription"})
        self.hook = ""
        return JSONResponse(SUCCESS)

    async def _updates(self, request: Request) -> Response:
        must(not self.subscriptions, "a webhook is set")
        limit, timeout = int(request.query_params.get("limit", "100")), int(request.query_params.get("timeout", "30"))
        must(1 <= limit <= 1000 and 0 <= timeout <= 90, "limit or timeout")
        types = set(filter(None, request.query_params.get("types", "").split(",")))
        marker = request.query_params.get("marker")
        start = int(marker) if marker else max(0, len(self.updates) - limit)
        deadline = asyncio.get_running_loop().time() + timeout
        while len(self.updates) <= start and (left := deadline - asyncio.get_running_loop().time()) > 0:
            self.changed.clear()
            try:
                async with asyncio.timeout(left):
                    await self.changed.wait()
            except TimeoutError:
                break
        page = self.updates[start : start + limit]
        found = [update for update in page if not types or update["update_type"] in types]
        return JSONResponse({"updates": found, "marker": start + len(page)})

    # --- messages

    def _message(self, request: Request, body: Any) -> Response:
        query = request.query_params
        must(("user_id" in query) != ("chat_id" in query), "user_id or chat_id")
        must(set(query) <= {"user_id", "chat_id", "disable_link_preview"}, "unknown parameter")
        check_message(body)
        given = query.get("user_id") or query.get("chat_id") or ""
        must(given.lstrip("-").isdigit(), "the id must be a number")
        client = self._client(query)
        if client is None:
            raise MaxError(404, "chat.not.found", f"Chat {given} not found")
        if (why := self.next_refusal(client.key)) is not None:
            raise MaxError(*REFUSALS[why])
        if client.key in self.blocked:
            raise MaxError(403, "chat.denied", "error.dialog.suspended")
        text, voice = shown(body), None
        keyboard: list[dict[str, Any]] = []
        for item in body.get("attachments") or []:
            if item["type"] == "inline_keyboard":
                keyboard = [button for row in item["payload"]["buttons"] for button in row]
            else:
                voice = self._attached(item["payload"]["token"])
        sent = self.body(text, body.get("attachments"))
        recipient = {"chat_id": self.chat_of(client), "chat_type": "dialog", "user_id": self.user_of(client)}
        bot = {"user_id": self.bot_id, "first_name": "Салон Мята", "is_bot": True}
        message = {"sender": bot, "recipient": recipient, "timestamp": self.stamp(), "body": sent}
        self.messages[sent["mid"]] = message
        labels = tuple(button["text"] for button in keyboard if button["type"] == "callback")
        asks = any(button["type"] == "request_contact" for button in keyboard)
        self.receive(Received(client.key, sent["mid"], text, labels, asks, voice, dict(body)))
        return JSONResponse({"message": message})

    def _client(self, query: Mapping[str, str]) -> Client | None:
        if "user_id" in query:
            return self.client_of(int(query["user_id"]))
        return next((c for c in self.clients.values() if self.chat_of(c) == int(query["chat_id"])), None)

    def _attached(self, token: str) -> bytes:
        content = self.uploads.get(token)
        must(content is not None, "attachment token is not known")
        if self.not_ready > 0:
            self.not_ready -= 1
            message = "Key: errors.process.attachment.file.not.processed"
            raise MaxError(400, "attachment.not.ready", message)
        return content  # type: ignore[return-value]

    def _action(self, request: Request, body: Any) -> Response:
        only(body, {"action"}, "ActionRequestBody")
        must(body.get("action") in ACTIONS, "action")
        chat = request.path_params["chat"]
        client = next((c for c in self.clients.values() if str(self.chat_of(c)) == chat), None)
        if client is None:
            raise MaxError(404, "chat.not.found", "Chat not found")
        self.typed(client.key)
        return JSONResponse(SUCCESS)

    def _answer(self, request: Request, body: Any) -> Response:
        only(body, {"message", "notification"}, "CallbackAnswer")
        must(body.get("message") or body.get("notification"), "message or notification is required")
        if request.query_params.get("callback_id") not in self.callbacks:
            raise MaxError(404, "callback.not.found", "no such callback")
        self.answered_press()
        return JSONResponse(SUCCESS)

    # --- files

    def _upload(self, request: Request) -> Response:
        kind = request.query_params.get("type")
        must(kind in ("image", "video", "audio", "file"), "type")
        must(self.takes_audio or kind != "audio", "audio is not taken")
        token = secrets.token_hex(12)
        self.uploads[token] = None
        answer = {"url": f"{self.base_url}/upload-host/{token}"}
        if kind in ("audio", "video"):
            answer["token"] = token
        return JSONResponse(answer)

    async def _upload_host(self, request: Request) -> Response:
        """Another company's servers: whoever shows them the bot's token has given it away."""
        if "authorization" in request.headers:
            return Response("the token is none of ours", 400)
        async with request.form() as form:
            data = form.get("data")
            if set(form) != {"data"} or not hasattr(data, "read"):
                return Response("one field: data", 400)
            self.uploads[request.path_params["token"]] = await data.read()  # type: ignore[union-attr]
        return Response("<retval>1</retval>", media_type="text/xml")

    async def _file(self, request: Request) -> Response:
        content = self.files.get(request.path_params["key"])
        return Response(content) if content is not None else Response("gone", 404)
