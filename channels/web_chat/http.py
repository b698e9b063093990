"""The chat's HTTP door: `/chat/widget.js`, its modules, and under `/chat/<site>/` what a visitor's browser asks."""

import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from channels.web_chat import limits
from channels.web_chat.assets import Asset, Assets
from channels.web_chat.demo_page import demo_page
from channels.web_chat.desk import ChatDesk
from channels.web_chat.files import file_response
from channels.web_chat.limits import Gate, address_key, retry_after_s
from channels.web_chat.model import MOST_FILE_BYTES, MOST_FILES, Session, SessionUnknown, Site, widget_config
from channels.web_chat.origins import admitted, answer_headers, preflight_headers
from channels.web_chat.ports import Sites
from channels.web_chat.store import Page
from core.errors import AppError, InvalidInput, NotFound

log = structlog.get_logger(__name__)

MOST_JSON_BYTES = 32 * 1024
_MOST_PAGE = 200

_Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{16,64}$")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore")


class NewSession(_Body):
    language: str = Field("", max_length=35)
    page: str = Field("", max_length=500)


class NewMessage(_Body):
    id: _Id
    """Made by the browser, at random: the same id again is the same message."""
    text: str = Field("", max_length=20_000)
    button: str = Field("", max_length=200)
    files: list[_Id] = Field(default_factory=list, max_length=MOST_FILES)


class ReadMark(_Body):
    seq: int = Field(ge=0, lt=2**62)


class Proof(_Body):
    proof: str = Field(min_length=1, max_length=8192)


Act = Callable[[Site], Awaitable[Response]]


class ChatHttp:
    """Every answer carries the rules for the page that asked, refusals too: else a page could not read why."""

    def __init__(self, sites: Sites, desk: ChatDesk, gate: Gate) -> None:
        self._sites = sites
        self._desk = desk
        self._gate = gate

    async def answer(self, request: Request, token: str, act: Act) -> Response:
        origin = ""
        try:
            await self._gate.pass_("requests", client(request), limits.REQUESTS)
            site = await self._sites.find(token)
            if site is None:
                raise NotFound("site: there is no such chat, or it is switched off")
            origin = admitted(site, request.headers, request.method)
            response = await act(site)
        except AppError as error:
            if error.http_status >= 500 and not error.retryable:
                log.error("web_chat_request_failed", code=error.code)
            response = _json({"error": {"code": error.code, "message": error.message}}, error.http_status)
            wait_s = retry_after_s(error)
            if wait_s is not None:
                response.headers["Retry-After"] = str(wait_s)
        for name, value in answer_headers(origin).items():
            response.headers.setdefault(name, value)
        return response

    async def preflight(self, request: Request, token: str) -> Response:
        site = await self._sites.find(token)
        origin = request.headers.get("origin", "")
        if site is None or origin not in site.origins:
            return Response(status_code=403, headers=answer_headers(""))
        return Response(status_code=204, headers=preflight_headers(origin))

    async def begin(self, request: Request, site: Site) -> Response:
        body = NewSession.model_validate_json(await _json_body(request))
        await self._gate.pass_("sessions", client(request), limits.SESSIONS)
        token = await self._desk.store.begin(site, _plain(body.language), _plain(body.page))
        return _json({"token": token}, 201)

    async def end(self, request: Request, site: Site) -> Response:
        await self._desk.leave(site, await self._session(request, site))
        return Response(status_code=204)

    async def write(self, request: Request, site: Site) -> Response:
        body = NewMessage.model_validate_json(await _json_body(request))
        session = await self._session(request, site)
        await self._gate.pass_("messages", session.token_hash, limits.MESSAGES)
        await self._gate.pass_("messages-address", client(request), limits.MESSAGES_OF_ADDRESS)
        await self._gate.pass_("messages-site", str(site.account.id), limits.MESSAGES_OF_SITE)
        message = await self._desk.write(site, session, body.id, body.text, body.button, body.files)
        return _json({"message": message.as_json()})

    async def history(self, request: Request, site: Site) -> Response:
        session = await self._session(request, site)
        query = request.query_params
        known = {name: _number(query[name], name) for name in ("after", "before", "latest", "limit") if name in query}
        if len(known.keys() & {"after", "before", "latest"}) > 1:
            raise InvalidInput("history: one of after, before and latest")
        limit = max(1, min(known.get("latest", known.get("limit", 50)), _MOST_PAGE))
        page = await self._desk.history(site, session, known.get("after"), known.get("before"), limit)
        return _json(page_json(page))

    async def read(self, request: Request, site: Site) -> Response:
        body = ReadMark.model_validate_json(await _json_body(request))
        session = await self._session(request, site)
        await self._desk.read_up_to(site, session, body.seq)
        return Response(status_code=204)

    async def identify(self, request: Request, site: Site) -> Response:
        body = Proof.model_validate_json(await _json_body(request))
        session = await self._session(request, site)
        await self._gate.pass_("proofs", client(request), limits.PROOFS)
        who, moved = await self._desk.identify(site, session, body.proof)
        return _json({"name": who.name, "moved": moved})

    async def upload(self, request: Request, site: Site) -> Response:
        session = await self._session(request, site)
        await self._gate.pass_("uploads", session.token_hash, limits.UPLOADS)
        await self._gate.pass_("uploads-address", client(request), limits.UPLOADS_OF_ADDRESS)
        data = await bounded_body(request, MOST_FILE_BYTES, "file")
        file = await self._desk.upload(site, session, request.query_params.get("name", "")[:300], data)
        return _json({"id": file.id, "kind": file.kind, "type": file.type, "name": file.name,
                      "url": f"files/{file.id}"}, 201)  # fmt: skip

    async def file(self, request: Request, site: Site, file_id: str) -> Response:
        file, data = await self._desk.store.file(site, file_id)
        return file_response(file, data, request.headers.get("range", ""))

    async def _session(self, request: Request, site: Site) -> Session:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise SessionUnknown("authorization: Bearer with the session's key is missing")
        return await self._desk.store.session(site, token.strip())


def chat_router(chat: ChatHttp, assets: Assets) -> APIRouter:
    router = APIRouter(prefix="/chat", tags=["web chat"], include_in_schema=False)

    @router.get("/widget.js")
    async def loader(request: Request) -> Response:
        return _asset(request, assets.loader, "public, max-age=300, stale-while-revalidate=86400")

    @router.get("/assets/{version}/{name}")
    async def module(request: Request, version: str, name: str) -> Response:
        asset = assets.module(version, name)
        if asset is None:
            return Response(status_code=404, headers=_OPEN)
        return _asset(request, asset, "public, max-age=31536000, immutable")

    def serve(method: str, path: str, act: Callable[[Request, Site], Awaitable[Response]]) -> None:
        async def endpoint(request: Request, site: str) -> Response:
            return await chat.answer(request, site, lambda found: _checked(act, request, found))

        router.add_api_route(f"/{{site}}/{path}", endpoint, methods=[method])

    async def config(_request: Request, site: Site) -> Response:
        return _json(widget_config(site.account))

    serve("GET", "config", config)
    serve("POST", "session", chat.begin)
    serve("DELETE", "session", chat.end)
    serve("GET", "messages", chat.history)
    serve("POST", "messages", chat.write)
    serve("POST", "read", chat.read)
    serve("POST", "identity", chat.identify)
    serve("POST", "files", chat.upload)

    @router.get("/{site}/files/{file_id}")
    async def file(request: Request, site: str, file_id: str) -> Response:
        return await chat.answer(request, site, lambda found: chat.file(request, found, file_id))

    @router.get("/{site}/demo")
    async def demo(request: Request, site: str) -> Response:
        return await chat.answer(request, site, lambda found: _demo(request, found))

    @router.options("/{site}/{path:path}")
    async def preflight(request: Request, site: str, path: str) -> Response:
        return await chat.preflight(request, site)

    return router


async def _demo(request: Request, site: Site) -> Response:
    return demo_page(site, str(request.base_url))


async def _checked(act: Callable[[Request, Site], Awaitable[Response]], request: Request, site: Site) -> Response:
    try:
        return await act(request, site)
    except ValidationError as error:
        # the place and the rule, never the value: it is what a person wrote
        problems = [f"{'.'.join(str(part) for part in row['loc']) or 'body'}: {row['msg']}" for row in error.errors()]
        raise InvalidInput("; ".join(problems[:5])) from None


def client(request: Any) -> str:
    """The address that limits count, of a request or a socket. uvicorn believes X-Forwarded-For of local proxies."""
    return address_key(request.client.host if request.client else "")


def page_json(page: Page) -> dict[str, Any]:
    return {
        "messages": [message.as_json() for message in page.messages],
        "last_seq": page.last_seq,
        "read_seq": page.read_seq,
        "earlier": page.earlier,
    }


async def bounded_body(request: Request, most: int, what: str) -> bytes:
    """Raises InvalidInput as soon as more has come, whatever Content-Length says."""
    declared = request.headers.get("content-length", "")
    too_large = InvalidInput(f"{what}: larger than {most} bytes")
    if declared.isdigit() and int(declared) > most:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise too_large
    return bytes(body)


async def _json_body(request: Request) -> bytes:
    return await bounded_body(request, MOST_JSON_BYTES, "body")


def _json(content: Any, status: int = 200) -> Response:
    # a file opened as a page runs nothing
    headers = {"Content-Security-Policy": "default-src 'none'; sandbox"}
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return Response(text, status, headers, media_type="application/json")


def _number(text: str, name: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise InvalidInput(f"{name}: a whole number is needed")
    return int(text)


def _plain(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable()).encode("utf-8", "replace").decode()


_OPEN = {
    "Access-Control-Allow-Origin": "*",  # modules are loaded in CORS mode; there is nothing of a salon in them
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
}


def _asset(request: Request, asset: Asset, cache: str) -> Response:
    headers = {**_OPEN, "Cache-Control": cache, "ETag": asset.etag, "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == asset.etag:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(asset.zipped, headers={**headers, "Content-Encoding": "gzip"}, media_type=asset.type)
    return Response(asset.data, headers=headers, media_type=asset.type)
