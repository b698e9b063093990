"""GigaChat v1: tokens by OAuth for half an hour, functions in the old style, one call a turn, a state id to return."""

import base64
import json
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

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

SCOPES = ("GIGACHAT_API_PERS", "GIGACHAT_API_B2B", "GIGACHAT_API_CORP")


@dataclass
class GigaChatWire:
    key: str
    """Authorization key: base64 of client id and secret."""
    scope: str = "GIGACHAT_API_PERS"
    model: str = "GigaChat-2-Max"
    life_s: float = 1800.0
    now: Any = time.time
    old_form: bool = False
    """The token answer of an older page: tok, exp in seconds."""
    tokens: dict[str, float] = field(default_factory=dict)
    """Given out -> when it ends."""
    states: set[str] = field(default_factory=set)

    def other(self, request: HttpRequest) -> HttpAnswer | None:
        if request.path != "/api/v2/oauth":
            return None
        problem = self._token_problem(request)
        if problem is not None:
            return problem
        token = f"t-{uuid.uuid4()}"
        ends = self.now() + self.life_s
        self.tokens[token] = ends
        body = {"tok": token, "exp": int(ends)} if self.old_form else {
            "access_token": token, "expires_at": int(ends * 1000),
        }  # fmt: skip
        return HttpAnswer(200, json.dumps(body).encode())

    def _token_problem(self, request: HttpRequest) -> HttpAnswer | None:
        def answer(status: int, code: int, message: str) -> HttpAnswer:
            return HttpAnswer(status, json.dumps({"code": code, "message": message}).encode())

        if request.headers.get("authorization") != f"Basic {self.key}":
            return answer(401, 6, "credentials doesn't match db data")
        try:
            right = uuid.UUID(request.headers.get("rquid", "")).version == 4
        except ValueError:
            right = False
        if not right:
            return answer(400, 4, "Missing or wrong RqUID")
        if request.headers.get("content-type") != "application/x-www-form-urlencoded":
            return answer(400, 1, "content type")
        scope = parse_qs(request.body.decode()).get("scope", [""])[0]
        if not scope:
            return answer(400, 5, "scope is empty")
        if scope not in SCOPES:
            return answer(400, 1, "scope is malformed")
        if scope != self.scope:
            return answer(400, 7, "scope from db not fully includes consumed scope")
        return None

    def expire_all(self) -> None:
        self.tokens.clear()

    def refusal(self, request: HttpRequest) -> HttpAnswer | None:
        if request.path != "/api/v1/chat/completions":
            return HttpAnswer(404, b'{"status":404,"message":"Not Found"}')
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self.tokens.get(token, 0) <= self.now():
            return HttpAnswer(401, b'{"status":401,"message":"Token has expired"}')
        return None

    def read(self, request: HttpRequest) -> Asked:
        data = only(
            request.json(), "model", "messages", "functions", "function_call", "stream", "max_tokens",
            "repetition_penalty", "update_interval", "temperature", where="body",
        )  # fmt: skip
        need(data, "model", "messages", where="body")
        if data["model"] != self.model:
            raise WrongRequest("No such model")
        if data.get("temperature") == 0:
            raise WrongRequest("temperature: must be greater than 0")
        if data.get("function_call", "none") not in ("none", "auto"):
            raise WrongRequest("function_call")
        tools = {}
        for function in data.get("functions", ()):
            only(function, "name", "description", "parameters", "few_shot_examples", where="function")
            check_schema(function["parameters"], function["name"])
            tools[function["name"]] = function["parameters"]
        settings = {k: data[k] for k in ("max_tokens", "temperature") if k in data}
        return Asked(self.model, *self._messages(data["messages"]), tools, settings)

    def _messages(
        self, messages: list[Any]
    ) -> tuple[str, tuple[tuple[str, str], ...], tuple[Call, ...], tuple[Result, ...]]:
        system = ""
        turns: list[tuple[str, str]] = []
        calls: list[Call] = []
        results: list[Result] = []
        waiting = ""
        for number, message in enumerate(messages):
            if waiting and message["role"] != "function":
                raise WrongRequest("every assistant function call must have a function result after it")
            match message["role"]:
                case "system":
                    if number:
                        raise WrongRequest("system message must be the first one and the only one")
                    system = only(message, "role", "content", where="system")["content"]
                case "user":
                    turns.append(("user", only(message, "role", "content", where="user")["content"]))
                case "assistant":
                    only(message, "role", "content", "function_call", "functions_state_id", where="assistant")
                    if message.get("content"):
                        turns.append(("model", message["content"]))
                    if "function_call" in message:
                        waiting = self._call(message, calls)
                case "function":
                    only(message, "role", "name", "content", where="function result")
                    if message["name"] != waiting:
                        raise WrongRequest("every function result must have an assistant function call in history")
                    try:
                        json.loads(message["content"])
                    except ValueError:
                        raise WrongRequest("function result: content must be valid JSON") from None
                    results.append(Result(waiting, message["content"]))
                    waiting = ""
                case role:
                    raise WrongRequest(f"unknown role {role}")
        if waiting:
            raise WrongRequest("the function call is not answered")
        return system, tuple(turns), tuple(calls), tuple(results)

    def _call(self, message: dict[str, Any], calls: list[Call]) -> str:
        call = only(message["function_call"], "name", "arguments", where="function_call")
        if not isinstance(call["arguments"], dict):
            raise WrongRequest("function_call.arguments: must be an object")
        if message.get("functions_state_id") not in self.states:
            raise WrongRequest("functions_state_id is missing or unknown")
        calls.append(Call(call["name"], call["arguments"]))
        return str(call["name"])

    def answer(self, asked: Asked, reply: Reply) -> Iterable[bytes]:
        yield self._chunk({"role": "assistant", "content": ""})
        for piece in pieces(reply.words):
            yield self._chunk({"content": piece})
        if reply.error_inside:
            yield self._chunk({"content": ""}, "error")
            return
        if reply.calls:  # never more than one
            state = str(uuid.uuid4())
            self.states.add(state)
            call = {"name": reply.calls[0].name, "arguments": reply.calls[0].arguments}
            yield self._chunk({"content": "", "function_call": call, "functions_state_id": state})
        if reply.finish != "none":
            reason = {"stop": "stop", "length": "length", "filter": "blacklist"}[reply.finish]
            yield self._chunk(
                {"content": ""}, "function_call" if reply.calls and reason == "stop" else reason, last=True
            )
        yield b"data: [DONE]\n\n"

    def _chunk(self, delta: dict[str, Any], reason: str | None = None, *, last: bool = False) -> bytes:
        choice: dict[str, Any] = {"delta": delta, "index": 0}
        if reason:
            choice["finish_reason"] = reason
        chunk: dict[str, Any] = {
            "choices": [choice], "created": 1760000000, "model": f"{self.model}:2.0.28.2",
            "object": "chat.completion",
        }  # fmt: skip
        if last:
            usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "precached_prompt_tokens": 0}
            chunk["usage"] = usage
        return sse(chunk)

    def error(self, reply: Reply) -> HttpAnswer:
        message = {402: "Payment Required", 429: "Too many requests"}.get(reply.status, reply.error or "simulated")
        return HttpAnswer(reply.status, json.dumps({"status": reply.status, "message": message}).encode())

    def wrong(self, reason: str) -> HttpAnswer:
        return HttpAnswer(422, json.dumps({"status": 422, "message": f"Invalid params: {reason}"}).encode())


def authorization_key(client: str, secret: str) -> str:
    return base64.b64encode(f"{client}:{secret}".encode()).decode()
