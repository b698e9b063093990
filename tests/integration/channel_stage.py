"""A running pipe for tests: real PostgreSQL and Redis, the real agent with the demo salon, a plain messenger."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI

from admin.api.errors import install_error_handlers
from agent.model import Channel
from agent.ports import Agent
from app.bootstrap import Runtime, SalonTools, build_salon, open_runtime
from app.channel_door import ChannelDoor, channel_router
from app.channel_work import channel_jobs, sweep
from app.channels import ChannelSide, ChannelWork, channel_side, channel_work
from app.salons import DEMO_SALON
from channels.accounts import StoredAccount
from channels.listening import Transcriber
from channels.marks import OnRefused, nobody_cares
from channels.model import Event
from channels.timings import Timings
from core.jobs import JobWorker
from core.settings import Settings
from core.tenancy import CompanyScope
from crm.company_file import load_company
from tests.simulators.plain_channel import PlainAdapter, PlainVendor, plain_channel, request_body, sign

QUICK = Timings(
    quiet_s=0.05, longest_burst_s=0.6, look_while_thinking_s=0.05, orphan_retry_s=0.1, orphan_s=3.0, first_retry_s=0.05,
    longest_retry_s=0.2, marker_wait_s=0.4, resend_s=0.1, dead_sender_s=0.2, account_retry_s=0.1, attempts=3,
    wake_within_s=0.5, hook_cache_s=0.2,
)  # fmt: skip


@dataclass
class Stage:
    runtime: Runtime
    side: ChannelSide
    work: ChannelWork
    salon: SalonTools | None
    vendor: PlainVendor
    scope: CompanyScope
    stored: StoredAccount
    hook: str
    client: httpx.AsyncClient
    secret: str
    accounts: dict[str, tuple[StoredAccount, str]] = field(default_factory=dict)

    async def post(
        self, *events: Event, secret: str | None = None, hook: str | None = None, **more: Any
    ) -> httpx.Response:
        body = request_body(events, self.vendor.codec, more.get("addresses"))
        headers = {"x-sign": sign(self.secret if secret is None else secret, body)}
        return await self.client.post(f"/channels/telegram/{hook or self.hook}", content=body, headers=headers)

    async def tell(self, *events: Event) -> None:
        """Posts and waits until all of it was dealt with."""
        for event in events:
            assert (await self.post(event)).status_code == 200
        await self.settled()

    async def settled(self, timeout_s: float = 30.0) -> None:
        """Nothing waits in the inbox and no part is unsent."""
        async with asyncio.timeout(timeout_s):
            while await self.open_rows():  # noqa: ASYNC110 - the state lives in the database
                await asyncio.sleep(0.02)
            await self.work.reading.idle()
            await self.work.sending.idle()

    async def open_rows(self) -> int:
        return await self.value(
            """select (select count(*) from channel_inbox where state = 'waiting')
                    + (select count(*) from channel_parts where state in ('waiting', 'sending', 'unsure'))"""
        )

    async def value(self, sql: str, *values: Any) -> Any:
        async with self.runtime.database.company(self.scope) as conn:
            return await conn.fetchval(sql, *values)

    async def rows(self, sql: str, *values: Any) -> list[Any]:
        async with self.runtime.database.company(self.scope) as conn:
            return await conn.fetch(sql, *values)

    async def thread(self, key: str = "t1") -> UUID:
        return await self.value("select id from channel_threads where thread = $1", key)

    async def another_account(self, scope: CompanyScope | None = None, address: str = "") -> tuple[StoredAccount, str]:
        return await new_account(self.side, scope or self.scope, self.vendor, address)


async def new_account(
    side: ChannelSide, scope: CompanyScope, vendor: PlainVendor, address: str = "", secret: str = ""
) -> tuple[StoredAccount, str]:
    keys = {"secret": secret} if secret else {}
    stored, hook = await side.accounts.add(scope, plain_channel(vendor), {}, keys)
    if address:
        await side.accounts.set_state(scope, stored.account.id, address=address)
    return await side.accounts.get(scope, stored.account.id), hook


async def until(condition: Callable[[], Awaitable[Any]], timeout_s: float = 20.0) -> Any:
    async with asyncio.timeout(timeout_s):
        while not (found := await condition()):  # noqa: ASYNC110 - the state lives in the database
            await asyncio.sleep(0.02)
        return found


async def emptied(owner: Any) -> None:
    """No accounts, threads or messages of an earlier test; the salon stays."""
    for table in ("channel_accounts", "messages", "conversations", "salon_tasks", "client_messages", "pgqueuer"):
        await owner.execute(f"delete from {table}")


@contextlib.asynccontextmanager
async def channel_stage(
    database_url: str,
    redis_url: str,
    folder: Path,
    *,
    timings: Timings = QUICK,
    agent: Agent | None = None,
    transcriber: Transcriber | None = None,
    on_refused: OnRefused = nobody_cares,
    working: bool = True,
    with_salon: bool = False,
    vendor: PlainVendor | None = None,
) -> AsyncIterator[Stage]:
    settings = Settings(
        _env_file=None, DATABASE_URL=database_url, REDIS_URL=redis_url, data_dir=folder, database_pool_size=10
    )
    vendor = vendor or PlainVendor()
    async with contextlib.AsyncExitStack() as cleanup:
        runtime = await cleanup.enter_async_context(open_runtime(settings, "channel-test"))
        salon: SalonTools | None = None
        if agent is None or with_salon:
            salon = await cleanup.enter_async_context(build_salon(runtime, runtime.clock))
        await load_company(runtime.database, DEMO_SALON, shift_to=date.today())  # noqa: DTZ011
        company = await runtime.companies.by_slug("myata")
        side = channel_side(runtime, lambda account: PlainAdapter(account, vendor), timings)
        stored, hook = await new_account(side, company.scope, vendor)
        async with channel_work(runtime, side, agent or salon.agent, transcriber, on_refused=on_refused) as work:
            app = FastAPI()
            install_error_handlers(app)
            app.include_router(
                channel_router(ChannelDoor(runtime.database, side, runtime.clock, runtime.metrics), runtime.clock)
            )
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                stage = Stage(
                    runtime,
                    side,
                    work,
                    salon,
                    vendor,
                    company.scope,
                    stored,
                    hook,
                    client,
                    stored.account.secrets["secret"],
                )
                worker = JobWorker(runtime.database, channel_jobs(work))
                tasks = [asyncio.create_task(worker.run()), asyncio.create_task(_sweeping(stage))] if working else []
                try:
                    yield stage
                finally:
                    worker.stop()
                    for task in tasks[1:]:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)


async def _sweeping(stage: Stage) -> None:
    while True:
        await asyncio.sleep(0.2)
        await sweep(stage.runtime, stage.side, stage.work)


__all__ = ["QUICK", "Channel", "Stage", "channel_stage", "new_account", "replace", "until"]
