"""Accounts that are asked instead of being called: no public address, or the salon chose so. One poller an account.

A lease in the account's row decides which process asks. Events and the cursor are stored in one transaction, so that
after a kill the vendor is asked from the last stored event on.
"""

import asyncio
import os
from contextlib import aclosing
from typing import Any, cast
from uuid import uuid4

import structlog

from app.bootstrap import Runtime
from app.channels import ChannelSide
from channels.accounts import StoredAccount
from channels.adapters_open import OpenAccount
from channels.model import AccountId
from channels.ports import Polled
from channels.registry import channel
from core.errors import AppError
from core.tenancy import CompanyScope

log = structlog.get_logger(__name__)


class Polls:
    def __init__(self, runtime: Runtime, side: ChannelSide) -> None:
        self._runtime = runtime
        self._side = side
        self._me = f"{os.getpid()}-{uuid4().hex[:8]}"
        self._tasks: dict[AccountId, asyncio.Task[None]] = {}

    async def look(self) -> None:
        """Begins to poll accounts that want it and that no process polls; again and again."""
        for account_id, task in list(self._tasks.items()):
            if task.done():
                del self._tasks[account_id]
        for company in await self._runtime.companies.all():
            for stored in await self._side.accounts.list(company.scope):
                if stored.account.id not in self._tasks and self._wanted(stored):
                    await self._begin(company.scope, stored)

    async def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _wanted(self, stored: StoredAccount) -> bool:
        """`mode` webhook or poll decides; without it: poll when nobody can call us. A messenger without modes (a
        mailbox) says by `polled` whether it is asked."""
        if not stored.on:
            return False
        if not any(item.name == "mode" for item in channel(stored.account.channel.value).fields):
            return True
        mode = stored.account.settings.get("mode") or ("webhook" if self._runtime.settings.public_url else "poll")
        return mode == "poll"

    async def _begin(self, scope: CompanyScope, stored: StoredAccount) -> None:
        opened = await self._side.opened.of(scope, stored.account.id)
        if not hasattr(opened.adapter, "poll") or not getattr(opened.adapter, "polled", True):
            return
        if await self._lease(opened):
            self._tasks[opened.id] = asyncio.create_task(self._poll(opened), name=f"poll-{opened.id}")

    async def _lease(self, opened: OpenAccount) -> bool:
        async with self._runtime.database.company(opened.scope) as conn:
            taken = await conn.fetchval(
                """update channel_accounts set lease_by = $3, lease_until = now() + make_interval(secs => $4)
                   where company_id = $1 and id = $2 and state = 'on'
                     and (lease_by = $3 or lease_until is null or lease_until < now()) returning true""",
                opened.scope.company_id,
                opened.id,
                self._me,
                self._side.timings.poll_lease_s,
            )
        return bool(taken)

    async def _poll(self, opened: OpenAccount) -> None:
        renewing = asyncio.create_task(self._renew(opened), name=f"lease-{opened.id}")
        polling = asyncio.create_task(self._ask(opened), name=f"ask-{opened.id}")
        try:
            await asyncio.wait({renewing, polling}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (renewing, polling):
                task.cancel()
            for result in await asyncio.gather(renewing, polling, return_exceptions=True):
                if isinstance(result, Exception):  # no AppError: a fault of ours; the next round begins anew
                    log.error("poll_died", channel=opened.channel.value, exc_info=result)
            await self._give_back(opened)

    async def _renew(self, opened: OpenAccount) -> None:
        """Ends when the lease is lost: the account was switched off, or another process has it."""
        while True:
            await asyncio.sleep(self._side.timings.poll_lease_s / 4)
            try:
                if not await self._lease(opened):
                    return
            except AppError as error:
                log.warning("poll_lease_not_renewed", code=error.code)
                return

    async def _ask(self, opened: OpenAccount) -> None:
        failures = 0
        while True:
            cursor = (await self._side.accounts.get(opened.scope, opened.id)).cursor
            try:
                adapter = cast("Polled", opened.adapter)
                async with aclosing(cast("Any", adapter.poll(cursor))) as batches:
                    async for events, new_cursor in batches:
                        failures = 0
                        await self._store(opened, events, new_cursor)
            except AppError as error:
                failures += 1
                log.warning("poll_failed", channel=opened.channel.value, code=error.code)
                if not error.retryable:
                    remedy = getattr(error, "remedy", "")
                    await self._side.accounts.set_state(opened.scope, opened.id, problem=error.message, remedy=remedy)
            pause_s = self._side.timings.poll_pause_s
            await asyncio.sleep(min(pause_s * 2 ** min(failures, 4), 60.0) if failures else 0.1)

    async def _store(self, opened: OpenAccount, events: Any, cursor: str) -> None:
        async with self._runtime.database.company(opened.scope) as conn:
            if events:
                new = await self._side.inbox.store(conn, opened.scope, opened.id, events, self._runtime.clock.now())
                self._runtime.metrics.channel_events_total.labels(opened.channel.value, "new").inc(new)
            await conn.execute(
                """update channel_accounts set cursor = $3 where company_id = $1 and id = $2 and lease_by = $4""",
                opened.scope.company_id,
                opened.id,
                cursor,
                self._me,
            )

    async def _give_back(self, opened: OpenAccount) -> None:
        try:
            async with self._runtime.database.company(opened.scope) as conn:
                await conn.execute(
                    """update channel_accounts set lease_until = null, lease_by = ''
                       where company_id = $1 and id = $2 and lease_by = $3""",
                    opened.scope.company_id,
                    opened.id,
                    self._me,
                )
        except AppError as error:
            log.warning("poll_lease_not_given_back", code=error.code)
