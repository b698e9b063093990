"""Every provider with its simulator, for tests that must hold for all of them."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agent.llm.model import ModelChoice, Provider
from tests.simulators.anthropic import AnthropicWire
from tests.simulators.gemini import GeminiWire
from tests.simulators.gigachat import GigaChatWire, authorization_key
from tests.simulators.openai_compatible import ChatWire
from tests.simulators.yandexgpt import YandexWire


@dataclass(frozen=True)
class Simulated:
    provider: Provider
    wire: Callable[[str], Any]
    path: str = ""
    """After the server's address."""
    model: str = ""
    token_path: str = ""

    def key(self) -> str:
        """Made at run time."""
        word = secrets.token_hex(16)
        return authorization_key("client", word) if self.provider is Provider.GIGACHAT else word

    def choice(self, url: str, name: str = "", **more: Any) -> ModelChoice:
        fields: dict[str, Any] = {
            "name": name or self.provider.value,
            "provider": self.provider,
            "model": self.model,
            "base_url": url + self.path,
        }
        if self.token_path:
            fields["auth_url"] = url + self.token_path
        if self.provider is Provider.YANDEXGPT:
            fields["folder"] = "b1gfolder"
        return ModelChoice(**(fields | more))


SIMULATED: dict[str, Simulated] = {
    sim.provider.value: sim
    for sim in (
        Simulated(Provider.GEMINI, GeminiWire, "", "gemini-3.8-flash"),
        Simulated(Provider.OPENAI, ChatWire, "/v1", "sim-model"),
        Simulated(Provider.ANTHROPIC, AnthropicWire, "", "claude-haiku-4-5"),
        Simulated(Provider.GIGACHAT, GigaChatWire, "/api/v1", "GigaChat-2-Max", "/api/v2/oauth"),
        Simulated(Provider.YANDEXGPT, YandexWire, "/v1", "yandexgpt/latest"),
    )
}
