"""ai-admin demo: everything up, one real phone call shown live, then what is in the database and where to go on."""

import asyncio
import contextlib
import json
import signal
import sys
import time
from collections.abc import AsyncGenerator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from agent.language.ru.phrases import RussianPhrases
from app.bootstrap import Runtime, open_runtime
from app.cli.serve import settings_with
from app.demo.live_view import LiveView
from app.demo.wish import DemoWish, choose_wish
from app.stack import RunningStack, running_stack
from core.errors import Unavailable
from core.phone import Phone
from core.settings import LogLevel, Settings
from core.timeline import EventKind, TimelineEvent
from crm.journal.service import Journal
from crm.model import ACTIVE_STATUSES, Booking

CALLER_NUMBER = "+79000000301"
CALL_LIMIT_S = 240.0
RECORDING_WAIT_S = 15.0


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="Закончить после звонка; код 0, только если запись есть.")
    ] = False,
    interrupt: Annotated[bool, typer.Option("--interrupt", help="Клиент перебивает приветствие. / Barge in.")] = False,
    data_dir: Annotated[Path | None, typer.Option(help="Папка данных. / Data folder.")] = None,
    http_port: Annotated[int | None, typer.Option(help="0 берёт свободный. / 0 takes a free one.")] = None,
    sip_port: Annotated[int | None, typer.Option(help="0 берёт свободный. / 0 takes a free one.")] = None,
    twilio_port: Annotated[int | None, typer.Option(help="0 берёт свободный. / 0 takes a free one.")] = None,
) -> None:
    """Поднимает всё и совершает один настоящий телефонный звонок: синтетический клиент записывается на стрижку."""
    given = {"data_dir": data_dir, "http_port": http_port, "sip_port": sip_port, "twilio_port": twilio_port}
    settings = settings_with({**given, "log_level": LogLevel.ERROR})
    booked = asyncio.run(_demo(settings, once=once, interrupt_after_ms=1500 if interrupt else None))
    sys.exit(0 if booked else 1)


async def _demo(settings: Settings, *, once: bool, interrupt_after_ms: int | None) -> bool:
    console, began = Console(highlight=False), time.monotonic()

    def on_step(text: str) -> None:
        console.print(f"[dim]{time.monotonic() - began:6.1f}  {text}[/dim]")

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running_stack(settings, None, on_step) as stack, open_runtime(stack.settings, "demo") as runtime:
        journal = Journal(runtime.database, runtime.clock)
        now_local = datetime.now(stack.company.zone)
        wish = await choose_wish(journal, stack.company.scope, RussianPhrases(), now_local)
        console.rule(f"звонок в салон «{stack.company.name}»: {stack.sip}")
        await _place_call(stack, runtime, wish, console, interrupt_after_ms)
        booking = await _find_booking(journal, stack, wish)
        _show_booking(console, stack, wish, booking)
        recording = await _recording(stack, runtime)
        console.print(f"запись разговора (слева клиент, справа агент): {recording or 'нет'}", soft_wrap=True)
        _show_addresses(console, stack)
        if not once and not stop.is_set():
            console.print("[dim]всё продолжает работать; Ctrl-C останавливает[/dim]")
            await stop.wait()
    return booking is not None


async def _place_call(
    stack: RunningStack, runtime: Runtime, wish: DemoWish, console: Console, interrupt_after_ms: int | None
) -> None:
    """Starts the caller's process and shows the timeline until the conversation has ended."""
    view, ended = LiveView(console), asyncio.Event()
    following = asyncio.Event()

    async def follow() -> None:
        async with contextlib.aclosing(_events(stack, runtime, following)) as events:
            async for event in events:
                view.show(event)
                if event.kind is EventKind.ENDED:
                    ended.set()
                    return

    watching = asyncio.create_task(follow(), name="live view")
    await following.wait()
    interruption = ("--interrupt-after-ms", str(interrupt_after_ms)) if interrupt_after_ms is not None else ()
    caller = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app.demo", "--sip", stack.sip, "--from-number", CALLER_NUMBER,
        "--wish", json.dumps(asdict(wish.words), ensure_ascii=False), *interruption,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(CALL_LIMIT_S):
            await caller.wait()
            await ended.wait()
    except TimeoutError:
        raise Unavailable(f"the demonstration call did not end in {CALL_LIMIT_S:.0f} s") from None
    finally:
        if caller.returncode is None:
            caller.kill()
            await caller.wait()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def _events(
    stack: RunningStack, runtime: Runtime, following: asyncio.Event
) -> AsyncGenerator[TimelineEvent, None]:
    following.set()
    async for event in runtime.timeline_reader.follow(stack.company.scope):
        yield event


async def _find_booking(journal: Journal, stack: RunningStack, wish: DemoWish) -> Booking | None:
    """The booking that was asked for: this caller, this service, this master, this time."""
    phone, part = Phone(CALLER_NUMBER), wish.plan.parts[0]
    for client in await journal.find_clients(stack.company.scope, phone):
        for booking in await journal.bookings_of(stack.company.scope, client.id):
            same = booking.staff_id == part.staff_id and booking.start == part.start
            if same and booking.service_ids == part.service_ids and booking.status in ACTIVE_STATUSES:
                return booking
    return None


def _show_booking(console: Console, stack: RunningStack, wish: DemoWish, booking: Booking | None) -> None:
    console.rule("запись в базе")
    if booking is None:
        console.print("[bold red]записи нет: разговор к ней не привёл[/bold red]")
    else:
        start = booking.start.astimezone(stack.company.zone)
        console.print(
            f"[bold green]{booking.id}[/bold green]  {wish.service.name}, {wish.staff_name}, {start:%d.%m.%Y %H:%M}–"
            f"{booking.end.astimezone(stack.company.zone):%H:%M}, {booking.price.amount.minor // 100} ₽, "
            f"клиент {booking.client_id}, состояние {booking.status.value}",
            soft_wrap=True,
        )


async def _recording(stack: RunningStack, runtime: Runtime) -> Path | None:
    """The finished file of the newest conversation; the jobs process makes it a second after the call."""
    try:
        async with asyncio.timeout(RECORDING_WAIT_S):
            while True:
                newest = (await runtime.conversations.list(stack.company.scope, limit=1))[0]
                path = stack.settings.data_dir / newest.recording if newest.recording else None
                if path is not None and path.is_file():
                    return path.resolve()
                await asyncio.sleep(0.2)
    except TimeoutError:
        return None


def _show_addresses(console: Console, stack: RunningStack) -> None:
    lines = (
        f"API и его описание   {stack.http}/docs",
        f"ключ для API         {stack.api_key}",
        f"здоровье, метрики    {stack.http}/readyz   {stack.http}/metrics",
        f"позвонить самому     {stack.sip}   например: baresip -e '/dial {stack.sip}'",
        f"Twilio               {stack.http}/telephony/twilio/voice   номер {stack.twilio_number}",
        "написать агенту      ai-admin chat",
        f"чат на странице      {stack.chat}",
        f"состояние салона     ai-admin company dump {stack.company.slug} --json",
    )
    console.rule("что работает")
    for line in lines:
        console.print(line, soft_wrap=True)
