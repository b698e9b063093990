"""Builds the client of each provider. The vendors' libraries are heavy: loaded when a company first uses one."""

import asyncio
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog

from agent.llm.contest import Line
from agent.llm.model import Account, ModelChoice, Provider
from core.errors import AppError, ConfigurationError
from core.ids import CompanyId
from core.regions import check_url

if TYPE_CHECKING:
    import httpx2

log = structlog.get_logger(__name__)

OWN_ADDRESS = {
    Provider.GEMINI: "https://generativelanguage.googleapis.com",
    Provider.OPENAI: "https://api.openai.com/v1",
    Provider.ANTHROPIC: "https://api.anthropic.com",
    Provider.GIGACHAT: "https://gigachat.devices.sberbank.ru/api/v1",
    Provider.YANDEXGPT: "https://llm.api.cloud.yandex.net/v1",
}
GIGACHAT_TOKENS = "https://ngw.devices.sberbank.ru:9443/api/v2/oauth"
CONNECT_S = 3.0
"""Within one answer's patience: a host that does not take the connection by then is down."""
RETRY_S = 60.0
"""A certificate file may have been put right meanwhile."""
READ_S = 20.0
"""Last resort only: the brain's own timings end a request long before."""


def address_of(choice: ModelChoice) -> str:
    return choice.base_url or OWN_ADDRESS[choice.provider]


def check_region(choice: ModelChoice, region: str) -> None:
    """Raises core.errors.Forbidden when the company's words would leave its country."""
    check_url(region, address_of(choice), f"llm {choice.name}")
    if choice.provider is Provider.GIGACHAT:
        check_url(region, choice.auth_url or GIGACHAT_TOKENS, f"llm {choice.name}")


def build_line(choice: ModelChoice, key: str, region: str, company: CompanyId) -> "Built":
    """Slow (imports, certificates): run it beside the event loop.

    Raises Forbidden (region) and ConfigurationError (key, certificate) with the remedy.
    """
    check_region(choice, region)
    if not key and choice.provider is not Provider.OPENAI:
        raise ConfigurationError(f"llm {choice.name}: there is no key; give it with `ai-admin llm key {choice.name}`")
    http = _http_client(choice, key)
    model = _model(choice, key, http)
    free = asyncio.Semaphore(choice.max_calls) if choice.max_calls else None
    return Built(Line(f"{company}/{choice.name}", choice.name, model, _settings(choice), free), http)


@dataclass(frozen=True, slots=True)
class Built:
    line: Line
    http: "httpx2.AsyncClient"


def _model(choice: ModelChoice, key: str, http: "httpx2.AsyncClient") -> Any:
    address = address_of(choice)
    match choice.provider:
        case Provider.GEMINI:
            from pydantic_ai.models.google import GoogleModel
            from pydantic_ai.providers.google import GoogleProvider

            return GoogleModel(choice.model, provider=GoogleProvider(api_key=key, base_url=address, http_client=http))
        case Provider.ANTHROPIC:
            from pydantic_ai.models.anthropic import AnthropicModel
            from pydantic_ai.providers.anthropic import AnthropicProvider

            provider = AnthropicProvider(api_key=key, base_url=address, http_client=http)
            return AnthropicModel(choice.model, provider=provider)
        case Provider.OPENAI | Provider.GIGACHAT | Provider.YANDEXGPT:
            from pydantic_ai.models.openai import OpenAIChatModel
            from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

            compatible = OpenAICompatibleProvider(
                choice.provider.value, base_url=address, api_key=key or None, http_client=http
            )
            return OpenAIChatModel(_model_id(choice), provider=compatible)


def _model_id(choice: ModelChoice) -> str:
    if choice.provider is Provider.YANDEXGPT and not choice.model.startswith("gpt://"):
        return f"gpt://{choice.folder}/{choice.model}"
    return choice.model


def _settings(choice: ModelChoice) -> Any:
    from pydantic_ai.settings import ModelSettings

    settings = ModelSettings(max_tokens=choice.max_tokens, max_retries=0)
    if choice.temperature is not None:
        settings["temperature"] = choice.temperature
    if choice.thinking:
        level: Any = False if choice.thinking == "off" else choice.thinking
        settings["thinking"] = level
    if choice.provider in (Provider.OPENAI, Provider.ANTHROPIC, Provider.YANDEXGPT):
        settings["parallel_tool_calls"] = False
    return settings


def _http_client(choice: ModelChoice, key: str) -> "httpx2.AsyncClient":
    import httpx2

    from agent.llm.gigachat import GigaChatTransport
    from agent.llm.yandexgpt import ApiKeyTransport

    verify = _certificates(choice)
    timeout = httpx2.Timeout(READ_S, connect=CONNECT_S)
    transport: httpx2.AsyncBaseTransport = httpx2.AsyncHTTPTransport(verify=verify)
    if choice.provider is Provider.GIGACHAT:
        transport = GigaChatTransport(
            transport, key=key, scope=choice.scope, token_url=choice.auth_url or GIGACHAT_TOKENS
        )
    elif choice.provider is Provider.YANDEXGPT:
        transport = ApiKeyTransport(transport, key)
    # No redirects, and no proxy of the environment: both could carry the words to another country.
    return httpx2.AsyncClient(transport=transport, timeout=timeout, follow_redirects=False, trust_env=False)


def _certificates(choice: ModelChoice) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if choice.ca_file:
        try:
            context.load_verify_locations(cafile=choice.ca_file)
        except (OSError, ssl.SSLError):
            raise ConfigurationError(
                f"llm {choice.name}: ca_file {choice.ca_file} cannot be read as PEM certificates; for GigaChat take "
                "the Russian Trusted Root CA of gosuslugi.ru/crt"
            ) from None
    return context


@dataclass(slots=True)
class LinePool:
    """The lines of every company that is talking, built once for the same choice and key."""

    _built: dict[tuple[CompanyId, ModelChoice, str, str], Built] = field(default_factory=dict)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _refused: dict[tuple[CompanyId, ModelChoice, str, str], float] = field(default_factory=dict)
    """When a model turned out to be unusable: not tried, and not logged, on every turn."""

    async def lines(self, company: CompanyId, account: Account) -> list[Line]:
        """Of the models that can be used; one that cannot is logged and left out."""
        found = []
        for choice in account.settings.models:
            key = account.keys.get(choice.name, "")
            place = (company, choice, key, account.region)
            built = self._built.get(place)
            if built is None:
                built = await self._build(place)
            if built is not None:
                found.append(built.line)
        return found

    async def _build(self, place: tuple[CompanyId, ModelChoice, str, str]) -> Built | None:
        company, choice, key, region = place
        async with self._lock:
            if place in self._built:
                return self._built[place]
            now_s = asyncio.get_running_loop().time()
            if now_s - self._refused.get(place, -RETRY_S) < RETRY_S:
                return None
            try:
                built = await asyncio.to_thread(build_line, choice, key, region, company)
            except AppError as error:
                log.error("model_unusable", company=str(company), model=choice.name, code=error.code)
                self._refused[place] = now_s
                return None
            for old in [p for p in self._built if p[0] == company and p[1].name == choice.name]:
                await self._built.pop(old).http.aclose()
            self._built[place] = built
            return built

    async def close(self) -> None:
        for built in self._built.values():
            await built.http.aclose()
        self._built.clear()
