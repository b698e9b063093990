"""GigaChat behind the wire of chat completions: a transport that translates requests, answers and streams.

Sber's API v1 has functions in the old style: one call a turn, its arguments an object, results as valid JSON, a
`functions_state_id` that must come back with the call, one system message, and tokens of thirty minutes.
Source: developers.sber.ru/docs/ru/gigachat/api.
"""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

REFRESH_BEFORE_S = 120.0
"""A token is renewed so long before its end: no request of a talk carries one that dies on the way."""
TOKEN_TIMEOUT_S = 5.0
_UNKNOWN_FIELDS = ("stream_options", "parallel_tool_calls", "tool_choice", "tools", "max_completion_tokens", "store")


@dataclass(frozen=True, slots=True)
class _Token:
    value: str
    expires_s: float
    """Wall clock, seconds."""


class GigaChatTransport(httpx2.AsyncBaseTransport):
    """Speaks chat completions to the client library and GigaChat v1 to Sber."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, *, key: str, scope: str, token_url: str) -> None:
        self._inner = inner
        self._key = key
        self._scope = scope
        self._token_url = token_url
        self._token: _Token | None = None
        self._lock = asyncio.Lock()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        asked = json.loads(await request.aread() or b"{}")
        body = json.dumps(request_to_gigachat(asked), ensure_ascii=False).encode()
        for renew in (False, True):
            token = await self._fresh_token(renew=renew)
            if isinstance(token, httpx2.Response):
                return token
            answer = await self._inner.handle_async_request(self._signed(request, body, token))
            if answer.status_code != 401 or renew:
                break
            await answer.aclose()  # the token was withdrawn before its time: once with a new one
        if answer.status_code != 200:
            return await _refused(answer)
        if asked.get("stream"):
            return httpx2.Response(
                200, headers={"content-type": "text/event-stream"}, stream=_Translated(answer), extensions={}
            )
        data = json.loads(await _read(answer))
        return httpx2.Response(200, json=answer_from_gigachat(data))

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _signed(self, request: httpx2.Request, body: bytes, token: str) -> httpx2.Request:
        headers = {
            "host": request.url.netloc.decode(),
            "authorization": f"Bearer {token}",
            "content-type": "application/json",
            "accept": "text/event-stream, application/json",
            "x-request-id": str(uuid.uuid4()),
        }
        return httpx2.Request("POST", request.url, headers=headers, content=body, extensions=request.extensions)

    async def _fresh_token(self, *, renew: bool) -> str | httpx2.Response:
        """One request at a time fetches it; the rest wait for the same. A refusal comes back as the answer."""
        before = self._token
        async with self._lock:
            usable = self._token is not None and self._token.expires_s - REFRESH_BEFORE_S > time.time()
            if self._token is not None and usable and not (renew and self._token is before):
                return self._token.value
            headers = {
                "authorization": f"Basic {self._key}",
                "rquid": str(uuid.uuid4()),
                "content-type": "application/x-www-form-urlencoded",
                "accept": "application/json",
            }
            timeout = dict.fromkeys(("connect", "read", "write", "pool"), TOKEN_TIMEOUT_S)
            asked = httpx2.Request(
                "POST", self._token_url, headers=headers, data={"scope": self._scope}, extensions={"timeout": timeout}
            )
            answer = await self._inner.handle_async_request(asked)
            text = await _read(answer)
            if answer.status_code != 200:
                # A wrong key, scope or contract: for the caller of the API all of it is a refused key.
                status = 401 if answer.status_code < 500 and answer.status_code != 429 else answer.status_code
                return httpx2.Response(status, json=_error(text, status))
            self._token = _token(json.loads(text))
            return self._token.value


def _token(data: Mapping[str, Any]) -> _Token:
    """`expires_at` in milliseconds; an older form has `tok` and `exp` in seconds."""
    value = str(data.get("access_token") or data["tok"])
    expires = float(data.get("expires_at") or data.get("exp") or 0)
    return _Token(value, expires / 1000 if expires > 1e11 else expires)


def request_to_gigachat(asked: Mapping[str, Any]) -> dict[str, Any]:
    data = {name: value for name, value in asked.items() if name not in _UNKNOWN_FIELDS}
    data["messages"] = _messages(asked["messages"])
    if "max_completion_tokens" in asked:
        data["max_tokens"] = asked["max_completion_tokens"]
    functions = [
        {name: tool["function"][name] for name in ("name", "description", "parameters") if name in tool["function"]}
        for tool in asked.get("tools", ())
    ]
    if functions and asked.get("tool_choice") != "none":
        data["functions"] = functions
        data["function_call"] = "auto"
    if data.get("temperature") == 0:
        data["temperature"] = 0.01  # zero is refused
    return data


def _messages(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    system = [_text(m) for m in messages if m["role"] in ("system", "developer")]
    translated: list[dict[str, Any]] = [{"role": "system", "content": "\n\n".join(system)}] if system else []
    names: dict[str, str] = {}
    for message in messages:
        match message["role"]:
            case "user":
                translated.append({"role": "user", "content": _text(message)})
            case "assistant":
                translated.append(_assistant(message, names))
            case "tool":
                name = names.get(message["tool_call_id"], "")
                translated.append({"role": "function", "name": name, "content": _as_json(_text(message))})
    return translated


def _assistant(message: Mapping[str, Any], names: dict[str, str]) -> dict[str, Any]:
    said: dict[str, Any] = {"role": "assistant", "content": _text(message)}
    calls = message.get("tool_calls") or ()
    for call in calls:
        names[call["id"]] = call["function"]["name"]
    for call in calls[:1]:
        arguments = _object(call["function"]["arguments"])
        said["function_call"] = {"name": call["function"]["name"], "arguments": arguments}
        said["functions_state_id"] = call["id"]
    return said


def answer_from_gigachat(data: Mapping[str, Any]) -> dict[str, Any]:
    choices = []
    for choice in data.get("choices", ()):
        message = choice["message"]
        said: dict[str, Any] = {"role": "assistant", "content": message.get("content") or None}
        if message.get("function_call"):
            said["tool_calls"] = [_call(message)]
        reason = _reason(choice.get("finish_reason"))
        choices.append({"index": choice.get("index", 0), "message": said, "finish_reason": reason})
    return {
        "id": f"gigachat-{uuid.uuid4()}", "object": "chat.completion", "created": data.get("created", 0),
        "model": data.get("model", ""), "choices": choices, "usage": _usage(data.get("usage")),
    }  # fmt: skip


def chunk_from_gigachat(data: Mapping[str, Any]) -> dict[str, Any]:
    if "choices" not in data:
        return {"error": {"message": str(data.get("message", "error"))[:200], "code": data.get("status", 500)}}
    choices = []
    for choice in data["choices"]:
        if choice.get("finish_reason") == "error":
            return {"error": {"message": "the model failed", "code": 500}}
        delta = choice.get("delta") or {}
        said: dict[str, Any] = {"role": "assistant", "content": delta.get("content") or None}
        if delta.get("function_call"):
            said["tool_calls"] = [{"index": 0, **_call(delta)}]
        choices.append(
            {"index": choice.get("index", 0), "delta": said, "finish_reason": _reason(choice.get("finish_reason"))}
        )
    chunk = {
        "id": "gigachat", "object": "chat.completion.chunk", "created": data.get("created", 0),
        "model": data.get("model", ""), "choices": choices,
    }  # fmt: skip
    return chunk | ({"usage": _usage(data["usage"])} if data.get("usage") else {})


def _call(message: Mapping[str, Any]) -> dict[str, Any]:
    """The id of the call is the state id that must come back with it."""
    call = message["function_call"]
    arguments = call.get("arguments", {})
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    function = {"name": call["name"], "arguments": text}
    return {"id": message.get("functions_state_id") or str(uuid.uuid4()), "type": "function", "function": function}


def _reason(reason: str | None) -> str | None:
    return {"function_call": "tool_calls", "blacklist": "content_filter"}.get(reason or "", reason)


def _usage(data: Mapping[str, Any] | None) -> dict[str, int] | None:
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    return {name: int(data.get(name, 0)) for name in names} if data else None


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text", "")) for part in content)


def _as_json(text: str) -> str:
    try:
        json.loads(text)
    except ValueError:
        return json.dumps({"result": text}, ensure_ascii=False)
    return text


def _object(text: Any) -> Any:
    try:
        return json.loads(text) if isinstance(text, str) else text
    except ValueError:
        return {}


def _error(text: bytes, status: int) -> dict[str, Any]:
    try:
        message = str(json.loads(text).get("message", ""))
    except (ValueError, AttributeError):
        message = ""
    return {"error": {"message": message[:200] or "refused", "code": status}}


async def _refused(answer: httpx2.Response) -> httpx2.Response:
    return httpx2.Response(
        answer.status_code, headers=_retry(answer), json=_error(await _read(answer), answer.status_code)
    )


def _retry(answer: httpx2.Response) -> dict[str, str]:
    return {"retry-after": answer.headers["retry-after"]} if "retry-after" in answer.headers else {}


async def _read(answer: httpx2.Response) -> bytes:
    try:
        return await answer.aread()
    finally:
        await answer.aclose()


class _Translated(httpx2.AsyncByteStream):
    """Server-sent events, translated line by line; a line may be cut at any byte."""

    def __init__(self, answer: httpx2.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = b""
        async for piece in self._answer.aiter_bytes():
            *lines, left = (left + piece).split(b"\n")
            for line in lines:
                if line.startswith(b"data:"):
                    yield _event(line[5:].strip())
        if left.startswith(b"data:"):
            yield _event(left[5:].strip())

    async def aclose(self) -> None:
        await self._answer.aclose()


def _event(data: bytes) -> bytes:
    if data == b"[DONE]":
        return b"data: [DONE]\n\n"
    return b"data: " + json.dumps(chunk_from_gigachat(json.loads(data)), ensure_ascii=False).encode() + b"\n\n"
