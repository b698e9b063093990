"""One cheap request to a model, and what its answer means in words that an owner can act on."""

import asyncio
import time
from dataclasses import dataclass

from agent.llm.contest import Line
from agent.llm.exchange import tool_parameters
from agent.llm.failures import failure_of, retry_after_s
from agent.llm.health import Failure
from agent.llm.model import ModelChoice, Provider
from agent.llm.providers import address_of, build_line
from core.errors import AppError, Forbidden
from core.ids import CompanyId

TIMEOUT_S = 15.0
_QUESTION = "Ответь одним словом: да."


@dataclass(frozen=True, slots=True)
class Verdict:
    ok: bool
    words: str
    """What is wrong and what to do, in Russian."""
    took_ms: float = 0.0
    first_ms: float = 0.0
    """To the first token."""


async def check_model(choice: ModelChoice, key: str, region: str, company: CompanyId) -> Verdict:
    """Raises nothing: every fault is a verdict."""
    try:
        built = await asyncio.to_thread(build_line, choice, key, region, company)
    except Forbidden as error:
        return Verdict(False, f"Закон о персональных данных: {error.message}")
    except AppError as error:
        return Verdict(False, error.message)
    started_s = time.perf_counter()
    try:
        async with asyncio.timeout(TIMEOUT_S):
            first_ms, words, calls = await _ask(built.line)
    except Exception as error:
        # Everything that a foreign server and its client library can raise is what is asked about here.
        return Verdict(False, _words(failure_of(error), choice, error), (time.perf_counter() - started_s) * 1000)
    finally:
        await built.http.aclose()
    took_ms = (time.perf_counter() - started_s) * 1000
    if not words and not calls:
        return Verdict(False, "Модель ответила пустотой: увеличьте max_tokens или отключите размышления.", took_ms)
    if "<tool_call" in words:
        return Verdict(False, "Сервер не разбирает вызовы функций: для vLLM нужны --enable-auto-tool-choice и "
                       "--tool-call-parser, для llama.cpp — --jinja.", took_ms)  # fmt: skip
    slow = " Для телефона это медленно: отключите размышления (thinking: off)." if first_ms > 1500 else ""
    return Verdict(True, f"Отвечает.{slow}", took_ms, first_ms)


async def _ask(line: Line) -> tuple[float, str, int]:
    """Milliseconds to the first token, the words, the number of calls."""
    from pydantic_ai.direct import model_request_stream
    from pydantic_ai.messages import ModelRequest, PartStartEvent, ToolCallPart, UserPromptPart

    started_s = time.perf_counter()
    first_ms = 0.0
    request = model_request_stream(
        line.model,
        [ModelRequest([UserPromptPart(_QUESTION)], instructions="Отвечай коротко.")],
        model_settings=line.settings,
        model_request_parameters=tool_parameters(),
    )
    async with request as stream:
        async for event in stream:
            if isinstance(event, PartStartEvent) and not first_ms:
                first_ms = (time.perf_counter() - started_s) * 1000
        response = stream.get()
    return first_ms, response.text or "", sum(isinstance(part, ToolCallPart) for part in response.parts)


def _words(why: Failure, choice: ModelChoice, error: BaseException) -> str:
    where = address_of(choice)
    wait = retry_after_s(error)
    return {
        Failure.AUTH: f"Ключ не принят ({where}). Проверьте его: ai-admin llm key {choice.name}. {_key(choice)}",
        Failure.REGION: "Поставщик не обслуживает эту страну: нужен другой поставщик или свой сервер.",
        Failure.NO_MODEL: f"Модели «{choice.model}» у поставщика нет: имена меняются, возьмите из кабинета.",
        Failure.MONEY: "Кончились оплаченные токены или не подключена оплата: пополните счёт у поставщика.",
        Failure.LIMIT: "Слишком много запросов сразу"
        + (f": можно через {wait:.0f} с." if wait else ".")
        + " Если так бывает часто, поднимите тариф или задайте max_calls.",
        Failure.BAD_REQUEST: "Поставщик не принял запрос: попробуйте temperature: null и thinking пустым; "
        f"код ответа {getattr(error, 'status_code', '?')}.",
        Failure.OVERLOADED: "Поставщик перегружен или чинится: повторите позже, в разговорах ответит запасная модель.",
        Failure.UNREACHABLE: f"До {where} не достучаться: проверьте адрес, сеть и сертификат. {_certificate(choice)}",
        Failure.STALLED: f"За {TIMEOUT_S:.0f} секунд ответа нет: сервер молчит.",
        Failure.GARBAGE: f"{where} отвечает не в том формате: по этому адресу не {choice.provider.value}.",
        Failure.EMPTY: "Модель ответила пустотой.",
        Failure.FILTERED: "Фильтр поставщика отказался отвечать на безобидный вопрос: проверьте настройки модели.",
    }[why]


def _key(choice: ModelChoice) -> str:
    match choice.provider:
        case Provider.GIGACHAT:
            return f"Нужен ключ авторизации из личного кабинета (Base64) и верный scope; сейчас {choice.scope}."
        case Provider.YANDEXGPT:
            return "Нужен API-ключ сервисного аккаунта с ролью ai.languageModels.user."
        case _:
            return ""


def _certificate(choice: ModelChoice) -> str:
    if choice.provider is Provider.GIGACHAT and not choice.ca_file:
        return "GigaChat подписан Russian Trusted Root CA: скачайте его с gosuslugi.ru/crt и укажите в ca_file."
    return ""
