"""streamGenerateContent of the Gemini API: parts, whole calls in one chunk, thought signatures that must come back."""

import base64
import hashlib
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

STATUS = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip
ALSO = {"parameters_json_schema": "parametersJsonSchema"}
"""Proto JSON takes both spellings."""
FINISH = {"stop": "STOP", "length": "MAX_TOKENS", "filter": "SAFETY", "malformed": "MALFORMED_FUNCTION_CALL"}


@dataclass
class GeminiWire:
    key: str
    model: str = "gemini-3.8-flash"
    without_ids: bool = False
    """Calls without `id`, as older models send them."""
    signed: dict[str, str] = field(default_factory=dict)
    """Call -> the signature that was given out for it."""
    given: int = 0

    def other(self, request: HttpRequest) -> HttpAnswer | None:
        return None

    def refusal(self, request: HttpRequest) -> HttpAnswer | None:
        if request.headers.get("x-goog-api-key") != self.key:
            return self.error(Reply(status=400, error="API key not valid. Please pass a valid API key."))
        if request.path != f"/v1beta/models/{self.model}:streamGenerateContent?alt=sse":
            return self.error(Reply(status=404, error=f"{request.path} is not found for API version v1beta"))
        return None

    def read(self, request: HttpRequest) -> Asked:
        data = only(
            request.json(), "contents", "systemInstruction", "tools", "toolConfig", "generationConfig",
            "safetySettings", where="body",
        )  # fmt: skip
        need(data, "contents", where="body")
        settings = only(
            data.get("generationConfig", {}), "temperature", "maxOutputTokens", "thinkingConfig", "responseModalities",
            "responseMimeType", "topP", where="generationConfig",
        )  # fmt: skip
        thinking = only(
            settings.get("thinkingConfig", {}), "thinkingLevel", "thinkingBudget", "includeThoughts",
            where="thinkingConfig",
        )  # fmt: skip
        if {"thinkingLevel", "thinkingBudget"} <= thinking.keys():
            raise WrongRequest("thinkingConfig: thinkingLevel and thinkingBudget exclude each other")
        tools = {}
        for group in data.get("tools", ()):
            only(group, "functionDeclarations", where="tools")
            for declared in group["functionDeclarations"]:
                function = {ALSO.get(name, name): value for name, value in declared.items()}
                only(function, "name", "description", "parameters", "parametersJsonSchema", where="functionDeclaration")
                schema = function.get("parametersJsonSchema") or function.get("parameters") or {}
                check_schema(schema, function["name"])
                tools[function["name"]] = schema
        mode = data.get("toolConfig", {}).get("functionCallingConfig", {}).get("mode", "AUTO")
        if mode not in ("AUTO", "ANY", "NONE", "VALIDATED"):
            raise WrongRequest(f"toolConfig: unknown mode {mode}")
        system = "".join(part["text"] for part in data.get("systemInstruction", {}).get("parts", ()))
        return Asked(self.model, system, *self._contents(data["contents"]), tools, settings)

    def _contents(
        self, contents: list[Any]
    ) -> tuple[tuple[tuple[str, str], ...], tuple[Call, ...], tuple[Result, ...]]:
        turns: list[tuple[str, str]] = []
        calls: list[Call] = []
        results: list[Result] = []
        if not contents or contents[0].get("role") != "user":
            raise WrongRequest("contents: the first turn must be the user's")
        waiting: list[dict[str, Any]] = []
        for content in contents:
            only(content, "role", "parts", where="content")
            if content["role"] not in ("user", "model"):
                raise WrongRequest(f"content.role: {content['role']}")
            if not content["parts"]:
                raise WrongRequest("content.parts: must not be empty")
            first_call = True
            for part in content["parts"]:
                only(part, "text", "functionCall", "functionResponse", "thoughtSignature", "thought", where="part")
                if "functionCall" in part:
                    call = only(part["functionCall"], "id", "name", "args", where="functionCall")
                    if first_call:
                        self._check_signature(call, part)
                    first_call = False
                    waiting.append(call)
                    calls.append(Call(call["name"], call.get("args", {})))
                elif "functionResponse" in part:
                    answer = only(part["functionResponse"], "id", "name", "response", where="functionResponse")
                    if not waiting or waiting[0]["name"] != answer["name"]:
                        raise WrongRequest("functionResponse without its functionCall")
                    waiting.pop(0)
                    if not isinstance(answer["response"], dict):
                        raise WrongRequest("functionResponse.response: must be an object")
                    results.append(Result(answer["name"], _plain(answer["response"])))
                elif not part.get("thought"):
                    turns.append((content["role"], part["text"]))
            if waiting and content["role"] == "user":
                raise WrongRequest("the number of function response parts must equal the number of function calls")
        if waiting:
            raise WrongRequest("a function call turn must be followed by its responses")
        return tuple(turns), tuple(calls), tuple(results)

    def _check_signature(self, call: dict[str, Any], part: dict[str, Any]) -> None:
        wanted = self.signed.get(_key(call))
        if wanted is None:
            raise WrongRequest("functionCall that this model never made")
        if _octets(part.get("thoughtSignature", "")) != _octets(wanted):
            raise WrongRequest(f"Function call `{call['name']}` is missing a thought_signature in functionCall parts")

    def answer(self, asked: Asked, reply: Reply) -> Iterable[bytes]:
        if reply.thoughts:
            yield self._chunk([{"text": reply.thoughts, "thought": True}])
        for piece in pieces(reply.words, 12):
            yield self._chunk([{"text": piece}])
        if reply.error_inside:
            yield sse({"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}})
            return
        parts = []
        for number, call in enumerate(reply.calls):
            self.given += 1
            made: dict[str, Any] = {"name": call.name, "args": call.arguments}
            if not self.without_ids:
                made["id"] = f"fc{self.given}"
            part: dict[str, Any] = {"functionCall": made}
            if number == 0:  # of parallel calls only the first is signed
                secret = hashlib.sha256(f"{self.given}{call.name}".encode()).digest() * 3
                part["thoughtSignature"] = base64.b64encode(secret).decode()
                self.signed[_key(made)] = part["thoughtSignature"]
            parts.append(part)
        if reply.finish == "filter" and not reply.words:
            yield sse({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 9}})
            return
        yield self._chunk(parts, None if reply.finish == "none" else FINISH[reply.finish])

    def _chunk(self, parts: list[dict[str, Any]], finish: str | None = None) -> bytes:
        candidate: dict[str, Any] = {"index": 0}
        if parts:
            candidate["content"] = {"role": "model", "parts": parts}
        if finish:
            candidate["finishReason"] = finish
        usage = {"promptTokenCount": 210, "candidatesTokenCount": 18, "thoughtsTokenCount": 64, "totalTokenCount": 292}
        chunk = {"candidates": [candidate], "usageMetadata": usage, "modelVersion": self.model, "responseId": "r1"}
        return sse(chunk)

    def error(self, reply: Reply) -> HttpAnswer:
        word = {"region": "User location is not supported for the API use."}.get(reply.error, reply.error)
        error: dict[str, Any] = {"code": reply.status, "message": word or "simulated", "status": STATUS[reply.status]}
        if reply.status == 429:
            retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "27s"}
            error["details"] = [retry]
        return HttpAnswer(reply.status, json.dumps({"error": error}).encode())

    def wrong(self, reason: str) -> HttpAnswer:
        return self.error(Reply(status=400, error=reason))


def _octets(signature: str) -> bytes:
    """Proto JSON takes both alphabets of base64."""
    return base64.b64decode(signature.replace("-", "+").replace("_", "/") + "==")


def _key(call: dict[str, Any]) -> str:
    return json.dumps([call.get("id"), call["name"], call.get("args", {})], sort_keys=True)


def _plain(response: dict[str, Any]) -> str:
    """The client library wraps texts; the behaviours want the text."""
    inner = next(iter(response.values())) if len(response) == 1 else response
    return inner if isinstance(inner, str) else json.dumps(response, ensure_ascii=False)
