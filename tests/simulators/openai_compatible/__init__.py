"""Chat completions as vLLM, Ollama, llama.cpp and OpenAI speak them, with their known deviations."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
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

STATUS_WORDS = {
    400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error",
    500: "server_error", 503: "unavailable_error",
}  # fmt: skip


@dataclass
class ChatWire:
    key: str
    path: str = "/v1/chat/completions"
    model: str = "sim-model"
    scheme: str = "Bearer"
    more_headers: tuple[str, ...] = ()
    deviations: frozenset[str] = field(default_factory=frozenset)
    """finish_stop, finish_null, no_finish_key, object_arguments, whole_call, no_id, no_done, crlf, comments,
    think_in_content, reasoning_field, usage_null."""
    no_temperature: bool = False
    """As newer models: the field is refused."""

    def other(self, request: HttpRequest) -> HttpAnswer | None:
        return None

    def refusal(self, request: HttpRequest) -> HttpAnswer | None:
        if request.path != self.path or request.method != "POST":
            return HttpAnswer(404, json.dumps({"detail": "Not Found"}).encode())
        if request.headers.get("authorization") != f"{self.scheme} {self.key}":
            return self.error(Reply(status=401, error="wrong key"))
        return None

    def read(self, request: HttpRequest) -> Asked:
        data = only(
            request.json(), "model", "messages", "stream", "stream_options", "temperature", "max_tokens",
            "max_completion_tokens", "tools", "tool_choice", "parallel_tool_calls", where="body",
        )  # fmt: skip
        need(data, "model", "messages", "stream", where="body")
        if data["model"] != self.model:
            raise WrongRequest(f"body.model: {data['model']} does not exist")
        if self.no_temperature and "temperature" in data:
            raise WrongRequest("body.temperature: unsupported with this model")
        only(data.get("stream_options", {}), "include_usage", where="stream_options")
        for name in self.more_headers:
            if name not in request.headers:
                raise WrongRequest(f"header {name} is missing")
        tools = {}
        for tool in data.get("tools", ()):
            only(tool, "type", "function", where="tool")
            function = only(tool["function"], "name", "description", "parameters", "strict", where="tool.function")
            check_schema(function["parameters"], function["name"])
            tools[function["name"]] = function["parameters"]
        settings = {k: data[k] for k in ("temperature", "max_tokens", "max_completion_tokens") if k in data}
        return Asked(data["model"], *_messages(data["messages"]), tools, settings)

    def answer(self, asked: Asked, reply: Reply) -> Iterable[bytes]:
        chunks = list(self._chunks(reply))
        if "crlf" in self.deviations:
            chunks = [chunk.replace(b"\n", b"\r\n") for chunk in chunks]
        if "comments" in self.deviations:
            chunks = [part for chunk in chunks for part in (b": keep-alive\n\n", chunk)]
        return chunks

    def _chunks(self, reply: Reply) -> Iterable[bytes]:
        yield self._chunk({"role": "assistant", "content": ""})
        if reply.thoughts:
            if "think_in_content" in self.deviations:
                for piece in ("<think>", *pieces(reply.thoughts), "</think>"):  # each mark is one token
                    yield self._chunk({"content": piece})
            else:
                name = "reasoning_content" if "reasoning_field" in self.deviations else "reasoning"
                yield self._chunk({name: reply.thoughts})
        for piece in pieces(reply.words):
            yield self._chunk({"content": piece})
        if reply.error_inside:
            yield sse({"error": {"message": "upstream broke", "type": "server_error", "code": 500}})
            return
        for number, call in enumerate(reply.calls):
            yield from self._call(number, call)
        yield self._last(reply)
        if reply.finish != "none" or "usage_null" in self.deviations:
            yield sse(
                {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": self.model, "choices": [],
                 "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}}
            )  # fmt: skip
        if "no_done" not in self.deviations:
            yield b"data: [DONE]\n\n"

    def _call(self, number: int, call: Call) -> Iterable[bytes]:
        text = call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments, ensure_ascii=False)
        key = "" if "no_id" in self.deviations else f"call_{number + 1}"
        index = 0 if "object_arguments" in self.deviations else number
        if "object_arguments" in self.deviations and isinstance(call.arguments, dict):
            function: dict[str, Any] = {"name": call.name, "arguments": call.arguments}
            yield self._chunk({"tool_calls": [{"index": index, "id": key, "type": "function", "function": function}]})
            return
        if "whole_call" in self.deviations:
            function = {"name": call.name, "arguments": text}
            yield self._chunk({"tool_calls": [{"index": index, "id": key, "type": "function", "function": function}]})
            return
        function = {"name": call.name, "arguments": ""}
        yield self._chunk({"tool_calls": [{"index": index, "id": key, "type": "function", "function": function}]})
        for piece in pieces(text, 5):
            yield self._chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})

    def _last(self, reply: Reply) -> bytes:
        reason: str | None = {"stop": "stop", "length": "length", "filter": "content_filter", "none": None}[
            reply.finish
        ]
        if reply.calls and reply.finish == "stop":
            reason = "stop" if "finish_stop" in self.deviations else "tool_calls"
        if "finish_null" in self.deviations:
            reason = None
        return self._chunk({}, reason)

    def _chunk(self, delta: dict[str, Any], reason: str | None = None) -> bytes:
        choice: dict[str, Any] = {"index": 0, "delta": delta, "finish_reason": reason}
        if "no_finish_key" in self.deviations and reason is None:
            del choice["finish_reason"]
        chunk = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": self.model, "choices": [choice]}
        if "usage_null" in self.deviations:
            chunk["usage"] = None
        return sse(chunk)

    def error(self, reply: Reply) -> HttpAnswer:
        word = reply.error or STATUS_WORDS.get(reply.status, "error")
        code = "insufficient_quota" if reply.error == "quota" else word
        body = {"error": {"message": f"simulated {word}", "type": word, "param": None, "code": code}}
        return HttpAnswer(reply.status, json.dumps(body).encode())

    def wrong(self, reason: str) -> HttpAnswer:
        body = {"error": {"message": reason, "type": "invalid_request_error", "param": None, "code": None}}
        return HttpAnswer(400, json.dumps(body).encode())


def _messages(messages: list[Any]) -> tuple[str, tuple[tuple[str, str], ...], tuple[Call, ...], tuple[Result, ...]]:
    system: list[str] = []
    turns: list[tuple[str, str]] = []
    calls: list[Call] = []
    results: list[Result] = []
    waiting: dict[str, str] = {}
    for message in messages:
        role = message.get("role")
        if waiting and role != "tool":
            raise WrongRequest(f"messages: calls {sorted(waiting)} are not answered")
        match role:
            case "system":
                only(message, "role", "content", where="system")
                system.append(message["content"])
            case "user":
                only(message, "role", "content", where="user")
                turns.append(("user", _text(message["content"])))
            case "assistant":
                only(message, "role", "content", "tool_calls", where="assistant")
                if message.get("content"):
                    turns.append(("model", _text(message["content"])))
                for call in message.get("tool_calls") or ():
                    only(call, "id", "type", "function", where="tool_call")
                    waiting[call["id"]] = call["function"]["name"]
                    arguments = call["function"]["arguments"]
                    if not isinstance(arguments, str):
                        raise WrongRequest("tool_call.arguments: must be a string")
                    calls.append(Call(call["function"]["name"], arguments))
            case "tool":
                only(message, "role", "content", "tool_call_id", where="tool message")
                if message["tool_call_id"] not in waiting:
                    raise WrongRequest("tool message without its call")
                results.append(Result(waiting.pop(message["tool_call_id"]), message["content"]))
            case _:
                raise WrongRequest(f"messages: unknown role {role}")
    if waiting:
        raise WrongRequest(f"messages: calls {sorted(waiting)} are not answered")
    return "\n\n".join(system), tuple(turns), tuple(calls), tuple(results)


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(only(part, "type", "text", where="content part")["text"] for part in content)
