"""ai-admin simulate: the strict simulator of an outside system, to try the product without an account."""

import asyncio
import json
import shlex
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from app.cli.checkout import from_checkout
from channels.registry import NAMES as CHANNELS
from core.errors import InvalidInput
from crm.company_yaml import parse_company, shifted
from crm.vendor.registry import NAMES

FIXTURE = Path(__file__).parents[1] / "demo" / "myata.yaml"


def simulate(
    name: Annotated[str, typer.Argument(help="Система: yclients, amocrm, telegram… / System.")],
    port: Annotated[int, typer.Option(help="Порт на 127.0.0.1; 0 берёт свободный. / Port.")] = 0,
    file: Annotated[Path, typer.Option("--file", help="Салон, которым его наполнить. / Salon file.")] = FIXTURE,
    now: Annotated[str, typer.Option("--now", help="Какой сейчас момент: 2026-12-01T11:00. / Frozen time.")] = "",
) -> None:
    """Симулятор внешней системы: строгий, с состоянием, со сбоями по заказу (POST /_sim/faults).

    Мессенджер: набранная строка уходит салону от имени клиента, ответы видны здесь же; /help покажет остальное.
    """
    module = _module(name)
    asyncio.run(_run(module, name, port, file.read_text(), now))


def _module(name: str) -> Any:
    folder = Path(from_checkout("tests.simulators").__file__ or "").parent
    names = sorted(path.parent.name for path in folder.glob("*/__init__.py") if "SIMULATOR" in path.read_text())
    if name not in names:
        raise InvalidInput(f"name: no simulator {name!r}; there are {', '.join(names)}")
    return from_checkout(f"tests.simulators.{name}")


async def _run(module: Any, name: str, port: int, text: str, now: str) -> None:
    if name in CHANNELS:
        played = from_checkout("tests.simulators.channel.console").played
        await played(module.SIMULATOR.make(lambda: datetime.now(UTC)), port)
        return
    served = from_checkout("tests.simulators.vendor.serving").served
    salon = parse_company(text)
    frozen = datetime.fromisoformat(now).replace(tzinfo=salon.zone) if now else None
    if frozen is None and salon.now is not None:
        salon = shifted(salon, datetime.now(salon.zone).date())
    simulator = module.SIMULATOR.make(salon, lambda: frozen or datetime.now(UTC))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    console = Console(highlight=False)
    async with served(simulator.app, port) as url:
        console.print(f"{name}: {url}  (Ctrl-C останавливает)")
        if hasattr(simulator, "settings"):
            settings, secrets = simulator.settings(url)
            given = {key: value for key, value in {**settings, **secrets}.items() if key != "map"}
            options = " ".join(f"--set {shlex.quote(f'{key}={value}')}" for key, value in given.items())
            if "map" in settings:
                path = Path(f"{name}-map.json")
                options += f" --map {path}"
                console.print(
                    f"соответствие id для --map, сохраните в {path}: {json.dumps(settings['map'])}", soft_wrap=True
                )
            # one_c_hs is a second way to one_c
            vendor = next((known for known in NAMES if name == known or name.startswith(f"{known}_")), name)
            console.print("подключить салон:", soft_wrap=True)
            console.print(
                f"  AI_ADMIN_OUTBOUND_PRIVATE_HOSTS=127.0.0.1 ai-admin crm connect {vendor} {options}", soft_wrap=True
            )
        await stop.wait()
