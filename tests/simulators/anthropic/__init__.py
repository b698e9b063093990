"""The Messages API: event stream with content blocks, tool results first in the next user message, 529 overloaded."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.simulators.model_script import (
    Asked,
    Call,
    Reply,
    Result,
    WrongRequest,
    check_schema,
    need,
    only,
    pieces,
    sse,
)
from tests.simulators.model_server import HttpAnswer, HttpRequest

KINDS = {
    400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
    413: "request_too_large", 429: "rate_limit_error", 500: "api_error", 504: "timeout_error", 529: "overloaded_error",
}  # fmt: skip


VERSIONS = ("2023-06-01", "2026-10-21")
"""The documented one, and the one of the vendor's client 2.13."""


@dataclass
class AnthropicWire:
    key: str
    model: str = "claude-haiku-4-5"
    pings: bool = True
    unknown_events: bool = True
    """Events of a kind that clients must ignore."""

    def other(self, request: HttpRequest) -> HttpAnswer | None:
        return None

    def refusal(self, request: HttpRequest) -> HttpAnswer | None:
        # The documented header is x-api-key; the vendor's own client (2.13) sends the key as a bearer token.
        if self.key not in (request.headers.get("x-api-key"), request.headers.get("authorization", "")[7:]):
            return self.error(Reply(status=401, error="invalid x-api-key"))
        if request.path.split("?")[0] != "/v1/messages":
            return self.error(Reply(status=404))
        return None

    def read(self, request: HttpRequest) -> Asked:
        if request.headers.get("anthropic-version") not in VERSIONS:
            raise WrongRequest("anthropic-version: header is required")
        data = only(
            request.json(), "model", "max_tokens", "system", "messages", "tools", "tool_choice", "stream",
            "temperature", "thinking", where="body",
        )  # fmt: skip
        need(data, "model", "max_tokens", "messages", where="body")
        if data["model"] != self.model:
            raise WrongRequest(f"model: {data['model']}")
        only(data.get("tool_choice", {}), "type", "disable_parallel_tool_use", where="tool_choice")
        tools = {}
        for tool in data.get("tools", ()):
            only(tool, "name", "description", "input_schema", where="tool")
            check_schema(tool["input_schema"], tool["name"])
            tools[tool["name"]] = tool["input_schema"]
        system = data.get("system", "")
        if not isinstance(system, str):
            system = "\n\n".join(only(p, "type", "text", "cache_control", where="system")["text"] for p in system)
        settings = {k: data[k] for k in ("max_tokens", "temperature", "thinking") if k in data}
        return Asked(data["model"], system, *self._messages(data["messages"]), tools, settings)

    def _messages(
        self, messages: list[Any]
    ) -> tuple[tuple[tuple[str, str], ...], tuple[Call, ...], tuple[Result, ...]]:
        turns: list[tuple[str, str]] = []
        calls: list[Call] = []
        results: list[Result] = []
        waiting: dict[str, str] = {}
        if not messages or messages[0]["role"] != "user":
            raise WrongRequest("messages: first message must use the user role")
        for message in messages:
            only(message, "role", "content", where="message")
            role = message["role"]
            if role not in ("user", "assistant"):
                raise WrongRequest(f"messages: role {role}")
            blocks = message["content"]
            if isinstance(blocks, str):
                blocks = [{"type": "text", "text": blocks}]
            if waiting and role == "assistant":
                raise WrongRequest("tool_use ids were found without tool_result blocks immediately after")
            words = False
            for block in blocks:
                match block["type"]:
                    case "text":
                        only(block, "type", "text", "cache_control", where="text block")
                        if not block["text"].strip():
                            raise WrongRequest("text content blocks must be non-empty")
                        words = True
                        turns.append(("user" if role == "user" else "model", block["text"]))
                    case "tool_use":
                        only(block, "type", "id", "name", "input", where="tool_use")
                        if not isinstance(block["input"], dict):
                            raise WrongRequest("tool_use.input: must be an object")
                        waiting[block["id"]] = block["name"]
                        calls.append(Call(block["name"], block["input"]))
                    case "tool_result":
                        results.append(_result(block, waiting, words=words))
                    case kind:
                        raise WrongRequest(f"content block {kind}")
            if waiting and role == "user":
                raise WrongRequest(f"tool_use ids without tool_result: {sorted(waiting)}")
        if waiting:
            raise WrongRequest(f"tool_use ids without tool_result: {sorted(waiting)}")
        return tuple(turns), tuple(calls), tuple(results)

    def answer(self, asked: Asked, reply: Reply) -> Iterable[bytes]:
        usage = {"input_tokens": 10, "output_tokens": 1}
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": self.model, "content": [],
                   "stop_reason": None, "stop_sequence": None, "usage": usage}  # fmt: skip
        yield sse({"type": "message_start", "message": message}, "message_start")
        if self.pings:
            yield sse({"type": "ping"}, "ping")
        index = 0
        if reply.words:
            yield from self._block(
                index, {"type": "text", "text": ""}, [{"type": "text_delta", "text": p} for p in pieces(reply.words)]
            )
            index += 1
        if reply.error_inside:
            yield sse({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "error")
            return
        for call in reply.calls:
            text = call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments, ensure_ascii=False)
            parts = [""] if text == "{}" else pieces(text, 5)  # an empty input may come as nothing at all
            block = {"type": "tool_use", "id": f"toolu_{index}", "name": call.name, "input": {}}
            yield from self._block(index, block, [{"type": "input_json_delta", "partial_json": p} for p in parts])
            index += 1
        if reply.finish != "none":
            reason = {"stop": "end_turn", "length": "max_tokens", "filter": "refusal"}[reply.finish]
            reason = "tool_use" if reply.calls and reason == "end_turn" else reason
            delta = {"stop_reason": reason, "stop_sequence": None}
            yield sse({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 20}}, "message_delta")
            yield sse({"type": "message_stop"}, "message_stop")

    def _block(self, index: int, block: dict[str, Any], deltas: list[dict[str, Any]]) -> Iterable[bytes]:
        yield sse({"type": "content_block_start", "index": index, "content_block": block}, "content_block_start")
        for delta in deltas:
            yield sse({"type": "content_block_delta", "index": index, "delta": delta}, "content_block_delta")
        yield sse({"type": "content_block_stop", "index": index}, "content_block_stop")

    def error(self, reply: Reply) -> HttpAnswer:
        error = {"type": KINDS.get(reply.status, "api_error"), "message": reply.error or "simulated"}
        return HttpAnswer(reply.status, json.dumps({"type": "error", "error": error, "request_id": "req_1"}).encode())

    def wrong(self, reason: str) -> HttpAnswer:
        return self.error(Reply(status=400, error=reason))


def _result(block: dict[str, Any], waiting: dict[str, str], *, words: bool) -> Result:
    only(block, "type", "tool_use_id", "content", "is_error", where="tool_result")
    if words or block["tool_use_id"] not in waiting:
        raise WrongRequest("tool_result blocks must come first and answer a tool_use")
    content = block["content"]
    text = content if isinstance(content, str) else "".join(part["text"] for part in content)
    return Result(waiting.pop(block["tool_use_id"]), text)
