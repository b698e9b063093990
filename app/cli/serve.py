"""ai-admin serve: the whole stack, without placing a call. One JSON line on standard output when it is ready."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from app.stack import running_stack
from core.settings import Engines, LogFormat, Settings, load_settings
from core.telemetry import configure_logging

_PORTS = "0 берёт свободный. / 0 takes a free one."


def serve(
    data_dir: Annotated[Path | None, typer.Option(help="Папка данных. / Folder of everything that is kept.")] = None,
    company: Annotated[
        Path | None, typer.Option(help="Файл салона вместо демонстрационного. / A salon's file.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Адрес всех служб. / Address of all services.")] = None,
    http_port: Annotated[int | None, typer.Option(help=f"Порт API и вебхуков. {_PORTS}")] = None,
    sip_port: Annotated[int | None, typer.Option(help=f"Порт SIP (UDP). {_PORTS}")] = None,
    twilio_port: Annotated[int | None, typer.Option(help=f"Порт медиапотоков Twilio. {_PORTS}")] = None,
    brains: Annotated[int | None, typer.Option(help="Сколько процессов ведут разговоры. / Brain processes.")] = None,
    engines: Annotated[
        Engines | None, typer.Option(help="embedded или stub: движки с постоянными задержками, чтобы измерить каркас.")
    ] = None,
    stub_stt_ms: Annotated[int | None, typer.Option(help="stub: конец речи → текст, мс.")] = None,
    stub_llm_first_ms: Annotated[int | None, typer.Option(help="stub: текст → первое слово, мс.")] = None,
    stub_llm_word_ms: Annotated[int | None, typer.Option(help="stub: между словами, мс.")] = None,
    stub_tts_word_s: Annotated[float | None, typer.Option(help="stub: секунд звука в слове.")] = None,
    stub_tts_speed: Annotated[
        float | None, typer.Option(help="stub: скорость синтеза, раз к реальному времени.")
    ] = None,
    json_logs: Annotated[bool, typer.Option("--json-logs", help="Журнал строками JSON. / Logs as JSON lines.")] = False,
) -> None:
    """Запускает всё: API, SIP, Twilio, разговоры. Готовность — одна строка JSON; SIGTERM — плавная остановка."""
    given = {
        "data_dir": data_dir, "http_host": host, "sip_host": host, "twilio_host": host, "http_port": http_port,
        "sip_port": sip_port, "twilio_port": twilio_port, "brains": brains, "engines": engines,
        "stub_stt_ms": stub_stt_ms, "stub_llm_first_ms": stub_llm_first_ms, "stub_llm_word_ms": stub_llm_word_ms,
        "stub_tts_word_s": stub_tts_word_s, "stub_tts_speed": stub_tts_speed,
    }  # fmt: skip
    settings = settings_with(given, json_logs=json_logs)
    asyncio.run(_serve(settings, company))


def settings_with(given: dict[str, Any], *, json_logs: bool = False) -> Settings:
    """Settings with the options that were given on the command line; logging is set up by them."""
    overrides = {name: value for name, value in given.items() if value is not None}
    if json_logs:
        overrides["log_format"] = LogFormat.JSON
    settings = load_settings(**overrides)
    configure_logging(
        level=settings.log_level,
        json_lines=settings.log_format is LogFormat.JSON,
        personal_data=settings.log_personal_data,
    )
    return settings


async def _serve(settings: Settings, company_file: Path | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    console = Console(stderr=True, highlight=False)

    def on_step(text: str) -> None:
        console.print(f"[dim]· {text}[/dim]")

    async with running_stack(settings, company_file, on_step) as stack:
        print(json.dumps(stack.ready_line(), ensure_ascii=False), flush=True)
        await stop.wait()
