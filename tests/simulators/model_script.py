"""What a simulated language model is asked and answers, the same for every provider's wire."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Call:
    name: str
    arguments: dict[str, Any] | str = field(default_factory=dict)
    """A text stands for arguments that are no JSON."""


@dataclass(frozen=True)
class Result:
    """The answer to a call, as the client sent it back."""

    name: str
    content: str


@dataclass(frozen=True)
class Asked:
    """A request, read strictly from the wire."""

    model: str
    system: str
    turns: tuple[tuple[str, str], ...]
    """("user" | "model", text), oldest first, without calls and results."""
    calls: tuple[Call, ...]
    results: tuple[Result, ...]
    """Of this turn, in order."""
    tools: dict[str, dict[str, Any]]
    """Name -> JSON schema."""
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """The last line of the caller."""
        return next((text for role, text in reversed(self.turns) if role == "user"), "")

    @property
    def data(self) -> dict[str, Any]:
        """The state of the talk, as the prompt gives it."""
        return json.loads(self.system.rstrip().rsplit("\n\n", 1)[-1])

    @property
    def salon(self) -> dict[str, Any]:
        block = self.system.rstrip().rsplit("\n\n", 1)[0]
        return json.loads(block[block.rindex('{"salon"') :])["salon"]

    @property
    def proposal(self) -> dict[str, Any]:
        """The newest one: of the last tool answer, else of the prompt."""
        for result in reversed(self.results):
            found = json.loads(result.content).get("data", {}).get("proposal")
            if found:
                return found
        return self.data["proposal"]


@dataclass(frozen=True)
class Reply:
    """What the model does; then, at the given place, what goes wrong."""

    words: str = ""
    calls: tuple[Call, ...] = ()
    finish: str = "stop"
    """stop, length, filter, or none: the stream ends without a reason."""
    status: int = 200
    error: str = ""
    """Of a refused request: the provider's own word for it (rate_limit, quota, auth, region…)."""
    retry_after_s: int | None = None
    cut_at: int | None = None
    """The connection is cut after so many bytes of the answer's body."""
    stall_at: int | None = None
    """Nothing more is sent after so many bytes, and the connection stays open."""
    delay_s: float = 0.0
    """Before the first byte."""
    raw: bytes | None = None
    """Sent as the body instead of an answer."""
    error_inside: bool = False
    """The stream breaks with the provider's error event after the words."""
    thoughts: str = ""
    """Reasoning that must never be spoken."""


Behaviour = Callable[[Asked], Reply]


class WrongRequest(Exception):
    """The simulator refuses what the vendor would refuse; the test reads the reason in `server.refused`."""


def only(data: Any, *known: str, where: str) -> dict[str, Any]:
    """A mapping with none but these fields."""
    if not isinstance(data, dict):
        raise WrongRequest(f"{where}: must be an object")
    unknown = set(data) - set(known)
    if unknown:
        raise WrongRequest(f"{where}: unknown fields {sorted(unknown)}")
    return data


def need(data: dict[str, Any], *names: str, where: str) -> None:
    missing = [name for name in names if name not in data]
    if missing:
        raise WrongRequest(f"{where}: missing {missing}")


def check_schema(schema: Any, where: str) -> None:
    """The part of JSON Schema that every provider takes."""
    if not isinstance(schema, dict) or set(schema) & {"anyOf", "oneOf", "$ref", "$defs"}:
        raise WrongRequest(f"{where}: schema with unions or references")
    for name, inner in schema.get("properties", {}).items():
        check_schema(inner, f"{where}.{name}")
    if "items" in schema:
        check_schema(schema["items"], f"{where}[]")


def sse(data: Any, event: str = "") -> bytes:
    head = f"event: {event}\n" if event else ""
    return f"{head}data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def pieces(text: str, size: int = 7) -> list[str]:
    return [text[i : i + size] for i in range(0, len(text), size)]
