"""What the jobs process does for the messengers beside answering: wakes, sweeps, polls, and keeps the tables."""

import asyncio
from collections.abc import Mapping
from uuid import UUID

import structlog

from app.bootstrap import Runtime
from app.channel_polls import Polls
from app.channels import ChannelSide, ChannelWork
from channels.inbox import READ_JOB
from channels.outbound import SEND_JOB
from channels.upkeep import Upkeep
from core.errors import AppError
from core.ids import CompanyId
from core.jobs import JobCall, JobHandler
from core.tenancy import CompanyScope

log = structlog.get_logger(__name__)


def channel_jobs(work: ChannelWork) -> Mapping[str, JobHandler]:
    """A job only wakes: the work itself is in the tables, and is found by the sweep when a wake-up is lost."""

    async def read(call: JobCall) -> None:
        work.reading.wake(CompanyScope(CompanyId(UUID(call.payload["company"]))), UUID(call.payload["thread"]))

    async def send(call: JobCall) -> None:
        work.sending.wake(CompanyScope(CompanyId(UUID(call.payload["company"]))), UUID(call.payload["thread"]))

    return {READ_JOB: read, SEND_JOB: send}


async def sweep(runtime: Runtime, side: ChannelSide, work: ChannelWork) -> int:
    """Wakes every thread in which something waits; how many."""
    woken = 0
    for company in await runtime.companies.all():
        scope, now = company.scope, runtime.clock.now()
        async with runtime.database.company(scope) as conn:
            reading = await side.inbox.due_threads(conn, scope, now, side.timings.wake_within_s)
            sending = await work.sender.due_threads(conn, scope, now, side.timings.wake_within_s)
        for thread_id in reading:
            work.reading.wake(scope, thread_id)
        for thread_id in sending:
            work.sending.wake(scope, thread_id)
        woken += len(reading) + len(sending)
    return woken


async def tend_channels(runtime: Runtime, side: ChannelSide, work: ChannelWork) -> None:
    """Until it is cancelled."""
    upkeep = Upkeep(runtime.database, side.inbox, side.months, side.timings)
    polls = Polls(runtime, side)
    next_upkeep_s = 0.0
    try:
        while True:
            try:
                if runtime.clock.monotonic_s() >= next_upkeep_s:
                    scopes = [company.scope for company in await runtime.companies.all()]
                    await upkeep.run(scopes, runtime.clock.now())
                    next_upkeep_s = runtime.clock.monotonic_s() + side.timings.upkeep_every_s
                await sweep(runtime, side, work)
                await polls.look()
            except AppError as error:
                log.warning("messengers_not_swept", code=error.code)
            await asyncio.sleep(side.timings.sweep_s)
    finally:
        await polls.close()
