"""ai-admin chat: the same agent by text, booking in the same journal; for people and, with --json, for scripts."""

import asyncio
import json
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.console import Console

from agent.llm.ports import Accounts
from agent.model import Channel
from app.bootstrap import build_salon, company_accounts, open_runtime
from app.cli.serve import settings_with
from app.llm_accounts import CompanyAccounts, accounts_for
from app.salons import ensure_company, one_company
from app.stack import prepared_servers
from app.text_session import Reply, TextSession
from core.clock import Clock, FrozenClock, SystemClock
from core.companies import Company
from core.errors import InvalidInput
from core.phone import Phone
from core.settings import LogLevel, Settings


def chat(
    company: Annotated[str, typer.Option(help="Салон (slug); нужен, когда их несколько. / Company slug.")] = "",
    from_: Annotated[str, typer.Option("--from", help="Номер клиента. / The client's number.")] = "",
    channel: Annotated[Channel, typer.Option(help="Откуда пишут. / Channel.")] = Channel.WEB,
    now: Annotated[str, typer.Option(help="Остановить часы: 2026-12-01T11:00 по времени салона. / Freeze time.")] = "",
    json_: Annotated[bool, typer.Option("--json", help="Строка на входе — реплика, строка JSON — ответ.")] = False,
    brain: Annotated[
        str, typer.Option(help="scripted, llm:ИМЯ или пусто: как настроено у салона. / scripted, llm:NAME or as set.")
    ] = "",
    data_dir: Annotated[Path | None, typer.Option(help="Папка данных. / Data folder.")] = None,
) -> None:
    """Разговор с агентом текстом. Конец ввода (Ctrl-D) завершает разговор."""
    settings = settings_with({"data_dir": data_dir, "log_level": LogLevel.ERROR})
    caller = Phone.parse(from_) if from_ else None
    if from_ and from_ != "anonymous" and caller is None:
        raise InvalidInput("--from: give a telephone number, for example +79000000301")
    accounts = accounts_for(brain)
    asyncio.run(_chat(settings, company, caller, channel, now, accounts, as_json=json_))


async def _chat(
    settings: Settings,
    slug: str,
    caller: Phone | None,
    channel: Channel,
    now: str,
    accounts: Callable[[CompanyAccounts], Accounts] | None,
    *,
    as_json: bool,
) -> None:
    async with prepared_servers(settings) as settings, open_runtime(settings, "chat") as runtime:
        if not slug and not await runtime.companies.all():
            await ensure_company(runtime.database, settings, None, lambda _text: None)
        company = await one_company(runtime.companies, slug)
        clock = _clock(now, company)
        if accounts is not None:
            await accounts(company_accounts(runtime)).of(company.scope)  # a wrong name is told before the greeting
        async with build_salon(runtime, clock, accounts) as salon:
            session = TextSession(
                salon.agent, runtime.conversations, runtime.timeline, clock, company.scope, channel, caller
            )
            show = _show_json if as_json else _Screen(company).show
            await _hold(session, show, as_json=as_json)


async def _hold(session: TextSession, show: Any, *, as_json: bool) -> None:
    reply = await session.open()
    show(reply)
    while not reply.ended:
        if not as_json:
            print("вы › ", end="", flush=True)
        line = await asyncio.to_thread(sys.stdin.readline)
        if not line:
            break
        if line.strip():
            reply = await session.say(line.strip())
            show(reply)
    await session.close(left=not reply.ended)


def _clock(now: str, company: Company) -> Clock:
    if not now:
        return SystemClock()
    try:
        moment = datetime.fromisoformat(now)
    except ValueError:
        raise InvalidInput("--now: give a time like 2026-12-01T11:00") from None
    return FrozenClock(moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(company.timezone)))


def _show_json(reply: Reply) -> None:
    line = {
        "texts": reply.texts,
        "expect": reply.expect.value,
        "ended": reply.ended,
        "outcome": reply.outcome or None,
        "handoff": {"to": reply.handoff.to.e164 if reply.handoff.to else None, "reason": reply.handoff.reason}
        if reply.handoff
        else None,
        "tools": [{"name": call.name, "outcome": call.outcome, "writes": call.writes} for call in reply.tools],
    }
    print(json.dumps(line, ensure_ascii=False), flush=True)


class _Screen:
    def __init__(self, company: Company) -> None:
        self._console = Console(highlight=False)
        self._console.print(f"[dim]{company.name}: пишите; Ctrl-D завершает разговор[/dim]")

    def show(self, reply: Reply) -> None:
        for call in reply.tools:
            self._console.print(f"[dim]  {call.name} → {call.outcome}, {call.took_ms:.0f} мс[/dim]")
        for text in reply.texts:
            self._console.print(f"[green]агент ›[/green] {text}", soft_wrap=True)
        if reply.handoff:
            self._console.print(f"[magenta]передано человеку: {reply.handoff.reason}[/magenta]")
        if reply.outcome:
            self._console.print(f"[dim]разговор окончен: {reply.outcome}[/dim]")
