"""The whole product on one machine: servers, schema, a company, processes. What serve and demo start."""

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.embedded import EmbeddedStack
from app.environment import environment_of, merged
from app.ports import choose_ports
from app.salons import ensure_company, fresh_api_key
from app.supervisor import Supervisor
from app.web_chat import ensure_demo_chat
from core.companies import Company
from core.database import Database, migrate
from core.errors import ConfigurationError
from core.installation import InstallationSecrets
from core.settings import Settings, load_settings

OnStep = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class RunningStack:
    settings: Settings
    """With every address and port as it really is."""
    company: Company
    api_key: str
    twilio_number: str
    twilio_auth_token: str
    supervisor: Supervisor
    chat_site: str = ""
    """Public token of the demo salon's chat."""

    @property
    def http(self) -> str:
        return f"http://{self.settings.http_host}:{self.settings.http_port}"

    @property
    def sip(self) -> str:
        return f"sip:{self.company.slug}@{self.settings.sip_host}:{self.settings.sip_port}"

    @property
    def chat(self) -> str:
        """A page on which the demo salon's chat can be tried; empty when another salon is served."""
        return f"{self.http}/chat/{self.chat_site}/demo" if self.chat_site else ""

    def ready_line(self) -> dict[str, Any]:
        """What scripts need to know, as `ai-admin serve` prints it."""
        return {
            "ready": True,
            "http": self.http,
            "sip": self.sip,
            "twilio": {
                "webhook": f"{self.http}/telephony/twilio/voice",
                "number": self.twilio_number,
                "auth_token": self.twilio_auth_token,
            },
            "company": self.company.slug,
            "api_key": self.api_key,
            **({"chat": self.chat} if self.chat else {}),
        }


@contextlib.asynccontextmanager
async def servers(settings: Settings, on_step: OnStep) -> AsyncIterator[Settings]:
    """The database and Redis, embedded where none is set, with the schema up to date; settings with their addresses."""
    async with contextlib.AsyncExitStack() as cleanup:
        if settings.embedded_database or settings.embedded_redis:
            on_step("starting the embedded PostgreSQL and Valkey")
            embedded = await cleanup.enter_async_context(EmbeddedStack(settings.data_dir))
            settings = resolved(
                settings,
                database_url=settings.database_url or embedded.database_url,
                redis_url=settings.redis_url or embedded.redis_url,
            )
        on_step("bringing the schema up to date")
        await migrate(settings.database_url)
        yield settings


@contextlib.asynccontextmanager
async def prepared_servers(settings: Settings) -> AsyncIterator[Settings]:
    """For a command beside a running server or alone: the servers, quietly."""
    async with servers(settings, lambda _text: None) as prepared:
        yield prepared


@contextlib.asynccontextmanager
async def running_stack(settings: Settings, company_file: Path | None, on_step: OnStep) -> AsyncIterator[RunningStack]:
    """Everything up and ready; drains when the block is left."""
    with _only_stack(settings.data_dir):
        settings = resolved(settings, **choose_ports(settings))
        async with servers(settings, on_step) as settings, _processes(settings, company_file, on_step) as stack:
            yield stack


@contextlib.contextmanager
def _only_stack(folder: Path) -> Iterator[None]:
    """One set of processes a data folder: a second one would take over the first one's sockets and API key.

    The lock goes with this process, however it ends. Raises ConfigurationError when another stack has it.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "stack.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigurationError(
                f"{folder} is in use by another ai-admin serve or demo: stop it, or choose another: --data-dir DIR"
            ) from None
        yield


@contextlib.asynccontextmanager
async def _processes(settings: Settings, company_file: Path | None, on_step: OnStep) -> AsyncIterator[RunningStack]:
    """The company, a key for this run, and the processes on top of the servers."""
    secrets = InstallationSecrets.load(settings)
    async with await Database.open(settings.database_url, max_size=2) as database:
        company, number = await ensure_company(database, settings, company_file, on_step)
        api_key = await fresh_api_key(database, secrets, company)
        chat = "" if company_file else await ensure_demo_chat(database, secrets, company, settings.http_port)
    on_step("starting the processes")
    names = ["edge", *(f"brain-{number}" for number in range(settings.brains)), "web", "jobs"]
    environment = merged(os.environ, environment_of(settings), {"AI_ADMIN_TWILIO_NUMBER": number})
    supervisor = Supervisor(names, environment, on_step)
    await supervisor.start()
    try:
        yield RunningStack(settings, company, api_key, number, secrets.twilio_auth_token, supervisor, chat)
    finally:
        on_step("draining: no new calls, running ones finish")
        await asyncio.shield(supervisor.drain(settings.drain_timeout_s))


def resolved(settings: Settings, **values: Any) -> Settings:
    """The same settings with some values known; what was set stays marked as set."""
    given = {name: getattr(settings, name) for name in settings.model_fields_set} | values
    return load_settings(None, **given)
