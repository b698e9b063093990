"""ai-admin secrets: seal every company's secrets anew under the first key."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from agent.memory.store import MemoryStore
from app.cli.serve import settings_with
from app.stack import prepared_servers
from core.clock import SystemClock
from core.companies import Companies
from core.database import Database
from core.installation import InstallationSecrets
from core.secrets import CompanySecrets, SecretBox
from core.settings import LogLevel

application = typer.Typer(help="Ключи шифрования. / Encryption keys.", no_args_is_help=True)

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Папка данных. / Data folder.")]


@application.callback()
def _group() -> None:
    """Keeps `rotate` a subcommand while it is the only one."""


@application.command("rotate")
def rotate(data_dir: DataDir = None) -> None:
    """Перешифровывает все ключи CRM и каналов первым ключом из AI_ADMIN_SECRET_KEYS; старый после этого не нужен."""

    async def work() -> None:
        settings = settings_with({"data_dir": data_dir, "log_level": LogLevel.ERROR})
        async with (
            prepared_servers(settings) as prepared,
            await Database.open(prepared.database_url, max_size=2) as database,
        ):
            kept = InstallationSecrets.load(prepared)
            box = SecretBox(kept.fernet_keys)
            stored = CompanySecrets(database, box)
            memory = MemoryStore(database, box, kept.api_key_pepper, SystemClock())
            total = 0
            for company in await Companies(database).all():
                count = await stored.rotate(company.scope) + await memory.rotate(company.scope)
                total += count
                if count:
                    Console().print(f"{company.slug}: {count}")
            Console().print(f"перешифровано: {total}")

    asyncio.run(work())
